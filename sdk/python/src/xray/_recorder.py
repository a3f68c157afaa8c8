# SPDX-License-Identifier: Apache-2.0
"""Both sides of a call on one sample clock, on disk as they come.

Each side is a file of raw samples, and a piece of sound is written at its place in it, so that memory does not grow
with the call and a late piece still lands where it belongs. The files have no name: half a call that nobody is told of
is no recording, so whatever ends the process, they are gone with it. Where pieces of one side overlap (two tracks of an
agent) they are added, saturating as an audio mixer does. What nobody wrote is silence: the file has a hole there.
"""

from __future__ import annotations

import contextlib
import operator
import os
import tempfile
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final

from xray import _wav
from xray._clock import NS_PER_S, SYSTEM_CLOCK, Clock, anchor, samples_of_ns
from xray._pcm import pcm_of, samples_of
from xray.errors import MixdownError

__all__ = ["Recorder", "mix"]

_BLOCK_SAMPLES: Final = 48_000
_MAX: Final = 32_767
_MIN: Final = -32_768
_BYTES: Final = _wav.BYTES_PER_SAMPLE


class Recorder:
    """Both sides of a call on one sample clock (48 kHz, int16 mono each), on disk as they come.

    `directory` must exist; its disk holds the samples while the call lasts, and it gets `recording.wav` at the end. Not
    for use from several threads at once. Every method that touches the disk raises MixdownError if the disk will not
    take it.
    """

    def __init__(self, directory: Path, *, clock: Clock = SYSTEM_CLOCK) -> None:
        self._directory = directory
        self._clock = clock
        self._origin_ns: int | None = None
        self._epoch_ns = 0
        self._sides: tuple[_Side, _Side] | None = None

    def start(self) -> None:
        """Sample 0 is now. Once only."""
        if self._origin_ns is not None:
            raise RuntimeError("the recorder was started already")
        with _as_mixdown_error("cannot record"):
            user = _Side(self._directory)
            try:
                agent = _Side(self._directory)
            except OSError:
                user.close()
                raise
        self._sides = (user, agent)
        # Last, so that the time the files took is not in the recording.
        self._origin_ns, self._epoch_ns = anchor(self._clock)

    @property
    def started_at_epoch(self) -> float:
        """The wall clock of sample 0, in Unix seconds."""
        self._origin()
        return self._epoch_ns / NS_PER_S

    def now(self) -> int:
        """The clock's position, in samples since sample 0."""
        return self.at(self._clock.monotonic_ns())

    def at(self, monotonic_ns: int) -> int:
        """The sample at a reading of the clock's `monotonic_ns`; negative before sample 0."""
        return samples_of_ns(monotonic_ns - self._origin())

    def add_user(self, at: int, pcm: bytes) -> None:
        """Puts s16le samples of the user's side at sample `at`, mixed (saturating) with what is there already.

        What lies before sample 0 is left out.
        """
        self._open_sides()[0].add(at, pcm)

    def add_agent(self, at: int, pcm: bytes) -> None:
        """The same for the agent's side."""
        self._open_sides()[1].add(at, pcm)

    def finish(self, *, end: int | None = None, path: Path | None = None) -> Path:
        """Writes the stereo WAV (left = user, right = agent) to `path`, else into the directory; returns its path.

        Its length is `end` samples: a side that is shorter ends in silence and what lies beyond is left out. Without
        `end` it is that of the longer side. A block at a time goes through memory. MixdownError if the disk will not
        take it, or over 4 GiB; a file that was begun is removed then.
        """
        user, agent = self._open_sides()
        frames = max(user.samples, agent.samples) if end is None else max(end, 0)
        try:
            head = _wav.header(frames, channels=2)
        except ValueError as error:
            raise MixdownError(f"cannot write the recording: {error}") from None
        path = path or self._directory / "recording.wav"
        try:
            with _as_mixdown_error("cannot write the recording"), path.open("wb") as file:
                file.write(head)
                for at in range(0, frames, _BLOCK_SAMPLES):
                    n = min(_BLOCK_SAMPLES, frames - at)
                    file.write(_interleave(user.read(at, n), agent.read(at, n)))
        except BaseException:
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
            raise
        return path

    def close(self) -> None:
        """Lets go of the samples but not of the WAV. Safe to call at any time, and again."""
        sides, self._sides = self._sides, None
        for side in sides or ():
            side.close()

    def _origin(self) -> int:
        if self._origin_ns is None:
            raise RuntimeError("the recorder was not started")
        return self._origin_ns

    def _open_sides(self) -> tuple[_Side, _Side]:
        if self._sides is None:
            raise RuntimeError("the recorder was not started, or is closed")
        return self._sides


class _Side:
    """One side's samples in a file. `samples` is how far it reaches."""

    def __init__(self, directory: Path) -> None:
        self.samples = 0
        # Without a buffer: a full disk is reported where it happens.
        self._file = tempfile.TemporaryFile(dir=directory, buffering=0)  # noqa: SIM115 it lasts as long as the side

    def add(self, at: int, pcm: bytes) -> None:
        if len(pcm) % _BYTES:
            raise ValueError(f"{len(pcm)} bytes are not whole samples")
        if at < 0:
            pcm = pcm[-at * _BYTES :]
            at = 0
        if not pcm:
            return
        with _as_mixdown_error("cannot record"):
            overlap = min(max(self.samples - at, 0), len(pcm) // _BYTES)
            if overlap:
                pcm = mix(self._read(at, overlap), pcm[: overlap * _BYTES]) + pcm[overlap * _BYTES :]
            self._file.seek(at * _BYTES)
            _write_all(self._file, pcm)
        self.samples = max(self.samples, at + len(pcm) // _BYTES)

    def read(self, at: int, n: int) -> bytes:
        """`n` samples from `at`, silence past the end."""
        return self._read(at, min(n, max(self.samples - at, 0))).ljust(n * _BYTES, b"\0")

    def _read(self, at: int, n: int) -> bytes:
        self._file.seek(at * _BYTES)
        parts = bytearray()
        while len(parts) < n * _BYTES:
            part = self._file.read(n * _BYTES - len(parts))
            if not part:
                raise OSError("the file was cut short")
            parts += part
        return bytes(parts)

    def close(self) -> None:
        self._file.close()


def _write_all(file: BinaryIO, data: bytes) -> None:
    # A raw file may take less than it is given; the disk being full shows at the next try.
    rest = memoryview(data)
    while rest:
        rest = rest[file.write(rest) or 0 :]


def mix(old: bytes, new: bytes) -> bytes:
    """The saturating sum of two pieces of the same length."""
    if _silent(old):
        return new
    if _silent(new):
        return old
    total = array("i", map(operator.add, samples_of(old), samples_of(new)))
    if max(total) > _MAX or min(total) < _MIN:
        total = array("i", [_MIN if x < _MIN else _MAX if x > _MAX else x for x in total])
    return pcm_of(array("h", total))


def _interleave(left: bytes, right: bytes) -> bytes:
    # Byte order does not matter here: whole samples are moved.
    out = array("h", bytes(len(left) * 2))
    out[0::2] = array("h", left)
    out[1::2] = array("h", right)
    return out.tobytes()


def _silent(pcm: bytes) -> bool:
    return pcm.count(0) == len(pcm)


@contextlib.contextmanager
def _as_mixdown_error(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        where = f" ({os.fspath(error.filename)})" if isinstance(error.filename, str) else ""
        raise MixdownError(f"{what}: {error.strerror or error}{where}") from error
