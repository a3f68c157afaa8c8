# SPDX-License-Identifier: Apache-2.0
"""The real server and its description say the same. Every response is held against the document by the client (api.py);
these tests ask for each of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

import contract
from api import Api, Json, dialogue, silence, tone, wav
from contract import document, operations, problems
from servers import StartServer
from xrayd_process import Xrayd

HASH = "5c8d0f7be1a94326b7d1e0c35f8a2946dd03b1c7e2f4a6958b7c6d5e4f3a2b10"
REPLAY = "3f2b8c1e-6a4d-4f0e-9b7a-2d5c8e1f0a93"
AGENT: Json = {"name": "n", "turns": [{"role": "agent"}]}
WAV = {"Content-Type": "audio/wav"}


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """One server for many small requests that leave nothing to the next."""
    with Xrayd(tmp_path_factory.mktemp("shared") / "data") as server, Api(server.url) as client:
        yield client


def test_openapi_json_is_the_document(api: Api) -> None:
    reply = api.http.get("/openapi.json")
    assert reply.status_code == 200
    assert contract.parse_json(reply.text) == document()


def test_the_reference_loads_only_from_this_server(api: Api) -> None:
    page = api.http.get("/docs")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    links = [link for link in re.findall(r'(?:src|href)="([^"]+)"', page.text) if not link.startswith("data:")]
    assert links
    for link in links:
        url = urljoin(str(page.url), link)
        assert url.startswith(str(api.http.base_url)), link
        assert api.http.get(url).status_code == 200, link


class Seen:
    """(method, path, status) of everything a client was answered."""

    def __init__(self, api: Api) -> None:
        self.answers: set[tuple[str, str, int]] = set()
        api.http.event_hooks["response"].append(self._note)

    def _note(self, reply: httpx.Response) -> None:
        path = reply.request.url.raw_path.decode().partition("?")[0]
        template, _ = contract.find_template(reply.request.method, path)
        if template:
            self.answers.add((reply.request.method, template, reply.status_code))


def test_every_operation_answers_as_described(api: Api) -> None:
    seen = Seen(api)
    conversation = api.new_conversation(
        {
            "name": "tour",
            "turns": [
                {"role": "user", "text": "hello", "audio": {"kind": "tts", "voice_id": "slt"}},
                {"role": "agent", "key": "a", "assertions": EVERY_ASSERTION},
                {"role": "user", "audio": {"kind": "recorded", "upload_key": "again"}},
            ],
            "judges": [{"kind": "text_match", "reference": "hello"}],
        },
        {"again": wav([tone(0.3)])},
    )
    audio = f"/v1/conversations/{conversation}/turns/0/audio"
    read(api, audio)
    recording = dialogue(("user", 0.6), ("agent", 0.6), ("user", 0.6))
    replay, verdict = api.run(conversation, recording, started_at="2026-03-01T10:00:00.123456789+01:00")
    assert verdict["type"] == "evaluation_complete"
    assert verdict["result"] == api.http.get(f"/v1/replays/{replay}/result").json()
    read(api, f"/v1/replays/{replay}/audio")
    assert api.http.get(f"/v1/replays/{replay}/audio/levels", params={"bucket_ms": 50}).status_code == 200
    failed = api.new_replay(conversation, run_config={"n": [1, 2.5, None, "\u0000\u2028"]})
    assert api.http.patch(f"/v1/replays/{failed}", json={"lifecycle_state": "running"}).status_code == 200
    assert api.upload(failed, wav([silence(0.5), silence(0.5)])).status_code == 200
    body = {"lifecycle_state": "failed", "failure_reason": "timeout", "finished_at": "2026-03-01T10:00:00Z"}
    assert api.http.patch(f"/v1/replays/{failed}", json=body).status_code == 200
    assert api.http.post(f"/v1/replays/{failed}/retry").status_code == 202
    assert api.verdict(failed) == {"type": "failed", "reason": "spec_vad_mismatch"}
    assert api.http.post("/v1/replays/compare", json={"replay_ids": [replay, failed]}).status_code == 200
    assert api.detail(replay)["lifecycle_state"] == "completed"
    for path in ("/v1/traces", "/v1/otlp/v1/traces"):
        assert api.http.post(path, json={"resourceSpans": []}).status_code == 200
    for path in ("", f"/{conversation}", f"/{conversation}/replays", f"/{conversation}/replays?limit=1"):
        assert api.http.get("/v1/conversations" + path).status_code == 200
    for path in ("/healthz", "/readyz", "/openapi.json", "/docs", "/docs/swagger-ui.css"):
        assert api.http.get(path).status_code == 200
    succeeded = {(method, path) for method, path, status in seen.answers if 200 <= status < 300}
    assert {(method, path) for method, path, _ in operations()} - succeeded == set()


def read(api: Api, path: str) -> None:
    """A file in whole, in part, not at all, and out of its bounds."""
    whole = api.http.get(path)
    assert whole.status_code == 200
    assert int(whole.headers["Content-Length"]) == len(whole.content)
    part = api.http.get(path, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, whole.content[4:8])
    assert api.http.get(path, headers={"If-None-Match": whole.headers["ETag"]}).status_code == 304
    assert api.http.get(path, headers={"Range": f"bytes={len(whole.content)}-"}).status_code == 416
    assert api.http.head(path).status_code == 200


EVERY_ASSERTION: list[Json] = [
    {"kind": "contains", "text": "a"},
    {"kind": "not_contains", "text": "a", "case_insensitive": False},
    {"kind": "equals", "text": ""},
    {"kind": "regex", "pattern": "a|b"},
    {"kind": "tool_called", "name": "t"},
    {"kind": "tool_not_called", "name": "t"},
    {"kind": "tool_args_match", "name": "t", "args": {"a": [1, {"b": None}]}},
    {"kind": "max_latency_ms", "max_ms": 1},
    {"kind": "max_ttft_ms", "max_ms": 9007199254740991},
]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("DELETE", "/healthz", 405),
        ("PUT", "/v1/conversations", 405),
        ("POST", "/v1/conversations/x", 405),
        ("DELETE", "/v1/replays/compare", 405),
        ("GET", "/v1/", 404),
        ("GET", "/v1/nothing", 404),
        ("POST", "/v1/replays/x/y/z", 404),
        ("GET", "/docs/nothing.css", 404),
        ("GET", "/v1/conversations?limit=0", 400),
        ("GET", "/v1/conversations?limit=501&cursor=x&q=" + "q" * 257, 400),
        ("GET", "/v1/conversations/x", 400),
        ("GET", f"/v1/conversations/{HASH.upper()}", 400),
        ("GET", f"/v1/conversations/{HASH}", 404),
        ("GET", "/v1/conversations/x/replays", 400),
        ("GET", f"/v1/conversations/{HASH}/replays?limit=x", 400),
        ("GET", f"/v1/conversations/{HASH}/replays", 404),
        ("GET", "/v1/conversations/x/turns/0/audio", 400),
        ("GET", f"/v1/conversations/{HASH}/turns/12345/audio", 400),
        ("GET", f"/v1/conversations/{HASH}/turns/0/audio", 404),
        ("POST", "/v1/conversations", 400),
        ("POST", "/v1/replays", 400),
        ("POST", "/v1/replays/compare", 400),
        ("GET", "/v1/replays/compare", 400),
        ("GET", "/v1/replays/..%2F..%2Fetc", 400),
        ("GET", f"/v1/replays/{REPLAY}", 404),
        ("GET", f"/v1/replays/{'-' * 36}", 404),
        ("PATCH", "/v1/replays/x", 400),
        ("POST", "/v1/replays/x/analyze", 400),
        ("POST", f"/v1/replays/{REPLAY}/analyze", 404),
        ("POST", "/v1/replays/x/retry", 400),
        ("POST", f"/v1/replays/{REPLAY}/retry", 404),
        ("GET", "/v1/replays/x/result", 400),
        ("GET", f"/v1/replays/{REPLAY}/result", 404),
        ("GET", "/v1/replays/x/events", 400),
        ("GET", f"/v1/replays/{REPLAY}/events", 404),
        ("POST", "/v1/replays/x/audio", 400),
        ("POST", f"/v1/replays/{REPLAY}/audio", 415),
        ("GET", "/v1/replays/x/audio", 400),
        ("GET", f"/v1/replays/{REPLAY}/audio", 404),
        ("GET", "/v1/replays/x/audio/levels", 400),
        ("GET", f"/v1/replays/{REPLAY}/audio/levels", 404),
    ],
)
def test_refusals_are_described(shared: Api, method: str, path: str, status: int) -> None:
    assert shared.http.request(method, path).status_code == status


def test_refusals_of_states_and_bodies_are_described(api: Api) -> None:
    conversation = api.new_conversation(AGENT)
    replay = api.new_replay(conversation)
    url = f"/v1/replays/{replay}"
    http = api.http
    assert http.get(url + "/result").status_code == 409
    assert http.post(url + "/analyze").status_code == 409
    assert http.post(url + "/retry").status_code == 409
    assert http.get(url + "/audio").status_code == 404
    assert http.get(url + "/audio/levels?bucket_ms=9").status_code == 400
    assert http.get(url + "/audio/levels").status_code == 409
    assert http.patch(url, json={"lifecycle_state": "completed"}).status_code == 409
    assert http.patch(url, json={"lifecycle_state": "resting", "finished_at": 1}).status_code == 400
    assert http.patch(url, content=b" " * 65537).status_code == 413
    assert http.post("/v1/replays/compare", json={"replay_ids": [replay]}).status_code == 400
    assert http.post("/v1/replays/compare", json={"replay_ids": [replay, REPLAY]}).status_code == 404
    assert http.post("/v1/replays", json={"conversation_hash": HASH}).status_code == 404
    assert http.post(url + "/audio", content=b"RIFF", headers=WAV).status_code == 400
    assert api.upload(replay, b"", started_at="yesterday").status_code == 400
    assert http.get(f"/v1/conversations/{conversation}/turns/0/audio").status_code == 404
    assert http.patch(url, json={"lifecycle_state": "failed"}).status_code == 200
    assert api.upload(replay, wav([silence(0.1), silence(0.1)])).status_code == 409


def test_refusals_of_audio_are_described(shared: Api) -> None:
    recorded = user(audio={"kind": "recorded", "upload_key": "k"})
    sent = {"k": wav([tone(0.1)])}
    refused = {
        "recorded_audio_upload_key_missing": shared.conversation(recorded),
        "recorded_audio_upload_key_unreferenced": shared.conversation(AGENT, sent),
        "invalid_recorded_audio": shared.conversation(recorded, {"k": wav([tone(0.1)], rate=44100)}),
        "tts_turn_missing_text": shared.conversation(user(audio={"kind": "tts"})),
        "tts_turn_invalid_role": shared.conversation(user(role="agent", text="t", audio={"kind": "tts"})),
    }
    for code, reply in refused.items():
        assert (reply.status_code, reply.json()["error"]) == (400, code)
    too_large = shared.conversation(AGENT | {"padding": "x" * 262144})
    assert (too_large.status_code, too_large.json()["max_bytes"]) == (413, 262144)


def test_a_provider_without_its_key_is_described(start_server: StartServer) -> None:
    with Api(start_server(env={"XRAY_TTS_PROVIDER": "openai"}).url) as api:
        reply = api.conversation(user(text="t", audio={"kind": "tts"}))
    assert (reply.status_code, reply.json()) == (
        503,
        {"error": "tts_provider_unconfigured", "env_var": "OPENAI_API_KEY"},
    )


def user(**fields: Any) -> Json:
    return {"name": "n", "turns": [{"role": "user"} | fields]}


def agent(*assertions: Json) -> Json:
    return {"name": "n", "turns": [{"role": "agent", "assertions": list(assertions)}]}


def judged(**fields: Any) -> Json:
    return AGENT | {"judges": [{"kind": "text_match", "reference": "r"} | fields]}


SPECS: dict[str, Json] = {
    "agent_only": AGENT,
    "no_turns": {"name": "n", "turns": []},
    "live_without_turns": {"name": "n", "turns": [], "live": True},
    "live_false_without_turns": {"name": "n", "turns": [], "live": False},
    "turns_absent": {"name": "n"},
    "name_absent": {"turns": [{"role": "agent"}]},
    "name_empty": AGENT | {"name": ""},
    "name_longest": AGENT | {"name": "n" * 256},
    "name_too_long": AGENT | {"name": "n" * 257},
    "name_null": AGENT | {"name": None},
    "name_of_any_characters": AGENT | {"name": "\u0000\u2028\U0001f600"},
    "live_null": AGENT | {"live": None},
    "unknown_field": AGENT | {"unknown": 1},
    "turns_most": AGENT | {"turns": [{"role": "agent"}] * 1024},
    "turns_too_many": AGENT | {"turns": [{"role": "agent"}] * 1025},
    "role_unknown": user(role="caller"),
    "text_longest": user(text="t" * 65536),
    "text_too_long": user(text="t" * 65537),
    "text_null": user(text=None),
    "key_empty": user(key=""),
    "key_longest": user(key="k" * 128),
    "key_too_long": user(key="k" * 129),
    "audio_null": user(audio=None),
    "audio_unknown": user(audio={"kind": "other"}),
    "upload_key_absent": user(audio={"kind": "recorded"}),
    "upload_key_too_long": user(audio={"kind": "recorded", "upload_key": "k" * 129}),
    "upload_key_with_space": user(audio={"kind": "recorded", "upload_key": "a b"}),
    "voice_too_long": user(text="t", audio={"kind": "tts", "voice_id": "v" * 1025}),
    "voice_null": user(text="t", audio={"kind": "tts", "voice_id": None}),
    "all_assertions": agent(*EVERY_ASSERTION),
    "assertions_most": agent(*[{"kind": "equals", "text": ""}] * 32),
    "assertions_too_many": agent(*[{"kind": "equals", "text": ""}] * 33),
    "contains_empty": agent({"kind": "contains", "text": ""}),
    "contains_longest": agent({"kind": "contains", "text": "t" * 2048}),
    "contains_too_long": agent({"kind": "contains", "text": "t" * 2049}),
    "case_insensitive_number": agent({"kind": "contains", "text": "t", "case_insensitive": 1}),
    "contains_absent": agent({"kind": "contains"}),
    "equals_too_long": agent({"kind": "equals", "text": "t" * 2049}),
    "trim_null": agent({"kind": "equals", "text": "t", "trim": None}),
    "regex_empty": agent({"kind": "regex", "pattern": ""}),
    "regex_longest": agent({"kind": "regex", "pattern": "p" * 2048, "flags": "gimsuygi"}),
    "regex_too_long": agent({"kind": "regex", "pattern": "p" * 2049}),
    "flags_too_long": agent({"kind": "regex", "pattern": "p", "flags": "gimsuygim"}),
    "flags_unknown": agent({"kind": "regex", "pattern": "p", "flags": "x"}),
    "flags_line_feed": agent({"kind": "regex", "pattern": "p", "flags": "i\n"}),
    "tool_empty": agent({"kind": "tool_called", "name": ""}),
    "tool_too_long": agent({"kind": "tool_called", "name": "n" * 257}),
    "args_absent": agent({"kind": "tool_args_match", "name": "n"}),
    "args_array": agent({"kind": "tool_args_match", "name": "n", "args": []}),
    "max_ms_zero": agent({"kind": "max_latency_ms", "max_ms": 0}),
    "max_ms_fraction": agent({"kind": "max_latency_ms", "max_ms": 1.5}),
    "max_ms_too_large": agent({"kind": "max_latency_ms", "max_ms": 9007199254740992}),
    "max_ms_string": agent({"kind": "max_ttft_ms", "max_ms": "1"}),
    "assertion_unknown": agent({"kind": "other"}),
    "assertion_empty": agent({}),
    "judge_plain": judged(),
    "reference_empty": judged(reference=""),
    "reference_too_long": judged(reference="r" * 8193),
    "rubric_too_long": judged(rubric="r" * 2049),
    "rubric_empty": judged(rubric=""),
    "pass_score_least": judged(pass_score=0),
    "pass_score_most": judged(pass_score=100),
    "pass_score_too_high": judged(pass_score=101),
    "pass_score_negative": judged(pass_score=-1),
    "judge_unknown": judged(kind="other"),
    "judges_most": AGENT | {"judges": [{"kind": "text_match", "reference": "r"}] * 8},
    "judges_too_many": AGENT | {"judges": [{"kind": "text_match", "reference": "r"}] * 9},
}


@pytest.mark.parametrize("spec", SPECS.values(), ids=SPECS)
def test_the_server_takes_the_conversations_that_the_document_allows(shared: Api, spec: Json) -> None:
    allowed = problems({"$ref": "#/components/schemas/ConversationSpec"}, spec, closed=False) == []
    reply = shared.conversation(spec)
    assert reply.status_code == (200 if allowed else 400), reply.text
    if not allowed:
        assert reply.json()["error"] == "invalid_conversation_request"
