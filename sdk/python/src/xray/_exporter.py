# SPDX-License-Identifier: Apache-2.0
"""Sends finished spans to a server: OTLP as JSON over HTTP. See `XraySpanExporter`."""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Literal

import httpx
from google.protobuf.json_format import MessageToDict
from opentelemetry import context as otel_context
from opentelemetry.context import (
    _SUPPRESS_HTTP_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
    _SUPPRESS_INSTRUMENTATION_KEY,  # pyright: ignore[reportPrivateUsage]
)
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from xray._attributes import REPLAY_ID
from xray._fork import Forked
from xray._retry_after import seconds_from_now
from xray._server_url import ServerUrl

_logger = logging.getLogger("xray.otel")

TRACES_PATH: Final = "/v1/otlp/v1/traces"
_BODY_MAX: Final = 16 * 1024 * 1024
"""What the server takes in one request. A body over it is split before it is sent: a server that refuses early may
reset the connection, and its 413 is lost."""
_RETRY_FOR_S: Final = 60.0
"""How long a batch is tried before it is given up."""
_RETRY_STATUSES: Final = frozenset({408, 429, 502, 503, 504, 507})
_BACKOFF_S: Final = (0.25, 8.0)
_RETRY_AFTER_MAX_S: Final = 30.0


def server_url(endpoint: str) -> ServerUrl:
    """A server's base URL. One that names the path of traces as well is understood. ValueError for what is none."""
    return ServerUrl.parse(endpoint.strip().rstrip("/").removesuffix(TRACES_PATH), "endpoint")


def names_a_replay(span: ReadableSpan) -> bool:
    """Whether the server could keep the span: it names a replay, itself or on its resource."""
    for attributes in (span.attributes, span.resource.attributes):
        replay_id = (attributes or {}).get(REPLAY_ID)
        if isinstance(replay_id, str) and replay_id:
            return True
    return False


@contextmanager
def untraced() -> Iterator[None]:
    """No instrumentation makes spans of what runs inside."""
    context = otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, True)
    token = otel_context.attach(otel_context.set_value(_SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, context))
    try:
        yield
    finally:
        otel_context.detach(token)


def delay_s(attempt: int, retry_after: str | None, *, jitter: float) -> float:
    """Seconds until the next try, after `attempt` tries that failed (1, 2, ...): what the server asked for (seconds or
    a date, at most 30 s), else a doubling time of which `jitter` (0 to 1) takes away up to a half."""
    asked = seconds_from_now(retry_after) if retry_after else None
    if asked is not None:
        return min(asked, _RETRY_AFTER_MAX_S)
    first, most = _BACKOFF_S
    return min(first * 2 ** (attempt - 1), most) * (1 - jitter / 2)


def encode(spans: Sequence[ReadableSpan]) -> bytes:
    """An OTLP/JSON request. Ids are hexadecimal, as OTLP says: the generic printer of protobuf writes base64."""
    request: dict[str, Any] = MessageToDict(encode_spans(spans))
    for of_resource in request.get("resourceSpans", []):
        for of_scope in of_resource.get("scopeSpans", []):
            for span in of_scope.get("spans", []):
                for named in (span, *span.get("links", [])):
                    for key in ("traceId", "spanId", "parentSpanId"):
                        if key in named:
                            named[key] = base64.b64decode(named[key]).hex()
    return json.dumps(request, separators=(",", ":"), allow_nan=False).encode()


class XraySpanExporter(SpanExporter, Forked):
    """Sends spans to `<endpoint>/v1/otlp/v1/traces`. `endpoint` is the server's base URL, such as `http://xray:8080`.

    Spans that name no replay are not sent. A request takes at most `timeout_s` to connect, to send and to answer, each.
    Overload (503, 507 and their like) and network errors are tried again for a minute, as the server's `Retry-After`
    says, else with a growing delay. A batch that is too large (413) is sent in halves. What cannot be delivered is
    logged by `xray.otel` and dropped. `export` never raises and is never traced; any thread may call it.

    Raises ValueError if `endpoint` is no http(s) URL or `timeout_s` is not positive.
    """

    def __init__(
        self,
        *,
        endpoint: str,
        timeout_s: float = 10.0,
        transport: httpx.BaseTransport | None = None,
        pause: Callable[[float, bool], object] | None = None,
    ) -> None:
        """`transport` sends requests, `pause` waits between two tries, for seconds or, if its second
        argument is true, until somebody hurries: both are for tests."""
        if not timeout_s > 0:
            raise ValueError("timeout_s must be positive")
        self._server = server_url(endpoint)
        self.url = self._server.base + TRACES_PATH
        self._timeout = httpx.Timeout(timeout_s).as_dict()
        self._given_transport = transport
        self._pause = pause or self._wait
        self._unreachable = False
        self._noted: set[str] = set()
        super().__init__()

    def _begin_anew(self) -> None:
        self._lock = threading.Lock()
        self._own_transport: httpx.BaseTransport | None = None  # a parent's is not closed: its connections live on
        self._hurry = threading.Event()
        self._stopped = threading.Event()

    @property
    def unreachable(self) -> bool:
        """Whether the last request got no answer at all."""
        return self._unreachable

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Sends the spans; FAILURE if any could not be delivered. Blocks for as long as it is worth trying."""
        if self._stopped.is_set():
            return SpanExportResult.FAILURE
        try:
            with untraced():
                delivered = self._deliver([span for span in spans if names_a_replay(span)])
        except Exception:
            _logger.exception("%d spans could not be sent to %s", len(spans), self.url)
            delivered = False
        return SpanExportResult.SUCCESS if delivered else SpanExportResult.FAILURE

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here; a try that waits for its turn is made now."""
        del timeout_millis
        self._hurry.set()
        return True

    def shutdown(self) -> None:
        """Gives up what is being tried, closes the connections. Later spans are refused."""
        self._stopped.set()
        self._hurry.set()
        self.disconnect()

    def disconnect(self) -> None:
        """Closes the connections; the next export opens new ones."""
        with self._lock:
            own, self._own_transport = self._own_transport, None
        if own is not None:
            own.close()

    def _deliver(self, spans: list[ReadableSpan]) -> bool:
        delivered, batches = True, [spans] if spans else []
        while batches:
            batch = batches.pop()
            refusal = self._send(batch)
            if refusal is None:
                continue
            if refusal.remedy == "halve" and len(batch) > 1:
                middle = len(batch) // 2
                batches += [batch[middle:], batch[:middle]]  # the first half is next
                continue
            delivered = False
            if not self._stopped.is_set():
                _logger.warning("%d spans were not taken by %s: %s", len(batch), self.url, refusal.text)
        return delivered

    def _send(self, batch: list[ReadableSpan]) -> _Refusal | None:
        """None if it was taken."""
        try:
            body = encode(batch)
        except Exception as error:  # whatever an instrumentation has put into a span: find it by halves
            return _Refusal(f"a span cannot be encoded: {error!r}", "halve")
        if len(body) > _BODY_MAX:
            return _Refusal(f"{len(body)} bytes, at most {_BODY_MAX} are taken", "halve")
        give_up, attempt = time.monotonic() + _RETRY_FOR_S, 0
        while True:
            self._hurry.clear()  # who hurried before this try gets this try
            refusal = self._post(body)
            if refusal is None or refusal.remedy != "later":
                return refusal
            attempt += 1
            delay = delay_s(attempt, refusal.retry_after, jitter=random.random())
            if self._stopped.is_set() or time.monotonic() + delay > give_up:
                return refusal
            self._pause(delay, refusal.retry_after is None)
            if self._stopped.is_set():
                return refusal

    def _post(self, body: bytes) -> _Refusal | None:
        headers = {"Content-Type": "application/json", "User-Agent": "xray-py"}
        if self._server.authorization is not None:
            headers["Authorization"] = self._server.authorization
        request = httpx.Request(
            "POST", self.url, content=body, headers=headers, extensions={"timeout": dict(self._timeout)}
        )
        try:
            # Not through httpx.Client, which logs each request at INFO in the agent's log.
            reply = self._transport().handle_request(request)
            try:
                text = reply.read()
            finally:
                reply.close()
        except httpx.TransportError as error:
            self._unreachable = True
            return _Refusal(f"{type(error).__name__}: {error}", "later")
        self._unreachable = False
        if reply.is_success:
            self._note_rejected(text)
            return None
        problem = f"status {reply.status_code}: {text[:200].decode(errors='replace')}"
        if reply.status_code == 413:
            return _Refusal(problem, "halve")
        if reply.status_code in _RETRY_STATUSES:
            return _Refusal(problem, "later", reply.headers.get("retry-after"))
        return _Refusal(problem, "none")

    def _note_rejected(self, reply: bytes) -> None:
        """A server that takes a request may still pass spans over, and says why: "rejected: 3 ...; 1 ...". That it
        knows nothing of a span's kind is as usual; anything else is said once."""
        try:
            partial: object = json.loads(reply)["partialSuccess"].get("errorMessage", "")
        except (ValueError, TypeError, KeyError, AttributeError):
            return  # another server's answer
        for reason in str(partial).removeprefix("rejected: ").split("; ") if partial else ():
            kind = reason.lstrip("0123456789 ")
            usual = "vocabulary" in kind or kind in self._noted
            self._noted.add(kind)
            _logger.log(logging.DEBUG if usual else logging.WARNING, "%s passed over spans: %s", self.url, reason)

    def _transport(self) -> httpx.BaseTransport:
        if self._given_transport is not None:
            return self._given_transport
        with self._lock:
            if self._own_transport is None:
                self._own_transport = httpx.HTTPTransport(proxy=_proxy(self._server))
            return self._own_transport

    def _wait(self, seconds: float, may_hurry: bool) -> None:
        # What a server asked for is kept to, whoever hurries.
        (self._hurry if may_hurry else self._stopped).wait(seconds)


@dataclass(frozen=True)
class _Refusal:
    """Why a batch was not taken, and what may help."""

    text: str
    remedy: Literal["none", "halve", "later"]
    retry_after: str | None = None


def _proxy(server: ServerUrl) -> str | None:
    """The proxy that the environment names for it (HTTP_PROXY, NO_PROXY and their like)."""
    if server.on_this_machine or urllib.request.proxy_bypass(server.host):
        return None
    return urllib.request.getproxies().get(server.base.partition(":")[0])
