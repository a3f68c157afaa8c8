# SPDX-License-Identifier: Apache-2.0
"""The exporter against a receiver that refuses, is overloaded, or is not there."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from typing import Any

import httpx
import pytest
from opentelemetry import context as otel_context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.trace import Link

from span_receiver import Answer, Json, Receiver, attributes_of, closed_url, identity, spans
from xray import _exporter
from xray._attributes import REPLAY_ID
from xray.otel import XraySpanExporter

SUCCESS, FAILURE = SpanExportResult.SUCCESS, SpanExportResult.FAILURE


class Pauses:
    """Takes note of the waits between two tries instead of waiting."""

    def __init__(self) -> None:
        self.all: list[tuple[float, bool]] = []

    def __call__(self, seconds: float, may_hurry: bool) -> None:
        self.all.append((seconds, may_hurry))


def in_turn(*answers: Answer) -> Callable[[list[Json]], Answer]:
    """Each request gets the next answer, those after the last are taken."""
    left = list(answers)

    def answer(_: list[Json]) -> Answer:
        return left.pop(0) if left else Answer()

    return answer


def test_sends_otlp_json_to_the_path_of_the_server() -> None:
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url + "/")
        assert exporter.export(spans(3, attributes={"text": "é\u2028", "n": 2, "yes": True, "x": 1.5})) is SUCCESS
        exporter.shutdown()
    [request] = receiver.requests
    assert (request.path, request.headers["Content-Type"]) == ("/v1/otlp/v1/traces", "application/json")
    assert request.names == ["s0", "s1", "s2"]
    assert attributes_of(request.spans[0]) == {
        REPLAY_ID: identity(1).replay_id,
        "text": "é\u2028",
        "n": "2",
        "yes": True,
        "x": 1.5,
    }


def test_ids_are_hexadecimal_as_otlp_says() -> None:
    provider = TracerProvider(shutdown_on_exit=False)
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        tracer, named = provider.get_tracer("test"), {REPLAY_ID: identity(1).replay_id}
        with tracer.start_as_current_span("parent", attributes=named) as parent:
            context = parent.get_span_context()
            tracer.start_span("child", attributes=named, links=[Link(context)]).end()
        exporter.shutdown()
    child = receiver.taken[0]
    trace_id, span_id = f"{context.trace_id:032x}", f"{context.span_id:016x}"
    assert (child["traceId"], child["parentSpanId"]) == (trace_id, span_id)
    assert (child["links"][0]["traceId"], child["links"][0]["spanId"]) == (trace_id, span_id)
    assert len(child["spanId"]) == 16


def test_spans_of_no_replay_are_not_sent() -> None:
    foreign = spans(2, attributes={REPLAY_ID: ""}) + spans(1, attributes={REPLAY_ID: 5})
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        assert exporter.export(foreign) is SUCCESS
        assert exporter.export(foreign + spans(1)) is SUCCESS
        exporter.shutdown()
    assert [r.names for r in receiver.requests] == [["s0"]]


def test_a_replay_on_the_resource_counts() -> None:
    provider = TracerProvider(shutdown_on_exit=False, resource=Resource({REPLAY_ID: identity(1).replay_id}))
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("test").start_span("mine").end()
        exporter.shutdown()
    assert receiver.names == ["mine"]


@pytest.mark.parametrize("status", [503, 507, 429, 502, 504, 408])
def test_overload_is_tried_again_as_the_server_asks(status: int) -> None:
    pauses = Pauses()
    with Receiver(in_turn(Answer(status, {"Retry-After": "3"}), Answer(status))) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url, pause=pauses)
        assert exporter.export(spans(2)) is SUCCESS
        exporter.shutdown()
    assert [r.names for r in receiver.requests] == [["s0", "s1"]] * 3
    (asked, own) = pauses.all
    assert asked == (3.0, False)  # nobody may hurry what the server asked for
    assert 0.25 <= own[0] <= 0.5
    assert own[1]


@pytest.mark.parametrize(
    ("attempt", "retry_after", "jitter", "expected"),
    [
        (1, None, 0.0, 0.25),
        (2, None, 0.0, 0.5),
        (2, None, 1.0, 0.25),
        (30, None, 0.0, 8.0),
        (1, "2", 1.0, 2.0),
        (1, "9999", 0.0, 30.0),
        (1, "-5", 0.0, 0.25),
        (1, "soon", 0.0, 0.25),
        (1, format_datetime(datetime.now(timezone.utc) - timedelta(hours=1)), 0.0, 0.0),
        (1, format_datetime(datetime.now(timezone.utc) + timedelta(hours=1)), 0.0, 30.0),
    ],
)
def test_delays(attempt: int, retry_after: str | None, jitter: float, expected: float) -> None:
    assert _exporter.delay_s(attempt, retry_after, jitter=jitter) == expected


def test_a_batch_that_stays_refused_is_given_up(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setattr(_exporter, "_RETRY_FOR_S", 1.0)
    pauses = Pauses()
    with Receiver(lambda _: Answer(503, {"Retry-After": "2"})) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url, pause=pauses)
        assert exporter.export(spans(2)) is FAILURE
        exporter.shutdown()
    assert (len(receiver.requests), pauses.all) == (1, [])
    assert "2 spans were not taken" in caplog.text
    assert "503" in caplog.text


def test_nobody_there_is_tried_again_then_given_up(caplog: pytest.LogCaptureFixture, monkeypatch: Any) -> None:
    monkeypatch.setattr(_exporter, "_RETRY_FOR_S", 3.0)
    pauses = Pauses()
    exporter = XraySpanExporter(endpoint=closed_url(), pause=pauses)
    assert exporter.export(spans(1)) is FAILURE
    assert exporter.unreachable
    assert len(pauses.all) >= 3
    assert "ConnectError" in caplog.text


def test_a_broken_connection_is_tried_again() -> None:
    calls: list[httpx.Request] = []

    def handle(request: httpx.Request) -> httpx.Response:
        calls.append(request)
        if len(calls) == 1:
            raise httpx.RemoteProtocolError("gone")
        return httpx.Response(200, json={})

    exporter = XraySpanExporter(
        endpoint="http://xray", timeout_s=4.0, transport=httpx.MockTransport(handle), pause=Pauses()
    )
    assert exporter.export(spans(1)) is SUCCESS
    assert len(calls) == 2
    assert not exporter.unreachable
    assert calls[0].extensions["timeout"] == {"connect": 4.0, "read": 4.0, "write": 4.0, "pool": 4.0}


def test_too_large_is_split_until_it_fits_in_order() -> None:
    with Receiver(lambda sent: Answer(413) if len(sent) > 2 else Answer()) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        assert exporter.export(spans(7)) is SUCCESS
        exporter.shutdown()
    assert receiver.names == [f"s{i}" for i in range(7)]
    assert [len(r.spans) for r in receiver.requests] == [7, 3, 1, 2, 4, 2, 2]


def test_one_span_that_is_too_large_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def answer(sent: list[Json]) -> Answer:
        return Answer(413) if any(s["name"] == "s2" for s in sent) else Answer()

    with Receiver(answer) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        assert exporter.export(spans(5)) is FAILURE
        exporter.shutdown()
    assert receiver.names == ["s0", "s1", "s3", "s4"]
    assert "1 spans were not taken" in caplog.text


def test_a_body_over_the_servers_limit_is_split_before_it_is_sent(monkeypatch: Any) -> None:
    monkeypatch.setattr(_exporter, "_BODY_MAX", 3000)
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        assert exporter.export(spans(4, attributes={"text": "x" * 1000})) is SUCCESS
        exporter.shutdown()
    assert [len(r.spans) for r in receiver.requests] == [2, 2]


def test_a_span_that_cannot_be_encoded_costs_no_other(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        assert exporter.export(spans(2) + spans(1, name="\ud800") + spans(1, name="t")) is FAILURE
        exporter.shutdown()
    assert receiver.names == ["s0", "s1", "t0"]
    assert "cannot be encoded" in caplog.text


def test_a_refusal_is_final_and_says_why(caplog: pytest.LogCaptureFixture) -> None:
    pauses = Pauses()
    with Receiver(lambda _: Answer(400, body=b'{"error":"invalid_otlp_body"}')) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url, pause=pauses)
        assert exporter.export(spans(1)) is FAILURE
        exporter.shutdown()
    assert (len(receiver.requests), pauses.all) == (1, [])
    assert "invalid_otlp_body" in caplog.text


def partial(message: str) -> Answer:
    return Answer(body=json.dumps({"partialSuccess": {"rejectedSpans": 4, "errorMessage": message}}).encode())


def test_spans_that_a_server_passes_over_are_a_warning_once_unless_that_is_usual(
    caplog: pytest.LogCaptureFixture,
) -> None:
    unknown, kind = "name a replay that does not exist", "are of no known vocabulary (xray, gen_ai)"
    answers = in_turn(partial(f"rejected: 1 {kind}"), partial(f"rejected: 3 {unknown}; 1 {kind}"))
    with Receiver(lambda sent: answers(sent) if len(sent) < 3 else partial(f"rejected: 4 {unknown}")) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        for count in (1, 2, 3, 4):
            assert exporter.export(spans(count)) is SUCCESS
        exporter.shutdown()
    assert [r.message for r in caplog.records] == [f"{exporter.url} passed over spans: 3 {unknown}"]


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"nonsense", b'{"partialSuccess":null}', b'{"partialSuccess":[]}'])
def test_another_servers_answer_is_as_good(body: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(lambda _: Answer(body=body)) as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url)
        assert exporter.export(spans(1)) is SUCCESS
        exporter.shutdown()
    assert caplog.text == ""


def test_shutdown_ends_a_wait_and_refuses_what_comes_later(caplog: pytest.LogCaptureFixture) -> None:
    with Receiver(lambda _: Answer(503)) as receiver:
        exporter: XraySpanExporter
        exporter = XraySpanExporter(endpoint=receiver.url, pause=lambda _s, _h: exporter.shutdown())
        assert exporter.export(spans(1)) is FAILURE
        assert exporter.export(spans(1)) is FAILURE
    assert len(receiver.requests) == 1
    assert caplog.text == ""


def test_it_never_raises(caplog: pytest.LogCaptureFixture) -> None:
    def handle(_: httpx.Request) -> httpx.Response:
        raise RuntimeError("a fault nobody thought of")

    exporter = XraySpanExporter(endpoint="http://xray", transport=httpx.MockTransport(handle))
    assert exporter.export(spans(1)) is FAILURE
    assert "a fault nobody thought of" in caplog.text


def test_it_is_not_traced_and_does_not_log_its_requests(caplog: pytest.LogCaptureFixture) -> None:
    suppressed: list[object] = []

    def handle(_: httpx.Request) -> httpx.Response:
        for key in ("_SUPPRESS_INSTRUMENTATION_KEY", "_SUPPRESS_HTTP_INSTRUMENTATION_KEY"):
            suppressed.append(otel_context.get_value(getattr(otel_context, key)))
        return httpx.Response(200, json={})

    with caplog.at_level(logging.INFO):
        exporter = XraySpanExporter(endpoint="http://xray", transport=httpx.MockTransport(handle))
        assert exporter.export(spans(1)) is SUCCESS
    assert suppressed == [True, True]
    assert caplog.records == []


@pytest.mark.parametrize(
    ("endpoint", "url"),
    [
        ("http://xray:8080", "http://xray:8080/v1/otlp/v1/traces"),
        (" http://xray:8080// ", "http://xray:8080/v1/otlp/v1/traces"),
        ("https://host/sub", "https://host/sub/v1/otlp/v1/traces"),
        ("http://xray:8080/v1/otlp/v1/traces", "http://xray:8080/v1/otlp/v1/traces"),
        ("http://[::1]:8080", "http://[::1]:8080/v1/otlp/v1/traces"),
    ],
)
def test_endpoints(endpoint: str, url: str) -> None:
    assert XraySpanExporter(endpoint=endpoint).url == url


@pytest.mark.parametrize(
    "endpoint",
    ["", "xray:8080", "ftp://xray", "http://", "http://xray:99999", "http://xray:x", "http://x?y=1", "http://x#y"],
)
def test_what_is_no_base_url_is_refused(endpoint: str) -> None:
    with pytest.raises(ValueError, match="endpoint"):
        XraySpanExporter(endpoint=endpoint)


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan")])
def test_a_timeout_that_is_none_is_refused(timeout_s: float) -> None:
    with pytest.raises(ValueError, match="timeout_s"):
        XraySpanExporter(endpoint="http://xray", timeout_s=timeout_s)


def test_the_environments_proxy_is_used_but_not_for_hosts_it_excludes(monkeypatch: Any) -> None:
    with Receiver() as receiver:
        monkeypatch.setenv("http_proxy", receiver.url)
        monkeypatch.setenv("no_proxy", "direct.invalid")
        through = XraySpanExporter(endpoint="http://xray.invalid:81", pause=Pauses())
        assert through.export(spans(1)) is SUCCESS
        through.shutdown()
        monkeypatch.setattr(_exporter, "_RETRY_FOR_S", 0.0)
        direct = XraySpanExporter(endpoint="http://direct.invalid:81", pause=Pauses())
        assert direct.export(spans(1)) is FAILURE
    assert [r.path for r in receiver.requests] == ["http://xray.invalid:81/v1/otlp/v1/traces"]


def test_no_proxy_stands_before_this_machine(monkeypatch: Any) -> None:
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with Receiver() as receiver:
        exporter = XraySpanExporter(endpoint=receiver.url, pause=Pauses())
        assert exporter.export(spans(1)) is SUCCESS
        exporter.shutdown()
    assert len(receiver.requests) == 1
