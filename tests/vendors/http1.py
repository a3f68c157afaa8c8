# SPDX-License-Identifier: Apache-2.0
"""A connection of HTTP/1.1. h11 reads the requests; answers are written as bytes, so that they can be wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import h11

from vendors.answers import json_answer
from vendors.calls import Call
from vendors.exchange import Exchange, Gone, WireExchange

BODY_MAX = 101 << 20
HEAD_MAX = 64 << 10

Serve = Callable[[Exchange], Awaitable[None]]


class Http1:
    """Serves one connection until it ends."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, base: str) -> None:
        self._reader = reader
        self._writer = writer
        self._number = number
        self._base = base
        self._surplus = b""
        self._calls = 0

    async def run(self, serve: Serve) -> None:
        try:
            while call := await self._read():
                exchange = WireExchange(call, self._base, self._reader, self._writer)
                await serve(exchange)
                if not exchange.keep:
                    return
                self._surplus += exchange.surplus
        except (h11.RemoteProtocolError, ValueError) as error:
            answer = json_answer({"error": f"not a request: {error}"}, 400)
            self._writer.write(answer.head() + answer.body)
        except (Gone, OSError):
            pass

    async def _read(self) -> Call | None:
        """One request; None at the connection's end."""
        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=HEAD_MAX)
        if self._surplus:
            parser.receive_data(self._surplus)
        request: h11.Request | None = None
        body: list[bytes] = []
        size = 0
        while True:
            event = parser.next_event()
            if event is h11.NEED_DATA:
                await self._more(parser)
            elif isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body.append(bytes(event.data))
                size += len(event.data)
                if size > BODY_MAX:
                    raise ValueError(f"a body of more than {BODY_MAX} bytes")
            elif isinstance(event, h11.EndOfMessage) and request:
                self._surplus = parser.trailing_data[0]
                return self._call(request, b"".join(body))
            else:
                return None

    async def _more(self, parser: h11.Connection) -> None:
        if parser.they_are_waiting_for_100_continue:
            self._writer.write(parser.send(h11.InformationalResponse(status_code=100, headers=[])) or b"")
        parser.receive_data(await self._reader.read(1 << 18))

    def _call(self, request: h11.Request, body: bytes) -> Call:
        path, _, query = request.target.decode("latin-1").partition("?")
        headers = tuple((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers)
        method = request.method.decode("latin-1")
        self._calls += 1
        return Call(method, path, query, headers, body, "1.1", self._number, self._calls, time.monotonic())
