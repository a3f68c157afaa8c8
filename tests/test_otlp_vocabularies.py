# SPDX-License-Identifier: Apache-2.0
"""Every vocabulary from a request to the fields of a detail, in both encodings."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

import pytest

import samples
from api import Api, Json
from otlp import ENCODINGS, REPLAY_ID, START_NS, Encoding, Outcome, Resource, Span, kept, only, send, stored

TIMES: Json = {
    "started_at": "2024-01-01T00:00:00.000Z",
    "ended_at": "2024-01-01T00:00:00.050Z",
    "latency_ms": 50,
    "audio_offset_ms": None,
}
NO_TOOL: Json = {"args_json": None, "result_json": None}
NO_USAGE: Json = dict.fromkeys(("provider", "model", "input_tokens", "output_tokens", "total_tokens", "ttft_ms"))


@dataclass(frozen=True, kw_only=True)
class Case:
    name: str
    vocabulary: str
    attributes: Json = field(default_factory=dict[str, Any])
    tool: Json | None = None
    usage: Json | None = None


CASES: dict[str, Case] = {
    "xray": Case(name="xray.turn", vocabulary="xray", attributes={"xray.role": "user"}),
    "xray's stages": Case(name="xray.stage.tts", vocabulary="xray"),
    "xray's name with more": Case(name="xray.turn", vocabulary="xray", attributes={"gen_ai.operation.name": "chat"}),
    "today's model call": Case(
        name="chat gpt-4o",
        vocabulary="gen_ai",
        attributes={
            "gen_ai.operation.name": "chat",
            "gen_ai.provider.name": "openai",
            "gen_ai.system": "not this",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.response.model": "gpt-4o-2024",
            "gen_ai.usage.input_tokens": 412,
            "gen_ai.usage.output_tokens": "37",
            "gen_ai.response.time_to_first_chunk": 0.4213,
        },
        usage={
            "provider": "openai",
            "model": "gpt-4o-2024",
            "input_tokens": 412,
            "output_tokens": 37,
            "total_tokens": 449,
            "ttft_ms": 421,
        },
    ),
    "the earlier model call": Case(
        name="anything",
        vocabulary="gen_ai",
        attributes={
            "gen_ai.operation.name": "text_completion",
            "gen_ai.system": "s",
            "gen_ai.request.model": "m",
            "gen_ai.usage.output_tokens": 2,
            "lk.response.ttft": 1.5,
        },
        usage={"provider": "s", "model": "m", "output_tokens": 2, "total_tokens": 2, "ttft_ms": 1500},
    ),
    "generate_content": Case(
        name="x", vocabulary="gen_ai", attributes={"gen_ai.operation.name": "generate_content"}, usage={}
    ),
    "an operation of no row": Case(
        name="chat", vocabulary="gen_ai", attributes={"gen_ai.operation.name": "embeddings"}
    ),
    "a negative time": Case(
        name="chat", vocabulary="gen_ai", attributes={"gen_ai.response.time_to_first_chunk": -0.1}, usage={}
    ),
    "only a name": Case(name="text_completion", vocabulary="gen_ai", usage={}),
    "today's tool": Case(
        name="execute_tool get_weather",
        vocabulary="gen_ai",
        attributes={
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": "weather",
            "gen_ai.tool.call.arguments": '{ "city" : "Rome", "days": [1, 2.50] }',
            "gen_ai.tool.call.result": "sunny, 21\u00b0",
        },
        tool={"name": "weather", "args_json": '{"city":"Rome","days":[1,2.5]}', "result_json": '"sunny, 21\u00b0"'},
    ),
    "the earlier tool": Case(
        name="execute_tool get_weather",
        vocabulary="gen_ai",
        attributes={"gen_ai.tool.arguments": {"city": ["Rome"]}, "gen_ai.tool.result": 5},
        tool={"name": "get_weather", "args_json": '{"city":["Rome"]}', "result_json": "5"},
    ),
    "a tool without a name": Case(name="execute_tool ", vocabulary="gen_ai"),
    "LiveKit's tool before 1.5": Case(
        name="function_tool",
        vocabulary="gen_ai",
        attributes={
            "lk.function_tool.name": "book",
            "lk.pii.function_tool.arguments": "{}",
            "lk.function_tool.arguments": "[1]",
            "lk.function_tool.output": "true",
        },
        tool={"name": "book", "args_json": "{}", "result_json": "true"},
    ),
    "LiveKit's model call before 1.5": Case(
        name="llm_request",
        vocabulary="gen_ai",
        attributes={"gen_ai.request.model": "m", "gen_ai.usage.input_tokens": 3},
        usage={"model": "m", "input_tokens": 3, "total_tokens": 3},
    ),
    "Langfuse's generation": Case(
        name="answer",
        vocabulary="langfuse",
        attributes={
            "langfuse.observation.type": "generation",
            "langfuse.type": "tool",
            "langfuse.observation.provider": "p",
            "langfuse.observation.model.name": "m",
            "langfuse.observation.usage_details": '{"input": 1, "output": 2, "total": 30}',
            "langfuse.observation.completion_start_time": '"2024-01-01T00:00:00.250000Z"',
        },
        usage={
            "provider": "p",
            "model": "m",
            "input_tokens": 1,
            "output_tokens": 2,
            "total_tokens": 30,
            "ttft_ms": 250,
        },
    ),
    "Langfuse's earlier generation": Case(
        name="answer",
        vocabulary="langfuse",
        attributes={
            "langfuse.type": "generation",
            "langfuse.observation.usage_details.input": 5,
            "langfuse.observation.usage_details.output": 6,
        },
        usage={"input_tokens": 5, "output_tokens": 6, "total_tokens": 11},
    ),
    "Langfuse's tool": Case(
        name="span",
        vocabulary="langfuse",
        attributes={
            "langfuse.observation.type": "tool",
            "langfuse.observation.name": "book",
            "langfuse.observation.input": '{"a": 1}',
            "langfuse.observation.output": "done",
        },
        tool={"name": "book", "args_json": '{"a":1}', "result_json": '"done"'},
    ),
    "Langfuse's earlier tool": Case(
        name="book",
        vocabulary="langfuse",
        attributes={"langfuse.type": "tool", "langfuse.observation.input.value": "x"},
        tool={"name": "book", "args_json": '"x"'},
    ),
    "Langfuse's others": Case(name="x", vocabulary="langfuse", attributes={"langfuse.observation.type": "span"}),
    "gen_ai before Langfuse": Case(
        name="x",
        vocabulary="gen_ai",
        attributes={"langfuse.observation.type": "tool", "gen_ai.request.model": "m"},
    ),
    "LiveKit's own": Case(name="agent_turn", vocabulary="livekit", attributes={"lk.speech_id": "s"}),
}
PREFIXES = {"xray": "xray.", "gen_ai": "gen_ai.", "langfuse": "langfuse.", "livekit": "lk."}


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


def check_extract(rows: list[Json], wanted: Json | None, nothing: Json, span: Span) -> None:
    if wanted is None:
        assert rows == []
        return
    row = only(rows)
    assert row == {"id": row["id"], "span_id": span.span_id.hex()} | TIMES | nothing | wanted


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
@pytest.mark.parametrize("name", CASES)
def test_a_vocabulary(shared: Api, conversation: str, name: str, encoding: Encoding) -> None:
    case = CASES[name]
    strangers: Json = {"service.name": "s", "genai.x": 1, "lkx": 2, "xrayx": 3, "langfusex": 4}
    span = Span(name=case.name, attributes=case.attributes | strangers)
    detail = stored(shared, shared.new_replay(conversation), span, encoding=encoding)

    row = only(detail["spans"])
    assert row["vocabulary"] == case.vocabulary
    prefixes = (PREFIXES[case.vocabulary], "lk.")
    assert kept(row) == {key: value for key, value in case.attributes.items() if key.startswith(prefixes)}
    check_extract(detail["tool_calls"], case.tool, NO_TOOL, span)
    check_extract(detail["model_usage"], case.usage, NO_USAGE, span)


UNRECOGNISED = ["xray.turns", "xray", "Chat", "execute-tool", "GET /v1", "", "function_tool", "llm_request"]


@pytest.mark.parametrize("name", UNRECOGNISED)
def test_a_span_of_no_vocabulary(shared: Api, conversation: str, name: str) -> None:
    replay = shared.new_replay(conversation)
    span = Span(name=name, attributes={"http.method": "GET", REPLAY_ID: replay, "GEN_AI.x": 1})
    assert send(shared, [Resource({"lk.of": "the resource"}, [span])]).rejected == 1
    assert shared.detail(replay)["spans"] == []


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ('{"a":1e2,"b":"\\u00e9"}', '{"a":100,"b":"\u00e9"}'),
        ("12345678901234567890", "12345678901234567890"),
        ("null", "null"),
        ("", '""'),
        ("{", '"{"'),
        ("NaN", '"NaN"'),
        ("[" * 64 + "]" * 64, "[" * 64 + "]" * 64),
        ("[" * 65 + "]" * 65, '"' + "[" * 65 + "]" * 65 + '"'),
        ("\u2028", '"\\u2028"'),
    ],
)
def test_arguments_become_json(shared: Api, conversation: str, text: str, shown: str) -> None:
    span = Span(name="execute_tool t", attributes={"gen_ai.tool.call.arguments": text})
    call = only(stored(shared, shared.new_replay(conversation), span)["tool_calls"])
    assert call["args_json"] == shown
    json.loads(call["args_json"])


def test_a_first_token_before_the_start_has_no_time(shared: Api, conversation: str) -> None:
    attributes = {
        "langfuse.observation.type": "generation",
        "langfuse.observation.completion_start_time": "2024-01-01T00:00:00.250Z",
    }
    spans = [Span(name="x", attributes=attributes, start=START_NS + at) for at in (0, 250_000_000, 250_000_001)]
    detail = stored(shared, shared.new_replay(conversation), *spans)
    assert [row["ttft_ms"] for row in detail["model_usage"]] == [250, 0, None]


def test_a_span_is_the_span_of_its_own_replay(shared: Api, conversation: str) -> None:
    """The same id in two replays is two spans, each with its tool call."""
    span = Span(name="execute_tool t")
    for _ in range(2):
        detail = stored(shared, shared.new_replay(conversation), span)
        assert only(detail["tool_calls"])["span_id"] == only(detail["spans"])["span_id"] == span.span_id.hex()


def test_nothing_is_created(shared: Api) -> None:
    conversations = shared.http.get("/v1/conversations").json()
    unknown = "11111111-1111-4111-8111-111111111111"
    assert send(shared, [Resource({REPLAY_ID: unknown}, [Span()])]) == Outcome(
        1, "rejected: 1 name a replay that does not exist"
    )
    assert shared.http.get(f"/v1/replays/{unknown}").status_code == 404
    assert shared.http.get("/v1/conversations").json() == conversations
