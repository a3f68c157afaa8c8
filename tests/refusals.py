# SPDX-License-Identifier: Apache-2.0
"""The contract's table of errors as data: requests and what each must be answered. test_errors.py sends them.

Texts may name things of the world that test_errors.py makes: "{pending}" is the id of a replay in that state, "{hash}"
a conversation's. `fields` are all members of the body but `error` and `issues`; a type stands for any value of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import samples
from api import Json

STATES = ("pending", "running", "recording_uploaded", "analyzing", "completed", "failed")
UNKNOWN_REPLAY = "00000000-0000-4000-8000-000000000000"
UNKNOWN_HASH = "0" * 64
WAV = {"Content-Type": "audio/wav"}
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, kw_only=True)
class Refusal:
    case: str
    call: str
    send: Mapping[str, Any] = field(default_factory=dict[str, Any])
    status: int
    error: str
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    issues: tuple[str, ...] | None = None  # their paths; () for any, but at least one
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def form(spec: Any, *files: tuple[str, bytes]) -> Json:
    """httpx arguments of a conversation; spec as JSON unless it is text already."""
    text = spec if isinstance(spec, str | bytes) else json.dumps(spec)
    parts: list[tuple[str, Any]] = [("spec", (None, text))]
    return {"files": parts + [(key, (f"{key}.wav", body, "audio/wav")) for key, body in files]}


def turns(*items: Any, **more: Any) -> Json:
    return {"name": "n", "turns": list(items), **more}


def with_assertion(assertion: Any) -> Json:
    return turns({"role": "agent", "assertions": [{"kind": "tool_called", "name": "t"}, assertion]})


def with_judge(judge: Any) -> Json:
    return turns({"role": "agent"}, judges=[judge])


def recorded(key: str = "a", role: str = "user") -> Json:
    return {"role": role, "audio": {"kind": "recorded", "upload_key": key}}


def nested(levels: int) -> str:
    return "[" * levels + "]" * levels


A = "turns[0].assertions[1]"
# case, spec, paths of the issues
SPECS: list[tuple[str, Any, tuple[str, ...]]] = [
    ("spec is not JSON", "{", ()),
    ("spec is empty", "", ()),
    ("spec is an array", [], ("",)),
    ("spec is null", None, ("",)),
    ("nothing given", {}, ("name", "turns")),
    ("name is empty", turns({"role": "user"}) | {"name": ""}, ("name",)),
    ("name of 257 characters", turns({"role": "user"}) | {"name": "n" * 257}, ("name",)),
    ("name of 257 UTF-16 units", turns({"role": "user"}) | {"name": "n" + "\U0001f600" * 128}, ("name",)),
    ("name is null", turns({"role": "user"}) | {"name": None}, ("name",)),
    ("no turns", turns(), ("turns",)),
    ("1,025 turns", turns(*[{"role": "user"}] * 1025), ("turns",)),
    ("turns is an object", {"name": "n", "turns": {}}, ("turns",)),
    ("live is a number", turns({"role": "user"}, live=1), ("live",)),
    ("a turn is a string", turns("x"), ("turns[0]",)),
    ("role is unknown", turns({"role": "user"}, {"role": "system"}), ("turns[1].role",)),
    ("role is missing", turns({}), ("turns[0].role",)),
    ("text is null", turns({"role": "user", "text": None}), ("turns[0].text",)),
    ("text of 65,537", turns({"role": "user", "text": "x" * 65537}), ("turns[0].text",)),
    ("key is empty", turns({"role": "user", "key": ""}), ("turns[0].key",)),
    ("key of 129", turns({"role": "user", "key": "k" * 129}), ("turns[0].key",)),
    ("audio is a string", turns({"role": "user", "audio": "tts"}), ("turns[0].audio",)),
    ("audio is null", turns({"role": "user", "audio": None}), ("turns[0].audio",)),
    ("audio's kind is unknown", turns({"role": "user", "audio": {"kind": "x"}}), ("turns[0].audio.kind",)),
    ("upload_key is missing", turns({"role": "user", "audio": {"kind": "recorded"}}), ("turns[0].audio.upload_key",)),
    ("upload_key with a slash", turns(recorded("a/b")), ("turns[0].audio.upload_key",)),
    ("upload_key of 129", turns(recorded("k" * 129)), ("turns[0].audio.upload_key",)),
    (
        "voice_id of 1,025",
        turns({"role": "user", "text": "x", "audio": {"kind": "tts", "voice_id": "v" * 1025}}),
        ("turns[0].audio.voice_id",),
    ),
    (
        "33 assertions",
        turns({"role": "agent", "assertions": [{"kind": "tool_called", "name": "t"}] * 33}),
        ("turns[0].assertions",),
    ),
    ("an assertion is null", with_assertion(None), (A,)),
    ("an assertion without a kind", with_assertion({}), (f"{A}.kind",)),
    ("an assertion of unknown kind", with_assertion({"kind": "sounds_like"}), (f"{A}.kind",)),
    ("contains nothing", with_assertion({"kind": "contains", "text": ""}), (f"{A}.text",)),
    ("contains without text", with_assertion({"kind": "contains"}), (f"{A}.text",)),
    ("contains 2,049", with_assertion({"kind": "contains", "text": "x" * 2049}), (f"{A}.text",)),
    (
        "case_insensitive is a string",
        with_assertion({"kind": "not_contains", "text": "x", "case_insensitive": "yes"}),
        (f"{A}.case_insensitive",),
    ),
    ("equals a number", with_assertion({"kind": "equals", "text": 5}), (f"{A}.text",)),
    ("trim is null", with_assertion({"kind": "equals", "text": "", "trim": None}), (f"{A}.trim",)),
    ("pattern is empty", with_assertion({"kind": "regex", "pattern": ""}), (f"{A}.pattern",)),
    ("flags unknown", with_assertion({"kind": "regex", "pattern": "a", "flags": "x"}), (f"{A}.flags",)),
    ("nine flags", with_assertion({"kind": "regex", "pattern": "a", "flags": "g" * 9}), (f"{A}.flags",)),
    ("tool name of 257", with_assertion({"kind": "tool_called", "name": "t" * 257}), (f"{A}.name",)),
    ("tool name missing", with_assertion({"kind": "tool_not_called"}), (f"{A}.name",)),
    ("args is an array", with_assertion({"kind": "tool_args_match", "name": "t", "args": []}), (f"{A}.args",)),
    ("args missing", with_assertion({"kind": "tool_args_match", "name": "t"}), (f"{A}.args",)),
    ("max_ms is 0", with_assertion({"kind": "max_latency_ms", "max_ms": 0}), (f"{A}.max_ms",)),
    ("max_ms is 1.5", with_assertion({"kind": "max_ttft_ms", "max_ms": 1.5}), (f"{A}.max_ms",)),
    ("max_ms is 1e300", with_assertion({"kind": "max_ttft_ms", "max_ms": 1e300}), (f"{A}.max_ms",)),
    ("max_ms is a string", with_assertion({"kind": "max_ttft_ms", "max_ms": "1"}), (f"{A}.max_ms",)),
    ("judges is null", turns({"role": "agent"}, judges=None), ("judges",)),
    ("nine judges", turns({"role": "agent"}, judges=[{"kind": "text_match", "reference": "r"}] * 9), ("judges",)),
    ("a judge of unknown kind", with_judge({"kind": "x"}), ("judges[0].kind",)),
    ("no reference", with_judge({"kind": "text_match"}), ("judges[0].reference",)),
    ("reference of 8,193", with_judge({"kind": "text_match", "reference": "r" * 8193}), ("judges[0].reference",)),
    (
        "rubric of 2,049",
        with_judge({"kind": "text_match", "reference": "r", "rubric": "r" * 2049}),
        ("judges[0].rubric",),
    ),
    (
        "pass_score of 101",
        with_judge({"kind": "text_match", "reference": "r", "pass_score": 101}),
        ("judges[0].pass_score",),
    ),
    (
        "several at once",
        {"name": "", "turns": [{"role": "x"}, {"role": "user", "key": ""}], "judges": [{"kind": "text_match"}]},
        ("judges[0].reference", "name", "turns[0].role", "turns[1].key"),
    ),
    ("an unpaired surrogate in the name", r'{"name":"\ud800","turns":[{"role":"user"}]}', ()),
    ("an unpaired surrogate in a text", r'{"name":"n","turns":[{"role":"user","text":"a\udc00"}]}', ()),
    ("a surrogate pair the wrong way round", r'{"name":"\ude00\ud83d","turns":[{"role":"user"}]}', ()),
    ("10,000 levels of JSON", nested(10_000), ()),
    ("10,000 levels in the turns", f'{{"name":"n","turns":{nested(10_000)}}}', ()),
    (
        "65 levels of args",
        with_assertion({"kind": "tool_args_match", "name": "t", "args": {"a": json.loads(nested(64))}}),
        (f"{A}.args",),
    ),
    (
        "10,000 levels of args",
        '{"name":"n","turns":[{"role":"agent","assertions":[{"kind":"tool_args_match","name":"t","args":{"a":'
        f"{nested(10_000)}}}}}]}}]}}",
        ("turns[0].assertions[0].args",),
    ),
    ("not UTF-8", b'{"name":"\xff","turns":[{"role":"user"}]}', ()),
    ("an overlong encoding", b'{"name":"\xc0\x80","turns":[{"role":"user"}]}', ()),
    ("a surrogate in UTF-8", b'{"name":"\xed\xa0\x80","turns":[{"role":"user"}]}', ()),
    ("text after the JSON", '{"name":"n","turns":[{"role":"user"}]} x', ()),
    ("a comment", '{"name":"n","turns":[{"role":"user"}]/**/}', ()),
    ("a trailing comma", '{"name":"n","turns":[{"role":"user"},]}', ()),
    ("NaN", '{"name":"n","turns":[{"role":"agent","assertions":[{"kind":"max_ttft_ms","max_ms":NaN}]}]}', ()),
]


def conversation(case: str, send: Json, error: str, *, issues: tuple[str, ...] | None = None, **fields: Any) -> Refusal:
    return Refusal(
        case=case, call="POST /v1/conversations", send=send, status=400, error=error, issues=issues, fields=fields
    )


def invalid_forms() -> Iterator[Refusal]:
    error = "invalid_conversation_request"
    spec = json.dumps(samples.SPEC)
    for case, value, paths in SPECS:
        yield conversation(case, form(value), error, issues=paths)
    yield conversation("JSON instead of a form", {"json": samples.SPEC}, error, issues=())
    yield conversation("a urlencoded form", {"data": {"spec": spec}}, error, issues=())
    yield conversation("no body", {}, error, issues=())
    broken = {"content": b"--b\r\n", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}
    yield conversation("a form that does not end", broken, error, issues=())
    no_boundary = {"content": b"--b--", "headers": {"Content-Type": "multipart/form-data"}}
    yield conversation("a form without a boundary", no_boundary, error, issues=())
    yield conversation("no spec", {"files": [("a", ("a.wav", samples.turn()))]}, error, issues=())
    yield conversation("two specs", {"files": [("spec", (None, spec))] * 2}, error, issues=())
    yield conversation("spec is a file", {"files": [("spec", ("spec.json", spec))]}, error, issues=())
    twice = form(turns(recorded()), ("a", samples.turn()), ("a", samples.turn()))
    yield conversation("a file twice", twice, error, issues=())
    value = form(turns(recorded()))["files"] + [("a", (None, "x"))]
    yield conversation("a value in place of a file", {"files": value}, error, issues=())


def wrong_turn_audio() -> Iterator[Refusal]:
    missing, extra = "recorded_audio_upload_key_missing", "recorded_audio_upload_key_unreferenced"
    wav = samples.turn()
    yield conversation("a file is missing", form(turns(recorded("a"))), missing, upload_key="a")
    two = form(turns(recorded("a"), recorded("b")), ("a", wav))
    yield conversation("one of two files is missing", two, missing, upload_key="b")
    yield conversation("a file nobody names", form(samples.SPEC, ("z", wav)), extra, upload_key="z")
    header = samples.pcm_header
    for case, body in {
        "empty": b"",
        "no WAV": b"not audio at all" * 100,
        "stereo": header(channels=2, data_bytes=400) + bytes(400),
        "44.1 kHz": header(rate=44100, data_bytes=400) + bytes(400),
        "a length that lies": header(data_bytes=4000) + bytes(400),
        "8 bits": header(bits=8, data_bytes=400) + bytes(400),
        "24 bits": header(bits=24, data_bytes=300) + bytes(300),
        "float": header(bits=32, tag=3, data_bytes=400) + bytes(400),
        "compressed": header(tag=0x11, data_bytes=400) + bytes(400),
        "no chunks": b"RIFF\x04\x00\x00\x00WAVE",
        "no data": header()[:36],
        "big-endian": b"RIFX" + header(data_bytes=4)[4:] + bytes(4),
    }.items():
        send = form(turns({"role": "user"}, recorded("k.1")), ("k.1", body))
        yield conversation(f"recorded audio: {case}", send, "invalid_recorded_audio", upload_key="k.1", reason=str)


def wrong_speech() -> Iterator[Refusal]:
    tts = {"kind": "tts"}
    no_text, role = "tts_turn_missing_text", "tts_turn_invalid_role"
    user = {"role": "user"}
    yield conversation("nothing to speak", form(turns(user, {"role": "user", "audio": tts})), no_text, turn_idx=1)
    empty = turns({"role": "user", "audio": tts, "text": ""})
    yield conversation("an empty text to speak", form(empty), no_text, turn_idx=0)
    agent = turns(user, user, {"role": "agent", "audio": tts, "text": "hi"})
    yield conversation("the agent is spoken", form(agent), role, turn_idx=2)
    voice = turns({"role": "user", "text": "hello", "audio": {"kind": "tts", "voice_id": "no-such-voice"}})
    yield Refusal(
        case="a voice that does not exist",
        call="POST /v1/conversations",
        send=form(voice),
        status=502,
        error="tts_synthesis_failed",
        fields={"provider": "local", "status_code": None},
    )


def conversation_ids() -> Iterator[Refusal]:
    paths = ["/v1/conversations/%s", "/v1/conversations/%s/replays", "/v1/conversations/%s/turns/0/audio"]
    bad = {"short": "0" * 63, "long": "0" * 65, "upper case": "A" * 64, "not hex": "g" * 64, "dots": "..%2F" * 12}
    for path in paths:
        for case, value in bad.items():
            yield Refusal(
                case=f"{path}, {case}",
                call=f"GET {path % value}",
                status=400,
                error="invalid_conversation_hash",
                issues=(),
            )
        yield Refusal(
            case=f"{path}, unknown",
            call=f"GET {path % UNKNOWN_HASH}",
            status=404,
            error="conversation_not_found",
            fields={"conversation_hash": UNKNOWN_HASH},
        )
    for value in ("x", "-1", "1.5", "00000", "12345", "%30x", "99999999999999999999"):
        yield Refusal(
            case=f"turn {value}",
            call=f"GET /v1/conversations/{{hash}}/turns/{value}/audio",
            status=400,
            error="invalid_turn_index",
            issues=(),
        )
    for case, path, idx in (("no audio", "{hash}/turns/0", 0), ("no such turn", "{hash}/turns/9999", 9999)):
        yield Refusal(
            case=f"a turn: {case}",
            call=f"GET /v1/conversations/{path}/audio",
            status=404,
            error="turn_audio_not_found",
            fields={"conversation_hash": "{hash}", "turn_idx": idx},
        )


def queries() -> Iterator[Refusal]:
    lists = {"/v1/conversations": True, "/v1/conversations/{hash}/replays": False}
    limits = ("0", "501", "-1", "x", "1.5", "", "%20", "1%00", "99999999999999999999")
    for path, has_q in lists.items():
        wrong = [(f"limit={value}", ("limit",)) for value in limits]
        wrong += [("cursor=", ("cursor",)), ("cursor=garbage", ("cursor",)), (f"cursor={'A' * 3000}", ("cursor",))]
        wrong += [("limit=0&cursor=x", ("cursor", "limit"))]
        wrong += [(f"q={'q' * 257}", ("q",))] if has_q else []
        for query, issues in wrong:
            yield Refusal(
                case=f"{path}?{query[:40]}",
                call=f"GET {path}?{query}",
                status=400,
                error="invalid_query",
                issues=issues,
            )
    for value in ("9", "1001", "x", ""):
        yield Refusal(
            case=f"bucket_ms={value}",
            call=f"GET /v1/replays/{{completed}}/audio/levels?bucket_ms={value}",
            status=400,
            error="invalid_query",
            issues=("bucket_ms",),
        )


def ranges() -> Iterator[Refusal]:
    for path, size in {
        "/v1/replays/{completed}/audio": "{recording_bytes}",
        "/v1/conversations/{recorded_hash}/turns/0/audio": "{turn_bytes}",
    }.items():
        for value in ("bytes=99999999-", "bytes=99999999-100000000", "bytes=-0", "bytes=18446744073709551615-"):
            yield Refusal(
                case=f"{path}, {value}",
                call=f"GET {path}",
                send={"headers": {"Range": value}},
                status=416,
                error="range_not_satisfiable",
                headers={"content-range": f"bytes */{size}"},
            )


def not_found() -> Iterator[Refusal]:
    for path in ("/v1", "/v1/", "/v1/nothing", "/v1/conversations/{hash}/nothing", "/v1/replays/{pending}/x", "/v2.x"):
        yield Refusal(case=path, call=f"GET {path}", status=404, error="not_found")
    yield Refusal(case="POST /v1/nothing", call="POST /v1/nothing", send={"json": {}}, status=404, error="not_found")


def wrong_method() -> Iterator[Refusal]:
    allowed = {
        "/healthz": "GET, HEAD",
        "/readyz": "GET, HEAD",
        "/openapi.json": "GET, HEAD",
        "/v1/conversations": "GET, HEAD, POST",
        "/v1/conversations/{hash}": "GET, HEAD",
        "/v1/conversations/{hash}/replays": "GET, HEAD",
        "/v1/conversations/{hash}/turns/0/audio": "GET, HEAD",
        "/v1/replays": "POST",
        "/v1/replays/{pending}": "GET, HEAD, PATCH",
        "/v1/replays/{pending}/analyze": "POST",
        "/v1/replays/{pending}/retry": "POST",
        "/v1/replays/{pending}/result": "GET, HEAD",
        "/v1/replays/{pending}/events": "GET, HEAD",
        "/v1/replays/{pending}/audio": "GET, HEAD, POST",
        "/v1/replays/{pending}/audio/levels": "GET, HEAD",
        "/v1/traces": "POST",
        "/v1/otlp/v1/traces": "POST",
    }
    for path, allow in allowed.items():
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            if method not in allow.split(", "):
                yield Refusal(
                    case=f"{method} {path}",
                    call=f"{method} {path}",
                    status=405,
                    error="method_not_allowed",
                    headers={"allow": allow},
                )
