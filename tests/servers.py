# SPDX-License-Identifier: Apache-2.0
"""Starts real servers for fixtures, here and in the SDK's tests. Not in conftest.py: one run has two of that name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from xrayd_process import Xrayd

StartServer = Callable[..., Xrayd]
BUILT_IN = {"XRAY_TRANSCRIPTION_PROVIDER": "none", "XRAY_JUDGE_PROVIDER": "lexical"}


@contextmanager
def servers(volume: Path) -> Iterator[StartServer]:
    started: list[Xrayd] = []

    def start(*, env: dict[str, str] | None = None, data_dir: Path | None = None) -> Xrayd:
        server = Xrayd(data_dir or volume, env=env)
        started.append(server)
        return server.wait_ready()

    yield start
    for server in started:
        if server.process.poll() is None:
            assert server.stop() == 0, "".join(server.raw_log)
