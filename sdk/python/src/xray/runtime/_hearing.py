# SPDX-License-Identifier: Apache-2.0
"""Whether the agent speaks right now. It decides when the next turn begins, and nothing else: what is reported is
measured by the server on the recording.

A 10 ms frame counts as loud when it is above an absolute floor, above its track's own background (the quietest fifth
of a second in the last five seconds: a track that plays an office is not speech) and not too far below the loudest that
was heard lately. A track speaks while three of its last five frames are loud, so that a click is not a word.
"""

from __future__ import annotations

import math
from collections import deque
from operator import mul
from typing import Final

from xray._pcm import samples_of

__all__ = ["Hearing", "level_dbfs"]

SILENT_DBFS: Final = -58.0
_OVER_BACKGROUND_DB: Final = 9.0
_BACKGROUND_MAX_DBFS: Final = -35.0
_BELOW_LOUDEST_DB: Final = 32.0
_BELOW_LOUDEST_MAX_DBFS: Final = -45.0
_LOUDEST_FALLS_DB: Final = 0.01  # a frame: 1 dB a second
_BLOCK_FRAMES: Final = 20
_BLOCKS: Final = 25
_BLOCKS_TO_TRUST: Final = 10
_NOTHING_DBFS: Final = -100.0


def level_dbfs(pcm: bytes) -> float:
    """RMS of s16le samples against full scale; -100 for silence."""
    samples = samples_of(pcm)
    power = sum(map(mul, samples, samples)) / max(len(samples), 1) / 32768.0**2
    return max(10 * math.log10(power), _NOTHING_DBFS) if power > 0 else _NOTHING_DBFS


class _Track:
    def __init__(self) -> None:
        self.recent: deque[bool] = deque(maxlen=5)
        self._block: list[float] = []
        self._blocks: deque[float] = deque(maxlen=_BLOCKS)

    def hear(self, level: float, loudest: float) -> bool:
        background = _NOTHING_DBFS
        if len(self._blocks) >= _BLOCKS_TO_TRUST:
            background = min(*self._blocks, _BACKGROUND_MAX_DBFS)
        relative = min(loudest - _BELOW_LOUDEST_DB, _BELOW_LOUDEST_MAX_DBFS)
        self.recent.append(level > max(SILENT_DBFS, background + _OVER_BACKGROUND_DB, relative))
        self._block.append(10 ** (level / 10))
        if len(self._block) == _BLOCK_FRAMES:
            self._blocks.append(10 * math.log10(sum(self._block) / _BLOCK_FRAMES))
            self._block.clear()
        return sum(self.recent) >= 3


class Hearing:
    """Which of the agent's tracks speak. Times are samples of the recording's clock, by arrival."""

    def __init__(self) -> None:
        self._tracks: dict[str, _Track] = {}
        self._loudest = _NOTHING_DBFS
        self.first_voice: int | None = None
        """When the agent was first heard since `forget`."""
        self.last_voice: int | None = None
        """The end of the last frame of it, ever."""

    @property
    def voice(self) -> tuple[int, int] | None:
        """From when to when the agent was heard since `forget`; None if it was not."""
        if self.first_voice is None or self.last_voice is None:
            return None
        return self.first_voice, self.last_voice

    def frame(self, track: str, at: int, pcm: bytes) -> None:
        """A frame of `track` that begins at `at`."""
        level = level_dbfs(pcm)
        speaks = self._tracks.setdefault(track, _Track()).hear(level, self._loudest)
        self._loudest = max(level, self._loudest - _LOUDEST_FALLS_DB)
        if speaks:
            if self.first_voice is None:
                self.first_voice = at
            self.last_voice = at + len(pcm) // 2

    def ended(self, track: str) -> None:
        self._tracks.pop(track, None)

    def forget(self) -> None:
        """From here on counts as a new turn: `first_voice` is set by what is heard next."""
        self.first_voice = None
