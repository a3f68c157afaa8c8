# SPDX-License-Identifier: Apache-2.0
"""The line on the terminal."""

from __future__ import annotations

import io
import sys

import pytest

import xray_pytest
from xray._progress import TerminalLine, describe, nobody, reporter, within
from xray.conversation import Role
from xray.runtime.base import RunProgress

DESCRIBED = {
    "preparing": RunProgress("preparing"),
    "turn 2/5, user speaking": RunProgress("turn", turn_idx=1, turn_count=5, role=Role.USER),
    "turn 1": RunProgress("turn", turn_idx=0),
    "analysing": RunProgress("analysing"),
    "analysing, 42 % (transcribe)": RunProgress("analysing", percent=42, step="transcribe"),
}


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def put(self, text: str) -> None:
        self.write(text)


@pytest.mark.parametrize("words", DESCRIBED)
def test_what_happens_in_words(words: str) -> None:
    assert describe(DESCRIBED[words]) == words


def test_one_line_that_is_gone_at_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    terminal = Terminal()
    show = TerminalLine(terminal.put, "a name\nwith a line's end")
    for event in DESCRIBED.values():
        show(event)
    show(RunProgress("completed"))
    written = terminal.getvalue()
    assert "\n" not in written
    lines = [line.removesuffix("\x1b[K") for line in written.split("\r")[1:]]
    assert lines[0] == "a name with a line's end: preparing"
    assert max(len(line) for line in lines) == 39
    assert lines[-1] == ""


def test_silent_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xray_pytest, "terminal", lambda: None)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert reporter(None, "n") is nobody
    monkeypatch.setattr(sys, "stderr", None)
    assert reporter(None, "n") is nobody


def test_a_terminal_is_written_to(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(xray_pytest, "terminal", lambda: None)
    reporter(None, "n")(RunProgress("preparing"))
    assert "n: preparing" in terminal.getvalue()


def test_what_a_runtime_reports_gets_the_replays_id() -> None:
    seen: list[RunProgress] = []
    report = within(seen.append, "r")
    report(RunProgress("joining"))
    report(RunProgress("joining", replay_id="its own"))
    assert [event.replay_id for event in seen] == ["r", "its own"]
