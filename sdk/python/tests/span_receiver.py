# SPDX-License-Identifier: Apache-2.0
"""A receiver of OTLP/JSON that answers as a test says, and spans to send to it."""

from __future__ import annotations

import json
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from typing_extensions import Self

from xray._attributes import REPLAY_ID, ReplayIdentity

Json = dict[str, Any]
TAKEN = b'{"partialSuccess":{"rejectedSpans":0}}'


def identity(n: int) -> ReplayIdentity:
    """A replay's identity that no other number gives."""
    return ReplayIdentity(f"00000000-0000-4000-8000-{n:012d}", f"{n:064x}", "voice")


def new_identity() -> ReplayIdentity:
    """A replay's identity of its own: where a replay's spans go is remembered in the process."""
    return ReplayIdentity(str(uuid.uuid4()), secrets.token_hex(32), "voice")


def spans(count: int, *, name: str = "s", attributes: Mapping[str, Any] | None = None) -> list[ReadableSpan]:
    """Ended spans s0, s1, ... of a replay."""
    memory = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False, resource=Resource({}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("test")
    named = {REPLAY_ID: identity(1).replay_id, **(attributes or {})}
    for i in range(count):
        tracer.start_span(f"{name}{i}", attributes=named).end()
    return list(memory.get_finished_spans())


@dataclass(frozen=True)
class Answer:
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body: bytes = TAKEN


@dataclass(frozen=True)
class Received:
    path: str
    headers: Mapping[str, str]
    body: Json
    answer: Answer
    connection: object
    """The client's address: each connection has one of its own."""

    @property
    def spans(self) -> list[Json]:
        return [s for r in self.body["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]

    @property
    def names(self) -> list[str]:
        return [s["name"] for s in self.spans]


def attributes_of(span: Json) -> Json:
    """Of a span in OTLP/JSON, as plain values."""
    return {a["key"]: next(iter(a["value"].values())) for a in span["attributes"]}


class Receiver:
    """Listens on a free port. `answer` is asked with each request's spans; without it all are taken."""

    def __init__(self, answer: Callable[[list[Json]], Answer] | None = None) -> None:
        self.requests: list[Received] = []
        self.open = 0  # connections
        self._changed = threading.Condition()
        answer = answer or (lambda _: Answer())
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                with receiver._changed:
                    receiver.open += 1

            def finish(self) -> None:
                super().finish()
                with receiver._changed:
                    receiver.open -= 1
                    receiver._changed.notify_all()

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                received = Received(self.path, dict(self.headers.items()), body, Answer(), self.client_address)
                given = answer(received.spans)
                with receiver._changed:
                    receiver.requests.append(replace(received, answer=given))
                    receiver._changed.notify_all()
                self.send_response(given.status)
                for name, value in given.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(given.body)))
                self.end_headers()
                self.wfile.write(given.body)

            def log_request(self, code: object = "-", size: object = "-") -> None:
                """A test's output is its own."""
                del code, size

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    @property
    def taken(self) -> list[Json]:
        """The spans of all requests that were answered with 200."""
        return [span for request in self.requests if request.answer.status == 200 for span in request.spans]

    @property
    def names(self) -> list[str]:
        return [span["name"] for span in self.taken]

    def wait_for(self, enough: Callable[[Receiver], bool], timeout_s: float = 20) -> None:
        with self._changed:
            assert self._changed.wait_for(lambda: enough(self), timeout_s), self.names

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def closed_url() -> str:
    """A URL at which nobody listens."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler)
    server.server_close()
    return f"http://127.0.0.1:{server.server_port}"
