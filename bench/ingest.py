# SPDX-License-Identifier: Apache-2.0
"""Spans at full rate: the client that sends them (load_otlp.c) and SQLite alone that writes and reads them
(floor_spans.c)."""

from __future__ import annotations

import json
import shutil
import subprocess
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import agent_spans
from api import Api
from measure import BenchError, program, run_tool, scratch, settle, tool_env
from target import ENV, spec
from wire import Wire, request
from xrayd_process import Xrayd

BATCH, CLIENTS = 500, 4
REPLAY_SPANS = 5000  # the most that a replay takes
RATE_MAX = 300_000  # spans a second that no machine of today reaches: so many replays are made
PROBES = 200  # a second
CREATORS = 8  # clients that make replays


@dataclass(frozen=True)
class Load:
    """What is sent, by how many clients, for how long at most."""

    encoding: str
    batch: int = BATCH
    clients: int = CLIENTS
    seconds: float = 4
    probes: int = 0  # of /healthz, a second

    @property
    def replays(self) -> int:
        return self.clients + round(self.seconds * RATE_MAX / REPLAY_SPANS)


Result = dict[str, float]  # load_otlp's lines


def parse(text: str) -> Result:
    return {key: float(value) for key, _, value in (pair.partition("=") for pair in text.split())}


def rate(result: Result) -> float:
    return result["spans"] / result["seconds"]


class Ingest:
    """A server that takes spans, and replays for them. `sent` counts all spans it has taken."""

    def __init__(self, server: Xrayd, api: Api, folder: Path) -> None:
        self.server, self.api, self.folder = server, api, folder
        self.conversation = api.new_conversation(spec("a voice agent's spans"))
        self.sent = 0
        self._unused: list[str] = []
        self._runs = 0

    def run(self, load: Load) -> Result:
        with self.running(load) as process:
            out = process.communicate()[0]
        return self._finish(load, process, out)

    @contextmanager
    def running(self, load: Load) -> Iterator[subprocess.Popen[str]]:
        """The load, started; it ends by itself."""
        self._make_replays(load.replays - len(self._unused))
        folder = self._write(load, self._unused)
        with self._start(load, folder) as process:
            yield process

    def fill(self) -> str:
        """A replay with as many spans as it takes; its id."""
        load = Load("json", clients=1, seconds=60)
        replay = self.api.new_replay(self.conversation)
        with self._start(load, self._write(load, [replay])) as process:
            out = process.communicate()[0]
        self.sent += int(self._read(process, out)["spans"])
        return replay

    def finish(self, load: Load, process: subprocess.Popen[str]) -> Result:
        """Waits for a running() load."""
        return self._finish(load, process, process.communicate()[0])

    def _finish(self, load: Load, process: subprocess.Popen[str], out: str) -> Result:
        result = self._read(process, out)
        del self._unused[: int(result["replays"])]
        self.sent += int(result["spans"])
        if result["seconds"] < load.seconds:
            raise BenchError("the replays were used up before the time")
        return result

    def _write(self, load: Load, replays: list[str]) -> Path:
        self._runs += 1
        folder = self.folder / f"load{self._runs}"
        folder.mkdir()
        agent_spans.write_request(folder, load.encoding, load.batch)
        (folder / "replays").write_text("".join(f"{replay}\n" for replay in replays))
        return folder

    def _start(self, load: Load, folder: Path) -> subprocess.Popen[str]:
        numbers = [str(load.clients), str(load.seconds), str(folder), str(load.probes)]
        command = [program("load_otlp"), str(self.server.port), load.encoding, *numbers]
        settle()
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=tool_env())

    def _read(self, process: subprocess.Popen[str], out: str) -> Result:
        if process.returncode:
            raise BenchError(out.strip())
        return parse(out)

    def _make_replays(self, count: int) -> None:
        if count > 0:
            shares = [len(range(i, count, CREATORS)) for i in range(CREATORS)]
            with ThreadPoolExecutor(CREATORS) as pool:
                for made in pool.map(self._make_some, shares):
                    self._unused += made

    def _make_some(self, count: int) -> list[str]:
        body = json.dumps({"conversation_hash": self.conversation}).encode()
        head = request("POST", "/v1/replays", len(body))
        with Wire(self.server.port) as wire:
            return [json.loads(wire.call(201, head, body))["id"] for _ in range(count)]


@contextmanager
def ingesting() -> Iterator[Ingest]:
    """A fresh server on the disk, and a folder for what is sent to it."""
    with scratch() as folder, Xrayd(folder / "data", env=ENV) as server, Api(server.url, checked=False) as api:
        yield Ingest(server, api, folder)


class SpansFloor:
    """SQLite alone on a copy of what a server has made of one replay's spans."""

    def __init__(self, folder: Path) -> None:
        self.database = folder / "floor.db"
        with Xrayd(folder / "template", env=ENV) as server, Api(server.url, checked=False) as api:
            Ingest(server, api, folder).fill()
        shutil.copy(folder / "template" / "xray.db", self.database)  # of a server that has ended: all of it
        self._size = self.database.stat().st_size
        self.spans = 0

    def write_rate(self, seconds: float) -> float:
        settle()
        result = parse(run_tool(program("floor_spans", "sqlite3"), "write", self.database, str(seconds)))
        self.spans += int(result["spans"])
        return rate(result)

    def bytes_a_span(self) -> float:
        return (self.database.stat().st_size - self._size) / self.spans


def read_floor_ms(database: Path, replay: str, rounds: int) -> float:
    """Reading a replay's rows, the database being in use by a server."""
    command = [program("floor_spans", "sqlite3"), "read", database, uuid.UUID(replay).hex, str(rounds)]
    return parse(run_tool(*command))["ms"]
