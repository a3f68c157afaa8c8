# SPDX-License-Identifier: Apache-2.0
"""What was found held against what is true: missed, invented, and the errors of starts, ends and response times. Pure.

A found stretch belongs to the true utterance of its channel that it overlaps most. An utterance that nothing belongs to
is missed, so two utterances run together are one found and one missed. Its start is that of the first stretch that
belongs to it, its end that of the last. Invented are segments that overlap no utterance of their channel; where they
are made part of a true turn, they also spoil its ends. What was missed has no error but is *lost*: among the errors it
stands as infinite, so that no detector gains by not answering.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from turns import AGENT, USER, Heard, Segment, Turn

Span = tuple[float, float]
LOST = math.inf


@dataclass
class Tally:
    """Errors in ms, found minus true."""

    truths: int = 0
    missed: int = 0
    invented: int = 0
    starts: list[float] = field(default_factory=list[float])
    ends: list[float] = field(default_factory=list[float])
    responses: list[float] = field(default_factory=list[float])
    uncertainties: list[float] = field(default_factory=list[float])  # of the responses that have one, in ms
    within: int = 0  # how many responses are off by no more than theirs

    def add(self, other: Tally) -> None:
        self.truths += other.truths
        self.missed += other.missed
        self.invented += other.invented
        self.starts += other.starts
        self.ends += other.ends
        self.responses += other.responses
        self.uncertainties += other.uncertainties
        self.within += other.within


@dataclass(frozen=True)
class Spread:
    median: float
    p95: float
    worst: float


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    return ordered[-(-len(ordered) * percent // 100) - 1]


def spread(errors: Sequence[float]) -> Spread | None:
    """Of the errors' sizes; None when there is none."""
    ordered = sorted(abs(error) for error in errors)
    if not ordered:
        return None
    return Spread(nearest_rank(ordered, 50), nearest_rank(ordered, 95), ordered[-1])


@dataclass(frozen=True)
class Coverage:
    """How far a detector's word for its own error is true."""

    percent: float  # of all responses: those that are off by no more than their uncertainty
    median_ms: float  # of the uncertainties


def coverage(tally: Tally) -> Coverage | None:
    """None where no response has an uncertainty."""
    if not tally.uncertainties:
        return None
    median = nearest_rank(sorted(tally.uncertainties), 50)
    return Coverage(100 * tally.within / len(tally.responses), median)


def overlap(a: Span, b: Span) -> float:
    return min(a[1], b[1]) - max(a[0], b[0])


def assign(truths: Sequence[Span], found: Sequence[Span]) -> tuple[list[list[int]], int]:
    """For each truth the indices of what belongs to it, and how many belong to none."""
    belonging: list[list[int]] = [[] for _ in truths]
    invented = 0
    for index, span in enumerate(found):
        best = max(range(len(truths)), key=lambda i: overlap(truths[i], span), default=None)
        if best is None or overlap(truths[best], span) <= 0:
            invented += 1
        else:
            belonging[best].append(index)
    return belonging, invented


def score_spans(truths: Sequence[Span], found: Sequence[Span]) -> Tally:
    """Both in order of time, of one channel."""
    belonging, invented = assign(truths, found)
    tally = Tally(truths=len(truths), invented=invented)
    for truth, mine in zip(truths, belonging, strict=True):
        tally.missed += not mine
        tally.starts.append(found[mine[0]][0] - truth[0] if mine else LOST)
        tally.ends.append(found[mine[-1]][1] - truth[1] if mine else LOST)
    return tally


def score_segments(truths: Sequence[Segment], found: Heard, channel: int) -> Tally:
    return score_spans(
        [(s.start_ms, s.end_ms) for s in truths if s.channel == channel],
        [(s.start_ms, s.end_ms) for s in found.segments if s.channel == channel],
    )


def _responses(truths: Sequence[Segment], turns: Sequence[Turn]) -> list[tuple[float, float | None]]:
    """The error for each agent's utterance that comes after a user's, and its uncertainty."""
    agents = [turn for turn in turns if turn.channel == AGENT]
    true_agents = [s for s in truths if s.channel == AGENT]
    belonging, _ = assign([(s.start_ms, s.end_ms) for s in true_agents], [(t.start_ms, t.end_ms) for t in agents])
    found: list[tuple[float, float | None]] = []
    for truth, mine in zip(true_agents, belonging, strict=True):
        users = [s.end_ms for s in truths if s.channel == USER and s.start_ms < truth.start_ms]
        if not users:
            continue
        turn = agents[mine[0]] if mine else None
        if turn is None or turn.response_ms is None:
            found.append((LOST, None))
        else:
            found.append((turn.response_ms - (truth.start_ms - users[-1]), turn.uncertainty_ms))
    return found


def score_turns(truths: Sequence[Segment], found: Heard) -> Tally:
    """truths: utterances that do not overlap, sides alternating, in order of time."""
    tally = Tally()
    for channel in (USER, AGENT):
        mine = [(s.start_ms, s.end_ms) for s in truths if s.channel == channel]
        by_turns = score_spans(mine, [(t.start_ms, t.end_ms) for t in found.turns if t.channel == channel])
        by_turns.invented = score_segments(truths, found, channel).invented
        tally.add(by_turns)
    for error, uncertainty in _responses(truths, found.turns):
        tally.responses.append(error)
        if uncertainty is not None:
            tally.uncertainties.append(uncertainty)
            tally.within += abs(error) <= uncertainty
    return tally
