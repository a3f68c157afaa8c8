# SPDX-License-Identifier: Apache-2.0
"""A client that costs next to nothing: requests made beforehand, sockets without a library in between."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import Self

from measure import BenchError

READ_MAX = 256 * 1024
TIMEOUT_S = 60
VERDICT = b"event: evaluation_complete"
FAILED = b"event: failed"


def request(method: str, path: str, body_size: int = 0, content_type: str = "application/json") -> bytes:
    """The head of a request; a body of that size is sent after it."""
    head = f"{method} {path} HTTP/1.1\r\nHost: bench\r\n"
    if method != "GET":
        head += f"Content-Type: {content_type}\r\nContent-Length: {body_size}\r\n"
    return (head + "\r\n").encode()


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


class Wire:
    """One keep-alive connection."""

    def __init__(self, port: int) -> None:
        self._sock = connect(port)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._sock.close()

    def call(self, expect: int, *parts: bytes) -> bytearray:
        """Sends the parts, returns the body of the answer; BenchError on another status."""
        for part in parts:
            self._sock.sendall(part)
        data = self._read_until(b"", b"\r\n\r\n")
        head, _, body = data.partition(b"\r\n\r\n")
        size = next(int(h[15:]) for h in head.split(b"\r\n") if h.lower().startswith(b"content-length:"))
        whole = bytearray(max(size, len(body)))
        whole[: len(body)] = body
        self._fill(memoryview(whole)[len(body) :])
        if int(head[9:12]) != expect:
            raise BenchError(f"wanted status {expect}, got {head.splitlines()[0]!r} {whole[:500]!r}")
        return whole

    def follow(self, replay: str) -> None:
        """Opens the replay's event stream and waits for its first event."""
        self._sock.sendall(request("GET", f"/v1/replays/{replay}/events"))
        self._events = self._read_until(b"", b"event: state")

    def verdict(self) -> float:
        """Waits for the verdict; the time at which it was there (time.perf_counter)."""
        self._events = self._read_until(self._events, VERDICT, FAILED)
        at = time.perf_counter()
        if VERDICT not in self._events:
            raise BenchError(f"the replay failed: {self._events[-500:]!r}")
        return at

    def _fill(self, rest: memoryview) -> None:
        while rest:
            size = self._sock.recv_into(rest)
            if not size:
                raise BenchError("the server closed the connection")
            rest = rest[size:]

    def _read(self) -> bytes:
        data = self._sock.recv(READ_MAX)
        if not data:
            raise BenchError("the server closed the connection")
        return data

    def _read_until(self, data: bytes, *marks: bytes) -> bytes:
        while not any(mark in data for mark in marks):
            data += self._read()
        return data
