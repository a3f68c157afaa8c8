# SPDX-License-Identifier: Apache-2.0
"""`LiveKitRuntime`: the user's side of a call in a LiveKit room.

Needs the extra: `pip install "xray-py[livekit]"`. Importing this module does not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from opentelemetry import trace

from xray._clock import SYSTEM_CLOCK, Clock
from xray._recorder import Recorder
from xray._sip import SimulatedSipCall
from xray.conversation import Conversation, Role
from xray.errors import RuntimeBindError
from xray.runtime._arguments import check_times, check_user_audio
from xray.runtime._places import Places
from xray.runtime._room.call import Call
from xray.runtime._room.joining import Secret
from xray.runtime._room.runtime import Account, Outcome, RoomRuntime
from xray.runtime._room.script import Script
from xray.runtime.base import RuntimeResult

__all__ = ["LiveKitRuntime"]

# The first half second that a receiver gets is stretched by its jitter buffer; nobody should be speaking then.
_WARM_UP_S: Final = 1.0


class LiveKitRuntime(RoomRuntime):
    """Joins a LiveKit room as the user, speaks the user's turns to the agent in it, and records both sides.

    `url` (`ws://` or `wss://`), `api_key` and `api_secret` are of the LiveKit server; the last two are never shown.
    `room` is joined, and made if it is not there, as participant `identity`. An agent is a participant of LiveKit's
    kind AGENT, or the one called `agent_identity`; it may be in the room already. `agent_name` has LiveKit dispatch the
    agent that registered under this name (a room that is there already keeps the agents it has). With `simulated_sip`
    the user looks like a phone call.

    Times: `agent_join_timeout_s` for an agent to be in the room, then AgentNotJoinedError; `agent_turn_timeout_s` for
    one whole turn of it. A turn of the agent is over when it has spoken and then been silent for `agent_silence_ms`, or
    for 500 ms if its final transcript is there; or 5 s after that, if no voice of it is heard. Agents that fall silent
    for longer within a turn need a larger value.

    A user's turn begins when the turn before it is over. An agent that says nothing until its time is up has an empty
    response and the call goes on. A call that the other side ends (the room is deleted, the participant removed) ends
    normally with what was said so far.

    The first turn begins when the agent has subscribed to the user's track and, if it is one of LiveKit Agents, its
    session listens; each is waited for up to 10 s. Until then nobody else can subscribe to that track.

    The recording begins when the agent is there. With `mixdown_dir` it is kept there as `<replay id>.wav`; otherwise it
    lies in a private temporary directory, under `cache_root` if given, that `aclose` removes. That of a call that an
    error ended is kept in either case: the error says where.

    `run` raises LiveKitDependencyError without the extra, RuntimeBindError before `bind`, AgentNotJoinedError,
    MixdownError if the disk does not take the recording, and XrayError if the room cannot be joined or the connection
    is lost for good.
    """

    def __init__(
        self,
        url: str,
        api_key: str,
        api_secret: str,
        room: str,
        identity: str = "xray-driver",
        agent_join_timeout_s: float = 30,
        agent_turn_timeout_s: float = 30,
        *,
        agent_silence_ms: int = 800,
        agent_identity: str | None = None,
        agent_name: str | None = None,
        simulated_sip: SimulatedSipCall | None = None,
        mixdown_dir: str | Path | None = None,
        cache_root: str | Path | None = None,
        tracer_provider: trace.TracerProvider | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        key, secret = Secret(api_key), Secret(api_secret)
        del api_key, api_secret  # or the errors below would show them where locals are shown
        check_times(agent_turn_timeout_s=agent_turn_timeout_s, agent_silence_ms=agent_silence_ms)
        account = Account(url, key, secret, room, identity, agent_identity, agent_name, simulated_sip)
        places = Places.of(mixdown_dir, cache_root)
        super().__init__(account, places, agent_join_timeout_s=agent_join_timeout_s, clock=clock)
        self._agent_turn_timeout_s = agent_turn_timeout_s
        self._agent_silence_ms = agent_silence_ms
        self._tracer_provider = tracer_provider
        self._audio: Mapping[int, bytes] = {}

    def inject_user_audio(self, audio: Mapping[int, bytes]) -> None:
        """Turn index to 48 kHz mono s16le PCM without a header. ValueError for bytes that are not whole samples."""
        check_user_audio(audio)
        self._audio = dict(audio)

    async def run(self, conversation: Conversation) -> RuntimeResult:
        turns = enumerate(conversation.turns)
        wanted = [i for i, turn in turns if turn.role is Role.USER and turn.audio is not None and i not in self._audio]
        if wanted:
            raise RuntimeBindError(f"LiveKitRuntime: the user turns {wanted} have no audio; see inject_user_audio")
        return await super().run(conversation)

    async def talk(self, call: Call, recorder: Recorder, conversation: Conversation, outcome: Outcome) -> None:
        script = Script(
            conversation,
            call,
            recorder,
            outcome,
            audio=self._audio,
            agent_silence_ms=self._agent_silence_ms,
            agent_turn_timeout_s=self._agent_turn_timeout_s,
            report=self._report,
            tracer=trace.get_tracer("xray", tracer_provider=self._tracer_provider),
        )
        await call.publish(agents_first=True)
        await call.wait_for_agent(self._agent_join_timeout_s)
        await call.wait_until_agent_listens()
        await asyncio.sleep(_WARM_UP_S)
        await script.play()
