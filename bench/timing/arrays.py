# SPDX-License-Identifier: Apache-2.0
"""numpy and scipy, for the modules that work on samples.

Both are only in the benchmark's own environment (environment.py). The type checker runs without it, so to the checker
they are Any, and each function says which array it takes and gives.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

np: Any = import_module("numpy")
fft: Any = import_module("scipy.fft")
signal: Any = import_module("scipy.signal")

Array = Any  # a numpy array
Rng = Any  # a numpy random generator
RATE = 48_000
PER_MS = RATE // 1000
FULL_SCALE = 32_768.0
AUDIBLE_HZ = 20


def generator(*seed: int) -> Rng:
    return np.random.default_rng(seed)


def resample(samples: Array, up: int, down: int) -> Array:
    """float32 samples at up / down times their rate, band-limited."""
    return signal.resample_poly(samples, up, down).astype(np.float32)


def audible(samples: Array, rate: int) -> Array:
    """float32 samples without what lies below 20 Hz, nothing being moved in time."""
    if len(samples) < rate // 100:
        return samples  # one of the packages' files is empty
    sections = signal.butter(2, AUDIBLE_HZ, "highpass", fs=rate, output="sos")
    return signal.sosfiltfilt(sections, samples).astype(np.float32)


def rms(samples: Array) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
