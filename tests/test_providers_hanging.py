# SPDX-License-Identifier: Apache-2.0
"""Providers that do not answer: what waits for them ends at its deadline, nobody else waits, and a server that stops or
dies meanwhile goes on with it at its next start."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from api import Json
from cloud import KEYS, Listener, cloud, recording, spoken_talk, talk, together
from servers import StartServer
from test_providers_faults import Case, Run, judge, look_at_judge, look_at_speech, look_at_transcription
from vendors import FAULTS, STAGES, Call, Stage, Vendors

DEADLINE_S = 3
HEALTHY = 20
PATIENCE_S = 30  # more than anything here takes, and less than a provider may hang
LATENCY_MS = 50
HUNG_TURNS = tuple(300 + 20 * i for i in range(10))
HEALTHY_TURNS = (700, 800)
STOP_S = 10


# --- the deadline ---


def test_deadline_ends_what_hangs(tmp_path: Path) -> None:
    """Every way to be slow at every stage, at once; the second attempt would be too late."""
    cases = [Case("openai", stage, fault, None) for stage in STAGES for fault in FAULTS if fault.slow]
    with Vendors(keys=KEYS) as fake:
        fake.judge(judge)
        env = fake.env("openai") | {"XRAY_STAGE_TIMEOUT_S": str(DEADLINE_S), "XRAY_PROVIDER_CONCURRENCY": "32"}
        with cloud(tmp_path / "data", fake, env) as (_, api):
            started = time.monotonic()
            became = Run(fake, api, cases).became
            assert time.monotonic() - started < PATIENCE_S
    looks = {"tts": look_at_speech, "transcription": look_at_transcription, "judge": look_at_judge}
    for case in cases:
        assert [call.fault for call in became[case].calls] == [case.fault.name], str(case)
        looks[case.stage](case, became[case])


# --- the others ---


@dataclass(frozen=True)
class Company:
    """A server that one replay hangs in."""

    fake: Vendors
    api: Listener
    conversation: str  # of healthy ones

    def healthy(self) -> list[float]:
        """How long each of so many replays takes, all at once, from its creation to its verdict."""

        def run(_: int) -> float:
            started = time.monotonic()
            end = self.api.verdict(self.api.begin(self.conversation, recording(*HEALTHY_TURNS)))
            assert end["type"] == "evaluation_complete", end
            assert end["result"]["passed"] is True
            return time.monotonic() - started

        return together(run, range(HEALTHY))


@pytest.fixture
def company(tmp_path: Path) -> Iterator[Company]:
    with Vendors(keys=KEYS) as fake:
        fake.delay(LATENCY_MS)
        with cloud(tmp_path / "data", fake, fake.env("openai")) as (_, api):
            conversation = talk(len(HEALTHY_TURNS), "They are polite.", "They are brief.", name="healthy")
            yield Company(fake, api, api.new_conversation(conversation))


def is_hung_judge(call: Call) -> bool:
    return "hangs number" in call.text


def is_hung_turn(call: Call) -> bool:
    return call.audio is not None and call.audio.ms < min(HEALTHY_TURNS) - 100


def shown(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds) * 1000:.0f} ms, longest {max(seconds) * 1000:.0f} ms"


@pytest.mark.concurrent
@pytest.mark.parametrize("stage", ["transcription", "judge"])
def test_others_do_not_wait(company: Company, stage: Stage) -> None:
    fake, api = company.fake, company.api
    company.healthy()  # connections are made, files are there
    alone = company.healthy()
    plan = fake.fail("hang", stage=stage, when=is_hung_turn if stage == "transcription" else is_hung_judge)
    references = [f"The judge hangs number {i}." for i in range(8)] if stage == "judge" else []
    turns = HUNG_TURNS if stage == "transcription" else (500,)
    before = len(fake.calls(stage=stage))
    hung = api.begin(api.new_conversation(talk(len(turns), *references)), recording(*turns))
    fake.wait_calls(before + 8, stage=stage)
    assert plan.hits == 8  # as many as one replay may have
    beside = company.healthy()
    detail = api.detail(hung)
    assert (detail["lifecycle_state"], fake.current) == ("analyzing", 8)
    print(f"{stage}: alone {shown(alone)}; beside one that hangs {shown(beside)}")
    plan.release()
    assert api.verdict(hung)["type"] == "evaluation_complete"


# --- the server's end ---


def start_hung(fake: Vendors, api: Listener, stage: Stage) -> str:
    fake.fail("hang", stage=stage)
    replay = api.begin(api.new_conversation(talk(2, "It helps.")), recording(*HEALTHY_TURNS))
    fake.wait_calls(2 if stage == "transcription" else 1, stage=stage)
    return replay


def goes_on(fake: Vendors, api: Listener, replay: str) -> Json:
    end = api.verdict(replay)
    assert end["type"] == "evaluation_complete", end
    assert end["result"]["passed"] is True
    assert len(api.detail(replay)["transcripts"]) == 2
    assert fake.current == 0
    return end


@pytest.mark.concurrent
@pytest.mark.parametrize("how", ["SIGTERM", "kill -9"])
@pytest.mark.parametrize("stage", ["transcription", "judge"])
def test_replay_goes_on_at_the_next_start(start_server: StartServer, vendors: Vendors, stage: Stage, how: str) -> None:
    env = vendors.env("openai")
    server = start_server(env=env)
    with Listener(server.url) as api:
        replay = start_hung(vendors, api, stage)
    hung = vendors.calls(stage=stage)
    if how == "SIGTERM":
        assert server.stop(timeout_s=STOP_S) == 0
    else:
        server.kill()
    vendors.wait_calls(len(vendors.calls()), ended=True)
    assert all(call.abandoned for call in hung)
    vendors.heal()
    with Listener(start_server(env=env).url) as api:
        goes_on(vendors, api, replay)
    # What had been transcribed is not transcribed again.
    assert len(vendors.calls(stage="transcription")) == (4 if stage == "transcription" else 2)


def test_stopping_while_speech_hangs(start_server: StartServer, vendors: Vendors) -> None:
    """The client is told, or sees its connection end; the same request succeeds afterwards."""
    env = vendors.env("openai")
    vendors.fail("hang", stage="tts")
    server = start_server(env=env)
    spec = spoken_talk("Good evening.", "Good night.")
    with Listener(server.url) as api:
        answers: list[int] = []

        def post(_: int) -> None:
            try:
                answers.append(api.conversation(spec).status_code)
            except httpx.TransportError:
                answers.append(0)

        def stop(_: int) -> None:
            vendors.wait_calls(2, stage="tts")
            assert server.stop(timeout_s=STOP_S) == 0

        together(lambda do: do(0), [post, stop])
    assert answers[0] in (0, 502, 503)
    vendors.heal()
    with Listener(start_server(env=env).url) as api:
        assert api.conversation(spec).status_code == 200
