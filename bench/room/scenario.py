# SPDX-License-Identifier: Apache-2.0
"""What is said in each call, and who joins when: the same for every process, from the same few numbers. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

from clips import Clip, clip

Kind = Literal["answer", "user_barges", "agent_barges"]
Joins = Literal["before", "after"]
Words = Literal["none", "text", "packets"]

DELAYS_MS = (250, 500, 750, 1000, 1500, 2000, 2500)
USER_OFFSETS_MS = (300, 900, 1800)
AGENT_OFFSETS_MS = (300, 1000, 1900)
CYCLES = 3
UTTERANCE_MS = 900
LONG_MS = 2600
TALK_MS = 6000
INTO_MS = 1100
FIRST_DELAY_MS = 300
STOPS_AFTER_MS = 250
AFTER_BARGE_MS = 700
# Two legs, roughly: so that the user's second utterance begins about the offset after the agent's talk has begun.
LEGS_MS = 120
# What an exchange takes beside the delay: two utterances, the runtime's wait for silence, the legs.
EXCHANGE_S = 2 * UTTERANCE_MS / 1000 + 0.95


@dataclass(frozen=True)
class Exchange:
    """One user turn and what the agent does about it.

    `answer`: the agent says `answer` `delay_ms` after it has heard the end of `question`.
    `user_barges`: the user's turn is `question`, `pause_ms` of silence, `barge`. The agent begins `talk` after the
    question, which the barge interrupts; it stops, and answers the barge.
    `agent_barges`: the agent says `talk` into `question`, `offset_ms` after it has heard its beginning. Where that ends
    before the question does, it says `answer` after it.
    """

    kind: Kind
    question: Clip
    delay_ms: int
    answer: Clip | None = None
    talk: Clip | None = None
    barge: Clip | None = None
    pause_ms: int = 0
    offset_ms: int = 0


@dataclass(frozen=True)
class Call:
    name: str
    joins: Joins
    words: Words
    exchanges: tuple[Exchange, ...]


VARIANTS: tuple[tuple[Joins, Words], ...] = (
    ("before", "none"),
    ("after", "text"),
    ("before", "packets"),
    ("after", "none"),
    ("before", "text"),
)


def _answers(delays: tuple[int, ...], base: int) -> list[Exchange]:
    return [
        Exchange("answer", clip(base + 2 * i, UTTERANCE_MS), delay, answer=clip(base + 2 * i + 1, UTTERANCE_MS))
        for i, delay in enumerate(delays)
    ]


def _barges(user_offsets: tuple[int, ...], agent_offsets: tuple[int, ...], base: int) -> list[Exchange]:
    out: list[Exchange] = []
    for offset in user_offsets:
        seeds = range(base + 10 * len(out), base + 10 * len(out) + 4)
        out.append(
            Exchange(
                "user_barges",
                clip(seeds[0], UTTERANCE_MS),
                AFTER_BARGE_MS,
                answer=clip(seeds[3], UTTERANCE_MS),
                talk=clip(seeds[1], TALK_MS),
                barge=clip(seeds[2], UTTERANCE_MS),
                pause_ms=FIRST_DELAY_MS + LEGS_MS + offset,
                offset_ms=offset,
            )
        )
    for offset in agent_offsets:
        seeds = range(base + 10 * len(out), base + 10 * len(out) + 3)
        inside = offset + INTO_MS + LEGS_MS < LONG_MS
        out.append(
            Exchange(
                "agent_barges",
                clip(seeds[0], LONG_MS),
                AFTER_BARGE_MS,
                answer=clip(seeds[2], UTTERANCE_MS) if inside else None,
                talk=clip(seeds[1], INTO_MS),
                offset_ms=offset,
            )
        )
    return out


def usual_call(number: int) -> Call:
    """One of the runs: every delay `CYCLES` times and every barge-in, in an order of its own."""
    joins, words = VARIANTS[number % len(VARIANTS)]
    base = 10_000 * (number + 1)
    exchanges = _answers(DELAYS_MS * CYCLES, base) + _barges(USER_OFFSETS_MS, AGENT_OFFSETS_MS, base + 5000)
    random.Random(number).shuffle(exchanges)
    return Call(f"run {number + 1}", joins, words, tuple(exchanges))


def long_call(minutes: float) -> Call:
    """Answers alone, for so long."""
    cycle_s = sum(DELAYS_MS) / 1000 + len(DELAYS_MS) * EXCHANGE_S
    exchanges: list[Exchange] = []
    rng = random.Random(99)
    for i in range(-(-round(60 * minutes) // round(cycle_s))):
        cycle = _answers(DELAYS_MS, 1_000_000 + 1000 * i)
        rng.shuffle(cycle)
        exchanges += cycle
    return Call(f"{minutes:g} min", "before", "none", tuple(exchanges))


def short_calls() -> list[Call]:
    """About half a minute of talk in two calls."""
    first = _answers((250, 2500), 2_000_000) + _barges((), (300,), 2_001_000)
    second = _answers((1000,), 2_010_000) + _barges((900,), (), 2_011_000) + _answers((500,), 2_012_000)
    return [Call("short 1", "before", "none", tuple(first)), Call("short 2", "after", "text", tuple(second))]


def call_named(name: str) -> Call:
    """The same call in another process."""
    kind, _, number = name.partition(" ")
    if kind == "short":
        return short_calls()[int(number) - 1]
    return usual_call(int(number) - 1) if kind == "run" else long_call(float(kind))
