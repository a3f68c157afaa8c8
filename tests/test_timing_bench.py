# SPDX-License-Identifier: Apache-2.0
"""The benchmark of timing (bench/timing) on cases made by hand: turns, matching, scoring, goals. What of it needs numpy
tests itself at the start of each run (bench/timing/selftest.py)."""

from __future__ import annotations

import json
import math
from copy import deepcopy
from dataclasses import replace

import pytest

from kept import CASES, Kept, moved, tallies, text
from rows import ROWS, Goal, Score, failings, ratios, reachable, score_of
from score import (
    LOST,
    Coverage,
    Spread,
    Tally,
    assign,
    coverage,
    nearest_rank,
    score_segments,
    score_spans,
    score_turns,
    spread,
)
from table import table
from turns import AGENT, USER, Heard, Segment, Turn, derive, heard


def user(start_ms: float, end_ms: float) -> Segment:
    return Segment(start_ms, USER, end_ms)


def agent(start_ms: float, end_ms: float) -> Segment:
    return Segment(start_ms, AGENT, end_ms)


TRUTH = [user(1000, 2000), agent(2500, 4000), user(5000, 6000), agent(6800, 8000)]


# Turns.


def test_neighbours_of_one_side_form_a_turn() -> None:
    turns = derive((user(0, 100), user(300, 400), agent(500, 600), user(700, 800)))
    assert [(t.channel, t.start_ms, t.end_ms) for t in turns] == [(USER, 0, 400), (AGENT, 500, 600), (USER, 700, 800)]


def test_a_response_counts_from_the_nearest_user_turn_before_it_and_is_never_negative() -> None:
    turns = derive((agent(0, 100), user(200, 900), agent(700, 1000), user(1100, 1200), agent(1250, 1300)))
    assert [t.response_ms for t in turns] == [None, None, 0, None, 50]


def test_segments_that_start_together_are_the_users_first() -> None:
    assert [t.channel for t in derive((agent(0, 50), user(0, 80)))] == [USER, AGENT]


def test_silence_has_no_turns() -> None:
    assert derive(()) == ()


# Matching.


def test_what_overlaps_nothing_is_invented() -> None:
    assert assign([(100, 200), (300, 400)], [(0, 100), (150, 180), (200, 300), (399, 500)]) == ([[1], [3]], 2)


def test_a_stretch_belongs_to_the_utterance_that_it_overlaps_most() -> None:
    assert assign([(0, 100), (200, 400)], [(60, 300)]) == ([[], [0]], 0)


def test_pieces_of_one_utterance_give_its_two_ends_and_are_not_invented() -> None:
    tally = score_spans([(100, 900)], [(110, 300), (500, 930)])
    assert (tally.missed, tally.invented, tally.starts, tally.ends) == (0, 0, [10], [30])


def test_two_utterances_run_together_are_one_found_and_one_missed() -> None:
    tally = score_spans([(0, 1000), (2000, 2500)], [(0, 2500)])
    assert (tally.missed, tally.invented) == (1, 0)
    assert (tally.starts, tally.ends) == ([0, LOST], [1500, LOST])


def test_without_truth_all_is_invented_and_without_sound_all_is_missed() -> None:
    assert score_spans([], [(0, 10), (20, 30)]).invented == 2
    assert score_spans([(0, 10), (20, 30)], []).missed == 2


# Turns held against truth.


def test_a_true_answer_has_no_errors() -> None:
    tally = score_turns(TRUTH, heard(TRUTH))
    assert (tally.truths, tally.missed, tally.invented) == (4, 0, 0)
    assert tally.starts == tally.ends == [0] * 4
    assert tally.responses == [0, 0]


def test_a_response_is_late_by_the_agents_start_and_short_by_the_users_end() -> None:
    late = [user(1000, 2030), agent(2510, 4000), TRUTH[2], agent(6860, 8000)]
    assert score_turns(TRUTH, heard(late)).responses == [-20, 60]


def test_the_response_is_the_one_that_was_reported() -> None:
    found = Heard((), tuple(Turn(t.channel, t.start_ms, t.end_ms, 777) for t in heard(TRUTH).turns))
    assert score_turns(TRUTH, found).responses == [277, -23]


def test_a_pause_inside_a_turn_does_not_matter() -> None:
    parts = [user(1000, 1300), user(1600, 2000), *TRUTH[1:]]
    tally = score_turns(TRUTH, heard(parts))
    assert (tally.missed, tally.invented, tally.responses) == (0, 0, [0, 0])


def test_a_missed_agent_loses_its_response_and_runs_the_user_together() -> None:
    tally = score_turns(TRUTH, heard([TRUTH[0], TRUTH[2], TRUTH[3]]))
    assert (tally.missed, tally.invented) == (2, 0)
    assert tally.responses == [LOST, 0]


def test_what_is_invented_is_counted_even_where_it_becomes_part_of_a_true_turn() -> None:
    tally = score_turns(TRUTH, heard([*TRUTH, user(6300, 6500)]))
    assert (tally.missed, tally.invented) == (0, 1)
    assert (tally.ends, tally.responses) == ([0, 500, 0, 0], [0, -500])


def test_an_invented_turn_of_the_other_side_splits_a_turn_and_moves_nothing() -> None:
    truth = [user(1000, 2000), user(2500, 4000)]  # two pieces of one utterance
    tally = score_turns([user(1000, 4000)], heard([*truth, agent(2100, 2300)]))
    assert (tally.missed, tally.invented, tally.starts, tally.ends) == (0, 1, [0], [0])


def test_an_agent_that_speaks_first_has_no_response() -> None:
    truth = [agent(0, 500), *TRUTH]
    assert score_turns(truth, heard(truth)).responses == [0, 0]


def with_uncertainty(found: Heard, *uncertainties: float) -> Heard:
    """Of the responses, in order."""
    left = list(uncertainties)
    turns = (t if t.response_ms is None else replace(t, uncertainty_ms=left.pop(0)) for t in found.turns)
    return Heard(found.segments, tuple(turns))


def test_a_response_lies_within_its_uncertainty_or_not_whatever_the_errors_sign() -> None:
    off = heard([user(1000, 2030), agent(2510, 4000), TRUTH[2], agent(6860, 8000)])  # by -20 and 60
    for uncertainties, within in (((20, 60), 2), ((19, 60), 1), ((20, 59), 1), ((19, 59), 0)):
        tally = score_turns(TRUTH, with_uncertainty(off, *uncertainties))
        assert (tally.uncertainties, tally.within) == (list(uncertainties), within)


def test_what_was_lost_lies_within_nothing() -> None:
    tally = score_turns(TRUTH, with_uncertainty(heard([TRUTH[0], TRUTH[2], TRUTH[3]]), 5))
    assert (tally.responses, tally.uncertainties, tally.within) == ([LOST, 0], [5], 1)
    assert coverage(tally) == Coverage(50, 5)


def test_detectors_that_give_no_uncertainty_have_no_share_within_it() -> None:
    tally = score_turns(TRUTH, heard(TRUTH))
    assert tally.responses == [0, 0]
    assert coverage(tally) is None
    assert score_of(tally).coverage is None


def test_turns_are_equal_whatever_their_uncertainty() -> None:
    assert with_uncertainty(heard(TRUTH), 1, 2) == heard(TRUTH)


def test_segments_are_scored_on_their_own_channel() -> None:
    truth = [user(0, 3000), agent(1000, 1300), agent(4000, 5000)]
    found = heard([user(5, 3000), user(4010, 4900), agent(1000, 1310), agent(4000, 5000)])
    ours, other = score_segments(truth, found, USER), score_segments(truth, found, AGENT)
    assert (ours.missed, ours.invented, ours.starts, ours.ends) == (0, 1, [5], [0])
    assert (other.missed, other.invented, other.starts, other.ends) == (0, 0, [0, 0], [10, 0])


# Figures.


@pytest.mark.parametrize(
    ("count", "percent", "rank"), [(1, 50, 1), (2, 50, 1), (3, 50, 2), (20, 95, 19), (200, 95, 190)]
)
def test_percentiles_are_the_nearest_rank(count: int, percent: int, rank: int) -> None:
    assert nearest_rank(range(1, count + 1), percent) == rank


def test_errors_count_by_their_size_and_the_lost_as_the_worst() -> None:
    assert spread([-30, 10, 20]) == Spread(20, 30, 30)
    assert spread([1] * 19 + [LOST]) == Spread(1, 1, LOST)
    assert spread([1] * 18 + [LOST] * 2) == Spread(1, LOST, LOST)
    assert spread([]) is None


def test_tallies_add_up() -> None:
    total = Tally()
    for _ in range(2):
        total.add(Tally(3, 1, 2, [1], [2], [3], [4], 1))
    assert total == Tally(6, 2, 4, [1, 1], [2, 2], [3, 3], [4, 4], 2)


def score(median: float, p95: float, *, missed: int = 0, invented: int = 0) -> Score:
    figures = Spread(median, p95, p95)
    return Score(missed, invented, figures, figures, figures)


WHITE = ROWS["white-20"]  # 25, 60
GOOD, SILERO, ORACLE = score(20, 50), score(60, 150), score(10, 40)


def test_a_row_at_its_goal_is_ok_and_each_failing_is_named() -> None:
    assert failings(WHITE, GOOD, SILERO, ORACLE) == []
    assert failings(WHITE, score(25, 60), None, ORACLE) == []
    assert failings(WHITE, score(26, 61), SILERO, ORACLE) == ["median", "p95"]
    assert failings(WHITE, score(20, 50, missed=1, invented=1), SILERO, ORACLE) == ["missed", "invented"]
    assert failings(WHITE, GOOD, score(20, 49), ORACLE) == ["behind Silero"]
    assert failings(WHITE, score(LOST, LOST), SILERO, ORACLE) == ["median", "p95", "behind Silero"]


def test_a_goal_that_the_oracle_cannot_reach_becomes_the_oracles_figure() -> None:
    assert reachable(Goal(25, 60), score(10, 90)) == Goal(25, 90)
    assert reachable(Goal(25, 60), score(30, LOST)) == Goal(30, 60)
    assert failings(WHITE, score(20, 88), SILERO, score(10, 90)) == []
    assert failings(WHITE, score(20, 92), SILERO, score(10, 90)) == ["p95"]


def test_overlap_rows_are_held_against_silero_by_both_ends() -> None:
    row = ROWS["barge-in"]
    assert failings(row, score(500, 900), None, ORACLE) == []
    assert failings(row, score(70, 100), SILERO, ORACLE) == ["start behind Silero", "end behind Silero"]


def test_there_is_no_ratio_to_nothing() -> None:
    ours = Spread(5, 10, 10)
    assert ratios(ours, Spread(50, 100, 200)) == (0.1, 0.1)
    assert ratios(ours, Spread(50, LOST, LOST)) == (0.1, None)
    assert ratios(ours, Spread(0, 100, 200)) == (None, 0.1)
    assert ratios(None, Spread(50, 100, 200)) == (None, None)


def test_every_condition_of_the_goals_has_its_row() -> None:
    levels = [row.level_dbfs for name, row in ROWS.items() if name.startswith("clean")]
    assert levels == [-15, -25, -35, -45]
    noisy = {(row.noise, row.snr_db) for row in ROWS.values() if row.noise}
    kinds = ("white", "pink", "hum", "clicks", "music", "babble")
    assert noisy == {(kind, snr) for kind in kinds for snr in (20, 10)}
    assert all(row.goal is not None or row.by_segments for row in ROWS.values())


def lines_of(ours: Score) -> list[str]:
    """The table's three lines of white-20."""
    text = table({("white-20", ""): {"xray": ours, "silero": SILERO, "oracle": score(30.2, 40)}})
    return text.splitlines()[1:]


def test_the_table_says_of_the_server_alone_how_many_responses_lie_within_their_uncertainty() -> None:
    ours = score_of(Tally(600, 0, 0, [], [], [3.0] * 300, [3.0] * 200 + [7.4] * 100, 299))
    assert ours.coverage == Coverage(100 * 299 / 300, 3)
    shares = [line.count("%") for line in lines_of(ours)]
    assert shares == [1, 0, 0]
    assert " 99% ±3 " in lines_of(ours)[0]  # 100% would be all
    assert "%" not in lines_of(GOOD)[0]


def test_the_table_says_what_was_lost_which_goal_is_the_oracles_and_what_is_missed() -> None:
    ours = score_of(Tally(4, 1, 0, [1, LOST], [2, LOST], [3, LOST]))
    first, *_ = lines_of(ours)
    assert "lost" in first
    assert "≤31* ≤60" in first
    assert first.endswith("MISSED: missed, p95, behind Silero")
    assert math.isinf(LOST)


# What is kept of the subset.

KEPT: Kept = {
    "clean-25": {
        "recording": [[9000, 12345]],
        "user": [[1000, 2000], [5000, 6000]],
        "agent": [[2500, 4000], [6800, 8000]],
        "response": [[500, 3], [800, 7]],
    }
}


def test_what_is_kept_has_a_line_for_each_line_and_reads_the_same() -> None:
    assert json.loads(text(KEPT)) == KEPT
    assert "\n   [5000, 6000]\n" in text(KEPT)
    assert text({**KEPT, "echo": KEPT["clean-25"]}).count("[1000, 2000]") == 2


def test_nothing_moved_where_all_is_the_same() -> None:
    assert moved(KEPT, deepcopy(KEPT)) == []


@pytest.mark.parametrize(
    ("part", "lines", "said"),
    [
        ("user", [[1000, 2000], [5001, 6000]], ["user 2: from 5000..6000 ms to 5001..6000 ms"]),
        ("agent", [[2500, 4000], [4200, 4300], [6800, 8000]], ["agent 2: from nothing to 4200..4300 ms"]),
        ("agent", [[6800, 8000]], ["agent 1: from 2500..4000 ms to nothing"]),
        ("response", [[500, 4], [800, 7]], ["response 1: from 500 ms ± 3 ms to 500 ms ± 4 ms"]),
        ("recording", [[9000, 1]], ["recording 1: from 9000 ms with the CRC-32 12345 to 9000 ms with the CRC-32 1"]),
        ("user", [], ["user 1: from 1000..2000 ms to nothing", "user 2: from 5000..6000 ms to nothing"]),
    ],
)
def test_what_moved_is_said_with_its_row_and_number(part: str, lines: list[list[int]], said: list[str]) -> None:
    now = deepcopy(KEPT)
    now["clean-25"][part] = lines
    assert moved(KEPT, now) == [f"clean-25, {change}" for change in said]


def test_a_row_that_only_one_of_both_has_moved_whole() -> None:
    lines = sum(len(lines) for lines in KEPT["clean-25"].values())
    assert len(moved(KEPT, {})) == len(moved({}, KEPT)) == lines


def test_what_is_kept_is_scored_like_the_benchmarks_rows() -> None:
    parts = deepcopy(KEPT["clean-25"])
    parts["user"][0][1] = 2030
    (turns,) = tallies("clean-25", TRUTH, parts)
    assert (turns.ends, turns.responses) == ([30, 0, 0, 0], [-30, 0])
    by_channel = tallies("echo", TRUTH, parts)
    assert [(tally.truths, tally.ends, tally.responses) for tally in by_channel] == [(2, [30, 0], []), (2, [0, 0], [])]


def test_the_subset_has_each_kind_of_noise_and_each_overlap() -> None:
    rows = [ROWS[case.row] for case in CASES]
    assert {row.noise for row in rows} == {row.noise for row in ROWS.values()}
    assert {row.scene for row in rows} == {row.scene for row in ROWS.values()}
