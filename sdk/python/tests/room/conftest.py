# SPDX-License-Identifier: Apache-2.0
"""A real livekit-server for the tests in rooms; all of them carry the marker `room`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from livekit_server import LiveKitServer


@pytest.fixture(scope="session")
def livekit_server() -> Iterator[LiveKitServer]:
    with LiveKitServer() as server:
        yield server
