# SPDX-License-Identifier: Apache-2.0
"""The wire models against api/openapi.yaml, field by field."""

from __future__ import annotations

import types
from typing import Any, Literal, Union, get_args, get_origin

import pydantic
import pytest
import yaml
from xrayd_process import ROOT

from xray import _wire

COMPONENTS: dict[str, Any] = yaml.safe_load((ROOT / "api/openapi.yaml").read_text())["components"]
SCHEMAS = COMPONENTS["schemas"]
RESULT: dict[str, Any] = COMPONENTS["examples"]["result"]["value"]

# Model → schema, and whether it must have every field: of some answers only a part is of interest.
MODELS: dict[type[_wire.WireModel], tuple[str, bool]] = {
    _wire.RecordedAudioSpec: ("RecordedAudioSpec", True),
    _wire.TtsAudioSpec: ("TtsAudioSpec", True),
    _wire.TurnSpec: ("TurnSpec", True),
    _wire.ConversationSpec: ("ConversationSpec", True),
    _wire.ReplayCreate: ("ReplayCreate", True),
    _wire.ReplayUpdate: ("ReplayUpdate", False),
    _wire.ConversationRow: ("Conversation", False),
    _wire.ReplayDetail: ("ReplayDetail", False),
    _wire.RecordingStored: ("RecordingStored", True),
    _wire.AnalysisStarted: ("AnalysisStarted", True),
    _wire.AssertionResult: ("AssertionResult", True),
    _wire.JudgeResult: ("JudgeResult", True),
    _wire.TurnMetricsRow: ("TurnMetrics", True),
    _wire.ResultMetrics: ("ResultMetrics", True),
    _wire.Result: ("Result", True),
    _wire.StateEvent: ("StateEvent", True),
    _wire.ProgressEvent: ("ProgressEvent", True),
    _wire.EvaluationCompleteEvent: ("EvaluationCompleteEvent", True),
    _wire.FailedEvent: ("FailedEvent", True),
}
REQUESTS = {
    _wire.RecordedAudioSpec,
    _wire.TtsAudioSpec,
    _wire.TurnSpec,
    _wire.ConversationSpec,
    _wire.ReplayCreate,
    _wire.ReplayUpdate,
}
JSON_TYPES: dict[object, str] = {str: "string", int: "integer", bool: "boolean", float: "number"}


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in schema:
        schema = SCHEMAS[schema["$ref"].rsplit("/", 1)[1]]
    return schema


def types_of(schema: dict[str, Any]) -> set[str]:
    schema = resolved(schema)
    if "oneOf" in schema:
        return {one for part in schema["oneOf"] for one in types_of(part)}
    found = schema.get("type", [])
    return {found} if isinstance(found, str) else set(found)


def annotation_types(annotation: Any) -> set[str]:
    if get_origin(annotation) in (Union, types.UnionType):
        return {one for part in get_args(annotation) for one in annotation_types(part)}
    if annotation is type(None):
        return {"null"}
    if get_origin(annotation) is Literal:
        return {JSON_TYPES[type(value)] for value in get_args(annotation)}
    if get_origin(annotation) is list:
        return {"array"}
    if annotation in JSON_TYPES:
        return {JSON_TYPES[annotation]}
    assert issubclass(annotation, pydantic.BaseModel) or get_origin(annotation) is dict
    return {"object"}


def literals(annotation: Any) -> set[str] | None:
    """The values of a closed field; None if it takes any."""
    if get_origin(annotation) in (Union, types.UnionType):
        found = [literals(part) for part in get_args(annotation) if part is not type(None)]
        return found[0] if len(found) == 1 else None
    return set(get_args(annotation)) if get_origin(annotation) is Literal else None


FIELDS = [(model, name) for model in MODELS for name in model.model_fields]
FIELD_IDS = [f"{model.__name__}.{name}" for model, name in FIELDS]


def test_every_model_is_checked() -> None:
    def below(model: type[_wire.WireModel]) -> set[type[_wire.WireModel]]:
        return {model}.union(*(below(sub) for sub in model.__subclasses__()))

    assert below(_wire.WireModel) - {_wire.WireModel} == set(MODELS)


@pytest.mark.parametrize(("model", "name"), FIELDS, ids=FIELD_IDS)
def test_field_is_described(model: type[_wire.WireModel], name: str) -> None:
    schema = SCHEMAS[MODELS[model][0]]
    described = schema["properties"][name]
    annotation = model.model_fields[name].annotation
    if annotation is Any:
        assert types_of(described) == set()
        return
    has, expected = annotation_types(annotation), types_of(described)
    if model in REQUESTS:
        # Null is never sent: a field that is not set is absent. It stands for that only in the model.
        has, expected = has - {"null"}, expected - {"null"}
    assert has == expected
    described = resolved(described)
    values = [described["const"]] if "const" in described else described.get("enum")
    closed = literals(annotation)
    if closed is not None:
        assert values is not None
        assert closed == {value for value in values if value is not None}


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_what_is_required_is(model: type[_wire.WireModel]) -> None:
    name, whole = MODELS[model]
    schema = SCHEMAS[name]
    ours = set(model.model_fields)
    if whole:
        assert ours == set(schema["properties"])
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if model in REQUESTS:
        # `kind` has a default here, and is set wherever one is made.
        assert required | (ours & {"kind"}) >= set(schema.get("required", ()))
    else:
        assert required == set(schema["required"]) & ours


def test_the_descriptions_example_becomes_a_result() -> None:
    result = _wire.Result.model_validate(RESULT).as_replay_result()
    assert result.replay_id == RESULT["replay_id"]
    assert [row.status.value for row in result.assertions] == [row["status"] for row in RESULT["assertions"]]
    assert [row.message for row in result.assertions] == [row["message"] for row in RESULT["assertions"]]
    assert [(row.score, row.reason) for row in result.judges] == [(83, "missing: sunday")]
    assert [(row.agent_response_ms, row.agent_response_uncertainty_ms) for row in result.metrics] == [(1780, 12)]


def test_fields_that_are_not_known_are_ignored() -> None:
    assert _wire.Result.model_validate(RESULT | {"added_later": 1}) == _wire.Result.model_validate(RESULT)


@pytest.mark.parametrize("value", [780.5, "780", True])
def test_milliseconds_are_integers(value: object) -> None:
    row = RESULT["metrics"]["turns"][0] | {"agent_response_ms": value}
    with pytest.raises(pydantic.ValidationError):
        _wire.TurnMetricsRow.model_validate(row)


def test_events_of_a_later_version_are_skipped() -> None:
    assert _wire.parse_event(b'{"type":"weather","sunny":true}') is None


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"type":1}', b'{"type":"failed"}', b"\xff", b'{"type":"state"'])
def test_what_is_no_event_is_a_value_error(data: bytes) -> None:
    with pytest.raises(ValueError):
        _wire.parse_event(data)
