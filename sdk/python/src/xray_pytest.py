# SPDX-License-Identifier: Apache-2.0
"""pytest's terminal, for the line that says where `xray.run` is: pytest takes a test's output, and a call is long.

pytest loads this module as a plugin (entry point `pytest11`) in every project that has xray-py installed. So it imports
next to nothing, not even xray, and does nothing until somebody asks for `terminal`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pytest

__all__ = ["terminal"]

_config: pytest.Config | None = None


def pytest_configure(config: pytest.Config) -> None:
    """Called by pytest when it begins."""
    global _config
    _config = config


def pytest_unconfigure() -> None:
    """Called by pytest when it ends."""
    global _config
    _config = None


def terminal() -> Callable[[str], None] | None:
    """Writes to the terminal, if pytest runs and its standard error is one, whatever is done with the test's output.

    None else, also in the workers of pytest-xdist: of several tests at once there is no one line.
    """
    if _config is None:
        return None
    capture: Any = _config.pluginmanager.get_plugin("capturemanager")
    uncaptured: Callable[[], AbstractContextManager[None]] = nullcontext
    if capture is not None:
        uncaptured = capture.global_and_fixture_disabled

    def write(text: str) -> None:
        with uncaptured():
            sys.stderr.write(text)
            sys.stderr.flush()

    with uncaptured():
        return write if sys.stderr.isatty() else None
