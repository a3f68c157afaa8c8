# SPDX-License-Identifier: Apache-2.0
"""Reading WAV files: what the server takes is taken, everything else is refused with its reason."""

from __future__ import annotations

import contextlib
import random
import struct
import wave
from pathlib import Path

import pytest

from xray import _wav
from xray.errors import AudioMissingError

SAMPLES = random.Random(1).randbytes(2 * 1000)
FMT = struct.pack("<HHIIHH", 1, 1, 48_000, 96_000, 2, 16)


def chunk(name: bytes, body: bytes, size: int | None = None) -> bytes:
    return name + struct.pack("<I", len(body) if size is None else size) + body + b"\0" * (len(body) % 2)


def riff(*chunks: bytes, size: int | None = None) -> bytes:
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body) if size is None else size) + body


def fmt(tag: int, channels: int, rate: int, bits: int) -> bytes:
    align = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * align, align, bits))


def extensible(tail: str = "000000001000800000aa00389b71") -> bytes:
    return (
        struct.pack("<HHIIHH", 0xFFFE, 1, 48_000, 96_000, 2, 16)
        + struct.pack("<HHIH", 22, 16, 4, 1)
        + bytes.fromhex(tail)
    )


DATA = chunk(b"data", SAMPLES)
GOOD = {
    "plain": riff(chunk(b"fmt ", FMT), chunk(b"data", SAMPLES)),
    "chunks between": riff(
        chunk(b"LIST", b"odd"), chunk(b"fmt ", FMT), chunk(b"fact", b"1234"), chunk(b"data", SAMPLES)
    ),
    "fmt last": riff(chunk(b"data", SAMPLES), chunk(b"fmt ", FMT)),
    "extensible": riff(chunk(b"fmt ", extensible()), chunk(b"data", SAMPLES)),
    "size left open": riff(chunk(b"fmt ", FMT), chunk(b"data", SAMPLES, 0xFFFFFFFF), size=0xFFFFFFFF),
    "size never filled in": riff(chunk(b"fmt ", FMT), chunk(b"data", SAMPLES, 0), size=0),
    "half a sample more": riff(chunk(b"fmt ", FMT), chunk(b"data", SAMPLES + b"x")),
    "more after it": riff(chunk(b"fmt ", FMT), chunk(b"data", SAMPLES), chunk(b"LIST", b"tail")),
}
BAD = {
    "no WAV": (b"OggS" + bytes(100), "not a WAV file"),
    "empty file": (b"", "not a WAV file"),
    "no fmt": (riff(chunk(b"data", SAMPLES)), "no fmt chunk"),
    "no data": (riff(chunk(b"fmt ", FMT)), "no data chunk"),
    "short fmt": (riff(chunk(b"fmt ", FMT[:10])), "fmt chunk is too short"),
    "cut off": (riff(chunk(b"fmt ", FMT), chunk(b"data", SAMPLES))[:-7], "cut off: 7 bytes"),
    "other rate": (riff(fmt(1, 1, 8_000, 16), DATA), "8000 Hz"),
    "stereo": (riff(fmt(1, 2, 48_000, 16), DATA), "2 channels"),
    "8 bit": (riff(fmt(1, 1, 48_000, 8), DATA), "8 bits"),
    "float": (riff(fmt(3, 1, 48_000, 32), DATA), "0x0003"),
    "extensible, not PCM": (riff(chunk(b"fmt ", extensible("ff" * 14)), DATA), "0xfffe"),
}


@pytest.mark.parametrize("name", GOOD)
def test_good_files_give_their_samples(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(GOOD[name])
    assert _wav.read_mono(path) == SAMPLES
    assert _wav.check_mono(path) == 1000


@pytest.mark.parametrize("name", BAD)
def test_bad_files_are_refused_with_their_reason(tmp_path: Path, name: str) -> None:
    content, reason = BAD[name]
    path = tmp_path / "a.wav"
    path.write_bytes(content)
    with pytest.raises(AudioMissingError, match=reason) as caught:
        _wav.check_mono(path, turn_idx=3)
    assert caught.value.turn_idx == 3
    assert str(path) in str(caught.value)


def test_a_missing_file_and_a_directory_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioMissingError, match="no such file"):
        _wav.check_mono(tmp_path / "missing.wav")
    with pytest.raises(AudioMissingError, match="cannot be read"):
        _wav.check_mono(tmp_path)


def test_an_empty_recording_is_read_as_empty(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(48_000)
    assert _wav.check_mono(path) == 0


def test_no_prefix_and_no_changed_byte_of_a_file_raises_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    whole = GOOD["chunks between"]
    rng = random.Random(5)
    for i in range(120):
        damaged = bytearray(whole)
        damaged[i % 80] = rng.randrange(256)
        for content in (whole[:i], bytes(damaged)):
            path.write_bytes(content)
            with contextlib.suppress(AudioMissingError):
                assert len(_wav.read_mono(path)) <= len(whole)


def test_a_header_cannot_say_more_than_32_bits() -> None:
    assert len(_wav.header(_wav.MAX_DATA_BYTES // 4, channels=2)) == _wav.HEADER_SIZE
    with pytest.raises(ValueError, match="cannot hold"):
        _wav.header(_wav.MAX_DATA_BYTES // 4 + 1, channels=2)


def test_decode_mono_reads_what_is_in_memory() -> None:
    assert _wav.decode_mono(_wav.header(1000, channels=1) + SAMPLES) == SAMPLES


@pytest.mark.parametrize("wav", [b"", b"<html>", _wav.header(10, channels=1), _wav.header(0, channels=2)])
def test_decode_mono_refuses_anything_else(wav: bytes) -> None:
    with pytest.raises(ValueError):
        _wav.decode_mono(wav)
