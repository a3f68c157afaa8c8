# SPDX-License-Identifier: Apache-2.0
"""A whole conversation with each vendor at all three stages: it speaks the user's turns, hears the recording, and
judges what was said."""

from __future__ import annotations

import array
import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from api import RATE, Json, dialogue
from cloud import KEYS, ONSET_MS, Listener, cloud
from vendors import STAGES, VENDORS, Asked, Call, Heard, Stage, Vendor, Vendors, Word
from vendors.audio import TONE_HZ, Wav, speech_ms
from vendors.compare import compare
from vendors.names import MODELS, PROVIDERS
from vendors.script import tokens
from vendors.sdk import repeat

TEXTS = ("Do you have two tickets for tonight? \N{TICKET}", "Then I take both of them, thank you.")
DIALOGUE = (("user", 0.6), ("agent", 0.8), ("user", 0.5), ("agent", 1.1))
HEARD = {
    609: "do you have two tickets",
    809: "Two are left, Grüße aus Köln",
    509: "i take both",
    1109: "They are yours",
}
JUDGES: list[tuple[Json, tuple[int, str], str]] = [
    ({"kind": "text_match", "reference": "Two tickets are left."}, (90, "It says so."), "passed"),
    ({"kind": "text_match", "reference": "It rains."}, (3, "Nobody spoke of rain."), "failed"),
    (
        {"kind": "text_match", "reference": "They are sold.", "rubric": "Be mild.", "pass_score": 40},
        (40, "é"),
        "passed",
    ),
]
COUNTS: dict[Stage, int] = {"tts": 2, "transcription": 4, "judge": 3}
LANGUAGES = {"openai": "german", "google": "de", "mistral": None}
NUMBERS = ("input_tokens", "output_tokens", "audio_ms", "characters")


def hear(wav: Wav) -> Heard:
    """Words of 100 ms each with pauses between them."""
    words = HEARD[min(HEARD, key=lambda ms: abs(ms - wav.ms))].split()
    return Heard(" ".join(words), tuple(Word(w, 0.12 * i, 0.12 * i + 0.1) for i, w in enumerate(words)), "de")


def judge(asked: Asked) -> tuple[int, str]:
    (verdict,) = [verdict for spec, verdict, _ in JUDGES if spec["reference"] == asked.reference]
    return verdict


def spec() -> Json:
    spoken = [{"role": "user", "text": text, "audio": {"kind": "tts"}} for text in TEXTS]
    agent = [{"role": "agent", "assertions": [{"kind": "contains", "text": "Grüße aus"}]}, {"role": "agent"}]
    turns = [spoken[0], agent[0], spoken[1], agent[1]]
    return {"name": "tickets", "turns": turns, "judges": [spec for spec, _, _ in JUDGES]}


@dataclass(frozen=True)
class Ran:
    vendor: Vendor
    vendors: Vendors
    api: Listener
    conversation: str
    result: Json
    detail: Json
    requests: list[Call]  # of all that, not of what tests do later

    def calls(self, stage: Stage) -> list[Call]:
        return [call for call in self.requests if call.stage == stage]


@pytest.fixture(scope="module", params=VENDORS)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ran]:
    vendor: Vendor = request.param
    folder: Path = tmp_path_factory.mktemp(vendor)
    with Vendors(keys=KEYS) as vendors, cloud(folder / "data", vendors, vendors.env(vendor)) as (_, api):
        vendors.hear(hear)
        vendors.judge(judge)
        conversation = api.new_conversation(spec())
        replay, end = api.run(conversation, dialogue(*DIALOGUE))
        assert end["type"] == "evaluation_complete", end
        yield Ran(vendor, vendors, api, conversation, end["result"], api.detail(replay), vendors.calls())


def test_each_request_is_made_once(ran: Ran) -> None:
    for stage, count in COUNTS.items():
        calls = ran.calls(stage)
        assert len(calls) == count
        assert {(call.model, call.status, call.fault) for call in calls} == {(MODELS[stage, ran.vendor], 200, None)}
        assert {call.http for call in calls} == {"1.1"}
    assert sorted(call.text for call in ran.calls("tts")) == sorted(TEXTS)


def crossings(samples: array.array[int]) -> int:
    return sum(a < 0 <= b for a, b in pairwise(samples))


def test_speech_is_what_the_vendor_spoke(ran: Ran) -> None:
    for turn, text in ((0, TEXTS[0]), (2, TEXTS[1])):
        rate, samples = ran.api.spoken(ran.conversation, turn)
        seconds = speech_ms(text) / 1000
        assert rate == RATE
        assert abs(len(samples) - seconds * RATE) <= 48
        assert abs(crossings(samples) - TONE_HZ * seconds) <= 2
        assert 8500 < max(samples) < 9500


def test_speech_is_asked_for_once(ran: Ran) -> None:
    before = len(ran.vendors.calls())
    assert ran.api.new_conversation(spec()) == ran.conversation
    assert ran.api.new_conversation({"name": "again", "turns": [spec()["turns"][2]]}) != ran.conversation
    assert len(ran.vendors.calls()) == before


def test_transcripts_are_what_the_vendor_heard(ran: Ran) -> None:
    rows = ran.detail["transcripts"]
    assert [row["turn_idx"] for row in rows] == [0, 1, 2, 3]
    for row, turn, (_, seconds) in zip(rows, ran.detail["turns"], DIALOGUE, strict=True):
        ms = round(seconds * 1000) + ONSET_MS
        words = HEARD[ms].split()
        assert row["text"] == HEARD[ms]
        assert row["language"] == LANGUAGES[ran.vendor]
        assert abs(row["duration_ms"] - ms) <= 1
        assert abs(row["duration_ms"] - (turn["voice_end_ms"] - turn["voice_start_ms"])) <= 1
        assert row["provider"] == PROVIDERS["transcription", ran.vendor]
        assert row["model"] == MODELS["transcription", ran.vendor]
        times = [{"text": word, "start_ms": 120 * i, "end_ms": 120 * i + 100} for i, word in enumerate(words)]
        assert row["words"] == (None if ran.vendor == "google" else times)


def test_verdict_is_the_vendors(ran: Ran) -> None:
    assert [row["status"] for row in ran.result["assertions"]] == ["passed"]
    for idx, (_, (score, reason), status) in enumerate(JUDGES):
        row = ran.result["judges"][idx]
        assert (row["judge_idx"], row["status"], row["score"], row["reason"]) == (idx, status, score, reason)
    assert ran.result["passed"] is False
    assert ran.detail["lifecycle_state"] == "completed"


def test_judges_are_told_all_that_was_heard(ran: Ran) -> None:
    for call in ran.calls("judge"):
        assert all(text in call.text for text in HEARD.values())
    (mild,) = [call for call in ran.calls("judge") if "Be mild." in call.text]
    assert "They are sold." in mild.text


def row(ran: Ran, stage: Stage, calls: int, **numbers: int) -> Json:
    which = {"stage": stage, "provider": PROVIDERS[stage, ran.vendor], "model": MODELS[stage, ran.vendor]}
    return {**which, "calls": calls, **dict.fromkeys(NUMBERS), **numbers}


def text_of(call: Call) -> str:
    """All text in a request of Google's."""
    parts: list[dict[str, Any]] = [part for content in call.json["contents"] for part in content["parts"]]
    return "".join(part.get("text", "") for part in parts)


def used_by_speech(ran: Ran) -> Json:
    units = sum(len(text.encode("utf-16-le")) // 2 for text in TEXTS)
    spoken = [speech_ms(text) for text in TEXTS]
    google = {"input_tokens": sum(map(tokens, TEXTS)), "output_tokens": sum(ms // 40 for ms in spoken)}
    counted = {"openai": {}, "google": google, "mistral": {}}[ran.vendor]
    return row(ran, "tts", 2, audio_ms=sum(spoken), characters=units, **counted)


def used_by_transcription(ran: Ran) -> Json:
    calls = ran.calls("transcription")
    counted: dict[str, int] = {}
    if ran.vendor == "google":
        told = sum(tokens(text_of(call)) + call.audio_ms * 32 // 1000 for call in calls)
        said = [json.dumps({"text": text, "language": "de"}, ensure_ascii=False) for text in HEARD.values()]
        counted = {"input_tokens": told, "output_tokens": sum(map(tokens, said))}
    if ran.vendor == "mistral":
        counted = {"input_tokens": 3 * len(calls), "output_tokens": sum(map(tokens, HEARD.values()))}
    heard_ms = sum(transcript["duration_ms"] for transcript in ran.detail["transcripts"])
    return row(ran, "transcription", 4, audio_ms=heard_ms, **counted)


def used_by_judges(ran: Ran) -> Json:
    said = [json.dumps({"score": s, "reason": r}, ensure_ascii=False) for _, (s, r), _ in JUDGES]
    told = sum(tokens(call.text) for call in ran.calls("judge"))
    return row(ran, "judge", 3, input_tokens=told, output_tokens=sum(map(tokens, said)))


def test_usage_is_what_the_vendor_counted(ran: Ran) -> None:
    assert ran.detail["evaluation_usage"] == [used_by_speech(ran), used_by_transcription(ran), used_by_judges(ran)]


@pytest.mark.parametrize("stage", STAGES)
def test_requests_are_those_of_the_vendors_package(ran: Ran, stage: Stage) -> None:
    for call in ran.calls(stage):
        assert compare(call, repeat(call, ran.vendors)) == []
