# SPDX-License-Identifier: Apache-2.0
"""Long recordings: the upload of one, the chain on a clean and a noisy one, the memory that it takes, and how fast the
detector goes through samples."""

from __future__ import annotations

import json
import os
import re
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from api import Api
from measure import (
    GB_S,
    MB,
    MS,
    BenchError,
    Row,
    alternate,
    log_sync_ms,
    median,
    run_tool,
    scratch,
    settle,
)
from target import Prepared, recording, running_server, spec, stored_size
from wire import Wire, request
from xrayd_process import ROOT, Xrayd

SECONDS = 270
UPLOADS, CHAINS, MEMORY_CHAINS = 9, 9, 3
CLEAN_MS, MUSIC_MS = 30, 350
READ_SIZE = 256 * 1024
MAKE_SPEECH = Path(__file__).with_name("timing") / "chain.py"
SPEECH = ROOT / "build" / "timing" / "chain"  # where it puts them
PROBE = ROOT / "build" / "release" / "server" / "vad-probe"
HEARD_SHARE = 0.5  # of the turns: which are missed is the business of the benchmark of timing


@cache
def speech(name: str) -> Path:
    """The recording of that name: clean, or music. Made on first use, which takes a minute and the network."""
    run_tool(sys.executable, MAKE_SPEECH)
    return SPEECH / f"{name}.wav"


def dd_ms(source: Path, target: Path) -> float:
    settle()
    out = run_tool("dd", f"if={source}", f"of={target}", "bs=1M", "conv=fsync")
    found = re.search(r", ([\d.e-]+) s,", out)
    target.unlink()
    if not found:
        raise BenchError(f"dd says: {out}")
    return 1000 * float(found[1])


def read_ms(path: Path) -> float:
    """Every byte of the file once through one buffer."""
    buffer = bytearray(READ_SIZE)
    start = time.perf_counter()
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass
    return 1000 * (time.perf_counter() - start)


class Long:
    """One server, one conversation, one recording as bytes and as a file."""

    def __init__(self, server: Xrayd, api: Api, folder: Path, body: bytes) -> None:
        self.server, self.api, self.folder, self.body = server, api, folder, body
        self.file = folder / "source.wav"
        self.file.write_bytes(self.body)
        self.conversation = api.new_conversation(spec("long"))

    def upload_ms(self) -> float:
        replay = Prepared(self.api, self.conversation)
        settle()
        with Wire(self.server.port) as wire:
            start = time.perf_counter()
            wire.call(200, *replay.upload(self.body))
            return 1000 * (time.perf_counter() - start)

    def chain_ms(self) -> float:
        """From the answer to /analyze to the verdict."""
        replay = Prepared(self.api, self.conversation)
        self.last = replay.id
        with Wire(self.server.port) as wire, Wire(self.server.port) as events:
            wire.call(200, *replay.upload(self.body))
            settle()
            events.follow(replay.id)
            wire.call(202, replay.analyze)
            start = time.perf_counter()
            return 1000 * (events.verdict() - start)

    def chain_floor_ms(self) -> float:
        settle()
        return read_ms(self.file) + log_sync_ms(self.folder / "log", 1)

    def check_heard(self) -> None:
        """A chain that heard nothing has measured nothing."""
        said = int((SPEECH / "turns.json").read_text())
        with Wire(self.server.port) as wire:
            heard = len(json.loads(wire.call(200, request("GET", f"/v1/replays/{self.last}")))["turns"])
        if heard < HEARD_SHARE * said:
            raise BenchError(f"only {heard} of {said} turns were heard")


@contextmanager
def long_recording(body: bytes, *, one_core: bool = False) -> Iterator[Long]:
    with scratch() as folder, running_server(one_core=one_core) as server, Api(server.url) as api:
        yield Long(server, api, folder, body)


def upload() -> list[Row]:
    with long_recording(recording(SECONDS)) as run:
        target = run.folder / "dd"
        measured, floor = alternate(UPLOADS, run.upload_ms, lambda: dd_ms(run.file, target))
        if stored_size(run.server) != UPLOADS * len(run.body):
            raise BenchError("not every upload is on the volume")
        what = f"upload of a {SECONDS} s recording, {len(run.body) / 1e6:.0f} MB"
        return [Row(what, MS, median(measured), median(floor), "dd conv=fsync of the bytes", ratio_goal=1.5)]


def _chain(name: str, what: str, goal: float, *, one_core: bool) -> Row:
    with long_recording(speech(name).read_bytes(), one_core=one_core) as run:
        measured, floor = alternate(CHAINS, run.chain_ms, run.chain_floor_ms)
        run.check_heard()
    return Row(what, MS, median(measured), median(floor), "read the file, one fdatasync", goal=goal)


def chain() -> list[Row]:
    what = f"chain on {SECONDS} s of clean speech, from 202 to the verdict, {os.cpu_count()} cores"
    return [_chain("clean", what, CLEAN_MS, one_core=False)]


def chain_music() -> list[Row]:
    what = f"chain on {SECONDS} s, music at 10 dB on one channel, from 202 to the verdict, 1 core"
    return [_chain("music", what, MUSIC_MS, one_core=True)]


def _anonymous_max(server: Xrayd, files_before: int) -> float:
    """What anonymous memory cannot have exceeded since the server started. The kernel keeps the peak of the whole RSS
    only; mapped files were in it with at least what they had before, for they are not given back."""
    return server.rss_bytes("VmHWM") - files_before


def _memory(name: str, what: str) -> Row:
    with long_recording(speech(name).read_bytes()) as run:
        before, files = run.server.rss_bytes("RssAnon"), run.server.rss_bytes("RssFile")
        for _ in range(MEMORY_CHAINS):
            run.chain_ms()
        run.check_heard()
        peak = _anonymous_max(run.server, files)
    return Row(f"peak RssAnon during upload and chain, {what}", MB, peak / 1e6, before / 1e6, "before them", goal=40)


def memory() -> list[Row]:
    return [_memory("clean", "clean"), _memory("music", "music at 10 dB on one channel")]


def vad() -> list[Row]:
    """One program does both in turn, on the same samples."""
    found = json.loads(run_tool(PROBE, speech("clean")))
    what = f"the detector on {SECONDS} s of clean speech, bytes of samples"
    measured, copied = found["detector_gb_s"], found["memcpy_gb_s"]
    return [
        Row(what, GB_S, measured, copied, "memcpy of the samples, bytes copied", ratio_goal=0.3),
        Row(f"{what}, beside memcpy's traffic", GB_S, measured, 2 * copied, "the same, bytes read and bytes written"),
    ]
