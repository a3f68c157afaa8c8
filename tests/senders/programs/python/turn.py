# SPDX-License-Identifier: Apache-2.0
"""Sends a turn's spans with the stock OTLP/HTTP exporter, which reads its settings from the environment."""

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer

STARTED_NS = 1_767_323_045_123_456_789  # when the turn began; its spans are laid out from there


def after(ms: int) -> int:
    return STARTED_NS + ms * 1_000_000


def chat(tracer: Tracer) -> None:
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 120,
        "gen_ai.usage.output_tokens": 30,
        "gen_ai.response.time_to_first_chunk": 0.215,
        "gen_ai.response.finish_reasons": ["tool_calls"],
        "gen_ai.request.temperature": 0.2,
        "gen_ai.request.stream": True,
        "gen_ai.request.seeds": [-1, 9007199254740991],
        "gen_ai.request.weights": [0.5, 0.25],
        "gen_ai.request.flags": [True, False],
        "gen_ai.request.label": "Grüße, 世界 🌍\0",
        "gen_ai.request.large": -(2**63),
        "gen_ai.request.image": b"\x89PNG\xff\x00",
        "gen_ai.request.options": {"stop": ["\n", None], "logit_bias": {"50256": -100}, "raw": b"\xfe"},
        "gen_ai.request.nothing": None,
        "gen_ai.request.unbounded": float("inf"),
        "server.address": "api.openai.com",
    }
    span = tracer.start_span("chat gpt-4o", kind=SpanKind.CLIENT, attributes=attributes, start_time=after(100))
    span.add_event("gen_ai.choice", {"index": 0}, timestamp=after(400))
    span.end(after(600))


def tool(tracer: Tracer) -> None:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "get_weather",
        "gen_ai.tool.call.id": "call_1",
        "gen_ai.tool.call.arguments": '{"city": "Köln", "days": 2}',
        "gen_ai.tool.call.result": "sunny, 21 °C",
    }
    span = tracer.start_span("execute_tool get_weather", attributes=attributes, start_time=after(650))
    span.record_exception(RuntimeError("cached answer"), timestamp=after(660))
    span.set_status(Status(StatusCode.ERROR, "stale"))
    span.end(after(680))


def main() -> None:
    provider = TracerProvider()
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    tracer = provider.get_tracer("agent", "1.0")
    turn = tracer.start_span("xray.turn", attributes={"xray.turn.idx": 1}, start_time=after(0))
    with trace.use_span(turn):
        chat(tracer)
        tool(tracer)
        tracer.start_span("GET /weather", kind=SpanKind.CLIENT, start_time=after(700)).end(after(800))
    turn.end(after(900))
    ids = turn.get_span_context()
    print(trace.format_trace_id(ids.trace_id), trace.format_span_id(ids.span_id))
    provider.shutdown()


if __name__ == "__main__":
    main()
