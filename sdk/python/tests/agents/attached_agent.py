# SPDX-License-Identifier: Apache-2.0
"""A LiveKit agent in text mode, with a scripted model that calls a tool and then answers, under `xray.attach`.

Runs in an environment that has livekit-agents; what it knows of the replay is in its room's participant. Its argument
says how the agent and `attach` meet; the agent's code is the same in all of them. Prints as JSON what the test needs.
"""

# What an agent's author has is not typed strictly, and livekit-agents is not where the type checker looks.
# pyright: basic, reportMissingImports=false, reportAttributeAccessIssue=false

import asyncio
import json
import logging
import sys
from typing import Any

from livekit import rtc
from livekit.agents import Agent, AgentSession, function_tool, telemetry
from livekit.agents.llm import LLM, ChatChunk, ChoiceDelta, CompletionUsage, FunctionToolCall, LLMStream
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import xray


class ScriptedStream(LLMStream):
    async def _run(self) -> None:
        called = any(item.type == "function_call_output" for item in self._chat_ctx.items)
        delta = ChoiceDelta(role="assistant", content="It is sunny in Köln.")
        if not called:
            call = FunctionToolCall(name="get_weather", arguments='{"city": "Köln", "days": 2}', call_id="call_1")
            delta = ChoiceDelta(role="assistant", tool_calls=[call])
        usage = CompletionUsage(completion_tokens=30, prompt_tokens=120, total_tokens=150)
        self._event_ch.send_nowait(ChatChunk(id="chunk_1", delta=delta))
        self._event_ch.send_nowait(ChatChunk(id="chunk_1", usage=usage))


class ScriptedLLM(LLM):
    @property
    def model(self) -> str:
        return "scripted-1"

    @property
    def provider(self) -> str:
        return "scripted"

    def chat(self, *, chat_ctx: Any, tools: Any = None, conn_options: Any = DEFAULT_API_CONNECT_OPTIONS, **_: Any):
        return ScriptedStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class WeatherAgent(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Tell the weather.")

    @function_tool
    async def get_weather(self, city: str, days: int) -> str:
        """The weather of a city."""
        # A stock instrumentation that does not hand its context to a pool thread.
        await asyncio.get_running_loop().run_in_executor(None, query)
        return f"sunny in {city} for {days} days"


def query() -> None:
    trace.get_tracer("stock").start_span("chat backend", attributes={"gen_ai.operation.name": "embeddings"}).end()


class Participant:
    def __init__(self, attributes: dict[str, str]) -> None:
        self.attributes = attributes


class Room(rtc.EventEmitter):
    """LiveKit's own emitter, which a real room is."""

    def __init__(self, attribute: str) -> None:
        super().__init__()
        self.remote_participants = {"xray-driver": Participant({"xray": attribute})}


class Job:
    def __init__(self, attribute: str) -> None:
        self.room = Room(attribute)
        self.shutdown_callbacks: list[Any] = []

    def add_shutdown_callback(self, callback: Any) -> None:
        self.shutdown_callbacks.append(callback)


async def talk(session: AgentSession) -> None:
    await session.run(user_input="What is the weather in Köln?")


def exporting() -> tuple[TracerProvider, InMemorySpanExporter]:
    provider, memory = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    return provider, memory


async def inside(job: Job, session: AgentSession) -> dict[str, Any]:
    async with xray.attach(job):
        await session.start(WeatherAgent())
        await talk(session)
    return {}


async def started_before(job: Job, session: AgentSession) -> dict[str, Any]:
    """The session's tasks are older than the replay."""
    await session.start(WeatherAgent())
    async with xray.attach(job):
        await talk(session)
    return {}


async def spoken_to_from_before(job: Job, session: AgentSession) -> dict[str, Any]:
    """As a room's event does: from a task that was there before the block, into a session that was started in it."""
    go: asyncio.Event = asyncio.Event()

    async def event() -> None:
        await go.wait()
        await talk(session)

    task = asyncio.create_task(event())
    async with xray.attach(job):
        await session.start(WeatherAgent())
        go.set()
        await task
    return {}


async def entrypoint_returned(job: Job, session: AgentSession) -> dict[str, Any]:
    """The block ends when the session has started, as an entrypoint does; the conversation comes later."""
    go: asyncio.Event = asyncio.Event()

    async def conversation() -> None:
        await go.wait()
        await talk(session)

    async with xray.attach(job):
        await session.start(WeatherAgent())
        task = asyncio.create_task(conversation())
    go.set()
    await task
    await session.aclose()
    for callback in job.shutdown_callbacks:
        await callback()
    return {}


async def own_exporter(job: Job, session: AgentSession) -> dict[str, Any]:
    """The agent has given LiveKit's tracer a provider of its own."""
    provider, memory = exporting()
    telemetry.set_tracer_provider(provider)
    async with xray.attach(job):
        await session.start(WeatherAgent())
        await talk(session)
    await session.aclose()
    return {"theirs": [span.name for span in memory.get_finished_spans()]}


async def own_global(job: Job, session: AgentSession) -> dict[str, Any]:
    """The agent has set OpenTelemetry's global provider."""
    provider, memory = exporting()
    trace.set_tracer_provider(provider)
    async with xray.attach(job):
        await session.start(WeatherAgent())
        await talk(session)
    await session.aclose()
    assert trace.get_tracer_provider() is provider
    return {"theirs": [span.name for span in memory.get_finished_spans()]}


async def own_exporter_later(job: Job, session: AgentSession) -> dict[str, Any]:
    """The provider is switched under `attach`, as some versions do by themselves for LiveKit Cloud."""
    async with xray.attach(job):
        provider, memory = exporting()
        telemetry.set_tracer_provider(provider)
        await session.start(WeatherAgent())
        await talk(session)
    await session.aclose()
    return {"theirs": [span.name for span in memory.get_finished_spans()]}


async def untested(job: Job, session: AgentSession) -> dict[str, Any]:
    """Nobody tests the agent: it does what it does without xray."""
    job.room.remote_participants.clear()
    async with xray.attach(job, bind_timeout_s=0.01) as bound:
        assert bound is None
        await session.start(WeatherAgent())
        await talk(session)
    assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
    return {}


SCENARIOS = [
    inside,
    started_before,
    spoken_to_from_before,
    entrypoint_returned,
    own_exporter,
    own_global,
    own_exporter_later,
    untested,
]


async def main(scenario: str, attribute: str) -> None:
    run = {s.__name__: s for s in SCENARIOS}[scenario]
    async with ScriptedLLM() as llm, AgentSession(llm=llm) as session:
        printed = await run(Job(attribute), session)
    said = [item.text_content for item in session.history.items if item.type == "message"]
    print(json.dumps({**printed, "said": said[-1]}))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    asyncio.run(main(sys.argv[1], sys.argv[2]))
