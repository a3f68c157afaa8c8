# SPDX-License-Identifier: Apache-2.0
"""Bodies of the OTLP receiver in both encodings, from one description: protobuf by OpenTelemetry's own classes, JSON by
hand, as the standard writes it."""

from __future__ import annotations

import base64
import gzip
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue

from api import Api, Json

PATHS = ("/v1/traces", "/v1/otlp/v1/traces")
REPLAY_ID = "xray.replay.id"
TRACE = bytes.fromhex("5b8efff798038103d269b633813fc60c")
START_NS = 1_704_067_200_000_000_000  # 2024-01-01T00:00:00Z
MS = 1_000_000
SPANS_MAX, REPLAY_SPANS_MAX = 8192, 5000  # XR_OTLP_SPANS_MAX, XR_REPLAY_SPANS_MAX
MIB = 1 << 20
BODY_MAX, REPLAY_TEXT_MAX = 16 * MIB, 24 * MIB  # XR_BODY_OTLP_MAX, XR_REPLAY_SPAN_BYTES_MAX
DEPTH_MAX = 32  # XR_OTLP_DEPTH_MAX
Attributes = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Span:
    """Attribute values: str, bool, int, float, bytes, lists and dicts of these; None is an AnyValue without a value."""

    name: str = "chat"
    attributes: Attributes = field(default_factory=dict[str, Any])
    span_id: bytes = field(default_factory=lambda: os.urandom(8))
    trace_id: bytes = TRACE
    parent: bytes = b""
    start: int = START_NS
    end: int = START_NS + 50 * MS


@dataclass(frozen=True)
class Resource:
    attributes: Attributes
    spans: Sequence[Span]


def _fill(value: AnyValue, given: Any) -> None:
    if isinstance(given, str):
        value.string_value = given
    elif isinstance(given, bool):
        value.bool_value = given
    elif isinstance(given, int):
        value.int_value = given
    elif isinstance(given, float):
        value.double_value = given
    elif isinstance(given, bytes):
        value.bytes_value = given
    elif isinstance(given, list):
        value.array_value.SetInParent()
        for item in given:  # pyright: ignore[reportUnknownVariableType]
            _fill(value.array_value.values.add(), item)
    elif isinstance(given, dict):
        value.kvlist_value.SetInParent()
        _fill_all(value.kvlist_value.values.add, given)  # pyright: ignore[reportUnknownArgumentType]


def _fill_all(add: Callable[[], KeyValue], attributes: Attributes) -> None:
    for key, given in attributes.items():
        attribute = add()
        attribute.key = key
        attribute.value.SetInParent()
        _fill(attribute.value, given)


def to_protobuf(resources: Iterable[Resource]) -> bytes:
    request = ExportTraceServiceRequest()
    for resource in resources:
        of_resource = request.resource_spans.add()
        _fill_all(of_resource.resource.attributes.add, resource.attributes)
        spans = of_resource.scope_spans.add().spans
        for given in resource.spans:
            span = spans.add()
            span.trace_id, span.span_id, span.parent_span_id = given.trace_id, given.span_id, given.parent
            span.name = given.name
            span.start_time_unix_nano, span.end_time_unix_nano = given.start, given.end
            _fill_all(span.attributes.add, given.attributes)
    return request.SerializeToString()


def json_value(given: Any) -> Json:
    """An AnyValue."""
    if isinstance(given, str):
        return {"stringValue": given}
    if isinstance(given, bool):
        return {"boolValue": given}
    if isinstance(given, int):
        return {"intValue": str(given)}
    if isinstance(given, float):
        return {"doubleValue": given}
    if isinstance(given, bytes):
        return {"bytesValue": base64.b64encode(given).decode()}
    if isinstance(given, list):
        return {"arrayValue": {"values": [json_value(item) for item in given]}}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(given, dict):
        return {"kvlistValue": {"values": json_attributes(given)}}  # pyright: ignore[reportUnknownArgumentType]
    return {}


def json_attributes(attributes: Attributes) -> list[Json]:
    return [{"key": key, "value": json_value(given)} for key, given in attributes.items()]


def json_span(span: Span) -> Json:
    return {
        "traceId": span.trace_id.hex(),
        "spanId": span.span_id.hex(),
        "parentSpanId": span.parent.hex(),
        "name": span.name,
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": str(span.end),
        "attributes": json_attributes(span.attributes),
    }


def json_request(attributes: Attributes, spans: Iterable[Json]) -> Json:
    """A request of spans that are JSON already."""
    resource = {"attributes": json_attributes(attributes)}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": list(spans)}]}]}


def to_json(resources: Iterable[Resource]) -> bytes:
    parts = [json_request(resource.attributes, map(json_span, resource.spans)) for resource in resources]
    return json.dumps({"resourceSpans": [part["resourceSpans"][0] for part in parts]}).encode()


@dataclass(frozen=True)
class Outcome:
    rejected: int
    message: str


def _read_json(reply: httpx.Response) -> Outcome:
    body = reply.json()
    assert set(body) == {"partialSuccess"}
    partial = body["partialSuccess"]
    assert {"rejectedSpans"} <= set(partial) <= {"rejectedSpans", "errorMessage"}
    return Outcome(partial["rejectedSpans"], partial.get("errorMessage", ""))


def _read_protobuf(reply: httpx.Response) -> Outcome:
    body = ExportTraceServiceResponse.FromString(reply.content)
    assert body.HasField("partial_success")
    return Outcome(body.partial_success.rejected_spans, body.partial_success.error_message)


@dataclass(frozen=True)
class Encoding:
    name: str
    content_type: str
    body: Callable[[Iterable[Resource]], bytes]
    read: Callable[[httpx.Response], Outcome]

    @property
    def headers(self) -> dict[str, str]:
        return {"Content-Type": self.content_type}

    def __str__(self) -> str:
        return self.name


JSON = Encoding("json", "application/json", to_json, _read_json)
PROTOBUF = Encoding("protobuf", "application/x-protobuf", to_protobuf, _read_protobuf)
ENCODINGS = (JSON, PROTOBUF)


def of_replay(replay: str, spans: Sequence[Span]) -> list[Resource]:
    """Spans whose resource names the replay."""
    return [Resource({REPLAY_ID: replay}, spans)]


def post(
    api: Api, body: bytes, encoding: Encoding = JSON, *, packed: bool = False, path: str = PATHS[0]
) -> httpx.Response:
    headers = encoding.headers | ({"Content-Encoding": "gzip"} if packed else {})
    return api.http.post(path, content=gzip.compress(body, 1) if packed else body, headers=headers)


def accepted(reply: httpx.Response, encoding: Encoding) -> Outcome:
    """What a 200 says, in the caller's encoding."""
    assert reply.status_code == 200, reply.text[:1000]
    assert reply.headers["content-type"] == encoding.content_type
    outcome = encoding.read(reply)
    assert bool(outcome.message) == (outcome.rejected > 0)
    return outcome


def send(
    api: Api,
    resources: Iterable[Resource],
    encoding: Encoding = PROTOBUF,
    *,
    packed: bool = False,
    path: str = PATHS[0],
) -> Outcome:
    return accepted(post(api, encoding.body(resources), encoding, packed=packed, path=path), encoding)


def send_json(api: Api, request: Any) -> Outcome:
    """A request that is JSON already: an object, or its text."""
    body = request if isinstance(request, bytes) else json.dumps(request).encode()
    return accepted(post(api, body, JSON), JSON)


def stored(api: Api, replay: str, *spans: Span, encoding: Encoding = PROTOBUF) -> Json:
    """Sends spans, none of which may be rejected; the replay's detail."""
    assert send(api, of_replay(replay, spans), encoding) == Outcome(0, "")
    return api.detail(replay)


def send_bytes(api: Api, body: bytes) -> Outcome:
    """A protobuf request as bytes."""
    return accepted(post(api, body, PROTOBUF), PROTOBUF)


def only(rows: list[Json]) -> Json:
    (row,) = rows
    return row


def kept(span: Json) -> Json:
    """The attributes of a detail's span."""
    return json.loads(span["attributes_json"])
