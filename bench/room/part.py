# SPDX-License-Identifier: Apache-2.0
"""What the processes of a call have in common: a job on the first line of standard input, another line when it is to
begin, events as lines on standard output, the end when standard input ends (also when whoever started them is gone)."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Job:
    """`key` and `secret` are of a livekit-server that lives as long as the benchmark."""

    url: str
    key: str
    secret: str
    room: str
    call: str
    folder: str
    xray_url: str = ""

    @property
    def path(self) -> Path:
        return Path(self.folder)

    def line(self) -> str:
        return json.dumps(asdict(self)) + "\n"


def tell(event: str, **what: Any) -> None:
    """With the monotonic clock's reading, which is the same for all processes of a machine."""
    print(json.dumps({"event": event, "ns": time.monotonic_ns(), **what}), flush=True)


def _line() -> str:
    """One line of standard input, and nothing after it; empty when it has ended."""
    line = bytearray()
    while not line.endswith(b"\n") and (byte := os.read(0, 1)):
        line += byte
    return line.decode()


async def _until_input_ends() -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()

    def readable() -> None:
        if not os.read(0, 4096):
            loop.remove_reader(0)
            ended.set()

    loop.add_reader(0, readable)
    await ended.wait()


def play(part: Callable[[Job, asyncio.Event], Awaitable[None]], prepare: Callable[[Job], None] = lambda _: None) -> int:
    """Runs `part(job, over)`, whose `over` is set when it is to leave. A process that starts keeps the machine busy for
    a second, which spoils what others hear: so it waits for a second line when it has started."""
    line = _line()
    if not line:
        return 2
    job = Job(**json.loads(line))
    prepare(job)
    tell("ready")
    if not _line():
        return 2

    async def main() -> None:
        over = asyncio.Event()

        async def end() -> None:
            await _until_input_ends()
            over.set()

        ending = asyncio.create_task(end())
        try:
            await part(job, over)
        finally:
            ending.cancel()
            await asyncio.wait({ending})

    asyncio.run(main())
    return 0
