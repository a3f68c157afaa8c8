# SPDX-License-Identifier: Apache-2.0
"""LocalRuntime in virtual time: what is played is recorded, turns end when they should."""

from __future__ import annotations

import asyncio
import logging
import random

import pytest

from local_calls import LEAD_MS, QUESTION, SILENCE_MS, at_ms, deaf, near, run
from virtual_time import FRAME_BYTES, Call, VirtualTime, noise, silence
from xray.conversation import Turn
from xray.runtime._local_call import Mouth
from xray.runtime.local import LocalCall


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
        await call.say(noise(100, 2), transcript="Hello, how can I help?")
        await call.listen(silence_ms=300)
        await call.say(noise(100, 3), transcript="We open at nine.")
        await call.listen()

    async def work() -> None:
        result, recording = await Call(agent).ran(QUESTION, {0: noise(2000)})
        assert [r.transcript for r in result.responses] == ["We open at nine."]
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


def test_a_piece_that_is_said_while_another_is_played_follows_it_without_a_gap() -> None:
    now = [0]
    mouth = Mouth(lambda: now[0])
    first, second, late = noise(10, 2)[:-160], noise(10, 3), noise(10, 4)
    mouth.say(first)
    now[0] = 300  # within the frame that is the first one's last
    mouth.say(second)
    assert mouth.take(0) == first + second[:160]
    now[0] = 480 + 401  # when the second one is over
    mouth.say(late)
    assert mouth.take(480) == second[160:].ljust(960, b"\0")
    assert mouth.take(960) == late


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
