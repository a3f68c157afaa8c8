# SPDX-License-Identifier: Apache-2.0
"""The small fixed subset of the dialogues that `make test` holds exactly: which they are, the file that keeps what is
heard in them, and what moved since it was written. Pure, but for reading the file."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest

from environment import ROOT
from rows import ROWS
from score import Tally, score_segments, score_turns
from turns import CHANNELS, Segment, heard

FILE = ROOT / "tests" / "timing_subset.json"
HALF = "tuning"  # whoever changes the detector looks at them


@dataclass(frozen=True)
class Case:
    row: str
    bound_ms: float  # no start, end or response is further off
    dialogue: int = 0  # different ones, for their voices


CASES = (
    Case("clean-25", 5),
    Case("clean-45", 5, 2),
    Case("white-10", 100),
    Case("pink-20", 70, 2),
    Case("hum-10", 50, 2),
    Case("clicks-20", 30),
    Case("music-10", 115, 1),
    Case("babble-20", 125),
    Case("barge-in", 5, 1),
    Case("backchannel", 5),
    Case("echo", 5),
)

Lines = list[list[int]]
Kept = dict[str, dict[str, Lines]]  # by row and part
# What a row has, and how a line of it reads. The recording is there so that another one is not taken for a detector
# that hears something else.
PARTS = {
    "recording": "{} ms with the CRC-32 {}",
    **dict.fromkeys(CHANNELS, "{}..{} ms"),
    "response": "{} ms ± {} ms",
}


def text(kept: Kept) -> str:
    """JSON with a line for each line."""
    rows: list[str] = []
    for row, parts in kept.items():
        lists = (f'  "{part}": [\n' + ",\n".join(f"   {line}" for line in parts[part]) + "\n  ]" for part in PARTS)
        rows.append(f' "{row}": {{\n' + ",\n".join(lists) + "\n }")
    return "{\n" + ",\n".join(rows) + "\n}\n"


def load() -> Kept:
    return json.loads(FILE.read_text())


def _changes(part: str, old: Lines, new: Lines) -> Iterator[str]:
    """One for each line that is not the same; the others are matched first, so that one more is one change."""
    a, b = [tuple(line) for line in old], [tuple(line) for line in new]
    for tag, first, end, now_first, now_end in SequenceMatcher(None, a, b, autojunk=False).get_opcodes():
        if tag == "equal":
            continue
        for i, (was, now) in enumerate(zip_longest(a[first:end], b[now_first:now_end])):
            number = (first if was else now_first) + i + 1
            before, after = (PARTS[part].format(*line) if line else "nothing" for line in (was, now))
            yield f"{part} {number}: from {before} to {after}"


def moved(old: Kept, new: Kept) -> list[str]:
    """Row, part, number, from what, to what."""
    found: list[str] = []
    for row in {**old, **new}:
        for part in PARTS:
            lines, now = (kept.get(row, {}).get(part, []) for kept in (old, new))
            found += [f"{row}, {change}" for change in _changes(part, lines, now)]
    return found


def tallies(row: str, truths: list[Segment], parts: dict[str, Lines]) -> list[Tally]:
    """What was heard held against the truth as the benchmark does it: by turns, or by the segments of each channel."""
    found = heard([Segment(start, i, end) for i, name in enumerate(CHANNELS) for start, end in parts[name]])
    if not ROWS[row].by_segments:
        return [score_turns(truths, found)]
    return [score_segments(truths, found, channel) for channel in range(len(CHANNELS))]
