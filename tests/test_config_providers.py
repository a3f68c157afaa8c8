# SPDX-License-Identifier: Apache-2.0
"""The providers' configuration as a process sees it: --check-config, refusals at start, no key in either, no core dump
with a key."""

from __future__ import annotations

import os
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from servers import BUILT_IN, StartServer
from xrayd_process import ROOT, Xrayd

KEY = "sk-test-0123456789abcdefghijklmnop"
MASKED = "(sk-…mnop)"
OTHER_KEY = "other-9876543210-zyxwvutsrqponm"


@pytest.fixture
def core_limit() -> Iterator[int]:
    """Core dumps are allowed to the processes that the test starts, up to the limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CORE)
    allowed = 1 << 20 if hard == resource.RLIM_INFINITY else min(hard, 1 << 20)
    if allowed == 0:
        pytest.skip("core dumps cannot be allowed here")
    resource.setrlimit(resource.RLIMIT_CORE, (allowed, hard))
    yield allowed
    resource.setrlimit(resource.RLIMIT_CORE, (soft, hard))


def run(*command: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    binary = os.environ.get("XRAYD", ROOT / "build" / "xrayd")
    return subprocess.run([binary, *command], env=env, capture_output=True, text=True, timeout=30)


def check_config(**env: str) -> tuple[list[str], list[str]]:
    """The lines of a description, and of the warnings."""
    checked = run("--check-config", env=env)
    assert checked.returncode == 0, checked.stderr
    no_secret_in(checked)
    return checked.stdout.splitlines(), checked.stderr.splitlines()


def no_secret_in(ended: subprocess.CompletedProcess[str]) -> None:
    for secret in (KEY, OTHER_KEY, KEY[5:-5], OTHER_KEY[5:-5], "secret"):
        assert secret not in ended.stdout + ended.stderr


def line_of(stage: str, lines: list[str]) -> str:
    (line,) = (line for line in lines if line.startswith(f"{stage}: "))
    return line


def test_what_would_be_used() -> None:
    lines, warnings = check_config(
        OPENAI_API_KEY=KEY,
        XRAY_TRANSCRIPTION_BASE_URL="http://127.0.0.1:8000",
        XRAY_TRANSCRIPTION_MODEL="whisper-large-v3",
        XRAY_JUDGE_PROVIDER="mistral",
    )
    speech, transcription, judge = (line_of(stage, lines) for stage in ("speech", "transcription", "judge"))
    assert speech.startswith("speech: openai, model gpt-4o-mini-tts, voice alloy, https://api.openai.com/v1, ")
    assert f"key OPENAI_API_KEY {MASKED}" in speech
    assert "openai-whisper, model whisper-large-v3, http://127.0.0.1:8000/v1, key OPENAI_API_KEY" in transcription
    assert "key missing: set MISTRAL_API_KEY" in judge
    assert warnings == []


def test_no_key_is_needed_with_a_base_url() -> None:
    lines, warnings = check_config(OPENAI_BASE_URL="http://127.0.0.1:8000/v1/")
    for stage in ("speech", "transcription", "judge"):
        assert "http://127.0.0.1:8000/v1, no key (not needed with OPENAI_BASE_URL)" in line_of(stage, lines)
    assert warnings == []


def test_nothing_set_works_without_a_key() -> None:
    lines, warnings = check_config()
    assert line_of("speech", lines) == "speech: local, model flite, voice slt"
    assert line_of("transcription", lines) == "transcription: local, model en-us"
    assert line_of("judge", lines) == "judge: none configured"
    assert warnings == []


def test_warnings_are_printed_and_logged(start_server: StartServer) -> None:
    env = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": "http://gateway.internal",
        "XRAY_JUDGE_PROVIDER": "lexical",
        "XRAY_JUDGE_MODEL": "judge-9",
    }
    expected = {
        "OPENAI_API_KEY goes unencrypted to gateway.internal: OPENAI_BASE_URL should be an https:// URL",
        "XRAY_JUDGE_MODEL is not used by the provider lexical",
    }
    _, warnings = check_config(**env)
    assert set(warnings) == expected
    server = start_server(env=env)
    assert server.stop() == 0
    assert {entry["message"] for entry in server.log if entry["event"] == "configuration"} == expected
    assert KEY not in "".join(server.raw_log)


def test_certificates_come_from_the_standard_variable(tmp_path: Path) -> None:
    bundle = tmp_path / "bundle.pem"
    bundle.write_text("-----BEGIN CERTIFICATE-----\n")
    lines, _ = check_config(OPENAI_API_KEY=KEY, SSL_CERT_FILE=str(bundle))
    assert f"certificates: {bundle}" in lines
    refused = run("--check-config", env={"OPENAI_API_KEY": KEY, "SSL_CERT_FILE": str(tmp_path / "none.pem")})
    assert refused.returncode == 1
    assert "SSL_CERT_FILE must be a file that can be read" in refused.stderr
    bundle.write_text("-----BEGIN PRIVATE KEY-----\n")
    refused = run("--check-config", env={"OPENAI_API_KEY": KEY, "SSL_CERT_FILE": str(bundle)})
    assert refused.returncode == 1
    assert "SSL_CERT_FILE must hold a certificate in PEM format" in refused.stderr
    lines, _ = check_config(SSL_CERT_FILE=str(tmp_path / "none.pem"))  # what is built in calls no one
    assert not any(line.startswith("certificates") for line in lines)


def test_the_example_of_the_documentation() -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    start, end = text.index("    $ export "), text.index("\n\nThe last line is a warning")
    lines = [line.removeprefix("    ") for line in text[start:end].splitlines()]
    exports = [line.removeprefix("$ export ").partition("=") for line in lines if line.startswith("$ export ")]
    printed = lines[lines.index("$ build/xrayd --check-config") + 1 :]
    described, warnings = check_config(**{name: value for name, _, value in exports})
    machine = [line for line in described if line.startswith("workers: ")]  # as many as this machine has cores
    assert [line for line in printed if not line.startswith("workers: ")] == [
        *(line for line in described if line not in machine),
        *warnings,
    ]


SELECT = "must say which provider to use, because OPENAI_API_KEY and MISTRAL_API_KEY are set"


@pytest.mark.parametrize("command", [(), ("--check-config",)], ids=["start", "check"])
@pytest.mark.parametrize(
    ("env", "problems"),
    [
        (
            {"OPENAI_API_KEY": KEY, "MISTRAL_API_KEY": OTHER_KEY},
            [f"XRAY_{stage}_PROVIDER {SELECT}" for stage in ("TTS", "TRANSCRIPTION", "JUDGE")],
        ),
        (
            {"OPENAI_API_KEY": KEY + "\n"},
            ["OPENAI_API_KEY must not hold white space (a line break at its end?)"],
        ),
        ({"OPENAI_API_KEY": KEY + "é"}, ["OPENAI_API_KEY must be printable ASCII"]),
        (
            {"OPENAI_BASE_URL": "https://user:secret@gateway.internal/v1"},
            ["OPENAI_BASE_URL must not hold a user name or a password: set the key by its own variable"],
        ),
        (
            {"OPENAI_BASE_URL": f"https://gateway.internal/v1?key={KEY}"},
            ["OPENAI_BASE_URL must not hold a query or a fragment (? or #)"],
        ),
        (
            {
                "PORT": "-1",
                "XRAY_TTS_PROVIDER": "espeak",
                "XRAY_TRANSCRIPTION_API_KEY": OTHER_KEY,
                "XRAY_JUDGE_PROVIDER": "openai",
                "XRAY_JUDGE_BASE_URL": "gateway.internal",
            },
            [
                "PORT must be a whole number from 0 to 65535",
                "XRAY_TTS_PROVIDER must be one of openai, google-gemini, mistral, local",
                "XRAY_TRANSCRIPTION_PROVIDER must say which provider to use, because XRAY_TRANSCRIPTION_API_KEY is set",
                "XRAY_JUDGE_BASE_URL must be an http:// or https:// URL",
            ],
        ),
    ],
    ids=["several keys", "line break", "not ascii", "password", "query", "everything"],
)
def test_refusals_tell_every_problem_and_no_secret(
    tmp_path: Path, command: tuple[str, ...], env: dict[str, str], problems: list[str]
) -> None:
    ended = run(*command, env={"XRAY_DATA_DIR": str(tmp_path / "data"), **env})
    assert ended.returncode == 1
    assert ended.stderr.splitlines() == ["xrayd: the configuration is not usable:", *problems]
    assert ended.stdout == ""
    no_secret_in(ended)
    assert not (tmp_path / "data").exists()


def core_limit_of(server: Xrayd) -> list[str]:
    limits = Path(f"/proc/{server.process.pid}/limits").read_text()
    (line,) = (line for line in limits.splitlines() if line.startswith("Max core file size"))
    return line.removeprefix("Max core file size").split()[:2]


def uncapped(**env: str) -> dict[str, str]:
    """AddressSanitizer forbids core dumps by itself unless it is told not to."""
    options = [*filter(None, [os.environ.get("ASAN_OPTIONS")]), "disable_coredump=0"]
    return {"XRAY_TTS_PROVIDER": "local", "OPENAI_API_KEY": KEY, "ASAN_OPTIONS": ":".join(options), **BUILT_IN, **env}


@pytest.mark.usefixtures("core_limit")
def test_a_process_with_a_key_leaves_no_core_dump(start_server: StartServer) -> None:
    server = start_server(env=uncapped(XRAY_TTS_PROVIDER="openai"))
    assert core_limit_of(server) == ["0", "0"]
    assert Path(f"/proc/{server.process.pid}/limits").stat().st_uid == 0  # of a process that is not dumpable


def test_a_process_without_a_key_may_leave_one(start_server: StartServer, core_limit: int) -> None:
    """Nor is one forbidden by a key that no stage uses."""
    server = start_server(env=uncapped())
    assert core_limit_of(server)[0] == str(core_limit)
    assert Path(f"/proc/{server.process.pid}/limits").stat().st_uid == os.getuid()
