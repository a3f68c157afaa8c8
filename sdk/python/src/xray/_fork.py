# SPDX-License-Identifier: Apache-2.0
"""What a child process that `fork` has made cannot go on with: locks that a thread of its parent held, and which nobody
in the child will ever release; threads, which it does not have; connections, which are its parent's.

Some web servers and task queues fork workers from a process that is at work already; the agent in such a child must
not hang in its first span.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from weakref import WeakSet

__all__ = ["Forked"]


class Forked(ABC):
    """Something whose `_begin_anew` is called in every forked child, before anything else runs there. A constructor
    calls it too."""

    def __init__(self) -> None:
        self._begin_anew()
        _alive.add(self)

    @abstractmethod
    def _begin_anew(self) -> None:
        """Makes the locks, and what else is this process's own."""


_alive: WeakSet[Forked] = WeakSet()


def _after_fork() -> None:
    for each in list(_alive):
        each._begin_anew()  # pyright: ignore[reportPrivateUsage]


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
