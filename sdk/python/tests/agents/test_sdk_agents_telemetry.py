# SPDX-License-Identifier: Apache-2.0
"""Real LiveKit agents, the newest and 1.2, under `xray.attach`: each scenario of `attached_agent.py` in a process of
its own, against a real server. The environments are those that `scripts/senders` makes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from xrayd_process import ROOT, Xrayd

import xray
from replay_server import Server
from xray._attributes import ReplayIdentity, build_attribute

Json = dict[str, Any]
pytestmark = pytest.mark.agents

PROGRAM = Path(__file__).with_name("attached_agent.py")
SOURCES = Path(xray.__file__).parent.parent
ENVIRONMENTS = {"newest": "livekit", "1.2": "livekit-1.2"}


@pytest.fixture
def server(shared_server: Xrayd) -> Server:
    return Server(shared_server.url)


@pytest.fixture
def replay(server: Server) -> ReplayIdentity:
    return server.new_replay()


def agent(release: str, scenario: str, replay: ReplayIdentity, url: str) -> Json:
    """Runs it to its end; what it printed."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    ended = subprocess.run(
        [
            ROOT / "build" / "senders" / ENVIRONMENTS[release] / "bin" / "python",
            PROGRAM,
            scenario,
            build_attribute(replay),
        ],
        env=kept | {"PYTHONPATH": str(SOURCES), "XRAY_OTLP_ENDPOINT": url, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    sys.stderr.write(ended.stderr)  # pytest shows it if the test fails
    assert ended.returncode == 0, ended.stderr
    assert "Traceback" not in ended.stderr
    return json.loads(ended.stdout.splitlines()[-1])


def assert_whole(detail: Json, release: str, *, queries: int = 1) -> None:
    """The tool call with its arguments and result, both model calls with their tokens, each once."""
    names = [span["name"] for span in detail["spans"]]
    [call] = detail["tool_calls"]
    assert (call["name"], call["args_json"]) == ("get_weather", '{"city":"Köln","days":2}')
    assert json.loads(call["result_json"]) == "sunny in Köln for 2 days"
    assert names.count("function_tool") == 1
    provider = {"newest": "scripted", "1.2": None}[release]
    assert [
        (u["provider"], u["model"], u["input_tokens"], u["output_tokens"], u["total_tokens"])
        for u in detail["model_usage"]
    ] == [(provider, "scripted-1", 120, 30, 150)] * 2
    if release == "newest":  # 1.2 does not say it
        assert all(u["ttft_ms"] is not None for u in detail["model_usage"])
    assert {"newest": "agent_turn", "1.2": "assistant_turn"}[release] in names
    assert names.count("chat backend") == queries
    assert len({span["span_id"] for span in detail["spans"]}) == len(names)


@pytest.mark.parametrize("scenario", ["inside", "started_before", "spoken_to_from_before"])
@pytest.mark.parametrize("release", ENVIRONMENTS)
def test_its_spans_reach_the_replay(release: str, scenario: str, server: Server, replay: ReplayIdentity) -> None:
    other = server.new_replay()
    printed = agent(release, scenario, replay, server.url)
    assert printed["said"] == "It is sunny in Köln."
    assert_whole(server.detail(replay), release)
    assert server.detail(other)["spans"] == []


@pytest.mark.parametrize("release", ENVIRONMENTS)
def test_what_happens_after_the_entrypoint_returned_arrives(
    release: str, server: Server, replay: ReplayIdentity
) -> None:
    agent(release, "entrypoint_returned", replay, server.url)
    # The block is over: a pool thread without context is in no replay any more.
    assert_whole(server.detail(replay), release, queries=0)


@pytest.mark.parametrize("scenario", ["own_exporter", "own_exporter_later", "own_global"])
@pytest.mark.parametrize("release", ENVIRONMENTS)
def test_an_exporter_of_its_own_keeps_working(
    release: str, scenario: str, server: Server, replay: ReplayIdentity
) -> None:
    printed = agent(release, scenario, replay, server.url)
    assert_whole(server.detail(replay), release)
    for name in ("function_tool", "agent_session"):
        assert printed["theirs"].count(name) == 1
    assert printed["theirs"].count("llm_request") == 2


@pytest.mark.parametrize("release", ENVIRONMENTS)
def test_an_agent_that_nobody_tests_is_left_alone(release: str, server: Server, replay: ReplayIdentity) -> None:
    printed = agent(release, "untested", replay, server.url)
    assert printed["said"] == "It is sunny in Köln."
    assert server.detail(replay)["spans"] == []
