# SPDX-License-Identifier: Apache-2.0
"""Checks on tool calls and model calls. Their rows are put into the file of a stopped server, between upload and
analysis, because the receiver of spans is another part."""

from __future__ import annotations

import json
import sqlite3
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pytest

import samples
from api import Api, Json
from conftest import BUILT_IN, StartServer
from volume import opened

ANCHOR = "2024-01-01T00:00:00.5Z"
ANCHOR_NS = int(datetime.fromisoformat(ANCHOR).timestamp() * 1000) * 1_000_000
MS = 1_000_000
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


def at_ns(at_ms: int | None) -> int | None:
    return None if at_ms is None else ANCHOR_NS + at_ms * MS


def insert(db: sqlite3.Connection, replay: str, rows: list[Tool | Model]) -> None:
    (key,) = db.execute("SELECT id FROM replays WHERE uuid = ?", (uuid.UUID(replay).bytes,)).fetchone()
    for row in rows:
        start = at_ns(row.at_ms)
        end = None if start is None else start + 50 * MS
        if isinstance(row, Tool):
            args = None if row.args is None else json.dumps(row.args)
            db.execute(
                "INSERT INTO tool_calls (replay_id, span_id, started_at, ended_at, name, args_json, result_json)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, bytes(8), start, end, row.name, args, '{"ok":true}'),
            )
        else:
            db.execute(
                "INSERT INTO model_usage (replay_id, started_at, ended_at, input_tokens, ttft_ms, provider, model)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                (key, start, end, 12, row.ttft_ms, "p", "m"),
            )


def run(start_server: StartServer, cases: list[tuple[Json, list[Tool | Model]]], anchor: str | None) -> list[Json]:
    """The details of one replay a case, each with its result as `result`; each assertion stands on the agent's turn."""
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        conversations = [api.new_conversation(samples.spec(assertion)) for assertion, _ in cases]
        replays = [api.new_replay(conversation) for conversation in conversations]
        for replay in replays:
            assert api.upload(replay, samples.recording(), started_at=anchor).status_code == 200
    assert server.stop() == 0
    with opened(server.data_dir, write=True) as db:
        for replay, (_, rows) in zip(replays, cases, strict=True):
            insert(db, replay, rows)
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        for replay in replays:
            assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
        results = [api.verdict(replay)["result"] for replay in replays]
        return [api.detail(replay) | {"result": result} for replay, result in zip(replays, results, strict=True)]


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


def test_tools_and_models(start_server: StartServer) -> None:
    details = run(start_server, [(assertion, rows) for assertion, rows, _ in CASES.values()], ANCHOR)
    found = {case: detail["result"]["assertions"][0]["status"] for case, detail in zip(CASES, details, strict=True)}
    assert found == {case: status for case, (_, _, status) in CASES.items()}
    for detail in details:
        row = detail["result"]["assertions"][0]
        assert (row["message"] is None) == (row["status"] == "passed")
    messages = {case: detail["result"]["assertions"][0]["message"] for case, detail in zip(CASES, details, strict=True)}
    assert messages["no model call"] != messages["none carried it"]
    assert "301" in messages["too late"]


def test_without_an_anchor_nothing_can_be_placed(start_server: StartServer) -> None:
    kinds: list[Json] = [NAME, NOT, ARGS | {"args": {}}, TTFT]
    details = run(start_server, [(kind, [Tool("book", INSIDE_MS), Model(INSIDE_MS, 1)]) for kind in kinds], None)
    for detail in details:
        (row,) = detail["result"]["assertions"]
        assert row["status"] == "errored"
        assert row["message"]
        assert detail["tool_calls"][0]["audio_offset_ms"] is None


@pytest.fixture
def detail(start_server: StartServer) -> Json:
    rows: list[Tool | Model] = [Tool("b", AFTER_MS, FULL), Tool("a", INSIDE_MS), Tool("c", None), Model(INSIDE_MS, 42)]
    return run(start_server, [(NAME, rows)], ANCHOR)[0]


def test_their_rows_are_shown(detail: Json) -> None:
    by_name = {row["name"]: row for row in detail["tool_calls"]}
    assert by_name["a"] == {
        "id": by_name["a"]["id"],
        "audio_offset_ms": INSIDE_MS,
        "span_id": "0" * 16,
        "name": "a",
        "args_json": None,
        "result_json": '{"ok":true}',
        "started_at": "2024-01-01T00:00:01.700Z",
        "ended_at": "2024-01-01T00:00:01.750Z",
        "latency_ms": 50,
    }
    assert json.loads(by_name["b"]["args_json"]) == FULL
    assert [by_name["c"][field] for field in ("started_at", "ended_at", "latency_ms", "audio_offset_ms")] == [None] * 4
    (usage,) = detail["model_usage"]
    assert usage == {
        "id": usage["id"],
        "audio_offset_ms": INSIDE_MS,
        "span_id": None,
        "provider": "p",
        "model": "m",
        "input_tokens": 12,
        "output_tokens": None,
        "total_tokens": None,
        "ttft_ms": 42,
        "started_at": "2024-01-01T00:00:01.700Z",
        "ended_at": "2024-01-01T00:00:01.750Z",
        "latency_ms": 50,
    }
