# SPDX-License-Identifier: Apache-2.0
"""LocalRuntime in virtual time: what is played is recorded, turns end when they should, agents may misbehave."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from virtual_time import FRAME_BYTES, REPLAY, Call, VirtualTime, noise, silence
from xray.conversation import Conversation, Role, Turn
from xray.errors import MixdownError, RuntimeBindError, XrayError
from xray.runtime import local
from xray.runtime.base import ProgressReporting, RunProgress, RuntimeBindable, UserAudioInjectable
from xray.runtime.local import LocalCall, LocalRuntime

LEAD_MS, TAIL_MS, SILENCE_MS = 300, 500, 800
QUESTION = [Turn.user("A question?"), Turn.agent()]


async def deaf(call: LocalCall) -> None:
    """Hears everything and says nothing."""
    async for _ in call.frames():
        pass


def at_ms(pcm: bytes, piece: bytes) -> float:
    """Where a piece lies in samples: once, and whole."""
    at = pcm.find(piece)
    assert at >= 0, "it is not there whole"
    assert pcm.find(piece, at + 1) < 0, "it is there twice"
    return at / 96


def near(value: float | None, wanted: float, *, within: float) -> bool:
    return value is not None and abs(value - wanted) <= within


def run(work: Callable[[], Awaitable[None]]) -> None:
    async def whole() -> None:
        await work()
        assert asyncio.all_tasks() == {asyncio.current_task()}, "a task was left"

    asyncio.run(whole())


def test_the_recording_is_the_frames_that_were_played() -> None:
    """Sample by sample, both sides, with turns and pieces of any length, and a loop that is late at random."""
    rng = random.Random(5)
    user = {0: noise(1234, 1)[:-2], 2: noise(701, 2)}
    said: list[bytes] = []
    heard: list[bytes] = []

    async def agent(call: LocalCall) -> None:
        async def hear() -> None:
            async for frame in call.frames():
                heard.append(frame)

        hearing = asyncio.create_task(hear())
        while len(heard) < 200:
            await asyncio.sleep(0)
        said.extend(noise(rng.randrange(1, 300), seed)[: -2 * rng.randrange(1, 48)] for seed in range(3, 12))
        speeches = [call.say(pcm) for pcm in said]
        assert await speeches[-1]
        while not call.ended:
            await asyncio.sleep(0)
        await hearing

    async def work() -> None:
        late = [rng.choice((0.0, 0.0, 0.003, 0.035)) for _ in range(10_000)]
        call = Call(agent, time=VirtualTime(late_s=late))
        _, recording = await call.ran([Turn.user("a"), Turn.agent(), Turn.user("b")], user)
        assert recording.user == b"".join(heard), "what the agent heard is not what was recorded"
        assert at_ms(recording.user, user[0]) == LEAD_MS
        at_ms(recording.user, user[2])
        assert at_ms(recording.agent, b"".join(said)) % 10 == 0
        assert len(recording.agent.replace(b"\0\0", b"")) == len(b"".join(said))
        assert all(len(frame) == FRAME_BYTES for frame in heard)

    run(work)


def test_nothing_drifts_in_ten_minutes() -> None:
    """Each sleep takes too long, by up to 9 ms; a frame's time is its number times 10 ms all the same."""
    rng = random.Random(6)
    times: list[int] = []
    time = VirtualTime(late_s=[rng.random() * 0.009 for _ in range(70_000)])

    async def agent(call: LocalCall) -> None:
        async for _ in call.frames():
            times.append(time.ns)

    async def work() -> None:
        _, recording = await Call(agent, time=time, agent_turn_timeout_s=600).ran(QUESTION, {0: noise(100)})
        assert recording.ms == LEAD_MS + 100 + 600_000
        late = [(ns - times[0]) / 1e6 - 10 * i for i, ns in enumerate(times)]
        assert max(late) < 10
        assert min(late) > -10

    run(work)


def test_a_frame_is_heard_when_it_has_been_spoken_and_an_answer_begins_within_10_ms() -> None:
    moments: list[float] = []
    time = VirtualTime()
    begin = time.ns

    async def agent(call: LocalCall) -> None:
        async for frame in call.frames():
            if frame.strip(b"\0") and not moments:
                moments.append((time.ns - begin) / 1e6)
                await call.say(noise(50, 2))

    async def work() -> None:
        _, recording = await Call(agent, time=time).ran(QUESTION, {0: noise(20)})
        # The first loud frame lies from 300 to 310 ms.
        assert 310 <= moments[0] < 312
        assert at_ms(recording.agent, noise(50, 2)) in (310, 320)

    run(work)


def test_nothing_is_heard_before_it_was_said_when_the_loop_was_blocked(caplog: pytest.LogCaptureFixture) -> None:
    time = VirtualTime()

    async def agent(call: LocalCall) -> None:
        async for frame in call.frames():
            if frame.strip(b"\0"):
                time.block(0.6)
                await call.say(noise(50, 2))
                return

    async def work() -> None:
        _, recording = await Call(agent, time=time).ran(QUESTION, {0: noise(20)})
        assert at_ms(recording.agent, noise(50, 2)) in (310 + 600, 310 + 600 + 10)

    with caplog.at_level(logging.WARNING):
        run(work)
    # The frame that was due next was late by that, less its own length.
    assert "the event loop was blocked for 590 ms" in caplog.text


def test_an_agent_turn_is_over_when_it_was_silent_for_long_enough() -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=200)
        # A pause that is shorter than agent_silence_ms is within the turn, one that is longer is not.
        await call.say(noise(100, 2) + silence(700) + noise(100, 3))

    async def work() -> None:
        turns = [Turn.user("a"), Turn.agent(), Turn.user("b")]
        result, recording = await Call(agent).ran(turns, {0: noise(300), 2: noise(100, 9)})
        end = at_ms(recording.agent, noise(100, 3)) + 100
        # A voice is noticed to be over up to three frames late.
        assert 0 <= at_ms(recording.user, noise(100, 9)) - end - SILENCE_MS <= 30
        assert near(result.responses[0].duration_ms, 900, within=30)

    run(work)


def test_a_longer_silence_is_awaited_if_asked_for() -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=200)
        await call.say(noise(100, 2) + silence(700) + noise(100, 3))

    async def work() -> None:
        turns = [Turn.user("a"), Turn.agent(), Turn.user("b")]
        _, recording = await Call(agent, agent_silence_ms=600).ran(turns, {0: noise(300), 2: noise(100, 9)})
        assert at_ms(recording.user, noise(100, 9)) < at_ms(recording.agent, noise(100, 3))

    run(work)


def test_an_answer_within_the_silence_at_the_end_of_the_users_audio_counts() -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=300)
        await call.say(noise(200, 2), transcript="Yes.")
        await call.listen()  # it does not leave: that would end its turn

    async def work() -> None:
        call = Call(agent)
        result, recording = await call.ran(QUESTION, {0: noise(300) + silence(1200)})
        assert result.responses[0].transcript == "Yes."
        assert recording.ms < 3000, "the answer was not taken for one"

    run(work)


def test_what_the_agent_said_before_the_users_end_is_no_answer() -> None:
    async def agent(call: LocalCall) -> None:
        await call.say(noise(100, 2))  # a backchannel
        await call.listen(silence_ms=300)
        await call.say(noise(100, 3))

    async def work() -> None:
        _, recording = await Call(agent).ran(QUESTION, {0: noise(2000)})
        assert near(recording.ms, at_ms(recording.agent, noise(100, 3)) + 100 + SILENCE_MS, within=40)

    run(work)


def test_two_turns_of_the_agent_in_a_row_are_told_apart() -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=300)
        await call.say(noise(200, 2), transcript="One moment.")
        await call.say(silence(2000) + noise(500, 3), transcript="It is nine.")
        await call.listen()

    async def work() -> None:
        call = Call(agent)
        result, recording = await call.ran([Turn.user("a"), Turn.agent(), Turn.agent()], {0: noise(300)})
        first, second = result.responses
        assert near(first.duration_ms, 200, within=30)
        assert near(second.duration_ms, 500, within=30)
        assert near(recording.ms, at_ms(recording.agent, noise(500, 3)) + 500 + SILENCE_MS, within=30)

    run(work)


def test_words_belong_to_the_turn_in_which_they_were_reported() -> None:
    async def agent(call: LocalCall) -> None:
        for answer in ("One.", "Two."):
            await call.listen(silence_ms=300)
            await call.say(noise(200, 2), transcript=answer)
        await call.listen()

    async def work() -> None:
        result, _ = await Call(agent).ran([*QUESTION, *QUESTION], {0: noise(300), 2: noise(300, 3)})
        assert [r.transcript for r in result.responses] == ["One.", "Two."]

    run(work)


def test_others_run_between_the_frames_of_a_loop_that_catches_up() -> None:
    time = VirtualTime()
    turns_of_the_loop = [0]
    seen: list[int] = []

    async def agent(call: LocalCall) -> None:
        async def count() -> None:
            while not call.ended:
                turns_of_the_loop[0] += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        async for _ in call.frames():
            seen.append(turns_of_the_loop[0])
            if len(seen) == 5:
                time.block(0.2)
        await counting

    async def work() -> None:
        await Call(agent, time=time).ran([Turn.user("a")], {0: noise(100)})
        assert len(set(seen)) == len(seen), "frames came in one go"

    run(work)


def test_an_agent_that_never_speaks_has_an_empty_response(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        call = Call(deaf, agent_turn_timeout_s=7)
        result, recording = await call.ran([*QUESTION, *QUESTION], {0: noise(100), 2: noise(100, 2)})
        assert [r.transcript for r in result.responses] == ["", ""]
        assert [r.duration_ms for r in result.responses] == [None, None]
        assert recording.ms == LEAD_MS + 2 * (100 + 7000)
        assert not recording.agent.strip(b"\0")

    run(work)
    assert "turn 1: the agent had said nothing after 7 s" in caplog.text


def test_an_agent_that_talks_without_end_is_spoken_over(caplog: pytest.LogCaptureFixture) -> None:
    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=100)
        seed = 10
        while await call.say(noise(1000, seed)):
            seed += 1

    async def work() -> None:
        turns = [Turn.user("a"), Turn.agent(), Turn.user("b"), Turn.agent()]
        result, recording = await Call(agent, agent_turn_timeout_s=3).ran(turns, {0: noise(100), 2: noise(100, 2)})
        assert at_ms(recording.user, noise(100, 2)) == LEAD_MS + 100 + 3000
        assert recording.ms == LEAD_MS + 2 * (100 + 3000)
        assert [r.duration_ms is not None and r.duration_ms > 2700 for r in result.responses] == [True, True]

    run(work)
    assert "turn 1: the agent was still speaking after 3 s" in caplog.text


def test_an_agent_that_stops_when_it_is_interrupted_is_recorded_as_far_as_it_was_heard() -> None:
    played_whole: list[bool] = []

    async def agent(call: LocalCall) -> None:
        await call.listen(silence_ms=100)
        speech, queued = call.say(noise(9000, 2)), call.say(noise(100, 3))
        async for frame in call.frames():
            if frame.strip(b"\0"):
                call.stop()
                break
        played_whole.extend([await speech, await queued])

    async def work() -> None:
        turns = [Turn.user("a"), Turn.agent(), Turn.user("b")]
        _, recording = await Call(agent, agent_turn_timeout_s=2).ran(turns, {0: noise(100), 2: noise(700, 5)})
        barged_in = at_ms(recording.user, noise(700, 5))
        voice = recording.agent.strip(b"\0")
        end = at_ms(recording.agent, voice) + len(voice) / 96
        assert noise(9000, 2).startswith(voice)
        # Heard 10 ms after the user began; the frame that was being played then is the last one.
        assert 10 <= end - barged_in <= 21

    run(work)
    assert played_whole == [False, False]


def test_cancelling_the_wait_for_a_speech_stops_it() -> None:
    async def agent(call: LocalCall) -> None:
        async def speak() -> None:
            await call.say(noise(2000, 2))

        speaking = asyncio.create_task(speak())
        frames = call.frames()
        for _ in range(60):
            await anext(frames)
        speaking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await speaking

    async def work() -> None:
        _, recording = await Call(agent).ran(QUESTION, {0: noise(1000)})
        assert 580 <= len(recording.agent.strip(b"\0")) / 96 <= 600

    run(work)


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

    run(work)
    assert list(tmp_path.iterdir()) == []


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


@pytest.mark.parametrize("options", [{"agent_turn_timeout_s": 0}, {"agent_silence_ms": 0}, {"agent_silence_ms": -1}])
def test_senseless_times_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        LocalRuntime(deaf, **options)


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
