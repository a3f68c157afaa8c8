# SPDX-License-Identifier: Apache-2.0
"""OpenTelemetry's own exporters, and a Collector in between: the same turn from each gives the same rows."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api import Api, Json
from samples import silent_recording
from sending import collector, go, javascript, python
from xrayd_process import Xrayd

pytestmark = [pytest.mark.senders, pytest.mark.usefixtures("programs")]

JSON, PROTOBUF = {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
GZIP = {"OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
SENDERS = {
    "python-protobuf": python("turn.py", **PROTOBUF),
    "python-protobuf-gzip": python("turn.py", **PROTOBUF, **GZIP),
    "javascript-json": javascript(**JSON),
    "javascript-json-gzip": javascript(**JSON, **GZIP),
    "javascript-protobuf": javascript(**PROTOBUF),
    "javascript-protobuf-gzip": javascript(**PROTOBUF, **GZIP),
    "go-protobuf": go(),
    "go-protobuf-gzip": go(**GZIP),
}
# Through the Collector the encoding is the Collector's, and so is the compression, gzip.
COLLECTED = [("python-protobuf", "json"), ("javascript-json", "proto"), ("go-protobuf", "json")]

CHAT: Json = {
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
}
# Kinds of values that only Python's SDK has; an empty value and an infinite number are dropped.
PYTHON_CHAT: Json = CHAT | {
    "gen_ai.request.large": -(2**63),
    "gen_ai.request.image": "iVBOR/8A",
    "gen_ai.request.options": {"stop": ["\n", None], "logit_bias": {"50256": -100}, "raw": "/g=="},
}
TOOL: Json = {
    "gen_ai.operation.name": "execute_tool",
    "gen_ai.tool.name": "get_weather",
    "gen_ai.tool.call.id": "call_1",
    "gen_ai.tool.call.arguments": '{"city": "Köln", "days": 2}',
    "gen_ai.tool.call.result": "sunny, 21 °C",
}


def at(ms: int) -> str:
    """That long after the recording began."""
    return f"2026-01-02T03:04:{5 + ms // 1000:02}.{ms % 1000:03}Z"


def without(row: Json, *names: str) -> Json:
    return {name: value for name, value in row.items() if name not in names}


def assert_spans(detail: Json, trace_id: str, turn_id: str, chat_attributes: Json) -> None:
    """`GET /weather` is none of ours: it is not there."""
    expected: list[tuple[Any, ...]] = [
        ("xray.turn", "xray", None, 123, 1023, {"xray.turn.idx": 1}),
        ("chat gpt-4o", "gen_ai", turn_id, 223, 723, chat_attributes),
        ("execute_tool get_weather", "gen_ai", turn_id, 773, 803, TOOL),
    ]
    found = [
        (
            span["name"],
            span["vocabulary"],
            span["parent_span_id"],
            span["audio_offset_ms"],
            span["ended_at"],
            json.loads(span["attributes_json"]),
        )
        for span in detail["spans"]
    ]
    assert found == [(n, v, p, start, at(end), a) for n, v, p, start, end, a in expected]
    assert [span["started_at"] for span in detail["spans"]] == [at(start) for _, _, _, start, _, _ in expected]
    assert {span["trace_id"] for span in detail["spans"]} == {trace_id}
    assert detail["spans"][0]["span_id"] == turn_id
    assert len({span["span_id"] for span in detail["spans"]}) == 3


def assert_turn(detail: Json, printed: str, chat_attributes: Json) -> None:
    """printed: the turn's trace id and span id, as the sender knows them."""
    trace_id, turn_id = printed.split()
    assert_spans(detail, trace_id, turn_id, chat_attributes)
    _, chat, tool = detail["spans"]
    [call] = detail["tool_calls"]
    assert without(call, "id") == {
        "audio_offset_ms": 773,
        "span_id": tool["span_id"],
        "name": "get_weather",
        "args_json": '{"city":"Köln","days":2}',
        "result_json": '"sunny, 21 °C"',
        "started_at": at(773),
        "ended_at": at(803),
        "latency_ms": 30,
    }
    [usage] = detail["model_usage"]
    assert without(usage, "id") == {
        "audio_offset_ms": 223,
        "span_id": chat["span_id"],
        "provider": "openai",
        "model": "gpt-4o-2024-08-06",
        "input_tokens": 120,
        "output_tokens": 30,
        "total_tokens": 150,
        "ttft_ms": 215,
        "started_at": at(223),
        "ended_at": at(723),
        "latency_ms": 500,
    }


def detail_with_anchor(api: Api, replay: str) -> Json:
    """The detail once there is a recording, so that offsets are known."""
    reply = api.upload(replay, silent_recording(), started_at=at(0))
    assert reply.status_code == 200, reply.text
    return api.detail(replay)


def attributes_of(name: str) -> Json:
    return PYTHON_CHAT if name.startswith("python") else CHAT


@pytest.mark.parametrize("name", SENDERS)
def test_a_turn_from_a_stock_exporter_becomes_its_rows(
    name: str, shared_server: Xrayd, shared: Api, replay: str
) -> None:
    sent = SENDERS[name].run(shared_server.url, replay)
    assert_turn(detail_with_anchor(shared, replay), sent.printed, attributes_of(name))


@pytest.mark.parametrize(("name", "encoding"), COLLECTED, ids=lambda value: str(value))
def test_a_turn_through_a_collector_becomes_the_same_rows(
    name: str, encoding: str, shared_server: Xrayd, shared: Api, replay: str
) -> None:
    with collector(shared_server.url, encoding) as endpoint:
        sent = SENDERS[name].run(endpoint, replay)
    assert_turn(detail_with_anchor(shared, replay), sent.printed, attributes_of(name))


def test_an_exporter_is_told_what_was_left_out_and_why(shared_server: Xrayd, replay: str) -> None:
    log = SENDERS["go-protobuf"].run(shared_server.url, replay).log
    assert "partial success" in log
    assert "no known vocabulary" in log
    assert "(1 spans rejected)" in log


def test_an_unknown_replay_is_no_failure_to_an_exporter(shared_server: Xrayd, shared: Api) -> None:
    unknown = "00000000-0000-4000-8000-00000000dead"
    assert SENDERS["python-protobuf"].run(shared_server.url, unknown).log == ""  # it logs what fails
    assert "(4 spans rejected)" in SENDERS["go-protobuf"].run(shared_server.url, unknown).log
    assert shared.http.get(f"/v1/replays/{unknown}").status_code == 404
