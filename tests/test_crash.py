# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of uploads and analyses: what was acknowledged is there, what was accepted ends in a
verdict, no file is without its row."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import httpx
import pytest

import samples
from api import Api, Json, dialogue
from kills import Worker, live_and_die, repeat
from servers import BUILT_IN, StartServer
from volume import STATES, expected_files, files, query
from xrayd_process import Xrayd

SEED = 20240229
KILLS = 100
CLIENTS = 4
LONGEST_LIFE_S = 0.25  # of a server that is up; some die before their first request
ANCHOR = "2024-01-01T00:00:00.123456789Z"
HONEST = {"worker_lost"}  # a job that the kills hit in every attempt


@dataclass
class Acknowledged:
    """What the servers have said yes to. Each entry is made by one client's thread."""

    conversations: dict[str, str] = field(default_factory=dict[str, str])  # hash: name
    turns: dict[str, bytes] = field(default_factory=dict[str, bytes])  # conversation: sha256 of its turn
    replays: dict[str, str] = field(default_factory=dict[str, str])  # id: conversation
    recordings: dict[str, str] = field(default_factory=dict[str, str])  # id: sha256
    accepted: set[str] = field(default_factory=set[str])
    abandoned: set[str] = field(default_factory=set[str])
    results: dict[str, bytes] = field(default_factory=dict[str, bytes])
    surprises: list[str] = field(default_factory=list[str])


@cache
def talk() -> bytes:
    return dialogue(("user", 0.2), ("agent", 0.2), gap=0.2, lead=0.1)


class Client(Worker):
    """Goes round and round: a conversation, a replay, its recording, its analysis, its verdict."""

    def __init__(self, server: Xrayd, rng: random.Random, seen: Acknowledged) -> None:
        super().__init__(Api(server.url, timeout_s=30), seen.surprises)
        self.rng, self.seen = rng, seen

    def expect(self, reply: httpx.Response, status: int) -> httpx.Response:
        if reply.status_code != status:
            raise RuntimeError(f"{reply.request.method} {reply.request.url.path}: {reply.status_code} {reply.text}")
        return reply

    def conversation(self) -> str:
        turn = samples.pcm_header(data_bytes=2000) + self.rng.randbytes(2000)
        name = f"{self.rng.random()}"
        turns: list[Json] = [
            {"role": "user", "audio": {"kind": "recorded", "upload_key": "k"}},
            {"role": "agent", "assertions": [{"kind": "max_latency_ms", "max_ms": 5000}]},
        ]
        reply = self.expect(self.api.conversation({"name": name, "turns": turns}, {"k": turn}), 200)
        found = str(reply.json()["hash"])
        self.seen.conversations[found] = name
        self.seen.turns[found] = hashlib.sha256(turn).digest()
        return found

    def round(self) -> None:
        conversation = self.conversation()
        created = self.api.http.post("/v1/replays", json={"conversation_hash": conversation, "run_config": [1]})
        replay = str(self.expect(created, 201).json()["id"])
        self.seen.replays[replay] = conversation
        if self.rng.random() < 0.2:
            self.abandon(replay)
            return
        body = talk()[:-4] + self.rng.randbytes(4)
        self.expect(self.api.upload(replay, body, started_at=ANCHOR), 200)
        self.seen.recordings[replay] = hashlib.sha256(body).hexdigest()
        self.expect(self.api.http.post(f"/v1/replays/{replay}/analyze"), 202)
        self.seen.accepted.add(replay)
        if self.rng.random() < 0.5:
            event = self.api.verdict(replay)
            if event.get("type") == "evaluation_complete":
                reply = self.expect(self.api.http.get(f"/v1/replays/{replay}/result"), 200)
                self.seen.results[replay] = reply.content

    def abandon(self, replay: str) -> None:
        change = {"lifecycle_state": "failed", "failure_reason": "driver_aborted"}
        self.expect(self.api.http.patch(f"/v1/replays/{replay}", json=change), 200)
        self.seen.abandoned.add(replay)


def rows_by_id(data_dir: Path) -> dict[str, tuple[str, int, int | None]]:
    rows = query(data_dir, "SELECT lower(hex(uuid)), lifecycle_state, has_audio, recording_started_at FROM replays")
    return {uuid: (STATES[state], has_audio, anchor) for uuid, state, has_audio, anchor in rows}


def check_rows(data_dir: Path, seen: Acknowledged) -> None:
    names = dict(query(data_dir, "SELECT lower(hex(hash)), CAST(name AS TEXT) FROM conversations"))
    audio = dict(query(data_dir, "SELECT lower(hex(hash)), audio FROM conversations"))
    replays = rows_by_id(data_dir)
    for conversation, name in seen.conversations.items():
        assert names[conversation] == name
        assert audio[conversation] == seen.turns[conversation] + bytes(32)
    for replay in seen.replays:
        state, has_audio, anchor = replays[replay.replace("-", "")]
        if replay in seen.recordings:
            assert (has_audio, anchor) == (1, 1_704_067_200_123_456_789)
            assert state not in ("pending", "running")
        if replay in seen.accepted:
            assert state in ("analyzing", "completed", "failed")
        if replay in seen.abandoned:
            assert state == "failed"
        if replay in seen.results:
            assert state == "completed"


def check_volume(data_dir: Path, seen: Acknowledged) -> None:
    """Right after a start, before anybody asks for anything."""
    assert files(data_dir) == expected_files(data_dir)
    check_rows(data_dir, seen)


def check_contents(server: Xrayd, api: Api, seen: Acknowledged) -> None:
    for replay, sha256 in seen.recordings.items():
        body = (server.data_dir / "audio" / replay / "replay.wav").read_bytes()
        assert hashlib.sha256(body).hexdigest() == sha256
    for replay, result in seen.results.items():
        assert api.http.get(f"/v1/replays/{replay}/result").content == result


def verdicts(api: Api, seen: Acknowledged) -> dict[str, str]:
    """How each accepted replay ended."""
    found: dict[str, str] = {}
    for replay in seen.accepted:
        event = api.verdict(replay)
        detail = api.detail(replay)
        assert (detail["lifecycle_state"] == "completed") == (event["type"] == "evaluation_complete")
        assert detail["failure_reason"] == event.get("reason")
        found[replay] = event.get("reason", "completed")
    return found


def describe(seen: Acknowledged, endings: list[str]) -> str:
    counts = {name: len(getattr(seen, name)) for name in ("conversations", "replays", "recordings", "accepted")}
    return f"{counts}, worker_lost: {endings.count('worker_lost')}"


@pytest.mark.slow
def test_kill_at_any_moment_loses_nothing(start_server: StartServer) -> None:
    rng, seen = random.Random(SEED), Acknowledged()

    def step(_: int) -> None:
        server = start_server(env=BUILT_IN)
        check_volume(server.data_dir, seen)
        clients = [Client(server, random.Random(rng.random()), seen) for _ in range(CLIENTS)]
        live_and_die(server, clients, rng.uniform(0, LONGEST_LIFE_S))

    repeat(KILLS, SEED, step)
    server = start_server(env=BUILT_IN)
    check_volume(server.data_dir, seen)
    with Api(server.url) as api:
        endings = list(verdicts(api, seen).values())
        assert set(endings) <= {"completed"} | HONEST
        check_contents(server, api, seen)
    print(describe(seen, endings))
    assert len(seen.accepted) > KILLS / 4  # it has been a test of something
    assert endings.count("completed") > len(endings) / 2
    assert query(server.data_dir, "PRAGMA integrity_check") == [("ok",)]
    assert query(server.data_dir, "PRAGMA foreign_key_check") == []


def test_a_job_that_dies_with_every_server_is_given_up(start_server: StartServer) -> None:
    """A lease lost three times is `worker_lost`: the fourth server does not try it again."""
    env = {"XRAY_TRANSCRIPTION_PROVIDER": "local", "XRAY_JUDGE_PROVIDER": "lexical"}
    server = start_server(env=env)
    with Api(server.url) as api:
        replay = api.new_replay(api.new_conversation(samples.SPEC))
        assert api.upload(replay, dialogue(("user", 3), ("agent", 3))).status_code == 200
        assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    for attempt in range(3):
        with Api(server.url) as api:
            steps = (data.get("analysis_step") or data.get("step") for _, data in api.events(replay))
            assert "transcribe" in steps, f"attempt {attempt} was over before it could be killed"
        server.kill()
        server = start_server(env=env)
    with Api(server.url) as api:
        assert api.verdict(replay) == {"type": "failed", "reason": "worker_lost"}
        assert api.http.post(f"/v1/replays/{replay}/retry").status_code == 202
        assert api.verdict(replay)["type"] == "evaluation_complete"
