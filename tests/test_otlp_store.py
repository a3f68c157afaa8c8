# SPDX-License-Identifier: Apache-2.0
"""Spans once they are stored: where they lie in the recording, repeats, limits when many connections send at once."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from threading import Barrier

import pytest

import samples
from api import Api, Json
from otlp import (
    ENCODINGS,
    JSON,
    MS,
    PROTOBUF,
    REPLAY_ID,
    REPLAY_SPANS_MAX,
    Encoding,
    Outcome,
    Span,
    json_request,
    json_span,
    of_replay,
    only,
    send,
    send_json,
    stored,
)
from volume import query
from xrayd_process import Xrayd

ANCHOR = "2024-01-01T00:00:00.5Z"
ANCHOR_NS = int(datetime.fromisoformat(ANCHOR).timestamp() * 1000) * MS
TOOL = {"kind": "tool_called", "name": "book"}


def call_at(ns: int, name: str = "book") -> Span:
    """A tool call that begins so long after the recording."""
    return Span(name=f"execute_tool {name}", start=ANCHOR_NS + ns, end=ANCHOR_NS + ns + 10 * MS)


def upload(api: Api, replay: str, anchor: str | None = ANCHOR) -> None:
    assert api.upload(replay, samples.recording(), started_at=anchor).status_code == 200


def analyze(api: Api, replay: str) -> list[str]:
    """The statuses of the assertions."""
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    return [row["status"] for row in api.verdict(replay)["result"]["assertions"]]


def offsets(detail: Json) -> set[int | None]:
    rows = [row for kind in ("spans", "tool_calls", "model_usage") for row in detail[kind]]
    return {row["audio_offset_ms"] for row in rows}


# --- in the recording ---


@pytest.mark.parametrize(
    ("ns", "ms"), [(0, 0), (1_999_999, 1), (-1, -1), (-MS, -1), (-1_000_001, -2), (10**18, 10**12)]
)
def test_offsets_are_from_the_recordings_start(shared: Api, ns: int, ms: int) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    before = stored(shared, replay, call_at(ns))
    assert offsets(before) == {None}
    upload(shared, replay)
    assert offsets(shared.detail(replay)) == {ms}


def test_without_an_anchor_there_is_no_offset(shared: Api) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    upload(shared, replay, None)
    assert offsets(stored(shared, replay, call_at(0), Span())) == {None}


def test_windows_tile_and_their_end_is_not_in_them(shared: Api, shared_server: Xrayd) -> None:
    probe = shared.new_replay(shared.new_conversation(samples.SPEC))
    upload(shared, probe)
    analyze(shared, probe)
    sql = "SELECT voice_end_ns FROM replay_turns t JOIN replays r ON r.id = replay_id WHERE r.uuid = ? ORDER BY idx"
    (user_end,), (agent_end,) = query(shared_server.data_dir, sql, uuid.UUID(probe).bytes)

    turns = [{"role": role, "assertions": [TOOL, {"kind": "max_ttft_ms", "max_ms": 1}]} for role in ("user", "agent")]
    conversation = shared.new_conversation({"name": "windows", "turns": turns})
    cases = {-1: None, 0: 0, user_end - 1: 0, user_end: 1, agent_end - 1: 1, agent_end: None}
    for at_ns, turn in cases.items():
        replay = shared.new_replay(conversation)
        stored(shared, replay, call_at(at_ns))
        upload(shared, replay)
        statuses = analyze(shared, replay)
        assert [status == "passed" for status in statuses[::2]] == [turn == 0, turn == 1], at_ns
        assert statuses[1::2] == ["errored", "errored"]


def test_spans_before_the_upload_after_it_and_after_the_verdict(shared: Api) -> None:
    conversation = shared.new_conversation(samples.spec(TOOL, {"kind": "tool_not_called", "name": "late"}))
    replay = shared.new_replay(conversation)
    stored(shared, replay, call_at(1200 * MS))
    upload(shared, replay)
    stored(shared, replay, call_at(1201 * MS, "other"))
    assert analyze(shared, replay) == ["passed", "passed"]
    result = shared.http.get(f"/v1/replays/{replay}/result").content

    detail = stored(shared, replay, call_at(1202 * MS, "late"))
    assert [row["name"] for row in detail["tool_calls"]] == ["book", "other", "late"]
    assert [row["audio_offset_ms"] for row in detail["tool_calls"]] == [1200, 1201, 1202]
    assert detail["lifecycle_state"] == "completed"
    assert shared.http.get(f"/v1/replays/{replay}/result").content == result


def test_a_failed_replay_takes_spans_and_stays_failed(shared: Api) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    change = {"lifecycle_state": "failed", "failure_reason": "driver_aborted"}
    assert shared.http.patch(f"/v1/replays/{replay}", json=change).status_code == 200
    before = shared.detail(replay)
    detail = stored(shared, replay, call_at(0))
    assert len(detail["tool_calls"]) == 1
    changed = {key for key in before if detail[key] != before[key]}
    assert changed == {"spans", "tool_calls"}


def test_an_etag_changes_with_spans(shared: Api) -> None:
    """A client that asks whether a detail is still the same must not be told so when spans have come."""
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    upload(shared, replay)
    analyze(shared, replay)
    path = f"/v1/replays/{replay}"
    tag = shared.http.get(path).headers.get("ETag", '"none"')
    stored(shared, replay, Span())
    reply = shared.http.get(path, headers={"If-None-Match": tag})
    assert reply.status_code == 200
    assert len(reply.json()["spans"]) == 1


# --- once each ---


def batch(count: int = 20) -> list[Span]:
    return [Span(name=("execute_tool t", "chat", "xray.turn")[n % 3]) for n in range(count)]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_batch_sent_again_changes_nothing(shared: Api, encoding: Encoding) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    spans = batch()
    first = stored(shared, replay, *spans, encoding=encoding)
    for again in ENCODINGS:  # the other encoding is the same span too
        assert stored(shared, replay, *spans, encoding=again) == first
    assert stored(shared, replay, *spans, *spans, encoding=encoding) == first
    other = [Span(name="chat other", span_id=span.span_id, start=1) for span in spans]
    assert stored(shared, replay, *other, encoding=encoding) == first  # the first one counts


def test_twice_in_one_request_is_once(shared: Api) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    span = Span(name="execute_tool t")
    detail = stored(shared, replay, *[span] * 50)
    assert only(detail["spans"])["span_id"] == only(detail["tool_calls"])["span_id"]


def both(first: Callable[[], Outcome], second: Callable[[], Outcome]) -> list[Outcome]:
    """Both at once."""
    barrier = Barrier(2)

    def run(call: Callable[[], Outcome]) -> Outcome:
        barrier.wait()
        return call()

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(run, [first, second]))


@pytest.mark.concurrent
def test_one_batch_by_two_exporters_at_once(shared_server: Xrayd, shared: Api) -> None:
    conversation = shared.new_conversation(samples.SPEC)
    with Api(shared_server.url) as left, Api(shared_server.url) as right:
        for n in range(50):
            replay = shared.new_replay(conversation)
            spans = batch(30 if n % 2 else 300)  # inline, or on a decode thread
            outcomes = both(
                lambda replay=replay, spans=spans: send(left, of_replay(replay, spans), JSON),
                lambda replay=replay, spans=spans: send(right, of_replay(replay, spans), PROTOBUF),
            )
            assert outcomes == [Outcome(0, "")] * 2
            counts = "SELECT t.spans, (SELECT count(*) FROM spans s WHERE s.replay_id = r.id), (SELECT count(*) FROM"
            counts += " tool_calls c WHERE c.replay_id = r.id) FROM replays r JOIN span_totals t ON t.replay_id = r.id"
            ((total, rows, calls),) = query(
                shared_server.data_dir, counts + " WHERE r.uuid = ?", uuid.UUID(replay).bytes
            )
            assert (total, rows, calls) == (len(spans), len(spans), (len(spans) + 2) // 3)


@pytest.mark.concurrent
def test_the_cap_holds_when_eight_connections_race(shared_server: Xrayd, shared: Api) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC))
    batches = [[Span() for _ in range(500)] for _ in range(16)]
    bodies = [(encoding, batch) for batch in batches for encoding in (ENCODINGS[batches.index(batch) % 2],)]
    barrier = Barrier(8)

    def work(n: int) -> list[Outcome]:
        with Api(shared_server.url, checked=False) as api:
            barrier.wait()
            return [send(api, of_replay(replay, batch), encoding) for encoding, batch in bodies[n::8]]

    with ThreadPoolExecutor(8) as pool:
        outcomes = [outcome for outcomes in pool.map(work, range(8)) for outcome in outcomes]
    rejected = sum(outcome.rejected for outcome in outcomes)
    assert rejected == 16 * 500 - REPLAY_SPANS_MAX
    sql = "SELECT count(*) FROM spans WHERE replay_id = (SELECT id FROM replays WHERE uuid = ?)"
    assert query(shared_server.data_dir, sql, uuid.UUID(replay).bytes) == [(REPLAY_SPANS_MAX,)]
    for encoding, spans in bodies[:2]:  # what is stored is a repeat, what was rejected is so again
        again = send(shared, of_replay(replay, spans), encoding)
        assert again in outcomes


def test_a_span_without_a_replay_costs_the_others_nothing(shared: Api) -> None:
    """Runs of spans of several replays, known and not, in one request."""
    conversation = shared.new_conversation(samples.SPEC)
    replays = [shared.new_replay(conversation) for _ in range(2)] + [str(uuid.uuid4())]
    spans = [json_span(Span(attributes={REPLAY_ID: replays[n % 3]})) for n in range(30)]
    assert send_json(shared, json_request({}, spans)).rejected == 10
    assert [len(shared.detail(replay)["spans"]) for replay in replays[:2]] == [10, 10]
