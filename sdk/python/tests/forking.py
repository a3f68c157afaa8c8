# SPDX-License-Identifier: Apache-2.0
"""Work in a forked child of the test's process."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from collections.abc import Callable

import pytest

needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork to survive on this system")

HANGS_AFTER_S = 30


def in_a_child(work: Callable[[], bool]) -> None:
    """Forks. Fails if `work` is false there, raises or hangs."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(HANGS_AFTER_S)
        done = False
        try:
            done = work()
        except BaseException:
            traceback.print_exc(file=sys.__stderr__)
        os._exit(0 if done else 1)
    status = os.waitpid(child, 0)[1]
    assert not os.WIFSIGNALED(status), "the child hangs"
    assert status == 0
