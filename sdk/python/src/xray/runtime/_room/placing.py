# SPDX-License-Identifier: Apache-2.0
"""Where received frames lie on the recording's clock.

A receiver's native thread takes a frame off the jitter buffer every 10 ms by a steady clock; that moment is when a
listener hears it. But Python gets to it later: usually by a fraction of a millisecond, sometimes by as long as
somebody blocked the event loop. Placed by their arrival, frames would overlap and leave gaps; placed by their count
alone, one late first frame would shift the whole call. So:

- A frame's *lateness* is when it arrived minus how many samples of its stream came before it. On a steady stream it
  is the same number for every frame, the *offset*, plus what Python was late by, which is never less than nothing.
- The offset is therefore the smallest lateness in a window. A frame is held back until a window of frames after it
  is there: its place is its count plus the smallest lateness among them. (That keeps half a second in memory.)
- A frame that arrived right on the heels of the one before it was waiting in a queue: its arrival says nothing of
  when it was heard. Such frames do not count towards the window, so that after the loop was blocked the window
  reaches to where arrivals are on time again, and the frames that waited are placed as if they had not.
- While the smallest lateness stays within `TOLERANCE` of the offset, nothing moves: frames lie end to end. If all of
  a window is later than that, the stream itself stood still and went on: from the first such frame on, the offset is
  the new one, and the recording is silent where nothing was heard. A small shift waits for a quiet frame, where it
  cuts nothing in two.
- If frames come earlier than the offset says (the sender's clock is faster), quiet frames are left out until it fits.
  A frame with sound in it is never dropped.
- A microphone in a room is never that quiet, and its clock may be 100 ppm off. So what no quiet frame has put right in
  `_PATIENCE_FRAMES` is put right in the sound, a sample a frame at most: one is left out, or is there twice, where the
  frame is flattest. Nobody hears that, and at 100 ppm it is five samples a second. Before that a speaker has paused:
  speech in which the stream made a step is kept as it came.
"""

from __future__ import annotations

from collections import deque
from itertools import pairwise
from typing import Final, NamedTuple

from xray._pcm import pcm_of, samples_of
from xray._wav import BYTES_PER_SAMPLE

__all__ = ["TOLERANCE", "WINDOW_FRAMES", "Placed", "Placer", "peak"]

WINDOW_FRAMES: Final = 50
_LAST_WINDOW_FRAMES: Final = 10
TOLERANCE: Final = 240  # 5 ms
_ON_ITS_HEELS: Final = 144  # 3 ms: frames are 10 ms apart unless they waited
_SMALL_SHIFT: Final = 960  # 20 ms
_QUIET_PEAK: Final = 64  # -54 dBFS
_PATIENCE_FRAMES: Final = 300
_MAX_HELD: Final = 6_000  # a minute; a loop that was blocked for longer has lost the call anyway


class Placed(NamedTuple):
    """A frame and the sample of the recording that its first sample lies at."""

    at: int
    pcm: bytes


class _Held(NamedTuple):
    before: int  # samples of the stream before it
    pcm: bytes
    paced: bool


class Placer:
    """Places one stream's frames. All times are samples of the recording's clock."""

    def __init__(self) -> None:
        self._held: deque[_Held] = deque()
        self._paced = 0
        # Candidates for the smallest lateness among the held frames: (count, lateness), lateness growing.
        self._lows: deque[tuple[int, int]] = deque()
        self._count = 0
        self._last_arrival: int | None = None
        self._offset: int | None = None
        self._off_for = 0  # frames since the offset was last within the tolerance

    def push(self, arrived: int, pcm: bytes) -> list[Placed]:
        """Takes a frame that arrived at sample `arrived`; returns those whose place is known by now, in order."""
        paced = self._last_arrival is None or arrived - self._last_arrival > _ON_ITS_HEELS
        self._last_arrival = arrived
        lateness = arrived - self._count
        while self._lows and self._lows[-1][1] >= lateness:
            self._lows.pop()
        self._lows.append((self._count, lateness))
        self._held.append(_Held(self._count, pcm, paced))
        self._paced += paced
        self._count += len(pcm) // BYTES_PER_SAMPLE
        out: list[Placed] = []
        while self._paced > WINDOW_FRAMES or len(self._held) > _MAX_HELD:
            out += self._release()
        return out

    def flush(self) -> list[Placed]:
        """The rest, when the stream has ended."""
        out: list[Placed] = []
        while self._held:
            # The last frames have a small window or none. Their lateness may be Python's: only a stream that has no
            # offset yet takes one from it.
            out += self._release(settled=self._offset is not None and self._paced < _LAST_WINDOW_FRAMES)
        return out

    def _release(self, *, settled: bool = False) -> list[Placed]:
        smallest = self._lows[0][1]
        frame = self._held.popleft()
        self._paced -= frame.paced
        if self._lows[0][0] == frame.before:
            self._lows.popleft()
        if self._offset is None:
            self._offset = smallest
        shift = 0 if settled else smallest - self._offset
        if abs(shift) <= TOLERANCE:
            self._off_for = 0
        else:
            self._off_for += 1
            quiet = peak(frame.pcm) <= _QUIET_PEAK
            if shift > _SMALL_SHIFT or (shift > 0 and quiet):
                self._offset = smallest
            elif shift < 0 and quiet:
                self._offset -= min(-shift, len(frame.pcm) // BYTES_PER_SAMPLE)
                kept = frame.pcm[: max(0, len(frame.pcm) + shift * BYTES_PER_SAMPLE)]
                at = frame.before + self._offset + (len(frame.pcm) - len(kept)) // BYTES_PER_SAMPLE
                return [Placed(at, kept)] if kept else []
            elif self._off_for > _PATIENCE_FRAMES:
                at = frame.before + self._offset
                self._offset += 1 if shift > 0 else -1
                return [Placed(at, _one_sample(frame.pcm, longer=shift > 0))]
        return [Placed(frame.before + self._offset, frame.pcm)]


def peak(pcm: bytes) -> int:
    """The largest absolute sample value."""
    samples = samples_of(pcm)
    return max(max(samples), -min(samples)) if samples else 0


def _one_sample(pcm: bytes, *, longer: bool) -> bytes:
    """The frame, longer or shorter by one sample, where its neighbours differ least from it."""
    samples = samples_of(pcm)
    steps = [abs(b - a) for a, b in pairwise(samples)]
    flattest = min(range(1, len(steps)), key=lambda i: steps[i - 1] + steps[i], default=0)
    if longer:
        samples.insert(flattest, samples[flattest])
    else:
        del samples[flattest]
    return pcm_of(samples)
