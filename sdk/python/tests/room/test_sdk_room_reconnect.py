# SPDX-License-Identifier: Apache-2.0
"""The driver's connection breaks and is restored: LiveKit's own ways to do that to it."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
from calls import ANSWER, QUESTION, SECOND, call, new_room, runtime, with_agent
from livekit import rtc
from livekit_server import LiveKitServer
from scripted_agent import ScriptedAgent
from sounds import find, find_all, read, samples

from xray.conversation import Turn
from xray.runtime._room.call import Call
from xray.runtime._room.joining import Secret
from xray.runtime.base import RuntimeResult

pytestmark = pytest.mark.room


@pytest.mark.parametrize("scenario", ["SIMULATE_SIGNAL_RECONNECT", "SIMULATE_FULL_RECONNECT"])
def test_the_call_goes_on_after_a_reconnection(
    livekit_server: LiveKitServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, scenario: str
) -> None:
    rooms: list[Any] = []
    join = Call.join

    async def noted(self: Call, url: str, access: Secret) -> None:
        rooms.append(vars(self)["_room"])
        await join(self, url, access)

    monkeypatch.setattr(Call, "join", noted)

    async def act(agent: ScriptedAgent) -> None:
        await agent.user_spoke()
        await agent.say(ANSWER)
        # In the silence after the answer, before the turn is over.
        await rooms[0].simulate_scenario(rtc.SimulateScenarioKind.Value(scenario))
        await agent.user_spoke(silence_s=0.5)
        await agent.say(ANSWER)

    async def go() -> RuntimeResult:
        room = new_room()
        async with ScriptedAgent(livekit_server, room) as agent:
            driver = runtime(livekit_server, room, tmp_path)
            turns = [Turn.user("a"), Turn.agent()] * 2
            return await with_agent(agent, act, call(driver, turns, {0: QUESTION, 2: SECOND}))

    recording = read(asyncio.run(asyncio.wait_for(go(), 60)).full_audio_path)
    asked = find(recording.user, samples(SECOND))
    answer = samples(ANSWER)
    assert find(recording.agent, answer, end=asked.at).match > 0.7
    after = find_all(recording.agent[asked.at :], answer)
    assert after.at > len(SECOND) // 2
