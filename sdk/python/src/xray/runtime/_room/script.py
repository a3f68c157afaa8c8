# SPDX-License-Identifier: Apache-2.0
"""The turns of a conversation, one after the other, in a call."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

from opentelemetry import trace

from xray._clock import SAMPLE_RATE
from xray._recorder import Recorder
from xray.conversation import Conversation, Role, Turn
from xray.runtime._room.call import Call
from xray.runtime._room.runtime import Outcome
from xray.runtime._turn_span import emit_turn_span
from xray.runtime.base import AgentResponse, RunProgress

__all__ = ["Script"]

# After a final transcript a pause is less likely to be one.
_SILENCE_AFTER_FINAL_MS: Final = 500
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
        self._conversation = conversation
        self._call = call
        self._recorder = recorder
        self._audio = audio
        self._report = report
        self._silence = agent_silence_ms * SAMPLE_RATE // 1000
        self._silence_after_final = min(self._silence, _SILENCE_AFTER_FINAL_MS * SAMPLE_RATE // 1000)
        self._timeout = round(agent_turn_timeout_s * SAMPLE_RATE)
        self._tracer = tracer
        self._outcome = outcome
        # One for each turn of the agent, also for those that the call does not get to.
        outcome.responses[:] = [AgentResponse("") for turn in conversation.turns if turn.role is Role.AGENT]
        self._answered = 0

    async def play(self) -> None:
        turns = self._conversation.turns
        for idx, turn in enumerate(turns):
            await self._call.wait_until_connected()
            self._report(RunProgress("turn", turn_idx=idx, turn_count=len(turns), role=turn.role))
            if turn.role is Role.USER:
                await self._user_turn(idx, turn)
            else:
                await self._agent_turn(idx, turn)
        # What is on its way to either side when the last turn is over.
        await asyncio.sleep(_TAIL_S)
        self._outcome.end = self._recorder.now()

    async def _user_turn(self, idx: int, turn: Turn) -> None:
        spoken = await self._call.voice.say(self._audio.get(idx, b""))
        start, end = self._recorder.at(spoken.start_ns), self._recorder.at(spoken.end_ns)
        # What the agent said before is no answer to this; if it is still speaking, that may be.
        self._call.hearing.forget()
        self._emit(idx, turn, start, end, turn.text or "")

    async def _agent_turn(self, idx: int, turn: Turn) -> None:
        began = self._recorder.now()
        hearing = self._call.hearing
        while not self._agent_turn_is_over(began):
            await asyncio.sleep(_TICK_S)
        first, last = hearing.first_voice, hearing.last_voice
        text = self._call.words.take()
        spoke = first is not None and last is not None
        start, end = (first, last) if first is not None and last is not None else (began, self._recorder.now())
        hearing.forget()
        duration_ms = (end - start) * 1000 // SAMPLE_RATE if spoke else None
        self._outcome.responses[self._answered] = AgentResponse(text, duration_ms=duration_ms)
        self._answered += 1
        self._emit(idx, turn, start, end, text)

    def _agent_turn_is_over(self, began: int) -> bool:
        now = self._recorder.now()
        if now - began >= self._timeout:
            return True
        hearing = self._call.hearing
        gone = self._call.agent_gone_s()
        if hearing.first_voice is None or hearing.last_voice is None:
            return gone >= _REJOIN_S
        silent = now - hearing.last_voice
        if gone > 0 or self._call.words.final:
            return silent >= self._silence_after_final
        return silent >= self._silence

    def _emit(self, idx: int, turn: Turn, start: int, end: int, text: str) -> None:
        if text:
            self._outcome.lines.append(f"{turn.role}: {text}")
        emit_turn_span(self._tracer, self._recorder, idx, turn, start=start, end=end, transcript=text)
