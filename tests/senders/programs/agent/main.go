// SPDX-License-Identifier: Apache-2.0

// Command agent sends a turn's spans with the stock OTLP/HTTP exporter, which reads its settings from the environment.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// started is when the turn began; its spans are laid out from there.
var started = time.Date(2026, 1, 2, 3, 4, 5, 123_456_789, time.UTC)

func after(d time.Duration) trace.SpanEventOption { return trace.WithTimestamp(started.Add(d)) }

func main() {
	ctx := context.Background()
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		log.Fatal(err)
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	turn(ctx, provider.Tracer("agent", trace.WithInstrumentationVersion("1.0")))
	if err := provider.Shutdown(ctx); err != nil {
		log.Fatal(err)
	}
}

func turn(ctx context.Context, tracer trace.Tracer) {
	ctx, span := tracer.Start(ctx, "xray.turn", after(0), trace.WithAttributes(attribute.Int("xray.turn.idx", 1)))
	defer span.End(after(900 * time.Millisecond))
	fmt.Println(span.SpanContext().TraceID(), span.SpanContext().SpanID())
	chat(ctx, tracer)
	tool(ctx, tracer)
	_, plumbing := tracer.Start(ctx, "GET /weather", after(700*time.Millisecond), trace.WithSpanKind(trace.SpanKindClient))
	plumbing.End(after(800 * time.Millisecond))
}

func chat(ctx context.Context, tracer trace.Tracer) {
	_, span := tracer.Start(ctx, "chat gpt-4o", after(100*time.Millisecond), trace.WithSpanKind(trace.SpanKindClient),
		trace.WithAttributes(
			attribute.String("gen_ai.operation.name", "chat"),
			attribute.String("gen_ai.provider.name", "openai"),
			attribute.String("gen_ai.request.model", "gpt-4o"),
			attribute.String("gen_ai.response.model", "gpt-4o-2024-08-06"),
			attribute.Int("gen_ai.usage.input_tokens", 120),
			attribute.Int("gen_ai.usage.output_tokens", 30),
			attribute.Float64("gen_ai.response.time_to_first_chunk", 0.215),
			attribute.StringSlice("gen_ai.response.finish_reasons", []string{"tool_calls"}),
			attribute.Float64("gen_ai.request.temperature", 0.2),
			attribute.Bool("gen_ai.request.stream", true),
			attribute.Int64Slice("gen_ai.request.seeds", []int64{-1, 9007199254740991}),
			attribute.Float64Slice("gen_ai.request.weights", []float64{0.5, 0.25}),
			attribute.BoolSlice("gen_ai.request.flags", []bool{true, false}),
			attribute.String("gen_ai.request.label", "Grüße, 世界 🌍\x00"),
			attribute.String("server.address", "api.openai.com"),
		))
	span.AddEvent("gen_ai.choice", after(400*time.Millisecond), trace.WithAttributes(attribute.Int("index", 0)))
	span.End(after(600 * time.Millisecond))
}

func tool(ctx context.Context, tracer trace.Tracer) {
	_, span := tracer.Start(ctx, "execute_tool get_weather", after(650*time.Millisecond), trace.WithAttributes(
		attribute.String("gen_ai.operation.name", "execute_tool"),
		attribute.String("gen_ai.tool.name", "get_weather"),
		attribute.String("gen_ai.tool.call.id", "call_1"),
		attribute.String("gen_ai.tool.call.arguments", `{"city": "Köln", "days": 2}`),
		attribute.String("gen_ai.tool.call.result", "sunny, 21 °C"),
	))
	span.RecordError(errors.New("cached answer"), after(660*time.Millisecond))
	span.SetStatus(codes.Error, "stale")
	span.End(after(680 * time.Millisecond))
}
