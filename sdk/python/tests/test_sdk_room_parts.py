# SPDX-License-Identifier: Apache-2.0
"""The parts of a call in a room that need no room: placing, speaking, hearing, words."""

from __future__ import annotations

import asyncio
import itertools
import math
import random
from array import array
from collections.abc import Callable, Iterator

import pytest

from xray._frame import FRAME_NS, FRAME_SAMPLES, SILENCE
from xray._pcm import pcm_of, samples_of
from xray.runtime._hearing import Hearing, level_dbfs
from xray.runtime._room.placing import TOLERANCE, WINDOW_FRAMES, Placed, Placer
from xray.runtime._room.speaking import MAX_CATCH_UP_NS, Spoken, Voice
from xray.runtime._words import Words

LOUD = (1000).to_bytes(2, "little") * 480
QUIET = bytes(960)
MS = 48


def place(arrivals: list[int], frames: list[bytes] | None = None) -> list[Placed]:
    placer = Placer()
    out: list[Placed] = []
    for i, arrived in enumerate(arrivals):
        out += placer.push(arrived, frames[i] if frames else LOUD)
    return out + placer.flush()


def assert_end_to_end(placed: list[Placed]) -> None:
    for a, b in itertools.pairwise(placed):
        assert a.at + len(a.pcm) // 2 == b.at


@pytest.mark.parametrize("seed", range(20))
def test_late_arrivals_move_nothing(seed: int) -> None:
    """Python is late by anything up to 40 ms, the first frame too; now and then it is on time."""
    rng = random.Random(seed)
    late = [rng.choice([0, 5, rng.randrange(40 * MS)]) for _ in range(2000)]
    late[0] = 39 * MS
    arrivals: list[int] = []
    last = 0
    for i, x in enumerate(late):
        last = max(last + 1, 7777 + i * 480 + x)
        arrivals.append(last)
    placed = place(arrivals)
    assert_end_to_end(placed)
    assert 0 <= placed[0].at - 7777 <= 5
    assert b"".join(p.pcm for p in placed) == LOUD * 2000


@pytest.mark.parametrize("blocked_s", [0.1, 0.6, 3.0, 10.0])
def test_a_blocked_loop_moves_nothing(blocked_s: float) -> None:
    """All frames of the time that it was blocked arrive at once at its end."""
    blocked = round(blocked_s * 100)
    arrivals = [1000 + i * 480 for i in range(300)]
    arrivals += [1000 + (300 + blocked) * 480 + k for k in range(blocked)]
    arrivals += [1000 + i * 480 + 20 for i in range(300 + blocked, 700 + blocked)]
    placed = place(arrivals)
    assert_end_to_end(placed)
    assert placed[0].at == 1000
    assert len(placed) == 700 + blocked


def test_a_stream_that_stood_still_leaves_a_hole_there_and_goes_on_on_time() -> None:
    stood = 300 * MS
    placed = place([i * 480 + (stood if i >= 500 else 0) for i in range(1000)])
    assert_end_to_end(placed[:500])
    assert_end_to_end(placed[500:])
    assert placed[500].at - placed[499].at == 480 + stood
    assert placed[-1].at == 999 * 480 + stood


def test_a_small_shift_waits_for_silence() -> None:
    frames = [QUIET if i % 200 >= 150 else LOUD for i in range(1200)]
    placed = place([i * 480 + (15 * MS if i >= 400 else 0) for i in range(1200)], frames)
    assert_end_to_end(placed[:550])
    assert placed[550].at - placed[549].at == 480 + 15 * MS
    assert placed[-1].at == 1199 * 480 + 15 * MS


def test_a_sender_whose_clock_is_faster_is_followed_by_leaving_out_silence() -> None:
    """500 ppm, far more than real ones: over ten minutes no frame is placed more than a frame off."""
    n = 60_000
    frames = [QUIET if i % 300 >= 200 else LOUD for i in range(n)]
    arrivals = [round(i * 480 * (1 - 500e-6)) for i in range(n)]
    placer = Placer()
    placed: list[Placed] = []
    for arrived, frame in zip(arrivals, frames, strict=True):
        placed += placer.push(arrived, frame)
    placed += placer.flush()
    for a, b in itertools.pairwise(placed):
        assert a.at + len(a.pcm) // 2 <= b.at
    assert sum(p.pcm.count(LOUD[0]) for p in placed) == sum(f.count(LOUD[0]) for f in frames)
    assert abs(placed[-1].at - arrivals[-1]) <= TOLERANCE + 2 * 480


def test_a_slower_one_is_followed_too() -> None:
    n = 20_000
    placed = place([round(i * 480 * (1 + 200e-6)) for i in range(n)], [QUIET if i % 9 == 0 else LOUD for i in range(n)])
    assert len(placed) == n
    assert abs(placed[-1].at - round((n - 1) * 480 * (1 + 200e-6))) <= TOLERANCE + 480
    for a, b in itertools.pairwise(placed):
        assert 0 <= b.at - a.at - 480 <= 480


def noise(peak: int, *, seed: int = 4) -> list[bytes]:
    """Frames of a microphone in a quiet room: sound in every one, the same after half a second."""
    rng = random.Random(seed)
    return [pcm_of(array("h", [rng.randint(-peak, peak) for _ in range(480)])) for _ in range(50)]


@pytest.mark.parametrize(("ppm", "peak"), [(50, 100), (100, 100), (500, 8000), (-50, 100), (-500, 8000)])
def test_a_sender_that_is_never_silent_is_followed_too(ppm: int, peak: int) -> None:
    """Ten minutes: every frame is within a frame of its moment, none is dropped or has lost more than a sample, and no
    gap is cut into the sound."""
    n, frames = 60_000, noise(peak)
    arrivals = [round(i * 480 * (1 - ppm * 1e-6)) for i in range(n)]
    placed = place(arrivals, [frames[i % 50] for i in range(n)])
    assert len(placed) == n
    assert_end_to_end(placed)
    assert max(abs(p.at - arrived) for p, arrived in zip(placed, arrivals, strict=True)) <= 480
    changed = [i for i, p in enumerate(placed) if p.pcm != frames[i % 50]]
    # No more of them than the clocks ask for.
    assert len(changed) <= abs(arrivals[-1] - (n - 1) * 480)
    assert {len(placed[i].pcm) // 2 - 480 for i in changed} <= {-1 if ppm > 0 else 1}


@pytest.mark.parametrize("faster", [True, False])
def test_a_sample_more_or_less_is_where_the_sound_is_flattest(faster: bool) -> None:
    """A frame of it is the frame but for that sample, and no step between neighbours is larger than there was."""
    tone_of = [round(9000 * math.sin(2 * math.pi * 440 * i / 48_000)) for i in range(480 * 1200)]
    frames = [pcm_of(array("h", tone_of[i : i + 480])) for i in range(0, len(tone_of), 480)]
    sign = -1 if faster else 1
    placed = place([round(i * 480 * (1 + sign * 1e-3)) for i in range(1200)], frames)
    changed = [i for i, p in enumerate(placed) if p.pcm != frames[i]]
    assert len(changed) > 100
    for i in changed:
        before, after = list(samples_of(frames[i])), list(samples_of(placed[i].pcm))
        longer, shorter = (before, after) if faster else (after, before)
        at = next((k for k, (a, b) in enumerate(zip(longer, shorter, strict=False)) if a != b), len(shorter))
        assert longer[:at] + longer[at + 1 :] == shorter
    whole = list(samples_of(b"".join(p.pcm for p in placed)))
    assert max(abs(a - b) for a, b in itertools.pairwise(whole)) <= max(
        abs(a - b) for a, b in itertools.pairwise(tone_of)
    )


@pytest.mark.parametrize("seed", range(5))
def test_of_a_steady_sender_no_sample_is_touched(seed: int) -> None:
    """Whatever Python is late by: a minute of sound in every frame."""
    rng = random.Random(seed)
    frames = noise(8000, seed=seed)
    arrivals = list(
        itertools.accumulate((7777 + i * 480 + rng.choice([0, 9, rng.randrange(60 * MS)]) for i in range(6000)), max)
    )
    placed = place(arrivals, [frames[i % 50] for i in range(6000)])
    assert_end_to_end(placed)
    assert b"".join(p.pcm for p in placed) == b"".join(frames) * 120


def test_a_step_within_speech_waits_for_its_end() -> None:
    """Two seconds of it: a step is no drift, and the speaker will pause."""
    speech = noise(8000)
    frames = [QUIET if i >= 600 else speech[i % 50] for i in range(900)]
    placed = place([i * 480 + (15 * MS if i >= 400 else 0) for i in range(900)], frames)
    assert [p.pcm for p in placed[:600]] == frames[:600]
    assert_end_to_end(placed[:600])
    assert placed[-1].at == 899 * 480 + 15 * MS


def test_a_short_stream_is_placed_by_what_there_is() -> None:
    placed = place([5000 + i * 480 + (900 if i == 0 else 0) for i in range(5)])
    assert [p.at for p in placed] == [5000 + i * 480 for i in range(5)]
    assert place([]) == []


def test_memory_is_bounded_by_the_window() -> None:
    placer = Placer()
    given = 0
    for i in range(5000):
        given += len(placer.push(i * 480, LOUD))
        assert i + 1 - given <= WINDOW_FRAMES


class World:
    """A clock that only sleeping and sending turn; sending takes what `costs` says."""

    def __init__(self, costs: Callable[[int], int] = lambda _: 0, *, frames: int = 200) -> None:
        self.ns = 1_000_000_007
        self.sent: list[tuple[int, bytes]] = []
        self.recorded: list[tuple[int, bytes]] = []
        self._costs = costs
        self._left = frames

    def monotonic_ns(self) -> int:
        return self.ns

    def epoch_ns(self) -> int:
        return self.ns

    async def sleep(self, seconds: float) -> None:
        self.ns += max(1, round(seconds * 1e9))
        await asyncio.sleep(0)

    async def send(self, pcm: bytes) -> None:
        if self._left == 0:
            raise asyncio.CancelledError
        self._left -= 1
        self.sent.append((self.ns, pcm))
        self.ns += self._costs(len(self.sent))
        await asyncio.sleep(0)

    def voice(self) -> Voice:
        return Voice(self.send, lambda at, pcm: self.recorded.append((at, pcm)), clock=self, sleep=self.sleep)


async def speak(world: World, *turns: bytes, after: int = 10) -> list[Spoken]:
    voice = world.voice()
    running = asyncio.ensure_future(voice.run())
    while len(world.sent) < after:
        await asyncio.sleep(0)
    spoken = [await voice.say(turn) for turn in turns]
    await asyncio.wait({running})
    return spoken


def test_a_frame_leaves_every_10_ms_with_silence_between_turns() -> None:
    world = World()
    pcm = random.Random(1).randbytes(2 * (480 * 7 + 100))
    (spoken,) = asyncio.run(speak(world, pcm))
    assert [b - a for (a, _), (b, _) in itertools.pairwise(world.sent)] == [FRAME_NS] * 199
    said = b"".join(frame for _, frame in world.sent if frame != SILENCE)
    assert said == pcm.ljust(8 * 960, b"\0")
    assert [frame for _, frame in world.recorded] == [f for _, f in world.sent if f != SILENCE]
    assert spoken == Spoken(world.recorded[0][0], world.recorded[-1][0] + 100 * FRAME_NS // FRAME_SAMPLES)


@pytest.mark.parametrize(("voice_ends", "frames"), [(0, 0), (480, 1), (481, 2), (480 * 7 + 100, 8)])
def test_the_end_of_the_voice_within_a_turn_is_told_when_it_has_left(voice_ends: int, frames: int) -> None:
    told: list[int] = []

    async def go() -> None:
        world = World()
        voice = world.voice()
        running = asyncio.ensure_future(voice.run())
        pcm = LOUD * 7 + LOUD[:200]
        await voice.say(pcm, voice_ends=voice_ends, then=lambda: told.append(sum(f != SILENCE for _, f in world.sent)))
        await asyncio.wait({running})

    asyncio.run(go())
    assert told == [frames]


def test_turns_in_a_row_follow_at_once() -> None:
    world = World()
    asyncio.run(speak(world, LOUD * 3, LOUD * 3))
    places = [i for i, (_, frame) in enumerate(world.sent) if frame != SILENCE]
    assert len(places) == 6
    assert places[3] - places[2] <= 2


@pytest.mark.parametrize("stall_ms", [3, 35, 190])
def test_a_late_frame_is_caught_up_and_none_is_lost_or_moved(stall_ms: int) -> None:
    world = World(lambda n: stall_ms * 1_000_000 if n == 15 else 100_000)
    pcm = random.Random(2).randbytes(960 * 100)
    asyncio.run(speak(world, pcm))
    assert b"".join(frame for _, frame in world.recorded) == pcm
    start = world.recorded[0][0]
    assert [at - start for at, _ in world.recorded] == [i * FRAME_NS for i in range(100)]
    # At the end it leaves when the schedule says.
    assert world.sent[-1][0] == world.sent[0][0] + 199 * FRAME_NS


def test_a_long_stall_leaves_a_hole_where_the_listener_had_one() -> None:
    stall = MAX_CATCH_UP_NS + 300_000_000
    world = World(lambda n: stall if n == 60 else 0)
    pcm = random.Random(2).randbytes(960 * 100)
    asyncio.run(speak(world, pcm))
    assert b"".join(frame for _, frame in world.recorded) == pcm
    steps = [b - a for (a, _), (b, _) in itertools.pairwise(world.recorded)]
    assert [step for step in steps if step != FRAME_NS] == [stall]


def test_what_ends_the_feed_ends_who_speaks() -> None:
    world = World()

    async def broken(_pcm: bytes) -> None:
        raise ConnectionError("gone")

    async def go() -> None:
        voice = Voice(broken, lambda _at, _pcm: None, clock=world, sleep=world.sleep)
        speaking = asyncio.ensure_future(voice.say(LOUD))
        await asyncio.sleep(0)
        with pytest.raises(ConnectionError, match="gone"):
            await voice.run()
        with pytest.raises(ConnectionError, match="gone"):
            await speaking

    asyncio.run(go())


def test_a_turn_that_is_cancelled_falls_silent_and_another_can_follow() -> None:
    async def go() -> None:
        world = World()
        voice = world.voice()
        running = asyncio.ensure_future(voice.run())
        speaking = asyncio.ensure_future(voice.say(LOUD * 1000))
        while len(world.recorded) < 5:
            await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="already"):
            await voice.say(LOUD)
        speaking.cancel()
        await asyncio.wait({speaking})
        before = len(world.recorded)
        await voice.say(LOUD * 2)
        assert len(world.recorded) <= before + 3
        assert await voice.say(b"") == Spoken(world.ns, world.ns)
        running.cancel()

    asyncio.run(go())


def tone(level: int, n: int = 480) -> bytes:
    return b"".join((level if i % 96 < 48 else -level).to_bytes(2, "little", signed=True) for i in range(n))


def feed(hearing: Hearing, frames: Iterator[bytes], *, at: int = 0, track: str = "a") -> int:
    for frame in frames:
        hearing.frame(track, at, frame)
        at += 480
    return at


def test_levels_are_against_full_scale() -> None:
    assert level_dbfs(bytes(960)) == -100
    assert abs(level_dbfs(tone(32767))) < 0.01
    assert abs(level_dbfs(tone(3277)) + 20) < 0.01


@pytest.mark.parametrize("level", [180, 1000, 20_000])
def test_speech_is_heard_from_its_first_frames_to_its_last(level: int) -> None:
    hearing = Hearing()
    at = feed(hearing, itertools.repeat(QUIET, 100))
    assert hearing.first_voice is None
    end = feed(hearing, itertools.repeat(tone(level), 50), at=at)
    feed(hearing, itertools.repeat(QUIET, 100), at=end)
    assert hearing.first_voice is not None
    assert hearing.last_voice is not None
    assert 0 <= hearing.first_voice - at <= 3 * 480
    assert 0 <= hearing.last_voice - end <= 3 * 480


def test_clicks_and_steady_noise_are_no_speech() -> None:
    hearing = Hearing()
    noise = tone(60)
    feed(hearing, (tone(9000) if i % 40 == 0 else noise for i in range(600)))
    hearing.forget()
    feed(hearing, (tone(9000) if i % 40 == 0 else noise for i in range(600)), at=600 * 480)
    assert hearing.first_voice is None


def test_an_office_on_a_track_of_its_own_does_not_hide_the_end_of_speech() -> None:
    hearing = Hearing()
    at = feed(hearing, itertools.repeat(tone(300), 600), track="office")
    hearing.forget()
    for i in range(300):
        hearing.frame("office", at + i * 480, tone(300))
        hearing.frame("voice", at + i * 480, tone(5000) if i < 100 else QUIET)
    assert hearing.last_voice is not None
    assert abs(hearing.last_voice - at - 100 * 480) <= 3 * 480


def test_packets_do_not_count_in_a_turn_with_streams() -> None:
    words = Words()
    words.heard("SG_1", "Good", final=False, packet=True)
    assert words.take() == "Good"
    words.heard("SG_2", "For which", final=True, packet=True)
    words.heard("other name of SG_2", "For which day?", final=False)
    words.heard("SG_2", "For which day?", final=True, packet=True)
    assert not words.final
    words.heard("other name of SG_2", "For which day?", final=True)
    words.heard("SG_3", "For which day?", final=False, packet=True)
    assert words.final
    assert words.take() == "For which day?"
    words.heard("SG_2", "For which day?", final=True, packet=True)  # late
    words.heard("SG_3", "For which day?", final=True, packet=True)
    assert words.take() == ""
    words.heard("SG_4", "At seven.", final=True, packet=True)
    assert words.take() == "At seven."


def test_words_that_are_dropped_do_not_come_back() -> None:
    words = Words()
    words.heard("1", "Hello?", final=True)
    words.heard("2", "We", final=False)
    words.drop(speaking=True)
    words.heard("1", "Hello?", final=True)
    assert not words.final
    words.heard("2", "We open.", final=True)
    assert words.take() == "We open."
    words.heard("3", "At", final=False)
    words.drop(speaking=False)
    words.heard("3", "At nine.", final=True)
    assert words.take() == ""


def test_words_are_kept_by_segment_and_taken_by_turn() -> None:
    words = Words()
    assert not words.final
    words.heard("1", "Good", final=False)
    words.heard("1", "Good morning.", final=True)
    assert words.final
    words.heard("2", "For which day", final=False)
    assert not words.final
    words.heard("1", "Good", final=False)  # late, of another way
    assert words.take() == "Good morning. For which day"
    words.heard("2", "For which day?", final=True)
    assert not words.final
    assert words.take() == ""
    words.heard("3", "  ", final=True)
    assert words.final
    assert words.take() == ""
