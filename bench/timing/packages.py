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
FILES, UNPACKED = CACHE / "deb", CACHE / "root"


def _have() -> bool:
    return all(any(FILES.glob(f"{name}_*.deb")) for name in NAMES) and (UNPACKED / ".complete").exists()


def fetch() -> None:
    """Does nothing when all is there."""
    if _have():
        return
    print("timing: downloading recordings, 115 MB of Debian packages", file=sys.stderr, flush=True)
    FILES.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(["apt-get", "download", "-qq", *NAMES], cwd=FILES, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"apt-get download failed (does it need apt-get update?):\n{done.stderr}")
    for name in NAMES:
        newest = max(FILES.glob(f"{name}_*.deb"))
        subprocess.run(["dpkg", "-x", newest, UNPACKED], check=True)
    (UNPACKED / ".complete").touch()


def versions() -> list[str]:
    """NAME VERSION of each, for the head of the table: other versions are other material."""
    return [" ".join(max(FILES.glob(f"{name}_*.deb")).name.split("_")[:2]) for name in NAMES]
