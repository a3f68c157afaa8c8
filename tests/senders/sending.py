# SPDX-License-Identifier: Apache-2.0
"""Runs the programs that send spans. Each is what a user would write: what it knows of xray is in its environment."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from xrayd_process import ROOT

PROGRAMS = Path(__file__).resolve().parent / "programs"
MADE = ROOT / "build" / "senders"


@dataclass(frozen=True)
class Sent:
    printed: str
    log: str


@dataclass(frozen=True)
class Sender:
    """A program and the variables that select its variant."""

    command: tuple[str | Path, ...]
    settings: dict[str, str] = field(default_factory=dict[str, str])

    def run(self, endpoint: str, replay: str, **more: str) -> Sent:
        """Runs it until it has sent everything."""
        done = subprocess.run(
            self.command,
            env=environment(endpoint) | {"OTEL_RESOURCE_ATTRIBUTES": f"xray.replay.id={replay}"} | self.settings | more,
            capture_output=True,
            text=True,
            timeout=120,
        )
        sys.stderr.write(done.stderr)  # pytest shows it if the test fails
        assert done.returncode == 0, done.stderr
        return Sent(done.stdout, done.stderr)


def environment(endpoint: str) -> dict[str, str]:
    """Nothing of this process's OpenTelemetry, proxies or API keys."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
    return kept | {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}


def python(program: str, venv: str = "python", **settings: str) -> Sender:
    return Sender((MADE / venv / "bin" / "python", PROGRAMS / "python" / program), settings)


def javascript(**settings: str) -> Sender:
    return Sender(("node", PROGRAMS / "javascript" / "turn.mjs"), settings)


def go(**settings: str) -> Sender:
    return Sender((MADE / "bin" / "agent",), settings)


@contextmanager
def collector(endpoint: str, encoding: str) -> Iterator[str]:
    """A Collector that sends on to `endpoint`; yields where it listens. On leaving, it has sent everything."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [MADE / "bin" / "collector", "--config", f"file:{PROGRAMS / 'collector' / 'config.yaml'}"],
        env=environment(endpoint) | {"COLLECTOR_RECEIVES_AT": address, "COLLECTOR_ENCODING": encoding},
        stderr=subprocess.PIPE,
        text=True,
    )
    ready = threading.Event()
    log: list[str] = []

    def read() -> None:
        assert process.stderr is not None
        for line in process.stderr:
            log.append(line)
            if "Everything is ready" in line:
                ready.set()
        ready.set()  # ended

    reader = threading.Thread(target=read)
    reader.start()
    try:
        assert ready.wait(30), "the Collector did not start"
        assert process.poll() is None, "".join(log)
        yield f"http://{address}"
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, "".join(log)
    finally:
        process.kill()
        process.wait()
        reader.join()
        sys.stderr.write("".join(log))
