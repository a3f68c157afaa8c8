# SPDX-License-Identifier: Apache-2.0
"""Which of what the agent says in a room is its answer."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from calls import ANSWER, GREETING, QUESTION, SECOND, call, new_room, runtime, with_agent
from livekit import api
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import RATE, clip, find_all, read, samples

from virtual_time import Spans
from xray.conversation import Turn
from xray.runtime.base import RuntimeResult

pytestmark = pytest.mark.room

ONE = [Turn.user("question"), Turn.agent()]


def test_an_answer_within_the_silence_at_the_end_of_the_users_clip_counts(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    """Clips end in silence, and quick agents do not wait for its end. It begins in it and goes on after it."""
    answer = clip(5, 1.5)

    async def act(agent: ScriptedAgent) -> None:
        await agent.user_spoke(silence_s=0.3)
        await agent.send_text("Yes.", segment="s1")
        await agent.say(answer)

    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path)
            return await with_agent(agent, act, call(driver, ONE, {0: QUESTION + bytes(2 * RATE)}))

    result = asyncio.run(go())
    recording = read(result.full_audio_path)
    assert find_all(recording.agent, samples(answer)).at < find_all(recording.user, samples(QUESTION)).at + 2.2 * RATE
    (response,) = result.responses
    assert response.transcript == "Yes."
    assert response.duration_ms is not None
    assert abs(response.duration_ms - 1500) < 80


def test_an_answer_that_is_over_before_the_users_clip_is_ends_the_turn(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    async def act(agent: ScriptedAgent) -> None:
        await agent.user_spoke(silence_s=0.3)
        await agent.say(clip(5, 0.4))

    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path)
            return await with_agent(agent, act, call(driver, ONE, {0: QUESTION + bytes(2 * RATE * 3 // 2)}))

    result = asyncio.run(go())
    assert result.responses[0].duration_ms is not None
    # It did not last until its time-out of 10 s.
    assert read(result.full_audio_path).seconds < 8


def test_what_the_agent_said_before_the_user_spoke_is_in_no_response(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    async def act(agent: ScriptedAgent) -> None:
        await agent.user_came.wait()
        await agent.send_text("Hello, how can I help?", segment="s0")
        await agent.say(GREETING)
        await agent.user_spoke()
        await agent.send_text("We open at nine.", segment="s1")
        await agent.say(ANSWER)

    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            return await with_agent(agent, act, call(runtime(livekit_server, room, tmp_path), ONE, {0: QUESTION}))

    result = asyncio.run(go())
    find_all(read(result.full_audio_path).agent, samples(GREETING))
    assert [r.transcript for r in result.responses] == ["We open at nine."]


def test_an_agent_that_hangs_up_right_after_its_goodbye_has_said_it(
    livekit_server: LiveKitServer, tmp_path: Path
) -> None:
    room = new_room()
    spans = Spans()

    async def act(agent: ScriptedAgent) -> None:
        await agent.user_spoke()
        await agent.send_text("Thank you, goodbye.", segment="s1")
        await agent.say(ANSWER)
        await asyncio.sleep(0.3)  # its last frames are on their way
        async with api.LiveKitAPI(livekit_server.url, livekit_server.api_key, livekit_server.api_secret) as client:
            await client.room.delete_room(api.DeleteRoomRequest(room=room))

    async def go() -> RuntimeResult:
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path, tracer_provider=spans.provider)
            return await with_agent(agent, act, call(driver, [*ONE, *ONE], {0: QUESTION, 2: SECOND}))

    result = asyncio.run(go())
    goodbye, never = result.responses
    assert goodbye.transcript == "Thank you, goodbye."
    assert goodbye.duration_ms is not None
    assert abs(goodbye.duration_ms - 1500) < 80
    assert (never.transcript, never.duration_ms) == ("", None)
    assert result.full_transcript == "user: question\nagent: Thank you, goodbye."
    assert [(s.attributes or {})["xray.turn.transcript"] for s in spans.ended] == ["question", "Thank you, goodbye."]
    begin, end = spans.ended[1].start_time, spans.ended[1].end_time
    assert begin is not None
    assert end is not None
    assert abs((end - begin) / 1e6 - goodbye.duration_ms) <= 1
