# SPDX-License-Identifier: Apache-2.0
"""Real workers of LiveKit Agents: processes with process jobs, in environments of their own (scripts/e2e_venv)."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from livekit_server import LiveKitServer
from waiting import eventually
from xrayd_process import ROOT

HERE = Path(__file__).resolve().parent
EXAMPLE = ROOT / "examples" / "livekit-voice-agent"
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


class Worker:
    """A worker that takes every room of a LiveKit server. `module` has its entrypoint."""

    def __init__(self, livekit: LiveKitServer, xray_url: str, *, module: str = "worker", release: str = NEWEST) -> None:
        self._command = [python(release), HERE / "serve.py", module, "start"]
        self._environment = environment(livekit, xray_url) | {
            "PYTHONPATH": f"{EXAMPLE}:{HERE}",
            "AGENT_MODELS": "scripted_models:models",
        }
        self.log: list[str] = []
        self._registered = threading.Event()

    @contextmanager
    def running(self) -> Iterator[Worker]:
        """Yields once it waits for jobs. At the end it has stopped by itself when asked to, and so have its jobs."""
        process = subprocess.Popen(
            self._command,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # its processes can be told from all others by their session
        )
        reader = threading.Thread(target=self._read, args=(process,))
        reader.start()
        try:
            assert self._registered.wait(STARTS_WITHIN_S), f"no worker:\n{self.printed}"
            assert process.poll() is None, f"the worker has ended:\n{self.printed}"
            yield self
            process.send_signal(signal.SIGTERM)
            assert process.wait(STOPS_WITHIN_S) == 0, self.printed
            eventually(lambda: not session_lives(process.pid), within_s=STOPS_WITHIN_S)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            reader.join()
            assert process.stdout is not None
            process.stdout.close()

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)
            if REGISTERED in line:
                self._registered.set()
        self._registered.set()  # ended: whoever waits looks at the process

    @property
    def printed(self) -> str:
        return "".join(self.log)


def session_lives(leader: int) -> bool:
    """Is there a process left of those that began with that one?"""
    try:
        os.killpg(leader, 0)
    except ProcessLookupError:
        return False
    return True
