# SPDX-License-Identifier: Apache-2.0
"""A stream that LiveKit was given, or gave, held against its side of the recording, from the first sample to the last.

Where the stream lies in the recording is known at its clips. Between two of them that lie by different amounts the
recorder followed its clock: it may have moved what comes after, where nobody spoke. Before the first and after the last
nobody knows whether it did; what is there is the silence of a line, and is compared as such.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from clips import Pcm

_SILENCE: Final = 64  # -54 dBFS


@dataclass(frozen=True)
class Known:
    """A clip in the stream, `first` to `last`, which lies in the recording `shift` samples later than in the stream."""

    first: int
    last: int
    shift: int


def samples_wrong(stream: Pcm, kept: Pcm, known: Sequence[Known]) -> int:
    """How many samples of the stream are in the recording otherwise, and how many are there before its beginning and
    after its end. What came before sample 0 or after the last one is not asked for."""
    if not known:
        return 0  # then each clip is known to be missing
    known = sorted(known, key=lambda k: k.first)
    head, tail = known[0], known[-1]
    wrong = _loud(kept[: max(0, head.shift)]) + _loud(kept[max(0, len(stream) + tail.shift) :])
    wrong += _count(stream, kept, max(0, -head.shift), head.first, head.shift, but=_SILENCE)
    at = head.first
    for a, b in pairwise(known):
        if a.shift != b.shift:
            wrong += _count(stream, kept, at, a.last, a.shift) + _moved(stream, kept, a, b)
            at = b.first
    wrong += _count(stream, kept, at, tail.last, tail.shift)
    return wrong + _count(stream, kept, tail.last, min(len(stream), len(kept) - tail.shift), tail.shift, but=_SILENCE)


def _loud(pcm: Pcm) -> int:
    return int(np.count_nonzero(np.abs(pcm.astype(np.int32)) > _SILENCE))


def _count(stream: Pcm, kept: Pcm, first: int, last: int, shift: int, *, but: int = 0) -> int:
    return int(np.count_nonzero(_unlike(stream, kept, first, last, shift, but=but)))


def _unlike(stream: Pcm, kept: Pcm, first: int, last: int, shift: int, *, but: int = 0) -> npt.NDArray[np.bool_]:
    """For each sample of `stream[first:last]`, whether another is in its place, or none; by more than `but`."""
    out = np.ones(max(0, last - first), dtype=np.bool_)
    begin, end = max(first, -shift), min(last, len(kept) - shift)
    if begin < end:
        difference = stream[begin:end].astype(np.int32) - kept[begin + shift : end + shift]
        out[begin - first : end - first] = np.abs(difference) > but
    return out


def _moved(stream: Pcm, kept: Pcm, a: Known, b: Known) -> int:
    """Between two clips: by the one's shift up to where that fits best, by the other's from there on, without as many
    samples as had to be left out to come earlier."""
    left_out = min(max(0, a.shift - b.shift), b.first - a.last)
    before = np.cumsum(np.concatenate(([0], _unlike(stream, kept, a.last, b.first, a.shift))))
    after = np.cumsum(np.concatenate(([0], _unlike(stream, kept, a.last, b.first, b.shift))))
    return int(np.min(before[: len(before) - left_out] + after[-1] - after[left_out:]))
