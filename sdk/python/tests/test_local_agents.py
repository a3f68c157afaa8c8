# SPDX-License-Identifier: Apache-2.0
"""LocalRuntime in virtual time: agents that misbehave, the end of a call, and what it leaves."""

from __future__ import annotations

import asyncio
import math
import wave
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from local_calls import LEAD_MS, QUESTION, SILENCE_MS, at_ms, deaf, near, run
from virtual_time import REPLAY, Call, VirtualTime, noise
from xray.conversation import Conversation, Role, Turn
from xray.errors import MixdownError, RuntimeBindError, XrayError
from xray.runtime import local
from xray.runtime.base import ProgressReporting, RunProgress, RuntimeBindable, UserAudioInjectable
from xray.runtime.local import LocalCall, LocalRuntime


@pytest.mark.parametrize("moment", ["at once", "later", "while it speaks"])
def test_an_agent_that_raises_ends_the_run_with_its_error(moment: str, tmp_path: Path) -> None:
    async def agent(call: LocalCall) -> None:
        if moment != "at once":
            await call.listen(silence_ms=100)
        if moment == "while it speaks":
            call.say(noise(5000))
        raise LookupError("no such table")

    async def work() -> None:
        call = Call(agent, mixdown_dir=tmp_path)
        with pytest.raises(XrayError, match="the agent raised LookupError: no such table") as raised:
            await call.ran(QUESTION, {0: noise(300)})
        assert isinstance(raised.value.__cause__, LookupError)
        assert raised.value.failure_reason == "driver_aborted"
        assert list(tmp_path.iterdir()) == [raised.value.recording_path]

    run(work)
    with wave.open(str(tmp_path / f"{REPLAY}.wav")) as kept:
        assert (kept.getnchannels(), kept.getframerate()) == (2, 48_000)


def test_an_agent_that_raises_after_the_call_ends_the_run_too() -> None:
    async def agent(call: LocalCall) -> None:
        async for _ in call.frames():
            pass
        raise LookupError("cannot hang up")

    async def work() -> None:
        with pytest.raises(XrayError, match="cannot hang up"):
            await Call(agent).ran([Turn.user("a")], {0: noise(100)})

    run(work)


def test_an_agent_that_is_no_async_function_is_told_so() -> None:
    async def work() -> None:
        with pytest.raises(XrayError, match="must be an async callable; this one returned a NoneType"):
            await Call(lambda _: None).ran(QUESTION, {0: noise(100)})  # pyright: ignore[reportArgumentType]

    run(work)
    with pytest.raises(ValueError, match="not str"):
        LocalRuntime("agent")  # pyright: ignore[reportArgumentType]


def test_an_agent_may_be_an_object() -> None:
    class Agent:
        async def __call__(self, call: LocalCall) -> str:
            await call.listen(silence_ms=100)
            await call.say(noise(100, 2))
            return "done"

    async def work() -> None:
        _, recording = await Call(Agent()).ran(QUESTION, {0: noise(100)})
        at_ms(recording.agent, noise(100, 2))

    run(work)


def test_after_an_agent_has_returned_its_last_words_are_heard_and_nobody_waits_for_more() -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=100)
        call.say(noise(1500, 2))  # not awaited

    async def work() -> None:
        result, recording = await Call(agent).ran([*QUESTION, *QUESTION], {0: noise(100), 2: noise(100, 3)})
        end = at_ms(recording.agent, noise(1500, 2)) + 1500
        assert near(at_ms(recording.user, noise(100, 3)), end + SILENCE_MS, within=30)
        assert recording.ms == at_ms(recording.user, noise(100, 3)) + 100
        assert [r.duration_ms is None for r in result.responses] == [False, True]

    run(work)


def test_the_end_of_the_call_ends_speech_and_frames() -> None:
    ends: list[object] = []

    async def agent(call: LocalCall) -> None:
        ends.append(await call.say(noise(60_000)))
        ends.append(await call.listen())
        ends.append(call.ended)
        ends.append(await call.say(noise(10)))
        ends.append(call.speaking)

    async def work() -> None:
        await Call(agent).ran([Turn.user("a")], {0: noise(100)})

    run(work)
    assert ends == [False, b"", True, False, False]


def test_an_agent_that_stays_after_the_call_is_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local, "_LEAVE_S", 0.01)
    cancelled: list[bool] = []

    async def agent(_: LocalCall) -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def work() -> None:
        await Call(agent).ran([Turn.user("a")], {0: noise(100)})

    run(work)
    assert cancelled == [True]


def test_an_agent_that_ignores_its_cancellation_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(local, "_LEAVE_S", 0.01)
    monkeypatch.setattr(local, "_CANCEL_S", 0.01)

    async def whole() -> None:
        released = asyncio.Event()
        ended = asyncio.Event()

        async def agent(_: LocalCall) -> None:
            while not released.is_set():
                try:
                    await released.wait()
                except asyncio.CancelledError:
                    continue
            ended.set()

        await Call(agent).ran([Turn.user("a")], {0: noise(100)})
        released.set()
        await ended.wait()

    asyncio.run(whole())
    assert "does not end though it was cancelled" in caplog.text


def test_a_run_that_is_cancelled_leaves_no_task_and_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    begun = asyncio.Event()
    cancelled: list[bool] = []

    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=100)
        begun.set()
        try:
            await call.say(noise(60_000))
        except asyncio.CancelledError:
            cancelled.append(True)
            raise

    async def work() -> None:
        running = asyncio.create_task(Call(agent).ran(QUESTION, {0: noise(100)}))
        await begun.wait()
        assert list(tmp_path.iterdir()), "where is it recorded?"
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running

    run(work)
    # The call's end was first: the speech was over and the agent on its way out, or it was cancelled in the middle.
    assert cancelled in ([], [True])
    assert list(tmp_path.iterdir()) == []


def test_the_recording_is_removed_by_aclose_or_kept_where_one_asked(tmp_path: Path) -> None:
    async def work() -> None:
        call = Call(deaf)
        result, _ = await call.ran([Turn.user("a")], {0: noise(100)})
        path = Path(result.full_audio_path or "")
        assert path.name.endswith(".wav")
        assert not path.parent.exists()
        kept = Call(deaf, mixdown_dir=tmp_path / "new" / "folder")
        result, _ = await kept.ran([Turn.user("a")], {0: noise(100)})
        assert result.full_audio_path == str(tmp_path / "new" / "folder" / f"{REPLAY}.wav")
        assert [p.name for p in tmp_path.rglob("*.wav")] == [f"{REPLAY}.wav"]

    run(work)


def test_aclose_without_a_run_is_fine() -> None:
    async def work() -> None:
        runtime = LocalRuntime(deaf)
        await runtime.aclose()
        await runtime.aclose()

    run(work)


def test_a_place_that_cannot_be_written_is_a_mixdown_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    async def work() -> None:
        with pytest.raises(MixdownError, match="no place for the recording"):
            await Call(deaf, mixdown_dir=tmp_path / "file").ran([Turn.user("a")], {0: noise(100)})

    run(work)


def test_both_sides_turns_are_spans_at_their_place_in_the_recording() -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=200)
        call.transcript("We open")
        await call.say(noise(400, 2), transcript=" at nine. ")

    async def work() -> None:
        call = Call(agent)
        turns = [Turn.user("When do you open?", key="asks"), Turn.agent()]
        result, recording = await call.ran(turns, {0: noise(300)})
        assert result.full_transcript == "user: When do you open?\nagent: We open at nine."
        assert result.recording_started_at_epoch is not None
        user, agent_span = call.spans.ended
        assert (user.name, agent_span.name) == ("xray.turn", "xray.turn")
        assert dict(user.attributes or {}) == {
            "xray.turn.idx": 0,
            "xray.turn.role": "user",
            "xray.turn.key": "asks",
            "xray.turn.transcript": "When do you open?",
        }
        assert dict(agent_span.attributes or {}) == {
            "xray.turn.idx": 1,
            "xray.turn.role": "agent",
            "xray.turn.transcript": "We open at nine.",
        }

        def offset_ms(ns: int | None) -> float:
            assert ns is not None
            assert result.recording_started_at_epoch is not None
            return ns / 1e6 - result.recording_started_at_epoch * 1e3

        assert near(offset_ms(user.start_time), LEAD_MS, within=0.1)
        assert near(offset_ms(user.end_time), LEAD_MS + 300, within=0.1)
        begin = at_ms(recording.agent, noise(400, 2))
        assert near(offset_ms(agent_span.start_time), begin, within=30)
        assert near(offset_ms(agent_span.end_time), begin + 400, within=30)

    run(work)


def test_progress_tells_of_each_turn() -> None:
    seen: list[RunProgress] = []

    async def work() -> None:
        call = Call(deaf, agent_turn_timeout_s=1)
        call.runtime.report_progress_to(seen.append)
        await call.ran(QUESTION, {0: noise(100)})

    run(work)
    assert seen == [
        RunProgress("turn", turn_idx=0, turn_count=2, role=Role.USER),
        RunProgress("turn", turn_idx=1, turn_count=2, role=Role.AGENT),
    ]


def test_what_is_missing_before_run_is_told() -> None:
    conversation = Conversation("a", QUESTION)

    async def work() -> None:
        runtime = LocalRuntime(deaf)
        with pytest.raises(RuntimeBindError, match="bind"):
            await runtime.run(conversation)
        runtime.bind(replay_id=REPLAY, conversation_hash="0" * 64)
        with pytest.raises(RuntimeBindError, match=r"user turns \[0\] have no audio"):
            await runtime.run(conversation)
        with pytest.raises(ValueError, match="whole samples"):
            runtime.inject_user_audio({0: b"abc"})

    run(work)


def test_one_object_runs_one_conversation() -> None:
    async def work() -> None:
        time = VirtualTime()
        runtime = LocalRuntime(deaf, clock=time, sleep=time.sleep)
        runtime.bind(replay_id=REPLAY, conversation_hash="0" * 64)
        runtime.inject_user_audio({0: noise(100)})
        conversation = Conversation("a", [Turn.user("a")])
        await runtime.run(conversation)
        with pytest.raises(RuntimeError, match="one conversation"):
            await runtime.run(conversation)
        await runtime.aclose()

    run(work)


@pytest.mark.parametrize("name", ["agent_turn_timeout_s", "agent_silence_ms"])
@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "3"])
def test_senseless_times_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be a finite number more than 0, not {value!r}"):
        LocalRuntime(deaf, **{name: value})


def test_it_is_what_run_expects() -> None:
    runtime = LocalRuntime(deaf)
    assert isinstance(runtime, RuntimeBindable)
    assert isinstance(runtime, UserAudioInjectable)
    assert isinstance(runtime, ProgressReporting)


def test_frames_come_one_at_a_time_and_to_one_reader() -> None:
    numbers: list[int] = []

    async def agent(call: LocalCall) -> None:
        async for frame in call.frames():
            numbers.append(int.from_bytes(frame[:2], "little"))
            if len(numbers) == 40:
                break
        async for frame in call.frames():  # goes on where the first one stopped
            numbers.append(int.from_bytes(frame[:2], "little"))
            if len(numbers) == 80:
                break
        other = asyncio.create_task(call.listen())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two tasks"):
            await call.listen()
        other.cancel()
        with pytest.raises(asyncio.CancelledError):
            await other

    async def work() -> None:
        audio = b"".join((i + 1).to_bytes(2, "little") * 480 for i in range(60))
        await Call(agent).ran([Turn.user("a")], {0: audio})

    run(work)
    assert numbers[:30] == [0] * 30
    assert all(after - before == 1 for before, after in pairwise(numbers[29:80]))
