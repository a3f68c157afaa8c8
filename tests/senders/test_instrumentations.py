# SPDX-License-Identifier: Apache-2.0
"""Instrumented libraries, each with what it records by itself: the OpenAI client, Langfuse, LiveKit Agents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from api import Api, Json
from fake_openai import MODEL, fake_openai
from sending import Sender, python
from xrayd_process import Xrayd

pytestmark = [pytest.mark.senders, pytest.mark.usefixtures("programs")]


def named(detail: Json, name: str) -> list[Json]:
    return [span for span in detail["spans"] if span["name"] == name]


def attributes(span: Json) -> Json:
    return json.loads(span["attributes_json"])


def fields(row: Json, *names: str) -> tuple[Any, ...]:
    return tuple(row[name] for name in names)


def tokens(usage: Json) -> tuple[Any, ...]:
    return fields(usage, "input_tokens", "output_tokens", "total_tokens")


OPENAI: dict[str, tuple[dict[str, str], str]] = {
    "stable": ({}, "gen_ai.system"),
    "latest": (
        {
            "OTEL_SEMCONV_STABILITY_OPT_IN": "gen_ai_latest_experimental",
            "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_only",
        },
        "gen_ai.provider.name",
    ),
}


@pytest.mark.parametrize("generation", OPENAI)
def test_the_openai_client_reports_each_answer_as_model_usage(
    generation: str, shared_server: Xrayd, shared: Api, replay: str
) -> None:
    settings, provider_name = OPENAI[generation]
    with fake_openai() as url:
        python("openai_chat.py", OPENAI_BASE_URL=url, OPENAI_API_KEY="none", **settings).run(shared_server.url, replay)
    detail = shared.detail(replay)
    assert [fields(s, "name", "vocabulary", "parent_span_id") for s in detail["spans"]] == [
        ("chat gpt-4o-mini", "gen_ai", None)
    ] * 3
    assert [attributes(span)[provider_name] for span in detail["spans"]] == ["openai"] * 3
    assert not any(key.startswith("server.") for span in detail["spans"] for key in attributes(span))
    usages = detail["model_usage"]
    assert [fields(u, "provider", "model", "ttft_ms") for u in usages] == [("openai", MODEL, None)] * 3
    assert [tokens(usage) for usage in usages] == [(120, 30, 150)] * 3
    assert [u["span_id"] for u in usages] == [s["span_id"] for s in detail["spans"]]
    assert detail["tool_calls"] == []  # the client asks for the tool; who runs it reports it
    if generation == "latest":
        [message] = json.loads(attributes(detail["spans"][1])["gen_ai.output.messages"])
        assert message["parts"][0]["arguments"] == {"city": "Köln"}


def test_langfuse_sends_its_observations_itself(shared_server: Xrayd, shared: Api, replay: str) -> None:
    settings = {"LANGFUSE_PUBLIC_KEY": "pk", "LANGFUSE_SECRET_KEY": "sk", "LANGFUSE_BASE_URL": shared_server.url}
    python("langfuse_sdk.py", LANGFUSE_OTEL_TRACES_EXPORT_PATH="v1/traces", **settings).run(shared_server.url, replay)
    detail = shared.detail(replay)
    turn, answer, tool = detail["spans"]
    assert [fields(s, "name", "vocabulary", "parent_span_id") for s in detail["spans"]] == [
        ("turn", "langfuse", None),
        ("answer", "langfuse", turn["span_id"]),
        ("get_weather", "langfuse", turn["span_id"]),
    ]
    assert attributes(turn)["langfuse.observation.metadata.channel"] == '"voice"'
    assert json.loads(attributes(answer)["langfuse.observation.input"])[0]["content"] == "What is the weather in Köln?"
    [usage] = detail["model_usage"]
    assert fields(usage, "span_id", "provider", "model") == (answer["span_id"], None, "gpt-4o")
    assert tokens(usage) == (120, 30, 150)
    # The program says that the answer began 250 ms after a moment within the span.
    assert 250 <= usage["ttft_ms"] <= 250 + usage["latency_ms"] + 1
    [call] = detail["tool_calls"]
    assert fields(call, "span_id", "name") == (tool["span_id"], "get_weather")
    assert fields(call, "args_json", "result_json") == ('{"city":"Köln","days":2}', '"sunny, 21 °C"')


LIVEKIT: dict[str, tuple[Sender, Json]] = {
    "newest": (
        python("livekit_session.py", venv="livekit"),
        {
            "provider": "scripted",
            "spans": {"agent_session", "agent_turn", "llm_node", "llm_request", "llm_request_run", "function_tool"},
            "not_ours": {"session_start", "setup_toolsets", "agent_speaking"},  # have no attribute at all
            "llm_request": "gen_ai.input.messages",
            "function_tool": "gen_ai.tool.call.arguments",
        },
    ),
    "1.2": (
        python("livekit_session.py", venv="livekit-1.2"),
        {
            "provider": None,
            "spans": {"agent_session", "assistant_turn", "llm_node", "llm_request", "llm_request_run", "function_tool"},
            "not_ours": set[str](),
            "llm_request": "lk.llm_metrics",
            "function_tool": "lk.function_tool.arguments",
        },
    ),
}


@pytest.mark.parametrize("release", LIVEKIT)
def test_a_livekit_session_reports_its_tool_and_its_model(
    release: str, shared_server: Xrayd, shared: Api, replay: str
) -> None:
    sender, expected = LIVEKIT[release]
    sender.run(shared_server.url, replay)
    detail = shared.detail(replay)
    names = {span["name"] for span in detail["spans"]}
    assert names >= expected["spans"]
    assert not names & expected["not_ours"]
    assert_livekit_tree(detail)
    [call] = detail["tool_calls"]
    [tool] = named(detail, "function_tool")
    assert fields(call, "span_id", "name") == (tool["span_id"], "get_weather")
    assert expected["function_tool"] in attributes(tool)
    assert call["args_json"] == '{"city":"Köln","days":2}'
    # LiveKit writes a dict as Python's repr().
    assert json.loads(call["result_json"]) == "{'city': 'Köln', 'days': 2, 'sky': 'sunny'}"
    requests = named(detail, "llm_request")
    assert [expected["llm_request"] in attributes(request) for request in requests] == [True, True]
    usages = detail["model_usage"]
    assert [usage["span_id"] for usage in usages] == [request["span_id"] for request in requests]
    assert [fields(u, "provider", "model") for u in usages] == [(expected["provider"], "scripted-1")] * 2
    assert [tokens(usage) for usage in usages] == [(120, 30, 150)] * 2
    # Seconds, if it says them at all: 1.2 has them only within lk.llm_metrics.
    seconds = [attributes(request).get("gen_ai.response.time_to_first_chunk") for request in requests]
    assert [usage["ttft_ms"] for usage in usages] == [None if s is None else round(s * 1000) for s in seconds]


def assert_livekit_tree(detail: Json) -> None:
    """One trace, and each span's parent is there or is a span without attributes."""
    assert len({span["trace_id"] for span in detail["spans"]}) == 1
    [session] = named(detail, "agent_session")
    assert session["parent_span_id"] is None
    nodes = {span["span_id"] for span in named(detail, "llm_node")}
    assert {request["parent_span_id"] for request in named(detail, "llm_request")} == nodes
    assert {span["vocabulary"] for span in detail["spans"]} == {"gen_ai", "livekit"}
    assert attributes(session)["lk.agent_label"]
