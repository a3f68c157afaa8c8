# SPDX-License-Identifier: Apache-2.0
"""api/openapi.yaml by itself, and against the server's own tables."""

from __future__ import annotations

import json
import re
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

import contract
from contract import Json, document, operations, problems, resolve

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ROOT / "server" / "src"
COMMON = {"400", "405", "408", "413", "500", "503"}
# Fields of responses that may be absent. All others are there, null or not.
OPTIONAL = {
    ("Turn", "text"),
    ("Turn", "key"),
    ("Turn", "audio"),
    ("TtsAudio", "voice_id"),
    ("Issue", "expected"),
    ("Issue", "received"),
    ("UnsupportedContentTypeError", "content_encoding"),
    ("ExportTracePartialSuccess", "errorMessage"),
}
KEYWORDS = {
    *("$ref", "type", "description", "enum", "const", "default", "examples", "discriminator", "contentMediaType"),
    *("pattern", "format", "minLength", "maxLength", "minimum", "maximum", "minItems", "maxItems", "items"),
    *("properties", "required", "additionalProperties", "oneOf", "allOf", "if", "else"),
}
LIMITS = {
    "XR_NAME_MAX": ["ConversationSpec/properties/name/maxLength"],
    "XR_TURNS_MAX": ["ConversationSpec/properties/turns/maxItems", "Conversation/properties/turns/maxItems"],
    "XR_JUDGES_MAX": ["ConversationSpec/properties/judges/maxItems", "Conversation/properties/judges/maxItems"],
    "XR_ASSERTIONS_MAX": ["TurnSpec/properties/assertions/maxItems", "Turn/properties/assertions/maxItems"],
    "XR_TURN_TEXT_MAX": ["TurnSpec/properties/text/maxLength", "Turn/properties/text/maxLength"],
    "XR_TURN_KEY_MAX": ["TurnSpec/properties/key/maxLength"],
    "XR_VOICE_ID_MAX": ["TtsAudioSpec/properties/voice_id/maxLength"],
    "XR_ASSERTION_TEXT_MAX": [
        "ContainsAssertion/properties/text/maxLength",
        "EqualsAssertion/properties/text/maxLength",
        "RegexAssertion/properties/pattern/maxLength",
    ],
    "XR_TOOL_NAME_MAX": [
        "ToolCalledAssertion/properties/name/maxLength",
        "ToolArgsAssertion/properties/name/maxLength",
    ],
    "XR_MAX_MS_MAX": ["MaxMsAssertion/properties/max_ms/maximum"],
    "XR_REFERENCE_MAX": ["JudgeSpec/properties/reference/maxLength"],
    "XR_RUBRIC_MAX": ["JudgeSpec/properties/rubric/maxLength"],
    "XR_PASS_SCORE_MAX": ["JudgeSpec/properties/pass_score/maximum"],
    "XR_PASS_SCORE_DEFAULT": ["JudgeSpec/properties/pass_score/default"],
    "XR_BODY_RECORDING_MAX": ["RecordingFile/maxLength"],
    "XR_ISSUES_MAX": ["Issues/maxItems"],
    "XR_COMPARE_MIN": ["ReplayCompare/properties/replay_ids/minItems"],
    "XR_COMPARE_MAX": ["ReplayCompare/properties/replay_ids/maxItems"],
    "XR_LIST_LIMIT_MAX": ["ConversationPage/properties/items/maxItems", "ReplayPage/properties/items/maxItems"],
    "XR_OTLP_SPANS_MAX": ["TooManySpansError/properties/max_spans/const"],
    "XR_OTLP_DEPTH_MAX": ["NestingTooDeepError/properties/max_depth/const"],
    "XR_LEVEL_BUCKET_MIN_MS": ["AudioLevelSeries/properties/bucket_ms/minimum"],
    "XR_LEVEL_BUCKET_MAX_MS": ["AudioLevelSeries/properties/bucket_ms/maximum"],
}


def schemas() -> dict[str, Json]:
    return document()["components"]["schemas"]


def responses() -> Iterator[tuple[str, Json]]:
    """(where, response) of every one described, the shared ones too."""
    for method, path, operation in operations():
        for status, response in operation["responses"].items():
            yield f"{method} {path} {status}", resolve(response)
    for name, response in document()["components"]["responses"].items():
        yield name, response


def media_types() -> Iterator[tuple[str, str, Json]]:
    """(where, media type, its description) of every request and response."""
    for where, response in responses():
        for name, content in response.get("content", {}).items():
            yield where, name, content
    for method, path, operation in operations():
        for name, content in operation.get("requestBody", {}).get("content", {}).items():
            yield f"{method} {path}", name, content


def codes_of(schema: Json) -> set[str]:
    """The error codes that a response's schema allows."""
    schema = resolve(schema)
    if "oneOf" in schema:
        return {code for variant in schema["oneOf"] for code in codes_of(variant)}
    error = schema.get("properties", {}).get("error", {})
    return {error["const"]} if "const" in error else set()


def examples_of(holder: Json) -> dict[str, Any]:
    return {name: resolve(example)["value"] for name, example in holder.get("examples", {}).items()}


def http_sources() -> str:
    files = [path for path in (SOURCES / "http").glob("*.c") if not path.name.endswith("_test.c")]
    assert files
    return "\n".join(path.read_text() for path in files)


def test_the_document_is_valid() -> None:
    whole = cast(dict[Hashable, Any], document())
    found = [f"{list(e.absolute_path)}: {e.message}" for e in OpenAPIV31SpecValidator(whole).iter_errors()]
    assert found == []
    assert json.loads(json.dumps(document(), allow_nan=False)) == document()  # no dates, no keys that are numbers


def test_routes_and_described_operations_are_the_same() -> None:
    table = re.search(r"XR_ROUTES\[\] = \{(.*?)\n\};", (SOURCES / "http" / "routes.c").read_text(), re.DOTALL)
    assert table
    routes = {(method, path) for method, path in re.findall(r'\{"([A-Z]+)",\s*"([^"]+)"', table[1])}
    assert len(routes) == len(re.findall(r"^\s*\{\"", table[1], re.MULTILINE)) > 0
    described = {(method, path) for method, path, _ in operations()}
    assert routes - described == set(), "not described"
    assert described - routes == set(), "not served"


def test_every_operation_says_what_it_is_and_how_it_fails() -> None:
    ids: list[str] = []
    for method, path, operation in operations():
        ids.append(operation["operationId"])
        assert operation["summary"], (method, path)
        assert operation["tags"], (method, path)
        assert operation["responses"].keys() >= COMMON, (method, path)
        assert [s for s in operation["responses"] if s.startswith("2")], (method, path)
        malformed = resolve(operation["responses"]["400"])["content"]["application/json"]["schema"]
        assert "bad_request" in codes_of(malformed), (method, path)
        shared = document()["paths"][path].get("parameters", [])
        named = {p["name"] for p in map(resolve, [*shared, *operation.get("parameters", [])]) if p["in"] == "path"}
        assert named == set(re.findall(r"\{(\w+)\}", path)), (method, path)
    assert len(set(ids)) == len(ids) > 0


def test_every_response_carries_a_request_id() -> None:
    for where, response in responses():
        assert resolve(response["headers"]["X-Request-Id"])["required"], where


def test_every_request_and_response_has_examples_and_they_fit() -> None:
    checked = 0
    for where, name, content in media_types():
        if name.startswith("audio/"):
            continue
        examples = examples_of(content)
        assert examples, f"{where} {name}: no example"
        for label, value in examples.items():
            assert problems(content["schema"], value) == [], f"{where} {name} {label}"
            checked += 1
        if codes := codes_of(content["schema"]):
            assert codes <= {value.get("error") for value in examples.values()}, f"{where}: a code without an example"
    assert checked > 0


def test_examples_of_schemas_parameters_and_headers_fit() -> None:
    checked = 0
    for name, schema in schemas().items():
        for value in schema.get("examples", []):
            assert problems(schema, value) == [], name
            checked += 1
    for name, header in document()["components"]["headers"].items():
        assert problems(header["schema"], header["example"]) == [], name
        checked += 1
    for method, path, operation in operations():
        for parameter in map(
            resolve, operation.get("parameters", []) + document()["paths"][path].get("parameters", [])
        ):
            examples = examples_of(parameter)
            assert examples, (method, path, parameter["name"])
            for value in examples.values():
                assert problems(parameter["schema"], value) == [], (method, path, parameter["name"])
                checked += 1
    assert checked > 0


def test_the_event_stream_example_has_described_events() -> None:
    content = document()["paths"]["/v1/replays/{id}/events"]["get"]["responses"]["200"]["content"]["text/event-stream"]
    blocks = [block for block in content["examples"]["analysis"]["value"].split("\n\n") if block]
    events = [block.split("\n") for block in blocks if not block.startswith(":")]
    assert events
    for event, data in events:
        contract.check_event(event.removeprefix("event: "), json.loads(data.removeprefix("data: ")))


def walk_schemas(schema: Json) -> Iterator[Json]:
    yield schema
    for name, value in schema.items():
        if name == "properties":
            children = list(cast(Json, value).values())
        elif name in ("items", "additionalProperties", "if", "else"):
            children = [value]
        else:
            children = cast(list[Any], value) if name in ("oneOf", "allOf") else []
        for child in children:
            if isinstance(child, dict):
                yield from walk_schemas(cast(Json, child))


def test_schemas_have_only_known_keywords() -> None:
    """A comma inside a description of a flow mapping would start a key."""
    for name, schema in schemas().items():
        for part in walk_schemas(schema):
            assert part.keys() <= KEYWORDS, name


def test_every_schema_is_used() -> None:
    text = contract.DOCUMENT.read_text()
    for kind, named in document()["components"].items():
        for name in named:
            if (kind, name) != ("schemas", "Error"):  # for clients: what all errors have in common
                assert f"#/components/{kind}/{name}'" in text, f"{kind}/{name}"


def test_fields_of_responses_are_always_there() -> None:
    sent = {"ConversationSpec", "TurnSpec", "TtsAudioSpec", "JudgeSpec", "ReplayCreate", "ReplayUpdate"}
    checks = {name for name in schemas() if name.endswith("Assertion")}  # their defaults are Assertion's business
    for name in schemas().keys() - sent - checks:
        schema = schemas()[name]
        absent = schema.get("properties", {}).keys() - set(schema.get("required", []))
        assert {(name, field) for field in absent} <= OPTIONAL


def test_limits_are_the_servers() -> None:
    header = (SOURCES / "base" / "limits.h").read_text()
    for macro, places in LIMITS.items():
        found = re.search(rf"^#define {macro} (?:XR_(KIB|MIB)|INT64_C)?\(?(\d+)\)?", header, re.MULTILINE)
        assert found, macro
        limit = int(found[2]) * {"KIB": 1 << 10, "MIB": 1 << 20}.get(found[1], 1)
        for place in places:
            node: Any = schemas()
            for key in place.split("/"):
                node = node[key]
            assert node == limit, (macro, place)


@pytest.mark.parametrize(
    ("schema", "file", "table"),
    [
        ("LifecycleState", "store/lifecycle.c", "STATES"),
        ("AnalysisStep", "store/lifecycle.c", "STEPS"),
        ("FailureReason", "store/lifecycle.c", "REASONS"),
        ("AssertionKind", "spec/schema.c", "ASSERTION_KINDS"),
        ("Role", "spec/schema.c", "ROLES"),
    ],
)
def test_names_are_the_servers(schema: str, file: str, table: str) -> None:
    found = re.search(rf"\b{table}\[\w*\] = \{{(.*?)\}};", (SOURCES / file).read_text(), re.DOTALL)
    assert found
    names = re.findall(r'"(\w+)"', found[1])
    assert names
    assert sorted(schemas()[schema]["enum"]) == sorted(names)
    nullable = schemas().get(f"Nullable{schema}")
    if nullable:
        assert nullable["enum"] == [*schemas()[schema]["enum"], None]


def test_error_codes_are_the_servers() -> None:
    described = set(schemas()["ErrorCode"]["enum"])
    text = http_sources()
    answered = set(re.findall(r'xr_(?:error_begin|error_issues)\(\w+, \d+, "(\w+)"', text))
    assert answered
    assert answered - described == set(), "not described"
    assert {code for code in described if f'"{code}' not in text and f'\\"{code}' not in text} == set(), "not answered"


def test_every_error_code_has_a_schema_and_a_response() -> None:
    listed = schemas()["ErrorCode"]["enum"]
    assert len(set(listed)) == len(listed)
    own = [code for schema in schemas().values() for code in codes_of(schema)]
    assert sorted(own) == sorted(listed)
    used = {
        code
        for where, response in responses()
        for content in response.get("content", {}).values()
        for code in codes_of(content["schema"])
        if " " in where  # an operation's
    }
    assert used == set(listed)
