# SPDX-License-Identifier: Apache-2.0
"""What `format_failures` says."""

from __future__ import annotations

import xray
from xray import EvaluationStatus

PASSED, FAILED, ERRORED = EvaluationStatus.PASSED, EvaluationStatus.FAILED, EvaluationStatus.ERRORED


def result(
    assertions: list[xray.AssertionOutcome], judges: list[xray.JudgeOutcome], *, passed: bool
) -> xray.ReplayResult:
    return xray.ReplayResult("r", "h", passed, assertions, judges, ())


def test_one_line_for_each_check_that_did_not_pass() -> None:
    assertions = [
        xray.AssertionOutcome(1, 0, "contains", FAILED, 'The turn does not have "nine".'),
        xray.AssertionOutcome(1, 1, "max_latency_ms", PASSED, "within the measuring error"),
        xray.AssertionOutcome(3, 0, "regex", ERRORED, None),
    ]
    judges = [
        xray.JudgeOutcome(0, "text_match", FAILED, 12, "two\nlines\tof reason"),
        xray.JudgeOutcome(1, "text_match", PASSED, 90, "fine"),
        xray.JudgeOutcome(2, "text_match", ERRORED, None, "no answer"),
    ]
    assert xray.format_failures(result(assertions, judges, passed=False)).splitlines() == [
        'turn 1, assertion 0, contains: failed: The turn does not have "nine".',
        "turn 3, assertion 0, regex: errored: no reason given",
        "judge 0, text_match: failed (score 12): two lines of reason",
        "judge 2, text_match: errored: no answer",
    ]


def test_a_fixed_sentence_when_all_passed() -> None:
    assert xray.format_failures(result([], [], passed=True)) == "All checks passed."


def test_a_verdict_without_a_reason_is_not_called_a_pass() -> None:
    assert "All checks passed" not in xray.format_failures(result([], [], passed=False))
