# SPDX-License-Identifier: Apache-2.0
"""What is sent again, when, and what an answer that is an error becomes."""

from __future__ import annotations

import asyncio
import re
import socket
import tracemalloc
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import httpx
import pytest
from api import tone, wav
from xrayd_process import Xrayd

from fakes import CALL, OVERLOADED, Rule, ScriptedServer, answer, conversation_count, replays_of
from xray import _api, _transport, _wav
from xray._api import Api
from xray._transport import ATTEMPTS, Call, Transport, retry_after_s
from xray.conversation import Conversation, RecordedAudio, RunConfig, Turn
from xray.errors import XrayServerError

T = TypeVar("T")
SCRIPT = Conversation("retries", [Turn.agent()])


def call(url: str, do: Callable[[Api], Awaitable[T]], pauses: list[float] | None = None) -> T:
    """One call with pauses that take no time, and are told."""
    waited = [] if pauses is None else pauses

    async def sleep(seconds: float) -> None:
        waited.append(seconds)

    async def run() -> T:
        async with Transport(url, sleep=sleep, jitter=lambda: 0.0) as transport:
            return await do(Api(transport))

    return asyncio.run(run())


def put(api: Api) -> Awaitable[str]:
    return api.put_conversation(SCRIPT)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(".*", times=ATTEMPTS - 1, answer=OVERLOADED),
        Rule(".*", times=ATTEMPTS - 1, answer=answer("507 Insufficient Storage", '{"error":"storage_full"}')),
        Rule(".*", times=ATTEMPTS - 1, answer=answer("503 Service Unavailable", "<html>a proxy</html>")),
        Rule(".*", times=ATTEMPTS - 1, hang_up="before"),
        Rule(".*", times=ATTEMPTS - 1, hang_up="unread"),
        Rule(".*", times=ATTEMPTS - 1, hang_up="after"),
        Rule(".*", times=ATTEMPTS - 1, cut_after=10),
    ],
    ids=["503", "507", "proxy", "cut before", "cut unread", "cut after", "cut answer"],
)
def test_what_may_be_done_twice_is_sent_again(rule: Rule, shared_server: Xrayd) -> None:
    with ScriptedServer(shared_server.url, rule) as scripted:
        assert len(call(scripted.url, put)) == 64
        assert scripted.count("POST /v1/conversations") == ATTEMPTS


def test_it_gives_up_after_so_many_attempts(shared_server: Xrayd) -> None:
    pauses: list[float] = []
    with ScriptedServer(shared_server.url, Rule(".*", times=99, answer=OVERLOADED)) as scripted:
        with pytest.raises(XrayServerError) as caught:
            call(scripted.url, put, pauses)
        assert scripted.count(".*") == ATTEMPTS
    assert pauses == [1.0] * (ATTEMPTS - 1)
    error = caught.value
    assert (error.status_code, error.code, error.request_id) == (503, "overloaded", "r-1")
    assert error.body == {"error": "overloaded"}


def test_pauses_double_up_to_a_limit(shared_server: Xrayd) -> None:
    pauses: list[float] = []
    with ScriptedServer(shared_server.url, Rule(".*", times=4, hang_up="unread")) as scripted:
        call(scripted.url, put, pauses)
    assert pauses == [0.25, 0.5, 1.0, 2.0]
    assert Transport("http://x", jitter=lambda: 1.0).pause_s(5000) == _transport.BACKOFF_MAX_S * 1.25


def test_speech_that_is_not_configured_is_not_waited_for(shared_server: Xrayd) -> None:
    body = '{"error":"tts_provider_unconfigured","env_var":"OPENAI_API_KEY"}'
    with ScriptedServer(shared_server.url, Rule(".*", answer=answer("503 Unavailable", body))) as scripted:
        with pytest.raises(XrayServerError, match="OPENAI_API_KEY") as caught:
            call(scripted.url, put)
        assert scripted.count(".*") == 1
    assert caught.value.code == "tts_provider_unconfigured"


@pytest.mark.parametrize("status", ["400 Bad Request", "404 Not Found", "409 Conflict", "500 Internal", "502 Bad"])
def test_other_errors_are_told_at_once(status: str, shared_server: Xrayd) -> None:
    with ScriptedServer(shared_server.url, Rule(".*", answer=answer(status, "no json"))) as scripted:
        with pytest.raises(XrayServerError) as caught:
            call(scripted.url, put)
        assert scripted.count(".*") == 1
    assert (str(caught.value.status_code), caught.value.code, caught.value.body) == (status[:3], None, "no json")


def create(conversation_hash: str) -> Callable[[Api], Awaitable[str]]:
    return lambda api: api.create_replay(conversation_hash, RunConfig(model="m"))


@pytest.mark.parametrize("hang_up", ["unread", "after"])
def test_a_replay_is_not_created_twice(hang_up: str, server: Xrayd) -> None:
    stored = call(server.url, put)
    with ScriptedServer(server.url, Rule("POST /v1/replays", hang_up=hang_up)) as scripted:
        with pytest.raises(XrayServerError, match="no answer") as caught:
            call(scripted.url, create(stored))
        assert scripted.count("POST /v1/replays") == 1
    assert caught.value.status_code is None
    assert len(replays_of(server.url, stored)) == (1 if hang_up == "after" else 0)


def test_a_replay_is_not_created_twice_after_a_proxys_503(server: Xrayd) -> None:
    stored = call(server.url, put)
    with ScriptedServer(server.url, Rule("POST /v1/replays", answer=answer("503 Unavailable", "busy"))) as scripted:
        with pytest.raises(XrayServerError):
            call(scripted.url, create(stored))
        assert scripted.count("POST /v1/replays") == 1


def test_a_replay_is_created_again_where_the_server_says_that_nothing_was_stored(server: Xrayd) -> None:
    stored = call(server.url, put)
    with ScriptedServer(server.url, Rule("POST /v1/replays", times=2, answer=OVERLOADED)) as scripted:
        call(scripted.url, create(stored))
    assert [row["run_config"] for row in replays_of(server.url, stored)] == [{"model": "m"}]


def test_a_server_that_is_not_there_is_tried_again_and_named() -> None:
    pauses: list[float] = []
    with pytest.raises(XrayServerError, match=re.escape("does xrayd run at http://127.0.0.1:9")) as caught:
        call("http://127.0.0.1:9", create("0" * 64), pauses)
    assert len(pauses) == ATTEMPTS - 1
    assert caught.value.status_code is None
    assert isinstance(caught.value.__cause__, httpx.ConnectError)


def test_a_server_that_comes_up_meanwhile_is_found(server: Xrayd) -> None:
    stored = call(server.url, put)
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        port = reserved.getsockname()[1]
    with ExitStack() as up:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                up.enter_context(ScriptedServer(server.url, port=port))

        async def run() -> str:
            async with Transport(f"http://127.0.0.1:{port}", sleep=sleep) as transport:
                return await Api(transport).create_replay(stored, None)

        assert len(asyncio.run(run())) == 36
    assert len(pauses) == 2


def test_a_form_is_sent_whole_again(server: Xrayd, tmp_path: Path) -> None:
    from xray.conversation import RecordedAudio

    path = tmp_path / "turn.wav"
    path.write_bytes(wav([tone(0.3)]))
    script = Conversation("form", [Turn.user("hello", audio=RecordedAudio(path)), Turn.agent()])
    with ScriptedServer(server.url, Rule("POST .*", times=2, hang_up="unread")) as scripted:
        stored = call(scripted.url, lambda api: api.put_conversation(script))
        sizes = {one.headers["content-length"] for one in scripted.seen}
    assert len(sizes) == 1
    assert call(server.url, lambda api: api.turn_audio(stored, 0)) == path.read_bytes()


def test_a_recording_is_sent_whole_again(server: Xrayd, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(CALL)
    replay = call(server.url, create(call(server.url, put)))
    rules = [Rule("POST .*", hang_up="before"), Rule("POST .*", hang_up="after"), Rule("POST .*", answer=OVERLOADED)]
    with ScriptedServer(server.url, *rules) as scripted:
        call(scripted.url, lambda api: api.upload_recording(replay, path, 1_700_000_000.25))
        assert len(scripted.seen) == 4
    last = scripted.seen[-1]
    assert last.headers["content-length"] == str(len(CALL))
    assert "transfer-encoding" not in last.headers
    assert last.headers["x-recording-started-at"] == "2023-11-14T22:13:20.250000Z"
    assert httpx.get(f"{server.url}/v1/replays/{replay}/audio").content == CALL


def test_an_analysis_whose_answer_was_lost_has_begun(server: Xrayd, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(CALL)
    replay = call(server.url, create(call(server.url, put)))
    call(server.url, lambda api: api.upload_recording(replay, path, None))
    with ScriptedServer(server.url, Rule("POST .*/analyze", hang_up="after")) as scripted:
        call(scripted.url, lambda api: api.analyze(replay))
        assert scripted.count("POST .*/analyze") == 2


def test_an_analysis_that_cannot_begin_is_an_error(server: Xrayd) -> None:
    replay = call(server.url, create(call(server.url, put)))
    with pytest.raises(XrayServerError, match="current_state=pending") as caught:
        call(server.url, lambda api: api.analyze(replay))
    assert caught.value.status_code == 409


def test_a_validation_error_names_every_issue(shared_server: Xrayd) -> None:
    with pytest.raises(XrayServerError, match="conversation_hash must") as caught:
        call(shared_server.url, create("not a hash"))
    assert caught.value.code == "invalid_replay_request"
    assert caught.value.request_id


def test_another_service_on_the_port_is_noticed(shared_server: Xrayd) -> None:
    with (
        ScriptedServer(shared_server.url, Rule(".*", answer=answer("200 OK", "<html>hello</html>"))) as scripted,
        pytest.raises(XrayServerError, match="not xrayd's") as caught,
    ):
        call(scripted.url, put)
    assert caught.value.body == "<html>hello</html>"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("soon", None),
        ("", None),
        ("-1", None),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0),
        ("Mon, 01 Jan 99999 00:00:00 GMT", None),
        ("Mon, 32 Jan 2026 00:00:00 GMT", None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after_s(httpx.Response(503, headers={"Retry-After": value})) == seconds


def test_retry_after_may_be_a_date_and_is_bounded() -> None:
    at = format_datetime(datetime.now(timezone.utc) + timedelta(hours=1), usegmt=True)
    wait = retry_after_s(httpx.Response(503, headers={"Retry-After": at}))
    assert wait is not None
    assert 3590 < wait <= 3600
    assert Transport("http://x").pause_s(1, wait) == _transport.RETRY_AFTER_MAX_S


def test_a_body_is_made_anew_for_each_attempt(shared_server: Xrayd) -> None:
    """That of the first attempt was read to its end when the connection broke."""
    made: list[int] = []

    def body() -> dict[str, Any]:
        made.append(len(made))
        return {"files": [("spec", (None, f'{{"name": "try {made[-1]}", "turns": [{{"role": "agent"}}]}}'.encode()))]}

    with ScriptedServer(shared_server.url, Rule(".*", times=2, hang_up="unread")) as scripted:
        call(scripted.url, lambda api: api.transport.send(Call("POST", "/v1/conversations", body)))
        sent = [one.body for one in scripted.seen]
    assert len(sent) == 3
    assert all(f'"try {i}"'.encode() in one for i, one in enumerate(sent))


def test_a_server_that_hangs_does_not_get_every_attempt(shared_server: Xrayd) -> None:
    minutes = iter(range(0, 600, 60))

    async def run(url: str) -> None:
        async with Transport(url, sleep=lambda _s: asyncio.sleep(0), monotonic=lambda: next(minutes)) as transport:
            await transport.send(Call("GET", "/v1/conversations", timeout=httpx.Timeout(0.05)))

    with ScriptedServer(shared_server.url, Rule(".*", times=99, hold=True)) as scripted:
        with pytest.raises(XrayServerError, match="no answer"):
            asyncio.run(run(scripted.url))
        assert scripted.count(".*") == 2


def test_the_last_word_is_said_soon(shared_server: Xrayd) -> None:
    """Somebody pressed Ctrl-C: a server that asks for half a minute does not get it."""
    pauses: list[float] = []
    stored = call(shared_server.url, put)
    replay = call(shared_server.url, create(stored))
    busy = answer("503 Service Unavailable", '{"error":"overloaded"}', Retry_After="30")
    with ScriptedServer(shared_server.url, Rule("PATCH .*", answer=busy)) as scripted:
        call(scripted.url, lambda api: api.mark_failed(replay, "driver_aborted"), pauses)
    assert pauses == [1.0]


def test_a_live_conversation_is_not_made_twice(server: Xrayd) -> None:
    """Of one without turns each request makes another."""
    live = Conversation("live", [], live=True)
    lost = Rule("POST /v1/conversations", hang_up="after")
    with ScriptedServer(server.url, lost) as scripted, pytest.raises(XrayServerError, match="no answer"):
        call(scripted.url, lambda api: api.put_conversation(live))
    assert conversation_count(server.url) == 1


def test_the_last_word_waits_for_no_server_that_hangs(shared_server: Xrayd, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _api.LAST_WORD_TIMEOUT.read is not None
    assert _api.LAST_WORD_TIMEOUT.read * _api.LAST_WORD_ATTEMPTS <= 10
    monkeypatch.setattr(_api, "LAST_WORD_TIMEOUT", httpx.Timeout(0.05))
    with ScriptedServer(shared_server.url, Rule(".*", times=99, hold=True)) as scripted:
        with pytest.raises(XrayServerError, match="no answer"):
            call(scripted.url, lambda api: api.mark_failed("r", "driver_aborted"))
        assert scripted.count("PATCH .*") == _api.LAST_WORD_ATTEMPTS


def test_connections_are_closed_with_the_transport(shared_server: Xrayd) -> None:
    async def run() -> None:
        client = httpx.AsyncClient()
        async with Transport(shared_server.url, client=client) as transport:
            await Api(transport).put_conversation(SCRIPT)
        assert not client.is_closed  # it is the caller's
        await client.aclose()
        async with Transport(shared_server.url) as transport:
            await Api(transport).put_conversation(SCRIPT)
        with pytest.raises(RuntimeError, match="closed"):
            await Api(transport).put_conversation(SCRIPT)

    asyncio.run(run())


def test_https_is_checked_whatever_way_it_is_written() -> None:
    async def run() -> None:
        for url in ("HTTPS://host", "https://localhost"):
            async with Transport(url) as transport:
                pool = cast("Any", transport)._client._transport._pool
                assert pool._ssl_context.cert_store_stats()["x509_ca"] > 0

    asyncio.run(run())


def test_an_error_in_somebody_elses_words(shared_server: Xrayd) -> None:
    other = answer("404 Not Found", '{"detail":"Not Found"}')
    with (
        ScriptedServer(shared_server.url, Rule(".*", answer=other)) as scripted,
        pytest.raises(XrayServerError) as caught,
    ):
        call(scripted.url, put)
    assert str(caught.value) == "POST /v1/conversations: 404 (detail=Not Found)"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
def test_no_proxy_stands_before_this_machine(host: str, shared_server: Xrayd, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    assert len(call(shared_server.url.replace("127.0.0.1", host), put)) == 64
    with pytest.raises(XrayServerError, match="no answer"):
        call("http://xrayd.invalid", put)


def test_memory_does_not_grow_with_what_is_sent(server: Xrayd, tmp_path: Path) -> None:
    """Both uploads come from disk piece by piece."""
    size = 48 * 1024 * 1024
    turn, recording = tmp_path / "turn.wav", tmp_path / "call.wav"
    for path, channels in ((turn, 1), (recording, 2)):
        with path.open("wb") as file:
            file.write(_wav.header(size // (2 * channels), channels=channels))
            file.truncate(_wav.HEADER_SIZE + size)  # a hole: it reads as silence
    script = Conversation("large", [Turn.user("hello", audio=RecordedAudio(turn)), Turn.agent()])
    tracemalloc.start()
    try:
        stored = call(server.url, lambda api: api.put_conversation(script))
        replay = call(server.url, create(stored))
        call(server.url, lambda api: api.upload_recording(replay, recording, None))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert httpx.head(f"{server.url}/v1/replays/{replay}/audio").headers["content-length"] == str(size + 44)
