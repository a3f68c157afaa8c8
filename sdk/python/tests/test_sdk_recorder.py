# SPDX-License-Identifier: Apache-2.0
"""The recorder: every sample where it belongs, none lost or doubled, whatever the order and the overlap."""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
import tracemalloc
import wave
from array import array
from pathlib import Path

import pytest

from xray._clock import NS_PER_S, SAMPLE_RATE, anchor, ns_of_samples, samples_of_ns
from xray._recorder import Recorder
from xray.errors import MixdownError

EPOCH_NS = 1_700_000_000 * NS_PER_S


class HandClock:
    """Stands still until it is turned; each reading may take time."""

    def __init__(self) -> None:
        self.ns = 5 * NS_PER_S
        self.delays: list[int] = []

    def monotonic_ns(self) -> int:
        return self.ns

    def epoch_ns(self) -> int:
        at = self.ns
        self.ns += self.delays.pop(0) if self.delays else 0
        return EPOCH_NS + at


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def recorder(tmp_path: Path, clock: HandClock) -> Recorder:
    recorder = Recorder(tmp_path, clock=clock)
    recorder.start()
    return recorder


def pcm(samples: list[int]) -> bytes:
    return b"".join(x.to_bytes(2, "little", signed=True) for x in samples)


def sides(path: Path) -> tuple[list[int], list[int]]:
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, SAMPLE_RATE)
        frames = array("h", file.readframes(file.getnframes()))
        assert len(frames) == 2 * file.getnframes()
    assert path.stat().st_size == 44 + 2 * len(frames)
    return list(frames[0::2]), list(frames[1::2])


def test_a_sample_lies_at_its_place_on_its_side(recorder: Recorder) -> None:
    recorder.add_user(2, pcm([1, -2]))
    recorder.add_agent(5, pcm([32767, -32768]))
    user, agent = sides(recorder.finish())
    assert user == [0, 0, 1, -2, 0, 0, 0]
    assert agent == [0, 0, 0, 0, 0, 32767, -32768]


def test_the_clock_gives_the_position_and_the_anchor(recorder: Recorder, clock: HandClock) -> None:
    assert recorder.now() == 0
    assert abs(recorder.started_at_epoch - (EPOCH_NS / NS_PER_S + 5)) < 1e-6
    clock.ns += NS_PER_S // 100
    assert recorder.now() == 480
    assert recorder.at(clock.ns - NS_PER_S) == 480 - SAMPLE_RATE


def test_the_anchor_is_the_reading_that_was_not_interrupted(clock: HandClock) -> None:
    clock.delays = [40_000_000, 7_000_000, 200, 90_000_000, 30_000_000]
    monotonic, epoch = anchor(clock)
    assert abs((epoch - EPOCH_NS) - monotonic) <= 200


def test_positions_and_times_are_exact_at_any_length() -> None:
    rng = random.Random(7)
    for samples in [0, 1, 479, 480, 48_000 * 3600 * 24, *(rng.randrange(1 << 40) for _ in range(1000))]:
        assert samples_of_ns(ns_of_samples(samples)) == samples
        assert samples_of_ns(ns_of_samples(samples) - 1) == samples - 1


def test_an_overlap_is_mixed_and_saturates(recorder: Recorder) -> None:
    recorder.add_agent(0, pcm([30_000, -30_000, 100, 5]))
    recorder.add_agent(1, pcm([-10_000, 50, 7, 8, 9]))
    recorder.add_agent(0, pcm([10_000]))
    assert sides(recorder.finish())[1] == [32_767, -32_768, 150, 12, 8, 9]


def test_what_lies_before_sample_0_is_left_out(recorder: Recorder) -> None:
    recorder.add_user(-2, pcm([1, 2, 3]))
    recorder.add_agent(-3, pcm([1, 2, 3]))
    assert sides(recorder.finish()) == ([3], [0])


def test_end_is_the_length(recorder: Recorder) -> None:
    recorder.add_user(0, pcm([1, 2, 3, 4]))
    assert sides(recorder.finish(end=2)) == ([1, 2], [0, 0])
    assert sides(recorder.finish(end=6)) == ([1, 2, 3, 4, 0, 0], [0] * 6)
    assert sides(recorder.finish(end=0)) == ([], [])


def test_an_empty_recording_is_a_wav_without_frames(recorder: Recorder) -> None:
    assert sides(recorder.finish()) == ([], [])


@pytest.mark.parametrize("seed", range(20))
def test_no_sample_is_lost_or_doubled(tmp_path: Path, seed: int) -> None:
    """Pieces of any size, in any order, with gaps and overlaps."""
    rng = random.Random(seed)
    expected = [[0] * 130_000, [0] * 130_000]
    length = 0
    recorder = Recorder(tmp_path, clock=HandClock())
    recorder.start()
    for _ in range(rng.randrange(1, 120)):
        side = rng.randrange(2)
        at = rng.randrange(-500, 120_000)
        # Even if all pieces lie on one another nothing clips (119 times 273), so that the order does not matter.
        piece = [rng.randrange(-273, 274) for _ in range(rng.choice([0, 1, 479, 480, 481, 9600]))]
        (recorder.add_user if side == 0 else recorder.add_agent)(at, pcm(piece))
        for i, x in enumerate(piece):
            if at + i >= 0:
                expected[side][at + i] += x
                length = max(length, at + i + 1)
    user, agent = sides(recorder.finish())
    assert user == expected[0][:length]
    assert agent == expected[1][:length]


def test_frames_of_a_whole_call_come_back_as_one_piece(recorder: Recorder) -> None:
    rng = random.Random(3)
    whole = rng.randbytes(2 * 480 * 150)
    for i in range(150):
        recorder.add_user(i * 480, whole[i * 960 : (i + 1) * 960])
    user, _ = sides(recorder.finish())
    assert array("h", user).tobytes() == whole


def test_memory_does_not_grow_with_the_call(recorder: Recorder) -> None:
    frame = pcm([1000] * 480)
    tracemalloc.start()
    for i in range(30_000):  # five minutes of both sides
        recorder.add_user(i * 480, frame)
        recorder.add_agent(i * 480, frame)
    path = recorder.finish()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size == 44 + 30_000 * 480 * 4
    assert peak < 2_000_000


def test_close_removes_all_but_the_wav(tmp_path: Path, recorder: Recorder) -> None:
    recorder.add_user(0, pcm([1]))
    path = recorder.finish()
    recorder.close()
    recorder.close()
    assert list(tmp_path.iterdir()) == [path]


# Says so when the agent has heard the user for a tenth of a second, and does not stop by itself.
RECORDS = """
import asyncio
from xray.conversation import Conversation, Turn
from xray.runtime.local import LocalRuntime

async def agent(call):
    heard = 0
    async for frame in call.frames():
        heard += frame.count(0) < len(frame)
        if heard == 10:
            print("recording", flush=True)

async def main():
    runtime = LocalRuntime(agent)
    runtime.bind(replay_id="01234567-89ab-cdef-0123-456789abcdef", conversation_hash="ab" * 32)
    runtime.inject_user_audio({0: b"\\1\\1" * 48_000 * 60})
    await runtime.run(Conversation("killed", [Turn.user("question"), Turn.agent()]))

asyncio.run(main())
"""


def test_a_killed_run_leaves_no_sound_behind(tmp_path: Path) -> None:
    """Halves of a call that nobody is told of are no recording, and may be somebody's voice."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p), "TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", RECORDS], stdout=subprocess.PIPE, text=True, env=environment) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "recording\n"
        assert list(tmp_path.iterdir()) != []
        child.kill()
    assert [path for path in tmp_path.rglob("*") if not path.is_dir()] == []


def test_more_than_a_wav_can_hold_is_refused(tmp_path: Path, recorder: Recorder) -> None:
    recorder.add_user(0, pcm([1]))
    with pytest.raises(MixdownError, match="WAV file cannot hold"):
        recorder.finish(end=(1 << 32) // 4)
    assert not (tmp_path / "recording.wav").exists()


def test_a_missing_directory_is_a_mixdown_error(tmp_path: Path) -> None:
    with pytest.raises(MixdownError, match="No such file"):
        Recorder(tmp_path / "missing").start()


def test_a_directory_that_is_none_is_a_mixdown_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(MixdownError):
        Recorder(tmp_path / "file").start()


@pytest.fixture
def small_disk() -> object:
    """Writes beyond 100,000 bytes of a file fail, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_while_recording_is_a_mixdown_error(recorder: Recorder) -> None:
    recorder.add_user(0, bytes(96_000))
    with pytest.raises(MixdownError, match="cannot record"):
        recorder.add_user(48_000, bytes(96_000))
    with pytest.raises(MixdownError, match="cannot record"):
        recorder.add_agent(1 << 31, bytes(2))
    recorder.close()


@pytest.mark.usefixtures("small_disk")
def test_a_full_disk_while_mixing_down_is_a_mixdown_error_and_leaves_no_half_file(
    tmp_path: Path, recorder: Recorder
) -> None:
    recorder.add_user(0, bytes(96_000))
    with pytest.raises(MixdownError, match="cannot write the recording"):
        recorder.finish()
    assert not (tmp_path / "recording.wav").exists()


def test_misuse_is_told(tmp_path: Path, recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="whole samples"):
        recorder.add_user(0, b"\0")
    with pytest.raises(RuntimeError, match="started already"):
        recorder.start()
    with pytest.raises(RuntimeError, match="not started"):
        Recorder(tmp_path).now()
    recorder.close()
    with pytest.raises(RuntimeError, match="is closed"):
        recorder.add_user(0, b"")
