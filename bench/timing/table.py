# SPDX-License-Identifier: Apache-2.0
"""The table as text. Pure."""

from __future__ import annotations

import math

from rows import ROWS, Goal, Row, Score, failings, ratios, reachable
from score import Coverage, Spread

HEADINGS = ["", "", "missed", "invented", "start ms", "end ms", "response ms", "within, ms", "goal ms", "x Silero", ""]
LEFT = {0, 1, 10}
Scores = dict[str, Score]  # by detector


def _ms(value: float) -> str:
    return "lost" if math.isinf(value) else f"{value:.0f}"


def _spread(spread: Spread | None) -> str:
    """median, p95, worst"""
    return "" if spread is None else " ".join(f"{_ms(v):>4}" for v in (spread.median, spread.p95, spread.worst))


def _coverage(found: Coverage | None) -> str:
    """The share of responses whose true value lies within the uncertainty, and the uncertainty's median. Rounded down:
    100% are all."""
    return "" if found is None else f"{math.floor(found.percent)}% ±{found.median_ms:.0f}"


def _goal(goal: Goal | None, oracle: Score) -> str:
    """A star: the goal is the oracle's figure."""
    if goal is None:
        return ""
    out: list[str] = []
    got = reachable(goal, oracle)
    for wanted, possible in ((goal.median, got.median), (goal.p95, got.p95)):
        out.append(f"≤{wanted:.0f}" if possible == wanted else f"≤{math.ceil(possible)}*")
    return " ".join(out)


def _ratio(ours: Spread | None, silero: Spread | None) -> str:
    """A dash: Silero lost it."""
    if ours is None or silero is None:
        return ""
    found = ("-" if r is None else "lost" if math.isinf(r) else f"{r:.2f}" for r in ratios(ours, silero))
    return " ".join(f"{r:>4}" for r in found)


def _lines(row: Row, part: str, scores: Scores) -> list[list[str]]:
    ours, silero, oracle = scores["xray"], scores.get("silero"), scores["oracle"]
    failing = failings(row, ours, silero, oracle)
    verdict = "MISSED: " + ", ".join(failing) if failing else "ok"
    by = [(s.end if row.by_segments else s.response) if s else None for s in (ours, silero)]
    lines: list[list[str]] = []
    for detector, score in scores.items():
        first = detector == "xray"
        label = " ".join((row.name, part)).strip() if first else ""
        figures = [_spread(score.start), _spread(score.end), _spread(score.response), _coverage(score.coverage)]
        last = [_goal(row.goal, oracle), _ratio(by[0], by[1]), verdict] if first else ["", "", ""]
        lines.append([label, detector, str(score.missed), str(score.invented), *figures, *last])
    return lines


def table(scores: dict[tuple[str, str], Scores]) -> str:
    """scores: by row and part, in the order they are printed in."""
    lines = [HEADINGS]
    for (name, part), by_detector in scores.items():
        lines += _lines(ROWS[name], part, by_detector)
    widths = [max(len(line[i]) for line in lines) for i in range(len(HEADINGS))]
    out: list[str] = []
    for line in lines:
        cells = [c.ljust(w) if i in LEFT else c.rjust(w) for i, (c, w) in enumerate(zip(line, widths, strict=True))]
        out.append("  ".join(cells).rstrip())
    return "\n".join(out)


def met(scores: dict[tuple[str, str], Scores]) -> tuple[int, int]:
    """How many lines of the table are ok, and of how many."""
    found = [failings(ROWS[name], s["xray"], s.get("silero"), s["oracle"]) for (name, _), s in scores.items()]
    return sum(not failing for failing in found), len(found)
