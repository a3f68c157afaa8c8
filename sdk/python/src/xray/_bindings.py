# SPDX-License-Identifier: Apache-2.0
"""Which replay a new span belongs to.

Baggage is the answer wherever it reaches: the task that holds it and every task created under it. It does not reach
tasks that were there before (a room's event loop, an agent session started earlier) nor pool threads that got no
context. For those, in this order: the parent span's replay; the one replay that is open in this thread; the one replay
that is open in this process, if it is the process's own. Two candidates are none: a span with the wrong replay is
worse than one that is missing.

When is a replay the process's own? A LiveKit worker runs each job in a process whose main thread is the job's, or (on
Windows, or if asked to) many jobs in threads of one process. So a replay that was opened in the main thread speaks for
pool threads, one that was opened in another thread speaks for that thread alone. A thread with an event loop of its
own is never a pool thread: it may be another job's.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from opentelemetry import trace
from opentelemetry.context import Context

from xray._attributes import IDENTITY_KEYS, REPLAY_ID, ReplayIdentity, baggage_of, from_baggage
from xray._fork import Forked


@dataclass(frozen=True, eq=False)
class _Open:
    identity: ReplayIdentity
    thread: int
    main: bool


class OpenReplays(Forked):
    """The replays that are open in a process. Any thread may call it."""

    def __init__(self) -> None:
        super().__init__()
        self._open: tuple[_Open, ...] = ()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()

    @contextmanager
    def opened(self, identity: ReplayIdentity) -> Iterator[None]:
        """Open for as long as the block runs: in the calling task's baggage, and for spans that no baggage reaches."""
        here = threading.current_thread()
        entry = _Open(identity, threading.get_ident(), here is threading.main_thread())
        with self._lock:
            self._open = (*self._open, entry)
        try:
            with baggage_of(identity.as_baggage()):
                yield
        finally:
            with self._lock:
                self._open = tuple(e for e in self._open if e is not entry)

    def attributes(self, parent: Context | None) -> Mapping[str, str | int]:
        """What a span that starts now, under the context `parent` (None: the current one), is to carry."""
        found = from_baggage(parent)
        if REPLAY_ID not in found and parent is not None:
            # A parent that was given by hand may come from before; the code that starts the span runs in this context.
            found = from_baggage(None) | found
        if REPLAY_ID not in found:
            found = {**(_of_parent(parent) or self._fallback()), **found}
        return found

    def _fallback(self) -> Mapping[str, str]:
        entries = self._open  # a tuple that is replaced, never changed
        if not entries:
            return {}
        here = [e for e in entries if e.thread == threading.get_ident()]
        if not here and not _loop_runs_here() and all(e.main for e in entries):
            here = entries
        candidates = {e.identity.replay_id: e.identity for e in here}
        return next(iter(candidates.values())).as_baggage() if len(candidates) == 1 else {}


def _of_parent(parent: Context | None) -> Mapping[str, str | int]:
    # An SDK span shows its attributes; a remote or non-recording one has none.
    attributes: object = getattr(trace.get_current_span(parent), "attributes", None)
    if not isinstance(attributes, Mapping):
        return {}
    found: dict[str, str | int] = {}
    for name in IDENTITY_KEYS:
        value: object = attributes.get(name)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType]
        if isinstance(value, str) and value:
            found[name] = value
    return found if REPLAY_ID in found else {}


def _loop_runs_here() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
