# SPDX-License-Identifier: Apache-2.0
"""The grain of a call: 10 ms of one side, 48 kHz mono s16le."""

from __future__ import annotations

from typing import Final

from xray._clock import SAMPLE_RATE
from xray._wav import BYTES_PER_SAMPLE

__all__ = ["FRAME_BYTES", "FRAME_NS", "FRAME_SAMPLES", "SILENCE"]

FRAME_NS: Final = 10_000_000
FRAME_SAMPLES: Final = SAMPLE_RATE // 100
FRAME_BYTES: Final = FRAME_SAMPLES * BYTES_PER_SAMPLE
SILENCE: Final = bytes(FRAME_BYTES)
