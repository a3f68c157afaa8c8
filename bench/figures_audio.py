# SPDX-License-Identifier: Apache-2.0
"""A long recording: its upload, the chain on it, and the memory that both take."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from api import Api
from measure import MB, MS, BenchError, Row, alternate, log_sync_ms, median, run_tool, scratch, settle
from target import Prepared, recording, running_server, spec, stored_size
from wire import Wire
from xrayd_process import Xrayd

SECONDS = 270
UPLOADS, CHAINS = 9, 9
SAMPLE_S = 0.002
READ_SIZE = 256 * 1024


def dd_ms(source: Path, target: Path) -> float:
    settle()
    out = run_tool("dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync")
    found = re.search(r", ([\d.e-]+) s,", out)
    target.unlink()
    if not found:
        raise BenchError(f"dd says: {out}")
    return 1000 * float(found[1])


def read_ms(path: Path) -> float:
    """Every byte of the file once through one buffer."""
    buffer = bytearray(READ_SIZE)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return 1000 * (time.perf_counter() - start)


class Long:
    """One server, one conversation, the long recording as bytes and as a file."""

    def __init__(self, server: Xrayd, api: Api, folder: Path) -> None:
        self.server, self.api, self.folder = server, api, folder
        self.body = recording(SECONDS)
        self.file = folder / "source.wav"
        self.file.write_bytes(self.body)
        self.conversation = api.new_conversation(spec("long"))

    def upload_ms(self) -> float:
        replay = Prepared(self.api, self.conversation)
        settle()
        with Wire(self.server.port) as wire:
            start = time.perf_counter()
            wire.call(200, *replay.upload(self.body))
            return 1000 * (time.perf_counter() - start)

    def chain_ms(self) -> float:
        """From the answer to /analyze to the verdict."""
        replay = Prepared(self.api, self.conversation)
        with Wire(self.server.port) as wire, Wire(self.server.port) as events:
            wire.call(200, *replay.upload(self.body))
            settle()
            events.follow(replay.id)
            wire.call(202, replay.analyze)
            start = time.perf_counter()
            return 1000 * (events.verdict() - start)

    def chain_floor_ms(self) -> float:
        settle()
        return read_ms(self.file) + log_sync_ms(self.folder / "log", 1)


@contextmanager
def long_recording() -> Iterator[Long]:
    with scratch() as folder, running_server() as server, Api(server.url) as api:
        yield Long(server, api, folder)


def upload() -> list[Row]:
    with long_recording() as run:
        target = run.folder / "dd"
        measured, floor = alternate(UPLOADS, run.upload_ms, lambda: dd_ms(run.file, target))
        if stored_size(run.server) != UPLOADS * len(run.body):
            raise BenchError("not every upload is on the volume")
        what = f"upload of a {SECONDS} s recording, {len(run.body) / 1e6:.0f} MB"
        return [Row(what, MS, median(measured), median(floor), "dd conv=fsync of the bytes", ratio_goal=1.5)]


def chain() -> list[Row]:
    with long_recording() as run:
        measured, floor = alternate(CHAINS, run.chain_ms, run.chain_floor_ms)
        what = f"the chain on it, from 202 to the verdict, {os.cpu_count()} cores"
        return [Row(what, MS, median(measured), median(floor), "read the file, one fdatasync", goal=100)]


class Peak:
    """The largest RssAnon of a process, looked at every 2 ms."""

    def __init__(self, server: Xrayd) -> None:
        self._server = server
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self.first = self.bytes = server.rss_bytes("RssAnon")
        self._thread.start()

    def _watch(self) -> None:
        while not self._stop.wait(SAMPLE_S):
            self.bytes = max(self.bytes, self._server.rss_bytes("RssAnon"))

    def end(self) -> int:
        self._stop.set()
        self._thread.join()
        return self.bytes


def memory() -> list[Row]:
    with long_recording() as run:
        peak = Peak(run.server)
        try:
            run.chain_ms()
        finally:
            peak.end()
        what = "peak RssAnon during upload and chain"
        return [Row(what, MB, peak.bytes / 1e6, peak.first / 1e6, "before them", goal=40)]
