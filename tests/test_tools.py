# SPDX-License-Identifier: Apache-2.0
"""Checks on tool calls and model calls, which come as spans over OTLP."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

import samples
from api import Api, Json
from otlp import ENCODINGS, MS, Encoding, Outcome, Span, of_replay, send

ANCHOR = "2024-01-01T00:00:00.5Z"
ANCHOR_NS = int(datetime.fromisoformat(ANCHOR).timestamp() * 1000) * MS
# samples.recording(): the user from 300 to 800 ms, the agent from 1300 to 1800 ms; so the agent's window is from the
# end of the one to the end of the other.
INSIDE_MS, BEFORE_MS, AFTER_MS = 1200, 500, 2100


@dataclass(frozen=True)
class Tool:
    name: str
    at_ms: int | None
    args: Any = None


@dataclass(frozen=True)
class Model:
    at_ms: int
    ttft_ms: int | None


def attributes_of(row: Tool | Model) -> Iterator[tuple[str, Any]]:
    if isinstance(row, Tool):
        yield "gen_ai.tool.name", row.name
        yield "gen_ai.tool.call.result", '{"ok": true}'
        if row.args is not None:
            yield "gen_ai.tool.call.arguments", json.dumps(row.args)
    else:
        yield "gen_ai.provider.name", "p"
        yield "gen_ai.request.model", "m"
        yield "gen_ai.usage.input_tokens", 12
        if row.ttft_ms is not None:
            yield "gen_ai.response.time_to_first_chunk", row.ttft_ms / 1000


def span_of(n: int, row: Tool | Model) -> Span:
    """Its id is n. Without a time it is a span whose sender gave none."""
    start = 0 if row.at_ms is None else ANCHOR_NS + row.at_ms * MS
    name = "execute_tool" if isinstance(row, Tool) else "chat"
    attributes = dict(attributes_of(row))
    return Span(name=name, span_id=n.to_bytes(8, "big"), start=start, end=start + 50 * MS, attributes=attributes)


def run(api: Api, case: tuple[Json, list[Tool | Model]], anchor: str | None, encoding: Encoding) -> Json:
    """The detail of a replay, with its result as `result`; the assertion stands on the agent's turn."""
    assertion, rows = case
    replay = api.new_replay(api.new_conversation(samples.spec(assertion)))
    assert api.upload(replay, samples.recording(), started_at=anchor).status_code == 200
    spans = [span_of(n, row) for n, row in enumerate(rows)]
    assert send(api, of_replay(replay, spans), encoding) == Outcome(0, "")
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    return api.detail(replay) | {"result": api.verdict(replay)["result"]}


NAME, ARGS = {"kind": "tool_called", "name": "book"}, {"kind": "tool_args_match", "name": "book"}
NOT, TTFT = {"kind": "tool_not_called", "name": "book"}, {"kind": "max_ttft_ms", "max_ms": 300}
FULL = {"a": 1, "b": [1, {"c": None, "d": 2.0}], "e": "x\u2028\x00", "big": 9007199254740993}
CASES: dict[str, tuple[Json, list[Tool | Model], str]] = {
    "called": (NAME, [Tool("book", INSIDE_MS)], "passed"),
    "called with other ones": (NAME, [Tool("a", INSIDE_MS), Tool("book", INSIDE_MS), Tool("b", INSIDE_MS)], "passed"),
    "another one called": (NAME, [Tool("Book", INSIDE_MS)], "failed"),
    "called in the user's turn": (NAME, [Tool("book", BEFORE_MS)], "failed"),
    "called after the turn": (NAME, [Tool("book", AFTER_MS)], "failed"),
    "called at no time": (NAME, [Tool("book", None)], "failed"),
    "not called at all": (NAME, [], "failed"),
    "rightly not called": (NOT, [Tool("other", INSIDE_MS), Tool("book", BEFORE_MS)], "passed"),
    "wrongly called": (NOT, [Tool("book", INSIDE_MS)], "failed"),
    "any arguments": (ARGS | {"args": {}}, [Tool("book", INSIDE_MS, {"a": 1})], "passed"),
    "a subset": (ARGS | {"args": {"a": 1}}, [Tool("book", INSIDE_MS, FULL)], "passed"),
    "all of them": (ARGS | {"args": FULL}, [Tool("book", INSIDE_MS, FULL)], "passed"),
    "2 is 2.0": (ARGS | {"args": {"a": 2}}, [Tool("book", INSIDE_MS, {"a": 2.0})], "passed"),
    "equal as doubles": (
        ARGS | {"args": {"big": 9007199254740992}},
        [Tool("book", INSIDE_MS, {"big": 9007199254740993})],
        "passed",
    ),
    "1 is not '1'": (ARGS | {"args": {"a": 1}}, [Tool("book", INSIDE_MS, {"a": "1"})], "failed"),
    "1 is not true": (ARGS | {"args": {"a": 1}}, [Tool("book", INSIDE_MS, {"a": True})], "failed"),
    "null is not absent": (ARGS | {"args": {"a": None}}, [Tool("book", INSIDE_MS, {})], "failed"),
    "a longer array": (ARGS | {"args": {"b": [1]}}, [Tool("book", INSIDE_MS, {"b": [1, 2]})], "failed"),
    "a subset inside an array": (
        ARGS | {"args": {"b": [1, {"d": 2}]}},
        [Tool("book", INSIDE_MS, FULL)],
        "passed",
    ),
    "the second call has them": (
        ARGS | {"args": {"a": 1}},
        [Tool("book", INSIDE_MS, {"a": 0}), Tool("book", INSIDE_MS, {"a": 1})],
        "passed",
    ),
    "no arguments": (ARGS | {"args": {"a": 1}}, [Tool("book", INSIDE_MS)], "failed"),
    "in time": (TTFT, [Model(INSIDE_MS, 300)], "passed"),
    "too late": (TTFT, [Model(INSIDE_MS, 301)], "failed"),
    "the earliest counts": (TTFT, [Model(INSIDE_MS, 900), Model(INSIDE_MS - 100, 200)], "passed"),
    "without a time it does not": (TTFT, [Model(INSIDE_MS, 200), Model(INSIDE_MS - 100, None)], "passed"),
    "no model call": (TTFT, [Model(BEFORE_MS, 100), Model(AFTER_MS, 100)], "errored"),
    "none carried it": (TTFT, [Model(INSIDE_MS, None)], "errored"),
}


@pytest.fixture(params=ENCODINGS, ids=str)
def encoding(request: pytest.FixtureRequest) -> Encoding:
    return request.param


@pytest.mark.parametrize("case", CASES)
def test_tools_and_models(shared: Api, case: str, encoding: Encoding) -> None:
    assertion, rows, status = CASES[case]
    (row,) = run(shared, (assertion, rows), ANCHOR, encoding)["result"]["assertions"]
    assert row["status"] == status
    assert (row["message"] is None) == (status == "passed")


def test_messages_say_what_was_missing(shared: Api, encoding: Encoding) -> None:
    found = {case: run(shared, CASES[case][:2], ANCHOR, encoding) for case in ("no model call", "none carried it")}
    messages = {detail["result"]["assertions"][0]["message"] for detail in found.values()}
    assert len(messages) == 2
    late = run(shared, CASES["too late"][:2], ANCHOR, encoding)
    assert "301" in late["result"]["assertions"][0]["message"]


KINDS: list[Json] = [NAME, NOT, ARGS | {"args": {}}, TTFT]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind["kind"])
def test_without_an_anchor_nothing_can_be_placed(shared: Api, encoding: Encoding, kind: Json) -> None:
    detail = run(shared, (kind, [Tool("book", INSIDE_MS), Model(INSIDE_MS, 1)]), None, encoding)
    (row,) = detail["result"]["assertions"]
    assert row["status"] == "errored"
    assert row["message"]
    assert detail["tool_calls"][0]["audio_offset_ms"] is None


@pytest.fixture
def detail(shared: Api, encoding: Encoding) -> Json:
    rows: list[Tool | Model] = [Tool("b", AFTER_MS, FULL), Tool("a", INSIDE_MS), Tool("c", None), Model(INSIDE_MS, 42)]
    return run(shared, (NAME, rows), ANCHOR, encoding)


def test_their_rows_are_shown(detail: Json) -> None:
    by_name = {row["name"]: row for row in detail["tool_calls"]}
    assert by_name["a"] == {
        "id": by_name["a"]["id"],
        "audio_offset_ms": INSIDE_MS,
        "span_id": f"{1:016x}",
        "name": "a",
        "args_json": None,
        "result_json": '{"ok":true}',
        "started_at": "2024-01-01T00:00:01.700Z",
        "ended_at": "2024-01-01T00:00:01.750Z",
        "latency_ms": 50,
    }
    assert json.loads(by_name["b"]["args_json"]) == FULL
    assert by_name["c"]["started_at"] is by_name["c"]["audio_offset_ms"] is None
    (usage,) = detail["model_usage"]
    assert usage == {
        "id": usage["id"],
        "audio_offset_ms": INSIDE_MS,
        "span_id": f"{3:016x}",
        "provider": "p",
        "model": "m",
        "input_tokens": 12,
        "output_tokens": None,
        "total_tokens": 12,
        "ttft_ms": 42,
        "started_at": "2024-01-01T00:00:01.700Z",
        "ended_at": "2024-01-01T00:00:01.750Z",
        "latency_ms": 50,
    }
