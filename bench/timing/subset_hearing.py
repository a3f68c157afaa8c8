# SPDX-License-Identifier: Apache-2.0
"""What a server hears in the fixed subset of the dialogues; subset.py is the program."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from zlib import crc32

import environment
import packages
from arrays import PER_MS, Array
from background import noise_of
from kept import CASES, FILE, HALF, Case, Kept, Lines, load, moved, text
from listening import mix_dialogue
from measure import BenchError
from rows import ROWS
from scenes import build
from server import ENV, Ears
from turns import CHANNELS, Heard, Segment
from xrayd_process import Xrayd

Truths = dict[str, list[Segment]]


def _made(case: Case) -> tuple[Array, list[Segment]]:
    """int16 [2, samples], and the truth."""
    row = ROWS[case.row]
    scene = build(row.scene, HALF, case.dialogue)
    noise = noise_of(row.noise, HALF, case.dialogue, scene.speech.shape[1]) if row.noise else None
    return mix_dialogue(row, scene, noise, HALF, case.dialogue).recording, scene.truths


def _whole(ms: float | None) -> int:
    """The detail gives whole milliseconds; nothing else would be kept exactly."""
    if not isinstance(ms, int):
        raise BenchError(f"{ms} is not a whole number of milliseconds")
    return ms


def _lines(recording: Array, found: Heard) -> dict[str, Lines]:
    segments = {
        name: [[_whole(s.start_ms), _whole(s.end_ms)] for s in found.segments if s.channel == channel]
        for channel, name in enumerate(CHANNELS)
    }
    responses = [[_whole(t.response_ms), _whole(t.uncertainty_ms)] for t in found.turns if t.response_ms is not None]
    sound = [recording.shape[1] // PER_MS, crc32(recording.tobytes())]
    return {"recording": [sound], **segments, "response": responses}


def hear(binary: Path) -> tuple[Kept, Truths]:
    kept: Kept = {}
    truths: Truths = {}
    with tempfile.TemporaryDirectory() as folder, Xrayd(Path(folder) / "data", binary=binary, env=ENV) as server:
        ears = Ears(server.port, server.data_dir)
        for case in CASES:
            recording, truths[case.row] = _made(case)
            kept[case.row] = _lines(recording, ears.listen(recording))
        if server.stop() != 0:
            raise BenchError("".join(server.raw_log))
    return kept, truths


def _write_heard(binary: Path, file: Path) -> None:
    kept, truths = hear(binary)
    rows = {row: [[s.channel, s.start_ms, s.end_ms] for s in segments] for row, segments in truths.items()}
    file.write_text(json.dumps({"heard": kept, "truth": rows}))


def _update(binary: Path) -> None:
    kept, _ = hear(binary)
    changes = moved(load() if FILE.exists() else {}, kept)
    FILE.write_text(text(kept))
    print("\n".join(changes) or "nothing moved")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Asks a server what it hears in the fixed subset of the dialogues.")
    parser.add_argument("--server", type=Path, default=environment.ROOT / "build" / "xrayd", metavar="XRAYD")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--heard", type=Path, metavar="FILE", help="write what it hears, and the truth, there")
    what.add_argument("--update", action="store_true", help=f"write {FILE.relative_to(environment.ROOT)} anew")
    return parser.parse_args()


def main() -> int:
    options = _arguments()
    try:
        packages.fetch()
        if options.heard:
            _write_heard(options.server, options.heard)
        elif options.update:
            _update(options.server)
    except (BenchError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(f"timing: broke: {error}", file=sys.stderr)
        return 1
    return 0
