# SPDX-License-Identifier: Apache-2.0
"""Measures the release build, each figure beside a floor measured in the same run, and prints one table.

The exit status is 0 when every benchmark could measure, whatever it found; 1 when one broke.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

# What the benchmarks share with the demo and the tests, and the SDK.
sys.path.extend(str(Path(__file__).resolve().parents[1] / folder) for folder in ("scripts", "tests", "sdk/python/src"))

import figures_audio
import figures_client
import figures_events
import figures_http
import figures_otlp
import figures_providers
import figures_sdk
import figures_start
import figures_verdict
from measure import SCRATCH, BenchError, Row

FIGURES: dict[str, Callable[[], list[Row]]] = {
    "healthz": figures_http.healthz,
    "list": figures_http.conversations,
    "upload": figures_audio.upload,
    "chain": figures_audio.chain,
    "chain_music": figures_audio.chain_music,
    "memory": figures_audio.memory,
    "vad": figures_audio.vad,
    "verdict": figures_verdict.single,
    "verdict20": figures_verdict.twenty,
    "subscribers": figures_events.subscribers,
    "otlp": figures_otlp.batches,
    "otlp_single": figures_otlp.singles,
    "otlp_beside": figures_otlp.beside,
    "detail": figures_otlp.open_detail,
    "detail_finished": figures_otlp.finished_detail,
    "start": figures_start.start,
    "providers": figures_providers.overhead,
    "providers16": figures_providers.parallel,
    "sdk": figures_sdk.overhead,
    "sdk10": figures_sdk.ten,
    "client": figures_client.client,
}
LONG: dict[str, Callable[[], list[Row]]] = {"otlp_rss": figures_otlp.memory}  # only when asked for
ALL = FIGURES | LONG
HEADINGS = ["what", "measured", "floor", "ratio", "goal", "", "the floor is"]


def file_system_of(path: Path) -> str:
    """The type of the file system that the benchmarks write to."""
    mounts = [line.split() for line in Path("/proc/self/mounts").read_text().splitlines()]
    target = path.resolve()
    holding = [m for m in mounts if target.is_relative_to(m[1])]
    return max(holding, key=lambda m: len(m[1]))[2] if holding else "unknown"


def describe_machine() -> str:
    SCRATCH.mkdir(parents=True, exist_ok=True)
    release = platform.freedesktop_os_release().get("PRETTY_NAME", "Linux")
    load = os.getloadavg()[0]
    note = " (other work is running: figures are worse than they would be)" if load > 0.5 else ""
    return (
        f"{os.cpu_count()} cores, {release}, Linux {platform.release().split('-')[0]}, "
        f"{file_system_of(SCRATCH)}; load {load:.1f}{note}"
    )


def cells(row: Row) -> list[str]:
    def value(number: float) -> str:
        return f"{number:,.{row.unit.decimals}f} {row.unit.name}"

    bound = "≥" if row.unit.more_is_better else "≤"
    goals: list[str] = []
    if row.goal is not None:
        goals.append(f"{bound} {row.goal:,.0f} {row.unit.name}")
    if row.ratio_goal is not None:
        goals.append(f"{bound} {row.ratio_goal} x")
    verdict = {True: "ok", False: "MISSED", None: ""}[row.met]
    floor = value(row.floor) if row.floor else ""
    ratio = f"{row.ratio:.2f}" if row.ratio is not None else ""
    return [row.what, value(row.measured), floor, ratio, ", ".join(goals), verdict, row.floor_is]


def print_table(rows: list[Row]) -> None:
    table = [HEADINGS, *(cells(row) for row in rows)]
    widths = [max(len(line[i]) for line in table) for i in range(len(HEADINGS))]
    right = {1, 2, 3}
    for line in table:
        padded = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        print("  ".join(padded).rstrip())


def measure(names: list[str]) -> tuple[list[Row], bool]:
    rows: list[Row] = []
    broke = False
    for name in names:
        print(f"bench: {name}", file=sys.stderr, flush=True)
        try:
            rows += ALL[name]()
        except BenchError as error:
            print(f"bench: {name} broke: {error}", file=sys.stderr)
            broke = True
        except Exception:
            print(f"bench: {name} broke:\n{traceback.format_exc()}", file=sys.stderr)
            broke = True
    return rows, broke


def main() -> int:
    parser = argparse.ArgumentParser(description="Measures the release build, build/xrayd.")
    parser.add_argument("--only", action="append", choices=list(ALL), metavar="NAME", help=", ".join(ALL))
    options = parser.parse_args()
    print(describe_machine(), flush=True)
    rows, broke = measure(options.only or list(FIGURES))
    print_table(rows)
    return 1 if broke else 0


if __name__ == "__main__":
    sys.exit(main())
