# SPDX-License-Identifier: Apache-2.0
"""Real workers of LiveKit Agents: processes with process jobs, in environments of their own (scripts/e2e_venv)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livekit_server import LiveKitServer
from waiting import eventually
from xrayd_process import ROOT

HERE = Path(__file__).resolve().parent
EXAMPLE = ROOT / "examples" / "livekit-voice-agent"
WORKER, PLAIN_WORKER = EXAMPLE / "worker.py", HERE / "plain_worker.py"
ENVIRONMENTS = ROOT / ".cache" / "e2e"
NEWEST, OLDER = "livekit", "livekit-1.2"
REGISTERED = "registered worker"
STARTS_WITHIN_S = 90
STOPS_WITHIN_S = 40


def python(release: str) -> Path:
    return ENVIRONMENTS / release / "bin" / "python"


def environment(livekit: LiveKitServer, xray_url: str) -> dict[str, str]:
    """What a user exports for the worker and the test; nothing of this process's OpenTelemetry, proxies or API keys."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    account = {
        "LIVEKIT_URL": livekit.url,
        "LIVEKIT_API_KEY": livekit.api_key,
        "LIVEKIT_API_SECRET": livekit.api_secret,
    }
    return kept | account | {"XRAY_URL": xray_url, "XRAY_OTLP_ENDPOINT": xray_url}


@contextmanager
def running_worker(
    livekit: LiveKitServer, xray_url: str, *, program: Path = WORKER, release: str = NEWEST
) -> Iterator[None]:
    """A worker that takes every room of a LiveKit server. Yields once it waits for jobs.
    At the end it has stopped by itself when asked to, and so have its jobs."""
    process = subprocess.Popen(
        [python(release), HERE / "serve.py", program, "start"],
        env=environment(livekit, xray_url)
        | {"PYTHONPATH": f"{EXAMPLE}:{HERE}", "AGENT_MODELS": "scripted_models:models"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # by which its processes can be told from all others
    )
    registered = threading.Event()
    reader = threading.Thread(target=_read, args=(process, registered))
    reader.start()
    gone = False
    try:
        assert registered.wait(STARTS_WITHIN_S), "the worker does not register"
        assert process.poll() is None, "the worker has ended"
        yield
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOPS_WITHIN_S) == 0
        eventually(lambda: not _session_lives(process.pid), within_s=STOPS_WITHIN_S)
        gone = True
    finally:
        if not gone:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reader.join()
        assert process.stdout is not None
        process.stdout.close()


def _read(process: subprocess.Popen[str], registered: threading.Event) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        sys.stderr.write(line)  # pytest shows it if the test fails
        if REGISTERED in line:
            registered.set()
    registered.set()  # ended: whoever waits looks at the process


def _session_lives(leader: int) -> bool:
    """Is there a process left of those that began with that one?"""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True
