# SPDX-License-Identifier: Apache-2.0
"""Turns and response times from segments, by the server's rule, for detectors that give segments only. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

USER, AGENT = 0, 1
CHANNELS = ("user", "agent")


@dataclass(frozen=True, order=True)
class Segment:
    """Speech of one side, in ms on the recording's clock. Sorts by start, then side."""

    start_ms: float
    channel: int
    end_ms: float


@dataclass(frozen=True)
class Turn:
    channel: int
    start_ms: float
    end_ms: float
    response_ms: float | None  # the agent's: after the end of the nearest earlier user turn
    # How far the detector says that the response may be off. No part of the rule, so turns are equal without it.
    uncertainty_ms: float | None = field(default=None, compare=False)


@dataclass(frozen=True)
class Heard:
    """What a detector made of one recording."""

    segments: tuple[Segment, ...]
    turns: tuple[Turn, ...]


def _response(channel: int, start_ms: float, earlier: list[Turn]) -> float | None:
    if channel != AGENT:
        return None
    users = [turn for turn in earlier if turn.channel == USER]
    return max(0.0, start_ms - users[-1].end_ms) if users else None


def derive(segments: tuple[Segment, ...]) -> tuple[Turn, ...]:
    """Neighbours of one side form a turn, a change of side opens the next."""
    ordered = sorted(segments)
    cuts = [i + 1 for i, (a, b) in enumerate(pairwise(ordered)) if a.channel != b.channel]
    turns: list[Turn] = []
    for first, end in pairwise([0, *cuts, len(ordered)]):
        if first == end:
            continue
        head, tail = ordered[first], ordered[end - 1]
        response = _response(head.channel, head.start_ms, turns)
        turns.append(Turn(head.channel, head.start_ms, tail.end_ms, response))
    return tuple(turns)


def heard(segments: list[Segment]) -> Heard:
    ordered = tuple(sorted(segments))
    return Heard(ordered, derive(ordered))
