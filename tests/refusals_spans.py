# SPDX-License-Identifier: Apache-2.0
"""The errors of the receiver of spans, as data; see refusals.py."""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Mapping
from typing import Any

from api import Json
from otlp import DEPTH_MAX, ENCODINGS, JSON, PATHS, PROTOBUF, REPLAY_ID, SPANS_MAX, Encoding, Resource, Span
from refusals import Refusal

# What is wrong, and the path of the issue.
BODIES: list[tuple[str, bytes, str]] = [
    ("nothing", b"", ""),
    ("no JSON", b"{", ""),
    ("rubbish behind it", b"{} x", ""),
    ("a trailing comma", b'{"resourceSpans":[],}', ""),
    ("not UTF-8", b'{"resourceSpans":[],"a":"\xff"}', ""),
    ("null", b"null", ""),
    ("an array", b"[]", ""),
    ("a string", b'"{}"', ""),
    ("resourceSpans is an object", b'{"resourceSpans":{}}', "resourceSpans"),
    ("resource_spans is a string", b'{"resource_spans":"x"}', "resourceSpans"),
    ("resource spans are a number", b'{"resourceSpans":[{},5]}', "resourceSpans[1]"),
    ("scopeSpans is a number", b'{"resourceSpans":[{"scopeSpans":1}]}', "resourceSpans[0].scopeSpans"),
    ("scope spans are null", b'{"resourceSpans":[{"scopeSpans":[null]}]}', "resourceSpans[0].scopeSpans[0]"),
    (
        "spans is true",
        b'{"resourceSpans":[{"scopeSpans":[{},{"spans":true}]}]}',
        "resourceSpans[0].scopeSpans[1].spans",
    ),
    (
        "a span is a string",
        b'{"resourceSpans":[{"scopeSpans":[{"spans":[{},{},"x"]}]}]}',
        "resourceSpans[0].scopeSpans[0].spans[2]",
    ),
]
PROTOBUF_BODIES: list[tuple[str, bytes, str]] = [
    ("text", b"resourceSpans", ""),
    ("a length beyond the end", b"\x0a\x05\x12\x00", ""),
    ("a field of number 0", b"\x02\x00", ""),
    ("a varint of 11 bytes", b"\x08" + b"\xff" * 11, ""),
    ("broken resource spans", b"\x0a\x00\x0a\x02\x12\x7f", "resourceSpans[1]"),
    ("a broken resource", b"\x0a\x04\x0a\x02\x0a\x7f", "resourceSpans[0].resource"),
    ("broken scope spans", b"\x0a\x04\x12\x02\x12\x7f", "resourceSpans[0].scopeSpans[0]"),
    ("a broken span", b"\x0a\x06\x12\x04\x12\x02\x2a\x7f", "resourceSpans[0].scopeSpans[0].spans[0]"),
    (
        "a broken attribute",
        b"\x0a\x08\x12\x06\x12\x04\x4a\x02\x0a\x7f",
        "resourceSpans[0].scopeSpans[0].spans[0]",
    ),
]


def body(encoding: Encoding, content: bytes, **headers: str) -> Json:
    return {"content": content, "headers": encoding.headers | headers}


def broken() -> Iterator[Refusal]:
    for encoding, bodies in ((JSON, BODIES), (PROTOBUF, PROTOBUF_BODIES)):
        for case, content, path in bodies:
            yield Refusal(
                case=f"{encoding}: {case}",
                call=f"POST {PATHS[0]}",
                send=body(encoding, content),
                status=400,
                error="invalid_otlp_body",
                issues=(path,),
            )
    for case, content in (("plain", b"{}"), ("cut", gzip.compress(b"{}")[:-1]), ("empty", b"")):
        yield Refusal(
            case=f"gzip: {case}",
            call=f"POST {PATHS[1]}",
            send=body(JSON, content, **{"Content-Encoding": "gzip"}),
            status=400,
            error="invalid_otlp_body",
            issues=("",),
        )


def over_a_limit() -> Iterator[Refusal]:
    deep: Any = 1
    for _ in range(DEPTH_MAX + 1):
        deep = [deep]
    named = {REPLAY_ID: "{pending}"}  # never filled in: it is the whole request that is refused
    cases: dict[str, tuple[Resource, Mapping[str, Any]]] = {
        "too_many_spans_per_request": (
            Resource(named, [Span(span_id=b"")] * (SPANS_MAX + 1)),
            {"max_spans": SPANS_MAX, "received": SPANS_MAX + 1},
        ),
        "protobuf_nesting_too_deep": (
            Resource(named, [Span(), Span(attributes={"gen_ai.x": deep})]),
            {"max_depth": DEPTH_MAX},
        ),
    }
    for error, (resource, fields) in cases.items():
        for encoding in ENCODINGS:
            yield Refusal(
                case=str(encoding),
                call=f"POST {PATHS[0]}",
                send=body(encoding, encoding.body([resource])),
                status=400,
                error=error,
                fields=fields,
            )


def wire_types() -> Iterator[Refusal]:
    for wire_type in (3, 4, 6, 7):
        for path in PATHS:
            yield Refusal(
                case=f"{wire_type}, {path}",
                call=f"POST {path}",
                send=body(PROTOBUF, bytes([15 << 3 | wire_type])),
                status=400,
                error="unsupported_wire_type",
                fields={"wire_type": wire_type},
            )


def content_types() -> Iterator[Refusal]:
    types = {
        None: None,
        "text/plain": "text/plain",
        "Text/HTML; charset=utf-8": "text/html",
        "application/protobuf": "application/protobuf",
        "application/grpc": "application/grpc",
        "application/jsonx": "application/jsonx",
    }
    for path in PATHS:
        for given, named in types.items():
            yield Refusal(
                case=f"{given}, {path}",
                call=f"POST {path}",
                send={"content": b"{}", "headers": {} if given is None else {"Content-Type": given}},
                status=415,
                error="unsupported_content_type",
                fields={"content_type": named},
            )
    for packing, named in (("br", "br"), ("deflate", "deflate"), ("gzip, gzip", "gzip, gzip"), ("ZSTD", "zstd")):
        yield Refusal(
            case=f"Content-Encoding: {packing}",
            call=f"POST {PATHS[0]}",
            send=body(JSON, b"{}", **{"Content-Encoding": packing}),
            status=415,
            error="unsupported_content_type",
            fields={"content_type": "application/json", "content_encoding": named},
        )
