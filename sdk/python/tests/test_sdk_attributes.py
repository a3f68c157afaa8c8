# SPDX-License-Identifier: Apache-2.0
"""How a replay is named between the two sides of a call, and in baggage."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from opentelemetry import baggage as otel_baggage

from span_receiver import identity
from xray._attributes import (
    CONVERSATION_HASH,
    MODALITY,
    REPLAY_ID,
    TURN_IDX,
    ReplayIdentity,
    baggage,
    baggage_of,
    build_attribute,
    from_baggage,
    parse_attribute,
)

GOOD = identity(7)


def with_fields(**changed: Any) -> str:
    return json.dumps({**vars(GOOD), **changed})


def test_attribute_is_json_that_reads_back() -> None:
    text = build_attribute(GOOD)
    assert json.loads(text) == vars(GOOD)
    assert parse_attribute(text) == GOOD


def test_fields_of_a_later_version_are_ignored() -> None:
    assert parse_attribute(with_fields(colour="blue")) == GOOD


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"x"',
        "{}",
        "{",
        "nonsense-secret",
        with_fields(replay_id=None),
        with_fields(replay_id=5),
        with_fields(replay_id="nonsense-secret"),
        with_fields(replay_id=GOOD.replay_id + "\n"),
        with_fields(conversation_hash="A" * 64),
        with_fields(conversation_hash="0" * 63),
        with_fields(conversation_hash="0" * 64 + "\n"),
        with_fields(modality=""),
        with_fields(modality=["voice"]),
        with_fields(modality="m" * 65),
        with_fields(padding="p" * 5000),
    ],
)
def test_anything_else_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(ValueError, match="participant attribute xray") as caught:
        parse_attribute(text)
    assert "nonsense-secret" not in str(caught.value)


def test_what_could_not_be_read_is_not_built() -> None:
    with pytest.raises(ValueError, match="replay_id"):
        build_attribute(ReplayIdentity("x", GOOD.conversation_hash, "voice"))


def test_baggage_names_the_replay_until_the_end_of_the_block() -> None:
    with baggage(GOOD.replay_id, GOOD.conversation_hash, "voice"):
        assert otel_baggage.get_all() == {
            REPLAY_ID: GOOD.replay_id,
            CONVERSATION_HASH: GOOD.conversation_hash,
            MODALITY: "voice",
        }
    assert otel_baggage.get_all() == {}


def test_other_baggage_is_left_alone() -> None:
    with baggage_of({"mine": "1"}), baggage(GOOD.replay_id, GOOD.conversation_hash, "voice"):
        assert otel_baggage.get_baggage("mine") == "1"
        assert "mine" not in from_baggage(None)


@pytest.mark.parametrize(("value", "read"), [(3, 3), ("3", 3), ("x", None), ("-1", None), ("", None), ("²", None)])
def test_a_turns_index_is_a_number_even_from_a_header(value: object, read: int | None) -> None:
    with baggage_of({TURN_IDX: value}):
        assert from_baggage(None).get(TURN_IDX) == read


def test_block_may_end_in_another_task(caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        block = baggage(GOOD.replay_id, GOOD.conversation_hash, "voice")

        async def enter() -> None:
            block.__enter__()

        async def leave() -> None:
            block.__exit__(None, None, None)

        await asyncio.create_task(enter())
        await asyncio.create_task(leave())

    with caplog.at_level(logging.DEBUG):
        asyncio.run(main())
    assert [r for r in caplog.records if r.levelno >= logging.WARNING] == []
