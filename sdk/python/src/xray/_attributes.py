# SPDX-License-Identifier: Apache-2.0
"""How a replay is named: in the participant attribute `xray` that the driver sets and the agent reads, in
OpenTelemetry baggage inside a process, and in the attributes of a span. The names are the contract with the server
and between the two sides of a call."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import pydantic
from opentelemetry import baggage as otel_baggage
from opentelemetry import context as otel_context
from opentelemetry.context import Context

PARTICIPANT_ATTRIBUTE = "xray"
REPLAY_ID = "xray.replay.id"
CONVERSATION_HASH = "xray.conversation.hash"
MODALITY = "xray.modality"
TURN_IDX = "xray.turn.idx"
TURN_KEY = "xray.turn.key"
TURN_ROLE = "xray.turn.role"
TURN_TRANSCRIPT = "xray.turn.transcript"
TURN_SPAN = "xray.turn"

IDENTITY_KEYS = (REPLAY_ID, CONVERSATION_HASH, MODALITY)
"""What a span shares with its whole replay, against the keys of the turn it is in."""
BAGGAGE_KEYS = (*IDENTITY_KEYS, TURN_IDX, TURN_KEY)
VOICE = "voice"
"""The modality of every call that this SDK makes."""
_TEXT_MAX = 4096


@dataclass(frozen=True)
class ReplayIdentity:
    """Which replay this is. `modality` is what the call is made of, such as "voice"."""

    replay_id: str
    conversation_hash: str
    modality: str

    def as_baggage(self) -> dict[str, str]:
        return {REPLAY_ID: self.replay_id, CONVERSATION_HASH: self.conversation_hash, MODALITY: self.modality}


class _Wire(pydantic.BaseModel):
    """The attribute's JSON. Keys that a later version may add are ignored."""

    model_config = pydantic.ConfigDict(strict=True, extra="ignore")

    replay_id: Annotated[str, pydantic.Field(pattern=r"\A[0-9a-fA-F-]{36}\z")]
    conversation_hash: Annotated[str, pydantic.Field(pattern=r"\A[0-9a-f]{64}\z")]
    modality: Annotated[str, pydantic.Field(min_length=1, max_length=64)]


def build_attribute(identity: ReplayIdentity) -> str:
    """The value of the participant attribute `xray`. Raises ValueError for what `parse_attribute` would refuse."""
    return _checked(lambda: _Wire(**vars(identity))).model_dump_json()


def parse_attribute(text: str) -> ReplayIdentity:
    """What the participant attribute `xray` names. Raises ValueError, without the value in its message, if it is not
    a JSON object with a replay's id, a conversation's hash and a modality."""
    if len(text) > _TEXT_MAX:
        raise ValueError(f"the participant attribute xray is longer than {_TEXT_MAX} characters")
    wire = _checked(lambda: _Wire.model_validate_json(text))
    return ReplayIdentity(wire.replay_id, wire.conversation_hash, wire.modality)


def _checked(make: Callable[[], _Wire]) -> _Wire:
    try:
        return make()
    except pydantic.ValidationError as error:
        issues = [".".join(map(str, e["loc"])) + ": " + e["msg"] for e in error.errors(include_input=False)]
        raise ValueError("the participant attribute xray: " + "; ".join(issues)) from None


@contextmanager
def baggage(replay_id: str, conversation_hash: str, modality: str) -> Iterator[None]:
    """Puts a replay into the calling task's OpenTelemetry baggage; tasks created inside inherit it."""
    with baggage_of(ReplayIdentity(replay_id, conversation_hash, modality).as_baggage()):
        yield


@contextmanager
def baggage_of(values: Mapping[str, object]) -> Iterator[None]:
    """Adds `values` to the calling task's baggage. Left in another task than it was entered in, it does nothing there:
    a context variable can only be taken back where it was set, and the task that had it is gone by then."""
    context = otel_context.get_current()
    for name, value in values.items():
        context = otel_baggage.set_baggage(name, value, context)
    where, token = _whereabouts(), otel_context.attach(context)
    try:
        yield
    finally:
        if _whereabouts() == where:
            otel_context.detach(token)


def _whereabouts() -> tuple[int, object]:
    try:
        return threading.get_ident(), asyncio.current_task()
    except RuntimeError:  # no event loop runs in this thread
        return threading.get_ident(), None


def from_baggage(context: Context | None) -> dict[str, str | int]:
    """The baggage's values of a replay and a turn as a span's attributes; `None` is the current context."""
    found: dict[str, str | int] = {}
    everything = otel_baggage.get_all(context)
    for name in BAGGAGE_KEYS:
        value = everything.get(name)
        if name == TURN_IDX:
            # A number here, but text if it came from another process in a header.
            if isinstance(value, int) or (isinstance(value, str) and value.isascii() and value.isdigit()):
                found[name] = int(value)
        elif isinstance(value, str) and value:
            found[name] = value
    return found
