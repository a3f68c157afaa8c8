# SPDX-License-Identifier: Apache-2.0
"""A live session in a real room, with devices at the boundary of PortAudio that are threads."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from calls import ANSWER, QUESTION, REPLAY, new_room
from fake_sounddevice import FakeSoundDevice
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import RATE, find, find_all, read, samples

from xray.conversation import Conversation
from xray.errors import (
    AgentNotJoinedError,
    AudioMissingError,
    LiveDependencyError,
    MicCaptureError,
    SpeakerPlaybackError,
)
from xray.runtime._room import call as call_module
from xray.runtime._room import devices
from xray.runtime._room.devices import Speaker
from xray.runtime.base import Runtime, RuntimeBindable, RuntimeResult, StoppableRuntime
from xray.runtime.livekit_live import LiveKitLiveRuntime

pytestmark = pytest.mark.room

SESSION = Conversation("live", (), live=True)


@pytest.fixture
def device(monkeypatch: pytest.MonkeyPatch) -> FakeSoundDevice:
    fake = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def live(server: LiveKitServer, room: str, tmp_path: Path, **options: Any) -> LiveKitLiveRuntime:
    given: dict[str, Any] = {"mixdown_dir": tmp_path / "kept", "cache_root": tmp_path / "cache", **options}
    made = LiveKitLiveRuntime(server.url, server.api_key, server.api_secret, room, **given)
    made.bind(**REPLAY)
    return made


async def session(runtime: LiveKitLiveRuntime, act: Callable[[], Awaitable[None]] | None = None) -> RuntimeResult:
    running = asyncio.ensure_future(runtime.run(SESSION))
    try:
        if act is not None:
            await act()
        return await running
    finally:
        running.cancel()
        await asyncio.wait({running})
        await runtime.aclose()


def test_a_person_talks_until_the_session_is_stopped(
    livekit_server: LiveKitServer, device: FakeSoundDevice, tmp_path: Path
) -> None:
    heard = bytearray()

    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            runtime = live(livekit_server, room, tmp_path)

            async def act() -> None:
                await agent.user_came.wait()
                await asyncio.sleep(1.2)
                device.speak(QUESTION)
                await agent.user_spoke()
                await agent.send_text("Good morning.", segment="s")
                await agent.say(ANSWER)
                await asyncio.sleep(0.5)
                runtime.request_stop()

            result = await session(runtime, act)
            heard.extend(agent.heard)
            return result

    result = asyncio.run(go())
    recording = read(result.full_audio_path)
    asked = find(recording.user, samples(QUESTION))
    assert asked.match > 0.999  # to the bit, but for a quiet frame that a clock may have cost
    answered = find_all(recording.agent, samples(ANSWER))
    assert answered.at > asked.at + len(QUESTION) // 2
    find_all(samples(bytes(heard)), samples(QUESTION))
    find_all(samples(bytes(device.played)), samples(ANSWER))
    assert result.responses == []
    assert result.full_transcript == "agent: Good morning."
    assert result.recording_started_at_epoch is not None
    assert device.open == set()


def test_the_agent_can_be_muted_here(livekit_server: LiveKitServer, device: FakeSoundDevice, tmp_path: Path) -> None:
    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            runtime = live(livekit_server, room, tmp_path, play_agent_audio=False)

            async def act() -> None:
                await agent.user_came.wait()
                await asyncio.sleep(1)
                await agent.say(ANSWER)
                await asyncio.sleep(0.3)
                runtime.request_stop()

            return await session(runtime, act)

    find_all(read(asyncio.run(go()).full_audio_path).agent, samples(ANSWER))
    assert device.played == b""


def test_a_session_that_is_stopped_before_the_agent_is_there_has_no_recording(
    livekit_server: LiveKitServer, device: FakeSoundDevice, tmp_path: Path
) -> None:
    async def go(*, before: bool) -> RuntimeResult:
        runtime = live(livekit_server, new_room(), tmp_path)
        if before:
            runtime.request_stop()

        async def act() -> None:
            await asyncio.sleep(0.5)
            runtime.request_stop()

        return await session(runtime, act)

    for before in (True, False):
        result = asyncio.run(go(before=before))
        assert result.full_audio_path is None
        assert result.recording_started_at_epoch is None
    assert device.open == set()


def test_an_agent_that_never_comes_or_has_no_audio(
    livekit_server: LiveKitServer, device: FakeSoundDevice, tmp_path: Path
) -> None:
    async def alone() -> None:
        await session(live(livekit_server, new_room(), tmp_path, agent_join_timeout_s=0.5))

    async def mute() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room, publish=False):
            await session(live(livekit_server, room, tmp_path, agent_audio_timeout_s=0.5))

    with pytest.raises(AgentNotJoinedError):
        asyncio.run(alone())
    with pytest.raises(AudioMissingError, match=r"no audio within 0\.5 s"):
        asyncio.run(mute())
    assert device.open == set()


@pytest.mark.parametrize(
    ("lacks", "error"), [({"no_mic": True}, MicCaptureError), ({"no_speaker": True}, SpeakerPlaybackError)]
)
def test_a_device_that_cannot_be_opened(
    livekit_server: LiveKitServer,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    lacks: dict[str, bool],
    error: type[Exception],
) -> None:
    fake = FakeSoundDevice(**lacks)
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    with pytest.raises(error, match=r"cannot open the .*PaErrorCode"):
        asyncio.run(session(live(livekit_server, new_room(), tmp_path)))
    assert fake.open == set()


def test_a_microphone_that_dies(livekit_server: LiveKitServer, device: FakeSoundDevice, tmp_path: Path) -> None:
    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room):

            async def act() -> None:
                await asyncio.sleep(0.5)
                device.mic_dead.set()

            await session(live(livekit_server, room, tmp_path), act)

    with pytest.raises(MicCaptureError, match="has given nothing"):
        asyncio.run(go())


def test_a_loudspeaker_that_dies(
    livekit_server: LiveKitServer, device: FakeSoundDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(devices, "_STOPPED_S", 0.3)

    async def go() -> None:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:

            async def act() -> None:
                await agent.user_came.wait()
                device.speaker_dead.set()

            await session(live(livekit_server, room, tmp_path), act)

    with pytest.raises(SpeakerPlaybackError, match="has taken nothing") as caught:
        asyncio.run(asyncio.wait_for(go(), 20))
    assert caught.value.recording_path == tmp_path / "kept" / f"{REPLAY['replay_id']}.wav"
    assert device.open == set()


def test_a_session_is_stopped_while_it_joins(
    device: FakeSoundDevice, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C when LiveKit does not answer: no error, and not after the time-out for joining."""
    monkeypatch.setattr(call_module, "_CLOSE_TIMEOUT_S", 0.1)

    async def go() -> RuntimeResult:
        came, over = asyncio.Event(), asyncio.Event()

        async def silent(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            came.set()
            await over.wait()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            runtime = LiveKitLiveRuntime(f"ws://127.0.0.1:{port}", "key", "s" * 40, "r", cache_root=tmp_path)
            runtime.bind(**REPLAY)
            running = asyncio.ensure_future(runtime.run(SESSION))
            await came.wait()
            runtime.request_stop()
            try:
                return await asyncio.wait_for(running, 5)
            finally:
                over.set()
                await runtime.aclose()

    assert asyncio.run(go()).full_audio_path is None
    assert device.open == set()


def test_without_the_extra_and_without_portaudio(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    runtime = LiveKitLiveRuntime("ws://x", "key", "secret", "r", cache_root=tmp_path)
    runtime.bind(**REPLAY)
    monkeypatch.setitem(sys.modules, "sounddevice", None)
    with pytest.raises(LiveDependencyError, match=r'pip install "xray-py\[live\]"'):
        asyncio.run(runtime.run(SESSION))

    def no_library(_name: str) -> None:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr("importlib.import_module", no_library)
    with pytest.raises(LiveDependencyError, match=r"libportaudio2.*PortAudio library not found"):
        asyncio.run(runtime.run(SESSION))


def test_it_is_what_run_live_drives() -> None:
    runtime = LiveKitLiveRuntime("ws://x", "the-key", "the-secret", "r")
    for protocol in (Runtime, RuntimeBindable, StoppableRuntime):
        assert isinstance(runtime, protocol)
    assert "the-secret" not in repr(runtime)
    with pytest.raises(ValueError, match="agent_audio_timeout_s"):
        LiveKitLiveRuntime("ws://x", "k", "s", "r", agent_audio_timeout_s=0)


def test_tracks_are_mixed_on_the_loudspeaker_and_late_ones_do_not_pile_up() -> None:
    speaker: Any = Speaker(FakeSoundDevice(), device=None)
    frame = (100).to_bytes(2, "little") * 480

    def block() -> bytes:
        out = bytearray(960)
        speaker._called(memoryview(out), 480, None, 0)
        return bytes(out)

    speaker.play("a", frame)
    assert block() == bytes(960)  # a little is kept in hand first
    for _ in range(3):
        speaker.play("a", frame)
        speaker.play("b", frame * 4)
    assert block() == (200).to_bytes(2, "little") * 480
    for _ in range(100):
        speaker.play("a", frame)
    loud = 0
    while block() != bytes(960):
        loud += 1
    assert loud < 25
    assert RATE == 48_000
