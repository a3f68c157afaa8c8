# SPDX-License-Identifier: Apache-2.0
"""Keys that are missing, wrong or no keys at all: what says so, what does not, and that a retry with the right one is
all that it takes."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from cloud import (
    KEYS,
    Listener,
    cloud,
    endpoint,
    output_of,
    pieces,
    recording,
    spoken_talk,
    talk,
    traces_of,
)
from vendors import VENDORS, Stage, Vendor, Vendors
from vendors.names import PROVIDERS, VARIABLES
from xrayd_process import ROOT

TURN_MS = 300
# Nothing of the right ones is in them.
WRONG: Mapping[Vendor, str] = {
    "openai": "sk-proj-wR0ngAbCdEfGhIjKlMnOpQrS",
    "google": "AIzaSywR0ngQpLmZkXoWnJbViUhCyG",
    "mistral": "wR0ngUyTrEwQaSdFgHjKlMnBvCxZ",
}
REFUSED_WITH: Mapping[Vendor, int] = {"openai": 401, "google": 400, "mistral": 401}
UNSIGNED_WITH: Mapping[Vendor, int] = {"openai": 401, "google": 403, "mistral": 401}


SPOILED = ("{}\n", "{}\r\n", "\n{}", " {}", "{} ", "{0}\n{0}", "{}\t", "{}\x7f", "{}é", "“{}”")


@pytest.fixture
def strict() -> Iterator[Vendors]:
    """Requests that it refuses are no fault of the test's."""
    with Vendors(keys=KEYS) as vendors:
        vendors.expect_refusals = True
        yield vendors


def variable(vendor: Vendor) -> str:
    return f"{VARIABLES[vendor]}_API_KEY"


def other(vendor: Vendor) -> Vendor:
    return "mistral" if vendor == "openai" else "openai"


def failing(api: Listener, stage: Stage) -> tuple[str, str]:
    """A replay that fails for that stage, and why."""
    references = ["The agent helps."] if stage == "judge" else []
    replay = api.begin(api.new_conversation(talk(1, *references)), recording(TURN_MS))
    end = api.verdict(replay)
    assert end["type"] == "failed", end
    return replay, end["reason"]


def without_key(vendor: Vendor, stage: Stage, fake: Vendors) -> dict[str, str]:
    """That stage has that vendor and no key; the others have one who can be asked. What would go to the vendor itself
    would come by the fake."""
    env = fake.env(other(vendor)) | {f"XRAY_{stage.upper()}_PROVIDER": PROVIDERS[stage, vendor]}
    proxy = f"http://127.0.0.1:{fake.port}"
    return env | {"https_proxy": proxy, "HTTPS_PROXY": proxy}


@pytest.mark.parametrize("vendor", VENDORS)
def test_speech_without_key(tmp_path: Path, strict: Vendors, vendor: Vendor) -> None:
    with cloud(tmp_path / "data", strict, without_key(vendor, "tts", strict)) as (_, api):
        reply = api.conversation(spoken_talk("Hello."))
        assert reply.status_code == 503
        assert reply.json() == {"error": "tts_provider_unconfigured", "env_var": variable(vendor)}
        assert api.conversation(talk()).status_code == 200
    assert strict.connections == 0


@pytest.mark.parametrize("stage", ["transcription", "judge"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_replay_without_key(tmp_path: Path, strict: Vendors, vendor: Vendor, stage: Stage) -> None:
    env = without_key(vendor, stage, strict)
    with cloud(tmp_path / "data", strict, env) as (server, api):
        _, reason = failing(api, stage)
        assert reason == "missing_credential"
        assert variable(vendor) in output_of(server, "jobs", env)
    assert {call.vendor for call in strict.calls()} == ({other(vendor)} if stage == "judge" else set())
    assert [call for call in strict.calls() if call.method == "CONNECT"] == []


def test_replay_without_any_judge_provider(tmp_path: Path, strict: Vendors) -> None:
    env = {
        "XRAY_TRANSCRIPTION_PROVIDER": "openai-whisper",
        "XRAY_TRANSCRIPTION_BASE_URL": strict.url("openai"),
        "XRAY_TRANSCRIPTION_API_KEY": KEYS["openai"],
    }
    with cloud(tmp_path / "data", strict, env) as (_, api):
        assert failing(api, "judge")[1] == "missing_credential"
    assert [call.stage for call in strict.calls()] == ["transcription"]


def test_starts_without_any_key(tmp_path: Path, strict: Vendors) -> None:
    env = {f"XRAY_{stage}_PROVIDER": "mistral" for stage in ("TTS", "JUDGE")}
    env["XRAY_TRANSCRIPTION_PROVIDER"] = "mistral-voxtral"
    with cloud(tmp_path / "data", strict, env) as (server, api):
        assert api.http.get("/readyz").status_code == 200
        assert output_of(server, "--check-config", env).count("key missing: set MISTRAL_API_KEY") == 3


def env_with(vendors: Vendors, vendor: Vendor, key: str | None) -> dict[str, str]:
    env = {k: v for k, v in vendors.env(vendor).items() if k != variable(vendor)}
    return env | ({variable(vendor): key} if key else {})


@pytest.mark.parametrize("given", ["wrong", "none"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_refused_key(tmp_path: Path, strict: Vendors, vendor: Vendor, given: str) -> None:
    """At every stage; the answer that it was refused with repeats it."""
    status = (REFUSED_WITH if given == "wrong" else UNSIGNED_WITH)[vendor]
    key = WRONG[vendor] if given == "wrong" else None
    env = {"XRAY_LOG_LEVEL": "debug"} | env_with(strict, vendor, key)
    with cloud(tmp_path / "data", strict, env) as (server, api):
        reply = api.conversation(spoken_talk("Hello."))
        assert reply.status_code == 502
        told = {"error": "tts_synthesis_failed", "provider": PROVIDERS["tts", vendor], "status_code": status}
        assert reply.json() == told
        _, reason = failing(api, "transcription")
        assert reason == "transcription_failed"
        assert [call.status for call in strict.calls()] == [status, status]
        assert f"answered {status}" in output_of(server, "jobs", env)
        traces = traces_of(server, api, env)
    assert traces.places([f"answered {status}"]) >= {"log", "jobs", "queue.db-wal"}
    assert traces.places(pieces(key or KEYS[vendor])) == set()


@pytest.mark.parametrize("vendor", VENDORS)
def test_refused_key_of_the_judge(tmp_path: Path, strict: Vendors, vendor: Vendor) -> None:
    env = strict.env(vendor) | {"XRAY_JUDGE_API_KEY": WRONG[vendor], "XRAY_LOG_LEVEL": "debug"}
    with cloud(tmp_path / "data", strict, env) as (server, api):
        _, reason = failing(api, "judge")
        assert reason == "evaluation_failed"
        (call,) = strict.refused
        assert call.status == REFUSED_WITH[vendor]
        traces = traces_of(server, api, env)
    assert traces.places([f"answered {call.status}"]) >= {"jobs", "queue.db-wal"}
    assert traces.places([*pieces(WRONG[vendor]), *pieces(KEYS[vendor])]) == set()


@pytest.mark.parametrize("stage", ["transcription", "judge"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_retry_with_the_right_key(tmp_path: Path, strict: Vendors, vendor: Vendor, stage: Stage) -> None:
    wrong = strict.env(vendor) | {f"XRAY_{stage.upper()}_API_KEY": WRONG[vendor]}
    with cloud(tmp_path / "data", strict, wrong) as (_, api):
        replay, _ = failing(api, stage)
        assert api.retry(replay)["type"] == "failed"
    with cloud(tmp_path / "data", strict, strict.env(vendor)) as (_, api):
        end = api.retry(replay)
        assert end["type"] == "evaluation_complete"
        assert end["result"]["passed"] is True


@pytest.mark.parametrize("vendor", VENDORS)
def test_speech_with_the_right_key(tmp_path: Path, strict: Vendors, vendor: Vendor) -> None:
    """What failed left nothing behind that is taken for speech."""
    for key, status in ((WRONG[vendor], 502), (KEYS[vendor], 200)):
        with cloud(tmp_path / "data", strict, env_with(strict, vendor, key)) as (_, api):
            assert api.conversation(spoken_talk("Hello.")).status_code == status


@pytest.mark.parametrize("name", ["OPENAI_API_KEY", "XRAY_JUDGE_API_KEY"])
@pytest.mark.parametrize(
    "spoiled", ["{}\n", "{}\r\n", "\n{}", " {}", "{} ", "{0}\n{0}", "{}\t", "{}\x7f", "{}é", "“{}”"]
)
def test_no_key_at_all(tmp_path: Path, strict: Vendors, name: str, spoiled: str) -> None:
    """It would be another header, or none: the start is refused."""
    key = spoiled.format(KEYS["openai"])
    env = strict.env("openai") | {name: key, "XRAY_DATA_DIR": str(tmp_path / "data"), "PORT": "0"}
    binary = os.environ.get("XRAYD", ROOT / "build" / "xrayd")
    ended = subprocess.run([binary], env=env, capture_output=True, text=True, timeout=30)
    assert ended.returncode == 1
    assert any(line.startswith(f"{name} must") for line in ended.stderr.splitlines())
    assert not [piece for piece in pieces(KEYS["openai"]) if piece in ended.stderr + ended.stdout]
    assert strict.connections == 0


def test_each_stage_has_its_own_key(tmp_path: Path) -> None:
    """Of one vendor, at hosts of its own each."""
    keys: dict[Stage, str] = {"tts": KEYS["mistral"], "transcription": KEYS["google"], "judge": KEYS["openai"]}
    env: dict[str, str] = {"OPENAI_API_KEY": WRONG["openai"]}
    fakes: dict[Stage, Vendors] = {}
    with ExitStack() as stack:
        for stage, key in keys.items():
            fakes[stage] = stack.enter_context(Vendors(keys={"openai": key, "google": "", "mistral": ""}))
            env[f"XRAY_{stage.upper()}_PROVIDER"] = PROVIDERS[stage, "openai"]
            env[f"XRAY_{stage.upper()}_BASE_URL"] = endpoint(fakes[stage], "openai")
            env[f"XRAY_{stage.upper()}_API_KEY"] = key
        with cloud(tmp_path / "data", fakes["tts"], env) as (_, api):
            assert api.conversation(spoken_talk("Hello.")).status_code == 200
            replay = api.begin(api.new_conversation(talk(1, "It helps.")), recording(TURN_MS))
            assert api.verdict(replay)["type"] == "evaluation_complete"
        for stage, fake in fakes.items():
            assert [(call.stage, call.status) for call in fake.calls()] == [(stage, 200)]
