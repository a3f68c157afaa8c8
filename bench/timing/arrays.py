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


def generator(*seed: int) -> Rng:
    return np.random.default_rng(seed)


def resample(samples: Array, up: int, down: int) -> Array:
    """float32 samples at up / down times their rate, band-limited."""
    return signal.resample_poly(samples, up, down).astype(np.float32)


def rms(samples: Array) -> float:
    return float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
