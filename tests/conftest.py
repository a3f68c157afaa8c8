# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a real xrayd on a temporary directory and a free port, and a client of its API."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api import Api
from xrayd_process import Xrayd

StartServer = Callable[..., Xrayd]


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers; start_server(env={...}, data_dir=...). All are stopped at the end, each with status 0."""
    servers: list[Xrayd] = []

    def start(*, env: dict[str, str] | None = None, data_dir: Path | None = None) -> Xrayd:
        server = Xrayd(data_dir or tmp_path / "data", env=env)
        servers.append(server)
        return server.wait_ready()

    yield start
    for server in servers:
        if server.process.poll() is None:
            assert server.stop() == 0, "".join(server.raw_log)


@pytest.fixture
def server(start_server: StartServer) -> Xrayd:
    """A server without transcription, so that runs are fast; the judge is `lexical`."""
    return start_server(env={"XRAY_TRANSCRIPTION_PROVIDER": "none", "XRAY_JUDGE_PROVIDER": "lexical"})


@pytest.fixture
def api(server: Xrayd) -> Iterator[Api]:
    with Api(server.url) as client:
        yield client
