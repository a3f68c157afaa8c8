# SPDX-License-Identifier: Apache-2.0
"""The run: its own tests, the material, the server, a pool of listeners, the table."""

from __future__ import annotations

import argparse
import io
import multiprocessing
import os
import platform
import subprocess
import sys
import tempfile
import time
import unittest
from collections.abc import Iterable
from pathlib import Path

import environment
import listening
import packages
import selftest
from corpus import HALVES
from measure import BenchError
from rows import ROWS, Score, score_of
from score import Tally
from server import ENV
from table import met, table
from xrayd_process import Xrayd

DIALOGUES = 25  # eight responses each: 200 a row
Scores = dict[tuple[str, str], dict[str, Score]]


def check_itself() -> None:
    """What is not true itself must not measure."""
    result = unittest.TextTestRunner(stream=io.StringIO()).run(selftest.suite())
    if result.testsRun == 0 or not result.wasSuccessful():
        raise BenchError("".join(text for _, text in result.failures + result.errors) or "no self-test ran")


def tasks(names: list[str], dialogues: int) -> list[tuple[str, int, list[str]]]:
    """One a dialogue of each scene, the scene's rows together: its speech is made once."""
    scenes = dict.fromkeys(ROWS[name].scene for name in names)
    return [(s, i, [n for n in names if ROWS[n].scene == s]) for s in scenes for i in range(dialogues)]


def add_up(results: Iterable[list[listening.Result]], total: int) -> Scores:
    tallies: dict[tuple[str, str], dict[str, Tally]] = {}
    for done, part in enumerate(results, 1):
        print(f"\rtiming: {done} of {total}", end="", file=sys.stderr, flush=True)
        for r in part:
            tallies.setdefault((r.row, r.part), {}).setdefault(r.detector, Tally()).add(r.tally)
    print(file=sys.stderr)
    order = list(ROWS)
    rows = sorted(tallies, key=lambda key: order.index(key[0]))
    return {key: {detector: score_of(tally) for detector, tally in tallies[key].items()} for key in rows}


def measure(options: argparse.Namespace) -> Scores:
    work = tasks(options.only or list(ROWS), options.dialogues)
    scratch = environment.CACHE / "volumes"
    scratch.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(dir=scratch) as folder,
        Xrayd(Path(folder) / "data", binary=options.server, env=ENV) as server,
    ):
        setting = listening.Setting(options.half, server.port, server.data_dir, not options.no_silero, options.save)
        context = multiprocessing.get_context("spawn")
        with context.Pool(os.cpu_count(), listening.begin, (setting,)) as pool:
            return add_up(pool.imap_unordered(listening.listen, work), len(work))


def heading(options: argparse.Namespace) -> str:
    said = subprocess.run([options.server, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    git = ["git", "-C", environment.ROOT, "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return (
        f"{said}, commit {commit}; {options.half} half, {options.dialogues} dialogues a row; "
        f"{platform.machine()}, {os.cpu_count()} cores\n{', '.join(packages.versions())}"
    )


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures how true the server's response times are.")
    parser.add_argument("--half", choices=list(HALVES), default="judging")
    parser.add_argument("--only", action="append", choices=list(ROWS), metavar="ROW", help=", ".join(ROWS))
    parser.add_argument("--server", type=Path, default=environment.ROOT / "build" / "xrayd", metavar="XRAYD")
    parser.add_argument("--dialogues", type=int, default=DIALOGUES, help=f"a row (default {DIALOGUES}: 200 responses)")
    parser.add_argument("--no-silero", action="store_true", help="leave Silero out, which takes most of the time")
    parser.add_argument("--save", type=Path, metavar="FOLDER", help="keep recordings, truth and what was heard there")
    return parser.parse_args()


def main() -> int:
    options = arguments()
    start = time.monotonic()
    try:
        packages.fetch()
        check_itself()
        print(heading(options), flush=True)
        scores = measure(options)
    except (BenchError, RuntimeError, OSError, subprocess.CalledProcessError) as error:
        print(f"timing: broke: {error}", file=sys.stderr)
        return 1
    print(table(scores))
    ok, of = met(scores)
    print(f"{ok} of {of} rows ok; {time.monotonic() - start:.0f} s")
    return 0
