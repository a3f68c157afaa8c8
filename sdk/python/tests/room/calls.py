# SPDX-License-Identifier: Apache-2.0
"""What the tests in rooms do all the time: a runtime for a room, a call with it, an agent that acts meanwhile."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import clip

from xray.conversation import Conversation, Turn
from xray.runtime.base import RuntimeResult
from xray.runtime.livekit import LiveKitRuntime

QUESTION = clip(1, 1.2)
ANSWER = clip(2, 1.5)
GREETING = clip(3, 0.9)
SECOND = clip(4, 0.8)
REPLAY = {"replay_id": "01234567-89ab-cdef-0123-456789abcdef", "conversation_hash": "ab" * 32}

Act = Callable[[ScriptedAgent], Awaitable[Any]]


def new_room() -> str:
    return f"room-{uuid.uuid4().hex[:8]}"


def runtime(server: LiveKitServer, room: str, tmp_path: Path, **options: Any) -> LiveKitRuntime:
    given: dict[str, Any] = {"mixdown_dir": tmp_path / "kept", "cache_root": tmp_path / "cache"}
    given |= {"agent_turn_timeout_s": 10, **options}
    made = LiveKitRuntime(server.url, server.api_key, server.api_secret, room, **given)
    made.bind(**REPLAY)
    return made


async def call(driver: LiveKitRuntime, turns: list[Turn], audio: dict[int, bytes]) -> RuntimeResult:
    driver.inject_user_audio(audio)
    try:
        return await driver.run(Conversation("test", turns))
    finally:
        await driver.aclose()


async def with_agent(agent: ScriptedAgent, act: Act, running: Awaitable[RuntimeResult]) -> RuntimeResult:
    acting = asyncio.ensure_future(act(agent))
    try:
        result = await running
        await acting
        return result
    finally:
        acting.cancel()


def files(tmp_path: Path) -> list[str]:
    """All below it, by their names there."""
    return sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())


async def nothing_left() -> None:
    """Fails if a task but this one runs in the loop (LiveKit's own that outlive a room are given a moment)."""
    for _ in range(100):
        rest = asyncio.all_tasks() - {asyncio.current_task()}
        if not rest:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"tasks are left: {asyncio.all_tasks()}")
