# SPDX-License-Identifier: Apache-2.0
"""A difference between the server and its description is noticed."""

from __future__ import annotations

import copy
from typing import Any

import httpx
import pytest

from contract import ContractError, Json, check, check_event, check_response, document

HASH = "5c8d0f7be1a94326b7d1e0c35f8a2946dd03b1c7e2f4a6958b7c6d5e4f3a2b10"
REPLAY = "3f2b8c1e-6a4d-4f0e-9b7a-2d5c8e1f0a93"
ID = {"X-Request-Id": "1", "Cache-Control": "no-store"}
WAV = {"Content-Type": "audio/wav"}


def reply_to(
    method: str, url: str, status: int, body: Any = None, headers: dict[str, str] | None = None, **request: Any
) -> httpx.Response:
    return httpx.Response(
        status,
        headers=ID if headers is None else headers,
        request=httpx.Request(method, "http://server" + url, **request),
        **({} if body is None else {"json": body}),
    )


def detail() -> Json:
    return copy.deepcopy(document()["components"]["examples"]["replay_completed"]["value"])


def changed(*path: str | int, to: Any) -> Json:
    """The example of a detail with one value changed."""
    body = detail()
    place: Any = body
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = to
    return body


def without(field: str) -> Json:
    return {key: value for key, value in detail().items() if key != field}


def test_a_described_response_passes() -> None:
    check(reply_to("GET", f"/v1/replays/{REPLAY}", 200, detail()))
    check(reply_to("GET", "/healthz", 200, {"ok": True}))
    check(reply_to("GET", "/v1/nothing", 404, {"error": "not_found"}))
    check(reply_to("GET", "/v1/nothing", 400, {"error": "bad_request"}))
    check(reply_to("GET", "/conversations", 200, None, {"Content-Type": "text/html"}))


@pytest.mark.parametrize(
    "body",
    [
        without("audio_levels"),
        changed("analysis_step", to="resting"),
        changed("extra", to=1),
        changed("turn_metrics", 1, "extra", to=1),
        changed("turn_metrics", 1, "agent_response_ms", to=780.5),
        changed("turn_metrics", 1, "agent_response_ms", to=780.0),
        changed("turns", 0, "idx", to=True),
        changed("transcripts", 1, "words", to=[]),
        changed("started_at", to="2026-03-02T16:20:05Z"),
        changed("job_id", to=42),
        changed("spans", 0, "attributes_json", to={}),
        changed("spans", 0, "vocabulary", to="other"),
        {"error": "not_found"},
        [],
    ],
)
def test_a_body_that_is_not_described_is_noticed(body: object) -> None:
    with pytest.raises(ContractError):
        check(reply_to("GET", f"/v1/replays/{REPLAY}", 200, body))


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (201, detail()),
        (400, {"error": "invalid_query", "issues": [{"path": "id", "message": "m"}]}),  # another operation's
        (400, {"error": "invalid_replay_id", "issues": []}),
        (400, {"error": "invalid_replay_id"}),
        (404, {"error": "not_found"}),
        (404, {"error": "replay_not_found", "replay_id": REPLAY, "extra": None}),
        (404, {"error": "replay_not_found"}),
        (405, {"error": "method_not_allowed"}),  # no Allow
        (418, {"error": "teapot"}),
        (503, {"error": "overloaded"}),  # no Retry-After
        (507, {"error": "storage_full"}),  # it reads only
    ],
)
def test_an_error_that_is_not_described_is_noticed(status: int, body: Json) -> None:
    with pytest.raises(ContractError):
        check(reply_to("GET", f"/v1/replays/{REPLAY}", status, body))


@pytest.mark.parametrize(
    "content",
    [
        b'{"ok":true',
        b'{"ok":NaN}',
        b'{"ok":true,"ok":true}',
        b'{"ok":true}\xff',
        '{"ok":true}\u2028'.encode(),
        b"",
    ],
)
def test_a_body_that_is_not_the_apis_json_is_noticed(content: bytes) -> None:
    headers = ID | {"Content-Type": "application/json"}
    reply = httpx.Response(200, headers=headers, content=content, request=httpx.Request("GET", "http://s/healthz"))
    with pytest.raises(ContractError):
        check(reply)


@pytest.mark.parametrize(
    "reply",
    [
        reply_to("GET", "/healthz", 200, {"ok": True}, {}),  # no request id
        reply_to("GET", "/healthz", 200, {"ok": True}, ID | {"Content-Type": "text/plain"}),
        reply_to("GET", "/v1/conversations", 200, {"items": [], "next_cursor": None}),  # no ETag
        reply_to("GET", "/v1/conversations", 304, {"items": []}, ID | {"ETag": '"1"'}),  # a body
        reply_to("GET", f"/v1/replays/{REPLAY}/audio", 200, None, ID | WAV | {"ETag": '"1"'}),  # no ranges
        reply_to("GET", f"/v1/replays/{REPLAY}/audio", 416, {"error": "range_not_satisfiable"}),
        reply_to("DELETE", "/healthz", 405, {"error": "method_not_allowed"}, ID | {"Allow": "GET"}),  # and HEAD
        reply_to("DELETE", "/healthz", 404, {"error": "not_found"}),
        reply_to("GET", "/v1/nothing", 405, {"error": "method_not_allowed"}, ID | {"Allow": "GET"}),
    ],
)
def test_headers_and_methods_that_are_not_described_are_noticed(reply: httpx.Response) -> None:
    with pytest.raises(ContractError):
        check(reply)


def test_a_request_that_should_not_have_been_accepted_is_noticed() -> None:
    page: Json = {"items": [], "next_cursor": None}
    headers = ID | {"ETag": '"1"', "Cache-Control": "no-cache"}
    check(reply_to("GET", "/v1/conversations?limit=500", 200, page, headers))
    with pytest.raises(ContractError):
        check(reply_to("GET", "/v1/conversations?limit=501", 200, page, headers))
    pending = document()["components"]["examples"]["replay_pending"]["value"]
    check(reply_to("POST", "/v1/replays", 201, pending, json={"conversation_hash": HASH, "more": 1}))
    with pytest.raises(ContractError):
        check(reply_to("POST", "/v1/replays", 201, pending, json={"conversation_hash": HASH.upper()}))


def test_an_operation_that_is_not_described_is_noticed() -> None:
    with pytest.raises(ContractError):
        check_response(reply_to("PUT", "/v1/replays", 200, {}), "PUT", "/v1/replays")


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("state", {"type": "state", "lifecycle_state": "running"}),
        ("progress", {"type": "progress", "percent": 101, "step": "vad"}),
        ("progress", {"type": "progress", "percent": 1, "step": None}),
        ("state", {"type": "failed", "reason": "stalled"}),
        ("failed", {"type": "failed", "reason": None}),
        ("other", {"type": "other"}),
    ],
)
def test_an_event_that_is_not_described_is_noticed(name: str, data: Json) -> None:
    with pytest.raises(ContractError):
        check_event(name, data)
