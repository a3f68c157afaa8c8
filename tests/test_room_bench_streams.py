# SPDX-License-Identifier: Apache-2.0
"""A stream held against a recording: what is not the same is counted, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest

from clips import Pcm
from streams import Known, samples_wrong


def sound(n: int, seed: int, peak: int = 9000) -> Pcm:
    return np.random.default_rng(seed).integers(-peak, peak + 1, n).astype(np.int16)


# 300 samples of a line's silence, a clip, silence, another clip, silence.
SILENCES = [sound(300, seed, peak=2) for seed in (1, 2, 3)]
STREAM = np.concatenate((SILENCES[0], sound(500, 4), SILENCES[1], sound(500, 5), SILENCES[2]))
ONE, OTHER = (300, 800), (1100, 1600)
NOTHING = np.zeros(70, dtype=np.int16)


def known(shift: int, other: int | None = None) -> list[Known]:
    return [Known(*OTHER, shift if other is None else other), Known(*ONE, shift)]


def test_the_same_is_the_same_wherever_it_lies() -> None:
    assert samples_wrong(STREAM, STREAM, known(0)) == 0
    assert samples_wrong(STREAM, np.concatenate((NOTHING, STREAM, NOTHING)), known(70)) == 0
    assert samples_wrong(STREAM, STREAM[100:], known(-100)) == 0  # what came before sample 0
    assert samples_wrong(STREAM, STREAM[:1700], known(0)) == 0  # what came when it was over


@pytest.mark.parametrize("at", [350, 900, 1000, 1599])
def test_a_sample_that_is_another_is_counted(at: int) -> None:
    kept = STREAM.copy()
    kept[at] += 1
    assert samples_wrong(STREAM, kept, known(0)) == 1


@pytest.mark.parametrize("at", [10, 1800])
def test_before_the_first_clip_and_after_the_last_it_is_counted_if_it_is_heard(at: int) -> None:
    kept = STREAM.copy()
    kept[at] += 50
    assert samples_wrong(STREAM, kept, known(0)) == 0
    kept[at] += 50
    assert samples_wrong(STREAM, kept, known(0)) == 1


def test_what_is_not_of_the_stream_is_counted() -> None:
    kept = np.concatenate((NOTHING, STREAM, NOTHING))
    kept[[5, -5]] = 1000
    assert samples_wrong(STREAM, kept, known(70)) == 2


def test_a_recording_that_ends_within_a_clip_lacks_the_rest() -> None:
    assert samples_wrong(STREAM, STREAM[:1500], known(0)) == 100


@pytest.mark.parametrize("at", [800, 950, 1100])
def test_a_hole_where_the_stream_stood_still_is_no_fault(at: int) -> None:
    kept = np.concatenate((STREAM[:at], NOTHING, STREAM[at:]))
    assert samples_wrong(STREAM, kept, known(0, 70)) == 0
    kept[at - 10] += 5
    assert samples_wrong(STREAM, kept, known(0, 70)) == 1


def test_silence_that_was_left_out_to_catch_up_is_no_fault_and_more_than_that_is() -> None:
    kept = np.concatenate((STREAM[:900], STREAM[970:]))
    assert samples_wrong(STREAM, kept, known(0, -70)) == 0
    kept[850] += 5
    assert samples_wrong(STREAM, kept, known(0, -70)) == 1


def test_a_hole_in_a_clip_is_one() -> None:
    kept = np.concatenate((STREAM[:700], NOTHING, STREAM[700:]))
    assert samples_wrong(STREAM, kept, [Known(*ONE, 0), Known(*OTHER, 70)]) >= 95
