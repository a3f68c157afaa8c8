# SPDX-License-Identifier: Apache-2.0
"""End to end on real speech, without a key or a network: flite speaks both sides, PocketSphinx listens, the lexical
judge compares words."""

from __future__ import annotations

import array
import io
import json
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pytest

from api import Api, Json, silence, wav
from servers import StartServer, servers

GAP_S, RESPONSE_S, SOUND = 0.6, 0.7, 200  # SOUND: samples above it are not the silence around a line
TALK = (
    ("user", "Hello, I would like to book a table for two people."),
    ("agent", "Your table for two is booked for Friday at seven o'clock."),
    ("user", "For Friday evening at seven o'clock, please."),
    ("agent", "Good morning. The table is yours."),
)
# What the recogniser makes of the second line, whole; everything else below is a part of it.
HEARD = "your table for two is booked for friday at seven o'clock"
CHECKS: list[tuple[Json, str]] = [
    ({"kind": "contains", "text": "table for two"}, "passed"),
    ({"kind": "contains", "text": "TABLE FOR TWO"}, "passed"),
    ({"kind": "contains", "text": "TABLE FOR TWO", "case_insensitive": False}, "failed"),
    ({"kind": "contains", "text": "table for three"}, "failed"),
    ({"kind": "not_contains", "text": "sorry"}, "passed"),
    ({"kind": "not_contains", "text": "Friday"}, "failed"),
    ({"kind": "not_contains", "text": "Friday", "case_insensitive": False}, "passed"),
    ({"kind": "equals", "text": f"\u2003{HEARD.upper()} "}, "passed"),
    ({"kind": "equals", "text": f" {HEARD}", "trim": False}, "failed"),
    ({"kind": "equals", "text": "your table"}, "failed"),
    ({"kind": "regex", "pattern": r"^your\b.*\bo'clock$"}, "passed"),
    ({"kind": "regex", "pattern": r"\b(FRI|SATUR)DAY\b", "flags": "i"}, "passed"),
    ({"kind": "regex", "pattern": r"(?<=for )\p{L}+(?= at)", "flags": "u"}, "passed"),
    ({"kind": "regex", "pattern": "FRIDAY"}, "failed"),
    ({"kind": "regex", "pattern": "("}, "errored"),
    ({"kind": "regex", "pattern": r"^(\w+\s?)*$|(([a-z ]+)+)+X(.*)\5"}, "errored"),
    ({"kind": "max_latency_ms", "max_ms": 2000}, "passed"),
    ({"kind": "max_latency_ms", "max_ms": 100}, "failed"),
    ({"kind": "tool_not_called", "name": "cancel"}, "passed"),
    ({"kind": "tool_called", "name": "book"}, "failed"),
    ({"kind": "tool_args_match", "name": "book", "args": {}}, "failed"),
    ({"kind": "max_ttft_ms", "max_ms": 1000}, "errored"),
]
JUDGES: list[tuple[Json, str, int]] = [
    ({"kind": "text_match", "reference": "The table is booked for Friday at 7."}, "passed", 100),
    ({"kind": "text_match", "reference": "The table is booked for two on Friday at seven o'clock."}, "passed", 100),
    ({"kind": "text_match", "reference": "The elephant plays a violin."}, "failed", 0),
    ({"kind": "text_match", "reference": "The elephant plays a violin.", "pass_score": 0}, "passed", 0),
]


@dataclass(frozen=True)
class Speech:
    api: Api
    conversation: str
    recording: bytes
    replay: str
    events: list[tuple[str, Json]]
    detail: Json

    @property
    def result(self) -> Json:
        return self.events[-1][1]["result"]


def spoken(api: Api, text: str, voice: str) -> array.array[int]:
    """A line by the server's own voice, without the silence around it."""
    turn = {"role": "user", "text": text, "audio": {"kind": "tts", "voice_id": voice}}
    conversation = api.new_conversation({"name": voice, "turns": [turn]})
    with wave.open(io.BytesIO(api.http.get(f"/v1/conversations/{conversation}/turns/0/audio").content)) as file:
        samples = array.array("h", file.readframes(file.getnframes()))
    loud = [i for i in range(0, len(samples), 48) if max(samples[i : i + 48]) > SOUND]
    return samples[loud[0] : loud[-1] + 48]


def call(api: Api) -> bytes:
    """The talk as a stereo recording."""
    left, right = silence(0.4), silence(0.4)
    for role, text in TALK:
        line = spoken(api, text, "slt" if role == "user" else "rms")
        gap = silence(GAP_S if role == "user" else RESPONSE_S)
        speaks, listens = (left, right) if role == "user" else (right, left)
        speaks.extend(gap + line)
        listens.extend(gap + array.array("h", bytes(2 * len(line))))
    return wav([left, right])


def talk_spec() -> Json:
    turns: list[Json] = [
        {"role": role, "text": text, "audio": {"kind": "tts"}} if role == "user" else {"role": role}
        for role, text in TALK
    ]
    turns[1]["assertions"] = [check for check, _ in CHECKS]
    return {"name": "a talk", "turns": turns, "judges": [judge for judge, _, _ in JUDGES]}


def run(api: Api, conversation: str, recording: bytes) -> tuple[str, list[tuple[str, Json]]]:
    replay = api.new_replay(conversation)
    started = datetime.now(UTC).isoformat().replace("+00:00", "Z")
    assert api.upload(replay, recording, started_at=started).status_code == 200
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    return replay, list(api.events(replay))


@pytest.fixture(scope="module")
def speech(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Speech]:
    env = {"XRAY_JUDGE_PROVIDER": "lexical"}  # transcription: the built-in one
    with servers(tmp_path_factory.mktemp("speech")) as start, Api(start(env=env).url) as api:
        recording = call(api)
        conversation = api.new_conversation(talk_spec())
        replay, events = run(api, conversation, recording)
        assert events[-1][0] == "evaluation_complete", events
        yield Speech(api, conversation, recording, replay, events, api.detail(replay))


def text_of(speech: Speech, turn: int) -> str:
    return speech.detail["transcripts"][turn]["text"]


def test_turns_are_found_where_they_were_laid(speech: Speech) -> None:
    assert [turn["role"] for turn in speech.detail["turns"]] == [role for role, _ in TALK]
    for row, (role, _) in zip(speech.detail["turn_metrics"], TALK, strict=True):
        if role == "agent":
            assert abs(row["agent_response_ms"] - RESPONSE_S * 1000) < 60
        else:
            assert row["agent_response_ms"] is None
        assert row["interrupted"] is False


def test_speech_is_understood(speech: Speech) -> None:
    assert text_of(speech, 1) == HEARD
    assert "hello i would like" in text_of(speech, 0)
    assert "friday evening at seven o'clock" in text_of(speech, 2)
    assert "good morning" in text_of(speech, 3)


def test_words_lie_within_their_turn(speech: Speech) -> None:
    assert len(speech.detail["transcripts"]) == len(TALK)
    for row, turn in zip(speech.detail["transcripts"], speech.detail["turns"], strict=True):
        length = turn["voice_end_ms"] - turn["voice_start_ms"]
        assert row["turn_idx"] == turn["idx"]
        assert abs(row["duration_ms"] - length) <= 1
        assert (row["provider"], row["model"]) == ("local", "en-us")
        assert [word["text"] for word in row["words"]] == row["text"].split()
        ends = [0]
        for word in row["words"]:
            assert ends[-1] <= word["start_ms"] <= word["end_ms"] <= length
            ends.append(word["end_ms"])


@pytest.mark.parametrize("idx", range(len(CHECKS)), ids=lambda i: f"{i}-{CHECKS[i][0]['kind']}-{CHECKS[i][1]}")
def test_assertion(speech: Speech, idx: int) -> None:
    check, status = CHECKS[idx]
    (row,) = [row for row in speech.result["assertions"] if row["assertion_idx"] == idx]
    assert (row["turn_idx"], row["kind"], row["status"]) == (1, check["kind"], status), row["message"]
    assert (row["message"] is None) == (status == "passed")


@pytest.mark.parametrize("idx", range(len(JUDGES)))
def test_judge(speech: Speech, idx: int) -> None:
    _, status, score = JUDGES[idx]
    row = speech.result["judges"][idx]
    assert (row["judge_idx"], row["kind"], row["status"], row["score"]) == (idx, "text_match", status, score)
    if score == 0:
        assert "elephant" in row["reason"]


def test_results_come_in_order(speech: Speech) -> None:
    assert [row["assertion_idx"] for row in speech.result["assertions"]] == list(range(len(CHECKS)))
    assert [row["judge_idx"] for row in speech.result["judges"]] == list(range(len(JUDGES)))
    assert speech.result["passed"] is False


def test_progress_counts_the_turns(speech: Speech) -> None:
    percents = [data["percent"] for name, data in speech.events if name == "progress" and data["step"] == "transcribe"]
    assert percents == sorted(percents)
    assert percents[-1] == 60
    assert len(percents) >= len(TALK)  # start or end, and one a turn


def test_the_same_recording_gives_the_same_verdict(speech: Speech) -> None:
    replay, events = run(speech.api, speech.conversation, speech.recording)
    detail = speech.api.detail(replay)
    for field in ("turns", "speech_segments", "transcripts", "turn_metrics", "audio_levels"):
        assert detail[field] == speech.detail[field], field
    result: dict[str, Any] = events[-1][1]["result"]
    assert result == speech.result | {"replay_id": replay}
    assert json.dumps(result["judges"]) == json.dumps(speech.result["judges"])


def test_nothing_was_asked_of_a_key(speech: Speech) -> None:
    assert {row["provider"] for row in speech.detail["transcripts"]} == {"local"}


def test_waiting_for_the_decoder_is_no_failure(start_server: StartServer) -> None:
    """A stage's deadline is for its own work: a queue that is longer than it only takes longer."""
    replays = 12
    with Api(start_server(env={"XRAY_WORKERS": "1", "XRAY_STAGE_TIMEOUT_S": "4"}).url) as api:
        line = spoken(api, TALK[1][1], "rms")
        recording = wav([array.array("h", bytes(2 * len(line))), line])
        conversation = api.new_conversation({"name": "short", "turns": [{"role": "agent"}]})
        waiting = [api.new_replay(conversation) for _ in range(replays)]
        for replay in waiting:
            assert api.upload(replay, recording).status_code == 200
        for replay in waiting:
            assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
        assert [api.verdict(replay)["type"] for replay in waiting] == ["evaluation_complete"] * replays


def test_a_server_that_transcribes_stops_at_once(start_server: StartServer) -> None:
    server = start_server()
    with Api(server.url) as api:
        recording = call(api)
        conversation = api.new_conversation({"name": "stop", "turns": [{"role": "agent"}]})
        replays = [api.new_replay(conversation) for _ in range(4)]
        for replay in replays:
            assert api.upload(replay, recording).status_code == 200
            assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    assert server.stop(timeout_s=10) == 0
    with Api(start_server().url) as api:
        assert [api.verdict(replay)["type"] for replay in replays] == ["evaluation_complete"] * len(replays)
