# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the SDK's tests: a real xrayd on a temporary directory and a free port.

Test files are named test_sdk_*.py: names must differ from those of the server's tests, which run with them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from xrayd_process import Xrayd

StartServer = Callable[..., Xrayd]
BUILT_IN = {"XRAY_TRANSCRIPTION_PROVIDER": "none", "XRAY_JUDGE_PROVIDER": "lexical"}


@contextmanager
def _servers(volume: Path) -> Iterator[StartServer]:
    started: list[Xrayd] = []

    def start(*, env: dict[str, str] | None = None, data_dir: Path | None = None) -> Xrayd:
        server = Xrayd(data_dir or volume, env=BUILT_IN | (env or {}))
        started.append(server)
        return server.wait_ready()

    yield start
    for server in started:
        if server.process.poll() is None:
            assert server.stop() == 0, "".join(server.raw_log)


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers; start_server(env={...}, data_dir=...). All are stopped at the end, each with status 0."""
    with _servers(tmp_path / "data") as start:
        yield start


@pytest.fixture
def server(start_server: StartServer) -> Xrayd:
    """A server of the test's own, without transcription, so that runs are fast; the judge is `lexical`."""
    return start_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xrayd]:
    """The same, one for all tests that do not mind what others have left on the volume."""
    with _servers(tmp_path_factory.mktemp("shared") / "data") as start:
        yield start()
