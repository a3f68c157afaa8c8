# SPDX-License-Identifier: Apache-2.0
"""Clients that work until their server is killed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import httpx

from api import Api
from xrayd_process import Xrayd

END_S = 30  # for a client to notice


class Worker:
    """Goes round and round. What ends it besides the kill is noted in `surprises`."""

    def __init__(self, api: Api, surprises: list[str]) -> None:
        self.api, self.surprises = api, surprises

    def round(self) -> None:
        raise NotImplementedError

    def run(self) -> None:
        try:
            with self.api:
                while True:
                    self.round()
        except httpx.TransportError:
            pass  # killed
        except Exception as error:  # of the client's thread: live_and_die reports it
            self.surprises.append(repr(error))


def live_and_die(server: Xrayd, workers: Sequence[Worker], life_s: float) -> None:
    """They work until the server is killed, after so long."""
    threads = [threading.Thread(target=worker.run) for worker in workers]
    for thread in threads:
        thread.start()
    threads[0].join(life_s)
    server.kill()
    for thread in threads:
        thread.join(END_S)
        assert not thread.is_alive()
    assert [surprise for worker in workers for surprise in worker.surprises] == []


def repeat(times: int, seed: int, step: Callable[[int], None]) -> None:
    """Says at which of the kills it was that something went wrong, and what seed leads there again."""
    for i in range(times):
        try:
            step(i)
        except BaseException:
            print(f"at kill {i} of {times}, seed {seed}")
            raise
