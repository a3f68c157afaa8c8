# SPDX-License-Identifier: Apache-2.0
"""`xray.otel.install`: once per provider, beside what is there, and the whole of a process (in processes of their own,
since OpenTelemetry's global provider can be set only once)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import xray.otel
from forking import in_a_child, needs_fork
from span_receiver import Answer, Receiver, attributes_of, closed_url, new_identity
from xray import otel
from xray._attributes import REPLAY_ID, ReplayIdentity, baggage

SOURCES = Path(xray.otel.__file__).parent.parent


def new_provider() -> TracerProvider:
    return TracerProvider(shutdown_on_exit=False)


def emit(provider: trace.TracerProvider, name: str, replay: ReplayIdentity | None = None) -> None:
    replay = replay or new_identity()
    with baggage(replay.replay_id, replay.conversation_hash, replay.modality):
        provider.get_tracer("test").start_span(name).end()


def python(
    program: str, *arguments: str, status: int = 0, timeout_s: float = 60, **env: str
) -> subprocess.CompletedProcess[str]:
    """Runs a program in a process of its own; what it printed."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("OTEL_", "XRAY_"))}
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        env={**kept, "PYTHONPATH": str(SOURCES), **env},
        capture_output=True,
        text=True,
        timeout=timeout_s,
    )
    assert ended.returncode == status, ended.stderr
    return ended


def test_public_names() -> None:
    assert sorted(xray.otel.__all__) == ["XrayBaggageSpanProcessor", "XraySpanExporter", "install"]
    assert all(hasattr(xray.otel, name) for name in xray.otel.__all__)


def test_installing_twice_registers_once() -> None:
    a = new_identity()
    provider = new_provider()
    with Receiver() as receiver:
        for _ in range(3):
            assert otel.install(endpoint=receiver.url, tracer_provider=provider) is provider
        emit(provider, "mine", a)
        assert provider.force_flush(20_000)
        emit(provider, "again", a)
        assert provider.force_flush(20_000)
    assert receiver.names == ["mine", "again"]
    assert attributes_of(receiver.taken[0])[REPLAY_ID] == a.replay_id


def test_an_exporter_that_is_there_keeps_working() -> None:
    provider, theirs = new_provider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    with Receiver() as receiver:
        otel.install(endpoint=receiver.url, tracer_provider=provider)
        emit(provider, "tested")
        provider.get_tracer("test").start_span("their own").end()
        assert provider.force_flush(20_000)
    assert receiver.names == ["tested"]
    assert [span.name for span in theirs.get_finished_spans()] == ["tested", "their own"]


def test_another_endpoint_is_where_later_spans_go() -> None:
    provider = new_provider()
    with Receiver() as first, Receiver() as second:
        otel.install(endpoint=first.url, tracer_provider=provider)
        emit(provider, "first")
        otel.install(endpoint=second.url, tracer_provider=provider)
        emit(provider, "second")
        assert provider.force_flush(20_000)
    assert (first.names, second.names) == (["first"], ["second"])


def test_each_replay_goes_to_the_server_it_is_bound_to_even_when_late() -> None:
    a, b = new_identity(), new_identity()
    provider = new_provider()
    with Receiver() as first, Receiver() as second:
        to_first = otel.pipeline(endpoint=first.url, tracer_provider=provider)
        to_second = otel.pipeline(endpoint=second.url, tracer_provider=provider)
        with to_first.bound(a):
            late = provider.get_tracer("test").start_span("late")
        with to_second.bound(b):
            emit(provider, "b", b)
        emit(provider, "a", a)
        emit(provider, "nobody's", new_identity())
        late.end()
        assert to_first.flush(20)
        assert to_second.flush(20)
    assert (first.names, second.names) == (["a", "late"], ["b"])


def test_a_replay_bound_to_a_server_does_not_go_to_the_one_that_was_installed() -> None:
    provider, a = new_provider(), new_identity()
    with Receiver() as installed, Receiver() as bound:
        otel.install(endpoint=installed.url, tracer_provider=provider)
        with otel.pipeline(endpoint=bound.url, tracer_provider=provider).bound(a):
            emit(provider, "bound", a)
        emit(provider, "unbound")
        assert provider.force_flush(20_000)
    assert (installed.names, bound.names) == (["unbound"], ["bound"])


def test_the_environment_gives_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    provider = new_provider()
    with Receiver() as receiver:
        monkeypatch.setenv("XRAY_OTLP_ENDPOINT", receiver.url)
        otel.install(tracer_provider=provider)
        emit(provider, "mine")
        assert provider.force_flush(20_000)
    assert receiver.names == ["mine"]


def test_without_an_endpoint_there_is_one_warning_and_no_exporter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    a = new_identity()
    monkeypatch.delenv("XRAY_OTLP_ENDPOINT", raising=False)
    provider, theirs = new_provider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(theirs))
    otel.install(tracer_provider=provider)
    emit(provider, "mine", a)
    assert provider.force_flush(1000)
    assert [r.message for r in caplog.records if "XRAY_OTLP_ENDPOINT" in r.message] == [caplog.records[0].message]
    assert (theirs.get_finished_spans()[0].attributes or {})[REPLAY_ID] == a.replay_id


def test_a_wrong_endpoint_changes_nothing() -> None:
    provider = new_provider()
    before = dict(vars(provider))
    with pytest.raises(ValueError, match="endpoint"):
        otel.install(endpoint="xray:8080", tracer_provider=provider)
    assert vars(provider) == before


def test_a_provider_that_takes_no_processors_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    given: Any = trace.NoOpTracerProvider()
    assert otel.install(endpoint="http://xray.invalid", tracer_provider=given) is given
    [told] = caplog.records
    assert told.levelname == "WARNING"
    assert "a NoOpTracerProvider, takes no processors" in told.getMessage()


def test_where_replays_went_is_forgotten_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """An agent that lives for months must not keep a note of each."""
    monkeypatch.setattr(otel, "_ROUTES_MAX", 2)
    provider, replays = new_provider(), [new_identity() for _ in range(3)]
    with Receiver() as receiver:
        pipeline = otel.pipeline(endpoint=receiver.url, tracer_provider=provider)
        for replay in replays:
            with pipeline.bound(replay):
                pass
        for i, replay in enumerate(replays):
            emit(provider, f"late {i}", replay)
        assert pipeline.flush(20)
    assert receiver.names == ["late 1", "late 2"]


def test_spans_that_are_not_sampled_are_not_sent() -> None:
    from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

    provider = TracerProvider(shutdown_on_exit=False, sampler=ALWAYS_OFF)
    with Receiver() as receiver:
        otel.install(endpoint=receiver.url, tracer_provider=provider)
        emit(provider, "mine")
        assert provider.force_flush(20_000)
    assert receiver.requests == []


@needs_fork
def test_a_forked_child_waits_for_no_thread_of_its_parent() -> None:
    """A thread that is in any of the locks when another forks does not exist in the child, and leaves none there."""
    provider, of_child = new_provider(), new_identity()
    process = otel._process  # pyright: ignore[reportPrivateUsage]
    inside, leave = threading.Event(), threading.Event()

    def be_inside(*locks: Any) -> None:
        with contextlib.ExitStack() as held:
            for lock in locks:
                held.enter_context(lock)
            inside.set()
            assert leave.wait(60)

    def work() -> bool:
        pipeline = otel.pipeline(endpoint=receiver.url, tracer_provider=provider)
        with pipeline.bound(of_child):
            emit(provider, "child's", of_child)
        return pipeline.flush(20)

    with Receiver() as receiver:
        otel.install(endpoint=receiver.url, tracer_provider=provider)
        emit(provider, "parent's")
        assert provider.force_flush(20_000)
        queue: Any = otel.queue_for(receiver.url)
        events = (queue.exporter._hurry._cond, queue.exporter._stopped._cond)
        locks: tuple[Any, ...] = (process._lock, process.replays._lock, queue._changed, queue.exporter._lock, *events)  # pyright: ignore[reportPrivateUsage]
        thread = threading.Thread(target=be_inside, args=locks)
        thread.start()
        try:
            assert inside.wait(20)
            in_a_child(work)
        finally:
            leave.set()
            thread.join()
    assert receiver.names == ["parent's", "child's"]


def test_importing_changes_nothing_in_opentelemetry() -> None:
    python(
        "from opentelemetry import trace, propagate\n"
        "import threading, atexit\n"
        # What it imports may well register something of its own.
        "import httpx, pydantic, opentelemetry.sdk.trace.export\n"
        "import opentelemetry.exporter.otlp.proto.common.trace_encoder\n"
        "before = atexit._ncallbacks(), propagate.get_global_textmap()\n"
        "import xray, xray.otel\n"
        "assert (atexit._ncallbacks(), propagate.get_global_textmap()) == before\n"
        "assert isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)\n"
        "assert threading.active_count() == 1\n"
    )


EXIT = (
    "import sys\n"
    "from opentelemetry import trace\n"
    "from xray import otel\n"
    "from xray._attributes import baggage\n"
    "early = trace.get_tracer('early')\n"  # as an instrumentation that was set up before
    "provider = otel.install(endpoint=sys.argv[1])\n"
    "assert trace.get_tracer_provider() is provider\n"
    "assert otel.install(endpoint=sys.argv[1]) is provider\n"
    "with baggage(sys.argv[2], 'c' * 64, 'voice'):\n"
    "    early.start_span('stock instrumentation').end()\n"
)


def test_a_provider_is_made_if_there_is_none_and_all_is_sent_at_exit() -> None:
    a = new_identity()
    with Receiver() as receiver:
        python(EXIT, receiver.url, a.replay_id, OTEL_SERVICE_NAME="my-agent")
    [request] = receiver.requests
    assert request.names == ["stock instrumentation"]
    resource = {a["key"]: a["value"] for a in request.body["resourceSpans"][0]["resource"]["attributes"]}
    assert resource["service.name"] == {"stringValue": "my-agent"}


def test_all_is_sent_at_exit_even_if_the_provider_is_not_shut_down() -> None:
    a = new_identity()
    with Receiver() as receiver:
        python(
            "import sys\n"
            "from opentelemetry.sdk.trace import TracerProvider\n"
            "from xray import otel\n"
            "from xray._attributes import baggage\n"
            "mine = otel.install(endpoint=sys.argv[1], tracer_provider=TracerProvider(shutdown_on_exit=False))\n"
            "with baggage(sys.argv[2], 'c' * 64, 'voice'):\n"
            "    mine.get_tracer('t').start_span('last').end()\n",
            receiver.url,
            a.replay_id,
        )
    assert receiver.names == ["last"]


def test_a_server_that_is_down_does_not_keep_the_process() -> None:
    a = new_identity()
    began = time.monotonic()
    ended = python(EXIT, closed_url(), a.replay_id)
    assert time.monotonic() - began < 30
    assert "1 spans have not reached" in ended.stderr


def test_a_server_that_never_has_time_does_not_keep_the_process() -> None:
    a = new_identity()
    began = time.monotonic()
    with Receiver(lambda _: Answer(503, {"Retry-After": "30"})) as receiver:
        python(EXIT, receiver.url, a.replay_id)
    assert time.monotonic() - began < 30
    assert receiver.requests


def test_a_global_provider_that_is_there_is_used() -> None:
    with Receiver() as receiver:
        python(
            "import sys\n"
            "from opentelemetry import trace\n"
            "from opentelemetry.sdk.trace import TracerProvider\n"
            "from xray import otel\n"
            "mine = TracerProvider()\n"
            "trace.set_tracer_provider(mine)\n"
            "assert otel.install(endpoint=sys.argv[1]) is mine\n"
            "assert trace.get_tracer_provider() is mine\n",
            receiver.url,
        )


def test_a_global_provider_that_takes_no_processors_is_left_alone() -> None:
    a = new_identity()
    with Receiver() as receiver:
        ended = python(
            "import sys\n"
            "from opentelemetry import trace\n"
            "from xray import otel\n"
            "from xray._attributes import baggage\n"
            "mine = trace.NoOpTracerProvider()\n"
            "trace.set_tracer_provider(mine)\n"
            "made = otel.install(endpoint=sys.argv[1])\n"
            "assert made is not mine and trace.get_tracer_provider() is mine\n"
            "assert otel.install(endpoint=sys.argv[1]) is made\n"
            "with baggage(sys.argv[2], 'c' * 64, 'voice'):\n"
            "    made.get_tracer('t').start_span('own').end()\n",
            receiver.url,
            a.replay_id,
        )
    assert receiver.names == ["own"]
    assert ended.stderr.count("takes no processors") == 1


def test_spans_are_not_made_of_its_own_requests() -> None:
    """With a stand-in for an HTTP instrumentation that keeps to OpenTelemetry's rule."""
    a = new_identity()
    with Receiver() as receiver:
        python(
            "import sys, httpx\n"
            "from opentelemetry import context, trace\n"
            "from xray import otel\n"
            "from xray._attributes import baggage\n"
            "provider = otel.install(endpoint=sys.argv[1])\n"
            "send = httpx.HTTPTransport.handle_request\n"
            "def traced(self, request):\n"
            "    if context.get_value(context._SUPPRESS_INSTRUMENTATION_KEY):\n"
            "        return send(self, request)\n"
            "    with provider.get_tracer('http').start_as_current_span('POST'):\n"
            "        return send(self, request)\n"
            "httpx.HTTPTransport.handle_request = traced\n"
            "with baggage(sys.argv[2], 'c' * 64, 'voice'):\n"
            "    provider.get_tracer('t').start_span('mine').end()\n"
            "    assert provider.force_flush(20000) and provider.force_flush(20000)\n",
            receiver.url,
            a.replay_id,
        )
    assert receiver.names == ["mine"]
