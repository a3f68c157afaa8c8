# SPDX-License-Identifier: Apache-2.0
"""What the client itself takes. These have no goal: they are in every figure above them."""

from __future__ import annotations

import socket
import threading
import time

from measure import MS, US, Row, alternate, median
from target import recording, running_server
from wire import READ_MAX, Wire, connect, request

CALLS, SENDS = 500, 5
SECONDS = 270


def swallow(listener: socket.socket) -> None:
    """Reads one connection to its end and keeps nothing."""
    sock, _ = listener.accept()
    with sock:
        buffer = bytearray(READ_MAX)
        while sock.recv_into(buffer):
            pass


def send_ms(body: bytes) -> float:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=swallow, args=(listener,))
        thread.start()
        sock = connect(int(listener.getsockname()[1]))
        start = time.perf_counter()
        sock.sendall(body)
        sock.close()
        thread.join()
        return 1000 * (time.perf_counter() - start)


def client() -> list[Row]:
    body = recording(SECONDS)
    with running_server() as server, Wire(server.port) as wire:
        head = request("GET", "/healthz")

        def call_us() -> float:
            start = time.perf_counter()
            wire.call(200, head)
            return 1e6 * (time.perf_counter() - start)

        [calls] = alternate(CALLS, call_us)
    [sends] = alternate(SENDS, lambda: send_ms(body))
    return [
        Row("client: one request and its answer", US, median(calls)),
        Row(f"client: sending {len(body) / 1e6:.0f} MB to nobody", MS, median(sends)),
    ]
