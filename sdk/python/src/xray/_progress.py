# SPDX-License-Identifier: Apache-2.0
"""Tells where a run is: to the caller's function, else on one line of the terminal, else to nobody."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Final, TextIO

import xray_pytest
from xray.runtime.base import RunProgress

_log = logging.getLogger("xray")

Report = Callable[[RunProgress], None]

# Terminals' control sequences (ECMA-48; DEC's for the cursor, which all understand).
_CLEAR_REST: Final = "\x1b[K"
# Makes sure there is a line below, goes there, and comes back: pytest goes on where it was in its own line.
_BELOW: Final = ("\x1bD\x1bM\x1b7\x1bD", "\x1b8")


def reporter(progress: Report | None, name: str) -> Report:
    """What `xray.run` reports to. `name` is the conversation's, for the line on the terminal."""
    if progress is not None:
        return _Guarded(progress)
    if (write := xray_pytest.terminal()) is not None:
        return _Guarded(TerminalLine(write, name, own_line=_BELOW))
    if sys.stderr is not None and sys.stderr.isatty():  # pyright: ignore[reportUnnecessaryComparison] (pythonw has none)
        return _Guarded(TerminalLine(_write_to(sys.stderr), name))
    return nobody


def _write_to(out: TextIO) -> Callable[[str], None]:
    def write(text: str) -> None:
        out.write(text)
        out.flush()

    return write


def within(report: Report, replay_id: str) -> Report:
    """Adds the replay's id to what a runtime reports."""
    return lambda event: report(event if event.replay_id else replace(event, replay_id=replay_id))


def nobody(_event: RunProgress) -> None:
    """Where nobody looks."""


class _Guarded:
    """A report that fails must not cost the run, whose recording may not be had again. It is logged and left alone."""

    def __init__(self, report: Report) -> None:
        self._report: Report | None = report

    def __call__(self, event: RunProgress) -> None:
        if self._report is None:
            return
        try:
            self._report(event)
        except Exception:
            _log.exception("the progress callback failed; it is not called again in this run")
            self._report = None


class TerminalLine:
    """Writes each event over the last; the line is gone when the run has ended. `own_line` is what to write before the
    line and after it, if the one that the cursor is in is somebody else's."""

    def __init__(self, write: Callable[[str], None], name: str, *, own_line: tuple[str, str] = ("", "")) -> None:
        self._write = write
        # On one line, and nothing in it that a terminal obeys.
        self._name = " ".join("".join(c if c.isprintable() else " " for c in name).split())
        self._before, self._after = own_line

    def __call__(self, event: RunProgress) -> None:
        ended = event.stage in ("completed", "failed")
        text = "" if ended else f"{self._name}: {describe(event)}"
        columns = shutil.get_terminal_size().columns
        self._write(f"{self._before}\r{text[: columns - 1]}{_CLEAR_REST}{self._after}")


def describe(event: RunProgress) -> str:
    """What happens, in a few words."""
    if event.stage == "turn" and event.turn_idx is not None:
        of = "" if event.turn_count is None else f"/{event.turn_count}"
        who = "" if event.role is None else f", {event.role} speaking"
        return f"turn {event.turn_idx + 1}{of}{who}"
    if event.stage == "analysing" and event.percent is not None:
        return f"analysing, {event.percent} %" + ("" if event.step is None else f" ({event.step})")
    return event.stage
