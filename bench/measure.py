# SPDX-License-Identifier: Apache-2.0
"""What every benchmark uses: rows of the table, repeated samples, and the floors that are made of disk writes."""

from __future__ import annotations

import os
import shlex
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from xrayd_process import ROOT, direct

SCRATCH = ROOT / "build" / "bench"  # on the disk that the repository is on, never in memory
PAGE = 4096


class BenchError(Exception):
    """A benchmark that could not measure. A goal that was missed is not one."""


@dataclass(frozen=True)
class Unit:
    name: str
    decimals: int
    more_is_better: bool = False


RATE = Unit("/s", 0, more_is_better=True)
MS = Unit("ms", 1)
US = Unit("us", 0)
MB = Unit("MB", 1)
GB_S = Unit("GB/s", 2, more_is_better=True)
BYTES = Unit("B", 1)
CORES = Unit("cores", 2)


@dataclass(frozen=True)
class Row:
    """One figure. `goal` is in the unit, `ratio_goal` bounds measured / floor; either may be absent. Both are the least
    that is wanted where more is better, else the most that is allowed."""

    what: str
    unit: Unit
    measured: float
    floor: float | None = None
    floor_is: str = ""
    goal: float | None = None
    ratio_goal: float | None = None

    @property
    def ratio(self) -> float | None:
        return self.measured / self.floor if self.floor else None

    @property
    def met(self) -> bool | None:
        """None: there is no goal."""
        pairs = [(self.measured, self.goal), (self.ratio, self.ratio_goal)]
        known = [(value, goal) for value, goal in pairs if value is not None and goal is not None]
        if not known:
            return None
        return all(value >= goal if self.unit.more_is_better else value <= goal for value, goal in known)


Samples = list[float]


def median(samples: Samples) -> float:
    return statistics.median(samples)


def alternate(count: int, *actions: Callable[[], float]) -> list[Samples]:
    """Runs the actions in turn, `count` times, so that what else the machine does falls on all of them alike."""
    taken: list[Samples] = [[] for _ in actions]
    for _ in range(count):
        for action, samples in zip(actions, taken, strict=True):
            samples.append(action())
    return taken


@contextmanager
def on_one_core() -> Iterator[None]:
    """This thread, and all that it starts meanwhile, which stays there."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk, gone at the end."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=SCRATCH) as path:
        yield Path(path)


def run_tool(*command: str | Path) -> str:
    """A program's output, both kinds; BenchError if it fails or is not there."""
    try:
        done = subprocess.run(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True, env=tool_env()
        )
    except FileNotFoundError:
        raise BenchError(f"{command[0]} is not installed; `make setup` installs it") from None
    except subprocess.CalledProcessError as error:
        raise BenchError(f"{command[0]} failed: {error.stdout}") from None
    return done.stdout


@cache
def program(name: str, *libraries: str) -> Path:
    """bench/NAME.c, compiled; libraries as pkg-config knows them."""
    SCRATCH.mkdir(parents=True, exist_ok=True)
    flags = shlex.split(run_tool("pkg-config", "--cflags", "--libs", *libraries)) if libraries else []
    source, built = Path(__file__).with_name(f"{name}.c"), SCRATCH / name
    run_tool("cc", "-std=gnu17", "-O2", "-D_GNU_SOURCE", source, "-o", built, *flags)
    return built


def tool_env() -> dict[str, str]:
    """Messages in English, and nothing between a tool and a host on this machine."""
    return direct(os.environ) | {"LC_ALL": "C"}


def settle() -> None:
    """Leaves the disk nothing to do from the sample before."""
    os.sync()


def write_synced_ms(path: Path, content: bytes) -> float:
    """A new file of these bytes, written and fsynced."""
    start = time.perf_counter()
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.fsync(fd)
    finally:
        os.close(fd)
    return 1000 * (time.perf_counter() - start)


def log_sync_ms(path: Path, count: int) -> float:
    """`count` times what a committed transaction cannot do without: a page more in a log, and one fdatasync."""
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        start = time.perf_counter()
        for _ in range(count):
            os.write(fd, bytes(PAGE))
            os.fdatasync(fd)
        return 1000 * (time.perf_counter() - start)
    finally:
        os.close(fd)
