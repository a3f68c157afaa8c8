# SPDX-License-Identifier: Apache-2.0
"""The two clocks that a recording needs, behind one small interface so that tests can turn them by hand."""

from __future__ import annotations

import time
from typing import Final, Protocol

__all__ = ["NS_PER_S", "SAMPLE_RATE", "SYSTEM_CLOCK", "Clock", "anchor", "ns_of_samples", "samples_of_ns"]

SAMPLE_RATE: Final = 48_000
NS_PER_S: Final = 1_000_000_000
_ANCHOR_TRIES: Final = 5


class Clock(Protocol):
    """Nanoseconds, twice: one that never jumps, for placing sound; one since the Unix epoch, for the anchor."""

    def monotonic_ns(self) -> int: ...

    def epoch_ns(self) -> int: ...


class _SystemClock:
    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def epoch_ns(self) -> int:
        return time.time_ns()


SYSTEM_CLOCK: Final[Clock] = _SystemClock()


def samples_of_ns(ns: int) -> int:
    """How many whole samples fit in `ns` nanoseconds at 48 kHz; exact at any length, negative times too."""
    return ns * SAMPLE_RATE // NS_PER_S


def ns_of_samples(samples: int) -> int:
    """The nanoseconds that `samples` samples take at 48 kHz, rounded up, so that `samples_of_ns` gives them back."""
    return -(-samples * NS_PER_S // SAMPLE_RATE)


def anchor(clock: Clock) -> tuple[int, int]:
    """One moment on both clocks: (monotonic_ns, epoch_ns).

    The process may lose the processor between the two readings, which would shift every span of the call against the
    recording. So the epoch is read between two monotonic readings, a few times, and the narrowest pair is kept.
    """
    best: tuple[int, int, int] | None = None
    for _ in range(_ANCHOR_TRIES):
        before = clock.monotonic_ns()
        epoch = clock.epoch_ns()
        width = clock.monotonic_ns() - before
        if best is None or width < best[0]:
            best = (width, before + width // 2, epoch)
    assert best is not None
    return best[1], best[2]
