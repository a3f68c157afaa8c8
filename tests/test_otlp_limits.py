# SPDX-License-Identifier: Apache-2.0
"""The receiver's limits, each at its last accepted value and one over it; nothing is stored of what is refused."""

from __future__ import annotations

import gzip
import json
import time
import uuid
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

import contract
import samples
from api import Api, Json
from otlp import (
    BODY_MAX,
    DEPTH_MAX,
    ENCODINGS,
    JSON,
    MIB,
    MS,
    PATHS,
    PROTOBUF,
    REPLAY_ID,
    REPLAY_SPANS_MAX,
    REPLAY_TEXT_MAX,
    SPANS_MAX,
    START_NS,
    Encoding,
    Outcome,
    Resource,
    Span,
    accepted,
    kept,
    of_replay,
    only,
    post,
    send,
    stored,
)
from rawhttp import answer, chunked, connected, head
from volume import query
from xrayd_process import Xrayd

GIB = 1 << 30
ANCHOR = "2024-01-01T01:00:00Z"
ANCHOR_NS = START_NS + 3600_000 * MS
NESTING: Json = {"error": "protobuf_nesting_too_deep", "max_depth": DEPTH_MAX}
TOO_LARGE: Json = {"error": "body_too_large", "max_bytes": BODY_MAX}


@pytest.fixture(scope="module")
def quick(shared_server: Xrayd) -> Iterator[Api]:
    """Does not hold what it gets against the description, which takes seconds for thousands of spans."""
    with Api(shared_server.url, checked=False) as client:
        yield client


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


@pytest.fixture
def replay(shared: Api, conversation: str) -> str:
    return shared.new_replay(conversation)


def ids(count: int, first: int = 0) -> list[Span]:
    return [Span(span_id=n.to_bytes(8, "big")) for n in range(first, first + count)]


# --- spans ---


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_so_many_spans_a_request(quick: Api, conversation: str, encoding: Encoding) -> None:
    """Two replays share them, so that neither is full."""
    replays = [quick.new_replay(conversation) for _ in range(2)]
    half = SPANS_MAX // 2
    resources = [Resource({REPLAY_ID: replay}, ids(half)) for replay in replays]
    over = post(quick, encoding.body([*resources, Resource({}, [Span(name="counts too")])]), encoding)
    assert over.status_code == 400
    assert over.json() == {"error": "too_many_spans_per_request", "max_spans": SPANS_MAX, "received": SPANS_MAX + 1}
    assert [len(quick.detail(replay)["spans"]) for replay in replays] == [0, 0]

    assert send(quick, resources, encoding) == Outcome(0, "")
    assert [len(quick.detail(replay)["spans"]) for replay in replays] == [half, half]


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_so_many_spans_a_replay(quick: Api, shared_server: Xrayd, replay: str, encoding: Encoding) -> None:
    """The rest of the batch is stored; a repeat counts neither way, also when the replay is full."""
    other = quick.new_replay(quick.new_conversation(samples.SPEC))
    spans = ids(REPLAY_SPANS_MAX + 2)
    outcome = send(quick, [*of_replay(replay, spans), *of_replay(other, ids(3))], encoding)
    assert outcome.rejected == 2
    assert "2 are over what a replay can hold" in outcome.message
    assert len(quick.detail(other)["spans"]) == 3
    detail = quick.detail(replay)
    assert len(detail["spans"]) == len(detail["model_usage"]) == REPLAY_SPANS_MAX

    assert send(quick, of_replay(replay, spans[:REPLAY_SPANS_MAX]), encoding) == Outcome(0, "")
    assert send(quick, of_replay(replay, spans[-3:]), encoding).rejected == 2
    assert quick.detail(replay) == detail
    assert query(shared_server.data_dir, "SELECT max(spans) FROM span_totals") == [(REPLAY_SPANS_MAX,)]


# --- text ---


def test_so_much_text_a_replay(quick: Api, replay: str) -> None:
    """What does not fit is rejected, what is small enough still fits."""
    piece = Span(attributes={"gen_ai.x": "x" * (11 * MIB)})
    for span in (piece, Span(attributes=piece.attributes)):
        assert send(quick, of_replay(replay, [span])) == Outcome(0, "")
    left = REPLAY_TEXT_MAX - 22 * MIB
    outcome = send(quick, of_replay(replay, [Span(attributes={"gen_ai.x": "x" * left})]))
    assert outcome.rejected == 1
    assert "24 MiB of text" in outcome.message
    assert send(quick, of_replay(replay, [Span(attributes={"gen_ai.x": "x" * (left - 1000)})])) == Outcome(0, "")
    assert [len(kept(row)["gen_ai.x"]) for row in quick.detail(replay)["spans"]] == [11 * MIB, 11 * MIB, left - 1000]


# What gets longer on its way into a detail: backslashes twice as long there as they are in attributes_json, control
# characters six times as long as they came.
GROWING: dict[str, Span] = {
    "backslashes in an attribute": Span(attributes={"gen_ai.x": "\\" * (5 * MIB)}),
    "control characters in a name": Span(name="chat" + "\x01" * (2 * MIB)),
    "control characters in a tool's name": Span(name="execute_tool " + "\x02" * (MIB // 2)),
    "arguments": Span(name="execute_tool t", attributes={"gen_ai.tool.arguments": '"' * (3 * MIB)}),
    "an id": Span(span_id=b"\xff" * (2 * MIB)),
}


@pytest.mark.parametrize("case", GROWING)
def test_a_detail_of_as_much_text_as_fits_can_be_shown(quick: Api, replay: str, case: str) -> None:
    """Spans are sent until one is rejected."""
    span = GROWING[case]
    rejected, sent = 0, 0
    while not rejected:
        again = Span(name=span.name, attributes=span.attributes, start=sent, span_id=bytes([sent]) + span.span_id[1:])
        rejected = send(quick, of_replay(replay, [again])).rejected
        sent += 1
        assert sent < 30
    assert sent > 1
    assert len(quick.detail(replay)["spans"]) == sent - 1


def full_replay(api: Api, server: Xrayd, conversation: str) -> str:
    """At both limits, uploaded. What is sent before the recording's start lies in no window."""
    replay = api.new_replay(conversation)
    text = {"gen_ai.x": "\\" * 4096}  # in JSON 8 KiB, in the detail 16
    call = {"gen_ai.tool.call.arguments": json.dumps({"a": "b" * 1400})}
    calls = [Span(name="execute_tool book", attributes=call, start=ANCHOR_NS + 1000 * MS)] * 2200
    for spans in ([Span(attributes=text)] * 1100, [Span(attributes=text)] * 1100, calls, [Span()] * 600):
        again = [Span(name=span.name, attributes=span.attributes, start=span.start) for span in spans]
        assert send(api, of_replay(replay, again)) == Outcome(0, "")
    sql = "SELECT spans, bytes FROM span_totals WHERE replay_id = (SELECT id FROM replays WHERE uuid = ?)"
    ((count, size),) = query(server.data_dir, sql, uuid.UUID(replay).bytes)
    assert count == REPLAY_SPANS_MAX
    assert REPLAY_TEXT_MAX - MIB < size <= REPLAY_TEXT_MAX
    assert api.upload(replay, samples.recording(), started_at=ANCHOR).status_code == 200
    return replay


@pytest.mark.slow
def test_a_replay_at_both_limits_is_shown_and_evaluated(quick: Api, shared_server: Xrayd) -> None:
    checks = [{"kind": "tool_args_match", "name": "book", "args": {"a": "c"}}, {"kind": "tool_not_called", "name": "x"}]
    replay = full_replay(quick, shared_server, quick.new_conversation(samples.spec(*checks)))
    assert quick.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    result = quick.verdict(replay)["result"]
    assert [row["status"] for row in result["assertions"]] == ["failed", "passed"]
    reply = quick.http.get(f"/v1/replays/{replay}")
    contract.check(reply)
    detail = reply.json()
    assert (len(detail["spans"]), len(detail["tool_calls"])) == (REPLAY_SPANS_MAX, 2200)


def test_eight_replays_of_as_many_spans_as_fit_are_compared(quick: Api, conversation: str) -> None:
    replays = [quick.new_replay(conversation) for _ in range(8)]
    attributes = {"gen_ai.request.model": "m" * 20, "gen_ai.usage.input_tokens": 1, "lk.speech_id": "s" * 20}
    body = of_replay("REPLAY", [Span(attributes=attributes, span_id=span.span_id) for span in ids(REPLAY_SPANS_MAX)])
    text = JSON.body(body)
    for replay in replays:
        assert accepted(post(quick, text.replace(b"REPLAY", replay.encode())), JSON) == Outcome(0, "")
    reply = quick.http.post("/v1/replays/compare", json={"replay_ids": replays})
    assert reply.status_code == 200, reply.text[:500]
    found = contract.parse_json(reply.text)["replays"]
    assert [detail["id"] for detail in found] == replays
    assert [len(detail["spans"]) for detail in found] == [REPLAY_SPANS_MAX] * 8


# --- bytes ---


def padded(encoding: Encoding, replay: str, size: int) -> bytes:
    """A request of just so many bytes: its span has a long attribute that no vocabulary keeps."""
    room = size
    while True:
        body = encoding.body(of_replay(replay, [Span(attributes={"gen_ai.ok": 1, "pad": "x" * room})]))
        if len(body) == size:
            return body
        room -= len(body) - size


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
def test_so_many_bytes(quick: Api, replay: str, encoding: Encoding, packed: bool) -> None:
    over = post(quick, padded(encoding, replay, BODY_MAX + 1), encoding, packed=packed)
    assert over.status_code == 413
    assert over.json() == TOO_LARGE
    assert quick.detail(replay)["spans"] == []

    fits = padded(encoding, replay, BODY_MAX)
    assert accepted(post(quick, fits, encoding, packed=packed), encoding) == Outcome(0, "")
    assert kept(only(quick.detail(replay)["spans"])) == {"gen_ai.ok": 1}


def bomb(size: int) -> bytes:
    """gzip of so many zeros: one block of them again and again, as each stands for itself after a full flush."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    header = packer.compress(b"") + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(4 * MIB)) + packer.flush(zlib.Z_FULL_FLUSH)
    return header + block * (size // (4 * MIB)) + packer.flush()


def test_a_gzip_bomb_is_cut_off_at_the_limit(shared: Api, shared_server: Xrayd) -> None:
    body = bomb(GIB)
    before, start = shared_server.rss_bytes("VmHWM"), time.monotonic()
    for encoding in ENCODINGS:
        headers = encoding.headers | {"Content-Encoding": "gzip"}
        reply = shared.http.post(PATHS[0], content=body, headers=headers)
        assert (reply.status_code, reply.json()) == (413, TOO_LARGE)
    assert time.monotonic() - start < 5
    assert shared_server.rss_bytes("VmHWM") - before < 128 * MIB


def test_bytes_without_a_length(shared_server: Xrayd) -> None:
    """Chunked: over the limit is only known on the way."""
    with connected(shared_server.port) as sock:
        sock.sendall(head("POST", PATHS[0], JSON.headers | {"Transfer-Encoding": "chunked"}))
        for chunk in chunked([bytes(MIB)] * 16 + [b" "]):
            sock.sendall(chunk)
        reply = answer(sock)
    assert (reply.status, reply.json()) == (413, TOO_LARGE)


def test_an_attribute_that_gets_too_long_is_413(quick: Api, replay: str) -> None:
    """As JSON it takes six times as much, more than a request may: an exporter must not repeat it for ever."""
    body = PROTOBUF.body(of_replay(replay, [Span(attributes={"gen_ai.x": "\x01" * (12 * MIB)})]))
    assert post(quick, body, PROTOBUF).status_code == 413
    several = {f"gen_ai.{n}": "\x01" * (4 * MIB) for n in range(2)}
    body = PROTOBUF.body(of_replay(replay, [Span(attributes=several | {"gen_ai.tool.arguments": "\x01" * (3 * MIB)})]))
    assert post(quick, body, PROTOBUF).status_code == 413
    assert quick.detail(replay)["spans"] == []


NOT_PACKED: dict[str, bytes] = {
    "plain": JSON.body([Resource({}, [])]),
    "nothing": b"",
    "cut": gzip.compress(JSON.body([Resource({}, [])]))[:-9],
    "without its check": gzip.compress(b"{}")[:-8] + bytes(8),
    "with rubbish behind it": gzip.compress(b"{}") + b"rubbish",
    "zlib": zlib.compress(b"{}"),
}


@pytest.mark.parametrize("case", NOT_PACKED)
def test_what_is_no_gzip(shared: Api, case: str) -> None:
    headers = JSON.headers | {"Content-Encoding": "gzip"}
    reply = shared.http.post(PATHS[0], content=NOT_PACKED[case], headers=headers)
    assert reply.status_code == 400
    assert reply.json()["error"] == "invalid_otlp_body"


def test_gzip_of_several_members_is_one_body(shared: Api, replay: str) -> None:
    body = JSON.body(of_replay(replay, [Span()]))
    packed = gzip.compress(body[:20]) + gzip.compress(body[20:])
    reply = shared.http.post(PATHS[0], content=packed, headers=JSON.headers | {"Content-Encoding": "gzip"})
    assert accepted(reply, JSON) == Outcome(0, "")
    assert len(shared.detail(replay)["spans"]) == 1


# --- nesting ---


def nested(levels: int, kind: str) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value] if kind == "array" else {"k": value}
    return value


@pytest.mark.parametrize("kind", ["array", "list"])
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_so_deep(shared: Api, replay: str, encoding: Encoding, kind: str) -> None:
    deepest = nested(DEPTH_MAX, kind)
    over = post(shared, encoding.body(of_replay(replay, [Span(attributes={"gen_ai.x": [deepest]})])), encoding)
    assert (over.status_code, over.json()) == (400, NESTING)
    assert shared.detail(replay)["spans"] == []
    row = only(stored(shared, replay, Span(attributes={"gen_ai.x": deepest}), encoding=encoding)["spans"])
    assert kept(row) == {"gen_ai.x": deepest}


def very_deep(encoding: Encoding, levels: int) -> bytes:
    """More levels than any class would build."""
    if encoding is JSON:
        inner = '{"arrayValue":{"values":[' * levels + "]}}" * levels
        attribute = f'[{{"key":"gen_ai.x","value":{inner}}}]'
        return f'{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{{"attributes":{attribute}}}]}}]}}]}}'.encode()
    body = b""
    for number in (*[1, 5] * levels, 2, 9, 2, 2, 1):
        body = bytes([number << 3 | 2]) + varint(len(body)) + body
    return body


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_much_too_deep_costs_no_stack(quick: Api, encoding: Encoding) -> None:
    levels = 2000 if encoding is PROTOBUF else 200_000
    reply = post(quick, very_deep(encoding, levels), encoding)
    assert (reply.status_code, reply.json()) == (400, NESTING)
    skipped = b'{"unknown":' + b"[" * 1_000_000 + b"]" * 1_000_000 + b"}"
    assert post(quick, skipped, JSON).status_code == 200  # whatever it is, it is nobody's attribute
    assert quick.http.get("/healthz").status_code == 200


# --- attributes ---


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_very_many_attributes(quick: Api, replay: str, encoding: Encoding) -> None:
    many = {f"gen_ai.{n}": n for n in range(100_000)}
    start = time.monotonic()
    row = only(stored(quick, replay, Span(attributes=many), encoding=encoding)["spans"])
    assert time.monotonic() - start < 10
    assert kept(row) == many


def same_key(count: int) -> Iterator[Json]:
    for n in range(count):
        yield {"key": "gen_ai.x", "value": {"intValue": n}}


def test_one_key_very_often(quick: Api, replay: str) -> None:
    span = {"name": "chat", "attributes": list(same_key(100_000))}
    resource = {"attributes": [{"key": REPLAY_ID, "value": {"stringValue": replay}}]}
    request = {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}
    assert accepted(post(quick, json.dumps(request).encode()), JSON) == Outcome(0, "")
    assert kept(only(quick.detail(replay)["spans"])) == {"gen_ai.x": 99_999}
