# SPDX-License-Identifier: Apache-2.0
"""The agent's side of a test: finds out that it is being tested, and sends its spans to the server that judges it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol

from opentelemetry import trace

from xray import otel
from xray._attributes import PARTICIPANT_ATTRIBUTE, ReplayIdentity, parse_attribute
from xray._session import XraySession

_logger = logging.getLogger("xray.attach")

_EVENTS: Final = ("participant_connected", "participant_attributes_changed")
_FLUSH_S: Final = 5.0
_TRACER: Final = "xray"


class _Room(Protocol):
    """What is needed of `livekit.rtc.Room`."""

    @property
    def remote_participants(self) -> Any: ...
    def on(self, event: Any, callback: Any, /) -> object: ...
    def off(self, event: Any, callback: Any, /) -> object: ...


class JobContext(Protocol):
    """What is needed of `livekit.agents.JobContext`."""

    @property
    def room(self) -> Any: ...


@asynccontextmanager
async def attach(
    ctx: JobContext, *, service_name: str | None = None, endpoint: str | None = None, bind_timeout_s: float = 10.0
) -> AsyncIterator[XraySession | None]:
    """Binds an agent in a LiveKit room to the replay that drives it. To be entered once the room is connected.

        await ctx.connect()
        async with xray.attach(ctx, service_name="booking-agent"):
            ...

    Waits at most `bind_timeout_s` seconds for a participant with the attribute `xray`. If none comes it yields None and
    has changed nothing. Else it yields a session: until its end every span the agent makes, LiveKit Agents' own among
    them, carries the replay's id and is sent to `endpoint`, the server's base URL, else to `XRAY_OTLP_ENDPOINT`; with
    neither there is a warning and nothing is sent. A tracer provider that is there is used; else one is made whose
    resource has `service_name`. Tasks that were started inside keep the replay after the end, and their spans are still
    sent. At the end, what is there is sent, for at most 5 seconds.

    Raises nothing of its own: a fault here is logged, as is that nobody was found, by `xray.attach` or `xray.otel`.
    """
    identity = await _find(ctx, bind_timeout_s)
    if identity is None:
        yield None
        return
    pipeline = _pipeline(endpoint, service_name)
    if pipeline is None:
        yield XraySession(identity, trace.NoOpTracer())
        return
    _flush_with_the_job(ctx, pipeline)
    try:
        with pipeline.bound(identity):
            yield XraySession(identity, pipeline.provider.get_tracer(_TRACER))
    finally:
        await _flush(pipeline)


def _pipeline(endpoint: str | None, service_name: str | None) -> otel.Pipeline | None:
    try:
        try:
            return otel.pipeline(endpoint=endpoint, service_name=service_name)
        except ValueError as error:
            _logger.warning("spans are not sent: %s", error)
            return otel.pipeline_to(None, service_name=service_name)
    except Exception:
        _logger.exception("spans are not sent")
        return None


async def _flush(pipeline: otel.Pipeline) -> None:
    # Not in the loop's default executor, whose threads may all be at work for the agent for as long as it likes.
    thread = ThreadPoolExecutor(1, "xray-flush")
    try:
        await asyncio.get_running_loop().run_in_executor(thread, pipeline.flush, _FLUSH_S)
    except Exception:  # not a cancellation
        _logger.exception("spans may be missing")
    finally:
        thread.shutdown(wait=False)


def _flush_with_the_job(ctx: object, pipeline: otel.Pipeline) -> None:
    """An entrypoint as a rule returns, and leaves us, when its session has started, and a job's process ends without
    atexit handlers before Python 3.13: what came since goes when the job shuts down."""
    add: object = getattr(ctx, "add_shutdown_callback", None)
    if pipeline.queue is None or not callable(add):
        return

    async def flush_xray_spans() -> None:
        await _flush(pipeline)

    try:
        add(flush_xray_spans)
    except Exception:
        _logger.exception("spans that end after the block may be missing")


async def _find(ctx: object, timeout_s: float) -> ReplayIdentity | None:
    """What the first participant with a valid attribute names; None if there is none within `timeout_s` seconds."""
    try:
        room: _Room = getattr(ctx, "room")  # noqa: B009  duck-typed
        _warn_if_not_connected(room)
        found = await _Search(room).run(timeout_s)
    except Exception:
        _logger.exception("the room could not be searched for a participant with the attribute xray")
        return None
    if found is None:
        _logger.info(
            "nobody with the attribute xray in the room in %g s: the agent runs without xray", max(timeout_s, 0)
        )
    return found


def _warn_if_not_connected(room: object) -> None:
    is_connected: object = getattr(room, "isconnected", None)
    if callable(is_connected) and not is_connected():
        _logger.warning("the room is not connected, so nobody is in it: `await ctx.connect()` comes before xray.attach")


class _Search:
    def __init__(self, room: _Room) -> None:
        self._room = room
        self._found: asyncio.Future[ReplayIdentity] = asyncio.get_running_loop().create_future()
        self._refused: set[str] = set()

    async def run(self, timeout_s: float) -> ReplayIdentity | None:
        heard: list[str] = []
        try:
            for event in _EVENTS:
                self._room.on(event, self._look)
                heard.append(event)
            self._look()  # there is no event for one who is there already
            if not self._found.done():
                await asyncio.wait({self._found}, timeout=max(timeout_s, 0))
        finally:
            for event in heard:
                self._room.off(event, self._look)
        return self._found.result() if self._found.done() else None

    def _look(self, *event: object) -> None:
        """Looks at everybody in the room, and at whoever an event is about."""
        try:
            for participant in (*_members(self._room.remote_participants), *event):
                self._consider(participant)
        except Exception:
            _logger.exception("the room's participants could not be looked at")

    def _consider(self, participant: object) -> None:
        attributes: object = getattr(participant, "attributes", None)
        text: object = attributes.get(PARTICIPANT_ATTRIBUTE) if isinstance(attributes, Mapping) else None  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if not isinstance(text, str) or not text or text in self._refused or self._found.done():
            return
        try:
            self._found.set_result(parse_attribute(text))
        except ValueError as error:
            self._refused.add(text)
            _logger.warning("a participant's attribute is ignored: %s", error)


def _members(participants: object) -> Iterable[object]:
    if isinstance(participants, Mapping):
        return list(participants.values())  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportUnknownArgumentType]
    return list(participants) if isinstance(participants, Iterable) else []  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
