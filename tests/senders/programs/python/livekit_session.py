# SPDX-License-Identifier: Apache-2.0
"""Runs a LiveKit agent in text mode, with a scripted model that calls a tool and then answers."""

import asyncio
from typing import Any

from livekit.agents import Agent, AgentSession, function_tool
from livekit.agents.llm import LLM, ChatChunk, ChatContext, ChoiceDelta, CompletionUsage, FunctionToolCall, LLMStream
from livekit.agents.telemetry import set_tracer_provider
from livekit.agents.types import DEFAULT_API_CONNECT_OPTIONS, APIConnectOptions
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor


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

    def chat(
        self,
        *,
        chat_ctx: ChatContext,
        tools: list[Any] | None = None,
        conn_options: APIConnectOptions = DEFAULT_API_CONNECT_OPTIONS,
        **_: Any,
    ) -> LLMStream:
        return ScriptedStream(self, chat_ctx=chat_ctx, tools=tools or [], conn_options=conn_options)


class WeatherAgent(Agent):
    def __init__(self) -> None:
        super().__init__(instructions="Tell the weather.")

    @function_tool
    async def get_weather(self, city: str, days: int) -> dict[str, Any]:
        """The weather of a city."""
        return {"city": city, "days": days, "sky": "sunny"}


async def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    set_tracer_provider(provider)
    async with ScriptedLLM() as llm, AgentSession(llm=llm) as session:
        await session.start(WeatherAgent())
        await session.run(user_input="What is the weather in Köln?")
    provider.shutdown()


if __name__ == "__main__":
    asyncio.run(main())
