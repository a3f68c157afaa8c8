# SPDX-License-Identifier: Apache-2.0
"""A real livekit-server for the tests: built once from the Go module proxy, started on 127.0.0.1, stopped at the end.

    with LiveKitServer() as server:
        ... server.url, server.api_key, server.api_secret ...

Run as a program it only builds. The binary lies in .cache/livekit; the variable LIVEKIT_SERVER names another one.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent
CACHE = ROOT / ".cache" / "livekit"
# Newer ones cannot be installed this way: their go.mod has `replace` lines.
VERSION = "v1.11.0"
MODULE = "github.com/livekit/livekit-server/cmd/server"
GO_MIN = (1, 24)  # has the switch to a newer toolchain
GO_NEEDED = (1, 25)  # as the module's go.mod says
START_TRIES = 3


def binary() -> Path:
    """The server's program; builds it (minutes, with one job) if it is not there. RuntimeError with Go's words."""
    if named := os.environ.get("LIVEKIT_SERVER"):
        return Path(named)
    built = CACHE / f"livekit-server-{VERSION}"
    if built.exists():
        return built
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # another test run may be building
        if not built.exists():
            _build(built)
    return built


def _build(built: Path) -> None:
    go = _go()
    if go is None:  # Debian 12's own is too old; see there
        subprocess.run([ROOT / "scripts" / "setup", "go"], check=True)
        go = _go()
    if go is None:
        raise RuntimeError(f"building livekit-server needs go {GO_MIN[0]}.{GO_MIN[1]} or newer")
    program, version = go
    print(f"livekit: building livekit-server {VERSION}", file=sys.stderr)
    target = CACHE / "build"
    # An older Go fetches the toolchain that the module asks for, as a module.
    toolchain = "local" if version >= GO_NEEDED else "auto"
    env = os.environ | {"GOBIN": str(target), "GOTOOLCHAIN": toolchain, "CGO_ENABLED": "0", "GOFLAGS": "-p=1"}
    command = [program, "install", "-trimpath", "-ldflags=-s -w", f"{MODULE}@{VERSION}"]
    made = subprocess.run(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if made.returncode != 0:
        raise RuntimeError(f"livekit-server {VERSION} does not build:\n{made.stdout}")
    (target / "server").rename(built)
    target.rmdir()


def _go() -> tuple[str, tuple[int, int]] | None:
    """The newest Go there is, if it is new enough."""
    on_path = shutil.which("go")
    found: list[tuple[tuple[int, int], str]] = []
    for program in {
        *([on_path] if on_path else []),
        "/usr/local/go/bin/go",
        *map(str, Path("/usr/lib").glob("go-*/bin/go")),
    }:
        if not os.access(program, os.X_OK):
            continue
        env = os.environ | {"GOTOOLCHAIN": "local"}
        text = subprocess.run([program, "env", "GOVERSION"], env=env, capture_output=True, text=True, check=True).stdout
        if (version := go_version(text)) is not None:
            found.append((version, program))
    if not found or max(found)[0] < GO_MIN:
        return None
    version, program = max(found)
    return program, version


def go_version(text: str) -> tuple[int, int] | None:
    """In what `go env GOVERSION` prints: "go1.25.3", "go1.26rc1", "devel go1.27-3f1c0a2b ..."; None: no version."""
    named = re.search(r"\bgo(\d+)\.(\d+)", text)
    return (int(named[1]), int(named[2])) if named else None


class LiveKitServer:
    """One running server with a key and a secret of its own. `url` is for clients, `log` its last lines."""

    def __init__(self, *, program: Path | None = None) -> None:
        self.api_key = "key" + secrets.token_hex(6)
        self.api_secret = secrets.token_hex(24)
        self.log: deque[str] = deque(maxlen=500)
        self._program = program or binary()
        self.port = 0
        self.process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def start(self, timeout_s: float = 30) -> Self:
        """Returns once the server answers; RuntimeError with its log if it does not."""
        for _ in range(START_TRIES):
            if self._start_once(timeout_s):
                return self
        raise RuntimeError("livekit-server did not start:\n" + "".join(self.log))

    def _start_once(self, timeout_s: float) -> bool:
        # The ports are free now; should another take one first, the server ends and the next try takes others.
        self.port, udp = _free_port(socket.SOCK_STREAM), _free_port(socket.SOCK_DGRAM)
        rtc = {
            "udp_port": udp,
            "tcp_port": 0,
            "node_ip": "127.0.0.1",
            "use_external_ip": False,
            # Without it no client on this machine finds a way, and every one times out.
            "enable_loopback_candidate": True,
        }
        config = {
            "port": self.port,
            "bind_addresses": ["127.0.0.1"],
            "rtc": rtc,
            "keys": {self.api_key: self.api_secret},
            "logging": {"level": "info", "json": False},
        }
        # YAML takes JSON; in the environment, where no other user of the machine reads the secret.
        env = os.environ | {"LIVEKIT_CONFIG": json.dumps(config)}
        self.process = subprocess.Popen(
            [self._program],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read_log, args=(self.process,), name="livekit-log", daemon=True)
        self._reader.start()
        try:
            if self._answers(time.monotonic() + timeout_s):
                return True
        except BaseException:  # Ctrl-C: nobody has a server yet whom they could stop
            self.stop()
            raise
        self.stop()
        return False

    def _answers(self, deadline: float) -> bool:
        assert self.process is not None
        direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # whatever proxy the environment names
        while self.process.poll() is None and time.monotonic() < deadline:
            try:
                with direct.open(f"http://127.0.0.1:{self.port}/", timeout=2) as answer:
                    if answer.status == 200:
                        return True
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        return False

    def _read_log(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.log.append(line)

    def kill(self) -> None:
        """SIGKILL, at once: rooms end as they do when a server dies."""
        assert self.process is not None
        self.process.kill()
        self._reap()

    def stop(self, timeout_s: float = 10) -> None:
        """SIGINT twice, which skips the wait for rooms to drain; SIGKILL if that does not help."""
        if self.process is None:
            return
        for wait_s in (0.1, timeout_s):
            if self.process.poll() is None:
                self.process.send_signal(signal.SIGINT)
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.process.wait(wait_s)
        if self.process.poll() is None:
            self.process.kill()
        self._reap()

    def _reap(self) -> None:
        assert self.process is not None
        assert self._reader is not None
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


if __name__ == "__main__":
    print(binary())
