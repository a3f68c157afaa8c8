# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a room: each ends with its own error, in time, and leaves no task, no file and no participant."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from calls import ANSWER, QUESTION, REPLAY, SECOND, call, files, new_room, nothing_left, runtime, with_agent
from livekit import api
from livekit_server import LiveKitServer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from scripted_agent import ScriptedAgent
from sounds import RATE, clip, find_all, read, samples

from xray._sip import SimulatedSipCall
from xray.conversation import Conversation, Turn
from xray.errors import (
    AgentNotJoinedError,
    LiveKitDependencyError,
    MixdownError,
    RuntimeBindError,
    XrayError,
)
from xray.runtime.base import (
    ProgressReporting,
    RunProgress,
    Runtime,
    RuntimeBindable,
    RuntimeResult,
    UserAudioInjectable,
)
from xray.runtime.livekit import LiveKitRuntime

pytestmark = pytest.mark.room

ONE = [Turn.user("question"), Turn.agent()]
SIP = SimulatedSipCall("+15550001", "+15550002", "SCL_1", "full-1", "active", "SDR_1", "ST_1", {"sip.h.x": "y"})


async def answers(agent: ScriptedAgent) -> None:
    await agent.user_spoke()
    await agent.say(ANSWER)


def participants(server: LiveKitServer, room: str) -> list[str]:
    async def ask() -> list[str]:
        async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client:
            found = await client.room.list_participants(api.ListParticipantsRequest(room=room))
            return [p.identity for p in found.participants]

    return asyncio.run(ask())


def test_an_agent_that_never_joins(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    room = new_room()

    async def go() -> None:
        # A human in the room is no agent.
        async with ScriptedAgent(livekit_server, room, identity="human", kind="standard"):
            driver = runtime(livekit_server, room, tmp_path, agent_join_timeout_s=1)
            with pytest.raises(AgentNotJoinedError) as caught:
                await call(driver, ONE, {0: QUESTION})
            assert (caught.value.room, caught.value.timeout_s) == (room, 1)
            assert caught.value.failure_reason == "agent_not_joined"
        await nothing_left()

    asyncio.run(go())
    assert participants(livekit_server, room) == []
    assert files(tmp_path) == []


def test_an_agent_of_another_kind_can_be_named(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room, identity="pipeline", kind="standard") as agent:
            driver = runtime(livekit_server, room, tmp_path, agent_identity="pipeline")
            return await with_agent(agent, answers, call(driver, ONE, {0: QUESTION}))

    find_all(read(asyncio.run(go()).full_audio_path).agent, samples(ANSWER))


def test_no_server_there(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]

    async def go() -> None:
        driver = LiveKitRuntime(f"ws://127.0.0.1:{port}", "key", "very-secret" * 3, "r", cache_root=tmp_path)
        driver.bind(**REPLAY)
        with pytest.raises(XrayError, match=f"127.0.0.1:{port}") as caught:
            await call(driver, ONE, {0: QUESTION})
        assert "very-secret" not in str(caught.value)
        await nothing_left()

    asyncio.run(go())
    assert files(tmp_path) == []


def test_a_secret_that_is_wrong(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    async def go() -> None:
        driver = LiveKitRuntime(livekit_server.url, livekit_server.api_key, "x" * 40, "r", cache_root=tmp_path)
        driver.bind(**REPLAY)
        with pytest.raises(XrayError, match="cannot join room 'r'"):
            await call(driver, ONE, {0: QUESTION})
        await nothing_left()

    asyncio.run(go())


@pytest.mark.parametrize("url", ["http://[", "nonsense"])
def test_a_url_that_is_none(url: str, tmp_path: Path) -> None:
    async def go() -> None:
        driver = LiveKitRuntime(url, "key", "s" * 40, "r", cache_root=tmp_path)
        driver.bind(**REPLAY)
        with pytest.raises(XrayError, match="cannot join room"):
            await call(driver, ONE, {0: QUESTION})

    asyncio.run(go())


def test_a_room_that_the_agent_closes_ends_the_call_with_what_was_said(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    """How an agent hangs up."""
    room = new_room()
    third_turn = asyncio.Event()

    async def act(agent: ScriptedAgent) -> None:
        await answers(agent)
        await third_turn.wait()
        await asyncio.sleep(1)
        async with api.LiveKitAPI(livekit_server.url, livekit_server.api_key, livekit_server.api_secret) as client:
            await client.room.delete_room(api.DeleteRoomRequest(room=room))

    async def go() -> RuntimeResult:
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path)
            driver.report_progress_to(lambda p: third_turn.set() if p.turn_idx == 2 else None)
            long = clip(9, 5.0)
            return await with_agent(agent, act, call(driver, ONE * 2, {0: QUESTION, 2: long}))

    result = asyncio.run(go())
    recording = read(result.full_audio_path)
    find_all(recording.agent, samples(ANSWER))
    find_all(recording.user, samples(clip(9, 5.0))[: RATE // 10])
    assert [r.duration_ms is not None for r in result.responses] == [True, False]
    assert recording.seconds < 9


def test_a_room_that_is_closed_before_there_is_an_agent(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    room = new_room()

    async def go() -> None:
        running = asyncio.ensure_future(call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))
        await asyncio.sleep(1)
        async with api.LiveKitAPI(livekit_server.url, livekit_server.api_key, livekit_server.api_secret) as client:
            await client.room.delete_room(api.DeleteRoomRequest(room=room))
        with pytest.raises(XrayError, match="was lost: ROOM_DELETED"):
            await running
        await nothing_left()

    asyncio.run(go())


@pytest.mark.slow
def test_a_server_that_dies_in_the_call(tmp_path: Path) -> None:
    server = LiveKitServer().start()

    async def act(agent: ScriptedAgent) -> None:
        await answers(agent)
        server.kill()

    async def go() -> None:
        room = new_room()
        agent = ScriptedAgent(server, room)
        async with agent:
            driver = runtime(server, room, tmp_path, agent_turn_timeout_s=120)
            with pytest.raises(XrayError, match="was lost"):
                await with_agent(agent, act, call(driver, ONE * 2, {0: QUESTION, 2: SECOND}))

    try:
        asyncio.run(asyncio.wait_for(go(), 100))
    finally:
        server.stop()
    assert files(tmp_path) == [f"kept/{REPLAY['replay_id']}.wav"]


def test_a_run_that_is_cancelled_leaves_nothing(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    room = new_room()
    threads = threading.active_count()

    async def go() -> None:
        async with ScriptedAgent(livekit_server, room) as agent:
            running = asyncio.ensure_future(
                call(runtime(livekit_server, room, tmp_path, mixdown_dir=None), ONE, {0: QUESTION})
            )
            await agent.user_speaks()
            assert [p.name[:5] for p in (tmp_path / "cache").iterdir()] == ["xray-"]
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
        await nothing_left()

    asyncio.run(go())
    assert participants(livekit_server, room) == []
    assert list((tmp_path / "cache").iterdir()) == []
    assert threading.active_count() <= threads + 1


def test_a_disk_that_is_full(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            running = asyncio.ensure_future(call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))
            await agent.user_came.wait()
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
            with pytest.raises(MixdownError, match="cannot record"):
                await running
        await nothing_left()

    try:
        asyncio.run(go())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_directory_that_cannot_be_made(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    driver = runtime(livekit_server, "r", tmp_path, mixdown_dir=tmp_path / "file" / "kept")
    with pytest.raises(MixdownError, match="no place"):
        asyncio.run(call(driver, ONE, {0: QUESTION}))


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [n for n in sys.modules if n == "livekit" or n.startswith("livekit.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "livekit", None)
    driver = LiveKitRuntime("ws://x", "key", "secret", "r", cache_root=tmp_path)
    driver.bind(**REPLAY)
    with pytest.raises(LiveKitDependencyError, match=r'pip install "xray-py\[livekit\]"'):
        asyncio.run(call(driver, ONE, {0: QUESTION}))
    assert files(tmp_path) == []


def test_misuse_is_told_before_anything_is_joined(tmp_path: Path) -> None:
    driver = LiveKitRuntime("ws://x", "the-key", "the-secret", "r", cache_root=tmp_path)
    conversation = Conversation("c", ONE)
    driver.inject_user_audio({0: QUESTION})
    with pytest.raises(RuntimeBindError, match="bind"):
        asyncio.run(driver.run(conversation))
    driver.bind(**REPLAY)
    driver.inject_user_audio({})
    with pytest.raises(RuntimeBindError, match=r"user turns \[0\] have no audio"):
        asyncio.run(driver.run(conversation))
    with pytest.raises(ValueError, match="replay_id"):
        driver.bind(replay_id="no", conversation_hash="ab" * 32)
    with pytest.raises(ValueError, match="api_secret must not be empty"):
        LiveKitRuntime("ws://x", "key", "", "r")
    with pytest.raises(ValueError, match="more than 0"):
        LiveKitRuntime("ws://x", "key", "s", "r", agent_silence_ms=0)
    with pytest.raises(ValueError, match="more than 0"):
        LiveKitRuntime("ws://x", "key", "s", "r", agent_join_timeout_s=0)
    shown = repr(driver) + str(driver) + repr(vars(driver))
    assert "the-secret" not in shown
    assert "the-key" not in shown
    assert "'r'" in repr(driver)
    for protocol in (Runtime, RuntimeBindable, UserAudioInjectable, ProgressReporting):
        assert isinstance(driver, protocol)


@pytest.mark.parametrize("sip", [None, SIP])
def test_the_agent_is_told_the_replay_and_the_kind_of_caller(
    livekit_server: LiveKitServer, tmp_path: Path, sip: SimulatedSipCall | None
) -> None:
    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    seen: list[RunProgress] = []

    async def go() -> tuple[RuntimeResult, ScriptedAgent]:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path, simulated_sip=sip, tracer_provider=provider)
            driver.report_progress_to(seen.append)
            turns = [Turn.user("question", key="ask"), Turn.agent()]
            return await with_agent(agent, answers, call(driver, turns, {0: QUESTION})), agent

    result, agent = asyncio.run(go())
    assert json.loads(agent.attributes["xray"]) == {**REPLAY, "modality": "voice"}
    rest = {name: value for name, value in agent.attributes.items() if name.startswith("sip.")}
    assert rest == ({} if sip is None else dict(sip.attributes()))
    assert agent.user_kind == (0 if sip is None else 3)
    assert [(p.stage, p.turn_idx, p.role) for p in seen] == [
        ("joining", None, None),
        ("turn", 0, "user"),
        ("turn", 1, "agent"),
    ]
    # The spans say when: in the time of the recording.
    assert result.recording_started_at_epoch is not None
    recording = read(result.full_audio_path)
    user, answer = spans.get_finished_spans()
    asked, answered = find_all(recording.user, samples(QUESTION)), find_all(recording.agent, samples(ANSWER))
    attributes: list[dict[str, Any]] = [dict(s.attributes or {}) for s in (user, answer)]
    assert attributes[0] == {
        "xray.turn.idx": 0,
        "xray.turn.role": "user",
        "xray.turn.key": "ask",
        "xray.turn.transcript": "question",
    }
    assert attributes[1] == {"xray.turn.idx": 1, "xray.turn.role": "agent", "xray.turn.transcript": ""}
    for span, found, length in ((user, asked, len(QUESTION) // 2), (answer, answered, len(ANSWER) // 2)):
        assert span.name == "xray.turn"
        assert span.start_time is not None
        assert span.end_time is not None
        start = span.start_time / 1e9 - result.recording_started_at_epoch
        assert abs(start - found.at / RATE) < 0.06
        assert abs((span.end_time - span.start_time) / 1e9 - length / RATE) < 0.06


def test_the_recording_goes_with_the_runtime_unless_it_is_to_be_kept(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    async def go(kept: Path | None) -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room):
            driver = runtime(livekit_server, room, tmp_path, mixdown_dir=kept)
            driver.inject_user_audio({0: SECOND})
            result = await driver.run(Conversation("c", [Turn.user("a")]))
            assert result.full_audio_path is not None
            assert Path(result.full_audio_path).exists()
            with pytest.raises(RuntimeError, match="one conversation"):
                await driver.run(Conversation("c", [Turn.user("a")]))
            await driver.aclose()
            await driver.aclose()
            return result

    asyncio.run(go(None))
    assert files(tmp_path) == []
    asyncio.run(go(tmp_path / "kept"))
    assert files(tmp_path) == [f"kept/{REPLAY['replay_id']}.wav"]
