# SPDX-License-Identifier: Apache-2.0
"""Waiting for the verdict, on streams that break in every way."""

from __future__ import annotations

import asyncio
import random
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from xrayd_process import Xrayd

from fakes import CALL, Rule, ScriptedServer, answer
from xray import _events, _wire
from xray._api import Api
from xray._events import EventParser, wait_for_verdict
from xray._transport import Transport
from xray.conversation import Assertion, Conversation, Turn
from xray.errors import EvaluationTimeoutError, ReplayEvaluationError, XrayServerError

SCRIPT = Conversation("events", [Turn.user("hello"), Turn.agent(assertions=[Assertion.max_latency_ms(5000)])])
EVENTS = "GET /v1/replays/[^/]+/events"
STREAM = (
    b": heartbeat\n\n"
    b'event: state\ndata: {"a":1}\n\n'
    b"data: two\r\ndata:lines\r\n\r\n"
    b"id: 7\rdata:  kept space\r\r"
    b"event: empty\n\n"
    b"data: \xe2\x80\xa8 no end of a line\x0b\x0c\x1c\n\n"
    b"data: cut off"
)
FOUND = [b'{"a":1}', b"two\nlines", b" kept space", b"\xe2\x80\xa8 no end of a line\x0b\x0c\x1c"]


def test_events_are_found_however_the_bytes_come() -> None:
    assert EventParser().feed(STREAM) == FOUND
    parser = EventParser()
    assert [data for i in range(len(STREAM)) for data in parser.feed(STREAM[i : i + 1])] == FOUND
    seeded = random.Random(7)
    for _ in range(200):
        at = sorted(seeded.choices(range(len(STREAM) + 1), k=5))
        parser = EventParser()
        pieces = [STREAM[a:b] for a, b in zip([0, *at], [*at, len(STREAM)], strict=True)]
        assert [data for piece in pieces for data in parser.feed(piece)] == FOUND


def ready(url: str, tmp_path: Path, *, analyze: bool = True, recording: bytes = CALL) -> str:
    """A replay with its recording; its analysis has been asked for."""

    async def run() -> str:
        async with Transport(url) as transport:
            api = Api(transport)
            replay = await api.create_replay(await api.put_conversation(SCRIPT), None)
            path = tmp_path / "call.wav"
            path.write_bytes(recording)
            await api.upload_recording(replay, path, time.time())
            if analyze:
                await api.analyze(replay)
            return replay

    return asyncio.run(run())


def verdict(
    url: str, replay: str, *, timeout_s: float = 30, seen: list[Any] | None = None, pauses: list[float] | None = None
) -> _wire.Result:
    events: list[Any] = [] if seen is None else seen
    waited = [] if pauses is None else pauses

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await asyncio.sleep(0.01)  # the server needs some time, too

    async def run() -> _wire.Result:
        async with Transport(url, sleep=sleep, jitter=lambda: 0.0) as transport:
            return await wait_for_verdict(Api(transport), replay, timeout_s=timeout_s, watch=events.append)

    return asyncio.run(run())


def test_what_happens_is_told_until_the_verdict(server: Xrayd, tmp_path: Path) -> None:
    seen: list[Any] = []
    result = verdict(server.url, ready(server.url, tmp_path), seen=seen)
    assert result.passed
    assert isinstance(seen[0], _wire.StateEvent)
    assert seen[-1] == _wire.StateEvent(type="state", lifecycle_state="completed", analysis_step=None)


@pytest.mark.parametrize(
    "rule",
    [
        Rule(EVENTS, times=3, hang_up="unread"),
        Rule(EVENTS, times=3, cut_after=0),
        Rule(EVENTS, times=3, cut_after=20),
        Rule(EVENTS, times=3, answer=answer("503 Unavailable", '{"error":"overloaded"}')),
        Rule(EVENTS, times=3, answer=answer("502 Bad Gateway", "a proxy's words")),
        Rule(EVENTS, times=3, answer=answer("200 OK", "data: {not json\n\n", Content_Type="text/event-stream")),
        Rule(EVENTS, times=3, answer=answer("200 OK", ": heartbeat\n\n", Content_Type="text/event-stream")),
    ],
    ids=["no answer", "cut at once", "cut in an event", "503", "502", "no event", "ends without a verdict"],
)
def test_a_broken_stream_is_opened_again(rule: Rule, server: Xrayd, tmp_path: Path) -> None:
    replay = ready(server.url, tmp_path, analyze=False)
    started: list[int] = []

    async def run() -> _wire.Result:
        async with Transport(server.url) as direct, ScriptedAsync(server.url, rule) as scripted:
            api = Api(direct)

            async def sleep(_seconds: float) -> None:
                # The analysis begins when the last broken stream is behind us: the verdict comes from a stream.
                started.append(1)
                if len(started) == 3:
                    await api.analyze(replay)

            async with Transport(scripted.url, sleep=sleep, jitter=lambda: 0.0) as transport:
                return await wait_for_verdict(Api(transport), replay, timeout_s=30, watch=lambda _event: None)

    assert asyncio.run(run()).passed
    assert len(started) == 3


def test_an_overloaded_server_is_asked_when_it_says(server: Xrayd, tmp_path: Path) -> None:
    replay = ready(server.url, tmp_path)
    busy = answer("503 Service Unavailable", '{"error":"overloaded"}', Retry_After="20")
    pauses: list[float] = []
    with ScriptedServer(server.url, Rule(EVENTS, answer=busy)) as scripted:
        verdict(scripted.url, replay, pauses=pauses)
    assert pauses == [20]


def test_pauses_begin_anew_after_a_stream_that_told_something(server: Xrayd, tmp_path: Path) -> None:
    replay = ready(server.url, tmp_path, analyze=False)
    event = 'data: {"type":"state","lifecycle_state":"running","analysis_step":null}\n\n'
    broken = Rule(EVENTS, times=2, answer=answer("200 OK", event, Content_Type="text/event-stream"))
    pauses: list[float] = []
    rules = (Rule(EVENTS, times=2, hang_up="unread"), broken, Rule(EVENTS, hold=True))
    with ScriptedServer(server.url, *rules) as scripted, pytest.raises(EvaluationTimeoutError):
        verdict(scripted.url, replay, pauses=pauses, timeout_s=1)
    assert pauses == [0.25, 0.5, 0.25, 0.25]


def test_a_silent_stream_is_a_broken_one(server: Xrayd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One without even heartbeats, which come every 15 s."""
    assert _events.STREAM_TIMEOUT.read is not None
    assert 30 <= _events.STREAM_TIMEOUT.read <= 60
    monkeypatch.setattr(_events, "STREAM_TIMEOUT", httpx.Timeout(0.2))
    replay = ready(server.url, tmp_path)
    with ScriptedServer(server.url, Rule(EVENTS, hold=True)) as scripted:
        assert verdict(scripted.url, replay).passed


class ScriptedAsync:
    """A ScriptedServer for `async with`."""

    def __init__(self, upstream: str, *rules: Rule) -> None:
        self._server = ScriptedServer(upstream, *rules)

    async def __aenter__(self) -> ScriptedServer:
        return self._server.__enter__()

    async def __aexit__(self, *exc: object) -> None:
        self._server.__exit__(None, None, None)


def test_a_verdict_that_came_meanwhile_is_read(server: Xrayd, tmp_path: Path) -> None:
    replay = ready(server.url, tmp_path)
    assert verdict(server.url, replay).passed
    with ScriptedServer(server.url, Rule(EVENTS, times=99, hang_up="unread")) as scripted:
        assert verdict(scripted.url, replay).passed
        assert scripted.count(EVENTS) == 1
        assert scripted.count("GET .*/result") == 1


def test_a_failure_that_came_meanwhile_is_read(server: Xrayd, tmp_path: Path) -> None:
    replay = ready(server.url, tmp_path, analyze=False)
    httpx.patch(
        f"{server.url}/v1/replays/{replay}", json={"lifecycle_state": "failed", "failure_reason": "explicit_fail"}
    ).raise_for_status()
    with (
        ScriptedServer(server.url, Rule(EVENTS, hang_up="unread")) as scripted,
        pytest.raises(ReplayEvaluationError) as caught,
    ):
        verdict(scripted.url, replay)
    assert (caught.value.replay_id, caught.value.failure_reason) == (replay, "explicit_fail")


def test_a_server_that_comes_back_has_the_verdict(start_server: Any, tmp_path: Path) -> None:
    first = start_server()
    replay = ready(first.url, tmp_path)
    assert first.stop() == 0
    env = {"PORT": str(first.port)}

    async def run() -> _wire.Result:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)
            if len(pauses) == 2:
                await asyncio.to_thread(start_server, env=env)

        async with Transport(first.url, sleep=sleep, jitter=lambda: 0.0) as transport:
            return await wait_for_verdict(Api(transport), replay, timeout_s=30, watch=lambda _event: None)

    assert asyncio.run(run()).passed


def test_waiting_has_a_limit(server: Xrayd, tmp_path: Path) -> None:
    replay = ready(server.url, tmp_path, analyze=False)
    with pytest.raises(EvaluationTimeoutError) as caught:
        verdict(server.url, replay, timeout_s=0.2)
    assert (caught.value.replay_id, caught.value.timeout_s) == (replay, 0.2)


def test_waiting_for_a_server_that_is_gone_has_a_limit_and_a_cause() -> None:
    with pytest.raises(EvaluationTimeoutError) as caught:
        verdict("http://127.0.0.1:9", "0" * 36, timeout_s=0.3)
    assert caught.value.__cause__ is not None


def test_a_replay_that_is_not_there_is_an_error_at_once(shared_server: Xrayd) -> None:
    pauses: list[float] = []
    with pytest.raises(XrayServerError) as caught:
        verdict(shared_server.url, "0" * 36, pauses=pauses)
    assert caught.value.code == "replay_not_found"
    assert pauses == []


def test_a_stage_that_fails_is_an_error_with_its_reason(server: Xrayd, tmp_path: Path) -> None:
    from api import silence, wav

    replay = ready(server.url, tmp_path, recording=wav([silence(0.5), silence(0.5)]))
    with pytest.raises(ReplayEvaluationError) as caught:
        verdict(server.url, replay)
    assert caught.value.failure_reason == "spec_vad_mismatch"
