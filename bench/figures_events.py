# SPDX-License-Identifier: Apache-2.0
"""900 clients that follow one replay: how long after the first the last one has the verdict."""

from __future__ import annotations

import multiprocessing
import resource
import select
import socket
import time
from contextlib import ExitStack
from multiprocessing.connection import Connection

from api import Api
from measure import MS, BenchError, Row, alternate, median
from target import Prepared, recording, running_server, spec
from wire import FAILED, READ_MAX, TIMEOUT_S, VERDICT, Wire, connect, request
from xrayd_process import Xrayd

SUBSCRIBERS, ROUNDS, SECONDS = 900, 5, 20
DESCRIPTORS = 4 * SUBSCRIBERS
PAYLOAD = VERDICT + bytes(1500)  # about what the verdict and the events beside it take


class Crowd:
    """Many sockets read by one thread."""

    def __init__(self, socks: list[socket.socket]) -> None:
        self._socks = {sock.fileno(): sock for sock in socks}
        self._tails = dict.fromkeys(self._socks, b"")
        self._epoll = select.epoll()
        for fd, sock in self._socks.items():
            sock.setblocking(False)
            self._epoll.register(fd, select.EPOLLIN)

    def until(self, mark: bytes) -> list[float]:
        """Reads until every socket has had the mark; when each had it."""
        waiting, times = set(self._socks), list[float]()
        while waiting:
            ready = self._epoll.poll(TIMEOUT_S, len(self._socks))
            if not ready:
                raise BenchError(f"{len(waiting)} of {len(self._socks)} never had {mark!r}")
            for fd, _ in ready:
                data = self._socks[fd].recv(READ_MAX)
                text = self._tails[fd] + data
                self._tails[fd] = text[-len(mark) :]
                if fd in waiting and mark in text:
                    times.append(time.perf_counter())
                    waiting.discard(fd)
                elif not data or FAILED in text:
                    raise BenchError(f"a stream ended early: {text[-200:]!r}")
        return times

    def close(self) -> None:
        self._epoll.close()
        for sock in self._socks.values():
            sock.close()


def spread_ms(times: list[float]) -> float:
    return 1000 * (max(times) - min(times))


def follow_once(server: Xrayd, api: Api, conversation: str) -> float:
    replay = Prepared(api, conversation)
    with ExitStack() as stack:
        wire = stack.enter_context(Wire(server.port))
        wire.call(200, *replay.upload(recording(SECONDS)))
        socks = [connect(server.port) for _ in range(SUBSCRIBERS)]
        crowd = Crowd(socks)
        stack.callback(crowd.close)
        head = request("GET", f"/v1/replays/{replay.id}/events")
        for sock in socks:
            sock.sendall(head)
        crowd.until(b"event: state")
        wire.call(202, replay.analyze)
        return spread_ms(crowd.until(VERDICT))


def send_to_all(listener: socket.socket, go: Connection) -> None:
    """The floor's server: one thread that sends the same bytes to everyone in turn."""
    socks = [listener.accept()[0] for _ in range(SUBSCRIBERS)]
    for sock in socks:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    go.send("ready")
    go.recv()
    for sock in socks:
        sock.sendall(PAYLOAD)
    go.recv()


def floor_once() -> float:
    here, there = multiprocessing.Pipe()
    with socket.create_server(("127.0.0.1", 0), backlog=SUBSCRIBERS) as listener:
        process = multiprocessing.Process(target=send_to_all, args=(listener, there))
        process.start()
        crowd = Crowd([connect(int(listener.getsockname()[1])) for _ in range(SUBSCRIBERS)])
        try:
            here.recv()
            here.send("go")
            return spread_ms(crowd.until(VERDICT))
        finally:
            here.send("end")
            process.join()
            crowd.close()


def subscribers() -> list[Row]:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < DESCRIPTORS:
        raise BenchError(f"{DESCRIPTORS} descriptors are needed; the system allows {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, hard))
    with running_server() as server, Api(server.url) as api:
        conversation = api.new_conversation(spec("followed"))
        measured, floor = alternate(ROUNDS, lambda: follow_once(server, api, conversation), floor_once)
    what = f"{SUBSCRIBERS} subscribers, first to last verdict"
    return [Row(what, MS, median(measured), median(floor), "one thread sends to all", goal=30)]
