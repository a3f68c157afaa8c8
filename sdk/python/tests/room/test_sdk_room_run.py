# SPDX-License-Identifier: Apache-2.0
"""`xray.run` with a real server, a real room and an agent in it: from the script to the verdict."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from calls import ANSWER, new_room
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import clip
from xrayd_process import Xrayd

import xray
from xray import _wav
from xray.errors import AgentNotJoinedError
from xray.runtime.livekit import LiveKitRuntime

pytestmark = pytest.mark.room

DELAY_S = 0.7


def conversation(tmp_path: Path) -> xray.Conversation:
    question = clip(31, 2.0)
    path = tmp_path / "question.wav"
    path.write_bytes(_wav.header(len(question) // 2, channels=1) + question)
    checks = [xray.Assertion.max_latency_ms(1500)]
    return xray.Conversation(
        "room", [xray.Turn.user("question", audio=xray.RecordedAudio(path)), xray.Turn.agent(assertions=checks)]
    )


def test_a_run_in_a_room_reaches_its_verdict(
    livekit_server: LiveKitServer, shared_server: Xrayd, tmp_path: Path
) -> None:
    async def go() -> xray.ReplayResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            runtime = LiveKitRuntime(
                livekit_server.url, livekit_server.api_key, livekit_server.api_secret, room, cache_root=tmp_path / "c"
            )
            running = asyncio.ensure_future(
                xray.run(conversation=conversation(tmp_path), runtime=runtime, xray_url=shared_server.url)
            )
            await agent.user_spoke(silence_s=0.1)
            await asyncio.sleep(DELAY_S - 0.1)
            await agent.say(ANSWER)
            return await running

    result = asyncio.run(go())
    assert [(a.kind, a.status) for a in result.assertions] == [("max_latency_ms", "passed")]
    metrics = {m.turn_idx: m.agent_response_ms for m in result.metrics}
    response = metrics[1]
    assert response is not None
    assert DELAY_S * 1000 < response < DELAY_S * 1000 + 600
    assert list((tmp_path / "c").iterdir()) == []


def test_a_run_without_an_agent_fails_its_replay(
    livekit_server: LiveKitServer, shared_server: Xrayd, tmp_path: Path
) -> None:
    import httpx

    runtime = LiveKitRuntime(
        livekit_server.url, livekit_server.api_key, livekit_server.api_secret, new_room(), agent_join_timeout_s=0.5
    )
    with pytest.raises(AgentNotJoinedError) as caught:
        asyncio.run(xray.run(conversation=conversation(tmp_path), runtime=runtime, xray_url=shared_server.url))
    detail = httpx.get(f"{shared_server.url}/v1/replays/{caught.value.replay_id}", trust_env=False).json()
    assert (detail["lifecycle_state"], detail["failure_reason"]) == ("failed", "agent_not_joined")
