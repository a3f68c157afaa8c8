# SPDX-License-Identifier: Apache-2.0
"""What of a span comes back: ids, times, attributes."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

import samples
from api import Api, Json
from otlp import (
    ENCODINGS,
    PROTOBUF,
    REPLAY_ID,
    START_NS,
    TRACE,
    Encoding,
    Outcome,
    Span,
    json_request,
    json_span,
    kept,
    of_replay,
    only,
    send_bytes,
    send_json,
    stored,
)
from volume import query
from xrayd_process import Xrayd

INT64_MAX = 2**63 - 1


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


@pytest.fixture
def replay(shared: Api, conversation: str) -> str:
    return shared.new_replay(conversation)


# --- ids ---


def ids_of(shared: Api, replay: str, **ids: Any) -> Json:
    """The row of a JSON span with these ids as they are."""
    assert send_json(shared, json_request({REPLAY_ID: replay}, [json_span(Span()) | ids])) == Outcome(0, "")
    return only(shared.detail(replay)["spans"])


EIGHT, SIXTEEN = bytes.fromhex("eee19b7ec3c1bfff"), TRACE
SPELLINGS: dict[str, Callable[[bytes], str]] = {
    "lower-case hex": bytes.hex,
    "upper-case hex": lambda value: value.hex().upper(),
    "base64": lambda value: base64.b64encode(value).decode(),
    "base64 without padding": lambda value: base64.b64encode(value).decode().rstrip("="),
}


@pytest.mark.parametrize("case", SPELLINGS)
def test_ids_of_the_right_length_become_bytes(shared: Api, shared_server: Xrayd, replay: str, case: str) -> None:
    spell = SPELLINGS[case]
    row = ids_of(shared, replay, spanId=spell(EIGHT), traceId=spell(SIXTEEN), parentSpanId=spell(EIGHT))
    assert (row["span_id"], row["trace_id"], row["parent_span_id"]) == (EIGHT.hex(), SIXTEEN.hex(), EIGHT.hex())
    sql = "SELECT span_id, trace_id, parent_span_id FROM spans WHERE id = ?"
    assert query(shared_server.data_dir, sql, row["id"]) == [(EIGHT, SIXTEEN, EIGHT)]


def test_one_id_in_every_spelling_is_one_span(shared: Api, replay: str) -> None:
    spans = [json_span(Span()) | {"spanId": spell(EIGHT)} for spell in SPELLINGS.values()]
    assert send_json(shared, json_request({REPLAY_ID: replay}, spans)) == Outcome(0, "")
    detail = stored(shared, replay, Span(span_id=EIGHT))
    assert only(detail["spans"])["span_id"] == EIGHT.hex()
    assert len(detail["model_usage"]) == 1


@pytest.mark.parametrize("text", ["a", "abc", EIGHT.hex()[:-1], EIGHT.hex() + "0", "not hex at all!!", "\u00e9\u2028"])
def test_other_ids_are_kept_as_they_came(shared: Api, shared_server: Xrayd, replay: str, text: str) -> None:
    row = ids_of(shared, replay, spanId=text, traceId=text, parentSpanId=text)
    assert (row["span_id"], row["trace_id"], row["parent_span_id"]) == (text, text, text)
    sql = "SELECT span_id, trace_id, parent_span_id FROM spans WHERE id = ?"
    assert query(shared_server.data_dir, sql, row["id"]) == [(text, text, text)]
    ids_of(shared, replay, spanId=text)  # again: no second one


def test_bytes_of_another_length_are_hex(shared: Api, replay: str) -> None:
    row = only(stored(shared, replay, Span(span_id=b"\x01\xab\xff", trace_id=bytes(17), parent=b"\xfe"))["spans"])
    assert (row["span_id"], row["trace_id"], row["parent_span_id"]) == ("01abff", "00" * 17, "fe")


@pytest.mark.parametrize("ids", [{"parentSpanId": ""}, {"parentSpanId": None}, {"parentSpanId": "0" * 16}], ids=str)
def test_no_parent(shared: Api, replay: str, ids: Json) -> None:
    assert ids_of(shared, replay, **ids)["parent_span_id"] is None


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_an_absent_parent(shared: Api, replay: str, encoding: Encoding) -> None:
    assert only(stored(shared, replay, Span(), encoding=encoding)["spans"])["parent_span_id"] is None


# --- times ---


def times_in(server: Xrayd, replay: str) -> list[tuple[int, int]]:
    sql = (
        "SELECT s.started_at, s.ended_at FROM spans s JOIN replays r ON r.id = replay_id WHERE r.uuid = ? ORDER BY s.id"
    )
    return [(start, end) for start, end in query(server.data_dir, sql, uuid.UUID(replay).bytes)]


JSON_TIMES: list[tuple[Any, int]] = [
    ("1704067200123456789", 1704067200123456789),
    (1704067200123456789, 1704067200123456789),
    ("1", 1),
    (1.5e18, 1_500_000_000_000_000_000),
    (0, 0),
    (-5, 0),
    ("-5", 0),
    ("", 0),
    ("soon", 0),
    ("0x10", 0),
    (None, 0),
    ([1], 0),
    (True, 0),
    (str(INT64_MAX), INT64_MAX),
    (str(INT64_MAX + 1), INT64_MAX),
    (str(2**64), INT64_MAX),
    ("9" * 400, INT64_MAX),
    ("NaN", 0),
    ("Infinity", INT64_MAX),
]


@pytest.mark.parametrize(("given", "kept_as"), JSON_TIMES, ids=lambda value: str(value)[:24])
def test_json_times(shared: Api, shared_server: Xrayd, replay: str, given: Any, kept_as: int) -> None:
    span = json_span(Span()) | {"startTimeUnixNano": given, "endTimeUnixNano": given}
    assert send_json(shared, json_request({REPLAY_ID: replay}, [span])) == Outcome(0, "")
    assert times_in(shared_server, replay) == [(kept_as, kept_as)]
    assert only(shared.detail(replay)["model_usage"])["latency_ms"] == (0 if kept_as else None)


def test_protobuf_times(shared: Api, shared_server: Xrayd, replay: str) -> None:
    times = [1704067200123456789, 1, INT64_MAX, INT64_MAX + 1, 2**64 - 1]
    detail = stored(shared, replay, *[Span(start=at, end=at) for at in times])
    assert times_in(shared_server, replay) == [(min(at, INT64_MAX),) * 2 for at in times]
    assert detail["spans"][-1]["started_at"] == "2262-04-11T23:47:16.854Z"


@pytest.mark.parametrize(
    ("end", "latency"),
    [
        (START_NS + 1_999_999, 1),
        (START_NS, 0),
        (START_NS - 1, None),
        (0, None),
        (INT64_MAX, (INT64_MAX - START_NS) // 1_000_000),
    ],
)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_latency(shared: Api, replay: str, end: int, latency: int | None, encoding: Encoding) -> None:
    spans = (Span(end=end), Span(name="execute_tool t", end=end))
    detail = stored(shared, replay, *spans, encoding=encoding)
    assert only(detail["model_usage"])["latency_ms"] == latency
    assert only(detail["tool_calls"])["latency_ms"] == latency


def test_spans_are_sorted_by_their_start(shared: Api, replay: str) -> None:
    spans = [Span(start=START_NS + at, name=f"chat {at}") for at in (5, 3, 9, 3, 1)]
    names = [row["name"] for row in stored(shared, replay, *spans)["spans"]]
    assert names == ["chat 1", "chat 3", "chat 3", "chat 5", "chat 9"]


# --- values ---

VALUES: dict[str, Any] = {
    "gen_ai.string": "x",
    "gen_ai.empty": "",
    "gen_ai.int": -(2**63),
    "gen_ai.double": 0.1,
    "gen_ai.whole": 2.0,
    "gen_ai.bool": False,
    "gen_ai.list": ["a", 1, 1.5, True, None, [], {}],
    "gen_ai.object": {"a": {"b": ["c"]}, "": 1, "empty": {}},
    "gen_ai.text": '\u2028\u0000\x7f\u0085"\\/\U0001f600\u00e9\n',
    'gen_ai.k\u2029\u0000"': "a strange key",
}


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_values_come_back(shared: Api, replay: str, encoding: Encoding) -> None:
    strange = 'chat \u2028\u0000\x7f\u0085"\\\U0001f600'
    span = Span(name=strange, attributes=VALUES | {"gen_ai.bytes": b"\x00\xff\xfe", "gen_ai.nothing": None})
    row = only(stored(shared, replay, span, encoding=encoding)["spans"])
    assert row["name"] == strange
    found = kept(row)
    assert found == VALUES | {"gen_ai.bytes": "AP/+"}
    assert isinstance(found["gen_ai.double"], float)
    assert found["gen_ai.bool"] is False


def test_numbers_json_cannot_hold_cost_their_attribute(shared: Api, replay: str) -> None:
    bad = {f"gen_ai.{value}": value for value in (float("nan"), float("inf"), float("-inf"))}
    assert kept(only(stored(shared, replay, Span(attributes=bad | {"gen_ai.x": 1}))["spans"])) == {"gen_ai.x": 1}


LENIENT: list[tuple[str, Any]] = [
    ('{"intValue":5}', 5),
    ('{"intValue":"-7"}', -7),
    ('{"int_value":"9223372036854775807"}', INT64_MAX),
    ('{"intValue":"9223372036854775808"}', None),
    ('{"doubleValue":"1.5"}', 1.5),
    ('{"doubleValue":"NaN"}', None),
    ('{"doubleValue":"-Infinity"}', None),
    ('{"doubleValue":1e400}', None),
    ('{"string_value":"s"}', "s"),
    ('{"stringValue":5}', None),
    ('{"bytesValue":"AP_-"}', "AP/+"),
    ('{"arrayValue":{"values":[{"stringValue":"a"}]}}', ["a"]),
    ('{"array_value":{}}', []),
    ('{"kvlistValue":{"values":[{"key":"k","value":{"intValue":"1"}}]}}', {"k": 1}),
    ('{"stringValue":"\\ud800 alone \\udc00"}', "\ufffd alone \ufffd"),
    ('{"stringValue":"\\ud83d\\ude00"}', "\U0001f600"),
    ("{}", None),
    ("null", None),
    ('{"stringValue":null}', None),
    ('{"somethingNew":{"a":[1]}}', None),
]


@pytest.mark.parametrize(("text", "value"), LENIENT)
def test_lenient_json_values(shared: Api, replay: str, text: str, value: Any) -> None:
    request = json.dumps(json_request({REPLAY_ID: replay}, [json_span(Span(attributes={"gen_ai.x": "HERE"}))]))
    assert send_json(shared, request.replace('{"stringValue": "HERE"}', text).encode()) == Outcome(0, "")
    assert kept(only(shared.detail(replay)["spans"])).get("gen_ai.x") == value


def test_names_of_generic_printers(shared: Api, replay: str) -> None:
    """snake_case, enums by name, fields that nobody knows."""
    span = {
        "trace_id": base64.b64encode(SIXTEEN).decode(),
        "span_id": base64.b64encode(EIGHT).decode(),
        "parent_span_id": "",
        "name": "chat",
        "kind": "SPAN_KIND_INTERNAL",
        "status": {"code": "STATUS_CODE_ERROR"},
        "start_time_unix_nano": str(START_NS),
        "end_time_unix_nano": str(START_NS),
        "flags": 257,
        "events": [{"name": "e"}],
        "of_tomorrow": {"a": [None]},
        "attributes": [{"key": "gen_ai.system", "value": {"string_value": "s"}}],
    }
    resource = {"attributes": [{"key": REPLAY_ID, "value": {"string_value": replay}}]}
    request = {"resource_spans": [{"resource": resource, "scope_spans": [{"scope": {"name": "s"}, "spans": [span]}]}]}
    assert send_json(shared, request) == Outcome(0, "")
    row = only(shared.detail(replay)["spans"])
    assert (row["trace_id"], row["span_id"]) == (SIXTEEN.hex(), EIGHT.hex())
    assert kept(row) == {"gen_ai.system": "s"}


def test_invalid_utf8_in_protobuf_becomes_a_replacement_character(shared: Api, replay: str) -> None:
    body = PROTOBUF.body(of_replay(replay, [Span(name="chat XX", attributes={"gen_ai.a": "XX"})]))
    assert send_bytes(shared, body.replace(b"XX", b"\xff\xc3")) == Outcome(0, "")
    row = only(shared.detail(replay)["spans"])
    assert row["name"] == "chat \ufffd\ufffd"
    assert kept(row) == {"gen_ai.a": "\ufffd\ufffd"}


def test_of_a_key_that_comes_twice_the_last_counts(shared: Api, replay: str) -> None:
    span = json_span(Span(attributes={"gen_ai.a": 1, "gen_ai.b": 2}))
    span["attributes"] += json_span(Span(attributes={"gen_ai.a": 3}))["attributes"]
    assert send_json(shared, json_request({REPLAY_ID: replay}, [span])) == Outcome(0, "")
    assert only(shared.detail(replay)["spans"])["attributes_json"] == '{"gen_ai.a":3,"gen_ai.b":2}'
