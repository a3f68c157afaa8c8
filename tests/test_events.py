# SPDX-License-Identifier: Apache-2.0
"""Server-sent events: what comes, in which order, to how many, and when it ends."""

from __future__ import annotations

import array
import json
import resource
import selectors
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path

import httpx
import pytest

import samples
from api import Api, Json, silence, tone, wav
from rawhttp import answer, head
from servers import BUILT_IN, StartServer
from waiting import eventually
from xrayd_process import Xrayd

SUBSCRIBERS_MAX = 2000  # XR_SUBSCRIBERS_MAX
HEARTBEAT_S = 15
TERMINAL = ("evaluation_complete", "failed")
Event = tuple[str, Json]


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.spec({"kind": "max_latency_ms", "max_ms": 5000}))


def uploaded(api: Api, conversation: str, body: bytes | None = None) -> str:
    replay = api.new_replay(conversation)
    assert api.upload(replay, body or samples.recording()).status_code == 200
    return replay


def analyze(api: Api, replay: str) -> None:
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202


def state(lifecycle: str, step: str | None = None) -> Event:
    return "state", {"type": "state", "lifecycle_state": lifecycle, "analysis_step": step}


def progress(percent: int, step: str) -> Event:
    return "progress", {"type": "progress", "percent": percent, "step": step}


def parse(body: bytes) -> list[Event]:
    """The events of a whole stream; every line of it is accounted for."""
    events: list[Event] = []
    for block in body.decode().split("\n\n"):
        if not block or block == ": heartbeat":
            continue
        event, data = block.split("\n")
        assert event.startswith("event: ")
        assert data.startswith("data: ")
        name, value = event.removeprefix("event: "), json.loads(data.removeprefix("data: "))
        assert value["type"] == name
        events.append((name, value))
    return events


def check_ending(events: list[Event]) -> Event:
    """Exactly one terminal event, the last, right after the state that says so."""
    names = [name for name, _ in events]
    assert [name for name in names if name in TERMINAL] == [names[-1]]
    ended = "completed" if names[-1] == "evaluation_complete" else "failed"
    assert events[-2] == state(ended)
    assert names[0] == "state"
    return events[-1]


# --- order ---


def test_every_change_is_told_in_order(shared: Api, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    events = shared.events(replay)
    assert next(events) == state("pending")
    assert shared.http.patch(f"/v1/replays/{replay}", json={"lifecycle_state": "running"}).status_code == 200
    assert next(events) == state("running")
    assert shared.upload(replay, samples.recording()).status_code == 200
    assert next(events) == state("recording_uploaded")
    analyze(shared, replay)
    rest = list(events)
    steps = [(0, 25, "vad"), (25, 60, "transcribe"), (60, 65, "metrics"), (65, 100, "evaluate")]
    expected = [event for start, end, step in steps for event in (state("analyzing", step), progress(start, step),
                                                                  progress(end, step))]  # fmt: skip
    assert rest[:-2] == expected
    assert rest[-2] == state("completed")
    assert rest[-1][1]["result"]["passed"] is True


def test_a_failure_is_told_as_one(shared: Api, conversation: str) -> None:
    replay = uploaded(shared, conversation, samples.silent_recording())
    events = shared.events(replay)
    assert next(events) == state("recording_uploaded")
    analyze(shared, replay)
    rest = list(events)
    assert check_ending([state("recording_uploaded"), *rest]) == (
        "failed",
        {"type": "failed", "reason": "spec_vad_mismatch"},
    )


def test_a_client_that_gives_up_is_told_to_the_others(shared: Api, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    events = shared.events(replay)
    assert next(events) == state("pending")
    body = {"lifecycle_state": "failed", "failure_reason": "agent_not_joined"}
    shared.http.patch(f"/v1/replays/{replay}", json=body)
    assert list(events) == [state("failed"), ("failed", {"type": "failed", "reason": "agent_not_joined"})]


def test_a_retry_is_a_new_story(shared: Api, conversation: str) -> None:
    replay = uploaded(shared, conversation)
    shared.http.patch(f"/v1/replays/{replay}", json={"lifecycle_state": "failed"})
    assert shared.http.post(f"/v1/replays/{replay}/retry").status_code == 202
    assert check_ending(list(shared.events(replay)))[0] == "evaluation_complete"


def test_a_finished_replay_is_answered_at_once(shared: Api, conversation: str) -> None:
    replay, _ = shared.run(conversation, samples.recording())
    for _ in range(3):
        reply = shared.http.get(f"/v1/replays/{replay}/events", timeout=5)
        assert reply.headers["content-type"].startswith("text/event-stream")
        events = parse(reply.content)
        assert len(events) == 2
        assert check_ending(events)[0] == "evaluation_complete"
    other = shared.new_replay(conversation)
    shared.http.patch(f"/v1/replays/{other}", json={"lifecycle_state": "failed", "failure_reason": "timeout"})
    assert parse(shared.http.get(f"/v1/replays/{other}/events", timeout=5).content) == [
        state("failed"),
        ("failed", {"type": "failed", "reason": "timeout"}),
    ]


def test_the_verdict_is_the_result_byte_for_byte(shared: Api) -> None:
    text = 'q"\u2028\u0000\U0001f600'
    conversation = shared.new_conversation(samples.spec({"kind": "tool_called", "name": text}, name=text))
    replay = uploaded(shared, conversation)
    with shared.http.stream("GET", f"/v1/replays/{replay}/events") as stream:
        analyze(shared, replay)
        live = b"".join(stream.iter_bytes())
    result = shared.http.get(f"/v1/replays/{replay}/result").content
    expected = b'event: evaluation_complete\ndata: {"type":"evaluation_complete","result":' + result + b"}\n\n"
    assert live.endswith(expected)
    assert shared.http.get(f"/v1/replays/{replay}/events").content.endswith(expected)


def test_the_row_is_terminal_when_the_verdict_comes(shared: Api, conversation: str) -> None:
    for _ in range(20):
        replay = uploaded(shared, conversation)
        analyze(shared, replay)
        for name, _ in shared.events(replay):
            if name in TERMINAL:
                assert shared.detail(replay)["lifecycle_state"] == "completed"
                assert shared.http.get(f"/v1/replays/{replay}/result").status_code == 200


@pytest.mark.concurrent
def test_whenever_a_client_comes_it_gets_one_verdict(shared_server: Xrayd, shared: Api, conversation: str) -> None:
    """Eight come one after the other while the analysis runs: before it, in its midst, after it."""

    def follow(replay: str) -> list[Event]:
        with Api(shared_server.url) as api:
            return parse(api.http.get(f"/v1/replays/{replay}/events").content)

    with ThreadPoolExecutor(8) as pool:
        for _ in range(15):
            replay = uploaded(shared, conversation)
            early = pool.submit(follow, replay)
            analyze(shared, replay)
            streams = [early, *(pool.submit(follow, replay) for _ in range(7))]
            for stream in streams:
                events = stream.result(timeout=30)
                assert check_ending(events)[0] == "evaluation_complete"
                percents = [data["percent"] for name, data in events if name == "progress"]
                assert percents == sorted(percents)


# --- many, slow ---


@contextmanager
def descriptors(wanted: int) -> Iterator[None]:
    """Lets this process, and the servers it starts, have so many open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert hard >= wanted, f"the test needs {wanted} open files, the system allows {hard}"
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def subscribe(stack: ExitStack, port: int, replay: str) -> socket.socket:
    sock = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=30))
    sock.sendall(head("GET", f"/v1/replays/{replay}/events", {"Connection": "close"}))
    return sock


def open_files(server: Xrayd) -> int:
    return len(list(Path(f"/proc/{server.process.pid}/fd").iterdir()))


def receive_until(socks: list[socket.socket], received: list[bytearray], mark: bytes | None) -> None:
    """Reads until every connection has sent `mark`, or ended."""
    deadline = time.monotonic() + 120
    with selectors.DefaultSelector() as selector:
        for i, sock in enumerate(socks):
            selector.register(sock, selectors.EVENT_READ, i)
        while selector.get_map():
            assert time.monotonic() < deadline, f"{len(selector.get_map())} subscribers still wait"
            for key, _ in selector.select(timeout=5):
                piece = key.fileobj.recv(65536) if isinstance(key.fileobj, socket.socket) else b""
                received[key.data] += piece
                if not piece or (mark and mark in received[key.data]):
                    selector.unregister(key.fileobj)


def unchunk(raw: bytes) -> bytes:
    """The body of a response in chunked encoding."""
    at = raw.index(b"\r\n\r\n") + 4
    body = bytearray()
    while size := int(raw[at : raw.index(b"\r\n", at)], 16):
        at = raw.index(b"\r\n", at) + 2
        body += raw[at : at + size]
        at += size + 2
    return bytes(body)


@pytest.mark.concurrent
def test_a_thousand_subscribers_get_the_verdict(server: Xrayd, api: Api) -> None:
    replay = uploaded(api, api.new_conversation(samples.SPEC))
    with descriptors(4096), ExitStack() as stack:
        socks = [subscribe(stack, server.port, replay) for _ in range(1000)]
        received = [bytearray() for _ in socks]
        receive_until(socks, received, b"recording_uploaded")
        analyze(api, replay)
        receive_until(socks, received, None)
    streams = {unchunk(bytes(raw)) for raw in received}
    assert len(streams) == 1  # the same story for all
    assert check_ending(parse(streams.pop()))[0] == "evaluation_complete"


@cache
def long_talk(turns: int) -> bytes:
    """Many short turns, user and agent by turns."""
    voice, pause, quiet = tone(0.3), silence(0.2), silence(0.3)
    sides = (array.array("h"), array.array("h"))
    for i in range(turns):
        for channel, side in enumerate(sides):
            side.extend(voice if i % 2 == channel else quiet)
            side.extend(pause)
    return wav(list(sides))


def test_a_subscriber_that_does_not_read_holds_nobody_up(shared_server: Xrayd, shared: Api) -> None:
    """Its verdict is larger than its socket takes; it comes whole once it reads."""
    checks = [{"kind": "tool_called", "name": "t"}] * 32
    turns = [{"role": ("user", "agent")[i % 2], "assertions": checks} for i in range(100)]
    conversation = shared.new_conversation({"name": "long", "turns": turns})
    replay = uploaded(shared, conversation, long_talk(100))
    with socket.socket() as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.settimeout(30)
        slow.connect(("127.0.0.1", shared_server.port))
        slow.sendall(head("GET", f"/v1/replays/{replay}/events", {"Connection": "close"}))
        assert slow.recv(12) == b"HTTP/1.1 200"
        analyze(shared, replay)
        quick = parse(shared.http.get(f"/v1/replays/{replay}/events").content)
        verdict = check_ending(quick)
        assert len(verdict[1]["result"]["assertions"]) == 3200
        assert shared.http.get("/healthz").status_code == 200
        received = [bytearray(b"HTTP/1.1 200")]
        receive_until([slow], received, None)
    assert check_ending(parse(unchunk(bytes(received[0])))) == verdict


# --- time, the end ---


@pytest.mark.slow
def test_heartbeats_and_places(start_server: StartServer) -> None:
    """There are so many places. Who leaves without a word is found out by a heartbeat; that comes every fifteen
    seconds, not twice."""
    with descriptors(8192), ExitStack() as stack:
        server = start_server(env=BUILT_IN)
        api = stack.enter_context(Api(server.url))
        replay = api.new_replay(api.new_conversation(samples.SPEC))
        before = open_files(server)
        socks = [subscribe(stack, server.port, replay) for _ in range(SUBSCRIBERS_MAX)]
        receive_until(socks, [bytearray() for _ in socks], b"pending")
        reply = answer(subscribe(stack, server.port, replay))
        assert (reply.status, reply.json()) == (503, {"error": "overloaded"})
        assert int(reply.headers["retry-after"]) >= 1
        assert api.http.get("/readyz").status_code == 200
        for sock in socks[1:]:
            sock.close()

        beats: list[float] = []
        for _ in range(2):
            receive_until(socks[:1], [bytearray()], b": heartbeat")
            beats.append(time.monotonic())

        assert abs(beats[1] - beats[0] - HEARTBEAT_S) < 2
        eventually(lambda: open_files(server) <= before + 10)
        assert subscribe(stack, server.port, replay).recv(12) == b"HTTP/1.1 200"


def test_streams_end_with_the_server(server: Xrayd, api: Api) -> None:
    replay = api.new_replay(api.new_conversation(samples.SPEC))
    opened, bodies = threading.Barrier(6), list[bytes]()

    def follow() -> None:
        with httpx.stream("GET", f"{server.url}/v1/replays/{replay}/events", timeout=15) as stream:
            pieces = stream.iter_bytes()
            first = next(pieces)
            opened.wait()
            bodies.append(first + b"".join(pieces))

    threads = [threading.Thread(target=follow) for _ in range(5)]
    for thread in threads:
        thread.start()
    opened.wait()
    start = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    for thread in threads:
        thread.join(15)
    assert server.process.wait(10) == 0
    assert time.monotonic() - start < 10
    assert [parse(body) for body in bodies] == [[state("pending")]] * 5
