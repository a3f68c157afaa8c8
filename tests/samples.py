# SPDX-License-Identifier: Apache-2.0
"""Recordings and conversations that several tests use. Made once: samples by the million are slow in Python."""

from __future__ import annotations

import struct
from functools import cache
from typing import Any

from api import RATE, Json, dialogue, silence, tone, wav

SPEC: Json = {"name": "sample", "turns": [{"role": "user"}, {"role": "agent"}]}


@cache
def recording() -> bytes:
    """What SPEC asks for: the user speaks, half a second later the agent does."""
    return dialogue(("user", 0.5), ("agent", 0.5))


@cache
def answer_without_question() -> bytes:
    """Only the agent speaks."""
    return dialogue(("agent", 0.5))


@cache
def silent_recording(seconds: float = 0.2) -> bytes:
    return wav([silence(seconds), silence(seconds)])


@cache
def turn(seconds: float = 0.1, amplitude: float = 0.3) -> bytes:
    """A recorded turn: mono."""
    return wav([tone(seconds, amplitude=amplitude)])


def pcm_header(
    *, channels: int = 1, rate: int = RATE, bits: int = 16, tag: int = 1, data_bytes: int = 0, riff_bytes: int = 0
) -> bytes:
    """A WAV's 44 bytes before the samples; each number may be a lie."""
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", tag, channels, rate, rate * block, block, bits)
    riff = struct.pack("<4sI4s", b"RIFF", riff_bytes or min(36 + data_bytes, 0xFFFFFFFF), b"WAVE")
    return riff + struct.pack("<4sI", b"fmt ", 16) + form + struct.pack("<4sI", b"data", data_bytes)


def spec(*assertions: dict[str, Any], name: str = "sample", **more: Any) -> Json:
    """SPEC with assertions on the agent's turn."""
    turns = [{"role": "user"}, {"role": "agent", "assertions": list(assertions)}]
    return {"name": name, "turns": turns, **more}
