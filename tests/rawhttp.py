# SPDX-License-Identifier: Apache-2.0
"""HTTP by hand, for requests that no client library sends."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPResponse
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    headers: Mapping[str, str]  # names in lower case
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@contextmanager
def connected(port: int, *, timeout_s: float = 30) -> Iterator[socket.socket]:
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as sock:
        yield sock


def head(method: str, path: str, headers: Mapping[str, str | int] | None = None) -> bytes:
    lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *(f"{k}: {v}" for k, v in (headers or {}).items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def chunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """A body in chunked encoding."""
    for piece in pieces:
        yield b"%x\r\n%b\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def answer(sock: socket.socket, *, method: str = "GET") -> Answer:
    """Reads one response."""
    response = HTTPResponse(sock, method=method)
    response.begin()
    return Answer(response.status, {k.lower(): v for k, v in response.getheaders()}, response.read())


def exchange(port: int, request: bytes, *, method: str = "GET", timeout_s: float = 30) -> Answer:
    with connected(port, timeout_s=timeout_s) as sock:
        sock.sendall(request)
        return answer(sock, method=method)
