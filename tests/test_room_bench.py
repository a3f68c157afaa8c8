# SPDX-License-Identifier: Apache-2.0
"""The parts of the benchmark of rooms (bench/room) that need no room: what it says of a recording must be true."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from capture import FRAME, FRAME_NS, Capture, Heard, moments
from clips import PER_MS, RATE, Clip, Pcm, Trace, clip, find, trace
from clocks import Figures, Gap, drift_ms
from report import BEGIN, END, Line, Spread, lines, misses, scatter, tables, write_into
from scenario import CYCLES, DELAYS_MS, LONG_MS, call_named, long_call, short_calls, usual_call
from shorter import failings
from staging import user_pcm

CLIP = clip(5, 900)
AT = 30_011


def lying(pcm: Pcm, *, at: int = AT, seconds: float = 3) -> Pcm:
    """The sound at sample `at`, with the noise that a quiet line has."""
    signal = np.random.default_rng(1).normal(0, 3, round(seconds * RATE))
    signal[at : at + len(pcm)] += pcm
    return np.rint(signal).astype(np.int16)


def without(pcm: Pcm, first_ms: int, last_ms: int) -> Pcm:
    cut = pcm.copy()
    cut[first_ms * PER_MS : last_ms * PER_MS] = 0
    return cut


# Clips, and where they are.


def test_clips_are_the_same_for_the_same_seed_and_unlike_any_other() -> None:
    assert np.array_equal(clip(5, 900).pcm, CLIP.pcm)
    assert find(lying(clip(6, 900).pcm), CLIP.signal).match < 0.1
    assert len({clip(seed, 900).samples % FRAME for seed in range(100)}) > 50


def test_a_clips_truth_is_that_of_the_definition() -> None:
    """It begins and ends at once: the windows that reach over its edges are the first and the last that are heard."""
    start, end = CLIP.truth
    assert -5 <= start <= -3
    assert CLIP.ms + 3 <= end <= CLIP.ms + 6


def test_a_whole_clip_is_found_to_the_sample() -> None:
    found = trace(lying(CLIP.pcm), CLIP)
    assert found is not None
    assert (found.start, found.end) == (AT, AT + CLIP.samples)
    assert (found.lost_ms, found.stretched_ms) == (0, 0)
    assert found.match > 0.99


@pytest.mark.parametrize(
    ("first_ms", "last_ms", "head", "inside", "tail"),
    [(0, 140, 140, 0, 0), (0, 10, 10, 0, 0), (400, 460, 0, 60, 0), (850, 910, 0, 0, 50), (890, 910, 0, 0, 10)],
)
def test_what_of_a_clip_is_missing_is_measured(first_ms: int, last_ms: int, head: int, inside: int, tail: int) -> None:
    found = trace(lying(without(CLIP.pcm, first_ms, last_ms)), CLIP)
    assert found is not None
    for got, wanted in zip(
        (found.lost_head_ms, found.lost_inside_ms, found.lost_tail_ms), (head, inside, tail), strict=True
    ):
        # To a block; a piece of 50 ms of which next to nothing is left is not found at all.
        assert wanted <= got <= wanted + 50 * (wanted > 50) + 10 * (wanted > 0)


@pytest.mark.parametrize("ms", [10, -10])
def test_what_is_doubled_or_left_out_makes_a_clip_longer_or_shorter(ms: int) -> None:
    middle, n = 450 * PER_MS, abs(ms) * PER_MS
    again = middle - n if ms > 0 else middle + n
    found = trace(lying(np.concatenate((CLIP.pcm[:middle], CLIP.pcm[again:]))), CLIP)
    assert found is not None
    assert found.stretched_ms == ms


def test_a_clip_that_is_not_there_is_not_found() -> None:
    assert trace(lying(clip(6, 900).pcm), CLIP) is None
    assert trace(lying(CLIP.pcm), CLIP, start=AT + RATE) is None
    assert trace(np.zeros(RATE * 2, dtype=np.int16), CLIP) is None
    assert trace(lying(CLIP.pcm)[:100], CLIP) is None


def test_a_clip_that_was_broken_off_is_whole_as_far_as_it_was_said() -> None:
    said = Clip(CLIP.seed, CLIP.samples, 20_001)
    found = trace(lying(said.pcm), said)
    assert found is not None
    assert (found.start, found.end, found.lost_ms) == (AT, AT + 20_001, 0)
    whole = trace(lying(said.pcm), CLIP)
    assert whole is not None
    assert whole.lost_tail_ms > 400


# Times of frames.


def test_a_late_reader_moves_no_frame() -> None:
    on_time = np.arange(500, dtype=np.int64) * FRAME_NS + 12_345
    late = on_time.copy()
    late[::7] += 9_000_000
    late[200:230] = late[229] + 3_000_000  # it was not there for 300 ms
    assert np.array_equal(moments(late), on_time)


def test_a_stream_that_stood_still_goes_on_later() -> None:
    times = np.arange(500, dtype=np.int64) * FRAME_NS
    times[250:] += 60_000_000
    assert moments(times)[0] == 0
    assert moments(times)[-1] == times[-1]


def test_a_capture_reads_as_it_was_written(tmp_path: Path) -> None:
    capture = Capture(tmp_path, "x")
    for i in range(300):
        capture.frame(CLIP.pcm[:FRAME].tobytes(), 1_000 + i * FRAME_NS)
    with pytest.raises(ValueError, match="10 bytes"):
        capture.frame(bytes(10))
    capture.close()
    heard = Heard.read(tmp_path, "x")
    assert len(heard.pcm) == capture.samples == 300 * FRAME
    assert heard.ns(FRAME + 48) == 1_000 + FRAME_NS + 1_000_000
    assert heard.ns(300 * FRAME) == 1_000 + 300 * FRAME_NS  # the end of the last frame
    assert heard.sample(1_000 + 7 * FRAME_NS) == 7 * FRAME
    Capture(tmp_path, "empty").close()
    with pytest.raises(ValueError, match="0 frames"):
        Heard.read(tmp_path, "empty")


def test_drift_is_the_slope_and_a_step_is_hardly_any() -> None:
    seconds = [float(t) for t in range(0, 600, 5)]
    assert abs(drift_ms([(t, 3 + t * 0.01) for t in seconds]) - 6) < 1e-6
    assert drift_ms([(t, 10.0 * (t > 30)) for t in seconds]) == 0
    assert drift_ms([(0, 0), (1, 5)]) == math.inf


# What is said.


@pytest.mark.parametrize("call", [usual_call(0), usual_call(4), long_call(10), long_call(0.5), *short_calls()])
def test_every_process_makes_the_same_call_of_its_name(call: object) -> None:
    assert call_named(getattr(call, "name")) == call  # noqa: B009 it is any of them


def test_every_call_has_each_delay_as_often_and_no_clip_twice() -> None:
    seeds: list[int] = []
    for call in (*(usual_call(i) for i in range(5)), long_call(10), *short_calls()):
        for exchange in call.exchanges:
            clips = (exchange.question, exchange.answer, exchange.talk, exchange.barge)
            seeds += [c.seed for c in clips if c is not None]
        if call.name.startswith("run"):
            delays = [e.delay_ms for e in call.exchanges if e.kind == "answer"]
            assert all(delays.count(d) == CYCLES for d in DELAYS_MS)
            assert sum(e.kind == "user_barges" for e in call.exchanges) == 3
            assert sum(e.kind == "agent_barges" for e in call.exchanges) == 3
    assert len(seeds) == len(set(seeds))


def test_the_calls_have_each_way_to_join_and_each_kind_of_transcript() -> None:
    calls = [usual_call(i) for i in range(5)]
    assert {c.joins for c in calls} == {"before", "after"}
    assert {c.words for c in calls} == {"none", "text", "packets"}


def test_a_users_barge_in_lies_at_its_offset_in_the_users_turn() -> None:
    exchange = next(e for e in usual_call(0).exchanges if e.kind == "user_barges")
    assert exchange.barge is not None
    pcm = user_pcm(exchange)
    at = exchange.question.samples + exchange.pause_ms * PER_MS
    assert np.array_equal(pcm[at:], exchange.barge.pcm)
    assert not pcm[exchange.question.samples : at].any()


def test_an_agent_that_barges_in_near_the_end_needs_no_answer() -> None:
    barges = [e for e in usual_call(0).exchanges if e.kind == "agent_barges"]
    assert {e.answer is None for e in barges} == {True, False}
    assert all(e.offset_ms < LONG_MS for e in barges)


# What is said of them.

GAP = Gap("answer", 250, recording=310.0, ear=308.0, reported=298.0, by_definition=300.0, uncertainty=10, at_s=3.0)
WHOLE = Trace(0, 100, 1.0, 0, 0, 0, 0.0)


def good() -> Figures:
    return Figures(
        "run 1",
        "before",
        "none",
        gaps=[
            GAP,
            replace(GAP, at_s=9.0),
            replace(GAP, at_s=30.0),
            Gap("user_barges", 300, 420.0, 420.0, 421.0, 420.0, None, 9.0),
        ],
        anchor=[1.0, -2.0],
        agent_heard=[WHOLE],
        user_observed=[WHOLE],
        agent_recorded=[WHOLE],
        agent_observed=[WHOLE],
        barges=[WHOLE],
        interrupted=[True],
        waits=[830.0],
        cpu_percent=8.0,
        rss_growth_mb=1.0,
        seconds=700,
        user_places=[(float(t), 0.0) for t in range(10)],
        agent_places=[(float(t), 0.0) for t in range(10)],
    )


def missed(figures: Figures) -> list[str]:
    return [line.what for line in lines([figures]) if not line.met]


def test_a_true_recording_meets_every_goal() -> None:
    assert missed(good()) == []
    assert failings([good()]) == []


@pytest.mark.parametrize(
    ("wrong", "goal", "failing"),
    [
        ({"gaps": [replace(GAP, reported=380.0)]}, "reported - recording", "reported 380.0"),
        ({"gaps": [replace(GAP, reported=None)]}, "reported - recording", "reported None"),
        ({"gaps": [replace(GAP, recording=480.0)]}, "recording - ear, median", "by ear 308.0"),
        (
            {"agent_heard": [replace(WHOLE, lost_head_ms=140)]},
            "lost of the user's first syllable",
            "140 ms at its start",
        ),
        (
            {"agent_recorded": [replace(WHOLE, lost_tail_ms=140)] * 2, "agent_observed": [WHOLE] * 2},
            "lost of the agent's last",
            "140 at its end",
        ),
        (
            {"agent_recorded": [replace(WHOLE, stretched_ms=-600.0)] * 2, "agent_observed": [WHOLE] * 2},
            "lost or doubled inside, in",
            "-600.0 ms longer",
        ),
        ({"agent_recorded": [None]}, "lost of the agent's first", "is not there"),
        ({"agent_heard": [], "user_observed": []}, "", "nothing was measured"),
        ({"agent_places": [(1.0, -61.0)]}, "recorded place", "off by"),
        ({"user_samples_wrong": 1}, "user's samples", "1 samples of the user's"),
        ({"agent_samples_wrong": 1}, "agent's samples", "1 samples of the agent's"),
        ({"out_of_order": 1}, "clips out of order", "out of order"),
        ({"interrupted": [False]}, "barge-ins not flagged", "barge-in 0 is not flagged"),
        ({"transcripts_wrong": 1}, "transcripts", "1 transcripts"),
        ({"waits": [30_000.0]}, "wait for the next turn", "the next turn came"),
    ],
)
def test_each_fault_is_a_goal_missed_and_fails_the_short_form(
    wrong: dict[str, object], goal: str, failing: str
) -> None:
    figures = good()
    for name, value in wrong.items():
        setattr(figures, name, value)
    assert not goal or any(what.startswith(goal) for what in missed(figures)), missed(figures)
    assert any(failing in line for line in failings([figures])), failings([figures])


@pytest.mark.parametrize(
    ("wrong", "goal"),
    [
        ({"anchor": [-21.0]}, "anchor error"),
        ({"gaps": [replace(GAP, recording=310.0 + 12 * (i % 2)) for i in range(8)]}, "recording - ear, scatter"),
        ({"gaps": [replace(GAP, at_s=10.0 * i, recording=310.0 + i / 10) for i in range(60)]}, "drift of recording"),
        ({"user_places": [(float(t), t / 100) for t in range(700)]}, "drift of the user's"),
        ({"agent_places": [(float(t), -t / 100) for t in range(700)]}, "drift of the agent's"),
        ({"cpu_percent": 15.1}, "driver's processor"),
        ({"rss_growth_mb": 10.1}, "driver's memory"),
        ({"barges": [replace(WHOLE, lost_inside_ms=10)]}, "lost of a barge-in"),
    ],
)
def test_figures_have_their_goals(wrong: dict[str, object], goal: str) -> None:
    figures = good()
    for name, value in wrong.items():
        setattr(figures, name, value)
    assert any(what.startswith(goal) for what in missed(figures)), missed(figures)


def test_the_short_form_forgives_one_clip_that_the_network_spoilt_but_none_that_is_missing() -> None:
    figures = good()
    figures.agent_heard = [WHOLE, replace(WHOLE, lost_head_ms=115), WHOLE]
    figures.user_observed = [WHOLE] * 3
    assert failings([figures]) == []
    assert any(what.startswith("lost of the user's first") for what in missed(figures))
    figures.agent_heard = [WHOLE, None, WHOLE]
    assert failings([figures]) == ["run 1: what the agent heard, clip 1: is not there"]


@pytest.mark.parametrize("side", ["agent_heard", "agent_recorded"])
def test_the_short_form_never_forgives_the_head_of_a_calls_first_clip(side: str) -> None:
    """That is what a driver loses that speaks before anybody listens, and all that it loses in a call."""
    figures = good()
    figures.user_observed = figures.agent_observed = figures.agent_heard = figures.agent_recorded = [WHOLE] * 3
    setattr(figures, side, [replace(WHOLE, lost_head_ms=177), WHOLE, WHOLE])
    assert [("clip 0: lacks 177 ms at its start" in line) for line in failings([figures])] == [True]


@pytest.mark.parametrize("cut", [{"lost_head_ms": 60}, {"lost_tail_ms": 48}, {"lost_tail_ms": 15}])
@pytest.mark.parametrize("side", ["agent_heard", "agent_recorded"])
def test_the_short_form_takes_no_cut_edges_where_the_observer_heard_all(side: str, cut: dict[str, int]) -> None:
    figures = good()
    figures.user_observed = figures.agent_observed = figures.agent_heard = figures.agent_recorded = [WHOLE] * 3
    setattr(figures, side, [WHOLE, replace(WHOLE, **cut), replace(WHOLE, **cut)])
    assert len(failings([figures])) == 2
    # The network was late for everybody then.
    late = replace(WHOLE, stretched_ms=20.0)
    figures.user_observed = figures.agent_observed = [late] * 3
    assert failings([figures]) == []


def test_goals_that_are_missed_are_named() -> None:
    figures = good()
    assert misses([figures]) == []
    figures.agent_heard = [replace(WHOLE, lost_tail_ms=5)]
    assert misses([figures]) == ["lost of the user's last syllable, as the agent heard it: 5.0 ms, wanted ≤ 0 ms"]


def test_nothing_measured_is_no_success() -> None:
    assert failings([]) == ["nothing was measured"]
    figures = good()
    figures.gaps = []
    assert any("no answer was measured" in line for line in failings([figures]))


def test_percentiles_are_of_sizes_and_the_median_has_its_sign() -> None:
    assert Spread.of([-3.0, -2.0, 1.0]) == Spread(-2.0, 3.0, 3.0)
    assert Spread.of([1.0] * 19 + [math.inf]) == Spread(1.0, 1.0, math.inf)
    assert "lost" in Spread.of([math.inf]).text()
    assert scatter(good()) == 0


def test_the_tables_have_a_row_for_each_delay_call_and_goal() -> None:
    text = tables([good()])
    row = next(line.split() for line in text.splitlines() if line.startswith("d = 250 ms"))
    assert row[4:] == ["3", "-2.0", "2.0", "2.0", "+2.0", "2.0", "2.0", "+0.0", "0.0", "0.0"]
    assert "run 1" in text
    assert all(line.what in text for line in lines([good()]))
    assert "MISSED" not in text
    assert Line("x", 2, "ms", 1).cells()[-1] == "MISSED"


def test_the_tables_go_between_the_marks_of_a_document(tmp_path: Path) -> None:
    path = tmp_path / "timing.md"
    path.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    for _ in range(2):
        write_into(path, "head", "a\n\nb")
    assert path.read_text() == f"before\n{BEGIN}\nhead\n\n    a\n\n    b\n{END}\nafter\n"
    path.write_text("no marks")
    with pytest.raises(ValueError, match="no place"):
        write_into(path, "head", "a")
