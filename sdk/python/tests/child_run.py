# SPDX-License-Identifier: Apache-2.0
"""A program that is interrupted by a test: child_run.py run|live|stubborn|"at once" URL FOLDER."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import xray
from fakes import FakeRuntime
from test_sdk_run import SCRIPT


def say(line: str) -> None:
    print(line, flush=True)


class Waits(FakeRuntime):
    """Runs until it is stopped; the stubborn one longer."""

    def __init__(self, folder: Path, *, stubborn: bool) -> None:
        super().__init__(folder, during=self._wait)
        self._stubborn = stubborn

    async def _wait(self) -> None:
        say(f"running {self.replay_id}")
        await (asyncio.Event() if self._stubborn else self.stop).wait()

    def request_stop(self) -> None:
        super().request_stop()
        say("stopping")

    async def aclose(self) -> None:
        await super().aclose()
        say("closed")


async def main(mode: str, url: str, folder: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    runtime = FakeRuntime(folder) if mode == "at once" else Waits(folder, stubborn=mode == "stubborn")
    if mode in ("run", "at once"):
        await xray.run(conversation=SCRIPT, runtime=runtime, xray_url=url)
    else:
        result = await xray.run_live(runtime=runtime, xray_url=url)
        say(f"verdict {result.replay_id}")
    say(f"handler {'restored' if signal.getsignal(signal.SIGINT) is before else 'changed'}")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
    try:
        asyncio.run(main(sys.argv[1], sys.argv[2], Path(sys.argv[3])))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.exit(130)
