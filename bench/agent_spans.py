# SPDX-License-Identifier: Apache-2.0
"""The spans that the figures of the receiver are measured with, and requests made of them in either encoding.

They are what a voice agent of LiveKit Agents sends for one turn of a conversation, ten spans in all: six of the
framework's own (lk.*), one stage of ours (xray.*), two model calls and one tool call (gen_ai.*). A span has about ten
attributes; two to four of them (code.*, thread.*, server.*) no vocabulary keeps. What is kept of a span is on average a
JSON object of 250 bytes, which makes the detail of a replay of 5,000 spans 3.2 MB.

A request is made once and patched for each time that it is sent: see Patch.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

Value = str | int | float | bool
Attributes = dict[str, Value]

SENTENCES = [
    "Hello, I would like to know where my order is, please.",
    "Sure, could you tell me the number of your order?",
    "It is four, seven, one, one, and I ordered it on Monday.",
    "Thank you. Your order was sent yesterday and arrives tomorrow before noon.",
    "Great, thanks. Can I still change the address it is sent to?",
]
TURN_SPANS = 10
ROOT = -1  # instead of a span's index: the span that is every turn's parent
STEP_NS = 6_000_000  # between the starts of two spans


@dataclass(frozen=True)
class Span:
    name: str
    duration_ms: int
    attributes: Attributes


def turn(n: int) -> list[Span]:
    """The ten spans of turn n; the first is the parent of the others."""
    said, answer = SENTENCES[n % len(SENTENCES)], SENTENCES[(n + 1) % len(SENTENCES)]
    speech = f"speech_{n * 2654435761 % 16**12:012x}"
    return [*_agent(n, speech, said, answer), *_user(n, said), *_model_and_tool(n, speech)]


def _site(function: str, line: int) -> Attributes:
    """What instrumentation adds and no vocabulary keeps."""
    return {"code.function.name": function, "code.file.path": "voice/agent_activity.py", "code.line.number": line}


def _agent(n: int, speech: str, said: str, answer: str) -> list[Span]:
    ids: Attributes = {"lk.speech_id": speech, "lk.generation_id": f"{speech}_1"}
    return [
        Span(
            "agent_turn",
            2900,
            ids
            | {"lk.agent_label": "shop.SupportAgent", "lk.pii.user_input": said, "lk.interrupted": n % 7 == 0}
            | {"lk.e2e_latency": 0.8125}
            | _site("_pipeline_reply_task", 1873),
        ),
        Span(
            "llm_node",
            610,
            ids
            | {"lk.pii.response.text": answer, "lk.function_tools": ["lookup_order", "lookup_address"][n % 2]}
            | {"lk.response.ttft": 0.284, "lk.retry_count": 0}
            | _site("llm_node", 411),
        ),
        Span(
            "tts_node",
            1400,
            ids
            | {"lk.pii.input_text": answer, "lk.tts.streaming": True, "lk.tts.label": "livekit.plugins.openai.tts.TTS"}
            | {"lk.response.ttfb": 0.193}
            | _site("tts_node", 487),
        ),
        Span(
            "agent_speaking",
            2100,
            ids
            | {"lk.participant_identity": f"agent-AJ_{n % 9:05d}", "thread.name": "job-1"}
            | {"lk.start_time": 1754049600.25 + n, "lk.end_time": 1754049602.35 + n, "lk.interrupted": False}
            | _site("_update_agent_state", 1032),
        ),
    ]


def _user(n: int, said: str) -> list[Span]:
    return [
        Span(
            "user_turn",
            1800,
            {"lk.participant_identity": "xray-driver", "thread.name": "job-1"}
            | {"lk.pii.user_transcript": said, "lk.transcript_confidence": 0.9375, "lk.transcription_delay": 0.231}
            | {"lk.end_of_turn_delay": 0.512}
            | _site("on_end_of_turn", 1544),
        ),
        Span(
            "eou_detection",
            45,
            {"lk.eou.probability": 0.90625, "lk.eou.unlikely_threshold": 0.0289, "lk.eou.endpointing_delay": 0.5}
            | {
                "lk.eou.language": "en",
                "lk.eou.source": "stt",
                "lk.eou.from_cache": False,
                "lk.eou.detection_delay": 0.034,
            }
            | {"thread.name": "job-1"}
            | _site("_bounce_eou_task", 903),
        ),
        Span(
            "xray.stage.stt",
            230,
            {"xray.turn.idx": n, "xray.stage.provider": "deepgram", "xray.stage.model": "nova-3"}
            | {"xray.stage.audio_ms": 1800 + n, "xray.stage.text": said, "xray.stage.streaming": True}
            | _site("observe", 77),
        ),
    ]


def _model_and_tool(n: int, speech: str) -> list[Span]:
    return [
        _chat(n, "gpt-4.1-mini", 412 + n, 38),
        _chat(n, "gpt-4.1-mini", 530 + n, 61),
        Span(
            "execute_tool lookup_order",
            140,
            {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "lookup_order"}
            | {"gen_ai.tool.call.id": f"call_{n:08d}", "lk.speech_id": speech}
            | {"gen_ai.tool.call.arguments": json.dumps({"order_id": f"4711-{n}"})}
            | {"gen_ai.tool.call.result": json.dumps({"state": "sent", "due": "2025-08-02", "items": 3})}
            | _site("_execute_tools_task", 131),
        ),
    ]


def _chat(n: int, model: str, read: int, written: int) -> Span:
    return Span(
        f"chat {model}",
        590,
        {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai", "gen_ai.request.model": model}
        | {"gen_ai.response.model": f"{model}-2025-04-14", "gen_ai.response.id": f"chatcmpl-{n:010d}"}
        | {"gen_ai.usage.input_tokens": read, "gen_ai.usage.output_tokens": written}
        | {"gen_ai.response.time_to_first_chunk": 0.284}
        | {"server.address": "api.openai.com", "server.port": 443, "thread.name": "job-1"},
    )


@dataclass(frozen=True)
class Patch:
    """Bytes of a request that differ each time. `kind` and what `n` is:
    r  the replay's id, 36 characters
    t  the trace's id: one a replay
    s  span n's id: never the same again
    p  the parent's id: span n's, or the replay's root for n = -1
    b  a time: n nanoseconds after the request's
    Ids and times are hexadecimal and decimal digits in JSON; raw bytes, little-endian, in protobuf."""

    kind: str
    at: int
    n: int = 0


@dataclass(frozen=True)
class Piece:
    """Bytes and the patches in them."""

    data: bytes
    patches: tuple[Patch, ...] = ()


def join(pieces: Iterable[Piece]) -> Piece:
    data, patches = bytearray(), list[Patch]()
    for piece in pieces:
        patches += [replace(patch, at=patch.at + len(data)) for patch in piece.patches]
        data += piece.data
    return Piece(bytes(data), tuple(patches))


def hole(size: int, kind: str, n: int = 0) -> Piece:
    return Piece(b"0" * size, (Patch(kind, 0, n),))


@dataclass(frozen=True)
class Numbered:
    """A span and its place in a request."""

    span: Span
    index: int
    parent: int

    @property
    def start_ns(self) -> int:
        return self.index * STEP_NS

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.span.duration_ms * 1_000_000


RESOURCE: Attributes = {"service.name": "support-agent", "telemetry.sdk.language": "python"}
REPLAY = "xray.replay.id"
SCOPE = ("livekit-agents", "1.3.2")


def _json_text(text: str) -> Piece:
    return Piece(text.encode())


def _json_attribute(key: str, value: Value) -> str:
    kind = {str: "stringValue", bool: "boolValue", int: "intValue", float: "doubleValue"}[type(value)]
    return json.dumps({"key": key, "value": {kind: value}}, separators=(",", ":"))


def _json_span(it: Numbered) -> Piece:
    attributes = ",".join(_json_attribute(key, value) for key, value in it.span.attributes.items())
    return join(
        [
            _json_text('{"traceId":"'),
            hole(32, "t"),
            _json_text('","spanId":"'),
            hole(16, "s", it.index),
            _json_text('","parentSpanId":"'),
            hole(16, "p", it.parent),
            _json_text(f'","name":"{it.span.name}","kind":1,"startTimeUnixNano":"'),
            hole(19, "b", it.start_ns),
            _json_text('","endTimeUnixNano":"'),
            hole(19, "b", it.end_ns),
            _json_text(f'","attributes":[{attributes}],"droppedAttributesCount":0,"events":[],"droppedEventsCount":0,'),
            _json_text('"status":{"code":0},"links":[],"droppedLinksCount":0}'),
        ]
    )


def encode_json(spans: list[Numbered]) -> Piece:
    """As @opentelemetry/exporter-trace-otlp-http writes it."""
    resource = ",".join(_json_attribute(key, value) for key, value in RESOURCE.items())
    comma = _json_text(",")
    listed = [part for it in spans for part in (comma, _json_span(it))][1:]
    return join(
        [
            _json_text(f'{{"resourceSpans":[{{"resource":{{"attributes":[{resource},'),
            _json_text(f'{{"key":"{REPLAY}","value":{{"stringValue":"'),
            hole(36, "r"),
            _json_text('"}}],"droppedAttributesCount":0},"scopeSpans":[{"scope":'),
            _json_text(json.dumps(dict(zip(("name", "version"), SCOPE, strict=True)), separators=(",", ":"))),
            _json_text(',"spans":['),
            *listed,
            _json_text("]}]}]}"),
        ]
    )


VARINT, FIXED64, LENGTH = 0, 1, 2  # protobuf's wire types


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def _field(number: int, *content: Piece) -> Piece:
    whole = join(content)
    return join([Piece(_varint(number << 3 | LENGTH) + _varint(len(whole.data))), whole])


def _text(number: int, text: str) -> Piece:
    return _field(number, Piece(text.encode()))


def _number(number: int, value: int) -> Piece:
    return Piece(_varint(number << 3 | VARINT) + _varint(value))


def _time(number: int, offset_ns: int) -> Piece:
    return join([Piece(_varint(number << 3 | FIXED64)), hole(8, "b", offset_ns)])


def _any_value(value: Value) -> Piece:
    if isinstance(value, str):
        return _text(1, value)
    if isinstance(value, bool):
        return _number(2, int(value))
    if isinstance(value, int):
        return _number(3, value)
    return Piece(_varint(4 << 3 | FIXED64) + struct.pack("<d", value))


def _key_value(number: int, key: str, value: Piece) -> Piece:
    return _field(number, _text(1, key), _field(2, value))


def _protobuf_span(it: Numbered) -> Piece:
    return _field(
        2,
        _field(1, hole(16, "t")),
        _field(2, hole(8, "s", it.index)),
        _field(4, hole(8, "p", it.parent)),
        _text(5, it.span.name),
        _number(6, 1),
        _time(7, it.start_ns),
        _time(8, it.end_ns),
        *(_key_value(9, key, _any_value(value)) for key, value in it.span.attributes.items()),
        _field(15),
    )


def encode_protobuf(spans: list[Numbered]) -> Piece:
    """As the OTLP exporters of Python and Go write it."""
    resource = [_key_value(1, key, _any_value(value)) for key, value in RESOURCE.items()]
    named = _key_value(1, REPLAY, _field(1, hole(36, "r")))
    scope = _field(1, _text(1, SCOPE[0]), _text(2, SCOPE[1]))
    return _field(1, _field(1, *resource, named), _field(2, scope, *map(_protobuf_span, spans)))


ENCODERS: dict[str, Callable[[list[Numbered]], Piece]] = {"json": encode_json, "protobuf": encode_protobuf}


def numbered(count: int) -> list[Numbered]:
    """As many spans as wanted: turn after turn, and of the last one as many as are missing."""
    spans = [span for n in range(-(-count // TURN_SPANS)) for span in turn(n)]
    return [
        Numbered(span, index, index - index % TURN_SPANS if index % TURN_SPANS else ROOT)
        for index, span in enumerate(spans[:count])
    ]


def write_request(folder: Path, encoding: str, spans: int) -> None:
    """A request of so many spans for load_otlp.c, as `body` and `patches` in the folder."""
    request = ENCODERS[encoding](numbered(spans))
    (folder / "body").write_bytes(request.data)
    lines = [f"{patch.kind} {patch.at} {patch.n}\n" for patch in request.patches]
    (folder / "patches").write_text("".join(lines))
