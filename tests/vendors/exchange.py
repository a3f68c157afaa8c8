# SPDX-License-Identifier: Apache-2.0
"""One request and what is sent back for it: the right answer, or a fault's."""

from __future__ import annotations

import asyncio
import socket
import struct
from abc import ABC, abstractmethod
from collections.abc import Coroutine
from typing import Any

from vendors.answers import Answer
from vendors.calls import Call


class Gone(Exception):  # noqa: N818 (no error: it ends what is done for a request)
    """The connection is no more, or not to be used any more."""


class Exchange(ABC):
    """What a fault works on. Its coroutines raise Gone once the client has left."""

    def __init__(self, call: Call, base: str) -> None:
        self.call = call
        self.base = base  # "http://127.0.0.1:1234"
        self.answer = Answer(500, b"")  # the right one, once it is known
        self.released = asyncio.Event()  # ends `hang`

    @abstractmethod
    async def reply(self, answer: Answer) -> None:
        """Sends a whole answer."""

    @abstractmethod
    async def left(self) -> None:
        """Returns when the client has closed the connection, or cancelled this request."""

    async def pause(self, seconds: float) -> None:
        await self._unless_left(asyncio.sleep(seconds))

    async def hang(self) -> None:
        """Until it is released."""
        await self._unless_left(self.released.wait())

    async def _unless_left(self, waited: Coroutine[Any, Any, object]) -> None:
        task, left = asyncio.create_task(waited), asyncio.create_task(self.left())
        try:
            await asyncio.wait({task, left}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                self.call.abandoned = True
                raise Gone
        finally:
            task.cancel()
            left.cancel()
            await asyncio.gather(task, left, return_exceptions=True)


class WireExchange(Exchange):
    """HTTP/1.1, where a fault may write bytes as it likes."""

    def __init__(self, call: Call, base: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        super().__init__(call, base)
        self._reader = reader
        self._writer = writer
        self.surplus = b""  # that came behind the request
        self.keep = (call.header("connection") or "").lower() != "close"

    async def send(self, data: bytes) -> None:
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            self.call.abandoned = True
            raise Gone from error

    async def reply(self, answer: Answer) -> None:
        self.call.status = answer.status
        if not self.keep:
            answer = Answer(answer.status, answer.body, answer.content_type, {"Connection": "close", **answer.headers})
        length = -1 if answer.status == 204 or answer.status < 200 else None
        await self.send(answer.head(length=length) + (b"" if self.call.method == "HEAD" else answer.body))

    async def head(self, answer: Answer, *, length: int | None = None) -> None:
        """Sends status line and headers alone; length as in Answer.all_headers."""
        self.call.status = answer.status
        await self.send(answer.head(length=length))

    async def chunk(self, data: bytes) -> None:
        await self.send(b"%x\r\n%b\r\n" % (len(data), data))

    async def left(self) -> None:
        try:
            while data := await self._reader.read(65536):
                self.surplus += data
        except OSError:
            pass

    def close(self) -> None:
        """What was sent arrives, and then the end of the connection."""
        raise Gone

    def reset(self) -> None:
        """The connection breaks off (RST), now."""
        sock: socket.socket = self._writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()
        raise Gone
