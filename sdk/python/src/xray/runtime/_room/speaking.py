# SPDX-License-Identifier: Apache-2.0
"""The user's voice: a frame every 10 ms for the whole call, silence when nobody speaks.

The source behind `send` has no queue, so a frame leaves when it is sent, and a frame's place in the recording is its
time on the schedule. The schedule is counted from its start, so that it does not drift with the time that each frame
takes. A frame that is late (the loop was busy) is sent at once, and so are those after it until the schedule is met
again: a listener's jitter buffer takes that, and nothing is lost. Should it be later than `MAX_CATCH_UP_NS`, the
listener has heard a hole anyway: the schedule moves to now, and the recording has the hole where it was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

from xray._clock import Clock
from xray._frame import FRAME_NS, FRAME_SAMPLES, SILENCE
from xray._wav import BYTES_PER_SAMPLE

__all__ = ["MAX_CATCH_UP_NS", "Spoken", "Voice"]

MAX_CATCH_UP_NS: Final = 200_000_000


class Spoken(NamedTuple):
    """When a turn's first sample left, and when its last one had: readings of the monotonic clock, in nanoseconds."""

    start_ns: int
    end_ns: int


class _Turn:
    def __init__(self, pcm: bytes, voice_ends: int, then: Callable[[], None]) -> None:
        self.rest = memoryview(pcm)
        self.samples = len(pcm) // BYTES_PER_SAMPLE
        self._until_voice_ends = voice_ends
        self._then: Callable[[], None] | None = then
        self.start_ns: int | None = None
        self.done: asyncio.Future[Spoken] = asyncio.get_running_loop().create_future()

    def passed(self, samples: int) -> None:
        """So many more have left."""
        self._until_voice_ends -= samples
        if self._until_voice_ends <= 0 and self._then is not None:
            then, self._then = self._then, None
            then()


class Voice:
    """Sends frames by a schedule until it is cancelled.

    `send` gives a frame to the transport; `record` is told the moment it left (monotonic ns) and its samples, of
    frames with speech only. Both are called with frames of exactly 10 ms.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        record: Callable[[int, bytes], None],
        *,
        clock: Clock,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._send = send
        self._record = record
        self._clock = clock
        self._sleep = sleep
        self._turn: _Turn | None = None

    async def run(self) -> None:
        """Feeds the transport for ever. Ends by cancellation, or with what `send` or `record` raised."""
        due = self._clock.monotonic_ns()
        try:
            while True:
                late = self._clock.monotonic_ns() - due
                if late < 0:
                    await self._sleep(-late / 1e9)
                    continue
                if late > MAX_CATCH_UP_NS:
                    due += late
                turn = self._turn
                frame = SILENCE if turn is None else _next_frame(turn)
                await self._send(frame)
                if turn is not None:
                    self._record(due, frame)
                    self._after(turn, due)
                due += FRAME_NS
        except BaseException as error:
            if self._turn is not None and not self._turn.done.done():
                if isinstance(error, Exception):
                    self._turn.done.set_exception(error)
                else:
                    self._turn.done.cancel()
            raise

    async def say(self, pcm: bytes, *, voice_ends: int = 0, then: Callable[[], None] = lambda: None) -> Spoken:
        """Speaks 48 kHz mono s16le samples, from the next frame on; returns when the last one has left.

        Calls `then` once, as soon as the first `voice_ends` samples have left. Cancelled, it stops speaking. Raises
        what ended `run` if that ends meanwhile.
        """
        if self._turn is not None:
            raise RuntimeError("the user speaks already")
        turn = _Turn(pcm, voice_ends, then)
        turn.passed(0)
        if not pcm:
            now = self._clock.monotonic_ns()
            return Spoken(now, now)
        self._turn = turn
        try:
            return await turn.done
        finally:
            if self._turn is turn:
                self._turn = None

    def _after(self, turn: _Turn, left_ns: int) -> None:
        if turn.start_ns is None:
            turn.start_ns = left_ns
        turn.passed(FRAME_SAMPLES)
        if not turn.rest and not turn.done.done():
            last = turn.samples % FRAME_SAMPLES or FRAME_SAMPLES
            turn.done.set_result(Spoken(turn.start_ns, left_ns + last * FRAME_NS // FRAME_SAMPLES))
            self._turn = None


def _next_frame(turn: _Turn) -> bytes:
    frame = bytes(turn.rest[: len(SILENCE)])
    turn.rest = turn.rest[len(SILENCE) :]
    return frame.ljust(len(SILENCE), b"\0")
