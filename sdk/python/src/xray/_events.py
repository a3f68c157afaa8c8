# SPDX-License-Identifier: Apache-2.0
"""Waits for a replay's verdict on its event stream.

A stream that breaks is opened again, with backoff, for as long as the caller waits. The server sends a comment every
15 s, so that a silent stream is a broken one. What happened meanwhile is not sent again: the result is asked for first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final, cast

import httpx

from xray import _wire
from xray._api import Api
from xray.errors import EvaluationTimeoutError, ReplayEvaluationError, XrayServerError

# Three heartbeats.
STREAM_TIMEOUT: Final = httpx.Timeout(45, connect=10)

_log = logging.getLogger("xray")

Watch = Callable[[_wire.StateEvent | _wire.ProgressEvent], None]


class _StreamBrokenError(Exception):
    """The stream ended before the replay did."""


async def wait_for_verdict(api: Api, replay_id: str, *, timeout_s: float, watch: Watch) -> _wire.Result:
    """Calls `watch` with what happens until there is a verdict.

    Raises ReplayEvaluationError if the replay failed, EvaluationTimeoutError after `timeout_s`, XrayServerError if the
    server refuses.
    """
    follower = _Follower(api, replay_id, watch)
    try:
        return await asyncio.wait_for(follower.verdict(), timeout_s)
    except (asyncio.TimeoutError, TimeoutError):
        raise EvaluationTimeoutError(replay_id, timeout_s) from follower.last_failure


class _Follower:
    def __init__(self, api: Api, replay_id: str, watch: Watch) -> None:
        self._api = api
        self._replay_id = replay_id
        self._watch = watch
        self._failures_in_a_row = 0
        self.last_failure: Exception | None = None

    async def verdict(self) -> _wire.Result:
        while True:
            try:
                return await self._stream()
            except (httpx.RequestError, _StreamBrokenError) as error:
                self.last_failure = error
            except XrayServerError as error:
                if not _passes(error):
                    raise
                self.last_failure = error
            self._failures_in_a_row += 1
            asked = self.last_failure.retry_after_s if isinstance(self.last_failure, XrayServerError) else None
            pause = self._api.transport.pause_s(self._failures_in_a_row, asked)
            _log.info("replay %s: events: %r; again in %.2f s", self._replay_id, self.last_failure, pause)
            await self._api.transport.sleep(pause)
            if (result := await self._ended_meanwhile()) is not None:
                return result

    async def _stream(self) -> _wire.Result:
        path = f"/v1/replays/{self._replay_id}/events"
        async with self._api.transport.stream(path, timeout=STREAM_TIMEOUT) as response:
            parser = EventParser()
            # Left before its end, the generator would be closed by the garbage collector, in a task of its own.
            async with contextlib.aclosing(cast("AsyncGenerator[bytes, None]", response.aiter_bytes())) as chunks:
                async for chunk in chunks:
                    for data in parser.feed(chunk):
                        if (result := self._handle(data)) is not None:
                            return result
        raise _StreamBrokenError("the stream ended without a verdict")

    def _handle(self, data: bytes) -> _wire.Result | None:
        try:
            event = _wire.parse_event(data)
        except ValueError as error:
            raise _StreamBrokenError(f"not an event: {error}") from error
        self._failures_in_a_row = 0
        if isinstance(event, _wire.EvaluationCompleteEvent):
            return event.result
        if isinstance(event, _wire.FailedEvent):
            raise ReplayEvaluationError(self._replay_id, event.reason)
        if event is not None:
            self._watch(event)
        return None

    async def _ended_meanwhile(self) -> _wire.Result | None:
        try:
            result = await self._api.result(self._replay_id)
            if result is not None:
                return result
            detail = await self._api.replay(self._replay_id)
        except XrayServerError as error:
            if not _passes(error):
                raise
            self.last_failure = error
            return None
        if detail.lifecycle_state == "failed":
            raise ReplayEvaluationError(self._replay_id, detail.failure_reason or "explicit_fail")
        return None


def _passes(error: XrayServerError) -> bool:
    """Whether the same request may succeed later: no answer at all, or one that says so, also a proxy's."""
    return error.status_code is None or error.status_code in (502, 503, 504, 507)


class EventParser:
    """Server-sent events from bytes as they come. An event that the end of the stream cuts off is not one.

    Lines end with CR, LF or both, and with nothing else that Unicode calls a line's end.
    """

    def __init__(self) -> None:
        self._line = bytearray()
        self._after_cr = False
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> list[bytes]:
        """The `data` of each event that ends in this chunk."""
        found: list[bytes] = []
        for piece in chunk.splitlines(keepends=True):  # of bytes: at CR, LF and CR LF only
            if self._after_cr and piece == b"\n":
                self._after_cr = False
                continue
            self._line += piece
            self._after_cr = piece.endswith(b"\r")
            if piece.endswith((b"\r", b"\n")):
                line = bytes(self._line).rstrip(b"\r\n")
                self._line.clear()
                if line.startswith(b"data:"):
                    self._data.append(line[5:].removeprefix(b" "))
                elif not line and self._data:
                    found.append(b"\n".join(self._data))
                    self._data.clear()
        return found
