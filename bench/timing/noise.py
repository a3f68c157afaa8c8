# SPDX-License-Identifier: Apache-2.0
"""Noises, each as float32 samples at 48 kHz of any level, and their mixing in at a signal-to-noise ratio."""

from __future__ import annotations

from collections.abc import Callable

from arrays import FULL_SCALE, RATE, Array, Rng, fft, np, rms

PINK_FROM_HZ = 20
HUM_HZ, HARMONICS = 50, 10


def white(rng: Rng, n: int) -> Array:
    return rng.standard_normal(n, dtype=np.float32)


def pink(rng: Rng, n: int) -> Array:
    """Equal power in each octave from 20 Hz up."""
    size = fft.next_fast_len(n, real=True)
    spectrum = fft.rfft(white(rng, size))
    hertz = np.arange(len(spectrum), dtype=np.float32) * (RATE / size)
    spectrum *= np.where(hertz < PINK_FROM_HZ, 0, 1 / np.sqrt(np.maximum(hertz, PINK_FROM_HZ)))
    return fft.irfft(spectrum, size)[:n].astype(np.float32)


def hum(rng: Rng, n: int) -> Array:
    """50 Hz and nine harmonics, each weaker than the one below, with phases of their own."""
    period = RATE // HUM_HZ
    angle = 2 * np.pi * np.arange(period) / period
    phases = rng.uniform(0, 2 * np.pi, HARMONICS)
    wave = sum(np.sin(k * angle + phases[k - 1]) / k for k in range(1, HARMONICS + 1))
    return np.resize(wave, n).astype(np.float32)


def _stroke(rng: Rng) -> Array:
    """One key stroke: a burst of noise that fades within a few milliseconds."""
    n = int(0.02 * RATE)
    fade = np.exp(-np.arange(n) / (RATE * rng.uniform(0.0015, 0.004)))
    burst = np.diff(rng.standard_normal(n + 1)) * fade
    return (burst * 10 ** (rng.normal(0, 3) / 20)).astype(np.float32)


def _add(target: Array, at: int, burst: Array) -> None:
    end = min(len(target), at + len(burst))
    if at < end:
        target[at:end] += burst[: end - at]


def clicks(rng: Rng, n: int) -> Array:
    """Somebody types: runs of strokes 80 to 250 ms apart, then a pause; each key is heard coming up too."""
    out = np.zeros(n, dtype=np.float32)
    at = int(rng.uniform(0, 0.5) * RATE)
    while at < n:
        for _ in range(int(rng.integers(4, 20))):
            _add(out, at, _stroke(rng))
            _add(out, at + int(rng.uniform(0.05, 0.1) * RATE), 0.4 * _stroke(rng))
            at += int(rng.uniform(0.08, 0.25) * RATE)
        at += int(rng.uniform(0.3, 1.5) * RATE)
    return out


SYNTHETIC: dict[str, Callable[[Rng, int], Array]] = {"white": white, "pink": pink, "hum": hum, "clicks": clicks}


def amplitude(dbfs: float) -> float:
    """The RMS of that level in units of a 16-bit sample."""
    return FULL_SCALE * 10 ** (dbfs / 20)


def at_level(noise: Array, dbfs: float) -> Array:
    """The noise with exactly that level over its whole length."""
    return noise * np.float32(amplitude(dbfs) / rms(noise))


def to_int16(rng: Rng, samples: Array) -> Array:
    """Rounded, after a triangular dither of 1 LSB; what is louder than full scale is clipped, as a recorder does."""
    n = samples.shape
    dither = rng.random(n, dtype=np.float32) - rng.random(n, dtype=np.float32)
    return np.clip(np.rint(samples + dither), -FULL_SCALE, FULL_SCALE - 1).astype(np.int16)
