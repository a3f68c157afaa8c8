# SPDX-License-Identifier: Apache-2.0
"""The turns of a conversation in a room: what `_turns` decides, on a call there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry import trace

from xray._recorder import Recorder
from xray.conversation import Conversation
from xray.runtime._hearing import Hearing
from xray.runtime._room.call import Call
from xray.runtime._room.runtime import Outcome
from xray.runtime._turns import Turns
from xray.runtime._words import Words
from xray.runtime.base import RunProgress

__all__ = ["Script"]

# An agent that was thrown out or has crashed may come back.
_REJOIN_S: Final = 3.0
_TAIL_S: Final = 0.5
_TICK_S: Final = 0.02


class Script:
    """Plays a conversation's turns in a call, and notes in `outcome` what came of each."""

    def __init__(
        self,
        conversation: Conversation,
        call: Call,
        recorder: Recorder,
        outcome: Outcome,
        *,
        audio: Mapping[int, bytes],
        agent_silence_ms: int,
        agent_turn_timeout_s: float,
        report: Callable[[RunProgress], None],
        tracer: trace.Tracer,
    ) -> None:
        self._recorder = recorder
        self._outcome = outcome
        self._turns = Turns(
            conversation,
            _RoomLine(call, recorder),
            recorder,
            audio=audio,
            agent_silence_ms=agent_silence_ms,
            agent_turn_timeout_s=agent_turn_timeout_s,
            report=report,
            tracer=tracer,
        )
        # The same lists: what is in them when the call breaks off counts.
        outcome.responses, outcome.lines = self._turns.responses, self._turns.lines

    async def play(self) -> None:
        await self._turns.play()
        # What is on its way to either side when the last turn is over.
        await asyncio.sleep(_TAIL_S)
        self._outcome.end = self._recorder.now()


class _RoomLine:
    """A call in a room as a `Line`. Silence flows by itself."""

    def __init__(self, call: Call, recorder: Recorder) -> None:
        self._call = call
        self._recorder = recorder

    @property
    def hearing(self) -> Hearing:
        return self._call.hearing

    @property
    def words(self) -> Words:
        return self._call.words

    def now(self) -> int:
        return self._recorder.now()

    @property
    def nobody_answers(self) -> bool:
        return self._call.agent_gone_s() >= _REJOIN_S

    async def ready(self) -> None:
        await self._call.wait_until_connected()

    async def say(self, pcm: bytes, *, voice_ends: int, then: Callable[[], None]) -> tuple[int, int]:
        spoken = await self._call.voice.say(pcm, voice_ends=voice_ends, then=then)
        return self._recorder.at(spoken.start_ns), self._recorder.at(spoken.end_ns)

    async def wait(self) -> None:
        await asyncio.sleep(_TICK_S)
