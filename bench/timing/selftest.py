# SPDX-License-Identifier: Apache-2.0
"""Tests of what needs numpy, run before each measurement: truth, noise, mixing, the oracle and Silero's frames on cases
made by hand, and scenes as they are measured with. The rest is tested in tests/test_timing_bench.py."""

from __future__ import annotations

import unittest
from itertools import pairwise
from typing import Any, ClassVar

import oracle
import silero
from arrays import PER_MS, RATE, Array, audible, generator, np, rms
from background import KINDS, noise_of
from corpus import HALVES, MUSIC, voices
from listening import mix
from long_dialogue import make_long
from measure import BenchError
from noise import SYNTHETIC, amplitude, at_level, to_int16
from phrases import SENTENCES
from rows import ROWS
from scenes import PLANS, TURNS, Scene, Utterance, build
from server import heard_of, wav
from truth import is_clear, truth_of, window_powers
from turns import AGENT, USER, Segment, Turn


def tone(ms: int, amplitude: float = 1000.0) -> Array:
    """1 kHz: each whole ms has exactly amplitude² / 2."""
    return amplitude * np.sin(2 * np.pi * np.arange(ms * PER_MS) / PER_MS)


def silence(ms: int) -> Array:
    return np.zeros(ms * PER_MS)


class Truths(unittest.TestCase):
    def test_window_power_is_the_mean_square_of_its_ten_ms(self) -> None:
        powers = window_powers(np.concatenate((silence(10), tone(10, 2.0))))
        assert len(powers) == 11
        np.testing.assert_allclose(powers, [2.0 * k / 10 for k in range(11)], atol=1e-9)

    def test_ends_are_the_middles_of_the_outermost_loud_windows(self) -> None:
        found = truth_of(np.concatenate((silence(100), tone(500), silence(200))))
        assert found
        # A full-scale millisecond is a tenth of P, so a window that sees one is loud: the first begins 9 ms before.
        assert (found.start_ms, found.end_ms) == (100 - 9 + 5, 600 - 1 + 5)

    def test_a_pause_inside_does_not_matter(self) -> None:
        found = truth_of(np.concatenate((silence(50), tone(300), silence(900), tone(300), silence(50))))
        assert found
        assert (found.start_ms, found.end_ms) == (46, 1554)

    def test_what_lies_more_than_30_db_below_p_is_no_speech(self) -> None:
        for db, start in ((-29, 13), (-31, 206)):
            faint = tone(200, 1000 * 10 ** (db / 20))
            found = truth_of(np.concatenate((silence(10), faint, tone(600), silence(10))))
            assert found
            with self.subTest(db=db):
                assert abs(found.start_ms - start) <= 1

    def test_the_level_does_not_move_it(self) -> None:
        source = np.concatenate((silence(30), tone(200, 40.0), tone(300), tone(150, 35.0), silence(30)))
        loud, quiet = truth_of(source), truth_of(source / 300)
        assert loud
        assert quiet
        assert (loud.start_ms, loud.end_ms) == (quiet.start_ms, quiet.end_ms)

    def test_speech_that_reaches_the_source_ends_is_seen_whole(self) -> None:
        found = truth_of(tone(300))
        assert found
        assert (found.start_ms, found.end_ms) == (-4, 304)

    def test_silence_has_none(self) -> None:
        assert truth_of(silence(500)) is None
        assert truth_of(silence(0)) is None

    def test_a_room_that_makes_the_ends_is_not_clear(self) -> None:
        voice, room = tone(500), tone(400, 1000 * 10 ** (-28 / 20))
        clear, covered = truth_of(np.concatenate((silence(400), voice))), truth_of(np.concatenate((room, voice)))
        assert clear
        assert covered
        assert (is_clear(clear), is_clear(covered)) == (True, False)

    def test_the_speech_level_leaves_pauses_out(self) -> None:
        found = truth_of(np.concatenate((tone(500), silence(2000), tone(500))))
        assert found
        assert abs(found.speech - 1000.0**2 / 2) < 1000.0**2 / 2 * 0.02

    def test_an_offset_while_somebody_speaks_is_no_speech(self) -> None:
        voice = np.concatenate((silence(300), tone(500), silence(300)))
        offset = np.concatenate((silence(100), np.full(900 * PER_MS, 50.0), silence(100)))
        raw, heard = truth_of(voice + offset), truth_of(audible(voice + offset, RATE))
        assert raw
        assert heard
        assert raw.start_ms < 110
        assert abs(heard.start_ms - 296) <= 1
        assert abs(heard.end_ms - 804) <= 1


class Mixing(unittest.TestCase):
    def scene(self) -> Scene:
        speech = np.zeros((2, 2 * RATE), dtype=np.float32)
        speech[:, : RATE // 2] = tone(500, 2**0.5)
        utterances = [Utterance(Segment(0, channel, 500), 1.0) for channel in (USER, AGENT)]
        return Scene(tuple(utterances), speech, None)

    def test_each_noise_comes_at_its_ratio_on_each_side(self) -> None:
        for name, make in SYNTHETIC.items():
            noise = np.stack([make(generator(1, side), 2 * RATE) for side in range(2)])
            for snr in (20, 10):
                mixed = mix(ROWS[f"{name}-{snr}"], self.scene(), noise, 1)
                for side in range(2):
                    with self.subTest(noise=name, snr=snr, side=side):
                        got = 20 * np.log10(amplitude(-25) / rms(mixed.extra[side]))
                        assert abs(got - snr) < 0.01
                        heard = mixed.recording[side].astype(np.float64)
                        quiet = rms(heard[RATE:]) / rms(mixed.extra[side][RATE:])
                        assert abs(quiet - 1) < 0.02

    def test_speech_comes_at_its_level(self) -> None:
        for name in ("clean-25", "clean-35", "clean-45"):
            mixed = mix(ROWS[name], self.scene(), None, 1)
            level = 20 * np.log10(rms(mixed.recording[USER][: RATE // 2]) / 32768)
            assert abs(level - ROWS[name].level_dbfs) < 0.05

    def test_the_same_seed_gives_the_same_bytes_and_another_one_others(self) -> None:
        first, same, other = (mix(ROWS["clean-25"], self.scene(), None, seed).recording for seed in (1, 1, 2))
        assert np.array_equal(first, same)
        assert not np.array_equal(first, other)

    def test_silence_is_dithered_by_one_lsb(self) -> None:
        quiet = to_int16(generator(1), np.zeros((2, RATE), dtype=np.float32))
        assert set(np.unique(quiet).tolist()) == {-1, 0, 1}

    def test_pink_noise_has_equal_octaves_and_hum_its_lines(self) -> None:
        pink, hum = (np.abs(np.fft.rfft(SYNTHETIC[name](generator(3), 4 * RATE))) ** 2 for name in ("pink", "hum"))
        octaves = [np.sum(pink[4 * low : 8 * low]) for low in (100, 400, 1600, 6400)]
        assert max(octaves) / min(octaves) < 1.25
        lines = hum[[4 * 50 * k for k in range(1, 11)]]
        assert np.sum(lines) / np.sum(hum) > 0.999

    def test_a_level_is_that_of_the_whole_noise(self) -> None:
        assert abs(rms(at_level(tone(300), -20)) / 3276.8 - 1) < 1e-4

    def test_the_wav_has_left_then_right(self) -> None:
        body = wav(np.array([[1, 2], [3, 4]], dtype=np.int16))
        assert len(body) == 44 + 8
        assert np.frombuffer(body[44:], "<i2").tolist() == [1, 3, 2, 4]


class Details(unittest.TestCase):
    def detail(self) -> dict[str, Any]:
        turns = [("user", 100, 900), ("agent", 1300, 2000)]
        metrics: list[dict[str, Any]] = [
            {"turn_idx": 0, "agent_response_ms": None, "agent_response_uncertainty_ms": None},
            {"turn_idx": 1, "agent_response_ms": 400, "agent_response_uncertainty_ms": 7},
        ]
        return {
            "id": "some",
            "speech_segments": [{"channel": role, "start_ms": start, "end_ms": end} for role, start, end in turns],
            "turns": [
                {"idx": i, "role": role, "voice_start_ms": start, "voice_end_ms": end}
                for i, (role, start, end) in enumerate(turns)
            ],
            "turn_metrics": metrics[::-1],
        }

    def test_a_turn_has_its_own_response_and_uncertainty(self) -> None:
        found = heard_of(self.detail())
        assert found.segments == (Segment(100, USER, 900), Segment(1300, AGENT, 2000))
        assert found.turns == (Turn(USER, 100, 900, None), Turn(AGENT, 1300, 2000, 400))
        assert [turn.uncertainty_ms for turn in found.turns] == [None, 7]

    def test_turns_that_do_not_follow_from_the_segments_are_refused(self) -> None:
        detail = self.detail()
        detail["turn_metrics"][0]["agent_response_ms"] = 401
        with self.assertRaisesRegex(BenchError, "of some do not follow"):  # noqa: PT027 - there is no pytest here
            heard_of(detail)


class Detectors(unittest.TestCase):
    def test_the_oracle_finds_truth_where_there_is_no_noise(self) -> None:
        speech = np.stack([np.concatenate((silence(300), tone(500), silence(400))), silence(1200)])
        told = [Utterance(Segment(296, USER, 804), 1000.0**2 / 2)]
        (found,) = oracle.listen(speech, np.zeros_like(speech), told, 1.0)
        assert (found.start_ms, found.end_ms, found.channel) == (296, 804, USER)

    def test_noise_hides_a_faint_end_from_the_oracle(self) -> None:
        faint = tone(200, 1000 * 10 ** (-25 / 20))
        speech = np.stack([np.concatenate((silence(300), tone(500), faint, silence(400))), silence(1400)])
        noise = np.stack([at_level(SYNTHETIC["white"](generator(5), 1400 * PER_MS), -43), silence(1400)])
        told = [Utterance(Segment(296, USER, 1004), 1000.0**2 / 2)]
        (found,) = oracle.listen(speech + noise, noise, told, 1.0)
        assert abs(found.end_ms - 804) < 8

    def test_frames_overlap_by_their_context(self) -> None:
        frames = silero.frames_of(np.arange(1, 1025 + 100, dtype=np.float32))
        assert frames.shape == (3, silero.CONTEXT + silero.FRAME)
        assert (frames[0, 0], frames[0, silero.CONTEXT]) == (0, 1)
        assert (frames[1, 0], frames[1, silero.CONTEXT]) == (512 - 64 + 1, 513)
        assert frames[2, -1] == 0

    def test_silero_spans_follow_its_rule(self) -> None:
        frame = silero.FRAME_MS
        cases: dict[str, tuple[list[float], list[tuple[float, float]]]] = {
            "none": ([0.4] * 20, []),
            "too short": ([0.1] * 5 + [0.9] * 7 + [0.1] * 9, []),
            "one": ([0.1] * 5 + [0.9] * 10 + [0.1] * 9, [(5 * frame - 30, 15 * frame + 30)]),
            "between the thresholds it goes on": (
                [0.9] * 10 + [0.4] * 9 + [0.9] + [0.1] * 9,
                [(0, 20 * frame + 30)],
            ),
            "a short silence does not end it": ([0.9] * 10 + [0.1] * 4 + [0.9] * 10, [(0, 24 * frame)]),
            "a longer one does": (
                [0.9] * 10 + [0.1] * 5 + [0.9] * 10,
                [(0, 10 * frame + 30), (15 * frame - 30, 25 * frame)],
            ),
        }
        for name, (probabilities, expected) in cases.items():
            with self.subTest(name):
                assert silero.spans_of(probabilities, len(probabilities) * frame) == expected


class Scenes(unittest.TestCase):
    """The first of each kind, from real material."""

    scenes: ClassVar[dict[str, Scene]] = {}

    @classmethod
    def setUpClass(cls) -> None:
        cls.scenes = {name: build(name, "tuning", 0) for name in PLANS}

    def test_the_truth_is_what_lies_in_the_recording(self) -> None:
        """To the millisecond but where the power hovers about the threshold: there the windows' phase decides."""
        for name, scene in self.scenes.items():
            found = sorted(oracle.listen(scene.speech, np.zeros_like(scene.speech), scene.utterances, 1.0))
            assert [s.channel for s in found] == [s.channel for s in scene.truths]
            pairs = list(zip(scene.truths, found, strict=True))
            errors = [abs(getattr(a, end) - getattr(b, end)) for a, b in pairs for end in ("start_ms", "end_ms")]
            with self.subTest(name):
                assert max(errors) < 12
                assert np.quantile(errors, 0.9) <= 1

    def test_each_utterance_has_the_level(self) -> None:
        for utterance in self.scenes["dialogue"].utterances:
            truth = utterance.truth
            speech = self.scenes["dialogue"].speech[truth.channel]
            powers = window_powers(speech[int(truth.start_ms) * PER_MS : int(truth.end_ms) * PER_MS])
            assert abs(np.mean(powers[powers > utterance.peak / 1000]) - 1) < 0.1

    def test_sides_alternate_with_gaps_of_a_quarter_to_two_seconds(self) -> None:
        truths = self.scenes["dialogue"].truths
        assert [t.channel for t in truths] == [USER, AGENT] * (TURNS // 2)
        gaps = [after.start_ms - before.end_ms for before, after in pairwise(truths)]
        assert all(249 <= gap <= 2001 for gap in gaps)
        assert len({round(t.start_ms % 1, 4) for t in truths}) > TURNS // 2  # not on whole milliseconds

    def test_the_user_barges_in_and_goes_on_after_the_agents_end(self) -> None:
        for before, after in pairwise(self.scenes["barge-in"].truths):
            assert (after.start_ms < before.end_ms) == (before.channel == AGENT)
            assert after.end_ms > before.end_ms

    def test_backchannels_lie_inside_the_users_turns(self) -> None:
        truths = self.scenes["backchannel"].truths
        users, agents = ([t for t in truths if t.channel == side] for side in (USER, AGENT))
        inside = [a for a in agents if any(u.start_ms < a.start_ms and a.end_ms < u.end_ms for u in users)]
        assert len(inside) == len(users) == TURNS // 2
        assert len(agents) == TURNS

    def test_the_agent_echoes_on_the_users_channel_30_db_below(self) -> None:
        scene = self.scenes["echo"]
        assert scene.echo is not None
        assert not np.any(scene.echo[AGENT])
        assert abs(20 * np.log10(rms(scene.echo[USER]) / rms(scene.speech[AGENT])) + 30) < 0.1

    def test_a_scene_is_the_same_every_time_and_another_one_is_not(self) -> None:
        again, other = build("dialogue", "tuning", 0), build("dialogue", "tuning", 1)
        assert np.array_equal(again.speech, self.scenes["dialogue"].speech)
        assert other.truths != again.truths

    def test_the_long_dialogue_has_music_on_one_channel_10_db_below_and_the_same_speech_on_both(self) -> None:
        seconds, first = 60, build("dialogue", "tuning", 0)
        assert first.speech.shape[1] < seconds * RATE  # or nothing would be joined
        made = make_long(seconds)
        assert made.clean.shape == made.music.shape == (2, seconds * RATE)
        added = made.music.astype(np.float64) - made.clean
        assert not np.any(added[USER])
        assert abs(20 * np.log10(amplitude(-25) / rms(added[AGENT])) - 10) < 0.01
        said = first.speech * amplitude(-25)
        assert np.max(np.abs(made.clean[:, : said.shape[1]] - said)) <= 2  # rounding and dither
        assert TURNS < made.turns < 2 * TURNS

    def test_the_halves_share_no_voice_no_music_and_no_sentence(self) -> None:
        for shared in (MUSIC, SENTENCES):
            assert not set(shared["tuning"]) & set(shared["judging"])
        folders, names = (
            [{getattr(v, key) for v in voices(half)} - {""} for half in HALVES] for key in ("folder", "name")
        )
        assert not folders[0] & folders[1]
        assert not names[0] & names[1]

    def test_each_side_has_a_noise_of_its_own_and_each_half_others(self) -> None:
        for kind in KINDS:
            first, other = noise_of(kind, "tuning", 0, RATE), noise_of(kind, "judging", 0, RATE)
            with self.subTest(kind):
                assert first.shape == (2, RATE)
                assert not np.array_equal(first[0], first[1])
                assert not np.array_equal(first, other)


def suite() -> unittest.TestSuite:
    loader = unittest.defaultTestLoader
    return unittest.TestSuite(
        loader.loadTestsFromTestCase(case) for case in (Truths, Mixing, Details, Detectors, Scenes)
    )
