# SPDX-License-Identifier: Apache-2.0
"""What the fake was asked: every request, also those it refused, and how many were under way at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from vendors.audio import Wav
from vendors.multipart import Part
from vendors.names import Stage, Vendor


@dataclass(eq=False)
class Call:
    """One request. What is below the second comment changes until `ended` is set."""

    method: str
    path: str  # without the query, as it was sent: "/openai/v1/audio/speech"
    query: str
    headers: tuple[tuple[str, str], ...]  # names in lower case, in their order
    body: bytes
    http: str  # "1.1", "2"
    connection: int  # counted from 1
    nth: int  # of its connection, counted from 1
    arrived: float  # time.monotonic() when the last byte of the body was there
    # As far as it was understood:
    vendor: Vendor | None = None
    stage: Stage | None = None
    model: str = ""
    json: Any = None
    form: tuple[Part, ...] = ()
    audio: Wav | None = None
    text: str = ""  # to be spoken, or all that the judge is told; empty for transcription
    # What became of it:
    refusal: str | None = None  # why it is not what the vendor's reference says
    fault: str | None = None
    status: int | None = None
    abandoned: bool = False  # the client left before it was answered
    ended: float | None = None

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def audio_ms(self) -> int:
        assert self.audio is not None, "a call without audio"
        return self.audio.ms

    def __str__(self) -> str:
        what = f"{self.method} {self.path} -> {self.status}"
        return f"{what}: {self.refusal}" if self.refusal else what


Chosen = Callable[[Call], bool]


@dataclass
class CallLog:
    """Written by the server's thread, read by the tests'."""

    _calls: list[Call] = field(default_factory=list[Call])
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _current: int = 0
    _peak: int = 0

    def begin(self, call: Call) -> None:
        with self._changed:
            self._calls.append(call)
            self._current += 1
            self._peak = max(self._peak, self._current)
            self._changed.notify_all()

    def end(self, call: Call) -> None:
        with self._changed:
            call.ended = time.monotonic()
            self._current -= 1
            self._changed.notify_all()

    def select(self, chosen: Chosen) -> list[Call]:
        with self._changed:
            return [call for call in self._calls if chosen(call)]

    def wait(self, n: int, chosen: Chosen, within_s: float) -> list[Call]:
        """Until at least n of the chosen are there, and returns them; AssertionError with what came instead."""
        with self._changed:

            def found() -> list[Call]:
                return [call for call in self._calls if chosen(call)]

            there = self._changed.wait_for(lambda: len(found()) >= n, within_s)
            calls = "\n".join(str(call) for call in self._calls)
            assert there, f"{len(found())} of {n} calls within {within_s} s; all calls:\n{calls}"
            return found()

    def clear(self) -> None:
        """Forgets all so far, also what is under way."""
        with self._changed:
            self._calls = []
            self._peak = self._current

    @property
    def current(self) -> int:
        with self._changed:
            return self._current

    @property
    def peak(self) -> int:
        with self._changed:
            return self._peak
