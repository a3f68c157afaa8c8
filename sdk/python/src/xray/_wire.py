# SPDX-License-Identifier: Apache-2.0
"""What goes over the wire, as api/openapi.yaml has it, and how it becomes the dataclasses that users see.

Responses ignore fields that are not known. What a later version of the server may add a value to (kinds, reasons,
steps) is a plain string here. Numbers are strict: 780.5 is not a count of milliseconds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeAlias, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from xray._results import AssertionOutcome, EvaluationStatus, JudgeOutcome, ReplayResult, TurnMetrics
from xray.conversation import Conversation, RecordedAudio, Role, TtsAudio, Turn

LifecycleState = Literal["pending", "running", "recording_uploaded", "analyzing", "completed", "failed"]

M = TypeVar("M", bound=BaseModel)


class WireModel(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


# Requests. Only fields that are set are sent: null is not absent.


class RecordedAudioSpec(WireModel):
    kind: Literal["recorded"] = "recorded"
    upload_key: str


class TtsAudioSpec(WireModel):
    kind: Literal["tts"] = "tts"
    voice_id: str = ""


class TurnSpec(WireModel):
    role: Literal["user", "agent"]
    text: str = ""
    key: str = ""
    audio: RecordedAudioSpec | TtsAudioSpec | None = None
    assertions: list[dict[str, Any]] = []


class ConversationSpec(WireModel):
    name: str
    turns: list[TurnSpec]
    judges: list[dict[str, Any]] = []
    live: bool = False


class ReplayCreate(WireModel):
    conversation_hash: str
    run_config: Any = None


class ReplayUpdate(WireModel):
    lifecycle_state: LifecycleState
    failure_reason: str = ""


# Responses.


class ConversationRow(WireModel):
    hash: str
    name: str
    live: bool


class ReplayDetail(WireModel):
    id: str
    conversation_hash: str
    lifecycle_state: LifecycleState
    failure_reason: str | None


class RecordingStored(WireModel):
    ok: bool
    audio_path: str


class AnalysisStarted(WireModel):
    job_id: str
    lifecycle_state: str


class AssertionResult(WireModel):
    turn_idx: int
    assertion_idx: int
    kind: str
    status: Literal["passed", "failed", "errored"]
    message: str | None


class JudgeResult(WireModel):
    judge_idx: int
    kind: str
    status: Literal["passed", "failed", "errored"]
    score: int | None
    reason: str | None
    prompt_version: int | None


class TurnMetricsRow(WireModel):
    turn_idx: int
    role: Literal["user", "agent"]
    agent_response_ms: int | None
    agent_response_uncertainty_ms: int | None
    interrupted: bool
    interruption_start_ms: int | None


class ResultMetrics(WireModel):
    turns: list[TurnMetricsRow]


class Result(WireModel):
    replay_id: str
    conversation_hash: str
    passed: bool
    assertions: list[AssertionResult]
    judges: list[JudgeResult]
    metrics: ResultMetrics

    def as_replay_result(self) -> ReplayResult:
        return ReplayResult(
            replay_id=self.replay_id,
            conversation_hash=self.conversation_hash,
            passed=self.passed,
            assertions=tuple(
                AssertionOutcome(row.turn_idx, row.assertion_idx, row.kind, EvaluationStatus(row.status), row.message)
                for row in self.assertions
            ),
            judges=tuple(
                JudgeOutcome(row.judge_idx, row.kind, EvaluationStatus(row.status), row.score, row.reason)
                for row in self.judges
            ),
            metrics=tuple(
                TurnMetrics(
                    turn_idx=row.turn_idx,
                    role=Role(row.role),
                    agent_response_ms=row.agent_response_ms,
                    interrupted=row.interrupted,
                    agent_response_uncertainty_ms=row.agent_response_uncertainty_ms,
                )
                for row in self.metrics.turns
            ),
        )


# Events.


class StateEvent(WireModel):
    type: Literal["state"]
    lifecycle_state: LifecycleState
    analysis_step: str | None


class ProgressEvent(WireModel):
    type: Literal["progress"]
    percent: int
    step: str


class EvaluationCompleteEvent(WireModel):
    type: Literal["evaluation_complete"]
    result: Result


class FailedEvent(WireModel):
    type: Literal["failed"]
    reason: str


ReplayEvent: TypeAlias = StateEvent | ProgressEvent | EvaluationCompleteEvent | FailedEvent
_EVENTS: Mapping[str, type[ReplayEvent]] = {
    "state": StateEvent,
    "progress": ProgressEvent,
    "evaluation_complete": EvaluationCompleteEvent,
    "failed": FailedEvent,
}


def parse_event(data: bytes) -> ReplayEvent | None:
    """None for a type that is not known. ValueError if it is no event (pydantic's ValidationError is one)."""
    value: object = json.loads(data)
    kind = cast("dict[str, object]", value).get("type") if isinstance(value, dict) else None
    if not isinstance(kind, str):
        raise ValueError("an event must be an object with a type")
    model = _EVENTS.get(kind)
    return None if model is None else model.model_validate_json(data)


def parse(model: type[M], body: bytes) -> M:
    """ValueError, which names the field, if the body is no such object."""
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(map(str, first["loc"])) or "the whole"
        raise ValueError(f"{field}: {first['msg']}") from None


def encode(model: WireModel) -> str:
    """Canonical JSON of the fields that are set: ASCII, sorted keys, no white space."""
    return _canonical(model.model_dump(exclude_unset=True))


def _canonical(value: object) -> str:
    return json.dumps(value, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":"))


def conversation_spec(conversation: Conversation) -> tuple[str, dict[str, Path]]:
    """The part `spec`, and the files that go with it: the recorded turn `i` is uploaded as `audio_i`.

    Defaults are written out, as in the object whose hash is the conversation's identity on the server.
    """
    files: dict[str, Path] = {}
    turns: list[TurnSpec] = []
    for i, turn in enumerate(conversation.turns):
        if isinstance(turn.audio, RecordedAudio):
            files[f"audio_{i}"] = Path(turn.audio.path)
        turns.append(_turn_spec(i, turn))
    fields: dict[str, Any] = {
        "name": conversation.name,
        "turns": turns,
        "judges": [_check(judge.kind, judge.params) for judge in conversation.judges],
    }
    if conversation.live:
        fields["live"] = True
    return encode(ConversationSpec(**fields)), files


def _turn_spec(i: int, turn: Turn) -> TurnSpec:
    fields: dict[str, Any] = {
        "role": turn.role.value,
        "assertions": [_check(assertion.kind, assertion.params) for assertion in turn.assertions],
    }
    if turn.text is not None:
        fields["text"] = turn.text
    if turn.key is not None:
        fields["key"] = turn.key
    if isinstance(turn.audio, RecordedAudio):
        fields["audio"] = RecordedAudioSpec(kind="recorded", upload_key=f"audio_{i}")
    elif isinstance(turn.audio, TtsAudio):
        voice = {} if turn.audio.voice_id is None else {"voice_id": turn.audio.voice_id}
        fields["audio"] = TtsAudioSpec(kind="tts", **voice)
    return TurnSpec(**fields)


def _check(kind: str, params: Mapping[str, Any]) -> dict[str, Any]:
    return {"kind": kind, **params}
