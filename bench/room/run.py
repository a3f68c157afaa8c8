# SPDX-License-Identifier: Apache-2.0
"""How true a recording of a room is: calls with an agent that answers after known delays, a silent third participant
that hears both, and what the server reports of the recording.

Prints three tables; docs/timing.md ("In a room") says what is in them. The exit status is 0 when every goal is met; 1
when one was missed, or something broke. With --short it is 1 when something was lost or is out of place by bounds that
hold on a busy machine, whatever the goals say.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
import time
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

# What it shares with the other benchmarks.
sys.path.extend(str(Path(__file__).resolve().parents[2] / folder) for folder in ("bench", "scripts"))

from clocks import Figures, Reading
from livekit_server import VERSION, LiveKitServer
from measure import BenchError, scratch
from report import misses, tables, write_into
from scenario import Call, long_call, short_calls, usual_call
from shorter import failings
from staging import Played, perform
from xrayd_process import ROOT, Xrayd

_ENV = {"XRAY_TRANSCRIPTION_PROVIDER": "none", "XRAY_JUDGE_PROVIDER": "lexical"}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures how true recordings of a room are.")
    parser.add_argument("--short", action="store_true", help="two short calls, held against generous bounds")
    parser.add_argument("--runs", type=int, default=5, metavar="N", help="calls of two minutes (default 5)")
    parser.add_argument("--minutes", type=float, default=10, metavar="N", help="and one so long (default 10; 0: none)")
    server = os.environ.get("XRAYD", ROOT / "build" / "xrayd")
    parser.add_argument("--server", type=Path, default=server, metavar="XRAYD")
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="keep what was recorded and heard there")
    parser.add_argument("--again", type=Path, metavar="FOLDER", help="play nothing: read what was kept there")
    parser.add_argument("--write", action="store_true", help="put the tables into docs/timing.md")
    options = parser.parse_args()
    if options.short and options.write:
        parser.error("--write wants the whole benchmark")
    return options


def calls_of(options: argparse.Namespace) -> list[Call]:
    if options.short:
        return short_calls()
    calls = [usual_call(i) for i in range(options.runs)]
    return calls + ([long_call(options.minutes)] if options.minutes else [])


def heading(server: Path) -> str:
    said = subprocess.run([server, "--version"], check=True, capture_output=True, text=True).stdout.strip()
    git = ["git", "-C", ROOT, "describe", "--always", "--dirty"]
    commit = subprocess.run(git, capture_output=True, text=True).stdout.strip()
    return (
        f"{said}, commit {commit}; livekit-server {VERSION}, livekit {version('livekit')}; "
        f"Python {platform.python_version()}, {platform.machine()}, {os.cpu_count()} cores, "
        f"load at the start {os.getloadavg()[0]:.1f}"
    )


def measure(calls: list[Call], server: Path, keep: Path | None) -> list[Figures]:
    found: list[Figures] = []
    with ExitStack() as stack:
        if keep is None:
            folder = stack.enter_context(scratch())
        else:
            folder = keep
            folder.mkdir(parents=True)
        livekit = stack.enter_context(LiveKitServer())
        xrayd = stack.enter_context(Xrayd(folder / "data", binary=server, env=_ENV))
        for call in calls:
            begun = time.monotonic()
            played = perform(call, livekit, xrayd, folder / call.name.replace(" ", "-"))
            found.append(Reading(played).figures())
            took = f"room: {call.name}: {time.monotonic() - begun:.0f} s"
            guessed = f", the agent missed {found[-1].guessed} marks" if found[-1].guessed else ""
            print(took + guessed, file=sys.stderr, flush=True)
            played.save()
            if keep is None:
                for path in played.folder.rglob("*"):  # a ten-minute call is half a gigabyte
                    if path.is_file():
                        path.unlink()
    return found


def read_again(folder: Path) -> list[Figures]:
    kept = sorted(folder.glob("*/played.json"), key=lambda path: path.stat().st_mtime)
    return [Reading(Played.load(path.parent)).figures() for path in kept]


def main() -> int:
    options = arguments()
    start = time.monotonic()
    try:
        head = heading(options.server)
        print(head, flush=True)
        again: Path | None = options.again
        found = read_again(again) if again else measure(calls_of(options), options.server, options.keep)
        if not found:
            raise BenchError("there is no call to measure")
    except (BenchError, RuntimeError, OSError, ValueError, subprocess.CalledProcessError) as error:
        print(f"room: broke: {error}", file=sys.stderr)
        return 1
    print(tables(found))
    print(f"{time.monotonic() - start:.0f} s")
    if options.write:
        write_into(ROOT / "docs" / "timing.md", head, tables(found))
    wrong = failings(found) if options.short else [f"missed: {line}" for line in misses(found)]
    for line in wrong:
        print(f"room: {line}", file=sys.stderr)
    good = "nothing lost, all in order" if options.short else "every goal is met"
    print(f"{len(wrong)} failings" if wrong else good)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
