# SPDX-License-Identifier: Apache-2.0
"""Speech by flite, from the system's library. Has nothing but the standard library: the agents import it too."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

RATE = 16_000


class _Wave(ctypes.Structure):
    """`cst_wave` of flite's cst_wave.h."""

    _fields_ = (
        ("type", ctypes.c_char_p),
        ("sample_rate", ctypes.c_int),
        ("num_samples", ctypes.c_int),
        ("num_channels", ctypes.c_int),
        ("samples", ctypes.POINTER(ctypes.c_short)),
    )


@cache
def _flite() -> Any:
    library = ctypes.CDLL("libflite.so.1")
    library.flite_init()
    library.flite_text_to_wave.restype = ctypes.POINTER(_Wave)
    library.flite_text_to_wave.argtypes = [ctypes.c_char_p, ctypes.c_void_p]
    library.delete_wave.argtypes = [ctypes.POINTER(_Wave)]
    library.delete_wave.restype = None
    return library


@cache
def _voice(name: str) -> int:
    register = getattr(ctypes.CDLL(f"libflite_cmu_us_{name}.so.1"), f"register_cmu_us_{name}")
    register.restype, register.argtypes = ctypes.c_void_p, [ctypes.c_char_p]
    return register(None)


def speak(text: str, *, voice: str = "rms") -> bytes:
    """The text as 16 kHz mono s16le samples."""
    library = _flite()
    wave = library.flite_text_to_wave(text.encode(), _voice(voice))
    try:
        made = wave.contents
        assert (made.sample_rate, made.num_channels) == (RATE, 1)
        return ctypes.string_at(made.samples, 2 * made.num_samples)
    finally:
        library.delete_wave(wave)
