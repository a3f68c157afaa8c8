# SPDX-License-Identifier: Apache-2.0
"""The receiver under faults: slow and vanishing senders, a full disk, a locked database, SIGTERM."""

from __future__ import annotations

import signal
import threading
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

import samples
from api import Api
from otlp import ENCODINGS, JSON, PATHS, PROTOBUF, Encoding, Outcome, Span, accepted, of_replay, post, send, stored
from rawhttp import answer, connected, head
from servers import BUILT_IN, StartServer
from test_bodies import STALL_S
from test_faults import OVERLOADED, STORAGE_FULL, leave_free, limit_files, locked, said, small_disk
from volume import query, snapshot
from waiting import eventually
from xrayd_process import Xrayd

__all__ = ["small_disk"]  # a fixture
SLOW_SENDERS = 20
RLIM_INFINITY = -1
QUICK_S = 2  # for a request beside the slow ones, on a busy machine under a sanitizer


def new_replay(api: Api) -> str:
    return api.new_replay(api.new_conversation(samples.SPEC))


def tools(count: int) -> list[Span]:
    return [Span(name="execute_tool t") for _ in range(count)]


def rows_of(server: Xrayd, replay: str) -> tuple[int, int, int]:
    """Spans, tool calls, and what span_totals says."""
    counts = [f"(SELECT count(*) FROM {table} WHERE replay_id = r.id)" for table in ("spans", "tool_calls")]
    total = "coalesce((SELECT spans FROM span_totals WHERE replay_id = r.id), 0)"
    sql = f"SELECT {', '.join([*counts, total])} FROM replays r WHERE uuid = ?"
    ((spans, calls, totals),) = query(server.data_dir, sql, uuid.UUID(replay).bytes)
    return spans, calls, totals


# --- senders ---


@pytest.mark.slow
def test_slow_senders_hold_no_thread(shared: Api, shared_server: Xrayd) -> None:
    """Half of them send nothing more, half a byte every now and then. Others are answered meanwhile; those that stop
    are told so, and nothing of theirs is stored."""
    replay = new_replay(shared)
    body = JSON.body(of_replay(replay, [Span()]))
    before = snapshot(shared_server.data_dir)
    request = head("POST", PATHS[0], JSON.headers | {"Content-Length": len(body)}) + body[:40]
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(shared_server.port, timeout_s=3 * STALL_S)) for _ in range(SLOW_SENDERS)]
        for sock in socks:
            sock.sendall(request)
        stop = threading.Event()

        def drip() -> None:
            at = 40
            while not stop.wait(1) and at < len(body) - 1:
                for sock in socks[::2]:
                    sock.sendall(body[at : at + 1])
                at += 1

        dripping = threading.Thread(target=drip)
        dripping.start()
        try:
            other = new_replay(shared)
            for _ in range(20):
                start = time.monotonic()
                assert shared.http.get("/healthz").status_code == 200
                assert send(shared, of_replay(other, tools(200))) == Outcome(0, "")
                assert time.monotonic() - start < QUICK_S
            for sock in socks[1::2]:
                reply = answer(sock)
                assert (reply.status, reply.json()) == (408, {"error": "request_timeout"})
                assert sock.recv(1) == b""
        finally:
            stop.set()
            dripping.join()
    assert before[0]["spans"] + 20 * 200 == snapshot(shared_server.data_dir)[0]["spans"]
    assert shared.detail(replay)["spans"] == []


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_a_sender_that_hangs_up_half_way_leaves_nothing(shared: Api, shared_server: Xrayd, encoding: Encoding) -> None:
    replay = new_replay(shared)
    body = encoding.body(of_replay(replay, tools(300)))
    with connected(shared_server.port) as sock:
        sock.sendall(head("POST", PATHS[0], encoding.headers | {"Content-Length": len(body)}) + body[:-1])
    assert send(shared, of_replay(replay, tools(1)), encoding) == Outcome(0, "")
    assert rows_of(shared_server, replay) == (1, 1, 1)


@pytest.mark.concurrent
def test_senders_that_do_not_wait_for_their_answer(shared: Api, shared_server: Xrayd) -> None:
    """Whether or not their spans were stored, a repeat does not double them."""
    replay = new_replay(shared)
    batches = [tools(n) for n in (1, 200) * 20]
    for batch in batches:
        body = PROTOBUF.body(of_replay(replay, batch))
        with connected(shared_server.port) as sock:
            sock.sendall(head("POST", PATHS[0], PROTOBUF.headers | {"Content-Length": len(body)}) + body)
    for batch in batches:
        assert send(shared, of_replay(replay, batch)) == Outcome(0, "")
    assert rows_of(shared_server, replay) == (20 * 201,) * 3


# --- the disk ---


def fill_the_log(api: Api, replay: str) -> None:
    """Sends spans until there is no room for them, as the log may have had a page or two left."""

    def full() -> bool:
        reply = post(api, PROTOBUF.body(of_replay(replay, tools(50))), PROTOBUF)
        assert reply.status_code == 200 or said(reply) == STORAGE_FULL
        return reply.status_code == 507

    eventually(full)


def check_full(api: Api, server: Xrayd, replay: str) -> list[Span]:
    """A batch that is refused by a full disk leaves nothing; returned for sending it again."""
    before = rows_of(server, replay)
    batch = tools(400)
    for encoding in ENCODINGS:
        assert said(post(api, encoding.body(of_replay(replay, batch)), encoding)) == STORAGE_FULL
    assert rows_of(server, replay) == before
    assert len(api.detail(replay)["spans"]) == before[0]
    assert api.http.get("/healthz").status_code == 200
    return batch


def check_room(api: Api, server: Xrayd, replay: str, batch: list[Span]) -> None:
    before = rows_of(server, replay)
    for encoding in (*ENCODINGS, JSON):
        assert accepted(post(api, encoding.body(of_replay(replay, batch)), encoding), encoding) == Outcome(0, "")
        assert rows_of(server, replay) == tuple(count + len(batch) for count in before)
    eventually(lambda: api.http.get("/readyz").status_code == 200)


def test_a_full_disk_is_507_and_a_retry_is_not_doubled(start_server: StartServer, small_disk: Path) -> None:
    server = start_server(env=BUILT_IN, data_dir=small_disk / "data")
    with Api(server.url) as api:
        replay = new_replay(api)
        stored(api, replay, *tools(10))
        ballast = leave_free(small_disk, 0)
        fill_the_log(api, replay)
        batch = check_full(api, server, replay)
        ballast.unlink()
        check_room(api, server, replay, batch)


def test_a_file_size_limit_is_a_full_disk_to_spans(server: Xrayd, api: Api) -> None:
    replay = new_replay(api)
    limit_files(server, (server.data_dir / "xray.db-wal").stat().st_size)
    fill_the_log(api, replay)
    batch = check_full(api, server, replay)
    limit_files(server, RLIM_INFINITY)
    check_room(api, server, replay, batch)


def test_a_database_that_another_process_holds(server: Xrayd, api: Api) -> None:
    replay = new_replay(api)
    batch = tools(300)
    with locked(server.data_dir / "xray.db"):
        refused = post(api, PROTOBUF.body(of_replay(replay, batch)), PROTOBUF)
        assert said(refused) == OVERLOADED
        assert int(refused.headers["retry-after"]) >= 1
        assert post(api, JSON.body(of_replay(replay, [])), JSON).status_code == 200  # nothing to write
    stored(api, replay, *batch)
    assert rows_of(server, replay) == (300, 300, 300)


# --- the end ---


@pytest.mark.concurrent
def test_sigterm_while_spans_come(start_server: StartServer) -> None:
    """Exit status 0, in time; what was answered is on disk, what was not can be sent again."""
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        replays = [new_replay(api) for _ in range(4)]
    answered: list[list[list[Span]]] = [[] for _ in replays]
    going = threading.Barrier(len(replays) + 1)

    def work(n: int) -> list[Span]:
        """Sends until the server is gone; the batch that was not answered."""
        with Api(server.url, checked=False) as client:
            while True:
                batch = tools(300 if n % 2 else 20)
                try:
                    reply = post(client, PROTOBUF.body(of_replay(replays[n], batch)), PROTOBUF)
                except httpx.TransportError:
                    return batch
                if reply.status_code != 200:
                    assert said(reply) == OVERLOADED
                    return batch
                if PROTOBUF.read(reply).rejected == 0:
                    answered[n].append(batch)
                if len(answered[n]) == 2:
                    going.wait()

    with ThreadPoolExecutor(len(replays)) as pool:
        running = [pool.submit(work, n) for n in range(len(replays))]
        going.wait()
        start = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(15) == 0, "".join(server.raw_log)
        assert time.monotonic() - start < 10
        unanswered = [future.result() for future in running]
    server = start_server(env=BUILT_IN)
    with Api(server.url, checked=False) as api:
        for replay, batches, last in zip(replays, answered, unanswered, strict=True):
            send(api, of_replay(replay, last))
            spans = {row["span_id"] for row in api.detail(replay)["spans"]}
            assert {span.span_id.hex() for batch in batches for span in batch} <= spans
            assert rows_of(server, replay) == (len(spans),) * 3
