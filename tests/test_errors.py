# SPDX-License-Identifier: Apache-2.0
"""Every row of the contract's table of errors: status, code, exact fields; and nothing is stored by a refusal."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import refusals
import refusals_replays
import refusals_spans
import samples
from api import Api
from rawhttp import exchange, head
from refusals import Refusal
from servers import StartServer
from volume import files, rows, set_state, snapshot
from waiting import eventually
from xrayd_process import Xrayd

World = dict[str, str]
TABLES = [
    refusals.not_found,
    refusals.wrong_method,
    refusals.queries,
    refusals.ranges,
    refusals.invalid_forms,
    refusals.wrong_turn_audio,
    refusals.wrong_speech,
    refusals.conversation_ids,
    refusals_replays.invalid_bodies,
    refusals_replays.compare_counts,
    refusals_replays.replay_ids,
    refusals_replays.states,
    refusals_replays.transitions,
    refusals_replays.recordings,
    refusals_spans.broken,
    refusals_spans.over_a_limit,
    refusals_spans.wire_types,
    refusals_spans.content_types,
]
REFUSALS: list[Refusal] = [refusal for table in TABLES for refusal in table()]
CODES = [
    "not_found",
    "method_not_allowed",
    "invalid_query",
    "range_not_satisfiable",
    "invalid_conversation_request",
    "invalid_conversation_hash",
    "invalid_turn_index",
    "recorded_audio_upload_key_missing",
    "recorded_audio_upload_key_unreferenced",
    "invalid_recorded_audio",
    "tts_turn_missing_text",
    "tts_turn_invalid_role",
    "tts_synthesis_failed",
    "conversation_not_found",
    "turn_audio_not_found",
    "invalid_replay_request",
    "invalid_replay_id",
    "invalid_compare_selection",
    "replay_not_found",
    "invalid_lifecycle_transition",
    "replay_not_ready_for_analysis",
    "replay_not_evaluated",
    "invalid_audio_path",
    "invalid_recording_started_at",
    "invalid_audio",
    "audio_not_found",
    "replay_upload_state_invalid",
    "unsupported_content_type",
    "invalid_otlp_body",
    "too_many_spans_per_request",
    "unsupported_wire_type",
    "protobuf_nesting_too_deep",
]
# These need a server of their own, or time: tts_provider_unconfigured below, body_too_large and request_timeout in
# test_bodies.py, overloaded and storage_full in test_faults.py.


def make_world(server: Xrayd, api: Api) -> World:
    """A replay in every state, and conversations with and without audio."""
    turn, recording = samples.turn(), samples.recording()
    conversation = api.new_conversation(samples.SPEC)
    with_audio = {"name": "recorded", "turns": [refusals.recorded("k")]}
    world = {
        "hash": conversation,
        "recorded_hash": api.new_conversation(with_audio, {"k": turn}),
        "turn_bytes": str(len(turn)),
        "recording_bytes": str(len(recording)),
    }
    for name in (*refusals.STATES, "failed_recorded"):
        world[name] = api.new_replay(conversation)
    for name in ("recording_uploaded", "analyzing", "failed_recorded"):
        assert api.upload(world[name], recording).status_code == 200
    for name, state in (("running", "running"), ("failed", "failed"), ("failed_recorded", "failed")):
        reply = api.http.patch(f"/v1/replays/{world[name]}", json={"lifecycle_state": state})
        assert reply.status_code == 200, reply.text
    assert api.upload(world["completed"], recording).status_code == 200
    assert api.http.post(f"/v1/replays/{world['completed']}/analyze").status_code == 202
    assert api.verdict(world["completed"])["type"] == "evaluation_complete"
    set_state(server.data_dir, world["analyzing"], "analyzing")
    return world


@pytest.fixture(scope="module")
def world(shared_server: Xrayd, shared: Api) -> World:
    return make_world(shared_server, shared)


def fill(value: Any, world: World) -> Any:
    """value with the names of the world's things put in."""
    if isinstance(value, str):
        for name, text in world.items():
            value = value.replace(f"{{{name}}}", text)
        return value
    if isinstance(value, dict):
        return {k: fill(v, world) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    if isinstance(value, list):
        return [fill(v, world) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def check_issues(issues: Any, paths: tuple[str, ...]) -> None:
    for issue in issues:
        assert {"path", "message"} <= set(issue) <= {"path", "message", "expected", "received"}
        assert all(isinstance(text, str) for text in issue.values())
        assert issue["message"]
    found = sorted(issue["path"] for issue in issues)
    assert found == sorted(paths) if paths else found


def check_body(body: dict[str, Any], refusal: Refusal, world: World) -> None:
    expected = {"error": refusal.error} | dict(fill(dict(refusal.fields), world))
    if refusal.issues is not None:
        check_issues(body.pop("issues"), refusal.issues)
    assert set(body) == set(expected)
    for name, value in expected.items():
        if isinstance(value, type):
            assert isinstance(body[name], value)
            assert body[name]
        else:
            assert body[name] == value
            assert type(body[name]) is type(value)


@pytest.mark.parametrize("refusal", REFUSALS, ids=lambda refusal: f"{refusal.error}-{refusal.case}"[:100])
def test_refusal(shared: Api, shared_server: Xrayd, world: World, refusal: Refusal) -> None:
    before = snapshot(shared_server.data_dir)
    method, path = fill(refusal.call, world).split(" ", 1)

    reply = shared.http.request(method, path, **fill(dict(refusal.send), world))

    assert reply.status_code == refusal.status, reply.text
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"]
    for name, value in refusal.headers.items():
        assert reply.headers[name] == fill(value, world)
    check_body(reply.json(), refusal, world)
    # A temporary file may go a moment after the answer.
    eventually(lambda: snapshot(shared_server.data_dir) == before)


def test_the_tables_have_every_code() -> None:
    assert sorted({refusal.error for refusal in REFUSALS}) == sorted(CODES)


def test_speech_without_a_key_names_the_variable(start_server: StartServer) -> None:
    server = start_server(env={"XRAY_TTS_PROVIDER": "openai", "XRAY_TRANSCRIPTION_PROVIDER": "none"})
    spec = {"name": "n", "turns": [{"role": "user", "text": "hi", "audio": {"kind": "tts"}}]}
    with Api(server.url) as api:
        before = snapshot(server.data_dir)
        reply = api.conversation(spec)
        assert reply.status_code == 503
        assert reply.json() == {"error": "tts_provider_unconfigured", "env_var": "OPENAI_API_KEY"}
        assert api.conversation(samples.SPEC).status_code == 200  # without speech nothing is missing
        assert before[1] == snapshot(server.data_dir)[1]


def test_issues_are_capped_and_echo_nothing(shared: Api) -> None:
    secret = "echo" * 1000
    wrong = [{"role": secret, "key": secret, "text": [secret]} for _ in range(20)]

    reply = shared.conversation({"name": secret, "turns": wrong})

    issues = reply.json()["issues"]
    assert len(issues) == 50
    assert "echoecho" not in reply.text
    assert len(reply.content) < 16384


@pytest.mark.parametrize("path", ["/v1/replays/../audio", "/v1/replays/../../etc/passwd", "/v1/conversations/../x"])
def test_dots_in_a_path_lead_nowhere(shared_server: Xrayd, path: str) -> None:
    answer = exchange(shared_server.port, head("GET", path))

    assert 400 <= answer.status < 500
    assert b"root:" not in answer.body
    assert answer.headers["x-request-id"]


@pytest.fixture
def every_answer(shared: Api, world: World) -> Iterator[tuple[str, dict[str, str]]]:
    paths = [
        "/healthz",
        "/readyz",
        "/openapi.json",
        "/docs",
        "/v1/conversations",
        f"/v1/conversations/{world['hash']}",
        f"/v1/conversations/{world['hash']}/replays",
        f"/v1/conversations/{world['recorded_hash']}/turns/0/audio",
        f"/v1/replays/{world['completed']}",
        f"/v1/replays/{world['completed']}/result",
        f"/v1/replays/{world['completed']}/events",
        f"/v1/replays/{world['completed']}/audio",
        f"/v1/replays/{world['completed']}/audio/levels",
    ]
    return ((path, dict(shared.http.get(path).headers)) for path in paths)


def test_every_answer_has_a_request_id_of_its_own(every_answer: Iterator[tuple[str, dict[str, str]]]) -> None:
    seen: set[str] = set()
    for path, headers in every_answer:
        assert headers["x-request-id"] not in seen, path
        seen.add(headers["x-request-id"])
    assert len(seen) == 13


def test_head_is_get_without_the_body(shared: Api, every_answer: Iterator[tuple[str, dict[str, str]]]) -> None:
    for path, headers in every_answer:
        if path.endswith("/events"):
            continue
        reply = shared.http.head(path)
        assert reply.status_code == 200, path
        assert reply.content == b""
        assert reply.headers["content-length"] == headers["content-length"], path
        assert reply.headers["content-type"] == headers["content-type"], path


def test_head_of_what_is_not_there_is_404(shared: Api) -> None:
    assert shared.http.head(f"/v1/replays/{refusals.UNKNOWN_REPLAY}").status_code == 404


@pytest.mark.parametrize(
    ("body", "row"),
    [
        ('{"name":"a","name":"b","turns":[{"role":"user"}]}', {"name": "b"}),
        ('{"turns":[{"role":"user","extra":{"x":[1]}}],"name":"b","more":null}', {"name": "b"}),
    ],
    ids=["the last of two names counts", "unknown members are dropped"],
)
def test_lenient_json(shared: Api, body: str, row: dict[str, str]) -> None:
    reply = shared.conversation(body)
    assert reply.status_code == 200
    assert row.items() <= reply.json().items()
    assert "extra" not in reply.text


def test_the_limits_themselves_are_accepted(shared: Api) -> None:
    deep = json.loads("[" * 63 + "]" * 63)
    assertions = [
        {"kind": "contains", "text": "x" * 2048},
        {"kind": "regex", "pattern": "a" * 2048, "flags": "gimsuy"},
        {"kind": "tool_args_match", "name": "t" * 256, "args": {"a": deep}},
        {"kind": "max_latency_ms", "max_ms": 1},
    ]
    turn = {"role": "user", "text": "x" * 65536, "key": "k" * 128, "assertions": assertions * 8}
    judges = [{"kind": "text_match", "reference": "r" * 8192, "rubric": "r" * 2048, "pass_score": 100}] * 8
    spec = {"name": "\U0001f600" * 128, "turns": [turn], "judges": judges}
    assert shared.conversation(spec).status_code == 200
    assert shared.conversation({"name": "n", "turns": [{"role": "user"}] * 1024}).status_code == 200
    conversation = shared.new_conversation(samples.SPEC)
    shared.new_replay(conversation, run_config=json.loads("[" * 64 + "]" * 64))


def test_a_volume_that_was_only_refused_is_empty(start_server: StartServer, tmp_path: Path) -> None:
    server = start_server(env={"XRAY_TRANSCRIPTION_PROVIDER": "none"}, data_dir=tmp_path / "empty")
    with Api(server.url) as api:
        for refusal in [*refusals.wrong_turn_audio(), *refusals.wrong_speech()]:
            api.http.post("/v1/conversations", **dict(refusal.send))
    eventually(lambda: not files(server.data_dir))
    assert not any(rows(server.data_dir).values())
