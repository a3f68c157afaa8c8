# SPDX-License-Identifier: Apache-2.0
"""What `xray.run` takes beyond the call itself, with an agent in the same process: one run, and ten at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import xray
from api import Api
from measure import CORES, MS, BenchError, Row, median, scratch, settle
from target import Prepared, running_server
from wire import Wire
from xray.runtime.local import LocalCall, LocalRuntime
from xrayd_process import Xrayd

ROUNDS, TEN_ROUNDS, AT_ONCE = 7, 3, 10
WAV_HEADER, BYTES_PER_S = 44, 4 * 48_000
CONVERSATION = xray.Conversation(
    "Overhead",
    [
        xray.Turn.user("When do you open?"),
        xray.Turn.agent(assertions=[xray.Assertion.max_latency_ms(1500), xray.Assertion.tool_not_called("cancel")]),
        xray.Turn.user("Thank you. Goodbye."),
        xray.Turn.agent(),
    ],
)


async def echo(call: LocalCall) -> None:
    while heard := await call.listen():
        await call.say(heard)


@dataclass(frozen=True)
class Run:
    """Times in milliseconds. `overhead` is the run's less the recording's."""

    wav: bytes
    overhead: float
    length: float
    cpu: float


class Runs:
    def __init__(self, server: Xrayd, api: Api, folder: Path) -> None:
        self.server, self.api, self.folder = server, api, folder
        self._conversation = ""

    async def one(self) -> Run:
        """A whole run, on a clock of its own; the process's CPU time is meaningful if it is the only one."""
        runtime = LocalRuntime(echo, mixdown_dir=self.folder)
        start, cpu = time.perf_counter(), time.process_time()
        result = await xray.run(conversation=CONVERSATION, runtime=runtime, xray_url=self.server.url)
        took, cpu = 1000 * (time.perf_counter() - start), 1000 * (time.process_time() - cpu)
        if not result.passed:
            raise BenchError(xray.format_failures(result))
        self._conversation = result.conversation_hash
        path = self.folder / f"{result.replay_id}.wav"
        wav = path.read_bytes()
        path.unlink()
        length = 1000 * (len(wav) - WAV_HEADER) / BYTES_PER_S
        return Run(wav, took - length, length, cpu)

    async def many(self) -> list[Run]:
        return await asyncio.gather(*(self.one() for _ in range(AT_ONCE)))

    def floor_ms(self, wav: bytes) -> float:
        """The same recording from its first byte to the verdict, with requests made beforehand."""
        replay = Prepared(self.api, self._conversation)
        with Wire(self.server.port) as wire, Wire(self.server.port) as events:
            events.follow(replay.id)
            settle()
            start = time.perf_counter()
            wire.call(200, *replay.upload(wav))
            wire.call(202, replay.analyze)
            return 1000 * (events.verdict() - start)


@contextmanager
def runs() -> Iterator[Runs]:
    """On a server that has spoken the user's turns already: a conversation is spoken once, and run often."""
    with scratch() as folder, running_server() as server, Api(server.url) as api:
        ready = Runs(server, api, folder)
        asyncio.run(ready.one())
        yield ready


def overhead() -> list[Row]:
    taken: list[Run] = []
    floors: list[float] = []
    with runs() as ready:
        for _ in range(ROUNDS):
            settle()
            taken.append(asyncio.run(ready.one()))
            floors.append(ready.floor_ms(taken[-1].wav))
    length = median([run.length for run in taken])
    what = f"xray.run, LocalRuntime, a call of {length / 1000:.1f} s: beyond the call"
    return [
        Row(what, MS, median([run.overhead for run in taken]), median(floors), "upload to verdict", goal=300),
        Row("the same: CPU of the driver", CORES, median([run.cpu / (run.length + run.overhead) for run in taken])),
    ]


def ten() -> list[Row]:
    worst: list[float] = []
    with runs() as ready:
        for _ in range(TEN_ROUNDS):
            settle()
            worst.append(max(run.overhead for run in asyncio.run(ready.many())))
    return [Row(f"{AT_ONCE} of them at once, the slowest", MS, median(worst))]
