# SPDX-License-Identifier: Apache-2.0
"""Doubles of a LiveKit job and its room, as `xray.attach` uses them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from opentelemetry import trace

from span_receiver import Receiver, attributes_of
from xray._attributes import REPLAY_ID, ReplayIdentity, build_attribute

T = TypeVar("T")
Handler = Callable[..., None]


class Participant:
    def __init__(self, attributes: object = None) -> None:
        self.attributes: object = {} if attributes is None else attributes


class Room:
    """As `livekit.rtc.Room` is used: events call whoever listens; `off` of an unknown handler is an error there too."""

    def __init__(self, *participants: Participant) -> None:
        self.remote_participants: dict[str, Participant] = {f"p{i}": p for i, p in enumerate(participants)}
        self.handlers: dict[str, list[Handler]] = {}
        self.listened = asyncio.Event()

    def on(self, event: str, callback: Handler) -> Handler:
        self.handlers.setdefault(event, []).append(callback)
        if event == "participant_attributes_changed":
            self.listened.set()
        return callback

    def off(self, event: str, callback: Handler) -> None:
        self.handlers[event].remove(callback)

    def emit(self, event: str, *arguments: object) -> None:
        for handler in list(self.handlers.get(event, [])):
            handler(*arguments)

    @property
    def left_over(self) -> list[Handler]:
        return [handler for handlers in self.handlers.values() for handler in handlers]


class Job:
    def __init__(self, room: Room) -> None:
        self.room = room
        self.callbacks: list[Callable[[], Coroutine[Any, Any, None]]] = []

    def add_shutdown_callback(self, callback: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self.callbacks.append(callback)


def driver(replay: ReplayIdentity) -> Participant:
    return Participant({"xray": build_attribute(replay)})


def span(name: str, **attributes: Any) -> None:
    """As an agent that knows nothing of xray makes it."""
    trace.get_tracer("agent").start_span(name, attributes=attributes).end()


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(main, 60))


@asynccontextmanager
async def soon(work: Callable[[], Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    task = asyncio.create_task(work())
    yield
    await task


def names(receiver: Receiver, replay: ReplayIdentity) -> list[str]:
    return [s["name"] for s in receiver.taken if attributes_of(s).get(REPLAY_ID) == replay.replay_id]
