# SPDX-License-Identifier: Apache-2.0
"""Where a runtime's recording lies while the call lasts, and where it is kept."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from xray.errors import MixdownError

__all__ = ["Places"]


@dataclass(frozen=True)
class Places:
    """Where recordings go."""

    mixdown_dir: Path | None
    cache_root: Path | None

    @classmethod
    def of(cls, mixdown_dir: str | Path | None, cache_root: str | Path | None) -> Places:
        return cls(None if mixdown_dir is None else Path(mixdown_dir), None if cache_root is None else Path(cache_root))

    def make(self) -> Path:
        """A new private directory. MixdownError if there is no place for one."""
        try:
            for directory in (self.mixdown_dir, self.cache_root):
                if directory is not None:
                    directory.mkdir(parents=True, exist_ok=True)
            return Path(tempfile.mkdtemp(prefix="xray-", dir=self.cache_root))
        except OSError as error:
            raise MixdownError(f"no place for the recording: {error}") from error

    def kept(self, replay_id: str) -> Path | None:
        """Where the recording of a replay is to be kept, if anywhere."""
        return None if self.mixdown_dir is None else self.mixdown_dir / f"{replay_id}.wav"
