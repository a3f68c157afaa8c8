# SPDX-License-Identifier: Apache-2.0
"""From the first byte of a 20 s recording to the verdict: one replay, and twenty at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

from api import Api
from measure import MS, Row, alternate, log_sync_ms, median, scratch, settle, write_synced_ms
from target import Prepared, recording, running_server, spec
from wire import Wire
from xrayd_process import Xrayd

SECONDS = 20
SINGLES, ROUNDS, MANY = 30, 7, 20
COMMITS = 4


class Target:
    def __init__(self, server: Xrayd, api: Api, folder: Path) -> None:
        self.server, self.api, self.folder = server, api, folder
        self.body = recording(SECONDS)
        self.conversation = api.new_conversation(spec("short"))

    def verdict_ms(self, *, settled: bool = True) -> float:
        """`settled`: with nothing left for the disk to do from before."""
        replay = Prepared(self.api, self.conversation)
        with Wire(self.server.port) as wire, Wire(self.server.port) as events:
            events.follow(replay.id)
            if settled:
                settle()
            start = time.perf_counter()
            return 1000 * (self._run(replay, wire, events) - start)

    def last_verdict_ms(self) -> float:
        """Twenty clients start at once; the time until the last one has its verdict."""
        replays = [Prepared(self.api, self.conversation) for _ in range(MANY)]
        started = [0.0]
        barrier = Barrier(MANY, action=lambda: started.__setitem__(0, time.perf_counter()))

        def client(replay: Prepared) -> float:
            with Wire(self.server.port) as wire, Wire(self.server.port) as events:
                events.follow(replay.id)
                barrier.wait()
                return self._run(replay, wire, events)

        settle()
        with ThreadPoolExecutor(MANY) as pool:
            return 1000 * (max(pool.map(client, replays)) - started[0])

    def _run(self, replay: Prepared, wire: Wire, events: Wire) -> float:
        wire.call(200, *replay.upload(self.body))
        wire.call(202, replay.analyze)
        return events.verdict()

    def floor_ms(self) -> float:
        settle()
        file, log = self.folder / "file", self.folder / "log"
        try:
            return write_synced_ms(file, self.body) + log_sync_ms(log, COMMITS)
        finally:
            file.unlink()

    def many_floor_ms(self) -> float:
        def write(file: Path) -> float:
            return write_synced_ms(file, self.body)

        settle()
        files = [self.folder / f"file{i}" for i in range(MANY)]
        try:
            with ThreadPoolExecutor(MANY) as pool:
                start = time.perf_counter()
                list(pool.map(write, files))
                log_sync_ms(self.folder / "log", COMMITS)
                return 1000 * (time.perf_counter() - start)
        finally:
            for file in files:
                file.unlink()


def _measure(count: int, measured: Callable[[Target], float], floor: Callable[[Target], float]) -> tuple[float, float]:
    with scratch() as folder, running_server() as server, Api(server.url) as api:
        target = Target(server, api, folder)
        measured(target)  # the first one opens connections to the database
        got, least = alternate(count, lambda: measured(target), lambda: floor(target))
        return median(got), median(least)


def single() -> list[Row]:
    measured, floor = _measure(SINGLES, Target.verdict_ms, Target.floor_ms)
    what = f"a {SECONDS} s replay, upload to verdict"
    return [Row(what, MS, measured, floor, f"write, fsync, {COMMITS} fdatasync", goal=25, ratio_goal=1.5)]


def twenty() -> list[Row]:
    measured, floor = _measure(ROUNDS, Target.last_verdict_ms, Target.many_floor_ms)
    what = f"{MANY} of them at once, the last verdict"
    return [Row(what, MS, measured, floor, f"{MANY} files, {COMMITS} fdatasync", goal=250)]
