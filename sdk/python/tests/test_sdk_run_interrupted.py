# SPDX-License-Identifier: Apache-2.0
"""Ctrl-C and `kill -9` of a program that runs a conversation, wherever it is in it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import httpx
import pytest
from api import Api
from xrayd_process import Xrayd

from fakes import CALL, Rule, ScriptedServer, detail, replays_of

CHILD = Path(__file__).parent / "child_run.py"


def child(
    mode: str, url: str, folder: Path, *, temporary: Path | None = None, said: str = "stdout"
) -> subprocess.Popen[str]:
    """The program; what it says on stdout, or on stderr, can be read."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    if temporary is not None:
        environment["TMPDIR"] = str(temporary)
    command = [sys.executable, str(CHILD), mode, url, str(folder)]
    out, err = (subprocess.PIPE, None) if said == "stdout" else (None, subprocess.PIPE)
    return subprocess.Popen(command, text=True, env=environment, stdout=out, stderr=err)


def interrupted(mode: str, url: str, folder: Path, signals: int) -> tuple[int, list[str]]:
    """Ctrl-C for a program in the middle of a call. (exit status, lines)"""
    with child(mode, url, folder) as running:
        assert running.stdout is not None
        lines: list[str] = []
        for line in running.stdout:
            lines.append(line.strip())
            if line.startswith(("running", "stopping")) and signals > 0:
                signals -= 1
                running.send_signal(signal.SIGINT)
        return running.wait(60), lines


def fields(lines: list[str]) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in lines if " " in line)


@pytest.mark.parametrize(("mode", "signals"), [("run", 1), ("stubborn", 2)], ids=["a run", "a live session, twice"])
def test_ctrl_c_gives_it_up_and_marks_the_replay(mode: str, signals: int, shared_server: Xrayd, tmp_path: Path) -> None:
    status, lines = interrupted(mode, shared_server.url, tmp_path, signals)
    assert status == 130
    assert "closed" in lines
    row = detail(shared_server.url, fields(lines)["running"])
    assert (row["lifecycle_state"], row["failure_reason"]) == ("failed", "driver_aborted")


def test_ctrl_c_ends_a_live_session_which_is_uploaded(shared_server: Xrayd, tmp_path: Path) -> None:
    status, lines = interrupted("live", shared_server.url, tmp_path, 1)
    assert status == 0, lines
    assert "closed" in lines
    said = fields(lines)
    assert said["verdict"] == said["running"]
    assert said["handler"] == "restored"
    row = detail(shared_server.url, said["running"])
    assert row["lifecycle_state"] == "completed"


def test_a_driver_that_is_killed_leaves_no_replay_open(start_server: Callable[..., Xrayd], tmp_path: Path) -> None:
    server = start_server(env={"XRAY_STALL_TIMEOUT_S": "1"})
    with child("run", server.url, tmp_path) as running:
        assert running.stdout is not None
        replay = running.stdout.readline().split()[1]
        running.kill()
    with Api(server.url) as api:
        assert api.verdict(replay) == {"type": "failed", "reason": "stalled"}


# Where the program is: which request is without an answer, and whether there is a replay then.
PHASES: Mapping[str, tuple[str, bool]] = {
    "sends the conversation": ("POST /v1/conversations", False),
    "fetches the audio": ("GET /v1/conversations/.*/audio", False),
    "creates the replay": ("POST /v1/replays", False),
    "starts": ("PATCH .*", True),
    "uploads": ("POST /v1/replays/[^/]+/audio", True),
    "starts the analysis": (".*/analyze", True),
    "waits for the verdict": (".*/events", True),
}


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
@pytest.mark.parametrize("phase", PHASES)
def test_a_replay_ends_and_nothing_is_left_wherever_the_program_is(
    phase: str, sent: signal.Signals, start_server: Callable[..., Xrayd], tmp_path: Path
) -> None:
    match, has_replay = PHASES[phase]
    server = start_server(env={"XRAY_STALL_TIMEOUT_S": "1"})
    temporary, own = tmp_path / "temporary", tmp_path / "own"
    temporary.mkdir()
    own.mkdir()
    held = threading.Event()
    with (
        ScriptedServer(server.url, Rule(match, reached=held, hold=True)) as scripted,
        child("at once", scripted.url, own, temporary=temporary, said="stderr") as running,
    ):
        assert held.wait(30)
        running.send_signal(sent)
        assert running.stderr is not None
        said = running.stderr.read()
        status = running.wait(30)
    assert status == (130 if sent == signal.SIGINT else -signal.SIGKILL), said
    kept = [path for path in temporary.rglob("*") if path.is_file()]
    if phase == "uploads" and sent == signal.SIGINT:
        (recording,) = kept
        assert recording.read_bytes() == CALL
        assert str(recording) in said
    else:
        assert kept == []
        assert list(temporary.iterdir()) == []
    stored = httpx.get(f"{server.url}/v1/conversations").json()["items"]
    replays = [replay for row in stored for replay in replays_of(server.url, row["hash"])]
    assert len(replays) == int(has_replay)
    for replay in replays:
        with Api(server.url) as api:
            if phase == "starts the analysis" and sent == signal.SIGKILL:  # the recording is there, for who wants it
                assert detail(server.url, str(replay["id"]))["lifecycle_state"] == "recording_uploaded"
                continue
            verdict = api.verdict(str(replay["id"]))
        if phase == "waits for the verdict":  # which the server has by itself
            assert verdict["type"] == "evaluation_complete" or verdict["reason"] == "driver_aborted"
        else:
            assert verdict["reason"] == ("driver_aborted" if sent == signal.SIGINT else "stalled")
