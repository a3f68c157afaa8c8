# SPDX-License-Identifier: Apache-2.0
"""Fixtures: a real xrayd on a temporary directory and a free port, and a client of its API."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from api import Api
from samples import SPEC
from servers import BUILT_IN, StartServer, servers
from xrayd_process import ROOT, Xrayd, direct

if TYPE_CHECKING:
    from vendors import Vendors

AS_STARTED = dict(os.environ)
os.environ.clear()
os.environ.update(direct(AS_STARTED))  # every client of a test, and every process that it starts


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[StartServer]:
    """Starts servers; start_server(env={...}, data_dir=...). All are stopped at the end, each with status 0."""
    with servers(tmp_path / "data") as start:
        yield start


@pytest.fixture
def server(start_server: StartServer) -> Xrayd:
    """A server without transcription, so that runs are fast; the judge is `lexical`."""
    return start_server(env=BUILT_IN)


@pytest.fixture
def api(server: Xrayd) -> Iterator[Api]:
    with Api(server.url) as client:
        yield client


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Xrayd]:
    """The same, one for a whole file: for tests that do not mind what others have left on the volume."""
    with servers(tmp_path_factory.mktemp("shared") / "data") as start:
        yield start(env=BUILT_IN)


@pytest.fixture(scope="module")
def shared(shared_server: Xrayd) -> Iterator[Api]:
    with Api(shared_server.url) as client:
        yield client


@pytest.fixture
def replay(shared: Api) -> str:
    """A new one on the shared server."""
    return shared.new_replay(shared.new_conversation(SPEC))


@pytest.fixture
def vendors() -> Iterator[Vendors]:
    """A fake of OpenAI, Google and Mistral. Fails a test whose requests were not what a vendor's reference says."""
    from vendors import Vendors  # takes a second: only where it is needed

    with Vendors() as vendors:
        yield vendors
        if not vendors.expect_refusals:
            vendors.assert_none_refused()


@pytest.fixture(scope="session")
def programs() -> None:
    """What the real senders run in: minutes to make if it is not there, else nothing to do."""
    made = subprocess.run([ROOT / "scripts" / "senders"], env=AS_STARTED, stderr=subprocess.PIPE, text=True)
    assert made.returncode == 0, made.stderr
