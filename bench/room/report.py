# SPDX-License-Identifier: Apache-2.0
"""The tables, and whether each line of the goals is met. Pure, but for writing them into the documentation."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from clips import Trace
from clocks import Figures, Gap, drift_ms

BEGIN, END = "<!-- bench/room: begin -->", "<!-- bench/room: end -->"
LOST = math.inf
# A codec may move the best match of a tenth of a second by a sample or two.
GRAIN_MS = 0.05

Pair = Callable[[Gap], float | None]


def _difference(a: float | None, b: float | None) -> float:
    """Infinite where one of both has nothing: nobody gains by not answering."""
    return LOST if a is None or b is None else a - b


def reported_recording(gap: Gap) -> float:
    return _difference(gap.reported, gap.by_definition)


def recording_ear(gap: Gap) -> float:
    return _difference(gap.recording, gap.ear)


def reported_ear(gap: Gap) -> float:
    """Through the recording: speech's ends by definition are a few milliseconds from the clips'."""
    return reported_recording(gap) + recording_ear(gap)


PAIRS = (reported_recording, recording_ear, reported_ear)


@dataclass(frozen=True)
class Spread:
    """The median with its sign; the others are sizes."""

    median: float
    p95: float
    worst: float

    @classmethod
    def of(cls, errors: Sequence[float]) -> Spread:
        if not errors:
            return cls(LOST, LOST, LOST)
        sizes = sorted(abs(e) for e in errors)
        return cls(statistics.median_low(sorted(errors)), sizes[-(-len(sizes) * 95 // 100) - 1], sizes[-1])

    def text(self) -> str:
        return f"{_ms(self.median, sign=True):>6} {_ms(self.p95):>6} {_ms(self.worst):>6}"


def _ms(value: float, *, sign: bool = False) -> str:
    if math.isinf(value):
        return "lost"
    return f"{value:+.1f}" if sign else f"{value:.1f}"


def _by_ear(figures: Figures) -> list[float]:
    return [recording_ear(g) for g in figures.gaps if g.kind == "answer"]


def _by_time(figures: Figures) -> list[tuple[float, float]]:
    found = [(g.at_s, recording_ear(g)) for g in figures.gaps if g.kind == "answer"]
    return [(at_s, error) for at_s, error in found if math.isfinite(error)]


def _middle(figures: Figures) -> float:
    return abs(Spread.of(_by_ear(figures)).median)


def scatter(figures: Figures) -> float:
    """Of recording - ear in one call: the 95th percentile of the distance from its median."""
    found = _by_ear(figures)
    middle = Spread.of(found).median
    return Spread.of([f - middle for f in found]).p95 if math.isfinite(middle) else LOST


def _misplaced(calls: Sequence[Figures]) -> float:
    return max((abs(off) for c in calls for _, off in (*c.user_places, *c.agent_places)), default=LOST)


def _lost(traces: Sequence[Trace | None], of: Callable[[Trace], float]) -> float:
    return max((LOST if t is None else of(t) for t in traces), default=LOST)


def _spoilt(trace: Trace) -> float:
    stretched = abs(trace.stretched_ms)
    return max(stretched if stretched > GRAIN_MS else 0.0, trace.lost_inside_ms)


def _head(trace: Trace) -> float:
    return trace.lost_head_ms


def _tail(trace: Trace) -> float:
    return trace.lost_tail_ms


def _any(trace: Trace) -> float:
    return trace.lost_ms


@dataclass(frozen=True)
class Line:
    """One of the goals."""

    what: str
    measured: float
    unit: str
    most: float
    today: str = ""

    @property
    def met(self) -> bool:
        return self.measured <= self.most

    def cells(self) -> list[str]:
        value = "lost" if math.isinf(self.measured) else f"{self.measured:.1f} {self.unit}"
        return [self.what, value, f"≤ {self.most:g} {self.unit}", self.today, "ok" if self.met else "MISSED"]


def lines(calls: Sequence[Figures]) -> list[Line]:
    """What docs/timing.md and the issue of the SDK ask for, beside a driver in use today where that was measured."""
    answers = [g for c in calls for g in c.gaps if g.kind == "answer"]
    interruptions = [g for c in calls for g in c.gaps if g.kind in ("user_barges", "agent_barges")]
    heard = [t for c in calls for t in c.agent_heard]
    recorded = [t for c in calls for t in c.agent_recorded]
    barges = [t for c in calls for t in c.barges]
    longest = max(calls, key=lambda c: c.seconds)
    out = [
        Line(
            "reported - recording, p95", Spread.of([*map(reported_recording, answers)]).p95, "ms", 15, "81 (median 60)"
        ),
        Line("recording - ear, median, worst call", max(map(_middle, calls)), "ms", 15, "+19"),
        Line("recording - ear, scatter in a call, worst call", max(map(scatter, calls)), "ms", 5, "steps of 10"),
        Line(
            "anchor error beyond one leg, worst", max((abs(a) for c in calls for a in c.anchor), default=LOST), "ms", 20
        ),
        Line("recorded place against the moment at LiveKit's boundary, worst", _misplaced(calls), "ms", 10),
        Line("user's samples recorded otherwise than played", sum(c.user_samples_wrong for c in calls), "", 0),
        Line("agent's samples recorded otherwise than received", sum(c.agent_samples_wrong for c in calls), "", 0),
        Line("lost of the user's first syllable, as the agent heard it", _lost(heard, _head), "ms", 0, "137 to 177"),
        Line("lost of the user's last syllable, as the agent heard it", _lost(heard, _tail), "ms", 0),
        Line("lost or doubled inside, as the agent heard it", _lost(heard, _spoilt), "ms", 0),
        Line("lost of the agent's first syllable in the recording", _lost(recorded, _head), "ms", 0),
        Line("lost of the agent's last syllable in the recording", _lost(recorded, _tail), "ms", 0, "12 to 48"),
        Line("lost or doubled inside, in the recording", _lost(recorded, _spoilt), "ms", 0),
        Line("clips out of order, or their order lost", sum(c.out_of_order for c in calls), "", 0),
        Line("transcripts that were not what the agent sent", sum(c.transcripts_wrong for c in calls), "", 0),
        Line("wait for the next turn, longest", max((w for c in calls for w in c.waits), default=LOST), "ms", 1200),
    ]
    if barges:
        missed = sum(not flag for c in calls for flag in c.interrupted)
        out += [
            Line("lost of a barge-in in the recording", _lost(barges, _any), "ms", 0, "up to 2300"),
            Line("barge-ins not flagged interrupted", missed, f"of {len(interruptions)}", 0, "4 of 7"),
            Line(
                "place of a barge-in, recording - ear, p95",
                Spread.of([*map(recording_ear, interruptions)]).p95,
                "ms",
                20,
            ),
        ]
    if longest.seconds > 300:
        out += [
            Line("drift of recording - ear in ten minutes", abs(drift_ms(_by_time(longest))), "ms", 1),
            Line("drift of the user's side in ten minutes", abs(drift_ms(longest.user_places)), "ms", 1),
            Line("drift of the agent's side in ten minutes", abs(drift_ms(longest.agent_places)), "ms", 1),
            Line("driver's processor time, of one core", longest.cpu_percent, "%", 15),
            Line("driver's memory, growth in ten minutes", longest.rss_growth_mb, "MB", 10),
        ]
    return out


def misses(calls: Sequence[Figures]) -> list[str]:
    """The goals that were missed, a line each."""
    cells = [line.cells() for line in lines(calls) if not line.met]
    return [f"{what}: {value}, wanted {most}" for what, value, most, *_ in cells]


def _grid(rows: list[list[str]], left: set[int]) -> str:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join(
        "  ".join(
            c.ljust(w) if i in left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def _by_delay(calls: Sequence[Figures]) -> str:
    gaps = [g for c in calls for g in c.gaps]
    groups = [(f"d = {d} ms", [g for g in gaps if g.kind == "answer" and g.delay_ms == d]) for d in _delays(gaps)]
    groups.append(("all of these", [g for g in gaps if g.kind == "answer"]))
    groups.append(("after a barge-in", [g for g in gaps if g.kind == "after a barge-in"]))
    groups.append(("user barges in", [g for g in gaps if g.kind == "user_barges"]))
    groups.append(("agent barges in", [g for g in gaps if g.kind == "agent_barges"]))
    rows = [["", "n", "reported - recording", "recording - ear", "reported - ear"]]
    for name, found in groups:
        if found:
            rows.append([name, str(len(found)), *(Spread.of([*map(pair, found)]).text() for pair in PAIRS)])
    return _grid(rows, {0})


def _delays(gaps: Sequence[Gap]) -> list[int]:
    return sorted({g.delay_ms for g in gaps if g.kind == "answer"})


def _by_call(calls: Sequence[Figures]) -> str:
    rows = [["call", "agent joins", "transcripts", "s", "n", "legs", "reported - recording", "recording - ear"]]
    rows[0] += ["scatter", "next turn after", "network", "CPU"]
    for c in calls:
        answers = [g for g in c.gaps if g.kind == "answer"]
        pairs = [Spread.of([*map(pair, answers)]).text() for pair in (reported_recording, recording_ear)]
        waits = f"{_ms(statistics.median(c.waits))} {_ms(max(c.waits))}" if c.waits else ""
        network = _ms(
            _lost([*c.agent_observed, *c.user_observed, *c.agent_heard], lambda t: max(_spoilt(t), t.lost_ms))
        )
        row = [c.name, c.joins, c.words, f"{c.seconds:.0f}", str(len(answers)), f"{c.user_leg:.1f} {c.agent_leg:.1f}"]
        rows.append([*row, *pairs, _ms(scatter(c)), waits, network, f"{c.cpu_percent:.1f}%"])
    return _grid(rows, {0, 1, 2})


def tables(calls: Sequence[Figures]) -> str:
    """Everything that is published."""
    rows = [["goal", "measured", "wanted", "in use today", ""], *(line.cells() for line in lines(calls))]
    return "\n\n".join(
        (
            "Errors in ms: median, 95th percentile, worst.\n\n" + _by_delay(calls),
            _by_call(calls),
            _grid(rows, {0, 3, 4}),
        )
    )


def write_into(path: Path, heading: str, text: str) -> None:
    """Puts the tables between the two marks."""
    document = path.read_text()
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{path} has no place for the tables ({BEGIN} ... {END})")
    body = "\n".join("    " + line if line else "" for line in text.splitlines())
    path.write_text(f"{before}{BEGIN}\n{heading}\n\n{body}\n{END}{after}")
