# SPDX-License-Identifier: Apache-2.0
"""Known clips, and where they lie in a recording: by normalised cross-correlation, to the sample."""

from __future__ import annotations

import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

RATE = 48_000
JITTER_BUFFER_MS = 80
Signal = npt.NDArray[np.float64]


def clip(seed: int, seconds: float, *, level: float = 0.2) -> bytes:
    """Noise in the band of speech with the rhythm of syllables, s16le; the same for the same seed. Starts and ends at
    once, so that a lost edge shows."""
    n = round(seconds * RATE)
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(n))
    hz = np.fft.rfftfreq(n, 1 / RATE)
    spectrum[(hz < 300) | (hz > 3400)] = 0
    signal = np.fft.irfft(spectrum, n)
    signal *= 0.75 + 0.25 * np.cos(2 * np.pi * 4 * np.arange(n) / RATE)
    signal *= level * 32767 / np.max(np.abs(signal))
    return signal.astype("<i2").tobytes()


def samples(pcm: bytes) -> Signal:
    return np.frombuffer(pcm, dtype="<i2").astype(np.float64)


@dataclass(frozen=True)
class Recording:
    user: Signal
    agent: Signal

    @property
    def seconds(self) -> float:
        return len(self.user) / RATE


def read(path: str | Path | None) -> Recording:
    assert path is not None
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, RATE)
        both = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2").astype(np.float64).reshape(-1, 2)
    return Recording(both[:, 0], both[:, 1])


@dataclass(frozen=True)
class Found:
    """A place in samples, and how well the clip matches there: 1 is the clip itself."""

    at: int
    match: float


def find(signal: Signal, wanted: Signal, *, start: int = 0, end: int | None = None) -> Found:
    """Where `wanted` begins in `signal[start:end]`."""
    part = signal[start:end]
    n = len(wanted)
    assert len(part) >= n, "the recording is shorter than the clip"
    size = 1 << (len(part) + n).bit_length()
    products = np.fft.irfft(np.fft.rfft(part, size) * np.conj(np.fft.rfft(wanted, size)), size)[: len(part) - n + 1]
    sums = np.concatenate([[0.0], np.cumsum(part**2)])
    energy = np.maximum(sums[n:] - sums[:-n], 1e-9)
    scores = products / np.sqrt(energy * np.sum(wanted**2))
    at = int(np.argmax(scores))
    return Found(start + at, float(scores[at]))


def find_all(signal: Signal, wanted: Signal) -> Found:
    """Where the clip begins, having checked that its first 60 ms are there and its last 60 ms, a clip's length later.

    A receiver's jitter buffer stretches and shortens sound when packets come late, as they do on a busy machine: hence
    the slack, of either way's most.
    """
    whole = find(signal, wanted)
    edge = RATE * 60 // 1000
    slack = RATE * JITTER_BUFFER_MS // 1000
    head = find(signal, wanted[:edge], start=max(0, whole.at - slack), end=whole.at + edge + slack)
    last = whole.at + len(wanted) - edge
    tail = find(signal, wanted[-edge:], start=last - slack, end=last + edge + slack)
    assert head.match > 0.7, f"the clip's beginning is not in the recording: {head}, whole {whole}"
    assert tail.match > 0.7, f"the clip's end is not in the recording: {tail}, whole {whole}"
    return Found(head.at, whole.match)


def rms(signal: Signal) -> float:
    return float(np.sqrt(np.mean(signal**2))) if len(signal) else 0.0
