# SPDX-License-Identifier: Apache-2.0
"""A few dialogues of the timing benchmark (bench/timing/kept.py): what the server hears in them is what the repository
keeps, to the millisecond, and near the truth.

Exactly, because the detector has no chance in it: whatever moves is a change of the detector, meant or not. When it is
meant, `bench/timing/subset.py --update` writes the file anew; docs/timing.md says when that is.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from typing import Any

import pytest

from environment import VENV
from kept import CASES, FILE, PARTS, Case, Kept, load, moved, tallies
from turns import Segment
from xrayd_process import ROOT

pytestmark = pytest.mark.slow

SUBSET = ROOT / "bench" / "timing" / "subset.py"
IF_MEANT = f"If this is meant: {SUBSET.relative_to(ROOT)} --update writes {FILE.relative_to(ROOT)} anew."


@pytest.fixture(scope="module")
def answer(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the server hears, and the truth. Minutes on first use, for the recordings are downloaded."""
    if not VENV.exists() and not shutil.which("apt-get"):
        pytest.skip("the recordings are Debian's packages, and there is no apt-get")
    server = os.environ.get("XRAYD", ROOT / "build" / "xrayd")
    file = tmp_path_factory.mktemp("subset") / "heard.json"
    asked = subprocess.run(
        [sys.executable, SUBSET, "--server", server, "--heard", file], capture_output=True, text=True
    )
    assert asked.returncode == 0, asked.stderr
    return json.loads(file.read_text())


@pytest.fixture(scope="module")
def heard(answer: dict[str, Any]) -> Kept:
    return answer["heard"]


def one(kept: Kept, row: str) -> Kept:
    return {row: kept[row]}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_what_is_heard_has_not_moved(heard: Kept, case: Case) -> None:
    changes = moved(one(load(), case.row), one(heard, case.row))
    assert not changes, "\n".join(["", *changes, IF_MEANT])


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.row)
def test_what_is_heard_is_true(heard: Kept, answer: dict[str, Any], case: Case) -> None:
    truths = [Segment(start, channel, end) for channel, start, end in answer["truth"][case.row]]
    scored = tallies(case.row, truths, heard[case.row])
    assert sum(tally.truths for tally in scored) == len(truths) > 0
    assert [(tally.missed, tally.invented) for tally in scored] == [(0, 0)] * len(scored)
    errors = [error for tally in scored for error in (*tally.starts, *tally.ends, *tally.responses)]
    assert max(abs(error) for error in errors) <= case.bound_ms


def test_the_file_has_each_row_whole_and_no_other() -> None:
    kept = load()
    assert list(kept) == [case.row for case in CASES]
    assert all(list(parts) == list(PARTS) and all(parts.values()) for parts in kept.values())
