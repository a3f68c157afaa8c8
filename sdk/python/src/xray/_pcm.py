# SPDX-License-Identifier: Apache-2.0
"""s16le samples as numbers and back, whatever the byte order of this machine."""

from __future__ import annotations

import sys
from array import array

__all__ = ["pcm_of", "samples_of"]


def samples_of(pcm: bytes) -> array[int]:
    """The samples. ValueError if the bytes are not whole samples."""
    samples = array("h", pcm)
    if sys.byteorder == "big":
        samples.byteswap()
    return samples


def pcm_of(samples: array[int]) -> bytes:
    """The bytes of samples (an array of "h"), which is not to be used any more."""
    if sys.byteorder == "big":
        samples.byteswap()
    return samples.tobytes()
