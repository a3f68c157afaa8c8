# SPDX-License-Identifier: Apache-2.0
"""Checks of what runtimes are given, so that a wrong value is told at the line that has it and not within a call."""

from __future__ import annotations

import math
from collections.abc import Mapping

from xray._wav import BYTES_PER_SAMPLE

__all__ = ["check_times", "check_user_audio"]


def check_times(**times: object) -> None:
    """ValueError naming the first one that is no finite number more than 0."""
    for name, value in times.items():
        # True is an int to Python, but nobody means a second by it.
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value <= 0:
            raise ValueError(f"{name} must be a finite number more than 0, not {value!r}")


def check_user_audio(audio: Mapping[int, bytes]) -> None:
    """ValueError naming the first turn whose audio is not whole 16-bit samples."""
    for idx, pcm in audio.items():
        if len(pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"the audio of turn {idx} has {len(pcm)} bytes, which are not whole samples")
