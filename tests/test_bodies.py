# SPDX-License-Identifier: Apache-2.0
"""Bodies that are too long, that lie about their length, or that stop coming."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack

import pytest

import samples
from api import Api
from rawhttp import Answer, answer, chunked, connected, exchange, head
from volume import files, snapshot
from waiting import eventually
from xrayd_process import Xrayd

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30
REPLAY_MAX, COMPARE_MAX, SPEC_MAX, TURN_MAX, UPLOAD_MAX = 64 * KIB, 16 * KIB, 256 * KIB, 50 * MIB, 512 * MIB
STALL_S = 20  # XR_BODY_STALL_S
FORM = {"Content-Type": "multipart/form-data; boundary=b"}
WAV = {"Content-Type": "audio/wav"}
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def replay(shared: Api) -> str:
    return shared.new_replay(shared.new_conversation(samples.SPEC))


def too_large(reply: Answer, max_bytes: int) -> None:
    assert reply.status == 413, reply.body
    assert reply.json() == {"error": "body_too_large", "max_bytes": max_bytes}
    assert reply.headers["x-request-id"]
    assert reply.headers["content-type"] == "application/json"


def send_chunked(port: int, method: str, path: str, headers: dict[str, str], pieces: Iterable[bytes]) -> Answer:
    with connected(port) as sock:
        sock.sendall(head(method, path, headers | {"Transfer-Encoding": "chunked"}))
        for chunk in chunked(pieces):
            sock.sendall(chunk)
        return answer(sock)


JSON_BODIES = [
    ("POST", "/v1/replays", REPLAY_MAX),
    ("PATCH", "/v1/replays/{replay}", REPLAY_MAX),
    ("POST", "/v1/replays/compare", COMPARE_MAX),
]


@pytest.mark.parametrize(("method", "path", "limit"), JSON_BODIES)
def test_json_over_its_cap(shared_server: Xrayd, replay: str, method: str, path: str, limit: int) -> None:
    before = snapshot(shared_server.data_dir)
    path = path.format(replay=replay)
    body = b'{"x":"' + b"x" * (limit - 7) + b'"}'
    assert len(body) == limit + 1

    known = exchange(shared_server.port, head(method, path, JSON | {"Content-Length": str(len(body))}) + body)
    too_large(known, limit)
    pieces = (body[at : at + 4096] for at in range(0, len(body), 4096))
    too_large(send_chunked(shared_server.port, method, path, JSON, pieces), limit)

    assert snapshot(shared_server.data_dir) == before


@pytest.mark.parametrize(("method", "path", "limit"), JSON_BODIES)
def test_json_of_just_its_cap_is_read(shared: Api, replay: str, method: str, path: str, limit: int) -> None:
    body = b'{"x":"' + b"x" * (limit - 8) + b'"}'
    reply = shared.http.request(method, path.format(replay=replay), content=body, headers=JSON)
    assert reply.status_code != 413


def form_of(name: str, filename: str, body: Iterable[bytes]) -> Iterator[bytes]:
    spec = json.dumps(samples.SPEC).encode()
    yield b'--b\r\nContent-Disposition: form-data; name="spec"\r\n\r\n' + spec
    yield f'\r\n--b\r\nContent-Disposition: form-data; name="{name}"; filename="{filename}"\r\n\r\n'.encode()
    yield from body
    yield b"\r\n--b--\r\n"


def test_a_turn_over_50_mib(shared_server: Xrayd) -> None:
    before = snapshot(shared_server.data_dir)
    block = samples.pcm_header(data_bytes=TURN_MAX).ljust(MIB, b"\0")

    pieces = list(form_of("k", "k.wav", [block] * 50 + [b"\0"]))
    too_large(send_chunked(shared_server.port, "POST", "/v1/conversations", FORM, pieces), TURN_MAX)
    body = b"".join(pieces)
    whole = head("POST", "/v1/conversations", FORM | {"Content-Length": str(len(body))}) + body
    too_large(exchange(shared_server.port, whole), TURN_MAX)

    eventually(lambda: snapshot(shared_server.data_dir) == before)


@pytest.mark.parametrize("text", ["x", "\u00e9", "\U0001f600"], ids=["1 byte", "2 bytes", "4 bytes"])
def test_a_spec_is_measured_in_bytes(shared: Api, text: str) -> None:
    frame = '{"name":"n","turns":[{"role":"user"}],"x":""}'
    fits = (SPEC_MAX - len(frame)) // len(text.encode())
    padded = frame[:-2] + text * fits + " " * ((SPEC_MAX - len(frame)) % len(text.encode())) + frame[-2:]
    assert len(padded.encode()) == SPEC_MAX

    assert shared.conversation(padded).status_code == 200
    reply = shared.conversation(padded + " ")

    assert reply.status_code == 413
    assert reply.json() == {"error": "body_too_large", "max_bytes": SPEC_MAX}


# A client that waits for "100 Continue" gets its answer at once; so does one whose body nobody would read to its end.
ANNOUNCED: list[tuple[int, dict[str, str]]] = [
    (UPLOAD_MAX + 1, {"Expect": "100-continue"}),
    (2 * GIB, {}),
    (2 * GIB, {"Expect": "100-continue"}),
    (2**63 - 1, {}),
]


@pytest.mark.parametrize(("length", "expect"), ANNOUNCED)
@pytest.mark.parametrize("call", ["recording", "conversation"])
def test_an_announced_length_is_refused_unread(
    shared_server: Xrayd, replay: str, call: str, length: int, expect: dict[str, str]
) -> None:
    before = snapshot(shared_server.data_dir)
    path, kind = (f"/v1/replays/{replay}/audio", WAV) if call == "recording" else ("/v1/conversations", FORM)
    request = head("POST", path, kind | expect | {"Content-Length": str(length)})
    too_large(exchange(shared_server.port, request), UPLOAD_MAX)
    assert snapshot(shared_server.data_dir) == before


@pytest.mark.parametrize("length", ["-1", "x", "1x", "18446744073709551616", "9" * 40, "1, 2"])
def test_a_length_that_is_no_length(shared_server: Xrayd, replay: str, length: str) -> None:
    request = head("POST", f"/v1/replays/{replay}/audio", WAV | {"Content-Length": length})
    with connected(shared_server.port) as sock:
        sock.sendall(request)
        sock.shutdown(socket.SHUT_WR)
        first = sock.recv(64)
    assert first == b"" or first.startswith((b"HTTP/1.1 4", b"HTTP/1.0 4"))


@pytest.mark.slow
def test_a_recording_over_512_mib_without_a_length(shared_server: Xrayd, replay: str) -> None:
    """Streamed to disk and given up: memory does not grow with it."""
    before = snapshot(shared_server.data_dir)
    memory = shared_server.rss_bytes("RssAnon")
    block = bytes(4 * MIB)
    first = samples.pcm_header(channels=2, data_bytes=UPLOAD_MAX).ljust(4 * MIB, b"\0")

    pieces = [first] + [block] * 127 + [b"\0"]
    reply = send_chunked(shared_server.port, "POST", f"/v1/replays/{replay}/audio", WAV, pieces)

    too_large(reply, UPLOAD_MAX)
    assert shared_server.rss_bytes("RssAnon") < memory + 32 * MIB
    eventually(lambda: snapshot(shared_server.data_dir) == before)


def half_bodies(replay: str) -> dict[str, bytes]:
    wav = samples.recording()
    form = b"".join(form_of("k", "k.wav", [samples.turn()]))
    return {
        "JSON": head("POST", "/v1/replays", JSON | {"Content-Length": "100"}) + b'{"conver',
        "PATCH": head("PATCH", f"/v1/replays/{replay}", JSON | {"Content-Length": "30"}) + b'{"lifecycle_state":',
        "recording": head("POST", f"/v1/replays/{replay}/audio", WAV | {"Content-Length": str(len(wav))})
        + wav[: len(wav) // 2],
        "chunked recording": head("POST", f"/v1/replays/{replay}/audio", WAV | {"Transfer-Encoding": "chunked"})
        + b"%x\r\n%b\r\n" % (1000, wav[:1000]),
        "form": head("POST", "/v1/conversations", FORM | {"Content-Length": str(len(form))}) + form[: len(form) // 2],
        "no body at all": head("POST", "/v1/replays", JSON | {"Content-Length": "100"}),
    }


@pytest.mark.slow
def test_a_body_that_stops_half_way_is_408(shared_server: Xrayd, shared: Api, replay: str) -> None:
    before = snapshot(shared_server.data_dir)
    requests = half_bodies(replay)
    with ExitStack() as stack:
        socks = [stack.enter_context(connected(shared_server.port, timeout_s=STALL_S * 2)) for _ in requests]
        for sock, request in zip(socks, requests.values(), strict=True):
            sock.sendall(request)
        assert shared.http.get("/healthz").status_code == 200  # nobody else waits
        for case, sock in zip(requests, socks, strict=True):
            reply = answer(sock)
            assert reply.status == 408, case
            assert reply.json() == {"error": "request_timeout"}, case
            assert reply.headers["x-request-id"], case
            assert sock.recv(1) == b"", case  # and the connection ends
    eventually(lambda: snapshot(shared_server.data_dir) == before)
    assert shared.detail(replay)["lifecycle_state"] == "pending"


@pytest.mark.parametrize("case", ["JSON", "recording", "form"])
def test_a_client_that_hangs_up_half_way_leaves_nothing(shared_server: Xrayd, replay: str, case: str) -> None:
    before = snapshot(shared_server.data_dir)
    with connected(shared_server.port) as sock:
        sock.sendall(half_bodies(replay)[case])
        if case != "JSON":
            eventually(lambda: files(shared_server.data_dir) != before[1])  # the server has begun to write it
    eventually(lambda: snapshot(shared_server.data_dir) == before)


def test_headers_beyond_their_bound_are_refused(shared_server: Xrayd, shared: Api) -> None:
    with connected(shared_server.port) as sock:
        sock.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n" + b"X-A: " + b"a" * (128 * KIB) + b"\r\n\r\n")
        first = sock.recv(64)
    assert first == b"" or first.startswith(b"HTTP/1.1 4")
    assert shared.http.get("/healthz").status_code == 200
