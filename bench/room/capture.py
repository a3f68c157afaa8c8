# SPDX-License-Identifier: Apache-2.0
"""A stream of 10 ms frames on disk, each with the moment it came or went: written while it lasts, read when it is over.

This is the benchmark's own placing, so that what it judges is not judged by itself. It may look at all of a stream at
once, which a recorder cannot: the moment of a frame is its number times 10 ms, plus the least that any frame within
half a second of it was late.
"""

from __future__ import annotations

import time
from array import array
from pathlib import Path

import numpy as np
import numpy.typing as npt

from clips import RATE, Pcm

FRAME = RATE // 100
FRAME_NS = 10_000_000
NS_PER_S = 1_000_000_000
_NEAR_FRAMES = 50


class Capture:
    """`FOLDER/NAME.pcm` and `FOLDER/NAME.times`."""

    def __init__(self, folder: Path, name: str) -> None:
        self._pcm = (folder / f"{name}.pcm").open("wb")
        self._times = (folder / f"{name}.times").open("wb")
        self.samples = 0

    def frame(self, pcm: bytes, at_ns: int | None = None) -> int:
        """Notes a frame that is here now; returns the monotonic clock's reading."""
        now = time.monotonic_ns() if at_ns is None else at_ns
        if len(pcm) != 2 * FRAME:
            raise ValueError(f"a frame of {len(pcm)} bytes")
        self._pcm.write(pcm)
        self._times.write(array("q", [now]).tobytes())
        self.samples += FRAME
        return now

    def close(self) -> None:
        self._pcm.close()
        self._times.close()


def moments(times: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """When each frame would have been there had nobody been late."""
    lateness = times - np.arange(len(times), dtype=np.int64) * FRAME_NS
    padded = np.pad(lateness, _NEAR_FRAMES, mode="edge")
    least = np.lib.stride_tricks.sliding_window_view(padded, 2 * _NEAR_FRAMES + 1).min(axis=1)
    return least + np.arange(len(times), dtype=np.int64) * FRAME_NS


class Heard:
    """A stream that is over."""

    def __init__(self, pcm: Pcm, times: npt.NDArray[np.int64]) -> None:
        self.pcm = pcm
        self._moments = moments(times)

    @classmethod
    def read(cls, folder: Path, name: str) -> Heard:
        pcm = np.fromfile(folder / f"{name}.pcm", dtype="<i2")
        times = np.fromfile(folder / f"{name}.times", dtype=np.int64)
        if len(times) == 0 or len(pcm) != len(times) * FRAME:
            raise ValueError(f"{folder / name}: {len(times)} frames, {len(pcm)} samples")
        return cls(pcm, times)

    def ns(self, sample: int) -> int:
        """When a sample was there."""
        frame = min(max(sample // FRAME, 0), len(self._moments) - 1)
        return int(self._moments[frame]) + (sample - frame * FRAME) * NS_PER_S // RATE

    def sample(self, ns: int) -> int:
        """The sample that was there at that moment, about."""
        frame = int(np.searchsorted(self._moments, ns))
        return min(max(frame, 0), len(self._moments)) * FRAME
