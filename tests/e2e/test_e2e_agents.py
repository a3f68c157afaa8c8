# SPDX-License-Identifier: Apache-2.0
"""The example in examples/livekit-voice-agent, against everything that is real: a livekit-server, a livekit-agents
worker with jobs in processes, xrayd. Only the agent's models are scripted.

No bound of time in here is about how fast anything is: see bench/.
"""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from livekit import api

import dialogue
import xray
from api import Api, Json
from hearing import hear, is_whole, seconds_of
from livekit_server import LiveKitServer
from test_booking import BOOKING
from vendors import Asked, Vendors
from waiting import eventually
from workers import EXAMPLE, NEWEST, OLDER, PLAIN_WORKER, WORKER, environment, python, running_worker
from xray.errors import AgentNotJoinedError
from xray.runtime.livekit import LiveKitRuntime
from xrayd_process import ROOT, Xrayd

pytestmark = pytest.mark.e2e

SILENCE_MS = 500  # the agent's hearing waits for 600
JUDGED = (93, "The booking is confirmed.")


@pytest.fixture(scope="session", autouse=True)
def environments() -> None:
    """What the agents run in: minutes to make if it is not there, else nothing to do."""
    made = subprocess.run([ROOT / "scripts" / "e2e_venv"], stderr=subprocess.PIPE, text=True)
    assert made.returncode == 0, made.stderr


# --- servers ---


@dataclass
class Server:
    """An xrayd, and what its judge was asked last if that is the tests' double."""

    url: str
    api: Api
    asked: Asked | None = None


@contextmanager
def xrayd(data_dir: Path, env: dict[str, str]) -> Iterator[Server]:
    server = Xrayd(data_dir, env=env | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"})
    try:
        with Api(server.wait_ready().url) as client:
            yield Server(server.url, client)
    finally:
        assert server.stop() == 0, "".join(server.raw_log)


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Transcribes and judges by the tests' double of OpenAI's API: every text is exact."""
    with Vendors() as vendors:
        vendors.hear(hear)
        env = vendors.env("openai") | {"XRAY_TTS_PROVIDER": "local"}
        with xrayd(tmp_path_factory.mktemp("exact") / "data", env) as server:

            def judge(asked: Asked) -> tuple[int, str]:
                server.asked = asked
                return JUDGED

            vendors.judge(judge)
            yield server
        vendors.assert_none_refused()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Has only what is built in, and a judge that compares words."""
    with xrayd(tmp_path_factory.mktemp("local") / "data", {"XRAY_JUDGE_PROVIDER": "lexical"}) as server:
        yield server


# --- calls ---


@contextmanager
def worker(xray_url: str, *, program: Path = WORKER, release: str = NEWEST) -> Iterator[LiveKitServer]:
    """A LiveKit server with a worker at it."""
    with LiveKitServer() as livekit, running_worker(livekit, xray_url, program=program, release=release):
        yield livekit
        asyncio.run(close_rooms(livekit))


async def close_rooms(livekit: LiveKitServer) -> None:
    """Else a worker that is to stop waits until they close by themselves, some 20 s after a call."""
    async with api.LiveKitAPI(livekit.url, livekit.api_key, livekit.api_secret) as rooms:
        for room in (await rooms.room.list_rooms(api.ListRoomsRequest())).rooms:
            await rooms.room.delete_room(api.DeleteRoomRequest(room=room.name))


def call(
    livekit: LiveKitServer,
    server: Server,
    kind: str = "booking",
    *,
    join_s: float = 60,
    simulated_sip: xray.SimulatedSipCall | None = None,
) -> xray.ReplayResult:
    """The example's conversation in a room of its own."""
    runtime = LiveKitRuntime(
        livekit.url,
        livekit.api_key,
        livekit.api_secret,
        f"{kind}-{uuid.uuid4().hex[:8]}",
        agent_join_timeout_s=join_s,
        agent_turn_timeout_s=20,
        simulated_sip=simulated_sip,
    )
    return asyncio.run(xray.run(conversation=BOOKING, runtime=runtime, xray_url=server.url))


def statuses(result: xray.ReplayResult) -> dict[tuple[int, str], str]:
    return {(outcome.turn_idx, outcome.kind): str(outcome.status) for outcome in result.assertions}


ALL_PASSED = {(i, check.kind): "passed" for i, turn in enumerate(BOOKING.turns) for check in turn.assertions}


# --- what a call must have left ---


def check_turns(detail: Json) -> None:
    """Both sides took turns; each line is there as long as it is; the time of every answer is known."""
    turns = detail["turns"]
    assert [turn["role"] for turn in turns] == ["user", "agent", "user", "agent"]
    edges = [ms for turn in turns for ms in (turn["voice_start_ms"], turn["voice_end_ms"])]
    assert edges == sorted(edges)
    for turn, text in zip(turns, dialogue.SAID, strict=True):
        assert is_whole(text, (turn["voice_end_ms"] - turn["voice_start_ms"]) / 1000), text
    answers = [row for row in detail["turn_metrics"] if row["role"] == "agent"]
    assert [row["turn_idx"] for row in answers] == [1, 3]
    for row in answers:
        assert SILENCE_MS < row["agent_response_ms"] < 5000
        assert row["interrupted"] is False


def check_tool(detail: Json) -> None:
    """Called once, after the question that is its cause and before the answer that tells of it."""
    [made] = detail["tool_calls"]
    assert made["name"] == dialogue.TOOL
    assert json.loads(made["args_json"]) == dialogue.TOOL_ARGS
    assert "'table': 7" in json.loads(made["result_json"])
    assert made["latency_ms"] is not None
    assert detail["turns"][2]["voice_end_ms"] < made["audio_offset_ms"] < detail["turns"][3]["voice_start_ms"]


def check_models(detail: Json, *, provider: str | None) -> None:
    """The model was called three times: for the question, the tool, and what came of it."""
    of_llm = [row for row in detail["model_usage"] if row["model"] == dialogue.MODEL]
    assert [row["provider"] for row in of_llm] == [provider] * 3
    tokens = [(row["input_tokens"], row["output_tokens"], row["total_tokens"]) for row in of_llm]
    assert tokens == [dialogue.TOKENS] * 3
    at, turns = [row["audio_offset_ms"] for row in of_llm], detail["turns"]
    assert turns[0]["voice_end_ms"] < at[0] < turns[1]["voice_start_ms"]
    assert turns[2]["voice_end_ms"] < at[1] <= at[2] < turns[3]["voice_start_ms"]


def check_spans(server: Server, replay: str, **agent: int) -> None:
    """The driver's and the agent's own are the replay's. The last one comes when the agent has left the room."""

    def names() -> list[str]:
        return [span["name"] for span in server.api.detail(replay)["spans"]]

    eventually(lambda: "agent_session" in names(), within_s=60)
    found = names()
    expected = agent | {"xray.turn": len(BOOKING.turns), "function_tool": 1}
    assert {name: found.count(name) for name in expected} == expected
    assert {"user_turn", "llm_request", "tts_request"} <= set(found)


def check_judge(server: Server, result: xray.ReplayResult) -> None:
    [judge] = result.judges
    assert (judge.kind, judge.status.value, judge.score, judge.reason) == ("text_match", "passed", *JUDGED)
    assert server.asked is not None
    assert server.asked.reference == BOOKING.judges[0].params["reference"]
    assert server.asked.transcript is not None
    places = [server.asked.transcript.index(line) for line in dialogue.SAID]
    assert places == sorted(places)


def check_exact(server: Server, result: xray.ReplayResult, *, provider: str | None, **spans: int) -> None:
    """All of it, of a call whose every text is known."""
    assert result.passed, xray.format_failures(result)
    assert statuses(result) == ALL_PASSED
    check_judge(server, result)
    detail = server.api.detail(result.replay_id)
    assert [row["text"] for row in detail["transcripts"]] == list(dialogue.SAID)
    check_turns(detail)
    check_tool(detail)
    check_models(detail, provider=provider)
    check_spans(server, result.replay_id, **spans)
    times = [(turn.turn_idx, turn.role.value, turn.agent_response_ms) for turn in result.metrics]
    assert times == [(row["turn_idx"], row["role"], row["agent_response_ms"]) for row in detail["turn_metrics"]]


# --- the tests ---


@pytest.fixture(scope="module")
def newest(local: Server) -> Iterator[LiveKitServer]:
    """A worker of the newest release, whose spans go to the server with the local transcriber."""
    with worker(local.url) as livekit:
        yield livekit


@pytest.fixture(scope="module")
def example(newest: LiveKitServer, local: Server, tmp_path_factory: pytest.TempPathFactory) -> Json:
    """The replay that the example's test made, run as its README has it, from a copy as a user has it: here below, our
    own settings would have it import our sources, and not the SDK that is installed."""
    copy = tmp_path_factory.mktemp("user") / "agent"
    shutil.copytree(EXAMPLE, copy, ignore=shutil.ignore_patterns("__pycache__"))
    ran = subprocess.run(
        [python(NEWEST), "-m", "pytest", "test_booking.py"],
        cwd=copy,
        env=environment(newest, local.url),
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^=+ 1 passed in ", ran.stdout, re.MULTILINE), ran.stdout
    assert f"rootdir: {copy}\n" in ran.stdout
    assert "configfile:" not in ran.stdout
    [row] = local.api.http.get("/v1/conversations").json()["items"]
    assert (row["name"], row["replays"], row["latest"]["passed"]) == (BOOKING.name, 1, True)
    return local.api.detail(row["latest"]["id"])


def test_the_example_passes_as_its_readme_has_it(example: Json, local: Server) -> None:
    assert [turn.text for turn in BOOKING.turns] == [dialogue.REQUEST, None, dialogue.WHEN, None]
    assert {(row["provider"], row["turn_idx"]) for row in example["transcripts"]} == {("local", i) for i in range(4)}
    check_turns(example)
    check_tool(example)
    check_models(example, provider=dialogue.PROVIDER)
    check_spans(local, example["id"], agent_turn=2)


def words_of_turns(detail: Json) -> list[str]:
    """As the driver heard of them."""
    spans = [json.loads(span["attributes_json"]) for span in detail["spans"] if span["name"] == "xray.turn"]
    return [span["xray.turn.transcript"] for span in spans]


def test_the_words_of_a_turn_come_once(example: Json) -> None:
    assert words_of_turns(example) == list(dialogue.SAID)


def test_a_caller_by_telephone_is_no_different(newest: LiveKitServer, local: Server) -> None:
    """To LiveKit Agents it is: it sends such a caller no packets of its words."""
    sip = xray.SimulatedSipCall(
        caller_phone="+15550100",
        trunk_phone="+15550199",
        call_id="SCL_1",
        call_id_full="1@sip.example.com",
        call_status="active",
        rule_id="SDR_1",
        trunk_id="ST_1",
    )
    result = call(newest, local, simulated_sip=sip)
    assert result.passed, xray.format_failures(result)
    detail = local.api.detail(result.replay_id)
    assert words_of_turns(detail) == list(dialogue.SAID)
    check_turns(detail)
    check_tool(detail)
    check_models(detail, provider=dialogue.PROVIDER)
    check_spans(local, result.replay_id, agent_turn=2)


def test_an_agent_that_dies_in_the_midst_of_its_answer_has_a_verdict(newest: LiveKitServer, local: Server) -> None:
    result = call(newest, local, dialogue.CRASHES)
    assert not result.passed
    assert statuses(result)[3, "contains"] == "failed"
    # What it did before has been sent.
    assert {statuses(result)[3, kind] for kind in ("tool_called", "tool_args_match", "max_latency_ms")} == {"passed"}
    detail = local.api.detail(result.replay_id)
    check_tool(detail)
    answer = detail["turns"][3]
    assert 0.3 < (answer["voice_end_ms"] - answer["voice_start_ms"]) / 1000 < seconds_of(dialogue.BOOKED) - 0.5


def test_every_text_of_a_call_is_exact(exact: Server) -> None:
    with worker(exact.url) as livekit:
        check_exact(exact, call(livekit, exact), provider=dialogue.PROVIDER, agent_turn=2)


def test_an_agent_of_an_older_release_is_no_different(exact: Server) -> None:
    with worker(exact.url, release=OLDER) as livekit:
        # It begins a turn again with what a tool has returned.
        check_exact(exact, call(livekit, exact), provider=None, assistant_turn=3)


def test_an_agent_without_xray_has_a_recording_and_a_verdict(exact: Server) -> None:
    with worker(exact.url, program=PLAIN_WORKER) as livekit:
        result = call(livekit, exact)
    assert not result.passed
    unseen = {(3, kind): "failed" for kind in ("tool_called", "tool_args_match")}
    assert statuses(result) == ALL_PASSED | unseen
    check_judge(exact, result)
    detail = exact.api.detail(result.replay_id)
    assert [row["text"] for row in detail["transcripts"]] == list(dialogue.SAID)
    check_turns(detail)
    assert detail["tool_calls"] == detail["model_usage"] == []
    assert {span["name"] for span in detail["spans"]} == {"xray.turn"}


def test_without_an_agent_the_replay_fails_for_that_reason(local: Server) -> None:
    with LiveKitServer() as livekit, pytest.raises(AgentNotJoinedError) as error:
        call(livekit, local, join_s=2)
    assert error.value.replay_id is not None
    detail = local.api.detail(error.value.replay_id)
    assert (detail["lifecycle_state"], detail["failure_reason"]) == ("failed", "agent_not_joined")
    assert detail["audio_path"] is None
