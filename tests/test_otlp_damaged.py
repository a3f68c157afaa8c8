# SPDX-License-Identifier: Apache-2.0
"""What real exporters sent (tests/senders/bodies), cut short and with bits flipped: each is answered in words that the
API describes, the server lives, and the body as it was still gives its rows."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

import contract
from api import Api, Json
from samples import SPEC
from xrayd_process import Xrayd

BODIES = Path(__file__).resolve().parent / "senders" / "bodies"
PLACEHOLDER = b"00000000-0000-4000-8000-000000000000"  # the replay that the bodies name
CUTS, FLIPS = 150, 250
TYPES = {".json": "application/json", ".pb": "application/x-protobuf"}
REFUSALS = {"invalid_otlp_body", "unsupported_wire_type", "protobuf_nesting_too_deep", "too_many_spans_per_request"}
TURN = (3, 1, 1)
# Spans, tool calls and model usages that a body gives.
ROWS = {
    "collector.json": TURN,
    "collector.pb": TURN,
    "go.pb": TURN,
    "javascript.json": TURN,
    "javascript.pb": TURN,
    "langfuse.pb": (3, 1, 1),
    "livekit-1.2.pb": (15, 1, 2),
    "livekit.pb": (14, 1, 2),
    "openai-latest.pb": (3, 0, 3),
    "openai-stable.pb": (3, 0, 3),
    "python.pb": TURN,
}


def cuts(body: bytes) -> Iterator[bytes]:
    """Ends all over the body, and each of the first and last few."""
    step = max(1, len(body) // CUTS)
    for end in sorted({*range(1, 20), *range(20, len(body), step), *range(len(body) - 20, len(body))}):
        yield body[:end]


def flipped(body: bytes, seed: str) -> Iterator[bytes]:
    """One to eight bits wrong."""
    source = random.Random(seed)
    for i in range(FLIPS):
        damaged = bytearray(body)
        for _ in range(1 << (i % 4)):
            damaged[source.randrange(len(body))] ^= 1 << source.randrange(8)
        yield bytes(damaged)


def send(api: Api, name: str, body: bytes, *, encoding: str | None = None) -> httpx.Response:
    headers = {"Content-Type": TYPES[Path(name).suffix]} | ({"Content-Encoding": encoding} if encoding else {})
    return api.http.post("/v1/traces", content=body, headers=headers)


def is_refused(reply: httpx.Response) -> bool:
    """True for a refusal as the API describes it, false if the body was taken; anything else is an error."""
    if reply.status_code == 200:
        return False
    contract.check(reply)
    assert reply.status_code == 400, reply.text
    assert reply.json()["error"] in REFUSALS
    return True


def for_replay(name: str, replay: str) -> bytes:
    body = (BODIES / name).read_bytes()
    assert body.count(PLACEHOLDER) == 1
    return body.replace(PLACEHOLDER, replay.encode())


def rows(detail: Json) -> tuple[int, ...]:
    return tuple(len(detail[kind]) for kind in ("spans", "tool_calls", "model_usage"))


def assert_still_gives_its_rows(server: Xrayd, api: Api, name: str) -> None:
    assert server.process.poll() is None
    replay = api.new_replay(api.new_conversation(SPEC))
    assert not is_refused(send(api, name, for_replay(name, replay)))
    assert rows(api.detail(replay)) == ROWS[name]


@pytest.fixture
def unchecked(shared_server: Xrayd) -> Iterator[Api]:
    """A client for bodies that the API's description does not allow and the server may take all the same."""
    with Api(shared_server.url, checked=False) as client:
        yield client


@pytest.fixture
def replay(unchecked: Api) -> str:
    return unchecked.new_replay(unchecked.new_conversation(SPEC))


def test_there_is_a_body_for_each_expectation() -> None:
    assert {path.name for path in BODIES.iterdir()} == set(ROWS)


@pytest.mark.parametrize("name", ROWS)
def test_a_body_that_is_cut_short_is_refused(name: str, shared_server: Xrayd, unchecked: Api, replay: str) -> None:
    for part in cuts(for_replay(name, replay)):
        assert is_refused(send(unchecked, name, part)), len(part)
    assert rows(unchecked.detail(replay)) == (0, 0, 0)
    assert_still_gives_its_rows(shared_server, unchecked, name)


@pytest.mark.parametrize("name", ROWS)
def test_a_body_with_flipped_bits_is_taken_or_refused(
    name: str, shared_server: Xrayd, unchecked: Api, replay: str
) -> None:
    refused = [is_refused(send(unchecked, name, body)) for body in flipped(for_replay(name, replay), name)]
    assert any(refused)
    assert not all(refused)  # what is an attribute's fault costs that attribute only
    contract.check(unchecked.http.get(f"/v1/replays/{replay}"))
    assert_still_gives_its_rows(shared_server, unchecked, name)


@pytest.mark.parametrize("name", ["javascript.json", "livekit.pb"])
def test_packed_bytes_that_are_damaged_are_taken_or_refused(
    name: str, shared_server: Xrayd, unchecked: Api, replay: str
) -> None:
    packed = gzip.compress(for_replay(name, replay), mtime=0)
    for part in cuts(packed):
        assert is_refused(send(unchecked, name, part, encoding="gzip")), len(part)
    for body in flipped(packed, name):
        is_refused(send(unchecked, name, body, encoding="gzip"))
    assert_still_gives_its_rows(shared_server, unchecked, name)
    another = unchecked.new_replay(unchecked.new_conversation(SPEC))
    whole = gzip.compress(for_replay(name, another), mtime=0)
    assert not is_refused(send(unchecked, name, whole, encoding="gzip"))
    assert rows(unchecked.detail(another)) == ROWS[name]
