# SPDX-License-Identifier: Apache-2.0
"""Calls that are given up or break, at every stage: the room is left, and what was recorded is kept or goes."""

from __future__ import annotations

import asyncio
import gc
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
from calls import ANSWER, QUESTION, REPLAY, call, files, new_room, nothing_left, runtime, with_agent
from livekit import api, rtc
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent, access
from sounds import clip, find_all, read, samples

from xray._recorder import Recorder
from xray.conversation import Turn
from xray.errors import MixdownError, XrayError
from xray.runtime._room import call as call_module
from xray.runtime._room.call import Call
from xray.runtime.base import RuntimeResult
from xray.runtime.livekit import LiveKitRuntime

pytestmark = pytest.mark.room

ONE = [Turn.user("question"), Turn.agent()]
WAV = f"{REPLAY['replay_id']}.wav"


async def answers(agent: ScriptedAgent) -> None:
    await agent.user_spoke()
    await agent.say(ANSWER)


async def participants(server: LiveKitServer, room: str) -> list[str]:
    async with api.LiveKitAPI(server.url, server.api_key, server.api_secret) as client:
        found = await client.room.list_participants(api.ListParticipantsRequest(room=room))
        return sorted(p.identity for p in found.participants)


@asynccontextmanager
async def slow_way(server: LiveKitServer, opens: asyncio.Event) -> AsyncIterator[tuple[str, asyncio.Event]]:
    """The URL of a way to the server that lets nothing through until `opens`; and when the first client came."""
    target = urlsplit(server.url)
    came = asyncio.Event()
    at_work: set[asyncio.Task[Any]] = set()

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        at_work.add(task)
        came.set()
        await opens.wait()
        there, back = await asyncio.open_connection(target.hostname, target.port)
        await asyncio.gather(pump(reader, back), pump(there, writer))

    proxy = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"ws://127.0.0.1:{proxy.sockets[0].getsockname()[1]}", came
    finally:
        proxy.close()
        for task in at_work:
            task.cancel()
        if at_work:
            await asyncio.wait(at_work)


@pytest.mark.parametrize("waits_s", [5.0, 0.1])
def test_a_run_that_is_cancelled_while_it_joins_leaves_no_participant(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, waits_s: float
) -> None:
    """LiveKit goes on joining when nobody waits for it any more: it is waited for, or left when it has."""
    monkeypatch.setattr(call_module, "_CLOSE_TIMEOUT_S", waits_s)
    left: list[bool] = []
    leave = rtc.Room.disconnect

    async def noted(self: rtc.Room) -> None:
        await leave(self)
        left.append(True)

    async def go() -> None:
        room, opens = new_room(), asyncio.Event()
        async with ScriptedAgent(livekit_server, room), slow_way(livekit_server, opens) as (url, came):
            monkeypatch.setattr(rtc.Room, "disconnect", noted)
            driver = LiveKitRuntime(url, livekit_server.api_key, livekit_server.api_secret, room, cache_root=tmp_path)
            driver.bind(**REPLAY)
            running = asyncio.ensure_future(call(driver, ONE, {0: QUESTION}))
            await came.wait()
            running.cancel()
            done, _ = await asyncio.wait({running}, timeout=0.5)
            assert bool(done) == (waits_s < 1)
            opens.set()
            with pytest.raises(asyncio.CancelledError):
                await running
            while not left:  # or pytest's time-out
                await asyncio.sleep(0.02)
            for _ in range(50):
                if await participants(livekit_server, room) == ["agent"]:
                    break
                await asyncio.sleep(0.05)
            assert await participants(livekit_server, room) == ["agent"]
            monkeypatch.undo()

    asyncio.run(asyncio.wait_for(go(), 30))
    assert files(tmp_path) == []


@pytest.mark.parametrize("rounds", [1, 10])
def test_a_second_cancellation_does_not_keep_the_room_from_being_left(
    livekit_server: LiveKitServer, tmp_path: Path, rounds: int
) -> None:
    """As a second Ctrl-C does, at any time while the room is being left."""

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path, mixdown_dir=None)
            running = asyncio.ensure_future(call(driver, ONE, {0: clip(9, 6.0)}))
            await agent.user_speaks()
            running.cancel()
            for _ in range(rounds):
                await asyncio.sleep(0)
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running
            assert await participants(livekit_server, room) == ["agent"]
        await nothing_left()

    asyncio.run(go())
    assert files(tmp_path) == []


def publishing(monkeypatch: pytest.MonkeyPatch, does: Callable[[], Any]) -> None:
    publish = rtc.LocalParticipant.publish_track

    async def instead(self: Any, track: Any, *rest: Any) -> Any:
        if self.identity == "xray-driver":
            await does()
        return await publish(self, track, *rest)

    monkeypatch.setattr(rtc.LocalParticipant, "publish_track", instead)


def test_a_track_that_the_room_does_not_take(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from livekit.rtc.participant import PublishTrackError

    async def refuse() -> None:
        raise PublishTrackError("not allowed")

    publishing(monkeypatch, refuse)
    with pytest.raises(XrayError, match=r"cannot speak in room .*: not allowed"):
        asyncio.run(call(runtime(livekit_server, new_room(), tmp_path), ONE, {0: QUESTION}))


def test_a_run_that_is_cancelled_while_it_publishes(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def go() -> None:
        reached = asyncio.Event()

        async def stay() -> None:
            reached.set()
            await asyncio.Event().wait()

        publishing(monkeypatch, stay)
        running = asyncio.ensure_future(call(runtime(livekit_server, new_room(), tmp_path), ONE, {0: QUESTION}))
        await reached.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(go())
    gc.collect()
    assert [r.getMessage() for r in caplog.records if r.name == "asyncio"] == []  # an error that nobody looked at


@pytest.mark.parametrize("asked_for", [True, False])
def test_what_was_recorded_of_a_call_that_breaks_is_kept(
    livekit_server: LiveKitServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    asked_for: bool,
) -> None:
    """Somebody else takes the driver's identity."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def act(agent: ScriptedAgent) -> None:
        await answers(agent)
        await agent.user_speaks()
        await agent.user_spoke(silence_s=0.1)
        taker = rtc.Room()
        await taker.connect(livekit_server.url, access(livekit_server, agent.room.name, "xray-driver"))
        await taker.disconnect()

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            kept = tmp_path / "kept" if asked_for else None
            driver = runtime(livekit_server, room, tmp_path, mixdown_dir=kept)
            acting = asyncio.ensure_future(act(agent))
            try:
                await call(driver, ONE * 2, {0: QUESTION, 2: QUESTION})
            finally:
                await acting  # cancelled while it joins, LiveKit would end the process

    with pytest.raises(XrayError, match=r"DUPLICATE_IDENTITY .*the recording is kept at .*\.wav") as caught:
        asyncio.run(go())
    path = caught.value.recording_path
    assert path is not None
    assert path.name == WAV
    assert path.parent == tmp_path / "kept" if asked_for else path.parent.name.startswith("xray-recording-")
    assert files(tmp_path) == [str(path.relative_to(tmp_path))]
    assert str(path) in caplog.text
    recording = read(path)
    find_all(recording.user, samples(QUESTION))
    find_all(recording.agent, samples(ANSWER))


@pytest.mark.parametrize("asked_for", [True, False])
def test_what_was_recorded_of_a_cancelled_run_is_kept_where_it_is_asked_for(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked_for: bool
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            kept = tmp_path / "kept" if asked_for else None
            driver = runtime(livekit_server, room, tmp_path, mixdown_dir=kept)
            running = asyncio.ensure_future(call(driver, ONE, {0: QUESTION}))
            await agent.user_spoke()
            running.cancel()
            with pytest.raises(asyncio.CancelledError):
                await running

    asyncio.run(go())
    assert files(tmp_path) == ([f"kept/{WAV}"] if asked_for else [])
    if asked_for:
        find_all(read(tmp_path / "kept" / WAV).user, samples(QUESTION))


def test_a_recording_that_cannot_be_kept_hides_no_error(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any, **__: Any) -> Path:
        raise MixdownError("cannot write the recording: no space left on device")

    monkeypatch.setattr(Recorder, "finish", full)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    async def fails() -> None:
        raise XrayError("the first")

    publishing(monkeypatch, fails)

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room):
            await call(runtime(livekit_server, room, tmp_path, mixdown_dir=None), ONE, {0: QUESTION})

    with pytest.raises(XrayError, match=r"the first$"):
        asyncio.run(go())
    assert "no space left on device" in caplog.text
    assert [p.name for p in tmp_path.iterdir()] == ["cache"]


def test_an_agent_that_rejoins_in_time_goes_on_with_its_turn(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    async def go() -> RuntimeResult:
        room = new_room()

        async def act(agent: ScriptedAgent) -> None:
            await agent.user_spoke()
            await agent.leave()
            async with ScriptedAgent(livekit_server, room) as again:
                await again.user_came.wait()
                await asyncio.sleep(1)  # the first half second of a stream is stretched
                await again.say(ANSWER)
                await done.wait()

        done = asyncio.Event()
        async with ScriptedAgent(livekit_server, room) as agent:
            running = asyncio.ensure_future(call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))
            running.add_done_callback(lambda _: done.set())
            return await with_agent(agent, act, running)

    result = asyncio.run(go())
    assert result.responses[0].duration_ms is not None
    find_all(read(result.full_audio_path).agent, samples(ANSWER))


class FakeRoom:
    """As `rtc.Room`, for what is told of people who come and go."""

    def __init__(self) -> None:
        self.handlers: dict[str, Callable[..., None]] = {}
        self.remote_participants: dict[str, Any] = {}

    def on(self, event: str, handler: Callable[..., None]) -> None:
        self.handlers[event] = handler

    def register_text_stream_handler(self, topic: str, handler: object) -> None:
        pass

    async def disconnect(self) -> None:
        pass


class FakeClock:
    def __init__(self) -> None:
        self.ns = 0

    def monotonic_ns(self) -> int:
        return self.ns

    def epoch_ns(self) -> int:
        return self.ns


def test_an_agent_that_went_while_the_connection_was_away_is_gone_though_another_is_not(tmp_path: Path) -> None:
    async def go() -> tuple[float, float]:
        room, clock = FakeRoom(), FakeClock()
        kinds = SimpleNamespace(PARTICIPANT_KIND_AGENT=4)
        fake: Any = SimpleNamespace(Room=lambda: room, ParticipantKind=kinds)
        recorder = Recorder(tmp_path, clock=clock)
        made = Call(fake, room="r", agent_identity=None, recorder=recorder, clock=clock)
        try:
            agents = [SimpleNamespace(identity=name, kind=4) for name in ("a", "b")]
            for agent in agents:
                room.remote_participants[agent.identity] = agent
                room.handlers["participant_connected"](agent)
            room.handlers["reconnecting"]()
            del room.remote_participants["b"]
            room.handlers["reconnected"]()
            with_one_left = made.agent_gone_s()
            room.handlers["participant_disconnected"](agents[0])
            clock.ns += 2 * 10**9
            return with_one_left, made.agent_gone_s()
        finally:
            await made.close()
            recorder.close()

    assert asyncio.run(go()) == (0.0, 2.0)
