# SPDX-License-Identifier: Apache-2.0
"""The rows of the contract's table of errors that are about replays and their recordings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import samples
from refusals import JSON, STATES, UNKNOWN_HASH, UNKNOWN_REPLAY, WAV, Refusal, nested

UPLOADABLE = ("pending", "running", "recording_uploaded")
NAMES = {state: state for state in STATES} | {"failed_recorded": "failed"}  # replays of the world and their states
STRANGE_IDS = {
    "short": UNKNOWN_REPLAY[:-1],
    "long": UNKNOWN_REPLAY + "0",
    "not hex": "g" * 36,
    "dots": "..%2F" * 12,
    "up": "%2E%2E",
    "a file": "..%2F..%2F..%2F..%2F..%2F..%2Fetc%2Fpasswd",
    "NUL": UNKNOWN_REPLAY[:-1] + "%00",
}


def body(text: str | bytes) -> dict[str, Any]:
    return {"content": text, "headers": JSON}


def bad_json(call: str) -> Iterator[Refusal]:
    for case, text, issues in (
        ("not JSON", "{", ()),
        ("empty", "", ()),
        ("an array", "[]", ("",)),
        ("null", "null", ("",)),
        ("not UTF-8", b'{"x":"\xff"}', ()),
        ("an unpaired surrogate", r'{"x":"\ud800"}', ()),
        ("8,000 levels", nested(8_000), ()),
    ):
        yield Refusal(
            case=f"{call}: {case}",
            call=call,
            send=body(text),
            status=400,
            error="invalid_replay_request",
            issues=issues,
        )


def invalid_bodies() -> Iterator[Refusal]:
    for call in ("POST /v1/replays", "PATCH /v1/replays/{pending}", "POST /v1/replays/compare"):
        yield from bad_json(call)
    deep = '{"conversation_hash":"{hash}","run_config":%s}'
    calls: list[tuple[str, str, dict[str, Any], tuple[str, ...]]] = [
        ("no hash", "POST /v1/replays", {"json": {}}, ("conversation_hash",)),
        ("hash is a number", "POST /v1/replays", {"json": {"conversation_hash": 1}}, ("conversation_hash",)),
        ("hash is null", "POST /v1/replays", {"json": {"conversation_hash": None}}, ("conversation_hash",)),
        ("hash in upper case", "POST /v1/replays", {"json": {"conversation_hash": "A" * 64}}, ("conversation_hash",)),
        ("run_config of 65 levels", "POST /v1/replays", body(deep % nested(65)), ("run_config",)),
        ("run_config of 10,000 levels", "POST /v1/replays", body(deep % nested(10_000)), ("run_config",)),
        ("unknown state", "PATCH", {"json": {"lifecycle_state": "done"}}, ("lifecycle_state",)),
        ("state is null", "PATCH", {"json": {"lifecycle_state": None}}, ("lifecycle_state",)),
        ("unknown reason", "PATCH", {"json": {"failure_reason": "bored"}}, ("failure_reason",)),
        ("reason is a number", "PATCH", {"json": {"failure_reason": 1}}, ("failure_reason",)),
        ("finished_at without a zone", "PATCH", {"json": {"finished_at": "2024-01-01T00:00:00"}}, ("finished_at",)),
        ("finished_at is a number", "PATCH", {"json": {"finished_at": 1704067200}}, ("finished_at",)),
        ("finished_at on 30 February", "PATCH", {"json": {"finished_at": "2024-02-30T00:00:00Z"}}, ("finished_at",)),
        (
            "three at once",
            "PATCH",
            {"json": {"lifecycle_state": 1, "failure_reason": 1, "finished_at": 1}},
            ("failure_reason", "finished_at", "lifecycle_state"),
        ),
        ("compare nothing", "POST /v1/replays/compare", {"json": {}}, ("replay_ids",)),
        ("compare an object", "POST /v1/replays/compare", {"json": {"replay_ids": {}}}, ("replay_ids",)),
        (
            "compare numbers",
            "POST /v1/replays/compare",
            {"json": {"replay_ids": ["{pending}", 2, "x"]}},
            ("replay_ids[1]", "replay_ids[2]"),
        ),
    ]
    for case, call, send, issues in calls:
        path = "PATCH /v1/replays/{pending}" if call == "PATCH" else call
        yield Refusal(case=case, call=path, send=send, status=400, error="invalid_replay_request", issues=issues)


def compare_counts() -> Iterator[Refusal]:
    for count in (0, 1, 9):
        yield Refusal(
            case=f"compare {count}",
            call="POST /v1/replays/compare",
            send={"json": {"replay_ids": ["{pending}"] * count}},
            status=400,
            error="invalid_compare_selection",
            fields={"count": count, "min": 2, "max": 8},
        )


def calls_with_id(replay: str) -> Iterator[tuple[str, dict[str, Any], bool]]:
    """Every call that names a replay: (call, what to send, is it one of the audio calls)."""
    yield f"GET /v1/replays/{replay}", {}, False
    yield f"PATCH /v1/replays/{replay}", {"json": {"lifecycle_state": "running"}}, False
    yield f"POST /v1/replays/{replay}/analyze", {}, False
    yield f"POST /v1/replays/{replay}/retry", {}, False
    yield f"GET /v1/replays/{replay}/result", {}, False
    yield f"GET /v1/replays/{replay}/events", {}, False
    yield f"GET /v1/replays/{replay}/audio", {}, True
    yield f"GET /v1/replays/{replay}/audio/levels", {}, True
    yield f"POST /v1/replays/{replay}/audio", {"content": samples.silent_recording(), "headers": WAV}, True


def replay_ids() -> Iterator[Refusal]:
    for case, replay in STRANGE_IDS.items():
        for call, send, is_audio in calls_with_id(replay):
            error = "invalid_audio_path" if is_audio else "invalid_replay_id"
            yield Refusal(
                case=f"{call.replace(replay, case)}", call=call, send=send, status=400, error=error, issues=()
            )
    for replay in (UNKNOWN_REPLAY, "-" * 36, "0" * 36):
        for call, send, _ in calls_with_id(replay):
            yield Refusal(
                case=call, call=call, send=send, status=404, error="replay_not_found", fields={"replay_id": replay}
            )
    yield Refusal(
        case="compare with an unknown one",
        call="POST /v1/replays/compare",
        send={"json": {"replay_ids": ["{pending}", UNKNOWN_REPLAY]}},
        status=404,
        error="replay_not_found",
        fields={"replay_id": UNKNOWN_REPLAY},
    )
    yield Refusal(
        case="a replay of an unknown conversation",
        call="POST /v1/replays",
        send={"json": {"conversation_hash": UNKNOWN_HASH}},
        status=404,
        error="conversation_not_found",
        fields={"conversation_hash": UNKNOWN_HASH},
    )


def states() -> Iterator[Refusal]:
    for name, state in NAMES.items():
        replay = f"{{{name}}}"
        named = {"replay_id": replay, "current_state": state}
        not_ready = "replay_not_ready_for_analysis"
        if state != "recording_uploaded":
            call = f"POST /v1/replays/{replay}/analyze"
            yield Refusal(case=f"analyze {name}", call=call, status=409, error=not_ready, fields=named)
        if name != "failed_recorded":
            call = f"POST /v1/replays/{replay}/retry"
            yield Refusal(case=f"retry {name}", call=call, status=409, error=not_ready, fields=named)
        if state != "completed":
            yield Refusal(
                case=f"result of {name}",
                call=f"GET /v1/replays/{replay}/result",
                status=409,
                error="replay_not_evaluated",
                fields={"lifecycle_state": state},
            )
            call = f"GET /v1/replays/{replay}/audio/levels"
            yield Refusal(case=f"levels of {name}", call=call, status=409, error=not_ready, fields=named)
        if state not in UPLOADABLE:
            yield Refusal(
                case=f"upload to {name}",
                call=f"POST /v1/replays/{replay}/audio",
                send={"content": samples.silent_recording(), "headers": WAV},
                status=409,
                error="replay_upload_state_invalid",
                fields=named,
            )
    for name in ("pending", "running", "failed"):
        yield Refusal(
            case=f"recording of {name}",
            call=f"GET /v1/replays/{{{name}}}/audio",
            status=404,
            error="audio_not_found",
            fields={"replay_id": f"{{{name}}}"},
        )


def transitions() -> Iterator[Refusal]:
    """What a client may not do; what it may is in test_replays.py."""
    allowed = {"running": ("pending",), "failed": ("pending", "running", "recording_uploaded")}
    for name, state in NAMES.items():
        for to in STATES:
            if to == state or state in allowed.get(to, ()):
                continue
            yield Refusal(
                case=f"{name} to {to}",
                call=f"PATCH /v1/replays/{{{name}}}",
                send={"json": {"lifecycle_state": to}},
                status=409,
                error="invalid_lifecycle_transition",
                fields={"replay_id": f"{{{name}}}", "from": state, "to": to},
            )
    for name, state in (("completed", "completed"), ("failed", "failed")):
        for change in ({"failure_reason": "stalled"}, {"finished_at": "2024-01-01T00:00:00Z"}):
            yield Refusal(
                case=f"{name}: change {', '.join(change)}",
                call=f"PATCH /v1/replays/{{{name}}}",
                send={"json": change},
                status=409,
                error="invalid_lifecycle_transition",
                fields={"replay_id": f"{{{name}}}", "from": state, "to": state},
            )


def recordings() -> Iterator[Refusal]:
    call = "POST /v1/replays/{pending}/audio"
    good = samples.silent_recording()
    for case, header, named in (
        ("JSON", "application/json", "application/json"),
        ("parameters and case", "Text/Plain; charset=UTF-8", "text/plain"),
        ("mp3", "audio/mpeg", "audio/mpeg"),
        ("none", None, None),
    ):
        headers = {} if header is None else {"Content-Type": header}
        yield Refusal(
            case=f"content type: {case}",
            call=call,
            send={"content": good, "headers": headers},
            status=415,
            error="unsupported_content_type",
            fields={"content_type": named},
        )
    for value in ("", "now", "1704067200", "2024-01-01", "2024-01-01T00:00:00", "2024-13-01T00:00:00Z", "20240101T0Z"):
        yield Refusal(
            case=f"anchor {value!r}",
            call=call,
            send={"content": good, "headers": WAV | {"X-Recording-Started-At": value}},
            status=400,
            error="invalid_recording_started_at",
            issues=(),
        )
    header = samples.pcm_header
    for case, content in {
        "empty": b"",
        "no WAV": b"not audio at all" * 100,
        "mono": header(channels=1, data_bytes=400) + bytes(400),
        "three channels": header(channels=3, data_bytes=600) + bytes(600),
        "16 kHz": header(channels=2, rate=16000, data_bytes=400) + bytes(400),
        "32 bits": header(channels=2, bits=32, data_bytes=400) + bytes(400),
        "float": header(channels=2, bits=32, tag=3, data_bytes=400) + bytes(400),
        "no channel": header(channels=0, data_bytes=400) + bytes(400),
        "a length that lies": header(channels=2, data_bytes=0x7FFFFFFF) + bytes(9600),
        "cut in the middle": good[: len(good) // 2],
        "only a header's start": good[:20],
    }.items():
        yield Refusal(
            case=f"recording: {case}",
            call=call,
            send={"content": content, "headers": WAV},
            status=400,
            error="invalid_audio",
            fields={"reason": str},
        )
