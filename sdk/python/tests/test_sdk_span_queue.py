# SPDX-License-Identifier: Apache-2.0
"""The queue in front of the exporter: bounded, flushed within a limit, no thread when idle."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SpanExportResult

from forking import in_a_child, needs_fork
from span_receiver import Answer, Receiver, closed_url, spans
from xray import _exporter, _span_queue
from xray._exporter import XraySpanExporter
from xray._span_queue import SpanQueue


class Held(XraySpanExporter):
    """Takes spans when the test lets it."""

    def __init__(self) -> None:
        super().__init__(endpoint="http://xray.invalid")
        self.began = threading.Semaphore(0)
        self.may_go = threading.Semaphore(0)
        self.batches: list[list[str]] = []

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        self.began.release()
        assert self.may_go.acquire(timeout=20)
        self.batches.append([span.name for span in spans])
        return SpanExportResult.SUCCESS


def wait_idle(queue: SpanQueue) -> None:
    for thread in threading.enumerate():
        if thread.name == "xray-spans":
            thread.join(20)
    assert not queue.running


def test_flush_sends_at_once_and_in_order() -> None:
    with Receiver() as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), batch=4, idle_s=0.01)
        for span in spans(10):
            queue.put(span)
        assert queue.flush(20)
        assert receiver.names == [f"s{i}" for i in range(10)]
        wait_idle(queue)


def test_spans_go_without_a_flush() -> None:
    with Receiver() as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), idle_s=0.01)
        queue.put(spans(1)[0])
        receiver.wait_for(lambda r: r.names == ["s0"])
        wait_idle(queue)


def test_the_thread_ends_when_idle_and_starts_again() -> None:
    with Receiver() as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), idle_s=0.01)
        assert not queue.running
        for _ in range(2):
            queue.put(spans(1)[0])
            assert queue.running
            assert queue.flush(20)
            wait_idle(queue)
    assert receiver.names == ["s0", "s0"]


def test_no_connection_is_kept_when_idle() -> None:
    with Receiver() as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), idle_s=0.01)
        queue.put(spans(1)[0])
        assert queue.flush(20)
        receiver.wait_for(lambda r: r.open == 0)
        assert queue.exporter.export(spans(1, name="t")) is SpanExportResult.SUCCESS  # it is still of use
        queue.exporter.shutdown()


def test_nothing_to_flush_is_done_at_once() -> None:
    assert SpanQueue(XraySpanExporter(endpoint="http://xray.invalid")).flush(0)


def test_a_full_queue_drops_the_newest_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held()
    queue = SpanQueue(exporter, capacity=3, batch=3, idle_s=0.01)
    for span in spans(3):
        queue.put(span)
    assert exporter.began.acquire(timeout=20)  # s0..s2 are on their way, the queue has room for three
    for span in spans(6, name="t"):
        queue.put(span)
    assert not queue.flush(0)
    for _ in range(2):
        exporter.may_go.release()
    assert queue.flush(20)
    assert exporter.batches == [["s0", "s1", "s2"], ["t0", "t1", "t2"]]
    assert caplog.text.count("spans are dropped") == 1


def test_flush_keeps_to_its_limit_and_nothing_is_lost(caplog: pytest.LogCaptureFixture) -> None:
    exporter = Held()
    queue = SpanQueue(exporter, idle_s=0.01)
    queue.put(spans(1)[0])
    assert not queue.flush(0.05)
    assert "1 spans have not reached" in caplog.text
    exporter.may_go.release()
    assert queue.flush(20)
    assert exporter.batches == [["s0"]]


def test_flush_says_when_spans_were_refused() -> None:
    with Receiver(lambda _: Answer(400)) as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), idle_s=0.01)
        queue.put(spans(1)[0])
        assert not queue.flush(20)
        wait_idle(queue)


def test_a_server_that_is_down_is_not_waited_for(monkeypatch: Any) -> None:
    monkeypatch.setattr(_span_queue, "_UNREACHABLE_FLUSH_S", 0.2)
    queue = SpanQueue(exporter := XraySpanExporter(endpoint=closed_url()), idle_s=0.01)
    queue.put(spans(1)[0])
    began = time.monotonic()
    assert not queue.flush(60)
    assert time.monotonic() - began < 30  # a limit of 60, not a measurement
    exporter.shutdown()
    wait_idle(queue)


def test_a_flush_does_not_wait_for_the_backoff(monkeypatch: Any) -> None:
    monkeypatch.setattr(_exporter, "_BACKOFF_S", (600.0, 600.0))
    monkeypatch.setattr(_exporter, "_RETRY_FOR_S", 6000.0)
    refused = [True]

    def answer(_: object) -> Answer:
        return Answer(503) if refused and refused.pop() else Answer()

    with Receiver(answer) as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), idle_s=0.01)
        queue.put(spans(1)[0])
        receiver.wait_for(lambda r: len(r.requests) == 1)
        assert queue.flush(20)
        assert receiver.names == ["s0"]
        wait_idle(queue)


def test_a_flush_does_not_hurry_what_the_server_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    again = threading.Event()

    class Patient(threading.Event):
        """Stands for what ends a wait early if anything may: the exporter's shutdown."""

        def wait(self, timeout: float | None = None) -> bool:
            waits.append(timeout)
            return again.wait(20)

    waits: list[float | None] = []
    answers = [Answer(), Answer(503, {"Retry-After": "3"})]
    with Receiver(lambda _: answers.pop()) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        monkeypatch.setattr(exporter, "_stopped", Patient())
        queue = SpanQueue(exporter, idle_s=0.01)
        queue.put(spans(1)[0])
        assert not queue.flush(1)
        assert (len(receiver.requests), waits) == (1, [3.0])
        again.set()
        assert queue.flush(20)
    assert receiver.names == ["s0"]


@needs_fork
def test_a_forked_child_sends_its_own_spans_over_a_connection_of_its_own() -> None:
    with Receiver() as receiver:
        queue = SpanQueue(XraySpanExporter(endpoint=receiver.url), idle_s=600)

        def send(name: str) -> bool:
            queue.put(spans(1, name=name)[0])
            return queue.flush(20)

        assert send("parent")
        in_a_child(lambda: send("child"))
        assert send("again")
        assert receiver.names == ["parent0", "child0", "again0"]
        parents, childs, again = (request.connection for request in receiver.requests)
        assert childs != parents == again
        queue.exporter.shutdown()


@needs_fork
def test_what_waits_at_a_fork_is_the_parents_to_send() -> None:
    exporter = Held()
    queue = SpanQueue(exporter, idle_s=0.01)
    queue.put(spans(1)[0])
    assert exporter.began.acquire(timeout=20)
    in_a_child(lambda: queue.flush(0) and not queue.running)
    exporter.may_go.release()
    assert queue.flush(20)
    assert exporter.batches == [["s0"]]
