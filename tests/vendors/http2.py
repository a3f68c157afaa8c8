# SPDX-License-Identifier: Apache-2.0
"""A connection of HTTP/2 (over TLS), for whole answers, late or never; a fault that writes bytes needs HTTP/1.1."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    RequestReceived,
    StreamEnded,
    StreamReset,
    WindowUpdated,
)
from h2.exceptions import ProtocolError

from vendors.answers import Answer
from vendors.calls import Call
from vendors.exchange import Exchange, Gone
from vendors.http1 import Serve


@dataclass
class _Stream:
    headers: list[tuple[str, str]]
    body: bytearray = field(default_factory=bytearray)
    reset: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class Http2:
    """Serves one connection until it ends, its requests beside each other."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int, base: str) -> None:
        self._reader = reader
        self._writer = writer
        self._number = number
        self._base = base
        self._calls = 0
        self._streams: dict[int, _Stream] = {}
        self._window = asyncio.Condition()
        self.protocol = H2Connection(H2Configuration(client_side=False, header_encoding="utf-8"))

    async def run(self, serve: Serve) -> None:
        self.protocol.initiate_connection()
        try:
            await self.flush()
            while data := await self._reader.read(1 << 18):
                for event in self.protocol.receive_data(data):
                    await self._take(event, serve)
                await self.flush()
        except (OSError, ProtocolError):
            pass
        finally:
            await self._end()

    async def _end(self) -> None:
        tasks = [stream.task for stream in self._streams.values() if stream.task]
        for stream in self._streams.values():
            stream.reset.set()
        async with self._window:
            self._window.notify_all()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def flush(self) -> None:
        self._writer.write(self.protocol.data_to_send())
        await self._writer.drain()

    async def _take(self, event: Event, serve: Serve) -> None:
        if isinstance(event, RequestReceived):
            self._streams[event.stream_id] = _Stream([(str(n), str(v)) for n, v in event.headers])
        elif isinstance(event, DataReceived):
            self._streams[event.stream_id].body += event.data
            self.protocol.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamEnded):
            stream = self._streams[event.stream_id]
            stream.task = asyncio.create_task(self._serve(event.stream_id, stream, serve))
        elif isinstance(event, StreamReset):
            self._streams[event.stream_id].reset.set()
        elif isinstance(event, ConnectionTerminated):
            raise ConnectionResetError
        if isinstance(event, WindowUpdated | StreamReset):
            async with self._window:
                self._window.notify_all()

    async def _serve(self, stream_id: int, stream: _Stream, serve: Serve) -> None:
        try:
            await serve(StreamExchange(self._call(stream), self._base, self, stream_id, stream.reset))
        except (Gone, OSError, ProtocolError):
            pass
        finally:
            del self._streams[stream_id]

    def _call(self, stream: _Stream) -> Call:
        pseudo = {name: value for name, value in stream.headers if name.startswith(":")}
        headers = tuple((name, value) for name, value in stream.headers if not name.startswith(":"))
        path, _, query = pseudo[":path"].partition("?")
        self._calls += 1
        body, number = bytes(stream.body), self._number
        return Call(pseudo[":method"], path, query, headers, body, "2", number, self._calls, time.monotonic())

    async def send_body(self, stream_id: int, body: bytes, reset: asyncio.Event) -> None:
        """As far as the client's windows let it."""
        at = 0
        while at < len(body):
            async with self._window:
                await self._window.wait_for(lambda: reset.is_set() or self._room(stream_id) > 0)
            if reset.is_set():
                raise Gone
            n = min(self._room(stream_id), len(body) - at)
            self.protocol.send_data(stream_id, body[at : at + n])
            at += n
            await self.flush()

    def _room(self, stream_id: int) -> int:
        return min(self.protocol.local_flow_control_window(stream_id), self.protocol.max_outbound_frame_size)


class StreamExchange(Exchange):
    def __init__(self, call: Call, base: str, connection: Http2, stream_id: int, reset: asyncio.Event) -> None:
        super().__init__(call, base)
        self._connection = connection
        self._stream = stream_id
        self._reset = reset

    async def reply(self, answer: Answer) -> None:
        self.call.status = answer.status
        headers = [(":status", str(answer.status))]
        headers += [(name.lower(), value) for name, value in answer.all_headers().items()]
        protocol = self._connection.protocol
        protocol.send_headers(self._stream, headers)
        await self._connection.send_body(self._stream, answer.body, self._reset)
        protocol.end_stream(self._stream)
        await self._connection.flush()

    async def left(self) -> None:
        await self._reset.wait()
