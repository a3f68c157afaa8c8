# SPDX-License-Identifier: Apache-2.0
"""A call that is over, held against what was said in it: where each clip lies by each clock, and what is missing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from capture import NS_PER_S, Heard
from clips import PER_MS, RATE, Clip, Trace, trace
from measure import BenchError
from scenario import Exchange
from staging import Event, Played
from streams import Known, samples_wrong

_WAV_HEADER = 44
_REACH_S = 1.5
_SEARCH_S = (8, 60)  # the longest is for a driver that waited for a time-out
MS = 1_000_000
_CLOCK_MOVED_MAX_NS = 5 * MS


@dataclass(frozen=True)
class Gap:
    """From one side's end (or start) to the other's start, in ms by each clock; None where it is not there."""

    kind: str  # "answer", "user_barges", "agent_barges"
    delay_ms: int
    recording: float | None
    ear: float | None
    reported: float | None
    # What is reported is held against this: the recording by the definition of where speech starts and ends.
    by_definition: float | None
    uncertainty: float | None
    at_s: float


@dataclass
class Figures:
    """Of one call. Milliseconds."""

    name: str
    joins: str
    words: str
    gaps: list[Gap] = field(default_factory=list[Gap])
    # One-way delays to the observer, of either side.
    user_leg: float = 0.0
    agent_leg: float = 0.0
    anchor: list[float] = field(default_factory=list[float])
    # Of every clip: seconds into the call, and its place in the recording minus when it passed between the driver and
    # LiveKit: no network is in it.
    user_places: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    agent_places: list[tuple[float, float]] = field(default_factory=list[tuple[float, float]])
    user_samples_wrong: int = 0
    agent_samples_wrong: int = 0
    agent_heard: list[Trace | None] = field(default_factory=list[Trace | None])
    user_observed: list[Trace | None] = field(default_factory=list[Trace | None])
    agent_recorded: list[Trace | None] = field(default_factory=list[Trace | None])
    agent_observed: list[Trace | None] = field(default_factory=list[Trace | None])
    barges: list[Trace | None] = field(default_factory=list[Trace | None])
    interrupted: list[bool] = field(default_factory=list[bool])
    waits: list[float] = field(default_factory=list[float])
    transcripts_wrong: int = 0
    out_of_order: int = 0
    guessed: int = 0  # ends and beginnings that the agent did not find: its delay is off, no clock is
    # Infinite until measured: what was not is no success.
    cpu_percent: float = math.inf
    rss_growth_mb: float = math.inf
    seconds: float = 0.0


@dataclass(frozen=True)
class _Channels:
    """The WAV, mapped and not read: ten minutes are 115 MB."""

    user: npt.NDArray[np.int16]
    agent: npt.NDArray[np.int16]

    @classmethod
    def of(cls, path: Path) -> _Channels:
        both = np.memmap(path, dtype="<i2", mode="r", offset=_WAV_HEADER)
        stereo = both.reshape(-1, 2)
        return cls(stereo[:, 0], stereo[:, 1])


@dataclass(frozen=True)
class _Place:
    """A clip by each clock: in the recording, when it left, when the driver gave or got it, when it was observed."""

    recorded: Trace | None
    sent_ns: int | None
    passed_ns: int | None
    heard_start_ns: int | None
    heard_end_ns: int | None


_NOWHERE = _Place(None, None, None, None, None)


class Reading:
    """Reads one call's files."""

    def __init__(self, played: Played) -> None:
        self._played = played
        self._wav = _Channels.of(played.recording)
        self._observer = {name: Heard.read(played.folder, f"observer-{name}") for name in ("user", "agent")}
        self._user_sent = Heard.read(played.folder, "user-sent")
        self._received = Heard.read(played.folder, "agent-received")
        self._agent_heard = Heard.read(played.folder, "agent-heard")
        self._agent_sent = Heard.read(played.folder, "agent-sent")
        self._said = {e["clip"]: e["at"] for e in played.agent if e["event"] == "says"}
        self._stopped = {e["clip"]: e["said"] for e in played.agent if e["event"] == "stops"}
        # Where clips lie in what was given to LiveKit, and in what was received.
        self._known = {side: list[Known]() for side in ("user", "agent")}
        self._cursor = 0

    def figures(self) -> Figures:
        played = self._played
        if abs(played.clock_moved_ns) > _CLOCK_MOVED_MAX_NS:
            raise BenchError(f"the wall clock was set by {played.clock_moved_ns / MS:.0f} ms during {played.call.name}")
        out = Figures(played.call.name, played.call.joins, played.call.words)
        out.seconds = len(self._wav.user) / RATE
        out.guessed = sum(e["event"].startswith("heard_") and e["match"] < 0.6 for e in played.agent)
        places = [self._exchange(exchange, out) for exchange in played.call.exchanges]
        out.user_samples_wrong += samples_wrong(self._user_sent.pcm, self._wav.user, self._known["user"])
        out.agent_samples_wrong += samples_wrong(self._received.pcm, self._wav.agent, self._known["agent"])
        out.user_leg = _leg(by_name.get(n) for by_name in places for n in ("question", "barge"))
        out.agent_leg = _leg(by_name.get(n) for by_name in places for n in ("talk", "answer"))
        for exchange, by_name in zip(played.call.exchanges, places, strict=True):
            self._clocks(exchange, by_name, out)
            self._anchor(by_name, out)
        self._transcripts(out)
        _load(played.driver, out)
        return out

    # Where things lie.

    def _exchange(self, exchange: Exchange, out: Figures) -> dict[str, _Place]:
        by_name: dict[str, _Place] = {"question": self._user(exchange.question, out)}
        asked = by_name["question"].recorded
        if asked is not None:
            if self._cursor and out.agent_recorded and out.agent_recorded[-1] is not None:
                out.waits.append((asked.start - out.agent_recorded[-1].end) / PER_MS)
            self._cursor = asked.end
        if exchange.barge is not None:
            by_name["barge"] = self._user(exchange.barge, out, after=exchange.pause_ms)
            out.barges.append(by_name["barge"].recorded)
        if exchange.talk is not None:
            by_name["talk"] = self._agent(exchange.talk, out)
            out.barges.append(by_name["talk"].recorded)
        if exchange.answer is not None:
            by_name["answer"] = self._agent(exchange.answer, out)
        starts = [by_name[n].recorded for n in ("question", "talk", "barge", "answer") if n in by_name]
        order = [place.start for place in starts if place is not None]
        out.out_of_order += order != sorted(order)
        return by_name

    def _user(self, clip: Clip, out: Figures, *, after: int | None = None) -> _Place:
        wav = self._wav.user
        if after is None:
            windows = [(self._cursor, self._cursor + s * RATE + clip.samples) for s in _SEARCH_S]
        else:  # behind the question, at a place that is known to the sample
            start = self._cursor + after * PER_MS
            windows = [(start, start + clip.samples)]
        found = (trace(wav, clip, start=start, end=end) for start, end in windows)
        recorded = next((place for place in found if place is not None), None)
        if recorded is None:
            out.user_samples_wrong += clip.samples
            out.agent_heard.append(None)
            out.user_observed.append(None)
            return _NOWHERE
        when = self._played.started_at_ns + recorded.start * NS_PER_S // RATE
        given, sent, _ = _in(self._user_sent, clip, when)
        if given is None:
            out.user_samples_wrong += clip.samples
        else:
            self._known["user"].append(_known(given, recorded))
            same = self._user_sent.pcm[given.start : given.start + clip.samples]
            out.user_samples_wrong += clip.samples - int(np.count_nonzero(same == clip.pcm[: len(same)]))
        observed, heard_start, heard_end = _in(self._observer["user"], clip, when)
        out.user_observed.append(observed)
        out.agent_heard.append(_in(self._agent_heard, clip, when)[0])
        return _Place(recorded, sent, sent, heard_start, heard_end)

    def _agent(self, clip: Clip, out: Figures) -> _Place:
        at = self._said.get(clip.seed)
        if at is None:
            out.agent_recorded.append(None)
            out.agent_observed.append(None)
            return _NOWHERE
        said = Clip(clip.seed, clip.samples, self._stopped.get(clip.seed))
        sent_ns = self._agent_sent.ns(at)
        guess = (sent_ns - self._played.started_at_ns) * RATE // NS_PER_S
        reach = round(_REACH_S * RATE)
        recorded = trace(self._wav.agent, said, start=guess - reach, end=guess + said.length + reach)
        observed, heard_start, heard_end = _in(self._observer["agent"], said, sent_ns)
        out.agent_recorded.append(recorded)
        received, passed_ns, _ = _in(self._received, said, sent_ns)
        if received is not None and recorded is not None:
            self._known["agent"].append(_known(received, recorded))
        elif received is not None:
            out.agent_samples_wrong += said.length
        out.agent_observed.append(observed)
        return _Place(recorded, sent_ns, passed_ns, heard_start, heard_end)

    # What the clocks say.

    def _clocks(self, exchange: Exchange, places: dict[str, _Place], out: Figures) -> None:
        question, answer, talk, barge = (places.get(n) for n in ("question", "answer", "talk", "barge"))
        assert question is not None
        if answer is not None and exchange.answer is not None and exchange.kind != "agent_barges":
            last = question if barge is None else barge
            asked = exchange.question if exchange.barge is None else exchange.barge
            kind = "answer" if exchange.kind == "answer" else "after a barge-in"
            out.gaps.append(self._response(kind, exchange, (asked, last), (exchange.answer, answer), out.user_leg))
        if exchange.kind == "user_barges":
            assert talk is not None
            assert barge is not None
            out.gaps.append(self._interruption(exchange, talk, barge, -out.user_leg, "agent", out))
        elif exchange.kind == "agent_barges":
            assert talk is not None
            out.gaps.append(self._interruption(exchange, question, talk, out.user_leg, "user", out))

    def _response(
        self, kind: str, exchange: Exchange, asked: tuple[Clip, _Place], answered: tuple[Clip, _Place], leg: float
    ) -> Gap:
        recording = ear = reported = by_definition = uncertainty = None
        at_s = 0.0
        if asked[1].recorded is not None and answered[1].recorded is not None:
            start = answered[1].recorded.start
            recording = (start - asked[1].recorded.end) / PER_MS
            at_s = start / RATE
            late_end = asked[0].truth[1] - asked[0].ms
            by_definition = recording + answered[0].truth[0] - late_end
            row = self._row("agent", (start / PER_MS) + answered[0].truth[0])
            if row is not None:
                reported, uncertainty = row["agent_response_ms"], row["agent_response_uncertainty_ms"]
        if asked[1].heard_end_ns is not None and answered[1].heard_start_ns is not None:
            ear = (answered[1].heard_start_ns - asked[1].heard_end_ns) / MS + leg
        return Gap(kind, exchange.delay_ms, recording, ear, reported, by_definition, uncertainty, at_s)

    def _interruption(
        self, exchange: Exchange, first: _Place, second: _Place, leg: float, role: str, out: Figures
    ) -> Gap:
        """From the start of what is interrupted to the start of what interrupts it."""
        recording = ear = reported = None
        at_s = 0.0
        flagged = False
        if first.recorded is not None and second.recorded is not None:
            recording = (second.recorded.start - first.recorded.start) / PER_MS
            at_s = second.recorded.start / RATE
            row = self._row(role, first.recorded.start / PER_MS)
            if row is not None and row["interrupted"]:
                flagged = True
                reported = float(row["interruption_start_ms"] - row["voice_start_ms"])
        if first.heard_start_ns is not None and second.heard_start_ns is not None:
            ear = (second.heard_start_ns - first.heard_start_ns) / MS + leg
        out.interrupted.append(flagged)
        return Gap(exchange.kind, exchange.offset_ms, recording, ear, reported, recording, None, at_s)

    def _row(self, role: str, voice_start_ms: float) -> dict[str, Any] | None:
        """The server's turn of that side that begins there, with its metrics; None if none begins within 300 ms."""
        detail = self._played.detail
        metrics = {row["turn_idx"]: row for row in detail["turn_metrics"]}
        turns = [turn for turn in detail["turns"] if turn["role"] == role]
        nearest = min(turns, key=lambda turn: abs(turn["voice_start_ms"] - voice_start_ms), default=None)
        if nearest is None or abs(nearest["voice_start_ms"] - voice_start_ms) > 300:
            return None
        return {**nearest, **metrics[nearest["idx"]]}

    def _anchor(self, places: dict[str, _Place], out: Figures) -> None:
        """The recording's place of each clip on the wall clock, against when it left: the user's is recorded as it
        leaves, the agent's as it is heard, a leg later."""
        for name, place in places.items():
            if place.recorded is None or place.sent_ns is None:
                continue
            at = place.recorded.start
            recorded_ns = self._played.started_at_ns + at * NS_PER_S // RATE
            by_user = name in ("question", "barge")
            out.anchor.append((recorded_ns - place.sent_ns) / MS - (0 if by_user else out.agent_leg))
            if place.passed_ns is not None:
                places_of = out.user_places if by_user else out.agent_places
                places_of.append((at / RATE, (recorded_ns - place.passed_ns) / MS))

    def _transcripts(self, out: Figures) -> None:
        """Of calls with answers alone: elsewhere two of the agent's sounds may be one turn."""
        words = self._played.call.words
        for exchange, text in zip(self._played.call.exchanges, self._played.transcripts, strict=True):
            if exchange.kind == "answer" and exchange.answer is not None:
                wanted = "" if words == "none" else f"I have noted number {exchange.answer.seed}."
                out.transcripts_wrong += text != wanted


def _leg(places: Iterable[_Place | None]) -> float:
    """The median time from leaving to being heard by the observer; BenchError if nothing was heard."""
    legs = [(p.heard_start_ns - p.sent_ns) / MS for p in places if p and p.heard_start_ns and p.sent_ns]
    if not legs:
        raise BenchError("the observer heard nothing of one side")
    return statistics.median(legs)


def _known(passed: Trace, recorded: Trace) -> Known:
    return Known(passed.start, passed.end, recorded.start - passed.start)


def _in(stream: Heard, clip: Clip, about_ns: int) -> tuple[Trace | None, int | None, int | None]:
    """The clip in what a participant heard, and when it began and ended there."""
    reach = round(_REACH_S * RATE)
    guess = stream.sample(about_ns)
    found = trace(stream.pcm, clip, start=guess - reach, end=guess + clip.length + reach)
    if found is None:
        return None, None, None
    return found, stream.ns(found.start), stream.ns(found.end)


def _load(events: list[Event], out: Figures) -> None:
    """Between the first turn and the last."""
    turns = [e for e in events if e["event"] == "progress" and e["stage"] == "turn"]
    if len(turns) < 2:
        return
    first, last = turns[0], turns[-1]
    out.cpu_percent = 100 * (last["cpu_s"] - first["cpu_s"]) / ((last["ns"] - first["ns"]) / 1e9)
    out.rss_growth_mb = (max(e["rss_kib"] for e in turns) - first["rss_kib"]) / 1024


def drift_ms(places: list[tuple[float, float]], seconds: float = 600) -> float:
    """The median slope between pairs that are far apart, over that time: a step of a jitter buffer moves it little.
    Infinite for next to no places."""
    if len(places) < 3:
        return math.inf
    span = places[-1][0] - places[0][0]
    slopes = [
        (b[1] - a[1]) / (b[0] - a[0]) for i, a in enumerate(places) for b in places[i + 1 :] if b[0] - a[0] > span / 3
    ]
    return seconds * statistics.median(slopes) if slopes else math.inf
