# SPDX-License-Identifier: Apache-2.0
"""One call on stage: observer, agent and driver are started, and left to it until the driver has its verdict."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
import wave
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import ProxyHandler, build_opener

import numpy as np

from clips import PER_MS, RATE, Pcm
from livekit_server import LiveKitServer
from measure import BenchError
from part import Job
from scenario import Call, Exchange, call_named
from xrayd_process import ROOT, Xrayd

_HERE = Path(__file__).resolve().parent
_JOIN_S = 60.0
_LEAVE_S = 20.0
_AFTER_S = 1.5
Event = dict[str, Any]


class Part:
    """One process of a call."""

    def __init__(self, program: str, job: Job) -> None:
        paths = [_HERE, ROOT / "bench", ROOT / "scripts", ROOT / "sdk" / "python" / "src"]
        env = os.environ | {"PYTHONPATH": os.pathsep.join(map(str, paths))}
        self.program = program
        self.events: list[Event] = []
        self._said = threading.Condition()
        self._over = False
        self._errors = (job.path / f"{program}.stderr").open("w+")
        self._process = subprocess.Popen(
            [sys.executable, _HERE / f"{program}.py"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=env,
            text=True,
        )
        assert self._process.stdin is not None
        self._process.stdin.write(job.line())
        self._process.stdin.flush()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            event: Event = json.loads(line)
            with self._said:
                self.events.append(event)
                self._said.notify_all()
        with self._said:
            self._over = True
            self._said.notify_all()

    def wait(self, wanted: Callable[[Event], bool], timeout_s: float) -> Event:
        """The first such event. BenchError if the process ended without, or it takes too long."""
        deadline = time.monotonic() + timeout_s
        with self._said:
            while True:
                for event in self.events:
                    if wanted(event):
                        return event
                left = deadline - time.monotonic()
                if self._over or left <= 0:
                    break
                self._said.wait(left)
        raise BenchError(f"{self.program} {'ended' if self._over else 'took too long'}:\n{self._last_errors()}")

    def go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write("go\n")
        self._process.stdin.flush()

    def end(self) -> None:
        """Has it leave. BenchError if it did not end well."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.close()
            status = self._process.wait(_LEAVE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            status = self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        errors = self._last_errors()
        self._errors.close()
        if status != 0:
            raise BenchError(f"{self.program} ended with status {status}:\n{errors}")

    def _last_errors(self) -> str:
        return Path(self._errors.name).read_text()[-4000:]


@contextmanager
def _on_stage(program: str, job: Job) -> Iterator[Part]:
    part = Part(program, job)
    try:
        yield part
    except BaseException:
        try:
            part.end()
        except BenchError as error:
            print(f"room: {error}", file=sys.stderr)
        raise
    part.end()


def _named(event: str) -> Callable[[Event], bool]:
    return lambda e: e["event"] == event


def _joining(event: Event) -> bool:
    return event["event"] == "progress" and event["stage"] == "joining"


def user_pcm(exchange: Exchange) -> Pcm:
    """What the user's turn is: the question, and for a barge-in the pause and what is said into the agent's talk."""
    if exchange.barge is None:
        return exchange.question.pcm
    pause = np.zeros(exchange.pause_ms * PER_MS, dtype=np.int16)
    return np.concatenate((exchange.question.pcm, pause, exchange.barge.pcm))


def _write_wav(path: Path, pcm: Pcm) -> None:
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm.tobytes())


def epoch_minus_monotonic_ns() -> int:
    """Between the two clocks; the narrowest of a few readings."""
    best: tuple[int, int] | None = None
    for _ in range(9):
        before = time.monotonic_ns()
        epoch = time.time_ns()
        width = time.monotonic_ns() - before
        if best is None or width < best[0]:
            best = (width, epoch - before - width // 2)
    assert best is not None
    return best[1]


@dataclass(frozen=True)
class Played:
    """What is left of a call when it is over: files in the folder, and these."""

    call: Call
    folder: Path
    recording: Path
    started_at_ns: int  # the anchor, on the monotonic clock
    clock_moved_ns: int  # of the wall clock against the monotonic one, during the call
    detail: dict[str, Any]
    driver: list[Event]
    agent: list[Event]
    transcripts: list[str]

    def save(self) -> None:
        """Beside the recordings, for another look at them."""
        what = {name: str(value) if isinstance(value, Path) else value for name, value in vars(self).items()}
        (self.folder / "played.json").write_text(json.dumps({**what, "call": self.call.name}))

    @classmethod
    def load(cls, folder: Path) -> Played:
        what: dict[str, Any] = json.loads((folder / "played.json").read_text())
        what["recording"] = folder / "recording" / Path(what["recording"]).name
        what["call"], what["folder"] = call_named(what["call"]), folder
        return cls(**what)


def perform(call: Call, livekit: LiveKitServer, xrayd: Xrayd, folder: Path) -> Played:
    """Plays a call from joining to verdict."""
    folder.mkdir(parents=True)
    for i, exchange in enumerate(call.exchanges):
        _write_wav(folder / f"user-{i}.wav", user_pcm(exchange))
    room = f"bench-{uuid.uuid4().hex[:8]}"
    job = Job(livekit.url, livekit.api_key, livekit.api_secret, room, call.name, str(folder), xrayd.url)
    with (
        _on_stage("silent_observer", job) as observer,
        _on_stage("answering_agent", job) as agent,
        _on_stage("driver", job) as driver,
    ):
        for part in (observer, agent, driver):
            part.wait(_named("ready"), _JOIN_S)
        observer.go()
        observer.wait(_named("joined"), _JOIN_S)
        if call.joins == "before":
            agent.go()
            agent.wait(_named("joined"), _JOIN_S)
            driver.go()
        else:
            driver.go()
            driver.wait(_joining, _JOIN_S)
            time.sleep(_AFTER_S)  # the order of joining is what is wanted here, not an event to wait for
            agent.go()
        return _collect(call, folder, xrayd, agent, driver)


def _collect(call: Call, folder: Path, xrayd: Xrayd, agent: Part, driver: Part) -> Played:
    driver.wait(_joining, _JOIN_S)
    clocks = epoch_minus_monotonic_ns()
    longest = 60 + 4 * sum(10 + e.delay_ms / 1000 for e in call.exchanges)
    result = driver.wait(_named("result"), longest)
    moved = epoch_minus_monotonic_ns() - clocks
    opener = build_opener(ProxyHandler({}))
    with opener.open(f"{xrayd.url}/v1/replays/{result['replay_id']}", timeout=60) as answer:
        detail = json.load(answer)
    return Played(
        call=call,
        folder=folder,
        recording=Path(result["recording"]),
        started_at_ns=round(result["started_at"] * 1e9) - clocks,
        clock_moved_ns=moved,
        detail=detail,
        driver=driver.events,
        agent=agent.events,
        transcripts=result["transcripts"],
    )
