# SPDX-License-Identifier: Apache-2.0
"""The turns of a conversation, one after the other, on whatever line carries the call: when a turn is over, and what of
the agent's is its answer.

A user's turn is over when its audio is. What the agent said before the user's voice ended is no answer; if it is still
speaking then, that may become one. A turn of the agent is over when it has spoken and then been silent for long enough,
when nobody is there to answer, or when its time is up.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Final, Protocol

from opentelemetry import trace

from xray._clock import SAMPLE_RATE
from xray._frame import FRAME_BYTES, FRAME_SAMPLES
from xray._recorder import Recorder
from xray.conversation import Conversation, Role, Turn
from xray.runtime._hearing import Hearing, level_dbfs
from xray.runtime._turn_span import emit_turn_span
from xray.runtime._words import Words
from xray.runtime.base import AgentResponse, RunProgress

__all__ = ["Line", "Turns", "frames_of"]

# After a final transcript a pause is less likely to be one.
_SILENCE_AFTER_FINAL: Final = 500 * SAMPLE_RATE // 1000
# A voice comes after its final transcript by what its synthesis takes, a second or two. Later it comes not at all, or
# is too soft to be heard.
_VOICE_AFTER_FINAL: Final = 5 * SAMPLE_RATE
# Between the words of one who speaks.
_PAUSE: Final = 200 * SAMPLE_RATE // 1000
_VOICE_BELOW_LOUDEST_DB: Final = 35.0
_SILENT_DBFS: Final = -70.0

_logger = logging.getLogger("xray.runtime")


class Line(Protocol):
    """What carries a call. Times are samples of the recording."""

    @property
    def hearing(self) -> Hearing:
        """Whether the agent speaks."""
        ...

    @property
    def words(self) -> Words:
        """What it says."""
        ...

    def now(self) -> int: ...

    @property
    def nobody_answers(self) -> bool:
        """Whether the agent has left, and nothing of it is still to be heard."""
        ...

    async def ready(self) -> None:
        """Returns when a turn can begin."""
        ...

    async def say(self, pcm: bytes, *, voice_ends: int, then: Callable[[], None]) -> tuple[int, int]:
        """Speaks for the user: returns when, from sample to sample. Calls `then` once, when the first `voice_ends`
        samples have been spoken."""
        ...

    async def wait(self) -> None:
        """Lets a moment pass in which the user is silent: a frame, or two."""
        ...


class Turns:
    """Plays a conversation's turns and notes what came of each."""

    def __init__(
        self,
        conversation: Conversation,
        line: Line,
        recorder: Recorder,
        *,
        audio: Mapping[int, bytes],
        agent_silence_ms: float,
        agent_turn_timeout_s: float,
        report: Callable[[RunProgress], None],
        tracer: trace.Tracer,
    ) -> None:
        self._turns = conversation.turns
        self._line = line
        self._recorder = recorder
        self._audio = audio
        # Now, and not while somebody speaks: it takes 20 ms for a minute of audio.
        self._voice_ends = {idx: _end_of_voice(pcm) for idx, pcm in audio.items()}
        self._silence = round(agent_silence_ms * SAMPLE_RATE / 1000)
        self._timeout = round(agent_turn_timeout_s * SAMPLE_RATE)
        self._report = report
        self._tracer = tracer
        # One for each turn of the agent, also for those that the call does not get to.
        self.responses = [AgentResponse("") for turn in self._turns if turn.role is Role.AGENT]
        self.lines: list[str] = []
        self._answered = 0
        self._answers_count = False
        self._final_at: int | None = None

    async def play(self) -> None:
        for idx, turn in enumerate(self._turns):
            await self._line.ready()
            self._report(RunProgress("turn", turn_idx=idx, turn_count=len(self._turns), role=turn.role))
            if turn.role is Role.USER:
                await self._user_turn(idx, turn)
            else:
                await self._agent_turn(idx, turn)

    async def _user_turn(self, idx: int, turn: Turn) -> None:
        pcm, began = self._audio.get(idx, b""), self._line.now()
        self._answers_count = False
        try:
            # Audio files end in silence, and a quick agent answers within it.
            start, end = await self._line.say(
                pcm, voice_ends=self._voice_ends.get(idx, 0), then=self._now_answers_count
            )
        except BaseException:
            # A quick agent hangs up within it too.
            if self._answers_count:
                self._note(idx, turn, began, self._line.now(), turn.text or "")
                self._note_early_answer(idx + 1)
            raise
        self._note(idx, turn, start, end, turn.text or "")

    def _note_early_answer(self, idx: int) -> None:
        turn = self._turns[idx] if idx < len(self._turns) else None
        if turn is not None and turn.role is Role.AGENT and self._line.hearing.voice is not None:
            self._note_answer(idx, turn, self._line.now())

    def _now_answers_count(self) -> None:
        self._answers_count = True
        last = self._line.hearing.last_voice
        self._line.words.drop(speaking=last is not None and self._line.now() - last <= _PAUSE)
        self._line.hearing.forget()

    async def _agent_turn(self, idx: int, turn: Turn) -> None:
        began = self._line.now()
        self._final_at = None
        try:
            while not self._agent_turn_is_over(idx, began):
                await self._line.wait()
        finally:
            # Also if the call ends within the turn: agents hang up as soon as they have said goodbye.
            self._note_answer(idx, turn, began)

    def _agent_turn_is_over(self, idx: int, began: int) -> bool:
        now, voice, final = self._line.now(), self._line.hearing.voice, self._line.words.final
        if now - began >= self._timeout:
            what = "had said nothing" if voice is None else "was still speaking"
            _logger.warning("turn %d: the agent %s after %g s", idx, what, self._timeout / SAMPLE_RATE)
            return True
        if voice is None:
            return self._line.nobody_answers or self._has_words_without_voice(idx, now, final=final)
        silence = min(self._silence, _SILENCE_AFTER_FINAL) if final else self._silence
        return now - voice[1] >= silence

    def _has_words_without_voice(self, idx: int, now: int, *, final: bool) -> bool:
        if not final:
            self._final_at = None
        elif self._final_at is None:
            self._final_at = now
        if self._final_at is None or now - self._final_at < _VOICE_AFTER_FINAL:
            return False
        _logger.warning(
            "turn %d: the agent's words are there, but its voice was not heard within %g s",
            idx,
            _VOICE_AFTER_FINAL / SAMPLE_RATE,
        )
        return True

    def _note_answer(self, idx: int, turn: Turn, began: int) -> None:
        voice, text = self._line.hearing.voice, self._line.words.take()
        start, end = voice or (began, self._line.now())
        duration_ms = None if voice is None else (end - start) * 1000 // SAMPLE_RATE
        self._line.hearing.forget()
        self.responses[self._answered] = AgentResponse(text, duration_ms=duration_ms)
        self._answered += 1
        self._note(idx, turn, start, end, text)

    def _note(self, idx: int, turn: Turn, start: int, end: int, text: str) -> None:
        if text:
            self.lines.append(f"{turn.role}: {text}")
        emit_turn_span(self._tracer, self._recorder, idx, turn, start=start, end=end, transcript=text)


def frames_of(pcm: bytes) -> Iterator[bytes]:
    """Frames of 10 ms, the last one filled up with silence."""
    for at in range(0, len(pcm), FRAME_BYTES):
        yield pcm[at : at + FRAME_BYTES].ljust(FRAME_BYTES, b"\0")


def _end_of_voice(pcm: bytes) -> int:
    """The sample after the last frame that is not silence beside the loudest. Of those every fifth is looked at: it is
    quicker."""
    frames = list(frames_of(pcm))
    loudest = max(map(level_dbfs, frames[::5]), default=_SILENT_DBFS)
    silence = max(loudest - _VOICE_BELOW_LOUDEST_DB, _SILENT_DBFS)
    while frames and level_dbfs(frames[-1]) <= silence:
        frames.pop()
    return len(frames) * FRAME_SAMPLES
