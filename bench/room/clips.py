# SPDX-License-Identifier: Apache-2.0
"""Known sounds, and where they lie in a signal: by normalised cross-correlation, to the sample."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

RATE = 48_000
PER_MS = RATE // 1000
Signal = npt.NDArray[np.float64]
Pcm = npt.NDArray[np.int16]

_LEVEL = 0.2
_PIECE_MS = 50
_BLOCK_MS = 5
_EDGE_MS = 100
_REACH_MS = 40  # a jitter buffer moves a piece by no more than that against the one before
_SAME = 0.5  # of a piece that went through a codec; of two that have nothing in common it is 0.2 at most
_THERE = 0.05  # of a block's power: 13 dB below what was sent is a hole

_WINDOW_MS = 10
_QUANTILE = 0.95
_RANGE = 1e-3


@dataclass(frozen=True)
class Clip:
    """Noise in the band of speech with the rhythm of syllables, the same for the same seed; no two are alike. It begins
    and ends at once, so that a lost edge shows, and on any sample. `said`: it was broken off after so many samples."""

    seed: int
    samples: int
    said: int | None = None

    @property
    def length(self) -> int:
        return self.samples if self.said is None else self.said

    @cached_property
    def pcm(self) -> Pcm:
        return _made(self.seed, self.samples)[: self.length]

    @cached_property
    def signal(self) -> Signal:
        return self.pcm.astype(np.float64)

    @cached_property
    def truth(self) -> tuple[float, float]:
        """Where speech starts and ends by the definition of docs/timing.md, in ms from the first sample."""
        return _truth(self.signal)

    @property
    def ms(self) -> float:
        return self.length / PER_MS


def clip(seed: int, ms: int) -> Clip:
    """Of about that length: up to 10 ms longer, so that ends lie anywhere in a frame."""
    return Clip(seed, ms * PER_MS + seed * 193 % (10 * PER_MS))


@lru_cache(maxsize=1024)
def _made(seed: int, n: int) -> Pcm:
    rng = np.random.default_rng((7, seed))
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum[(hz < 200) | (hz > 3600)] = 0
    noise: Signal = np.fft.irfft(spectrum, n)
    noise *= 0.75 + 0.25 * np.cos(2 * np.pi * 4 * np.arange(n) / RATE)
    noise *= _LEVEL * 32767 / np.max(np.abs(noise))
    return noise.astype(np.int16)


def _truth(signal: Signal) -> tuple[float, float]:
    window = _WINDOW_MS * PER_MS
    padded = np.concatenate((np.zeros(window), signal, np.zeros(window + -len(signal) % PER_MS)))
    sums = np.concatenate(([0.0], np.cumsum(padded**2)))[::PER_MS]
    powers = np.maximum(sums[_WINDOW_MS:] - sums[:-_WINDOW_MS], 0)
    peak = np.quantile(powers[_WINDOW_MS : len(powers) - _WINDOW_MS], _QUANTILE)
    above = np.flatnonzero(powers > peak * _RANGE)
    # A window stands for its middle; the padding is one window long.
    offset = _WINDOW_MS / 2 - _WINDOW_MS
    return float(above[0]) + offset, float(above[-1]) + offset


@dataclass(frozen=True)
class Found:
    """A place in samples, and how well the clip matches there: 1 is the clip itself, 0 is no match or no place."""

    at: int
    match: float


def find(signal: npt.NDArray[Any], wanted: Signal, *, start: int = 0, end: int | None = None) -> Found:
    """Where `wanted` begins in `signal[start:end]`."""
    start = max(0, start)
    part = signal[start:end].astype(np.float64)
    n = len(wanted)
    if len(part) < n:
        return Found(start, 0.0)
    size = 1 << (len(part) + n - 1).bit_length()
    products = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(wanted, size)), size)[: len(part) - n + 1]
    sums = np.concatenate(([0.0], np.cumsum(part**2)))
    # Where next to nothing is, nothing matches: rounding would be divided by rounding.
    energy = np.maximum(sums[n:] - sums[:-n], 1e-6 * float(np.sum(wanted**2)) + 1e-9)
    scores = products / np.sqrt(energy * np.sum(wanted**2))
    at = int(np.argmax(scores))
    return Found(start + at, float(scores[at]))


@dataclass(frozen=True)
class Trace:
    """A clip in a signal, piece by piece. Samples, and milliseconds of the clip that are not there.

    `start` and `end` are where its first sample and the one after its last lie, by the first and the last tenth of a
    second. `stretched_ms` is how much longer than the clip that is: what a jitter buffer or a faulty recorder doubled
    (or left out, if less than nothing).
    """

    start: int
    end: int
    match: float
    lost_head_ms: int
    lost_tail_ms: int
    lost_inside_ms: int
    stretched_ms: float

    @property
    def lost_ms(self) -> int:
        return self.lost_head_ms + self.lost_tail_ms + self.lost_inside_ms


def trace(signal: npt.NDArray[Any], wanted: Clip, *, start: int = 0, end: int | None = None) -> Trace | None:
    """None if the clip is not in `signal[start:end]` at all."""
    there = wanted.signal
    whole = find(signal, there, start=start, end=end)
    if whole.match < 0.2:  # cut or stretched in its middle, a part of it still makes more
        return None
    edge = _EDGE_MS * PER_MS
    places = _places(signal, there, whole.at)
    blocks = _blocks(signal, there, places)
    if not any(blocks):
        return None
    matched = [place for place in places if place is not None]
    head = _nearby(signal, there[:edge], matched[0])
    tail = _nearby(signal, there[-edge:], matched[-1] + len(there) - edge)
    head_at = matched[0] if head is None else head
    tail_at = matched[-1] + len(there) - edge if tail is None else tail
    first, last = blocks.index(True), len(blocks) - blocks[::-1].index(True)
    return Trace(
        start=head_at,
        end=tail_at + edge,
        match=whole.match,
        lost_head_ms=first * _BLOCK_MS,
        lost_tail_ms=(len(blocks) - last) * _BLOCK_MS,
        lost_inside_ms=blocks[first:last].count(False) * _BLOCK_MS,
        stretched_ms=(tail_at + edge - head_at - len(there)) / PER_MS,
    )


def _nearby(signal: npt.NDArray[Any], piece: Signal, at: int) -> int | None:
    reach = _REACH_MS * PER_MS
    found = find(signal, piece, start=at - reach, end=at + len(piece) + reach)
    return found.at if found.match >= _SAME else None


def _places(signal: npt.NDArray[Any], there: Signal, at: int) -> list[int | None]:
    """For each piece where the clip begins by it; None where it is not found."""
    size = _PIECE_MS * PER_MS
    places: list[int | None] = []
    for offset in range(0, len(there) - size + 1, size):
        found = _nearby(signal, there[offset : offset + size], at + offset)
        places.append(None if found is None else found - offset)
        # The next one is looked for beside it: a long clip may be stretched further than a piece is looked for.
        at = at if found is None else found - offset
    return places


def _blocks(signal: npt.NDArray[Any], there: Signal, places: list[int | None]) -> list[bool]:
    """Whether each 10 ms of the clip are there; what is left at its end goes with its last piece."""
    block = _BLOCK_MS * PER_MS
    out: list[bool] = []
    for i in range(len(there) // block):
        place = places[min(i * _BLOCK_MS // _PIECE_MS, len(places) - 1)]
        if place is None:
            out.append(False)
            continue
        at = place + i * block
        got = signal[max(at, 0) : max(at + block, 0)].astype(np.float64)
        sent = there[i * block : (i + 1) * block]
        out.append(float(np.sum(got**2)) > _THERE * float(np.sum(sent**2)))
    return out
