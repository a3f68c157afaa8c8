# SPDX-License-Identifier: Apache-2.0
"""The verdict on a run, as users see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from xray.conversation import Role


class EvaluationStatus(str, Enum):
    """How a check ended. `ERRORED` is not passed: it could not be made. A `str`: `PASSED == "passed"`."""

    PASSED = "passed"
    FAILED = "failed"
    ERRORED = "errored"

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class AssertionOutcome:
    """How one assertion ended; `message` says what was observed, None if there is nothing to say."""

    turn_idx: int
    assertion_idx: int
    kind: str
    status: EvaluationStatus
    message: str | None


@dataclass(frozen=True)
class JudgeOutcome:
    """How one judge decided; `score` is 0 to 100, None if there was none."""

    judge_idx: int
    kind: str
    status: EvaluationStatus
    score: int | None
    reason: str | None


@dataclass(frozen=True)
class TurnMetrics:
    """What was measured of one turn that was heard, from the recording.

    `agent_response_ms` is from the user's end to the agent's start in milliseconds, None if it is not an answer;
    `agent_response_uncertainty_ms` how far that may be off either way, None if it was not measured.
    """

    turn_idx: int
    role: Role
    agent_response_ms: int | None
    interrupted: bool
    agent_response_uncertainty_ms: int | None = None


@dataclass(frozen=True)
class ReplayResult:
    """The verdict: `passed` when every assertion and every judge passed."""

    replay_id: str
    conversation_hash: str
    passed: bool
    assertions: Sequence[AssertionOutcome]
    judges: Sequence[JudgeOutcome]
    metrics: Sequence[TurnMetrics]


def format_failures(result: ReplayResult) -> str:
    """One line for each check that did not pass, with turn, kind, status and reason; a fixed sentence when all did."""
    lines = [
        f"turn {row.turn_idx}, assertion {row.assertion_idx}, {row.kind}: {row.status}: {_reason(row.message)}"
        for row in result.assertions
        if row.status != EvaluationStatus.PASSED
    ]
    for row in result.judges:
        if row.status != EvaluationStatus.PASSED:
            score = "" if row.score is None else f" (score {row.score})"
            lines.append(f"judge {row.judge_idx}, {row.kind}: {row.status}{score}: {_reason(row.reason)}")
    if not lines and not result.passed:
        return "The replay did not pass, though no check of it failed."
    return "\n".join(lines) if lines else "All checks passed."


def _reason(text: str | None) -> str:
    """On one line: reasons of judges are a model's words."""
    return " ".join(text.split()) if text else "no reason given"
