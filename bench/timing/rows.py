# SPDX-License-Identifier: Apache-2.0
"""The rows of the table: which scene, which noise, and the goal. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import isinf

from score import Coverage, Spread, Tally, coverage, spread

USUAL_DBFS = -25.0


@dataclass(frozen=True)
class Goal:
    """Of the response-time error's size, in ms."""

    median: float
    p95: float


@dataclass(frozen=True)
class Row:
    name: str
    scene: str = "dialogue"  # dialogue, or one of OVERLAPS
    noise: str | None = None
    snr_db: float = 0
    level_dbfs: float = USUAL_DBFS
    goal: Goal | None = None

    @property
    def by_segments(self) -> bool:
        """Scored by segments on each channel, not by turns."""
        return self.scene != "dialogue"


STEADY, MOVING = ("white", "pink", "hum"), ("music", "babble")
OVERLAPS = ("barge-in", "backchannel", "echo")
GOALS_CLEAN = {-15: Goal(12, 30), -25: Goal(12, 30), -35: Goal(15, 40), -45: Goal(15, 40)}
GOALS_STEADY = {20: Goal(25, 60), 10: Goal(40, 80)}
GOAL_CLICKS = Goal(40, 100)
GOALS_MOVING = {20: Goal(40, 120), 10: Goal(70, 250)}


def _noisy(noise: str, snr_db: int, goal: Goal) -> Row:
    return Row(f"{noise}-{snr_db}", noise=noise, snr_db=snr_db, goal=goal)


def _rows() -> list[Row]:
    rows = [Row(f"clean{level}", level_dbfs=level, goal=goal) for level, goal in GOALS_CLEAN.items()]
    for noise in STEADY:
        rows += [_noisy(noise, snr, goal) for snr, goal in GOALS_STEADY.items()]
    rows += [_noisy("clicks", snr, GOAL_CLICKS) for snr in (20, 10)]
    for noise in MOVING:
        rows += [_noisy(noise, snr, goal) for snr, goal in GOALS_MOVING.items()]
    return rows + [Row(name, scene=name) for name in OVERLAPS]


ROWS = {row.name: row for row in _rows()}


@dataclass(frozen=True)
class Score:
    """One detector's figures in one row of the table."""

    missed: int
    invented: int
    start: Spread | None
    end: Spread | None
    response: Spread | None
    coverage: Coverage | None = None


def score_of(tally: Tally) -> Score:
    starts, ends, responses = (spread(errors) for errors in (tally.starts, tally.ends, tally.responses))
    return Score(tally.missed, tally.invented, starts, ends, responses, coverage(tally))


def reachable(goal: Goal, oracle: Score) -> Goal:
    """The goal, or the oracle's figure where the oracle cannot reach it. One that lost the utterance says nothing."""
    best = oracle.response
    if best is None:
        return goal
    pairs = ((goal.median, best.median), (goal.p95, best.p95))
    median, p95 = (wanted if isinf(possible) else max(wanted, possible) for wanted, possible in pairs)
    return Goal(median, p95)


def _ratio(ours: float, other: float) -> float | None:
    return ours / other if other > 0 and not isinf(other) else None


def ratios(ours: Spread | None, other: Spread | None) -> tuple[float | None, float | None]:
    """Of median and p95; None where there is nothing to divide by."""
    if ours is None or other is None:
        return None, None
    return _ratio(ours.median, other.median), _ratio(ours.p95, other.p95)


def _behind(ours: Spread | None, silero: Spread | None) -> bool:
    if ours is None or silero is None:
        return False
    return ours.median > silero.median or ours.p95 > silero.p95


def failings(row: Row, ours: Score, silero: Score | None, oracle: Score) -> list[str]:
    """What the row asks for and did not get; empty: ok."""
    found: list[str] = []
    if ours.missed:
        found.append("missed")
    if ours.invented:
        found.append("invented")
    if row.goal is not None and ours.response is not None:
        goal = reachable(row.goal, oracle)
        found += ["median"] if ours.response.median > goal.median else []
        found += ["p95"] if ours.response.p95 > goal.p95 else []
    if silero is None:
        return found
    if row.by_segments:
        behind = [_behind(ours.start, silero.start) and "start", _behind(ours.end, silero.end) and "end"]
        found += [f"{which} behind Silero" for which in behind if which]
    elif _behind(ours.response, silero.response):
        found.append("behind Silero")
    return found
