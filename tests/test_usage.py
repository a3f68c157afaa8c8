# SPDX-License-Identifier: Apache-2.0
"""What a replay's own calls to providers have used, with real numbers: flite speaks, PocketSphinx listens, the lexical
judge compares."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator

import pytest

import samples
from api import RATE, Api, Json, silence, wav
from servers import BUILT_IN, StartServer, servers
from test_speech import spoken

QUESTION = "When do you open on Sunday? \N{SLIGHTLY SMILING FACE}"
ANSWER = "We open at ten o'clock."
NUMBERS = ("input_tokens", "output_tokens", "audio_ms", "characters")


def row(stage: str, provider: str, model: str, calls: int, **numbers: int) -> Json:
    return {"stage": stage, "provider": provider, "model": model, "calls": calls, **dict.fromkeys(NUMBERS), **numbers}


def talk(name: str = "n", *, judges: int = 2, turns: int = 2) -> Json:
    """The question is asked by the server's voice; one turn more than two is never heard."""
    script: list[Json] = [{"role": "user", "text": QUESTION, "audio": {"kind": "tts"}}]
    script += [{"role": "agent"} if i % 2 else {"role": "user"} for i in range(1, turns)]
    judge = {"kind": "text_match", "reference": ANSWER}
    return {"name": name, "turns": script, "judges": [judge] * judges}


def usage_of(api: Api, replay: str) -> list[Json]:
    return api.detail(replay)["evaluation_usage"]


def spoken_ms(api: Api, conversation: str) -> int:
    """How long the server's own recording of the first turn is."""
    with wave.open(io.BytesIO(api.http.get(f"/v1/conversations/{conversation}/turns/0/audio").content)) as file:
        return file.getnframes() // (RATE // 1000)


def again(api: Api, replay: str) -> Json:
    assert api.http.post(f"/v1/replays/{replay}/retry").status_code == 202
    return api.verdict(replay)


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """Question and answer, by two voices, from a volume of their own."""
    with servers(tmp_path_factory.mktemp("voices")) as start, Api(start().url) as api:
        question, answer = spoken(api, QUESTION, "slt"), spoken(api, ANSWER, "rms")
    left, right = silence(0.4), silence(0.4)
    left.extend(question + silence(0.6 + len(answer) / RATE))
    right.extend(silence(len(question) / RATE + 0.6) + answer)
    length = min(len(left), len(right))
    return wav([left[:length], right[:length]])


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    env = {"XRAY_JUDGE_PROVIDER": "lexical"}
    with servers(tmp_path_factory.mktemp("usage")) as start, Api(start(env=env).url) as client:
        yield client


def test_each_stage_shows_what_it_used(api: Api, recording: bytes) -> None:
    conversation = api.new_conversation(talk())
    speech = row("tts", "local", "flite", 1, audio_ms=spoken_ms(api, conversation), characters=len(QUESTION) + 1)
    assert speech["audio_ms"] > 1000
    replay = api.new_replay(conversation)
    assert usage_of(api, replay) == [speech]
    assert api.upload(replay, recording).status_code == 200
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    assert api.verdict(replay)["type"] == "evaluation_complete"
    detail = api.detail(replay)
    heard_ms = sum(transcript["duration_ms"] for transcript in detail["transcripts"])
    assert heard_ms > 2000
    assert detail["evaluation_usage"] == [
        speech,
        row("transcription", "local", "en-us", 2, audio_ms=heard_ms),
        row("judge", "lexical", "lexical-1", 2),
    ]
    # The next run pays for no speech, and for all the rest again.
    second, _ = api.run(conversation, recording)
    assert usage_of(api, second) == detail["evaluation_usage"][1:]
    assert usage_of(api, replay) == detail["evaluation_usage"]


def test_speech_from_the_cache_costs_nothing(api: Api) -> None:
    first = api.new_conversation({"name": "a", "turns": [{"role": "user", "text": "Two.", "audio": {"kind": "tts"}}]})
    turns = [{"role": "user", "text": text, "audio": {"kind": "tts"}} for text in ("Two.", "Three.", "Two.")]
    second = api.new_conversation({"name": "b", "turns": turns})
    assert second == api.new_conversation({"name": "c", "turns": turns})
    (later,) = usage_of(api, api.new_replay(second))
    assert (later["calls"], later["characters"]) == (1, len("Three."))
    (former,) = usage_of(api, api.new_replay(first))
    assert (former["calls"], former["characters"]) == (1, len("Two."))
    assert usage_of(api, api.new_replay(second)) == []


def test_speech_that_fails_is_no_replays(api: Api) -> None:
    turns = [{"role": "user", "text": f"{i}.", "audio": {"kind": "tts"}} for i in range(3)]
    broken = [*turns, {"role": "user", "text": "No.", "audio": {"kind": "tts", "voice_id": "nobody"}}]
    assert api.conversation({"name": "n", "turns": broken}).status_code == 502
    (speech,) = usage_of(api, api.new_replay(api.new_conversation({"name": "n", "turns": turns})))
    assert (speech["calls"], speech["characters"]) == (3, 6)


def test_a_run_that_fails_and_is_tried_again_adds_up(api: Api, recording: bytes) -> None:
    conversation = api.new_conversation(talk("long", turns=3))
    api.new_replay(conversation)  # the speech is another's
    replay, event = api.run(conversation, recording)
    assert event == {"type": "failed", "reason": "spec_vad_mismatch"}
    first = api.http.get(f"/v1/replays/{replay}")
    (heard,) = first.json()["evaluation_usage"]
    assert heard == row("transcription", "local", "en-us", 2, audio_ms=heard["audio_ms"])
    for times in (2, 3):
        assert again(api, replay) == event
        reply = api.http.get(f"/v1/replays/{replay}", headers={"If-None-Match": first.headers["ETag"]})
        assert reply.status_code == 200
        want = row("transcription", "local", "en-us", 2 * times, audio_ms=times * heard["audio_ms"])
        assert reply.json()["evaluation_usage"] == [want]


def test_without_transcription_only_speech_is_used(start_server: StartServer) -> None:
    with Api(start_server(env=BUILT_IN).url) as client:
        conversation = client.new_conversation(talk())
        replay, event = client.run(conversation, samples.recording())
        assert event["type"] == "evaluation_complete"
        assert [used["stage"] for used in usage_of(client, replay)] == ["tts"]


def test_usage_outlives_the_process(start_server: StartServer, recording: bytes) -> None:
    env = {"XRAY_JUDGE_PROVIDER": "lexical"}
    server = start_server(env=env)
    with Api(server.url) as client:
        conversation = client.new_conversation(talk())
        replay, _ = client.run(conversation, recording)
        unpaid = client.new_conversation(
            {"name": "n", "turns": [{"role": "user", "text": "Later.", "audio": {"kind": "tts"}}]}
        )
        before = usage_of(client, replay)
    server.kill()
    with Api(start_server(env=env).url) as client:
        assert [used["stage"] for used in before] == ["tts", "transcription", "judge"]
        assert usage_of(client, replay) == before
        (speech,) = usage_of(client, client.new_replay(unpaid))
        assert (speech["stage"], speech["characters"]) == ("tts", len("Later."))
