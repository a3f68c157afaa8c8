// SPDX-License-Identifier: Apache-2.0
// Sends a turn's spans with the stock OTLP/HTTP exporters, which read their settings from the environment.
import { context, SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { OTLPTraceExporter as JsonExporter } from "@opentelemetry/exporter-trace-otlp-http";
import { OTLPTraceExporter as ProtobufExporter } from "@opentelemetry/exporter-trace-otlp-proto";
import { detectResources, envDetector } from "@opentelemetry/resources";
import { BatchSpanProcessor, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";

// When the turn began, in seconds and nanoseconds; its spans are laid out from there.
const after = (ms) => [1_767_323_045, 123_456_789 + ms * 1_000_000];

function chat(tracer) {
  const attributes = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.usage.input_tokens": 120,
    "gen_ai.usage.output_tokens": 30,
    "gen_ai.response.time_to_first_chunk": 0.215,
    "gen_ai.response.finish_reasons": ["tool_calls"],
    "gen_ai.request.temperature": 0.2,
    "gen_ai.request.stream": true,
    "gen_ai.request.seeds": [-1, 9007199254740991],
    "gen_ai.request.weights": [0.5, 0.25],
    "gen_ai.request.flags": [true, false],
    "gen_ai.request.label": "Grüße, 世界 🌍\0",
    "server.address": "api.openai.com",
  };
  const span = tracer.startSpan("chat gpt-4o", { kind: SpanKind.CLIENT, attributes, startTime: after(100) });
  span.addEvent("gen_ai.choice", { index: 0 }, after(400));
  span.end(after(600));
}

function tool(tracer) {
  const attributes = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "get_weather",
    "gen_ai.tool.call.id": "call_1",
    "gen_ai.tool.call.arguments": '{"city": "Köln", "days": 2}',
    "gen_ai.tool.call.result": "sunny, 21 °C",
  };
  const span = tracer.startSpan("execute_tool get_weather", { attributes, startTime: after(650) });
  span.recordException(new Error("cached answer"), after(660));
  span.setStatus({ code: SpanStatusCode.ERROR, message: "stale" });
  span.end(after(680));
}

const json = process.env.OTEL_EXPORTER_OTLP_PROTOCOL === "http/json";
const provider = new NodeTracerProvider({
  resource: detectResources({ detectors: [envDetector] }),
  spanProcessors: [new BatchSpanProcessor(json ? new JsonExporter() : new ProtobufExporter())],
});
provider.register();
const tracer = trace.getTracer("agent", "1.0");
const turn = tracer.startSpan("xray.turn", { attributes: { "xray.turn.idx": 1 }, startTime: after(0) });
context.with(trace.setSpan(context.active(), turn), () => {
  chat(tracer);
  tool(tracer);
  tracer.startSpan("GET /weather", { kind: SpanKind.CLIENT, startTime: after(700) }).end(after(800));
});
turn.end(after(900));
console.log(turn.spanContext().traceId, turn.spanContext().spanId);
await provider.shutdown();
