# SPDX-License-Identifier: Apache-2.0
"""Requests a second, beside a program that does nothing but answer with the same bytes."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path

from api import Api
from measure import RATE, BenchError, Row, alternate, median, program, run_tool, scratch
from target import running_server, spec
from wire import connect

CONNECTIONS, SECONDS, ROUNDS = 16, 2, 5
CONVERSATIONS = 100
START_TIMEOUT_S = 10
THREADS = sorted({1, os.cpu_count() or 1})  # of the floor: with one it leaves more to wrk, with more it has more


def floor_program() -> Path:
    return program("floor_http", "libmicrohttpd")


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@contextmanager
def floor_server(body: bytes, threads: int) -> Iterator[int]:
    """The port of a floor_http that answers with the body."""
    port = free_port()
    with scratch() as folder:
        (folder / "body").write_bytes(body)
        command = [floor_program(), str(port), str(threads), folder / "body"]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            try:
                wait_until_open(port)
                yield port
            finally:
                process.terminate()


def wait_until_open(port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            connect(port).close()
        except ConnectionRefusedError:
            if time.monotonic() > deadline:
                raise BenchError("floor_http does not listen") from None
            time.sleep(0.001)
        else:
            return


def requests_per_second(url: str, connections: int = CONNECTIONS, header: str = "") -> float:
    headers = ["-H", header] if header else []
    out = run_tool("wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", *headers, url)
    found = re.search(r"Requests/sec:\s*([\d.]+)", out)
    if not found or "Non-2xx" in out or "Socket errors" in out:
        raise BenchError(f"wrk on {url}: {out}")
    return float(found[1])


def compare(
    url: str,
    body: bytes,
    what: str,
    goal: float | None,
    *,
    connections: int = CONNECTIONS,
    header: str = "",
    rounds: int = ROUNDS,
) -> Row:
    with ExitStack() as stack:
        ports = [stack.enter_context(floor_server(body, threads)) for threads in THREADS]
        urls = [url, *(f"http://127.0.0.1:{port}/" for port in ports)]
        actions = [partial(requests_per_second, each, connections, header) for each in urls]
        measured, *floors = alternate(rounds, *actions)
    return Row(what, RATE, median(measured), max(map(median, floors)), "libmicrohttpd alone, same bytes", goal=goal)


def healthz() -> list[Row]:
    with running_server() as server, Api(server.url) as api:
        body = api.http.get("/healthz").content
        return [compare(f"{server.url}/healthz", body, f"GET /healthz, {CONNECTIONS} connections", 100_000)]


def conversations() -> list[Row]:
    with running_server() as server, Api(server.url) as api:
        for i in range(CONVERSATIONS):
            # The name is no part of the hash, so the text differs.
            turns = [{"role": "user", "text": f"question {i}"}, *spec("")["turns"]]
            api.new_replay(api.new_conversation({"name": f"conversation {i}", "turns": turns}))
        reply = api.http.get("/v1/conversations")
        if len(reply.json()["items"]) != CONVERSATIONS:
            raise BenchError("the list is not as long as it should be")
        what = f"GET /v1/conversations, {CONVERSATIONS} rows, {len(reply.content) // 1024} KiB"
        return [compare(f"{server.url}/v1/conversations", reply.content, what, 12_000)]
