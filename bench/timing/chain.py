# SPDX-License-Identifier: Apache-2.0
"""Writes the recordings that bench/figures_audio.py times the chain with into build/timing/chain, if they are not there
yet: clean.wav, music.wav, and turns.json, how many turns are in them. Any Python will do to start it, as for run.py."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

# What it shares with the other benchmarks.
sys.path.extend(str(Path(__file__).resolve().parents[2] / folder) for folder in ("bench", "scripts"))

import environment
import packages
from measure import BenchError

FOLDER = environment.CACHE / "chain"
SECONDS = 270


def _write(folder: Path) -> None:
    from long_dialogue import make_long  # these two need what only that environment has
    from server import wav

    made = make_long(SECONDS)
    (folder / "clean.wav").write_bytes(wav(made.clean))
    (folder / "music.wav").write_bytes(wav(made.music))
    (folder / "turns.json").write_text(f"{made.turns}\n")


def main() -> int:
    if FOLDER.exists():
        return 0
    environment.enter()
    print(f"timing: making two recordings of {SECONDS} s", file=sys.stderr, flush=True)
    try:
        packages.fetch()
        with tempfile.TemporaryDirectory(dir=environment.CACHE) as scratch:
            partial = Path(scratch) / FOLDER.name
            partial.mkdir()
            _write(partial)
            partial.rename(FOLDER)
    except (BenchError, OSError, subprocess.CalledProcessError) as error:
        print(f"timing: broke: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
