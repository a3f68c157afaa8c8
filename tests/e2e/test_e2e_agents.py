# SPDX-License-Identifier: Apache-2.0
"""The example in examples/livekit-voice-agent against everything that is real: a livekit-server, a livekit-agents worker
with jobs in processes, xrayd. Only the agent's models are scripted.

No bound of time in here is about how fast anything is: see bench/.
"""

from __future__ import annotations

import asyncio
import io
import json
import re
import subprocess
import sys
import uuid
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dialogue
import flite
import httpx
import pytest
from test_booking import BOOKING
from workers import EXAMPLE, NEWEST, OLDER, Worker, environment, python

import xray
from api import Api, Json
from livekit_server import LiveKitServer
from vendors import Asked, Vendors
from vendors.audio import Wav
from xray.errors import AgentNotJoinedError
from xray.runtime.livekit import LiveKitRuntime
from xrayd_process import ROOT, Xrayd

pytestmark = pytest.mark.e2e

SAID = (dialogue.REQUEST, dialogue.WHICH_DAY, dialogue.WHEN, dialogue.BOOKED)
JUDGED = (93, "The booking is confirmed.")


@pytest.fixture(scope="session", autouse=True)
def environments() -> None:
    """What the agents run in: minutes to make if it is not there, else nothing to do."""
    made = subprocess.run([ROOT / "scripts" / "e2e_venv"], stderr=subprocess.PIPE, text=True)
    assert made.returncode == 0, made.stderr


# --- the server with the tests' double of OpenAI's API ---


def hear(wav: Wav) -> str:
    """The line that is as long as the recording: no two are alike."""
    lines = {text: voiced_s(flite.speak(text, voice=voice), flite.RATE) for text, voice in VOICES.items()}
    text = min(lines, key=lambda line: abs(lines[line] - wav.seconds))
    assert abs(lines[text] - wav.seconds) < 0.3, f"{wav.seconds:.2f} s were heard; lines: {lines}"
    return text


VOICES = dict(zip(SAID, ("slt", dialogue.AGENT_VOICE) * 2, strict=True))


def voiced_s(pcm: bytes, rate: int) -> float:
    """Without the silence at both ends."""
    samples = memoryview(pcm).cast("h")
    loud = [i for i in range(0, len(samples), rate // 100) if max(map(abs, samples[i : i + rate // 100])) > 300]
    return (loud[-1] - loud[0]) / rate + 0.01


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
        with Api(server.wait_ready().url) as api:
            yield Server(server.url, api)
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
def worker(xray_url: str, *, module: str = "worker", release: str = NEWEST) -> Iterator[LiveKitServer]:
    """A LiveKit server with a worker at it."""
    with LiveKitServer() as livekit, Worker(livekit, xray_url, module=module, release=release).running() as running:
        try:
            yield livekit
        except BaseException:
            sys.stderr.write(running.printed)
            raise


def call(livekit: LiveKitServer, server: Server, kind: str = "booking", **timeouts: float) -> xray.ReplayResult:
    """The example's conversation in a room of its own."""
    runtime = LiveKitRuntime(
        livekit.url,
        livekit.api_key,
        livekit.api_secret,
        f"{kind}-{uuid.uuid4().hex[:8]}",
        **({"agent_join_timeout_s": 60} | timeouts),
    )
    return asyncio.run(xray.run(conversation=BOOKING, runtime=runtime, xray_url=server.url))


def statuses(result: xray.ReplayResult) -> dict[tuple[int, str], str]:
    return {(outcome.turn_idx, outcome.kind): str(outcome.status) for outcome in result.assertions}


ALL_PASSED = {(i, check.kind): "passed" for i, turn in enumerate(BOOKING.turns) for check in turn.assertions}


# --- what a call must have left ---


def check_turns(detail: Json) -> None:
    """Both sides took turns, and every answer's time is known."""
    turns = detail["turns"]
    assert [turn["role"] for turn in turns] == ["user", "agent", "user", "agent"]
    edges = [ms for turn in turns for ms in (turn["voice_start_ms"], turn["voice_end_ms"])]
    assert edges == sorted(edges)
    answers = [row for row in detail["turn_metrics"] if row["role"] == "agent"]
    assert [row["turn_idx"] for row in answers] == [1, 3]
    for row in answers:
        # It waits for SILENCE_S, at the least; and no answer is later than the next thing that is said.
        assert 500 < row["agent_response_ms"] < 5000
        assert row["interrupted"] is False


def check_lengths(detail: Json) -> None:
    """Each line is in the recording from its first to its last syllable."""
    for turn, (text, voice) in zip(detail["turns"], VOICES.items(), strict=True):
        said_s = voiced_s(flite.speak(text, voice=voice), flite.RATE)
        assert abs((turn["voice_end_ms"] - turn["voice_start_ms"]) / 1000 - said_s) < 0.3, text


def check_recording(server: Server, replay: str) -> float:
    """It is one of a call. Its length in seconds."""
    reply = server.api.http.get(f"/v1/replays/{replay}/audio")
    with wave.open(io.BytesIO(reply.content)) as recording:
        assert (recording.getnchannels(), recording.getsampwidth(), recording.getframerate()) == (2, 2, 48_000)
        return recording.getnframes() / 48_000


def check_tool(detail: Json) -> None:
    """The agent's own span of it, between the question that is its cause and the answer that tells of it."""
    [made] = detail["tool_calls"]
    assert made["name"] == dialogue.TOOL
    assert json.loads(made["args_json"]) == dialogue.TOOL_ARGS
    assert "'table': 7" in json.loads(made["result_json"])
    assert made["latency_ms"] is not None
    assert detail["turns"][2]["voice_end_ms"] < made["audio_offset_ms"] < detail["turns"][3]["voice_start_ms"]


def check_models(detail: Json, *, provider: str | None) -> None:
    """Three calls: the question, the tool, what came of it."""
    of_llm = [row for row in detail["model_usage"] if row["model"] == dialogue.MODEL]
    assert [row["provider"] for row in of_llm] == [provider] * 3
    tokens = [(row["input_tokens"], row["output_tokens"], row["total_tokens"]) for row in of_llm]
    assert tokens == [dialogue.TOKENS] * 3
    at = [row["audio_offset_ms"] for row in of_llm]
    turns = detail["turns"]
    assert turns[0]["voice_end_ms"] < at[0] < turns[1]["voice_start_ms"]
    assert turns[2]["voice_end_ms"] < at[1] <= at[2] < turns[3]["voice_start_ms"]


def check_spans(detail: Json, *, turn: str) -> None:
    """The agent's spans and the driver's are the replay's."""
    names = [span["name"] for span in detail["spans"]]
    assert names.count("xray.turn") == len(BOOKING.turns)
    assert names.count(turn) == 2
    assert {"agent_session", "llm_request", "function_tool", "tts_request", "user_turn"} <= set(names)
    services = {json.loads(span["attributes_json"]).get("service.name") for span in detail["spans"]}
    print(services)


def check_judge(server: Server, result: xray.ReplayResult) -> None:
    [judge] = result.judges
    assert (judge.kind, str(judge.status), judge.score, judge.reason) == ("text_match", "passed", *JUDGED)
    assert server.asked is not None
    assert server.asked.reference == BOOKING.judges[0].params["reference"]
    assert server.asked.transcript is not None
    assert all(line in server.asked.transcript for line in SAID)


def test_the_example_as_its_readme_has_it(local: Server, tmp_path: Path) -> None:
    with worker(local.url) as livekit:
        ran = subprocess.run(
            [python(NEWEST), "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_booking.py"],
            cwd=EXAMPLE,
            env=environment(livekit, local.url),
            capture_output=True,
            text=True,
            timeout=180,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search(r"^1 passed", ran.stdout, re.MULTILINE), ran.stdout
    [row] = local.api.http.get("/v1/conversations").json()["items"]
    assert (row["name"], row["replays"], row["latest"]["passed"]) == (BOOKING.name, 1, True)
    detail = local.api.detail(row["latest"]["id"])
    print(json.dumps(detail, indent=1)[:200000])
    check_turns(detail)
    check_lengths(detail)
    check_tool(detail)
    check_models(detail, provider=dialogue.PROVIDER)
    check_spans(detail, turn="agent_turn")
