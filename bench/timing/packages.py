# SPDX-License-Identifier: Apache-2.0
"""The Debian packages that the material comes from: downloaded and unpacked into the cache, never installed."""

from __future__ import annotations

import subprocess
import sys

from environment import CACHE
from measure import BenchError

NAMES = (
    *(f"asterisk-core-sounds-{language}-wav" for language in ("en", "es", "it", "fr", "ru")),
    "asterisk-moh-opsound-wav",
    "pocketsphinx-testdata",
    "flite",
)
FILES, UNPACKED, LISTS = CACHE / "deb", CACHE / "root", CACHE / "apt-lists"


def _have() -> bool:
    return all(any(FILES.glob(f"{name}_*.deb")) for name in NAMES) and (UNPACKED / ".complete").exists()


def _apt(command: str, *arguments: str, own_lists: bool) -> subprocess.CompletedProcess[str]:
    lists = ["-o", f"Dir::State::Lists={LISTS}", "-o", "Dir::Cache::pkgcache=", "-o", "Dir::Cache::srcpkgcache="]
    options = lists if own_lists else []
    return subprocess.run(["apt-get", command, "-qq", *options, *arguments], cwd=FILES, capture_output=True, text=True)


def _download() -> None:
    """The system's own lists of packages may be old, or not there at all, and only root may bring them up to date."""
    done = _apt("download", *NAMES, own_lists=False)
    if done.returncode != 0:
        LISTS.mkdir(parents=True, exist_ok=True)
        _apt("update", own_lists=True)  # should it fail, so does the next
        done = _apt("download", *NAMES, own_lists=True)
    if done.returncode != 0:
        raise BenchError(f"apt-get download failed:\n{done.stderr}")


def fetch() -> None:
    """Does nothing when all is there."""
    if _have():
        return
    print("timing: downloading recordings, 115 MB of Debian packages", file=sys.stderr, flush=True)
    FILES.mkdir(parents=True, exist_ok=True)
    _download()
    for name in NAMES:
        newest = max(FILES.glob(f"{name}_*.deb"))
        subprocess.run(["dpkg", "-x", newest, UNPACKED], check=True)
    (UNPACKED / ".complete").touch()


def versions() -> list[str]:
    """NAME VERSION of each, for the head of the table: other versions are other material."""
    return [" ".join(max(FILES.glob(f"{name}_*.deb")).name.split("_")[:2]) for name in NAMES]
