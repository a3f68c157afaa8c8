# SPDX-License-Identifier: Apache-2.0
"""Tells where a run is: to the caller's function, else on one line of the terminal, else to nobody."""

from __future__ import annotations

import logging
import shutil
import sys
from collections.abc import Callable
from dataclasses import replace
from typing import TextIO

from xray.runtime.base import RunProgress

_log = logging.getLogger("xray")

Report = Callable[[RunProgress], None]


def reporter(progress: Report | None, name: str) -> Report:
    """What `xray.run` reports to. `name` is the conversation's, for the line on the terminal."""
    if progress is not None:
        return _Guarded(progress)
    if sys.stderr is not None and sys.stderr.isatty():  # pyright: ignore[reportUnnecessaryComparison] (pythonw has none)
        return _Guarded(TerminalLine(sys.stderr, name))
    return nobody


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
    """Writes each event over the last; the line is gone when the run has ended."""

    def __init__(self, out: TextIO, name: str) -> None:
        self._out = out
        self._name = " ".join(name.split())

    def __call__(self, event: RunProgress) -> None:
        ended = event.stage in ("completed", "failed")
        text = "" if ended else f"{self._name}: {describe(event)}"
        columns = shutil.get_terminal_size().columns
        # \x1b[K clears to the end of the line.
        self._out.write("\r" + text[: columns - 1] + "\x1b[K")
        self._out.flush()


def describe(event: RunProgress) -> str:
    """What happens, in a few words."""
    if event.stage == "turn" and event.turn_idx is not None:
        of = "" if event.turn_count is None else f"/{event.turn_count}"
        who = "" if event.role is None else f", {event.role} speaking"
        return f"turn {event.turn_idx + 1}{of}{who}"
    if event.stage == "analysing" and event.percent is not None:
        return f"analysing, {event.percent} %" + ("" if event.step is None else f" ({event.step})")
    return event.stage
