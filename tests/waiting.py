# SPDX-License-Identifier: Apache-2.0
"""Waits for what no event tells."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
LOOK_EVERY_S = 0.02


def eventually(look: Callable[[], T], *, within_s: float = 10) -> T:
    """Looks until something true is seen, and returns it; AssertionError after within_s."""
    deadline = time.monotonic() + within_s
    never = threading.Event()
    while not (seen := look()):
        assert time.monotonic() < deadline, f"not seen within {within_s} s"
        never.wait(LOOK_EVERY_S)
    return seen
