# SPDX-License-Identifier: Apache-2.0
"""Starts a real xrayd on a data directory and a free port; shared by the demo, the tests and the benchmarks."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parent.parent


def direct(env: Mapping[str, str]) -> dict[str, str]:
    """The same, but hosts are asked themselves, not by a proxy, and certificates are checked as on any machine."""
    certificates = {"SSL_CERT_FILE", "SSL_CERT_DIR"}
    return {k: v for k, v in env.items() if not k.lower().endswith("_proxy") and k not in certificates}


class Xrayd:
    """One running server. `url` is its base URL, `log` its log lines so far, parsed."""

    def __init__(self, data_dir: Path, *, binary: Path | None = None, env: dict[str, str] | None = None) -> None:
        self.binary = binary or Path(os.environ.get("XRAYD", ROOT / "build" / "xrayd"))
        self.data_dir = data_dir
        self.log: list[dict[str, object]] = []
        self.raw_log: list[str] = []
        foreign = ("_API_KEY", "_BASE_URL")
        kept = {k: v for k, v in direct(os.environ).items() if not k.startswith("XRAY_") and not k.endswith(foreign)}
        self._env = kept | {"XRAY_DATA_DIR": str(data_dir), "PORT": "0"} | (env or {})
        self._listening = threading.Event()
        self.port = 0
        self.started_at = time.monotonic()
        self.process = subprocess.Popen([self.binary], env=self._env, stderr=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read_log, daemon=True)
        self._reader.start()

    def _read_log(self) -> None:
        assert self.process.stderr is not None
        with self.process.stderr as lines:
            for line in lines:
                self._read_line(line)
        self._listening.set()  # ended: whoever waits looks at the process

    def _read_line(self, line: str) -> None:
        self.raw_log.append(line)
        try:
            entry = json.loads(line)
        except ValueError:
            return
        if isinstance(entry, dict):
            self.log.append(entry)  # pyright: ignore[reportUnknownArgumentType]
            if entry.get("event") == "listening":  # pyright: ignore[reportUnknownMemberType]
                self.port = int(str(entry["port"]))  # pyright: ignore[reportUnknownArgumentType]
                self._listening.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def wait_ready(self, timeout_s: float = 30) -> Self:
        """Returns once the server listens; raises RuntimeError with its log if it ended instead."""
        if not self._listening.wait(timeout_s) or self.port == 0:
            raise RuntimeError(f"xrayd did not start (exit status {self.process.poll()}):\n{''.join(self.raw_log)}")
        return self

    def rss_bytes(self, field: str = "VmRSS") -> int:
        """A field of /proc/PID/status in bytes: VmRSS, RssAnon, VmHWM."""
        for line in Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith(field + ":"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"{field} is not in /proc/PID/status")

    def kill(self) -> None:
        """SIGKILL, at once."""
        self.process.kill()
        self.process.wait()
        self._reader.join()

    def stop(self, timeout_s: float = 15) -> int:
        """SIGTERM, then the exit status. A server that does not end in time is killed and RuntimeError raised."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            self.kill()
            raise RuntimeError(f"xrayd did not stop within {timeout_s} s") from None
        self._reader.join()
        return status

    def __enter__(self) -> Self:
        return self.wait_ready()

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.stop()
