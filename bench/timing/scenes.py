# SPDX-License-Identifier: Apache-2.0
"""Conversations of 16 turns out of clean utterances, with the truth of each: alternating, with barge-ins, with
backchannels, or with an echo."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from arrays import PER_MS, Array, Rng, generator, np
from corpus import HALVES, LONG_MS, SHORT_MS, USUAL_MS, Clip, Voice, clip, utterances, voices
from turns import AGENT, USER, Segment

TURNS = 16
GAP_MS = (250, 2000)
END_MS = (300, 1000)
BARGE_MS, BARGE_SHARE_MAX = (200, 800), 0.6  # how far the user speaks into the agent's turn; of either turn
BACKCHANNEL_AT, BACKCHANNEL_DB = (0.3, 0.7), -6
ECHO_MS, ECHO_DB = (20, 120), -30


@dataclass(frozen=True)
class Utterance:
    truth: Segment
    peak: float  # P, where the speech's power is 1


@dataclass(frozen=True)
class Scene:
    utterances: tuple[Utterance, ...]  # by start
    speech: Array  # float32 [2, samples], each utterance's speech at an RMS of 1
    echo: Array | None  # on top of it, the same shape

    @property
    def truths(self) -> list[Segment]:
        return [utterance.truth for utterance in self.utterances]


@dataclass(frozen=True)
class _Placed:
    channel: int
    clip: Clip
    sample: int  # where the clip's first one goes
    gain: float = 1.0

    @property
    def truth(self) -> Segment:
        """Any sample will do for a start, so truth does not lie on whole milliseconds."""
        at = self.sample / PER_MS
        return Segment(at + self.clip.truth.start_ms, self.channel, at + self.clip.truth.end_ms)

    @property
    def utterance(self) -> Utterance:
        return Utterance(self.truth, self.clip.truth.peak / self.clip.truth.speech * self.gain**2)


class _Side:
    """One voice, which says nothing twice before it has said all it can."""

    def __init__(self, rng: Rng, voice: Voice) -> None:
        self._rng, self._voice = rng, voice
        self._left: dict[tuple[int, int], list[Path]] = {}

    def say(self, length_ms: tuple[int, int]) -> Clip:
        left = self._left.setdefault(length_ms, [])
        if not left:
            fitting = utterances(self._voice, length_ms)
            left += [fitting[int(i)] for i in self._rng.permutation(len(fitting))]
        return clip(left.pop())


def _place(channel: int, what: Clip, start_ms: float, gain: float = 1.0) -> _Placed:
    """So that its speech starts at start_ms; later if the recording would have to begin earlier for that."""
    sample = max(0, round((start_ms - what.truth.start_ms) * PER_MS))
    return _Placed(channel, what, sample, gain)


def _usual(_channel: int) -> tuple[int, int]:
    return USUAL_MS


def _no_overlap(_rng: Rng, _before: _Placed, _next: Clip) -> float:
    return 0.0


def _alternate(
    rng: Rng,
    sides: list[_Side],
    length_of: Callable[[int], tuple[int, int]] = _usual,
    overlap_ms: Callable[[Rng, _Placed, Clip], float] = _no_overlap,
) -> list[_Placed]:
    """User and agent by turns, a gap between them or, where overlap_ms says so, an overlap."""
    placed: list[_Placed] = []
    for turn in range(TURNS):
        channel = turn % 2
        what = sides[channel].say(length_of(channel))
        start_ms = rng.uniform(*GAP_MS)
        if placed:
            shared = overlap_ms(rng, placed[-1], what)
            start_ms = placed[-1].truth.end_ms + (-shared if shared > 0 else start_ms)
        placed.append(_place(channel, what, start_ms))
    return placed


def _length_ms(what: Clip) -> float:
    return what.truth.end_ms - what.truth.start_ms


def _barge(rng: Rng, before: _Placed, what: Clip) -> float:
    """The user does not wait for the agent's end."""
    shared = rng.uniform(*BARGE_MS)
    longest = BARGE_SHARE_MAX * min(_length_ms(before.clip), _length_ms(what))
    return min(shared, longest) if before.channel == AGENT else 0.0


def _backchannels(rng: Rng, sides: list[_Side]) -> list[_Placed]:
    """The agent says "mhm" inside each of the user's turns, which are long, and then has its own turn."""
    placed = _alternate(rng, sides, lambda channel: LONG_MS if channel == USER else USUAL_MS)
    for long in [p for p in placed if p.channel == USER]:
        what = sides[AGENT].say(SHORT_MS)
        room = _length_ms(long.clip) - _length_ms(what)
        start_ms = long.truth.start_ms + rng.uniform(*BACKCHANNEL_AT) * room
        placed.append(_place(AGENT, what, start_ms, 10 ** (BACKCHANNEL_DB / 20)))
    return placed


PLANS: dict[str, Callable[[Rng, list[_Side]], list[_Placed]]] = {
    "dialogue": _alternate,
    "barge-in": lambda rng, sides: _alternate(rng, sides, overlap_ms=_barge),
    "backchannel": _backchannels,
    "echo": _alternate,
}
# What a voice must be able to say to be in it.
NEEDS = {name: [USUAL_MS] for name in PLANS} | {"backchannel": [USUAL_MS, LONG_MS, SHORT_MS]}


def _render(rng: Rng, placed: list[_Placed]) -> Array:
    last = max(p.sample + len(p.clip.samples) for p in placed)
    speech = np.zeros((2, last + round(rng.uniform(*END_MS) * PER_MS)), dtype=np.float32)
    for p in placed:
        speech[p.channel, p.sample : p.sample + len(p.clip.samples)] += p.clip.samples * np.float32(p.gain)
    return speech


def _echo(rng: Rng, speech: Array) -> Array:
    """The agent comes back on the user's channel."""
    delay = round(rng.uniform(*ECHO_MS) * PER_MS)
    echo = np.zeros_like(speech)
    echo[USER, delay:] = speech[AGENT, :-delay] * np.float32(10 ** (ECHO_DB / 20))
    return echo


def build(name: str, half: str, dialogue: int) -> Scene:
    """The same scene for the same arguments, always."""
    rng = generator(HALVES[half], list(PLANS).index(name), dialogue)
    speakers = [voice for voice in voices(half) if all(utterances(voice, length) for length in NEEDS[name])]
    pair = rng.permutation(len(speakers))[:2]
    placed = PLANS[name](rng, [_Side(rng, speakers[int(i)]) for i in pair])
    speech = _render(rng, placed)
    ordered = sorted((p.utterance for p in placed), key=lambda u: u.truth)
    return Scene(tuple(ordered), speech, _echo(rng, speech) if name == "echo" else None)
