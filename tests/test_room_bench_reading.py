# SPDX-License-Identifier: Apache-2.0
"""The benchmark of rooms reads a call whose every delay is known, because it is made here: nobody was in a room."""

from __future__ import annotations

import subprocess
import sys
import wave
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from capture import FRAME, FRAME_NS, Capture
from clips import PER_MS, RATE, Clip, Pcm
from clocks import Figures, Reading
from measure import BenchError
from report import recording_ear, reported_recording
from scenario import call_named
from staging import Event, Played
from xrayd_process import ROOT

START_NS = 5_000_000_000_000
USER_LEG_MS, AGENT_LEG_MS, DRIVER_LEG_MS = 40, 50, 47
CALL = call_named("short 2")  # an answer, the user's barge-in, an answer
SAID_MS = 1500  # of the talk that is interrupted


@dataclass
class Made:
    """Sound of each stream by the millisecond of the call, and what the server would say of the recording."""

    tracks: dict[str, list[tuple[float, Pcm]]] = field(default_factory=dict[str, list[tuple[float, Pcm]]])
    events: list[Event] = field(default_factory=list[Event])
    turns: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    now: float = 1000

    def _add(self, pcm: Pcm, at: float, legs: Mapping[str, float]) -> None:
        for name, leg in legs.items():
            self.tracks.setdefault(name, []).append((at + leg, pcm))

    def user(self, clip: Clip) -> None:
        places = {"wav-user": 0, "user-sent": 0, "observer-user": USER_LEG_MS, "agent-heard": USER_LEG_MS}
        self._add(clip.pcm, self.now, places)
        self._turn("user", clip, self.now)
        self.now += clip.ms

    def agent(self, clip: Clip, at: float) -> None:
        at = round(at * PER_MS) / PER_MS
        legs = {"agent-sent": 0, "observer-agent": AGENT_LEG_MS, "agent-received": DRIVER_LEG_MS}
        self._add(clip.pcm, at, {**legs, "wav-agent": DRIVER_LEG_MS})
        self.events.append({"event": "says", "clip": clip.seed, "at": round(at * PER_MS)})
        self._turn("agent", clip, at + DRIVER_LEG_MS)

    def _turn(self, role: str, clip: Clip, at: float) -> None:
        start, end = at + clip.truth[0], at + clip.truth[1]
        before = [turn for turn in self.turns if turn["role"] == "user"]
        response = round(start - before[-1]["voice_end_ms"]) if role == "agent" and before else None
        row = {"idx": len(self.turns), "turn_idx": len(self.turns), "role": role, "interrupted": False}
        row |= {"agent_response_ms": response, "agent_response_uncertainty_ms": 5, "interruption_start_ms": None}
        if self.turns and self.turns[-1]["voice_end_ms"] > start:
            self.turns[-1] |= {"interrupted": True, "interruption_start_ms": round(start)}
        self.turns.append({**row, "voice_start_ms": round(start), "voice_end_ms": round(end)})

    def track(self, name: str) -> Pcm:
        out = np.zeros(round((self.now + 2000) / 10) * FRAME, dtype=np.int16)
        for at, pcm in self.tracks[name]:
            first = round(at * PER_MS)
            out[first : first + len(pcm)] += pcm
        return out


def made() -> Made:
    call = Made()
    for exchange in CALL.exchanges:
        call.user(exchange.question)
        if exchange.talk is not None:
            assert exchange.barge is not None
            said = Clip(exchange.talk.seed, exchange.talk.samples, SAID_MS * PER_MS)
            call.agent(said, call.now + 300)
            call.events.append({"event": "stops", "clip": said.seed, "said": said.length})
            call.now += exchange.pause_ms
            call.user(exchange.barge)
        assert exchange.answer is not None
        at = call.now + USER_LEG_MS + exchange.delay_ms
        call.agent(exchange.answer, at)
        call.now = at + exchange.answer.ms + 547
    return call


def read(call: Made, folder: Path) -> Figures:
    for name in ("user-sent", "observer-user", "agent-heard", "agent-sent", "observer-agent", "agent-received"):
        capture = Capture(folder, name)
        pcm = call.track(name)
        for i in range(len(pcm) // FRAME):
            capture.frame(pcm[i * FRAME : (i + 1) * FRAME].tobytes(), START_NS + i * FRAME_NS)
        capture.close()
    with wave.open(str(folder / "replay.wav"), "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(np.stack((call.track("wav-user"), call.track("wav-agent")), axis=1).tobytes())
    texts = [f"I have noted number {e.answer.seed}." for e in CALL.exchanges if e.answer is not None]
    load = [
        {"event": "progress", "stage": "turn", "ns": i * 10**9, "cpu_s": i * 0.1, "rss_kib": 1024 * (50 + i)}
        for i in range(3)
    ]
    detail = {"turns": call.turns, "turn_metrics": call.turns}
    played = Played(CALL, folder, folder / "replay.wav", START_NS, 0, detail, load, call.events, texts)
    played.save()
    (folder / "recording").mkdir()
    (folder / "replay.wav").rename(folder / "recording" / "replay.wav")
    return Reading(Played.load(folder)).figures()


def test_every_clock_of_a_call_is_read_as_it_was_made(tmp_path: Path) -> None:
    found = read(made(), tmp_path)
    assert abs(found.user_leg - USER_LEG_MS) < 0.05
    assert abs(found.agent_leg - AGENT_LEG_MS) < 0.05
    answers = [gap for gap in found.gaps if gap.kind != "user_barges"]
    for gap, delay in zip(answers, [exchange.delay_ms for exchange in CALL.exchanges], strict=True):
        assert gap.recording is not None
        assert abs(gap.recording - (delay + USER_LEG_MS + DRIVER_LEG_MS)) < 0.05
        assert abs(recording_ear(gap) - (DRIVER_LEG_MS - AGENT_LEG_MS)) < 0.05
        assert abs(reported_recording(gap)) <= 1.01
        assert gap.uncertainty == 5
    (barge,) = [gap for gap in found.gaps if gap.kind == "user_barges"]
    assert abs(recording_ear(barge) - (AGENT_LEG_MS - DRIVER_LEG_MS)) < 0.05
    assert abs(reported_recording(barge)) <= 1.01
    assert found.interrupted == [True]
    assert max(abs(error) for error in found.anchor) < 3.05
    assert (len(found.user_places), len(found.agent_places)) == (4, 4)
    assert max(abs(off) for _, off in (*found.user_places, *found.agent_places)) < 0.05
    assert (found.user_samples_wrong, found.agent_samples_wrong, found.out_of_order) == (0, 0, 0)
    assert (found.transcripts_wrong, found.guessed) == (0, 0)
    traces = [*found.agent_heard, *found.user_observed, *found.agent_recorded, *found.agent_observed, *found.barges]
    assert len(traces) == 4 + 4 + 4 + 4 + 2
    assert all(t is not None and (t.lost_ms, t.stretched_ms) == (0, 0) for t in traces)
    assert all(abs(wait - 500) < 0.05 for wait in found.waits)
    assert abs(found.cpu_percent - 10) < 1e-6
    assert found.rss_growth_mb == 2


def damaged(name: str, change: Any) -> Made:
    call = made()
    call.tracks[name] = [(at, change(i, pcm.copy())) for i, (at, pcm) in enumerate(call.tracks[name])]
    return call


def _zeroed(first: int, end: int | None) -> Any:
    def change(i: int, pcm: Pcm) -> Pcm:
        if i == 1:
            pcm[first:end] = 0
        return pcm

    return change


@pytest.mark.parametrize("damage", [(0, 3 * PER_MS), (-3 * PER_MS, None), (20_000, 20_002)])
def test_samples_that_the_driver_lost_of_either_side_are_counted(
    damage: tuple[int, int | None], tmp_path: Path
) -> None:
    n = len(range(*slice(*damage).indices(40_000)))
    for side in ("user", "agent"):
        folder = tmp_path / side
        folder.mkdir()
        found = read(damaged(f"wav-{side}", _zeroed(*damage)), folder)
        wrong = {"user": found.user_samples_wrong, "agent": found.agent_samples_wrong}
        assert 0.9 * n <= wrong.pop(side) <= n
        assert list(wrong.values()) == [0]


def test_a_clip_that_the_recording_lacks_is_lost_and_not_left_out(tmp_path: Path) -> None:
    found = read(damaged("wav-agent", _zeroed(0, None)), tmp_path)
    assert found.agent_recorded[1] is None
    assert found.agent_samples_wrong >= SAID_MS * PER_MS
    assert found.interrupted == [False]
    assert any(gap.recording is None for gap in found.gaps)


def test_what_the_agent_did_not_hear_is_seen(tmp_path: Path) -> None:
    found = read(damaged("agent-heard", _zeroed(0, 140 * PER_MS)), tmp_path)
    lost = [t.lost_head_ms for t in found.agent_heard if t is not None]
    assert 140 <= max(lost) <= 150
    assert sorted(lost)[-2] == 0


@pytest.mark.parametrize(("lost_ms", "status"), [(0, 0), (15, 1)])
def test_the_exit_status_says_whether_a_goal_was_missed(lost_ms: int, status: int, tmp_path: Path) -> None:
    call = damaged("agent-heard", _zeroed(0, lost_ms * PER_MS))
    folder = tmp_path / "call"
    folder.mkdir()
    read(call, folder)
    # Any program will do for a server that has only to say its version.
    command = [sys.executable, ROOT / "bench" / "room" / "run.py", "--again", tmp_path, "--server", sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    assert ("missed: lost of the user's first syllable, as the agent heard it" in done.stderr) == bool(status)


def test_a_wall_clock_that_was_set_meanwhile_spoils_the_call(tmp_path: Path) -> None:
    read(made(), tmp_path)
    with pytest.raises(BenchError, match="set by 1000 ms"):
        Reading(replace(Played.load(tmp_path), clock_moved_ns=10**9)).figures()


@pytest.mark.parametrize("side", ["user", "agent"])
def test_a_fault_between_clips_is_counted_too(side: str, tmp_path: Path) -> None:
    """What the driver records is all of what it gave or got: a click that it made is in no clip."""
    call = made()
    at = min(at for at, _ in call.tracks[f"wav-{side}"])
    gap = at + CALL.exchanges[0].question.ms + 300 if side == "user" else at + 1600
    assert not call.track(f"wav-{side}")[round(gap * PER_MS) - 480 : round(gap * PER_MS) + 960].any()
    call.tracks[f"wav-{side}"].append((gap, np.full(48, 900, dtype=np.int16)))
    found = read(call, tmp_path)
    wrong = {"user": found.user_samples_wrong, "agent": found.agent_samples_wrong}
    assert wrong.pop(side) == 48
    assert list(wrong.values()) == [0]


def test_a_user_who_was_not_given_to_livekit_as_recorded_is_counted(tmp_path: Path) -> None:
    call = made()
    for name in ("user-sent", "observer-user", "agent-heard"):
        call.tracks[name] = [(at, _zeroed(0, 90)(i, pcm.copy())) for i, (at, pcm) in enumerate(call.tracks[name])]
    assert 80 <= read(call, tmp_path).user_samples_wrong <= 2 * 90
