# SPDX-License-Identifier: Apache-2.0
"""A replay's detail: its spans, their order and offsets, and the finished bodies that the server keeps. Rows are put
into the server's file from outside, as its receiver would put them."""

from __future__ import annotations

import itertools
import random
import re
import threading
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import pytest

import samples
from api import Api, Json
from servers import BUILT_IN, StartServer
from volume import opened
from xrayd_process import Xrayd

MS = 1_000_000
ANCHOR = "2024-01-01T00:00:00.5Z"
ANCHOR_NS = int(datetime.fromisoformat(ANCHOR).timestamp() * 1000) * MS
SPANS_MAX = 5000  # XR_REPLAY_SPANS_MAX
SPAN_BYTES_MAX = 24 << 20  # XR_REPLAY_SPAN_BYTES_MAX
KEPT_BODY_MAX, KEPT_MAX = 8 << 20, 32 << 20  # XR_DETAIL_CACHE_BODY_MAX, XR_DETAIL_CACHE_MAX
RESPONSE_MAX = 64 << 20  # XR_RESPONSE_MAX


@dataclass(frozen=True)
class Span:
    name: str
    at_ms: int = 0
    ms: int = 10
    attributes: str = "{}"
    span_id: bytes | str = field(default_factory=lambda: random.randbytes(8))
    trace_id: bytes | str = bytes(16)
    parent: bytes | str | None = None

    @property
    def texts(self) -> tuple[str, str]:
        return self.name, self.attributes


class Volume:
    """Writes spans beside the running server."""

    def __init__(self, server: Xrayd) -> None:
        self._folder = server.data_dir

    def add(self, replay: str, spans: Sequence[Span], *, counted: bool = True) -> None:
        """In one commit, with the totals that tell of it; not `counted`: without, so that a kept body stays."""
        with opened(self._folder, write=True) as db:
            (key,) = db.execute("SELECT id FROM replays WHERE uuid = ?", (uuid.UUID(replay).bytes,)).fetchone()
            for span in spans:
                start = ANCHOR_NS + span.at_ms * MS
                db.execute(
                    "INSERT INTO spans (replay_id, span_id, trace_id, parent_span_id, vocabulary, started_at, ended_at,"
                    " name, attributes_json) VALUES (?, ?, ?, ?, 1, ?, ?, ?, ?)",
                    [key, span.span_id, span.trace_id, span.parent, start, start + span.ms * MS, *span.texts],
                )
            if counted:
                db.execute(
                    "INSERT INTO span_totals VALUES (?1, ?2, ?3) ON CONFLICT DO UPDATE"
                    " SET spans = spans + excluded.spans, bytes = bytes + excluded.bytes",
                    (key, len(spans), sum(len(span.attributes) for span in spans)),
                )


@pytest.fixture(scope="module")
def volume(shared_server: Xrayd) -> Volume:
    return Volume(shared_server)


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


@pytest.fixture
def replay(shared: Api, conversation: str) -> str:
    return shared.new_replay(conversation)


def fail(api: Api, replay: str) -> str:
    assert api.http.patch(f"/v1/replays/{replay}", json={"lifecycle_state": "failed"}).status_code == 200
    return replay


def etag(api: Api, replay: str) -> str:
    return api.http.get(f"/v1/replays/{replay}").headers["etag"]


def names(detail: Json) -> list[str]:
    return [span["name"] for span in detail["spans"]]


def text(n: int) -> str:
    """A JSON text of n bytes that is twice as long in a JSON string, but for its ends."""
    return '["' + '\\"' * ((n - 4) // 2) + '"]'


def test_a_span_is_shown_as_it_was_stored(shared: Api, volume: Volume, replay: str) -> None:
    attributes = '{"a":"\\"\\\\","b":"é\u0085\u2028\u2029\x7f😀"}'
    odd = Span("odd\n\x01", 1, -5, attributes, 'no "hex"', "", "p")
    volume.add(replay, [Span("plain", 2, 7, span_id=b"\xab" * 8, trace_id=b"\x0f" * 16, parent=b"\x01" * 8), odd])
    rows = shared.detail(replay)["spans"]
    assert rows == [
        {
            "id": rows[0]["id"],
            "trace_id": "",
            "span_id": 'no "hex"',
            "parent_span_id": "p",
            "name": "odd\n\x01",
            "vocabulary": "gen_ai",
            "started_at": "2024-01-01T00:00:00.501Z",
            "ended_at": "2024-01-01T00:00:00.496Z",
            "attributes_json": attributes,
            "audio_offset_ms": None,
        },
        {
            "id": rows[1]["id"],
            "trace_id": "0f" * 16,
            "span_id": "ab" * 8,
            "parent_span_id": "01" * 8,
            "name": "plain",
            "vocabulary": "gen_ai",
            "started_at": "2024-01-01T00:00:00.502Z",
            "ended_at": "2024-01-01T00:00:00.509Z",
            "attributes_json": "{}",
            "audio_offset_ms": None,
        },
    ]


def test_spans_that_start_at_once_are_shown_as_they_came(shared: Api, volume: Volume, replay: str) -> None:
    volume.add(replay, [Span("d", 5), Span("a", 1), Span("b", 1), Span("c", 1), Span("e", 5)])
    assert names(shared.detail(replay)) == ["a", "b", "c", "d", "e"]
    volume.add(replay, [Span("f", 5), Span("before", 0)])
    assert names(shared.detail(replay)) == ["before", "a", "b", "c", "d", "e", "f"]


ARRIVALS: dict[str, Callable[[list[int]], list[int]]] = {
    "in order": lambda starts: starts,
    "reversed": lambda starts: starts[::-1],
    "shuffled": lambda starts: random.Random(1).sample(starts, len(starts)),
}


@pytest.mark.parametrize("arrival", ARRIVALS)
def test_five_thousand_spans_are_sorted_by_start(shared: Api, volume: Volume, conversation: str, arrival: str) -> None:
    mine, other = shared.new_replay(conversation), shared.new_replay(conversation)
    starts = ARRIVALS[arrival]([i // 3 for i in range(SPANS_MAX)])
    for at in range(0, SPANS_MAX, 500):
        volume.add(mine, [Span(str(start), start, attributes=text(10 + start % 50)) for start in starts[at : at + 500]])
        volume.add(other, [Span("other")])
    spans = shared.detail(mine)["spans"]
    assert [int(span["name"]) for span in spans] == sorted(starts)
    keys = [(span["started_at"], span["id"]) for span in spans]
    assert keys == sorted(keys)
    assert all(span["attributes_json"] == text(10 + int(span["name"]) % 50) for span in spans)
    assert names(shared.detail(other)) == ["other"] * 10


def test_an_offset_counts_from_the_anchor_and_may_be_negative(shared: Api, volume: Volume, replay: str) -> None:
    spans = [Span("before", -1500), Span("at", 0), Span("after", 2500)]
    volume.add(replay, spans)
    assert [span["audio_offset_ms"] for span in shared.detail(replay)["spans"]] == [None] * 3
    assert shared.upload(replay, samples.recording(), started_at=ANCHOR).status_code == 200
    assert [span["audio_offset_ms"] for span in shared.detail(replay)["spans"]] == [-1500, 0, 2500]


def test_an_open_detail_has_no_etag(shared: Api, replay: str) -> None:
    for headers in ({}, {"If-None-Match": "*"}):
        reply = shared.http.get(f"/v1/replays/{replay}", headers=headers)
        assert reply.status_code == 200
        assert "etag" not in reply.headers
        assert reply.headers["cache-control"] == "no-store"


def test_a_finished_detail_that_the_client_has_is_304(shared: Api, volume: Volume, replay: str) -> None:
    volume.add(replay, [Span("a")])
    path = f"/v1/replays/{fail(shared, replay)}"
    whole = shared.http.get(path)
    tag = whole.headers["etag"]
    assert re.fullmatch(r'"[^"]+"', tag)
    assert whole.headers["cache-control"] == "private, no-cache"
    for header in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        reply = shared.http.get(path, headers={"If-None-Match": header})
        assert (reply.status_code, reply.headers["etag"], reply.content) == (304, tag, b"")
    for header in ('"x"', tag.strip('"'), ""):
        reply = shared.http.get(path, headers={"If-None-Match": header})
        assert (reply.status_code, reply.headers["etag"], reply.content) == (200, tag, whole.content)


def test_head_says_what_get_would(shared: Api, conversation: str) -> None:
    path = f"/v1/replays/{fail(shared, shared.new_replay(conversation))}"
    for headers, status in (({}, 200), ({"If-None-Match": "*"}, 304)):
        head, get = shared.http.head(path, headers=headers), shared.http.get(path, headers=headers)
        assert (head.status_code, head.content) == (status, b"")
        assert head.headers.get("content-length") == get.headers.get("content-length")
        assert head.headers["etag"] == get.headers["etag"]


def test_a_finished_body_is_kept(shared: Api, volume: Volume, conversation: str) -> None:
    """A span that no totals tell of is not seen: nobody has looked."""
    replay = fail(shared, shared.new_replay(conversation))
    first = shared.http.get(f"/v1/replays/{replay}")
    volume.add(replay, [Span("unseen")], counted=False)
    again = shared.http.get(f"/v1/replays/{replay}")
    assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])


def test_a_late_span_is_another_version(shared: Api, volume: Volume, conversation: str) -> None:
    replay = fail(shared, shared.new_replay(conversation))
    tags = [etag(shared, replay)]
    for i in range(3):
        volume.add(replay, [Span(f"late {i}", i)])
        reply = shared.http.get(f"/v1/replays/{replay}", headers={"If-None-Match": ", ".join(tags)})
        assert reply.status_code == 200
        assert names(reply.json()) == [f"late {n}" for n in range(i + 1)]
        tags.append(reply.headers["etag"])
    assert len(set(tags)) == 4


def test_a_retry_is_another_version(shared: Api, replay: str) -> None:
    assert shared.upload(replay, samples.recording()).status_code == 200
    before = etag(shared, fail(shared, replay))
    assert shared.http.post(f"/v1/replays/{replay}/retry").status_code == 202
    assert shared.verdict(replay)["type"] == "evaluation_complete"
    reply = shared.http.get(f"/v1/replays/{replay}", headers={"If-None-Match": before})
    assert reply.status_code == 200
    assert reply.headers["etag"] != before
    assert reply.json()["lifecycle_state"] == "completed"


def test_an_etag_outlives_the_server(start_server: StartServer) -> None:
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        replay = fail(api, api.new_replay(api.new_conversation(samples.SPEC)))
        tag = etag(api, replay)
    assert server.stop() == 0
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        assert api.http.get(f"/v1/replays/{replay}", headers={"If-None-Match": tag}).status_code == 304


@pytest.mark.concurrent
def test_while_late_spans_come_each_version_is_whole(shared: Api, volume: Volume, conversation: str) -> None:
    """The same etag is the same body, and a later one has more spans."""
    replay = fail(shared, shared.new_replay(conversation))
    done = threading.Event()
    seen: dict[str, bytes] = {}

    def read() -> list[int]:
        counts: list[int] = []
        for last in itertools.chain(iter(done.is_set, True), [True]):
            reply = shared.http.get(f"/v1/replays/{replay}")
            assert seen.setdefault(reply.headers["etag"], reply.content) == reply.content
            counts.append(len(reply.json()["spans"]))
            assert not last or counts[-1] == 80
        return counts

    with ThreadPoolExecutor(2) as pool:
        readers = [pool.submit(read) for _ in range(2)]
        for i in range(40):
            volume.add(replay, [Span(str(i)), Span(str(i))])
        done.set()
        for reader in readers:
            counts = reader.result()
            assert counts == sorted(counts)
            assert all(count % 2 == 0 for count in counts)
    assert len({body.count(b'"span_id"') for body in seen.values()}) == len(seen)


def test_what_is_kept_is_bounded(start_server: StartServer) -> None:
    """Which details a server has kept is told by the spans that it does not see."""
    server = start_server(env=BUILT_IN)
    volume = Volume(server)
    with Api(server.url, checked=False) as api:
        conversation = api.new_conversation(samples.SPEC)
        bodies = KEPT_MAX // (5 << 20)
        fitting = [fail(api, api.new_replay(conversation)) for _ in range(bodies + 3)]
        large = fail(api, api.new_replay(conversation))
        for replay in fitting:
            volume.add(replay, [Span("big", attributes=text(5 << 19))])  # 5 MiB in the body
        volume.add(large, [Span("big", attributes=text(KEPT_BODY_MAX // 2))])
        for replay in [*fitting, large]:
            assert names(api.detail(replay)) == ["big"]
            volume.add(replay, [Span("unseen")], counted=False)
        kept = [names(api.detail(replay)) == ["big"] for replay in reversed(fitting)]
        assert kept == [True] * bodies + [False] * 3
        assert names(api.detail(large)) == ["big", "unseen"]


def test_the_largest_replay_and_eight_of_them_are_shown(start_server: StartServer) -> None:
    server = start_server(env=BUILT_IN)
    volume = Volume(server)
    with Api(server.url, checked=False) as api:
        conversation = api.new_conversation(samples.SPEC)
        replays = [api.new_replay(conversation) for _ in range(8)]
        attributes = text(SPAN_BYTES_MAX // SPANS_MAX)
        volume.add(replays[0], [Span("s", -i, attributes=attributes) for i in range(SPANS_MAX)])
        body = api.http.get(f"/v1/replays/{replays[0]}").content
        assert len(body) > 2 * SPANS_MAX * (len(attributes) - 4)
        assert body.count(b'"attributes_json"') == SPANS_MAX
        for replay in replays[1:]:
            volume.add(replay, [Span("s", attributes=text(5 << 20))])
        reply = api.http.post("/v1/replays/compare", json={"replay_ids": replays})
        assert reply.status_code == 200
        assert len(reply.content) > RESPONSE_MAX
        assert [row["id"] for row in reply.json()["replays"]] == replays
