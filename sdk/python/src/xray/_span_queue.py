# SPDX-License-Identifier: Apache-2.0
"""Spans on their way to a server: a bounded queue, and a thread that lives while there is something to send.

Not OpenTelemetry's BatchSpanProcessor, whose flush and shutdown may take half a minute whatever limit they are given.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from typing import Final

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from xray._exporter import XraySpanExporter
from xray._fork import Forked

_logger = logging.getLogger("xray.otel")

_CAPACITY: Final = 4096
"""Spans that may wait. The server keeps 5,000 of a replay."""
_BATCH: Final = 256
_GATHER_S: Final = 0.5
"""How long the first span of a batch waits for company."""
_IDLE_S: Final = 5.0
"""After this long without a span the thread ends and the connections are closed."""
_UNREACHABLE_FLUSH_S: Final = 1.0
_LOOK_S: Final = 0.1
"""How often a flush looks whether the server still answers."""


class SpanQueue(Forked):
    """Takes spans at once and sends them from a thread of its own. Any thread may call it; nothing raises."""

    def __init__(
        self, exporter: XraySpanExporter, *, capacity: int = _CAPACITY, batch: int = _BATCH, idle_s: float = _IDLE_S
    ) -> None:
        self.exporter = exporter
        self._capacity = capacity
        self._batch = batch
        self._idle_s = idle_s
        super().__init__()

    def _begin_anew(self) -> None:
        self._changed = threading.Condition()
        self._waiting: deque[ReadableSpan] = deque()
        self._thread: threading.Thread | None = None
        self._taken = 0  # spans ever put into the queue
        self._settled = 0  # of them, how many have been sent or given up
        self._lost = 0  # given up, or not taken for want of room
        self._full = False
        self._urgent = 0  # up to which of `_taken` somebody waits

    def put(self, span: ReadableSpan) -> None:
        """Takes a span; drops it, and says so once, if the queue is full."""
        with self._changed:
            if len(self._waiting) >= self._capacity:
                self._lost += 1
                if not self._full:
                    self._full = True
                    _logger.warning("spans are dropped: %d wait for %s", self._capacity, self.exporter.url)
                return
            self._waiting.append(span)
            self._taken += 1
            if self._thread is None:
                self._start()
            self._changed.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Sends what is there now. Returns when that is done, or after `timeout_s`; true if all of it was taken.

        A server that does not answer at all is given a second of it: the process may be about to end."""
        started = time.monotonic()
        with self._changed:
            target, lost = self._taken, self._lost
            self._urgent = max(self._urgent, target)
            self._changed.notify_all()
            self.exporter.force_flush()
            while self._settled < target:
                limit = min(timeout_s, _UNREACHABLE_FLUSH_S) if self.exporter.unreachable else timeout_s
                left = started + limit - time.monotonic()
                if left <= 0:
                    _logger.warning("%d spans have not reached %s yet", target - self._settled, self.exporter.url)
                    return False
                self._changed.wait(min(left, _LOOK_S))
            return self._lost == lost

    @property
    def running(self) -> bool:
        """Whether there is a thread now."""
        return self._thread is not None

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="xray-spans", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is ending
            self._thread = None
            raise

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            taken = self.exporter.export(batch) is SpanExportResult.SUCCESS
            with self._changed:
                self._settled += len(batch)
                self._lost += 0 if taken else len(batch)
                self._changed.notify_all()

    def _next(self) -> list[ReadableSpan] | None:
        """The next batch; None when there was nothing for a while, and then the thread is no longer ours."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._waiting, self._idle_s):
                self._thread = None
                self.exporter.disconnect()
                self._changed.notify_all()
                return None
            gathered = time.monotonic() + _GATHER_S
            self._changed.wait_for(self._due, gathered - time.monotonic())
            self._full = False
            return [self._waiting.popleft() for _ in range(min(self._batch, len(self._waiting)))]

    def _due(self) -> bool:
        return len(self._waiting) >= self._batch or self._urgent > self._settled
