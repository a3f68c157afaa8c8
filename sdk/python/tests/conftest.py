# SPDX-License-Identifier: Apache-2.0
"""Fixtures of the SDK's tests: a real xrayd on a temporary directory and a free port.

Test files are named test_sdk_*.py: names must differ from those of the server's tests, which run with them.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import BUILT_IN, StartServer, servers
from xrayd_process import Xrayd


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers without transcription, so that runs are fast, and with the judge `lexical`;
    start_server(env={...}, data_dir=...). All are stopped at the end, each with status 0."""
    with servers(tmp_path / "data") as start:

        def start_one(*, env: dict[str, str] | None = None, data_dir: Path | None = None) -> Xrayd:
            return start(env=BUILT_IN | (env or {}), data_dir=data_dir)

        yield start_one


@pytest.fixture
def server(start_server: StartServer) -> Xrayd:
    """A server of the test's own."""
    return start_server()


@pytest.fixture(scope="session")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xrayd]:
    """The same, one for all tests that do not mind what others have left on the volume."""
    with servers(tmp_path_factory.mktemp("shared") / "data") as start:
        yield start(env=BUILT_IN)
