# SPDX-License-Identifier: Apache-2.0
"""LiveKitRuntime in a room of a real server, with an agent that plays known clips."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import RATE, Recording, clip, find, find_all, read, rms, samples

from xray.conversation import Conversation, Turn
from xray.runtime.base import RuntimeResult
from xray.runtime.livekit import LiveKitRuntime

pytestmark = pytest.mark.room

QUESTION = clip(1, 1.2)
ANSWER = clip(2, 1.5)
GREETING = clip(3, 0.9)
SECOND = clip(4, 0.8)
REPLAY = {"replay_id": "01234567-89ab-cdef-0123-456789abcdef", "conversation_hash": "ab" * 32}

Act = Callable[[ScriptedAgent], Awaitable[Any]]


def new_room() -> str:
    return f"room-{uuid.uuid4().hex[:8]}"


def runtime(server: LiveKitServer, room: str, tmp_path: Path, **options: Any) -> LiveKitRuntime:
    made = LiveKitRuntime(
        server.url,
        server.api_key,
        server.api_secret,
        room,
        **{"mixdown_dir": tmp_path / "kept", "cache_root": tmp_path / "cache", "agent_turn_timeout_s": 10, **options},
    )
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


ONE = [Turn.user("question"), Turn.agent()]


async def answers(agent: ScriptedAgent) -> None:
    await agent.user_spoke()
    await agent.say(ANSWER)


def gap_s(recording: Recording, question: bytes = QUESTION, answer: bytes = ANSWER) -> float:
    asked = find_all(recording.user, samples(question))
    answered = find_all(recording.agent, samples(answer))
    return (answered.at - asked.at) / RATE - len(question) / 2 / RATE


def test_both_sides_are_recorded_whole_and_where_they_were(livekit_server: LiveKitServer, tmp_path: Path) -> None:
    async def go() -> tuple[RuntimeResult, bytes]:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path)
            result = await with_agent(agent, answers, call(driver, ONE, {0: QUESTION}))
            return result, bytes(agent.heard)

    result, heard = asyncio.run(go())
    recording = read(result.full_audio_path)
    # 300 ms of silence until the agent is sure, and a leg each way with its jitter buffer.
    assert 0.3 < gap_s(recording) < 0.6
    # The user's side is what was sent, to the bit.
    asked = find(recording.user, samples(QUESTION))
    assert asked.match > 0.999999
    assert rms(recording.user[: asked.at]) == 0
    find_all(samples(heard), samples(QUESTION))
    assert result.recording_started_at_epoch is not None
    assert [r.transcript for r in result.responses] == [""]
    duration = result.responses[0].duration_ms
    assert duration is not None
    assert abs(duration - 1500) < 80
    # It ended by silence, not by its time-out.
    assert recording.seconds < 8
