# SPDX-License-Identifier: Apache-2.0
"""LiveKit Agents' tracer is followed. Here a stand-in with the same surface; the real ones are in `agents/`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import ModuleType

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider

from span_receiver import Receiver, new_identity
from xray import otel


class DynamicTracer:
    """As `livekit.agents.telemetry.traces._DynamicTracer`."""

    def __init__(self) -> None:
        self._tracer_provider: trace.TracerProvider = trace.ProxyTracerProvider()

    def set_provider(self, tracer_provider: trace.TracerProvider) -> None:
        self._tracer_provider = tracer_provider

    def span(self, name: str) -> None:
        self._tracer_provider.get_tracer("livekit-agents").start_span(name).end()


@pytest.fixture
def tracer(monkeypatch: pytest.MonkeyPatch) -> Iterator[DynamicTracer]:
    module = ModuleType("livekit.agents.telemetry.traces")
    made = DynamicTracer()
    module.tracer = made  # pyright: ignore[reportAttributeAccessIssue]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    process = otel._process  # pyright: ignore[reportPrivateUsage]
    before = process._default  # pyright: ignore[reportPrivateUsage]
    yield made
    process._default = before  # pyright: ignore[reportPrivateUsage]


def new_provider() -> TracerProvider:
    return TracerProvider(shutdown_on_exit=False)


def test_a_provider_it_has_already_is_extended(tracer: DynamicTracer) -> None:
    theirs = new_provider()
    tracer.set_provider(theirs)
    with Receiver() as receiver:
        pipeline = otel.pipeline(endpoint=receiver.url)
        with pipeline.bound(new_identity()):
            tracer.span("agent_turn")
        assert pipeline.flush(20)
    assert receiver.names == ["agent_turn"]
    assert tracer._tracer_provider is theirs  # pyright: ignore[reportPrivateUsage]
    assert pipeline.provider is not theirs


def test_a_provider_it_is_given_later_is_extended_too(tracer: DynamicTracer) -> None:
    with Receiver() as receiver:
        pipeline = otel.pipeline(endpoint=receiver.url)
        with pipeline.bound(new_identity()):
            for i in range(2):
                tracer.set_provider(new_provider())
                tracer.span(f"agent_turn {i}")
        assert pipeline.flush(20)
    assert receiver.names == ["agent_turn 0", "agent_turn 1"]


def test_following_twice_watches_once(tracer: DynamicTracer) -> None:
    with Receiver() as receiver:
        otel.pipeline(endpoint=receiver.url)
        watched = tracer.set_provider
        pipeline = otel.pipeline(endpoint=receiver.url)
        assert tracer.set_provider is watched
        with pipeline.bound(new_identity()):
            tracer.set_provider(new_provider())
            tracer.span("agent_turn")
        assert pipeline.flush(20)
    assert receiver.names == ["agent_turn"]


def test_install_serves_its_providers_as_well(tracer: DynamicTracer) -> None:
    with Receiver() as receiver:
        theirs = new_provider()
        tracer.set_provider(theirs)
        otel.install(endpoint=receiver.url)
        with otel._process.replays.opened(new_identity()):  # pyright: ignore[reportPrivateUsage]
            tracer.span("now")
            tracer.set_provider(new_provider())
            tracer.span("later")
        assert theirs.force_flush(20_000)
    assert receiver.names == ["now", "later"]


def test_install_on_a_given_provider_leaves_it_alone(tracer: DynamicTracer) -> None:
    theirs = new_provider()
    tracer.set_provider(theirs)
    before = dict(vars(theirs))
    with Receiver() as receiver:
        otel.install(endpoint=receiver.url, tracer_provider=new_provider())
    assert vars(theirs) == before
    assert "set_provider" not in vars(tracer)


@pytest.mark.parametrize("provider", [trace.NoOpTracerProvider(), trace.ProxyTracerProvider(), object()])
def test_a_provider_that_takes_no_processors_is_left_alone(
    tracer: DynamicTracer, provider: trace.TracerProvider, caplog: pytest.LogCaptureFixture
) -> None:
    with Receiver() as receiver:
        otel.pipeline(endpoint=receiver.url)
        tracer.set_provider(provider)
    assert tracer._tracer_provider is provider  # pyright: ignore[reportPrivateUsage]
    assert caplog.text == ""


def test_a_provider_that_fails_does_not_stop_the_agent(tracer: DynamicTracer, caplog: pytest.LogCaptureFixture) -> None:
    class Broken(TracerProvider):
        def add_span_processor(self, span_processor: object) -> None:
            del span_processor
            raise RuntimeError("a fault nobody thought of")

    broken = Broken(shutdown_on_exit=False)
    with Receiver() as receiver:
        otel.pipeline(endpoint=receiver.url)
        tracer.set_provider(broken)
    assert tracer._tracer_provider is broken  # pyright: ignore[reportPrivateUsage]
    assert "a fault nobody thought of" in caplog.text
