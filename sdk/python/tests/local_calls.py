# SPDX-License-Identifier: Apache-2.0
"""What the tests of LocalRuntime have in common."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from xray.conversation import Turn
from xray.runtime.local import LocalCall

LEAD_MS, TAIL_MS, SILENCE_MS = 300, 500, 800
QUESTION = [Turn.user("A question?"), Turn.agent()]


async def deaf(call: LocalCall) -> None:
    """Hears everything and says nothing."""
    async for _ in call.frames():
        pass


def at_ms(pcm: bytes, piece: bytes) -> float:
    """Where a piece lies in samples: once, and whole."""
    at = pcm.find(piece)
    assert at >= 0, "it is not there whole"
    assert pcm.find(piece, at + 1) < 0, "it is there twice"
    return at / 96


def near(value: float | None, wanted: float, *, within: float) -> bool:
    return value is not None and abs(value - wanted) <= within


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left"

    asyncio.run(whole())
