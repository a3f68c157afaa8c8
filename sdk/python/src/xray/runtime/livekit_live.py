# SPDX-License-Identifier: Apache-2.0
"""`LiveKitLiveRuntime`: a person at this machine talks to an agent in a LiveKit room.

Needs both extras: `pip install "xray-py[livekit,live]"`. Importing this module does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from types import ModuleType
from typing import Any

from xray._clock import SYSTEM_CLOCK, Clock
from xray._recorder import Recorder
from xray._sip import SimulatedSipCall
from xray._tasks import despite_cancellation
from xray.conversation import Conversation
from xray.errors import AudioMissingError
from xray.runtime._arguments import check_times
from xray.runtime._places import Places
from xray.runtime._room.call import Call
from xray.runtime._room.devices import Device, Microphone, Speaker, load_sounddevice
from xray.runtime._room.joining import Secret
from xray.runtime._room.placing import Placer
from xray.runtime._room.runtime import Account, Outcome, RoomRuntime
from xray.runtime.base import RuntimeResult

__all__ = ["LiveKitLiveRuntime"]


class LiveKitLiveRuntime(RoomRuntime):
    """Joins a LiveKit room with the microphone of this machine, and records both sides until `request_stop`.

    The arguments that `LiveKitRuntime` has too mean the same. `agent_audio_timeout_s`: how long after the agent joined
    its audio may take to appear, then AudioMissingError. `play_agent_audio` has the agent heard on the loudspeaker;
    wear headphones, or the microphone hears it too. `input_device` and `output_device` are sounddevice's indices or
    names.

    `run` raises LiveDependencyError without the extra or without PortAudio, MicCaptureError and SpeakerPlaybackError
    for devices that cannot be opened or stop, AudioMissingError, and what `LiveKitRuntime.run` does. A session that is
    stopped before the agent is there has no recording.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        api_secret: str,
        room: str,
        identity: str = "xray-driver",
        agent_join_timeout_s: float = 30,
        *,
        agent_audio_timeout_s: float = 30,
        play_agent_audio: bool = True,
        input_device: Device = None,
        output_device: Device = None,
        agent_identity: str | None = None,
        agent_name: str | None = None,
        simulated_sip: SimulatedSipCall | None = None,
        mixdown_dir: str | Path | None = None,
        cache_root: str | Path | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        key, secret = Secret(api_key), Secret(api_secret)
        del api_key, api_secret  # or the errors below would show them where locals are shown
        check_times(agent_audio_timeout_s=agent_audio_timeout_s)
        account = Account(url, key, secret, room, identity, agent_identity, agent_name, simulated_sip)
        places = Places.of(mixdown_dir, cache_root)
        super().__init__(account, places, agent_join_timeout_s=agent_join_timeout_s, clock=clock)
        self._agent_audio_timeout_s = agent_audio_timeout_s
        self._play_agent_audio = play_agent_audio
        self._input_device: Device = input_device
        self._output_device: Device = output_device
        self._sd: ModuleType | None = None
        self._asked_to_stop = False
        self._stop: asyncio.Event | None = None

    def request_stop(self) -> None:
        """Makes `run` return soon with what was recorded so far. Called on the event loop."""
        self._asked_to_stop = True
        if self._stop is not None:
            self._stop.set()

    async def run(self, conversation: Conversation) -> RuntimeResult:
        self._sd = load_sounddevice()
        self._stop = asyncio.Event()
        if self._asked_to_stop:
            self._stop.set()
        return await super().run(conversation)

    async def talk(
        self,
        call: Call,
        recorder: Recorder,
        conversation: Conversation,  # noqa: ARG002 it has no turns
        outcome: Outcome,
    ) -> None:
        assert self._sd is not None
        microphone = Microphone(self._sd, device=self._input_device, clock=self._clock)
        speaker = Speaker(self._sd, device=self._output_device)
        try:
            microphone.open()
            if self._play_agent_audio:
                speaker.open()
                call.listener = speaker.play
                call.beside(speaker.watch())
            await call.publish(self._feed(call, recorder, microphone))
            await self._converse(call)
        finally:
            microphone.close()
            speaker.close()
            if call.recording:
                outcome.end = recorder.now()
                if text := call.words.take():
                    outcome.lines.append(f"agent: {text}")

    async def _converse(self, call: Call) -> None:
        await call.wait_for_agent(self._agent_join_timeout_s)
        try:
            await asyncio.wait_for(call.agent_heard.wait(), self._agent_audio_timeout_s)
        except asyncio.TimeoutError:
            raise AudioMissingError(
                f"the agent joined but has published no audio within {self._agent_audio_timeout_s:g} s"
            ) from None
        await asyncio.Event().wait()  # until it is stopped, or the call is over

    def interruptible(self, work: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
        return self._until_stopped(work)

    async def _until_stopped(self, work: Coroutine[Any, Any, None]) -> None:
        assert self._stop is not None
        if self._stop.is_set():
            work.close()
            return
        loop = asyncio.get_running_loop()
        stopping, working = loop.create_task(self._stop.wait()), loop.create_task(work)
        try:
            await asyncio.wait({stopping, working}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            stopping.cancel()
            working.cancel()
            await despite_cancellation(asyncio.wait({stopping, working}))

    async def _feed(self, call: Call, recorder: Recorder, microphone: Microphone) -> None:
        """Sends what the microphone gives, when it gives it. Its clock is not this machine's: see `placing`."""
        placer = Placer()
        try:
            while True:
                came_ns, pcm = await microphone.next()
                await call.send(pcm)
                if call.recording:
                    for at, placed in placer.push(recorder.at(came_ns), pcm):
                        recorder.add_user(at, placed)
        finally:
            for at, placed in placer.flush():
                recorder.add_user(at, placed)
