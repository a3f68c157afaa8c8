# SPDX-License-Identifier: Apache-2.0
"""Spans of an agent on their way to the server that judges it.

`install` is for an agent that is not in a LiveKit room (`xray.attach` does all of it there): it adds a processor that
writes the replay onto every span, and an exporter, to the tracer provider the process already has. Importing this
module changes nothing in OpenTelemetry.
"""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, cast

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import SERVICE_NAME, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider

from xray import _livekit
from xray._attributes import REPLAY_ID, ReplayIdentity
from xray._bindings import OpenReplays
from xray._exporter import XraySpanExporter, server_url
from xray._fork import Forked
from xray._server_url import ServerUrl
from xray._span_queue import SpanQueue

__all__ = ["XrayBaggageSpanProcessor", "XraySpanExporter", "install"]

_logger = logging.getLogger("xray.otel")

ENDPOINT_VARIABLE: Final = "XRAY_OTLP_ENDPOINT"
_EXIT_FLUSH_S: Final = 2.0
_ROUTES_MAX: Final = 1024
_MARK: Final = "_xray_export_processor"
_NO_PROCESSORS: Final = "the %s tracer provider, a %s, takes no processors: its spans are not seen"


class XrayBaggageSpanProcessor(SpanProcessor):
    """Copies the replay, and the turn, from OpenTelemetry's baggage to every span when it starts: `xray.replay.id`,
    `xray.conversation.hash`, `xray.modality`, `xray.turn.idx`, `xray.turn.key`.

    A span that no baggage reaches (its task is older than the replay) takes its parent's replay, else the one that is
    open. What a span has already is left as it is.
    """

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        try:
            has = span.attributes or {}
            found = _process.replays.attributes(parent_context)
            if missing := {name: value for name, value in found.items() if name not in has}:
                span.set_attributes(missing)
        except Exception:
            _logger.exception("a span could not be given its replay")

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Nothing is kept here. What older SDKs inherit returns None, which stops the flush of the processors after."""
        del timeout_millis
        return True


class _ExportProcessor(SpanProcessor):
    """Hands each finished span to the queue of its replay's server, else to that of its provider."""

    def __init__(self) -> None:
        self.default: SpanQueue | None = None
        self._used: dict[SpanQueue, None] = {}

    def on_end(self, span: ReadableSpan) -> None:
        try:
            replay_id = (span.attributes or {}).get(REPLAY_ID) or span.resource.attributes.get(REPLAY_ID)
            if not isinstance(replay_id, str):
                return  # it is nobody's business here
            queue = _process.route(replay_id) or self.default
            if queue is not None and span.context is not None and span.context.trace_flags.sampled:
                self._used[queue] = None
                queue.put(span)
        except Exception:
            _logger.exception("a span could not be kept for the server")

    def shutdown(self) -> None:
        _flush(list(self._used), _EXIT_FLUSH_S)

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return _flush(list(self._used), timeout_millis / 1000)


def _flush(queues: list[SpanQueue], timeout_s: float) -> bool:
    """Flushes all of them within the limit."""
    end = time.monotonic() + timeout_s
    taken = [queue.flush(end - time.monotonic()) for queue in queues]
    return all(taken)


class _Extensible(Protocol):
    def add_span_processor(self, span_processor: SpanProcessor) -> None: ...


class _Process(Forked):
    """What this process has: one queue a server, the open replays and where their spans go. Any thread may call it."""

    def __init__(self) -> None:
        super().__init__()
        self.replays = OpenReplays()
        self._default: SpanQueue | None = None  # that of the last `install` for the whole process
        self._own: TracerProvider | None = None
        self._queues: dict[ServerUrl, SpanQueue] = {}
        self._routes: OrderedDict[str, SpanQueue] = OrderedDict()

    def _begin_anew(self) -> None:
        self._lock = threading.RLock()

    def queue(self, endpoint: str) -> SpanQueue:
        """The queue of a server, given its base URL. Raises ValueError for what is none."""
        server = server_url(endpoint)
        with self._lock:
            if server not in self._queues:
                if not self._queues:
                    atexit.register(self.flush_at_exit)
                self._queues[server] = SpanQueue(XraySpanExporter(endpoint=endpoint))
            return self._queues[server]

    def register(self, provider: object) -> _ExportProcessor | None:
        """Adds our processors to a provider, once. None if it takes no processors."""
        if not callable(getattr(provider, "add_span_processor", None)):
            return None
        with self._lock:
            known: object = vars(provider).get(_MARK)
            if isinstance(known, _ExportProcessor):
                return known
            processor = _ExportProcessor()
            extensible = cast("_Extensible", provider)
            extensible.add_span_processor(XrayBaggageSpanProcessor())
            extensible.add_span_processor(processor)
            # On the object itself: some kinds of provider are neither hashable nor weakly referable.
            setattr(provider, _MARK, processor)
            return processor

    def serve(self, queue: SpanQueue) -> None:
        """`install` for the whole process: LiveKit's providers, that of now and later ones, go there too."""
        self._default = queue
        _livekit.follow(self.adopt)

    def adopt(self, provider: object) -> None:
        """`register` for the provider of LiveKit's tracer: never raises."""
        try:
            processor = self.register(provider)
            if processor is not None and self._default is not None:
                processor.default = self._default
        except Exception:
            _logger.exception("the tracer provider %s could not be extended", type(provider).__name__)

    def own_provider(self, instead_of: str, service_name: str | None) -> TracerProvider:
        """One for our own spans, in a process whose global provider takes no processors."""
        with self._lock:
            if self._own is None:
                _logger.warning(_NO_PROCESSORS, "global", instead_of)
                self._own = _new_provider(service_name)
            return self._own

    def send(self, replay_id: str, queue: SpanQueue) -> None:
        """From now on, and after its end too (spans come late), the replay's spans go to that queue."""
        with self._lock:
            self._routes[replay_id] = queue
            self._routes.move_to_end(replay_id)
            while len(self._routes) > _ROUTES_MAX:
                self._routes.popitem(last=False)

    def route(self, replay_id: str) -> SpanQueue | None:
        with self._lock:
            return self._routes.get(replay_id)

    def flush_at_exit(self) -> None:
        with self._lock:
            queues = list(self._queues.values())
        _flush(queues, _EXIT_FLUSH_S)


_process = _Process()


@dataclass(frozen=True)
class Pipeline:
    """A tracer provider that writes replays onto spans, and the queue of the server they go to, if there is one."""

    provider: TracerProvider
    queue: SpanQueue | None

    @contextmanager
    def bound(self, identity: ReplayIdentity) -> Iterator[None]:
        """Spans that start inside are the replay's, and go to this pipeline's server."""
        if self.queue is not None:
            _process.send(identity.replay_id, self.queue)
        with _process.replays.opened(identity):
            yield

    def flush(self, timeout_s: float) -> bool:
        """Blocks until what is there was sent, at most `timeout_s`. True if the server took all of it."""
        return self.queue is None or self.queue.flush(timeout_s)


def install(*, endpoint: str | None = None, tracer_provider: TracerProvider | None = None) -> TracerProvider:
    """Adds the baggage processor and an exporter to `tracer_provider`, else to the global one, and returns it.

    A global provider that is there is used, never replaced; if there is none, one is made. LiveKit Agents' own tracer,
    if the process has it, is followed too, unless `tracer_provider` is given. `endpoint` is the server's base URL, else
    `XRAY_OTLP_ENDPOINT`; with neither there is no exporter, and a warning. Installing again adds nothing; with another
    endpoint, later spans go there.

    Raises ValueError if the endpoint is no http(s) URL.
    """
    made = pipeline(endpoint=endpoint, tracer_provider=tracer_provider)
    processor = _process.register(made.provider)
    if processor is not None and made.queue is not None:
        processor.default = made.queue
        if tracer_provider is None:
            _process.serve(made.queue)
    return made.provider


def pipeline(
    *, endpoint: str | None = None, tracer_provider: TracerProvider | None = None, service_name: str | None = None
) -> Pipeline:
    """`install` for single replays: it sends nothing until one is bound to what it returns. `service_name` is for a
    provider that has to be made. Raises ValueError as `install` does."""
    made = pipeline_to(queue_for(endpoint), tracer_provider=tracer_provider, service_name=service_name)
    if made.queue is None:
        _logger.warning("no endpoint: spans are not sent. Give one, or set %s to the server's URL", ENDPOINT_VARIABLE)
    return made


def queue_for(endpoint: str | None) -> SpanQueue | None:
    """The queue of the server that `endpoint`, else the environment, names. Raises ValueError if it is no URL."""
    where = endpoint or os.environ.get(ENDPOINT_VARIABLE, "").strip()
    return _process.queue(where) if where else None


def pipeline_to(
    queue: SpanQueue | None, *, tracer_provider: TracerProvider | None = None, service_name: str | None = None
) -> Pipeline:
    """`pipeline` for a queue; without one, where `install` has the provider send its spans, if it did."""
    if tracer_provider is None:
        _livekit.follow(_process.adopt)
        tracer_provider = _global_provider(service_name)
    processor = _process.register(tracer_provider)
    if processor is None:
        _logger.warning(_NO_PROCESSORS, "given", type(tracer_provider).__name__)
    return Pipeline(tracer_provider, queue or (processor.default if processor is not None else None))


def _global_provider(service_name: str | None) -> TracerProvider:
    """The global provider; one that is made, if there is none; one of our own, if it cannot be extended."""
    current: object = trace.get_tracer_provider()
    if isinstance(current, trace.ProxyTracerProvider):  # what stands for none
        trace.set_tracer_provider(_new_provider(service_name))
        current = trace.get_tracer_provider()  # another thread may have been first
    if callable(getattr(current, "add_span_processor", None)):
        return cast("TracerProvider", current)
    return _process.own_provider(type(current).__name__, service_name)


def _new_provider(service_name: str | None) -> TracerProvider:
    return TracerProvider(resource=Resource.create({SERVICE_NAME: service_name} if service_name else {}))
