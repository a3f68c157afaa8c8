# SPDX-License-Identifier: Apache-2.0
"""Bodies that are no OTLP, or strange protobuf."""

from __future__ import annotations

import struct

import pytest

import samples
from api import Api
from otlp import (
    ENCODINGS,
    PROTOBUF,
    REPLAY_ID,
    Encoding,
    Outcome,
    Resource,
    Span,
    only,
    post,
    send,
    send_bytes,
)


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


@pytest.fixture
def replay(shared: Api, conversation: str) -> str:
    return shared.new_replay(conversation)


# --- broken bodies ---


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_body_cut_anywhere(shared: Api, conversation: str, encoding: Encoding) -> None:
    """A cut protobuf may still be one; then it is answered as one. Nothing is stored of what is refused."""
    replay = shared.new_replay(conversation)
    span = Span(attributes={REPLAY_ID: replay, "gen_ai.list": [1, {"a": 2.5}], "gen_ai.ok": True})
    body = encoding.body([Resource({"service.name": "s"}, [span])])
    refused = 0
    for n in range(len(body)):
        reply = post(shared, body[:n], encoding)
        assert reply.status_code in (200, 400), reply.text
        if reply.status_code == 400:
            refused += 1
            assert reply.json()["error"] == "invalid_otlp_body"
            assert shared.detail(replay)["spans"] == [], n
        else:
            assert encoding is PROTOBUF
    assert refused >= len(body) - 4
    assert send(shared, [Resource({}, [span])], encoding) == Outcome(0, "")
    assert len(shared.detail(replay)["spans"]) == 1


def field(number: int, wire_type: int, payload: bytes) -> bytes:
    return bytes([number << 3 | wire_type]) + payload


def within(body: bytes, *numbers: int) -> bytes:
    """A message inside others, each the field of that number; the outermost first."""
    for number in reversed(numbers):
        size = struct.pack("B", len(body)) if len(body) < 128 else bytes([len(body) & 0x7F | 0x80, len(body) >> 7])
        body = field(number, 2, size + body)
    return body


LEVELS: dict[str, tuple[int, ...]] = {
    "the request": (),
    "resource spans": (1,),
    "the resource": (1, 1),
    "an attribute of the resource": (1, 1, 1),
    "scope spans": (1, 2),
    "a span": (1, 2, 2),
    "an attribute": (1, 2, 2, 9),
    "a value": (1, 2, 2, 9, 2),
    "an array": (1, 2, 2, 9, 2, 5),
    "a list": (1, 2, 2, 9, 2, 6),
}


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("wire_type", [3, 4, 6, 7])
def test_wire_types_that_nobody_sends(shared: Api, level: str, wire_type: int) -> None:
    reply = post(shared, within(field(15, wire_type, b""), *LEVELS[level]), PROTOBUF)
    assert reply.status_code == 400
    assert reply.json() == {"error": "unsupported_wire_type", "wire_type": wire_type}


def test_known_fields_of_another_wire_type_are_skipped(shared: Api, replay: str) -> None:
    """As every reader of protobuf does: they are unknown fields."""
    wrong = b"".join(field(n, t, p) for n in (1, 2, 4, 5, 7, 9) for t, p in ((0, b"\x01"), (5, b"1234")))
    span = wrong + field(5, 2, b"\x04chat")
    name = field(1, 2, bytes([len(REPLAY_ID)]) + REPLAY_ID.encode())
    value = within(field(1, 2, bytes([len(replay)]) + replay.encode()), 2)
    body = within(within(name + value, 1, 1) + within(span, 2, 2), 1)
    assert send_bytes(shared, body) == Outcome(0, "")
    assert only(shared.detail(replay)["spans"])["name"] == "chat"
