# SPDX-License-Identifier: Apache-2.0
"""Audio as the vendors take and give it: strict reading of WAV files, tones for speech."""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass
from functools import cache

SPEECH_RATE = 24_000
TONE_HZ = 300  # a whole number of samples a cycle at SPEECH_RATE
SPEECH_MAX_MS = 30_000


@dataclass(frozen=True)
class Wav:
    """A mono 16-bit recording."""

    rate: int
    samples: bytes

    @property
    def ms(self) -> int:
        return round(len(self.samples) * 1000 / (2 * self.rate))

    @property
    def seconds(self) -> float:
        return len(self.samples) / (2 * self.rate)


def _chunks(body: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    at = 12
    while at < len(body):
        if at + 8 > len(body):
            raise ValueError("a chunk's header is cut off")
        name, size = struct.unpack_from("<4sI", body, at)
        if at + 8 + size > len(body):
            raise ValueError(f"chunk {name!r} promises {size} bytes, {len(body) - at - 8} follow")
        if name in found:
            raise ValueError(f"chunk {name!r} comes twice")
        found[name] = body[at + 8 : at + 8 + size]
        at += 8 + size + size % 2
    if at != len(body):
        raise ValueError("a chunk's padding is missing")
    return found


def read_wav(data: bytes) -> Wav:
    """ValueError for all but a well-formed RIFF file of mono 16-bit PCM, every size in it right."""
    if len(data) < 12 or data[:4] != b"RIFF" or data[8:12] != b"WAVE":
        raise ValueError("not a RIFF WAVE file")
    if struct.unpack_from("<I", data, 4)[0] != len(data) - 8:
        raise ValueError("the RIFF size is not the file's")
    chunks = _chunks(data)
    if b"fmt " not in chunks or b"data" not in chunks or list(chunks).index(b"fmt ") > list(chunks).index(b"data"):
        raise ValueError("it needs a fmt chunk and then a data chunk")
    if len(chunks[b"fmt "]) != 16:
        raise ValueError("the fmt chunk of PCM has 16 bytes")
    kind, channels, rate, byte_rate, align, bits = struct.unpack("<HHIIHH", chunks[b"fmt "])
    if (kind, channels, bits) != (1, 1, 16):
        raise ValueError(f"format {kind}, {channels} channels, {bits} bits: mono 16-bit PCM is needed")
    if align != 2 or byte_rate != 2 * rate or not 8_000 <= rate <= 48_000:
        raise ValueError(f"a rate of {rate} Hz, {byte_rate} bytes a second in blocks of {align} cannot be")
    if len(chunks[b"data"]) % 2:
        raise ValueError("an odd number of bytes of samples")
    return Wav(rate, chunks[b"data"])


def make_wav(samples: bytes, rate: int = SPEECH_RATE, *, channels: int = 1, bits: int = 16) -> bytes:
    block = channels * bits // 8
    fmt = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, rate * block, block, bits)
    data = struct.pack("<4sI", b"data", len(samples)) + samples + b"\0" * (len(samples) % 2)
    return struct.pack("<4sI4s", b"RIFF", 4 + len(fmt) + len(data), b"WAVE") + fmt + data


@cache
def _cycle(rate: int) -> bytes:
    n = rate // TONE_HZ
    return struct.pack(f"<{n}h", *(round(9000 * math.sin(2 * math.pi * i / n)) for i in range(n)))


def tone(ms: int, rate: int = SPEECH_RATE) -> bytes:
    """Samples of a steady tone, the same each time."""
    size = 2 * (ms * rate // 1000)
    cycle = _cycle(rate)
    return (cycle * (size // len(cycle) + 1))[:size]


def speech_ms(text: str) -> int:
    """How long the vendors speak a text here."""
    return min(200 + 50 * len(text), SPEECH_MAX_MS)
