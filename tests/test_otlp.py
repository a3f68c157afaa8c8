# SPDX-License-Identifier: Apache-2.0
"""The OTLP receiver: encodings, answers, how a span finds its replay."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import samples
from api import Api
from otlp import (
    ENCODINGS,
    JSON,
    PATHS,
    PROTOBUF,
    REPLAY_ID,
    TRACE,
    Encoding,
    Outcome,
    Resource,
    Span,
    of_replay,
    only,
    post,
    send,
    stored,
)

UNKNOWN = "00000000-0000-4000-8000-000000000000"
INT64_MAX = 2**63 - 1


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


@pytest.fixture
def replay(shared: Api, conversation: str) -> str:
    return shared.new_replay(conversation)


# --- encodings ---


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_both_encodings_on_both_paths(shared: Api, replay: str, encoding: Encoding, path: str, packed: bool) -> None:
    span = Span(name="chat gpt", attributes={"gen_ai.request.model": "m"}, parent=bytes(range(1, 9)))

    outcome = send(shared, of_replay(replay, [span]), encoding, packed=packed, path=path)

    assert outcome == Outcome(0, "")
    detail = shared.detail(replay)
    row = only(detail["spans"])
    assert row == {
        "id": row["id"],
        "trace_id": TRACE.hex(),
        "span_id": span.span_id.hex(),
        "parent_span_id": "0102030405060708",
        "name": "chat gpt",
        "vocabulary": "gen_ai",
        "started_at": "2024-01-01T00:00:00.000Z",
        "ended_at": "2024-01-01T00:00:00.050Z",
        "attributes_json": '{"gen_ai.request.model":"m"}',
        "audio_offset_ms": None,
    }
    assert only(detail["model_usage"])["model"] == "m"


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "application/json; charset=utf-8"},
        {"Content-Type": "Application/JSON"},
        {"Content-Type": "application/json", "Content-Encoding": "identity"},
        {"Content-Type": "application/json", "Content-Encoding": ""},
    ],
    ids=str,
)
def test_headers_that_are_the_same(shared: Api, replay: str, headers: dict[str, str]) -> None:
    reply = shared.http.post(PATHS[0], content=JSON.body(of_replay(replay, [Span()])), headers=headers)
    assert reply.status_code == 200
    assert reply.json() == {"partialSuccess": {"rejectedSpans": 0}}
    assert len(shared.detail(replay)["spans"]) == 1


def test_the_name_of_gzip_has_no_case(shared: Api, replay: str) -> None:
    reply = post(shared, JSON.body(of_replay(replay, [Span()])), packed=True)
    assert reply.status_code == 200
    again = dict(reply.request.headers) | {"content-encoding": "GZIP"}
    assert shared.http.post(PATHS[0], content=reply.request.content, headers=again).status_code == 200
    assert len(shared.detail(replay)["spans"]) == 1


EMPTY: list[tuple[Encoding, bytes]] = [
    (JSON, b"{}"),
    (JSON, b'{"resourceSpans":[]}'),
    (JSON, b'{"resourceSpans":null}'),
    (JSON, b'{"resourceSpans":[{}]}'),
    (JSON, b'{"resourceSpans":[{"resource":null,"scopeSpans":[{}]}],"unknown":[{}]}'),
    (PROTOBUF, b""),
    (PROTOBUF, b"\x0a\x00"),
    (PROTOBUF, b"\x0a\x02\x12\x00"),
]


@pytest.mark.parametrize(("encoding", "body"), EMPTY, ids=lambda value: repr(value)[:60])
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_an_empty_request_is_one(shared: Api, encoding: Encoding, body: bytes, packed: bool) -> None:
    reply = post(shared, body, encoding, packed=packed)
    assert reply.status_code == 200, reply.text
    assert encoding.read(reply) == Outcome(0, "")


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_span_of_nothing_but_its_name(shared: Api, replay: str, encoding: Encoding) -> None:
    span = Span(span_id=b"", trace_id=b"", start=0, end=0)
    detail = stored(shared, replay, span, encoding=encoding)
    row, usage = only(detail["spans"]), only(detail["model_usage"])
    assert (row["span_id"], row["trace_id"], row["parent_span_id"]) == ("", "", None)
    assert row["started_at"] == row["ended_at"] == "1970-01-01T00:00:00.000Z"
    assert usage["started_at"] is usage["ended_at"] is usage["audio_offset_ms"] is usage["latency_ms"] is None
    assert row["attributes_json"] == "{}"
    assert send(shared, of_replay(replay, [span]), encoding) == Outcome(0, "")
    assert len(shared.detail(replay)["spans"]) == 1


# --- what is rejected ---


NO_NAME, NO_REPLAY, NO_VOCABULARY, FULL = (
    "name no replay",
    "name a replay that",
    "are of no known",
    "are over what a",
)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_each_reason_is_counted_and_the_rest_is_stored(
    shared: Api, replay: str, encoding: Encoding, packed: bool
) -> None:
    resources = [
        Resource({}, [Span(), Span(name="nothing")]),
        Resource({REPLAY_ID: UNKNOWN}, [Span()] * 3),
        Resource({REPLAY_ID: replay}, [Span(), *[Span(name="GET /", attributes={"http.method": "GET"})] * 4]),
    ]
    outcome = send(shared, resources, encoding, packed=packed)
    assert outcome.rejected == 9
    parts = outcome.message.removeprefix("rejected: ").split("; ")
    assert [int(part.split()[0]) for part in parts] == [2, 3, 4]
    for part, wanted in zip(parts, (NO_NAME, NO_REPLAY, NO_VOCABULARY), strict=True):
        assert wanted in part
    assert len(shared.detail(replay)["spans"]) == 1


@pytest.mark.parametrize(
    ("resource", "wanted"),
    [
        (Resource({}, [Span()] * 2), NO_NAME),
        (Resource({REPLAY_ID: UNKNOWN}, [Span()] * 2), NO_REPLAY),
        (Resource({REPLAY_ID: UNKNOWN}, [Span(name="x")] * 2), NO_VOCABULARY),
    ],
    ids=["no name", "unknown", "no vocabulary"],
)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_reason_alone(shared: Api, resource: Resource, wanted: str, encoding: Encoding) -> None:
    outcome = send(shared, [resource], encoding)
    assert outcome.rejected == 2
    assert outcome.message.startswith(f"rejected: 2 {wanted}")
    assert ";" not in outcome.message


# --- how a span finds its replay ---


Names = Callable[[str], tuple[Any, Any]]
NAMED: dict[str, Names] = {
    "resource": lambda replay: (replay, None),
    "span": lambda replay: (None, replay),
    "the span wins": lambda replay: (UNKNOWN, replay),
    "an empty one on the span does not count": lambda replay: (replay, ""),
    "a number on the span does not count": lambda replay: (replay, 5),
    "a list on the span does not count": lambda replay: (replay, [UNKNOWN]),
    "upper case": lambda replay: (replay.upper(), None),
}
NOT_NAMED: dict[str, tuple[Names, str]] = {
    "nowhere": (lambda _: (None, None), NO_NAME),
    "an unknown one on the span wins": (lambda replay: (replay, UNKNOWN), NO_REPLAY),
    "what is no uuid on the span wins": (lambda replay: (replay, "x"), NO_NAME),
    "what is no uuid": (lambda _: ("replay-1", None), NO_NAME),
    "empty": (lambda _: ("", None), NO_NAME),
    "a boolean": (lambda _: (True, None), NO_NAME),
    "bytes": (lambda _: (5.5, None), NO_NAME),
    "with a space": (lambda replay: (replay + " ", None), NO_NAME),
    "without dashes": (lambda replay: (replay.replace("-", ""), None), NO_NAME),
}


def named(names: tuple[Any, Any]) -> Resource:
    of_resource, of_span = names
    attributes = {} if of_span is None else {REPLAY_ID: of_span}
    return Resource({} if of_resource is None else {REPLAY_ID: of_resource}, [Span(attributes=attributes)])


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("case", NAMED)
def test_a_replay_is_found(shared: Api, replay: str, case: str, encoding: Encoding) -> None:
    assert send(shared, [named(NAMED[case](replay))], encoding) == Outcome(0, "")
    assert len(shared.detail(replay)["spans"]) == 1


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("case", NOT_NAMED)
def test_a_replay_is_not_found(shared: Api, replay: str, case: str, encoding: Encoding) -> None:
    names, reason = NOT_NAMED[case]
    outcome = send(shared, [named(names(replay))], encoding)
    assert outcome.rejected == 1
    assert f"1 {reason}" in outcome.message
    assert shared.detail(replay)["spans"] == []


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_one_request_for_many_replays(shared: Api, conversation: str, encoding: Encoding) -> None:
    replays = [shared.new_replay(conversation) for _ in range(3)]
    spans = [Span(attributes={REPLAY_ID: replays[i % 3]}, name=f"chat {i}") for i in range(9)]
    assert send(shared, [Resource({REPLAY_ID: UNKNOWN}, spans)], encoding) == Outcome(0, "")
    for i, replay in enumerate(replays):
        assert [row["name"] for row in shared.detail(replay)["spans"]] == [f"chat {k}" for k in range(i, 9, 3)]
