# SPDX-License-Identifier: Apache-2.0
"""Keeps a recording that could not be uploaded, whatever the runtime that made it removes when it is closed."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class Recording:
    """A runtime's recording. `secure` before the runtime is closed, `settle` after it."""

    def __init__(self, path: Path, replay_id: str) -> None:
        self.path = path
        self._replay_id = replay_id
        self._kept: Path | None = None

    def secure(self) -> None:
        """Gives the file a second name that is nobody's but the user's. Nothing if there is no file. Raises OSError."""
        if not self.path.is_file():
            return
        with place_of_its_own(self._replay_id) as kept:
            try:
                os.link(self.path, kept)
            except OSError:  # another file system, or one without links
                shutil.copyfile(self.path, kept)
        self._kept = kept

    def settle(self) -> Path | None:
        """Where the recording is now: where it was, if it is still there, else in a folder of its own, if anywhere."""
        if not self.path.is_file():
            return self._kept
        if self._kept is not None:
            _remove(self._kept)
        return self.path


@contextmanager
def place_of_its_own(replay_id: str) -> Iterator[Path]:
    """Where a replay's WAV can be written: in a new folder that is nobody's but the user's. What raises inside leaves
    nothing of it. Raises OSError."""
    kept = Path(tempfile.mkdtemp(prefix="xray-recording-")) / f"{replay_id}.wav"
    try:
        yield kept
    except BaseException:
        _remove(kept)
        raise


def _remove(kept: Path) -> None:
    shutil.rmtree(kept.parent, ignore_errors=True)
