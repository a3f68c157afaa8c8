# SPDX-License-Identifier: Apache-2.0
"""WAV files, as far as xray needs them: 48 kHz, 16-bit, mono to read and stereo to write. No dependency, no whole file
in memory but where the caller asks for its samples."""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import BinaryIO, Final

from xray._clock import SAMPLE_RATE
from xray.errors import AudioMissingError

__all__ = ["BYTES_PER_SAMPLE", "HEADER_SIZE", "MAX_DATA_BYTES", "check_mono", "decode_mono", "header", "read_mono"]

BYTES_PER_SAMPLE: Final = 2
HEADER_SIZE: Final = 44
MAX_DATA_BYTES: Final = 0xFFFFFFFF - (HEADER_SIZE - 8)
"""What the two 32-bit sizes of a RIFF header can say."""

_PCM: Final = 0x0001
_EXTENSIBLE: Final = 0xFFFE
# The GUID of an extensible format is its two-byte tag and these.
_GUID_TAIL: Final = bytes.fromhex("000000001000800000aa00389b71")
_SIZE_UNKNOWN: Final = 0xFFFFFFFF
_MAX_CHUNKS: Final = 1024


def header(frames: int, *, channels: int) -> bytes:
    """The 44 bytes before `frames` frames of 48 kHz 16-bit PCM. ValueError if a RIFF header cannot say so many."""
    size = frames * channels * BYTES_PER_SAMPLE
    if not 0 <= size <= MAX_DATA_BYTES:
        raise ValueError(f"a WAV file cannot hold {size} bytes of samples, at most {MAX_DATA_BYTES}")
    align = channels * BYTES_PER_SAMPLE
    return struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        size + HEADER_SIZE - 8,
        b"WAVE",
        b"fmt ",
        16,
        _PCM,
        channels,
        SAMPLE_RATE,
        SAMPLE_RATE * align,
        align,
        8 * BYTES_PER_SAMPLE,
        b"data",
        size,
    )


def check_mono(path: Path, *, turn_idx: int | None = None) -> int:
    """The number of samples in a 48 kHz mono 16-bit PCM WAV.

    Raises AudioMissingError with the path and what is wrong if the file is missing, unreadable or anything else.
    """
    return _read(path, turn_idx, samples=False)[0]


def read_mono(path: Path, *, turn_idx: int | None = None) -> bytes:
    """The samples of such a file, little-endian. Raises as `check_mono` does."""
    return _read(path, turn_idx, samples=True)[1]


def decode_mono(wav: bytes) -> bytes:
    """The samples of such a file that is in memory already. ValueError with what is wrong if it is anything else."""
    file = io.BytesIO(wav)
    try:
        return file.read(_find_data(file))
    except _UnfitError as error:
        raise ValueError(str(error)) from None


class _UnfitError(Exception):
    """Why a file is not what is needed."""


def _read(path: Path, turn_idx: int | None, *, samples: bool) -> tuple[int, bytes]:
    try:
        with path.open("rb") as file:
            size = _find_data(file)
            return size // BYTES_PER_SAMPLE, file.read(size) if samples else b""
    except FileNotFoundError:
        reason = "there is no such file"
    except OSError as error:
        reason = f"it cannot be read: {error.strerror or error}"
    except _UnfitError as error:
        reason = str(error)
    raise AudioMissingError(f"recorded audio {path}: {reason}", turn_idx=turn_idx)


def _find_data(file: BinaryIO) -> int:
    """Leaves the file at its first sample; returns the bytes of samples. Chunks may come in any order with others among
    them, as the server takes them."""
    total = file.seek(0, os.SEEK_END)
    file.seek(0)
    start = file.read(12)
    if len(start) < 12 or start[:4] != b"RIFF" or start[8:] != b"WAVE":
        raise _UnfitError("it is not a WAV file")
    # A size of 0 is an empty recording if the RIFF size is right, for then the writer did go back to fill its sizes in.
    filled_in = int.from_bytes(start[4:8], "little") + 8 in (total, total + 1)
    format_seen = False
    data: tuple[int, int] | None = None
    at = 12
    for _ in range(_MAX_CHUNKS):
        head = file.read(8)
        if len(head) < 8:
            break
        name, claimed = head[:4], int.from_bytes(head[4:], "little")
        at += 8
        if name == b"fmt ":
            _check_format(file.read(min(claimed, 40)))
            format_seen = True
        elif name == b"data":
            data = (at, _data_size(claimed, total - at, filled_in=filled_in))
            claimed = data[1]
        if data is not None and format_seen:
            break
        at += claimed + (claimed & 1)
        file.seek(at)
    if not format_seen:
        raise _UnfitError("it has no fmt chunk")
    if data is None:
        raise _UnfitError("it has no data chunk")
    file.seek(data[0])
    return data[1]


def _data_size(claimed: int, there: int, *, filled_in: bool) -> int:
    if claimed == _SIZE_UNKNOWN or (claimed == 0 and not filled_in):
        return there - there % BYTES_PER_SAMPLE
    if claimed > there:
        raise _UnfitError(f"it is cut off: {claimed - there} bytes of its samples are missing")
    return claimed - claimed % BYTES_PER_SAMPLE


def _check_format(fmt: bytes) -> None:
    if len(fmt) < 16:
        raise _UnfitError("its fmt chunk is too short")
    tag, channels, rate, _, _, bits = struct.unpack("<HHIIHH", fmt[:16])
    if tag == _EXTENSIBLE and len(fmt) >= 40 and fmt[26:40] == _GUID_TAIL:
        tag = int.from_bytes(fmt[24:26], "little")
    wrong: list[str] = []
    if tag != _PCM:
        wrong.append(f"its format is 0x{tag:04x}, not PCM")
    if rate != SAMPLE_RATE:
        wrong.append(f"it has {rate} Hz, not {SAMPLE_RATE}")
    if channels != 1:
        wrong.append(f"it has {channels} channels, not 1")
    if bits != 8 * BYTES_PER_SAMPLE:
        wrong.append(f"it has {bits} bits a sample, not {8 * BYTES_PER_SAMPLE}")
    if wrong:
        raise _UnfitError("; ".join(wrong) + " (48 kHz mono 16-bit PCM is needed)")
