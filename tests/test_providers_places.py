# SPDX-License-Identifier: Apache-2.0
"""Where requests go and how many at once: base URLs, hosts that want no key, a place of its own for each stage, and the
bounds of what runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

import pytest

from cloud import KEYS, all_stages, cloud, recording, spoken_talk, talk, together
from vendors import STAGES, VENDORS, Call, Stage, Vendor, Vendors
from vendors.names import PROVIDERS, VARIABLES, VERSIONS

CONCURRENCY = 4
SHARES = 4  # so many replays can have all of their requests at one provider
LATENCY_MS = 100
DURATIONS = tuple(300 + 20 * i for i in range(16))
UNLUCKY_MS = 400
SPELLINGS = ("", "/", "{version}", "{version}/")


def stage_env(stage: Stage, vendor: Vendor, fake: Vendors, **more: str) -> dict[str, str]:
    """The variables of that stage alone."""
    values = {"PROVIDER": PROVIDERS[stage, vendor], "BASE_URL": fake.url(vendor), **more}
    return {f"XRAY_{stage.upper()}_{name}": value for name, value in values.items()}


def is_unlucky(call: Call) -> bool:
    return "unlucky" in call.text if call.stage == "judge" else call.audio is not None and call.audio.ms < 600


def key_headers(call: Call) -> list[str]:
    return [name for name, _ in call.headers if name in ("authorization", "x-goog-api-key", "api-key")]


# --- base URLs ---


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("vendor", VENDORS)
def test_base_url_with_and_without_version(tmp_path: Path, vendors: Vendors, vendor: Vendor, spelling: str) -> None:
    url = vendors.url(vendor) + spelling.format(version=VERSIONS[vendor])
    env = vendors.env(vendor) | {f"{VARIABLES[vendor]}_BASE_URL": url}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        all_stages(api)
    calls = vendors.calls()
    assert [call.stage for call in calls] == list(STAGES)
    assert {call.path.removeprefix(f"/{vendor}").split("/")[1] for call in calls} == {VERSIONS[vendor][1:]}
    assert all(len(key_headers(call)) == 1 for call in calls)


@pytest.mark.parametrize("vendor", VENDORS)
def test_base_url_without_key(tmp_path: Path, vendor: Vendor) -> None:
    """Nothing but the base URL is set: it chooses the provider, and no key is sent."""
    with Vendors(keys=None) as fake:
        env = {f"{VARIABLES[vendor]}_BASE_URL": fake.url(vendor)}
        with cloud(tmp_path / "data", fake, env) as (_, api):
            all_stages(api)
        assert [call.stage for call in fake.calls()] == list(STAGES)
        assert [key_headers(call) for call in fake.calls()] == [[], [], []]


@pytest.mark.parametrize("shift", range(3))
def test_each_stage_at_a_place_of_its_own(tmp_path: Path, shift: int) -> None:
    """Three vendors at three hosts; each gets its own key and no other."""
    places: dict[Stage, Vendor] = {stage: VENDORS[(i + shift) % 3] for i, stage in enumerate(STAGES)}
    keys = {stage: KEYS[vendor] for stage, vendor in places.items()}
    with ExitStack() as stack:
        fakes: dict[Stage, Vendors] = {stage: stack.enter_context(Vendors(keys=KEYS)) for stage in STAGES}
        env: dict[str, str] = {}
        for stage, vendor in places.items():
            env |= stage_env(stage, vendor, fakes[stage], API_KEY=keys[stage])
        with cloud(tmp_path / "data", fakes["tts"], env) as (_, api):
            detail = all_stages(api)
        for stage, vendor in places.items():
            (call,) = fakes[stage].calls()
            assert (call.vendor, call.stage, call.status) == (vendor, stage, 200)
            sent = " ".join(value for _, value in call.headers)
            assert [key for key in KEYS.values() if key in sent] == [keys[stage]]
        assert [row["provider"] for row in detail["transcripts"]] == [
            PROVIDERS["transcription", places["transcription"]]
        ]


MODELS: Mapping[Stage, str] = {"tts": "kokoro", "transcription": "whisper-large-v3", "judge": "qwen3:8b"}


@pytest.mark.parametrize("stage", STAGES)
def test_stage_at_a_local_server(tmp_path: Path, vendors: Vendors, stage: Stage) -> None:
    """The other stages stay at the vendor, whose key the local server does not want and does not get."""
    with Vendors(keys=None, models=[MODELS[stage]], any_voice=True) as local:
        more = {"MODEL": MODELS[stage]} | ({"VOICE": "af_sky"} if stage == "tts" else {})
        env = vendors.env("mistral") | stage_env(stage, "openai", local, **more)
        with cloud(tmp_path / "data", vendors, env) as (_, api):
            all_stages(api)
        (call,) = local.calls()
        assert (call.stage, call.model, call.status) == (stage, MODELS[stage], 200)
        assert key_headers(call) == []
        assert call.json is None or stage != "tts" or call.json["voice"] == "af_sky"
    assert [call.stage for call in vendors.calls()] == [other for other in STAGES if other != stage]


# --- side by side ---


@pytest.mark.parametrize("vendor", VENDORS)
def test_turns_of_one_replay_side_by_side(tmp_path: Path, vendors: Vendors, vendor: Vendor) -> None:
    vendors.delay(LATENCY_MS)
    env = vendors.env(vendor) | {"XRAY_PROVIDER_CONCURRENCY": str(CONCURRENCY)}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        replay = api.begin(api.new_conversation(talk(len(DURATIONS))), recording(*DURATIONS))
        assert api.verdict(replay)["type"] == "evaluation_complete"
        detail = api.detail(replay)
    assert 1 < vendors.peak <= CONCURRENCY
    # Whatever the order of the answers was.
    lengths = [turn["voice_end_ms"] - turn["voice_start_ms"] for turn in detail["turns"]]
    heard = [int(row["text"].split()[1]) for row in detail["transcripts"]]
    assert [abs(a - b) <= 1 for a, b in zip(lengths, heard, strict=True)] == [True] * len(DURATIONS)


def test_speech_of_one_conversation_side_by_side(tmp_path: Path, vendors: Vendors) -> None:
    vendors.delay(LATENCY_MS)
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": str(CONCURRENCY)}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        assert api.conversation(spoken_talk(*(f"Line {i}." for i in range(12)))).status_code == 200
    assert len(vendors.calls(stage="tts")) == 12
    assert 1 < vendors.peak <= CONCURRENCY


@pytest.mark.concurrent
def test_replays_side_by_side(tmp_path: Path, vendors: Vendors) -> None:
    """More than one has its share, and all together have no more than so many."""
    vendors.delay(LATENCY_MS)
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": str(CONCURRENCY)}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        conversation = api.new_conversation(talk(len(DURATIONS)))

        def run(_: int) -> str:
            return api.verdict(api.begin(conversation, recording(*DURATIONS)))["type"]

        assert together(run, range(8)) == ["evaluation_complete"] * 8
    assert CONCURRENCY < vendors.peak <= CONCURRENCY * SHARES


def test_judges_side_by_side(tmp_path: Path, vendors: Vendors) -> None:
    vendors.delay(LATENCY_MS)
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": str(CONCURRENCY)}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        judged = talk(1, *(f"Reference {i}." for i in range(8)))
        assert api.verdict(api.begin(api.new_conversation(judged), recording(300)))["type"] == "evaluation_complete"
    assert len(vendors.calls(stage="judge")) == 8
    assert 1 < vendors.peak <= CONCURRENCY


# --- those that wait ---


@pytest.mark.concurrent
def test_concurrency_of_one_is_one_at_a_time(tmp_path: Path, vendors: Vendors) -> None:
    """Whoever they are for: a local model server may have room for no more."""
    vendors.delay(LATENCY_MS)
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": "1"}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        conversation = api.new_conversation(talk(2))

        def run(_: int) -> str:
            return api.verdict(api.begin(conversation, recording(700, 800)))["type"]

        assert together(run, range(4)) == ["evaluation_complete"] * 4
    assert vendors.peak == 1


@pytest.mark.parametrize("stage", ["transcription", "judge"])
def test_waiting_for_a_place_is_no_time_out(tmp_path: Path, vendors: Vendors, stage: Stage) -> None:
    """All of them need several times as long as one may take."""
    replays, deadline_s, latency_ms = 16, 3, 250
    vendors.delay(latency_ms, stage=stage)
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": "1", "XRAY_STAGE_TIMEOUT_S": str(deadline_s)}
    turns, judges = (2, []) if stage == "transcription" else (1, ["They are polite.", "They are brief."])
    assert replays * 2 * latency_ms > 2000 * deadline_s
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        conversation = api.new_conversation(talk(turns, *judges))

        def run(_: int) -> str:
            return api.verdict(api.begin(conversation, recording(*(700, 800)[:turns])))["type"]

        assert together(run, range(replays)) == ["evaluation_complete"] * replays
    assert len(vendors.calls(stage=stage)) == replays * 2  # nothing was asked twice


@pytest.mark.concurrent
@pytest.mark.parametrize("stage", ["transcription", "judge"])
@pytest.mark.parametrize("concurrency", [1, 2])
def test_waiting_retry_holds_nobody_up(tmp_path: Path, vendors: Vendors, stage: Stage, concurrency: int) -> None:
    """More replays wait for another attempt than there are places; the others are done before that."""
    waiting = 2 * SHARES
    refused = vendors.fail("limited_hour", stage=stage, when=is_unlucky)
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": str(concurrency)}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        unlucky = api.new_conversation(talk(1, "They are unlucky."))
        lucky = api.new_conversation(talk(2, "They are polite."))
        held = [api.begin(unlucky, recording(UNLUCKY_MS)) for _ in range(waiting)]
        vendors.wait_calls(waiting, stage=stage, ended=True)
        assert api.verdict(api.begin(lucky, recording(700, 800)))["type"] == "evaluation_complete"
        assert refused.hits == waiting  # nobody has tried again yet: after 30 s
        assert [api.detail(replay)["lifecycle_state"] for replay in held] == ["analyzing"] * waiting


@pytest.mark.parametrize("said", ["", "and so on " * 4000], ids=["short", "long"])
def test_oldest_replay_goes_first(tmp_path: Path, vendors: Vendors, said: str) -> None:
    """Turn by turn, and also when it has been back in the queue meanwhile; long answers are read elsewhere."""
    replays = 12
    vendors.delay(150, stage="transcription")
    vendors.hear(lambda audio: f"{audio.ms} {said}")
    env = vendors.env("openai") | {"XRAY_PROVIDER_CONCURRENCY": "1", "XRAY_STAGE_TIMEOUT_S": "2"}
    with cloud(tmp_path / "data", vendors, env) as (_, api):
        conversation = api.new_conversation(talk(2))
        begun = [api.begin(conversation, recording(300 + 20 * i, 300 + 20 * i)) for i in range(replays)]
        assert [api.verdict(replay)["type"] for replay in begun] == ["evaluation_complete"] * replays
    asked = [call.audio.ms for call in vendors.calls(stage="transcription") if call.audio]
    order = [round((ms - 300) / 20) for ms in asked]
    assert order[0::2] == order[1::2]  # what has begun goes on
    served = order[0::2]
    # Two are analysed at a time, so that of two neighbours the younger one may be there first.
    assert all(a <= b + 1 for a, b in pairwise(served)), served
    assert sorted(served) == list(range(replays))
