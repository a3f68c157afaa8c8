# SPDX-License-Identifier: Apache-2.0
"""Asks an OpenAI model three times with OpenTelemetry's instrumentation: an answer, a tool call, a stream."""

from openai import OpenAI
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.instrumentation.openai_v2 import OpenAIInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object", "properties": {}}}}


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    OpenAIInstrumentor().instrument(tracer_provider=provider)
    client = OpenAI()
    ask = [{"role": "user", "content": "What is the weather in Köln?"}]
    client.chat.completions.create(model="gpt-4o-mini", messages=ask, temperature=0.2, max_tokens=100)
    client.chat.completions.create(model="gpt-4o-mini", messages=ask, tools=[TOOL])
    stream = client.chat.completions.create(
        model="gpt-4o-mini", messages=ask, stream=True, stream_options={"include_usage": True}
    )
    for _ in stream:
        pass
    provider.shutdown()


if __name__ == "__main__":
    main()
