# SPDX-License-Identifier: Apache-2.0
"""From the start of the process to the first answer, and the memory it rests in."""

from __future__ import annotations

import shutil
import subprocess
import time
from pathlib import Path

from figures_http import floor_program, free_port
from measure import MB, MS, BenchError, Row, alternate, median, scratch, settle
from target import ENV
from wire import connect, request
from xrayd_process import Xrayd

STARTS = 11
POLL_S = 0.0001
TIMEOUT_S = 30
REST_S = 0.5  # until what the start has begun is over
HEALTHZ = request("GET", "/healthz")


def answer_at(port: int) -> float:
    """Knocks until /healthz is answered; when it was (time.monotonic)."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            with connect(port) as sock:
                sock.sendall(HEALTHZ)
                if sock.recv(4096).startswith(b"HTTP/1.1 200"):
                    return time.monotonic()
                raise BenchError("/healthz is not 200")
        except (ConnectionRefusedError, ConnectionResetError):
            time.sleep(POLL_S)
    raise BenchError("nobody listens")


class Starts:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._floor = floor_program()
        self._body = folder / "body"
        self._body.write_bytes(b'{"ok":true}')
        self.rss: list[float] = []
        self.floor_rss: list[float] = []

    def existing_ms(self) -> float:
        port = free_port()
        settle()
        server = Xrayd(self._folder / "data", env=ENV | {"PORT": str(port)})
        try:
            took = 1000 * (answer_at(port) - server.started_at)
            time.sleep(REST_S)
            self.rss.append(server.rss_bytes() / 1e6)
            return took
        finally:
            server.stop()

    def fresh_ms(self) -> float:
        shutil.rmtree(self._folder / "data", ignore_errors=True)
        return self.existing_ms()

    def floor_ms(self) -> float:
        port = free_port()
        settle()
        start = time.monotonic()
        with subprocess.Popen([self._floor, str(port), "1", self._body], stdin=subprocess.PIPE) as process:
            try:
                took = 1000 * (answer_at(port) - start)
                status = Path(f"/proc/{process.pid}/status").read_text()
                self.floor_rss.append(1024 * int(status.partition("VmRSS:")[2].split()[0]) / 1e6)
                return took
            finally:
                process.terminate()


def start() -> list[Row]:
    with scratch() as folder:
        starts = Starts(folder)
        fresh, existing, floor = alternate(STARTS, starts.fresh_ms, starts.existing_ms, starts.floor_ms)
    alone = "libmicrohttpd alone"
    return [
        Row("cold start to first answer, fresh volume", MS, median(fresh), median(floor), alone, goal=20),
        Row("cold start to first answer, existing volume", MS, median(existing), median(floor), alone, goal=20),
        Row("idle RSS", MB, median(starts.rss), median(starts.floor_rss), alone, goal=12),
    ]
