# SPDX-License-Identifier: Apache-2.0
"""`xray.run` from the script to the verdict, against a real server."""

from __future__ import annotations

import asyncio
import logging
import re
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import pytest
from api import dialogue, tone, wav
from opentelemetry import baggage, trace
from xrayd_process import Xrayd

import xray
from fakes import CALL, FakeRuntime, Rule, ScriptedServer, Seen, answer, conversation_count, detail
from xray.conversation import Conversation
from xray.runtime.base import RunProgress, Runtime, RuntimeResult

SCRIPT = Conversation(
    "a call",
    [
        xray.Turn.user("Hello there, when do you open?", key="ask"),
        xray.Turn.agent(key="answer", assertions=[xray.Assertion.max_latency_ms(2000)]),
    ],
)


def run(runtime: Runtime, url: str, conversation: Conversation = SCRIPT, **options: Any) -> xray.ReplayResult:
    return asyncio.run(xray.run(conversation=conversation, runtime=runtime, xray_url=url, **options))


def test_a_call_gets_its_verdict(shared_server: Xrayd, tmp_path: Path) -> None:
    started = time.time()
    runtime = FakeRuntime(tmp_path, anchor=started)
    result = run(runtime, shared_server.url, run_config=xray.RunConfig(model="m", extra={"voice": "v"}))
    assert result.passed
    assert xray.format_failures(result) == "All checks passed."
    assert [(row.kind, row.status) for row in result.assertions] == [("max_latency_ms", "passed")]
    response_ms = result.metrics[1].agent_response_ms
    assert response_ms is not None
    assert abs(response_ms - 500) < 50
    assert runtime.steps == ["bind", "inject", "run", "aclose"]
    assert (runtime.replay_id, runtime.conversation_hash) == (result.replay_id, result.conversation_hash)
    row = detail(shared_server.url, result.replay_id)
    assert row["lifecycle_state"] == "completed"
    assert row["run_config"] == {"model": "m", "voice": "v"}
    at = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(started)) + f".{int(started * 1000) % 1000:03d}Z"
    assert row["recording_started_at"] == at


def test_the_steps_come_in_the_contracts_order(shared_server: Xrayd, tmp_path: Path) -> None:
    with ScriptedServer(shared_server.url) as scripted:
        runtime = FakeRuntime(tmp_path, during=lambda: asyncio.sleep(0, scripted.seen.append(MARK)))
        result = run(runtime, scripted.url)
        steps = [one.method + " " + re.sub("[0-9a-f]{64}|[0-9a-f-]{36}", "*", one.path) for one in scripted.seen]
        patched = [one.body for one in scripted.seen if one.method == "PATCH"]
    assert result.passed
    assert steps == [
        "POST /v1/conversations",
        "GET /v1/conversations/*/turns/0/audio",
        "POST /v1/replays",
        "PATCH /v1/replays/*",
        "- the call",
        "POST /v1/replays/*/audio",
        "POST /v1/replays/*/analyze",
        "GET /v1/replays/*/events",
    ]
    assert patched == [b'{"lifecycle_state":"running"}']


MARK = Seen("-", "the call", {}, b"")


def test_the_runtime_gets_the_users_audio_as_samples(shared_server: Xrayd, tmp_path: Path) -> None:
    first, second = tone(0.2), tone(0.3, amplitude=0.2)
    for name, samples in (("a.wav", first), ("b.wav", second)):
        (tmp_path / name).write_bytes(wav([samples]))
    turns = [
        xray.Turn.user("one", audio=xray.RecordedAudio(tmp_path / "a.wav")),
        xray.Turn.agent(),
        xray.Turn.user("two", audio=xray.RecordedAudio(str(tmp_path / "b.wav"))),
    ]
    runtime = FakeRuntime(tmp_path, recording=None)
    with pytest.raises(xray.XrayError):
        run(runtime, shared_server.url, Conversation("recorded", turns))
    assert runtime.audio == {0: first.tobytes(), 2: second.tobytes()}


def test_checks_that_fail_are_outcomes(shared_server: Xrayd, tmp_path: Path) -> None:
    turns = [xray.Turn.user("Hi"), xray.Turn.agent(assertions=[xray.Assertion.max_latency_ms(100)])]
    judged = Conversation("fails", turns, [xray.Judge.text_match("we open at nine")])
    result = run(FakeRuntime(tmp_path), shared_server.url, judged)
    assert not result.passed
    lines = xray.format_failures(result).splitlines()
    assert len(lines) == 2
    assert re.fullmatch(r"turn 1, assertion 0, max_latency_ms: failed: .*\d+ ms.*", lines[0])
    assert re.fullmatch(r"judge 0, text_match: errored: .+", lines[1])


def test_spans_of_the_call_are_on_the_server_before_the_analysis(shared_server: Xrayd, tmp_path: Path) -> None:
    seen: list[object] = []

    async def agent() -> None:
        seen.append(baggage.get_baggage("xray.replay.id"))
        # The agent speaks from 1.6 to 2.4 s of the recording: this is within its turn.
        start = int((runtime_started + 1.7) * 1e9)
        span = trace.get_tracer("agent").start_span("execute_tool book_table", start_time=start)
        span.set_attribute("gen_ai.operation.name", "execute_tool")
        span.set_attribute("gen_ai.tool.call.arguments", '{"people":2}')
        span.end(end_time=start + 50_000_000)

    runtime_started = time.time()
    checks = [xray.Assertion.tool_args_match("book_table", {"people": 2}), xray.Assertion.tool_not_called("cancel")]
    script = Conversation("tools", [xray.Turn.user("Hi"), xray.Turn.agent(assertions=checks)])
    runtime = FakeRuntime(tmp_path, anchor=runtime_started, during=agent)
    result = run(runtime, shared_server.url, script)
    assert xray.format_failures(result) == "All checks passed."
    assert seen == [result.replay_id]
    assert baggage.get_baggage("xray.replay.id") is None


def test_ten_runs_at_once_do_not_touch_each_other(server: Xrayd, tmp_path: Path) -> None:
    together = 10
    waiting: list[asyncio.Event] = []

    async def all_of_them() -> list[xray.ReplayResult]:
        everyone_runs = asyncio.Event()

        async def meet() -> None:
            waiting.append(everyone_runs)
            if len(waiting) == together:
                everyone_runs.set()
            await asyncio.wait_for(everyone_runs.wait(), 30)
            tracer = trace.get_tracer("agent")
            with tracer.start_as_current_span(f"execute_tool tool_{baggage.get_baggage('xray.replay.id')}"):
                await asyncio.sleep(0)

        scripts = [
            Conversation(f"n{i}", [xray.Turn.user(f"Number {i}"), xray.Turn.agent(key=f"k{i}")])
            for i in range(together)
        ]
        runtimes = [FakeRuntime(tmp_path, during=meet) for _ in scripts]
        return await asyncio.gather(
            *(
                xray.run(conversation=script, runtime=runtime, xray_url=server.url)
                for script, runtime in zip(scripts, runtimes, strict=True)
            )
        )

    results = asyncio.run(all_of_them())
    assert len({result.replay_id for result in results}) == together
    assert len({result.conversation_hash for result in results}) == together
    for result in results:
        calls: Any = detail(server.url, result.replay_id)["tool_calls"]
        assert [call["name"] for call in calls] == [f"tool_{result.replay_id}"]


def test_a_runtime_without_an_anchor_is_warned_of_loudly(
    shared_server: Xrayd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with ScriptedServer(shared_server.url) as scripted:
        with caplog.at_level(logging.WARNING, "xray"), pytest.warns(RuntimeWarning, match="recording_started_at_epoch"):
            result = run(FakeRuntime(tmp_path, anchor=None), scripted.url)
        (upload,) = (one for one in scripted.seen if one.path.endswith("/audio") and one.method == "POST")
    assert "x-recording-started-at" not in upload.headers
    assert detail(shared_server.url, result.replay_id)["recording_started_at"] is None
    assert any(result.replay_id in record.getMessage() for record in caplog.records)


class Minimal(Runtime):
    """Has none of the optional protocols."""

    def __init__(self, path: Path) -> None:
        self._path = path

    async def run(self, conversation: Conversation) -> RuntimeResult:
        assert conversation is SCRIPT
        return RuntimeResult([], str(self._path), None, time.time())

    async def aclose(self) -> None:
        pass


def test_the_protocols_are_optional(shared_server: Xrayd, tmp_path: Path) -> None:
    path = tmp_path / "call.wav"
    path.write_bytes(CALL)
    assert run(Minimal(path), shared_server.url).passed
    assert path.read_bytes() == CALL


def test_progress_tells_every_stage(shared_server: Xrayd, tmp_path: Path) -> None:
    seen: list[RunProgress] = []
    result = run(FakeRuntime(tmp_path), shared_server.url, progress=seen.append)
    stages = list(dict.fromkeys(event.stage for event in seen))
    assert stages == ["preparing", "turn", "uploading", "analysing", "completed"]
    assert [(event.turn_idx, event.turn_count, event.role) for event in seen if event.stage == "turn"] == [
        (0, 2, "user"),
        (1, 2, "agent"),
    ]
    assert {event.replay_id for event in seen[1:]} == {result.replay_id}


def test_progress_tells_how_far_the_analysis_is(shared_server: Xrayd, tmp_path: Path) -> None:
    events = [f'data: {{"type":"progress","percent":{percent},"step":"transcribe"}}\n\n' for percent in (25, 75)]
    stream = answer("200 OK", "".join(events), Content_Type="text/event-stream")
    seen: list[RunProgress] = []
    with ScriptedServer(shared_server.url, Rule(".*/events", answer=stream)) as scripted:
        result = run(FakeRuntime(tmp_path), scripted.url, progress=seen.append)
    told = [event for event in seen if event.percent in (25, 75)]
    assert told == [
        RunProgress("analysing", replay_id=result.replay_id, percent=n, step="transcribe") for n in (25, 75)
    ]


def test_audio_is_fetched_in_parallel(shared_server: Xrayd, tmp_path: Path) -> None:
    """The first request is answered when the second is there."""
    first, second = threading.Event(), threading.Event()
    turns = [xray.Turn.user("one"), xray.Turn.agent(), xray.Turn.user("two"), xray.Turn.agent()]
    recording = dialogue(("user", 0.8), ("agent", 0.8), ("user", 0.8), ("agent", 0.8))
    rules = (Rule("GET .*/turns/0/audio", reached=first, until=second), Rule("GET .*/turns/2/audio", reached=second))
    with ScriptedServer(shared_server.url, *rules) as scripted:
        run(FakeRuntime(tmp_path, recording=recording), scripted.url, Conversation("n", turns))
    assert first.is_set()


def test_the_room_is_left_before_the_analysis(shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path)
    steps: list[list[str]] = []

    def progress(event: RunProgress) -> None:
        if event.stage == "analysing" and event.percent is None:
            steps.append(list(runtime.steps))

    run(runtime, shared_server.url, progress=progress)
    assert steps == [["bind", "inject", "run", "aclose"]]


def test_one_runtime_is_in_one_run_at_a_time(shared_server: Xrayd, tmp_path: Path) -> None:
    """The run that is refused leaves the other one alone."""

    async def work() -> None:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def during() -> None:
            begun.set()
            await go_on.wait()

        runtime = FakeRuntime(tmp_path, during=during)
        task = asyncio.create_task(xray.run(conversation=SCRIPT, runtime=runtime, xray_url=shared_server.url))
        await begun.wait()
        with pytest.raises(ValueError, match="in a run already"):
            await xray.run(conversation=SCRIPT, runtime=runtime, xray_url=shared_server.url)
        go_on.set()
        assert (await task).passed
        assert runtime.steps == ["bind", "inject", "run", "aclose"]

    asyncio.run(work())


def test_a_progress_callback_that_fails_costs_no_run(
    shared_server: Xrayd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    calls: list[RunProgress] = []

    def fails(event: RunProgress) -> None:
        calls.append(event)
        raise RuntimeError("the callback's own fault")

    assert run(FakeRuntime(tmp_path), shared_server.url, progress=fails).passed
    assert len(calls) == 1
    assert "the callback's own fault" in caplog.text


def test_a_runtime_that_fails_to_close_costs_no_verdict(
    shared_server: Xrayd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Sticky(FakeRuntime):
        async def aclose(self) -> None:
            await super().aclose()
            raise RuntimeError("the door is stuck")

    assert run(Sticky(tmp_path), shared_server.url).passed
    assert "the door is stuck" in caplog.text


WRONG_FILES: dict[str, bytes | None] = {
    "missing": None,
    "empty": b"",
    "no WAV": b"ID3 something else",
    "stereo": wav([tone(0.1), tone(0.1)]),
    "44.1 kHz": wav([tone(0.1)], rate=44_100),
}


@pytest.mark.parametrize("kind", WRONG_FILES)
def test_a_wrong_file_is_told_before_anything_is_made(kind: str, shared_server: Xrayd, tmp_path: Path) -> None:
    path = tmp_path / "turn.wav"
    body = WRONG_FILES[kind]
    if body is not None:
        path.write_bytes(body)
    turns = [xray.Turn.user("fine"), xray.Turn.agent(), xray.Turn.user("x", audio=xray.RecordedAudio(path))]
    runtime = FakeRuntime(tmp_path)
    with ScriptedServer(shared_server.url) as scripted:
        with pytest.raises(xray.errors.AudioMissingError, match=re.escape(str(path))) as caught:
            run(runtime, scripted.url, Conversation("n", turns))
        assert scripted.seen == []
    assert caught.value.turn_idx == 2
    assert caught.value.replay_id is None
    assert runtime.steps == ["aclose"]


def test_audio_that_cannot_be_had_begins_no_replay(server: Xrayd, tmp_path: Path) -> None:
    missing = answer("404 Not Found", '{"error":"turn_audio_not_found","turn_idx":2}')
    turns = [xray.Turn.user("one"), xray.Turn.agent(), xray.Turn.user("two")]
    for rule in (
        Rule("GET .*/turns/2/audio", answer=missing),
        Rule("GET .*/0/audio", answer=answer("200 OK", "noise")),
    ):
        runtime = FakeRuntime(tmp_path)
        with ScriptedServer(server.url, rule) as scripted:
            with pytest.raises(xray.XrayError):
                run(runtime, scripted.url, Conversation("n", turns))
            assert scripted.count("POST /v1/replays") == 0
        assert runtime.steps == ["aclose"]
    assert conversation_count(server.url) == 1


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), True])
def test_a_time_limit_that_is_none_is_a_value_error(timeout_s: float, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path)
    with pytest.raises(ValueError, match="timeout_s"):
        run(runtime, "http://127.0.0.1:9", timeout_s=timeout_s)
    assert runtime.steps == ["aclose"]


def test_a_conversation_that_is_none_is_a_value_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="Conversation"):
        run(FakeRuntime(tmp_path), "http://127.0.0.1:9", conversation={"name": "n"})  # pyright: ignore[reportArgumentType]


def test_the_recording_is_the_servers(shared_server: Xrayd, tmp_path: Path) -> None:
    result = run(FakeRuntime(tmp_path), shared_server.url)
    assert httpx.get(f"{shared_server.url}/v1/replays/{result.replay_id}/audio").content == CALL
    assert list(tmp_path.iterdir()) == []
