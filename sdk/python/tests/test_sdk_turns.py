# SPDX-License-Identifier: Apache-2.0
"""The rules of turns, on a line that a test plays: whose time passes when the script waits, and at no other time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from virtual_time import FRAME, Spans, VirtualTime, noise, silence
from xray._recorder import Recorder
from xray.conversation import Conversation, Turn
from xray.runtime._hearing import Hearing
from xray.runtime._turns import Turns
from xray.runtime._words import Words

MS = 48
ONE = [Turn.user("question"), Turn.agent()]
Do = Callable[[Words], None]


class HungUpError(Exception):
    pass


class PlayedLine:
    """An agent that speaks at times `voice` (from, to, in ms) and does at each of `acts` what it says there."""

    def __init__(self, voice: Sequence[tuple[int, int]] = (), acts: Sequence[tuple[int, Do]] = ()) -> None:
        self._voice = voice
        self._acts = list(acts)
        self._at = 0
        self.hearing = Hearing()
        self.words = Words()
        self.nobody_answers = False
        self.hangs_up_at_ms: int | None = None

    def now(self) -> int:
        return self._at

    @property
    def ms(self) -> float:
        return self._at / MS

    async def ready(self) -> None:
        pass

    async def say(self, pcm: bytes, *, voice_ends: int, then: Callable[[], None]) -> tuple[int, int]:
        begin = self._at
        while self._at < begin + voice_ends:
            await self.wait()
        then()
        while self._at < begin + len(pcm) // 2:
            await self.wait()
        return begin, self._at

    async def wait(self) -> None:
        if self.hangs_up_at_ms is not None and self.ms >= self.hangs_up_at_ms:
            raise HungUpError
        while self._acts and self.ms >= self._acts[0][0]:
            self._acts.pop(0)[1](self.words)
        speaks = any(a <= self.ms < b for a, b in self._voice)
        self.hearing.frame("agent", self._at, noise(10) if speaks else silence(10))
        self._at += FRAME


class Played:
    """A conversation on a line, and what came of it; also if the call ended within it."""

    def __init__(self, line: PlayedLine, tmp_path: Path, turns: Sequence[Turn], audio: dict[int, bytes]) -> None:
        self.spans = Spans()
        recorder = Recorder(tmp_path, clock=VirtualTime())
        recorder.start()
        self.turns = Turns(
            Conversation("turns", turns),
            line,
            recorder,
            audio=audio,
            agent_silence_ms=800,
            agent_turn_timeout_s=30,
            report=lambda _: None,
            tracer=self.spans.provider.get_tracer("test"),
        )
        try:
            asyncio.run(self.turns.play())
        except HungUpError:
            pass
        finally:
            recorder.close()

    @property
    def transcripts(self) -> list[str]:
        return [r.transcript for r in self.turns.responses]


def final(text: str, segment: str = "1") -> Do:
    return lambda words: words.heard(segment, text, final=True)


def so_far(text: str, segment: str = "1") -> Do:
    return lambda words: words.heard(segment, text, final=False)


def near(value: float | None, wanted: float, *, within: float = 40) -> bool:
    return value is not None and abs(value - wanted) <= within


def test_a_final_transcript_shortens_the_silence_that_ends_a_turn(tmp_path: Path) -> None:
    for acts, wanted in [([], 2800), ([(1100, so_far("Yes"))], 2800), ([(1100, final("Yes."))], 2500)]:
        line = PlayedLine([(1100, 2000)], acts)
        Played(line, tmp_path, ONE, {0: noise(1000)})
        assert near(line.ms, wanted)


def test_words_whose_voice_is_not_heard_end_the_turn_soon(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    line = PlayedLine(acts=[(2000, so_far("We open")), (3000, final("We open at nine."))])
    played = Played(line, tmp_path, ONE, {0: noise(1000)})
    assert near(line.ms, 8000)
    assert played.transcripts == ["We open at nine."]
    assert "turn 1: the agent's words are there, but its voice was not heard within 5 s" in caplog.text


def test_a_voice_that_comes_long_after_its_words_is_waited_for(tmp_path: Path) -> None:
    line = PlayedLine([(5500, 6500)], [(1500, final("We open at nine."))])
    played = Played(line, tmp_path, ONE, {0: noise(1000)})
    assert near(played.turns.responses[0].duration_ms, 1000)


def test_words_that_are_not_final_are_not_taken_for_the_whole_answer(tmp_path: Path) -> None:
    acts = [(2000, final("One moment.", "1")), (3000, so_far("It is", "2")), (20_000, final("It is nine.", "2"))]
    line = PlayedLine([(21_000, 22_000)], acts)
    played = Played(line, tmp_path, ONE, {0: noise(1000)})
    assert played.transcripts == ["One moment. It is nine."]
    assert near(line.ms, 22_500)


def test_words_of_before_the_users_voice_ended_are_no_answer(tmp_path: Path) -> None:
    line = PlayedLine([(100, 500), (1500, 2000)], [(100, final("Hello?", "1")), (1400, so_far("At nine.", "2"))])
    played = Played(line, tmp_path, ONE, {0: noise(1000)})
    assert played.transcripts == ["At nine."]
    # The greeting's being final has not shortened the silence after the answer.
    assert near(line.ms, 2800)


def test_words_of_an_agent_that_is_still_speaking_then_are(tmp_path: Path) -> None:
    line = PlayedLine([(100, 300), (900, 2000)], [(100, final("Hello?", "1")), (900, final("At nine.", "2"))])
    played = Played(line, tmp_path, ONE, {0: noise(1000) + silence(300)})
    assert played.transcripts == ["At nine."]
    assert near(played.turns.responses[0].duration_ms, 1000)


def test_an_answer_within_the_silence_at_the_end_of_the_users_audio_counts(tmp_path: Path) -> None:
    line = PlayedLine([(1300, 1700)], [(1300, final("Yes."))])
    played = Played(line, tmp_path, ONE, {0: noise(1000) + silence(2000)})
    assert played.transcripts == ["Yes."]
    assert near(played.turns.responses[0].duration_ms, 400)
    assert near(line.ms, 3000)


def test_what_is_said_while_a_user_is_silent_for_a_whole_turn_counts(tmp_path: Path) -> None:
    line = PlayedLine([(2000, 2500)], [(2000, final("Are you there?"))])
    played = Played(line, tmp_path, ONE, {0: silence(4000)})
    assert played.transcripts == ["Are you there?"]
    assert near(line.ms, 4000)


def test_a_turn_within_which_the_call_ends_is_noted(tmp_path: Path) -> None:
    line = PlayedLine([(1500, 2500)], [(1500, final("Goodbye."))])
    line.hangs_up_at_ms = 2700
    played = Played(line, tmp_path, [*ONE, *ONE], {0: noise(1000), 2: noise(1000)})
    assert played.transcripts == ["Goodbye.", ""]
    assert near(played.turns.responses[0].duration_ms, 1000)
    assert played.turns.lines == ["user: question", "agent: Goodbye."]
    assert [(s.attributes or {})["xray.turn.idx"] for s in played.spans.ended] == [0, 1]


def test_an_answer_is_noted_if_the_call_ends_within_the_silence_at_the_end_of_the_users_audio(tmp_path: Path) -> None:
    line = PlayedLine([(1300, 1700)], [(1300, final("Goodbye."))])
    line.hangs_up_at_ms = 1900
    played = Played(line, tmp_path, ONE, {0: noise(1000) + silence(2000)})
    assert played.transcripts == ["Goodbye."]
    assert near(played.turns.responses[0].duration_ms, 400)
    assert played.turns.lines == ["user: question", "agent: Goodbye."]
    assert [(s.attributes or {})["xray.turn.idx"] for s in played.spans.ended] == [0, 1]


@pytest.mark.parametrize("turns", [ONE, [Turn.user("question"), Turn.user("more")], [Turn.user("question")]])
def test_a_call_that_ends_while_the_user_speaks_has_no_answer(turns: list[Turn], tmp_path: Path) -> None:
    line = PlayedLine([(300, 700)], [(300, final("Wrong number."))])
    line.hangs_up_at_ms = 900
    played = Played(line, tmp_path, turns, {0: noise(1000)})
    assert [r for r in played.turns.responses if r.transcript or r.duration_ms] == []
    assert played.turns.lines == []
    assert not played.spans.ended


def test_a_time_out_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    line = PlayedLine([(40_000, 100_000)])
    Played(line, tmp_path, ONE * 2, {0: noise(1000), 2: noise(1000)})
    assert "turn 1: the agent had said nothing after 30 s" in caplog.text
    assert "turn 3: the agent was still speaking after 30 s" in caplog.text
    assert near(line.ms, 62_000)


def test_nobody_is_waited_for_who_has_left(tmp_path: Path) -> None:
    line = PlayedLine()
    line.nobody_answers = True
    Played(line, tmp_path, ONE, {0: noise(1000)})
    assert near(line.ms, 1000)
