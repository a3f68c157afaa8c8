# SPDX-License-Identifier: Apache-2.0
"""Whole runs with LocalRuntime against a real server, in real time."""

from __future__ import annotations

import asyncio
import io
import json
import wave
from array import array
from collections.abc import Coroutine
from typing import Any

import httpx
import pytest
from opentelemetry import trace
from xrayd_process import Xrayd

import xray
from xray.runtime.local import LocalCall, LocalRuntime


def call_tool(name: str, **arguments: object) -> None:
    """What an instrumented tool leaves behind."""
    with trace.get_tracer("test").start_as_current_span(f"execute_tool {name}") as span:
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.name", name)
        span.set_attribute("gen_ai.tool.call.arguments", json.dumps(arguments))


class Echo:
    """Says what it has heard."""

    def __init__(self, tool: str) -> None:
        self.tool = tool
        self.heard: list[bytes] = []

    async def __call__(self, call: LocalCall) -> None:
        while heard := await call.listen():
            self.heard.append(heard)
            call_tool(self.tool, length=len(heard))
            await call.say(heard, transcript="the same")


def get(server: Xrayd, path: str) -> httpx.Response:
    return httpx.get(server.url + path, timeout=30, trust_env=False).raise_for_status()


def detail(server: Xrayd, replay_id: str) -> dict[str, Any]:
    return get(server, f"/v1/replays/{replay_id}").json()


def channels(server: Xrayd, replay_id: str) -> tuple[bytes, bytes]:
    with wave.open(io.BytesIO(get(server, f"/v1/replays/{replay_id}/audio").content)) as file:
        both = array("h", file.readframes(file.getnframes()))
    return both[0::2].tobytes(), both[1::2].tobytes()


def run(work: Coroutine[Any, Any, None]) -> None:
    async def whole() -> None:
        await work
        assert "xray agent" not in {task.get_name() for task in asyncio.all_tasks()}, "an agent was left"

    asyncio.run(whole())


def test_a_whole_run(shared_server: Xrayd) -> None:
    conversation = xray.Conversation(
        "Echo",
        [
            xray.Turn.user("Good morning.", key="greets"),
            xray.Turn.agent(
                assertions=[
                    xray.Assertion.max_latency_ms(1500),
                    xray.Assertion.tool_called("measure"),
                    xray.Assertion.tool_not_called("cancel"),
                ]
            ),
            xray.Turn.user("Do you hear me?"),
            xray.Turn.agent(assertions=[xray.Assertion.tool_called("measure")]),
        ],
    )
    agent = Echo("measure")

    async def work() -> None:
        result = await xray.run(conversation=conversation, runtime=LocalRuntime(agent), xray_url=shared_server.url)
        assert result.passed, xray.format_failures(result)
        seen = detail(shared_server, result.replay_id)
        assert [turn["role"] for turn in seen["turns"]] == ["user", "agent", "user", "agent"]
        assert [row["name"] for row in seen["tool_calls"]] == ["measure", "measure"]
        assert [json.loads(row["args_json"])["length"] for row in seen["tool_calls"]] == [len(h) for h in agent.heard]
        turns = [json.loads(row["attributes_json"]) for row in seen["spans"] if row["name"] == "xray.turn"]
        assert [turn["xray.turn.idx"] for turn in turns] == [0, 1, 2, 3]
        assert [turn["xray.turn.role"] for turn in turns] == ["user", "agent", "user", "agent"]
        assert turns[0]["xray.turn.key"] == "greets"
        assert turns[0]["xray.turn.transcript"] == "Good morning."
        assert turns[1]["xray.turn.transcript"] == "the same"
        user, said = channels(shared_server, result.replay_id)
        for heard in agent.heard:
            assert heard in user, "the agent heard something else than was recorded"
            assert heard in said, "what the agent said was not recorded whole"
        for row in result.metrics:
            if row.role == "agent":
                # `listen` returns after half a second, and the voice it repeats begins up to 150 ms later.
                assert row.agent_response_ms is not None
                assert 450 <= row.agent_response_ms <= 1200

    run(work())


def test_ten_runs_at_once_do_not_touch_each_other(shared_server: Xrayd) -> None:
    numbers = ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
    agents = [Echo(f"tool_{n}") for n in numbers]

    def conversation(number: str) -> xray.Conversation:
        foreign = [xray.Assertion.tool_not_called(f"tool_{n}") for n in numbers if n != number]
        asserted = [xray.Assertion.tool_called(f"tool_{number}"), *foreign]
        return xray.Conversation(
            f"Echo {number}", [xray.Turn.user(f"This is number {number}."), xray.Turn.agent(assertions=asserted)]
        )

    async def work() -> None:
        results = await asyncio.gather(
            *(
                xray.run(conversation=conversation(n), runtime=LocalRuntime(agent), xray_url=shared_server.url)
                for n, agent in zip(numbers, agents, strict=True)
            )
        )
        assert len({r.replay_id for r in results}) == 10
        for result, agent in zip(results, agents, strict=True):
            assert result.passed, xray.format_failures(result)
            assert [row["name"] for row in detail(shared_server, result.replay_id)["tool_calls"]] == [agent.tool]
            user, said = channels(shared_server, result.replay_id)
            assert agent.heard[0] in user
            assert agent.heard[0] in said

    run(work())


def test_a_barge_in_is_recorded_whole_and_flagged(shared_server: Xrayd) -> None:
    stopped: list[bool] = []

    async def agent(call: LocalCall) -> None:
        question = await call.listen()
        speech = call.say(question * 5)
        await call.listen(silence_ms=100)
        call.stop()
        stopped.append(not await speech)

    conversation = xray.Conversation(
        "Barge-in", [xray.Turn.user("Tell me everything."), xray.Turn.agent(), xray.Turn.user("Stop, please stop.")]
    )

    async def work() -> None:
        runtime = LocalRuntime(agent, agent_turn_timeout_s=2)
        result = await xray.run(conversation=conversation, runtime=runtime, xray_url=shared_server.url)
        assert stopped == [True]
        assert [(row.role, row.interrupted) for row in result.metrics][:2] == [("user", False), ("agent", True)]

    run(work())


def test_an_agent_that_says_nothing_gets_a_verdict_of_its_own(shared_server: Xrayd) -> None:
    async def agent(call: LocalCall) -> None:
        while await call.listen():
            pass

    conversation = xray.Conversation("Silence", [xray.Turn.user("Hello?"), xray.Turn.agent()])

    async def work() -> None:
        runtime = LocalRuntime(agent, agent_turn_timeout_s=1)
        with pytest.raises(xray.ReplayEvaluationError) as raised:
            await xray.run(conversation=conversation, runtime=runtime, xray_url=shared_server.url)
        assert raised.value.failure_reason == "spec_vad_mismatch"

    run(work())


def test_an_agent_that_raises_fails_the_replay(shared_server: Xrayd) -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen()
        raise LookupError("no such table")

    conversation = xray.Conversation("Crash", [xray.Turn.user("Hello?"), xray.Turn.agent()])

    async def work() -> None:
        with pytest.raises(xray.XrayError, match="the agent raised LookupError: no such table") as raised:
            await xray.run(conversation=conversation, runtime=LocalRuntime(agent), xray_url=shared_server.url)
        assert raised.value.replay_id is not None
        seen = detail(shared_server, raised.value.replay_id)
        assert (seen["lifecycle_state"], seen["failure_reason"]) == ("failed", "driver_aborted")

    run(work())


def test_a_run_that_is_cancelled_in_the_middle_fails_the_replay_and_leaves_nothing(shared_server: Xrayd) -> None:
    heard = asyncio.Event()
    cancelled: list[bool] = []
    replays: list[str] = []

    async def agent(call: LocalCall) -> None:
        await call.listen()
        heard.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    conversation = xray.Conversation("Cancelled", [xray.Turn.user("Hello?"), xray.Turn.agent()])

    async def work() -> None:
        running = asyncio.create_task(
            xray.run(
                conversation=conversation,
                runtime=LocalRuntime(agent),
                xray_url=shared_server.url,
                progress=lambda event: replays.append(event.replay_id or ""),
            )
        )
        await heard.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        assert cancelled == [True]
        seen = detail(shared_server, replays[-1])
        assert (seen["lifecycle_state"], seen["failure_reason"]) == ("failed", "driver_aborted")

    run(work())
