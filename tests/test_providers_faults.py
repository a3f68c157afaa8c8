# SPDX-License-Identifier: Apache-2.0
"""Every fault that the fake vendors know, at each stage of each vendor: what becomes of the conversation, the replay or
the judge, how many requests it takes, and that no key is anywhere afterwards.

One server a vendor goes through all of its faults at once; the tests look at what became of each."""

from __future__ import annotations

import array
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx
import pytest

from api import RATE, Json
from cloud import (
    KEYS,
    Durations,
    Listener,
    Traces,
    cloud,
    is_turn,
    pieces,
    recording,
    spoken_talk,
    talk,
    together,
    traces_of,
)
from vendors import FAULTS, STAGES, VENDORS, Asked, Call, Fault, Stage, Vendor, Vendors
from vendors.audio import speech_ms

ATTEMPTS = 3
BACKOFF_MIN_S = 0.24
# A request that a kept connection breaks off under before it is answered is no attempt: libcurl makes it again at once,
# by another connection, so often.
RESENT = {"cut_before_status", "cut_in_status", "reset"}
RESENT_MAX = 5
JUDGED_TURN_MS = 200  # shorter than those of Durations
JUDGES = 8  # of one conversation, at most
# Many of these calls hang back for a second or more; none is to wait for another's place.
ENV = {"XRAY_PROVIDER_CONCURRENCY": "32", "XRAY_LOG_LEVEL": "debug"}


@dataclass(frozen=True)
class Case:
    vendor: Vendor
    stage: Stage
    fault: Fault
    times: int | None  # how often it strikes; None: always

    def __str__(self) -> str:
        often = {None: "", 1: " once", 2: " twice"}[self.times]
        return f"{self.vendor} {self.stage} {self.fault.name}{often}"

    @property
    def fails(self) -> bool:
        """Is there no answer that could be read?"""
        return self.fault.outcome == "permanent" or (self.fault.outcome == "transient" and self.times is None)

    @property
    def succeeds(self) -> bool:
        return not self.fails and self.fault.outcome != "unusable"

    @property
    def score(self) -> int:
        """What the fake's judge says of it: enough to pass, and not the same for all."""
        return 71 + zlib.crc32(str(self).encode()) % 28


def cases() -> Iterator[Case]:
    for vendor in VENDORS:
        for stage in STAGES:
            for fault in FAULTS:
                if not fault.slow and fault.applies(vendor, stage):
                    for times in (1, 2, None) if fault.outcome == "transient" else (None,):
                        yield Case(vendor, stage, fault, times)


CASES = list(cases())


@dataclass(frozen=True)
class Became:
    """What became of a case; which of these there are depends on its stage."""

    calls: list[Call]
    reply: httpx.Response | None = None  # the conversation's
    speech: tuple[int, array.array[int]] | None = None  # its rate and samples
    end: Json | None = None  # the replay's terminal event
    detail: Json | None = None
    judge: Json | None = None
    beside: Json | None = None  # a judge of the same replay that nothing is wrong with


# --- making it happen ---


class Mine:
    """Is a request this case's? Until it is closed."""

    def __init__(self, is_it: Callable[[Call], bool]) -> None:
        self._is_it = is_it
        self._since = time.monotonic()
        self._closed = False

    def __call__(self, call: Call) -> bool:
        return not self._closed and call.arrived >= self._since and self._is_it(call)

    def close(self, vendors: Vendors, case: Case) -> list[Call]:
        found = [call for call in vendors.calls(vendor=case.vendor, stage=case.stage) if self(call)]
        self._closed = True
        return found


def reference_of(case: Case) -> str:
    return f"The agent names {case}, which is worth {case.score}."


def judge(asked: Asked) -> tuple[int, str]:
    assert asked.reference is not None
    return int(asked.reference.removesuffix(".").rpartition(" ")[2]), f"As it says: {asked.reference}"


class Run:
    """Cases of a vendor, all gone through by one server."""

    def __init__(self, vendors: Vendors, api: Listener, cases: Iterable[Case]) -> None:
        self.vendors, self.api = vendors, api
        self._durations = Durations()
        self._talk = api.new_conversation(talk())
        mine = {stage: [case for case in cases if case.stage == stage] for stage in STAGES}
        work: list[Callable[[], list[tuple[Case, Became]]]] = []
        work += [partial(self._speak, case) for case in mine["tts"]]
        work += [partial(self._transcribe, case) for case in mine["transcription"]]
        work += [partial(self._judge, [case]) for case in mine["judge"] if case.fails]
        rest, group = [case for case in mine["judge"] if not case.fails], JUDGES - 1
        work += [partial(self._judge, rest[at : at + group]) for at in range(0, len(rest), group)]
        done: list[list[tuple[Case, Became]]] = together(lambda do: do(), work)
        self.became = dict(pair for pairs in done for pair in pairs)

    def _fail(self, case: Case, is_it: Callable[[Call], bool]) -> Mine:
        mine = Mine(is_it)
        self.vendors.fail(case.fault, vendor=case.vendor, stage=case.stage, when=mine, times=case.times)
        return mine

    def _speak(self, case: Case) -> list[tuple[Case, Became]]:
        mine = self._fail(case, lambda call: call.text == str(case))
        reply = self.api.conversation(spoken_talk(str(case), name=str(case)))
        speech = self.api.spoken(reply.json()["hash"]) if reply.status_code == 200 else None
        return [(case, Became(mine.close(self.vendors, case), reply=reply, speech=speech))]

    def _transcribe(self, case: Case) -> list[tuple[Case, Became]]:
        with self._durations.one() as ms:
            mine = self._fail(case, is_turn(ms))
            replay = self.api.begin(self._talk, recording(ms))
            end = self.api.verdict(replay)
            calls = mine.close(self.vendors, case)
        return [(case, Became(calls, end=end, detail=self.api.detail(replay)))]

    def _judge(self, group: list[Case]) -> list[tuple[Case, Became]]:
        """Of a replay with a judge for each of them, and one more."""
        mines = [self._fail(case, partial(is_about, case)) for case in group]
        references = [*map(reference_of, group), "Nothing is wrong with the number 95."]
        conversation = self.api.new_conversation(talk(1, *references, name=str(group[0])))
        replay = self.api.begin(conversation, recording(JUDGED_TURN_MS))
        end, detail = self.api.verdict(replay), self.api.detail(replay)
        rows: list[Any] = end["result"]["judges"] if "result" in end else [None] * len(references)
        return [
            (case, Became(mine.close(self.vendors, case), end=end, detail=detail, judge=row, beside=rows[-1]))
            for case, mine, row in zip(group, mines, rows[: len(group)], strict=True)
        ]


def is_about(case: Case, call: Call) -> bool:
    return f"names {case}, which" in call.text


class Runs:
    """Each vendor's when it is first asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        self._begun: set[Vendor] = set()
        self._runs: dict[Vendor, Run] = {}
        self._traces: dict[Vendor, Callable[[], Traces]] = {}

    def of(self, vendor: Vendor) -> Run:
        if vendor not in self._runs:
            assert vendor not in self._begun, "it broke off: see the first failure"
            self._begun.add(vendor)
            vendors = self._stack.enter_context(Vendors(keys=KEYS))
            vendors.judge(judge)
            env = ENV | vendors.env(vendor)
            server, api = self._stack.enter_context(cloud(self._folder / vendor, vendors, env))
            self._runs[vendor] = Run(vendors, api, [case for case in CASES if case.vendor == vendor])
            self._traces[vendor] = partial(traces_of, server, api, env)
        return self._runs[vendor]

    def traces(self, vendor: Vendor) -> Traces:
        """Ends its server."""
        self.of(vendor)
        return self._traces.pop(vendor)()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    with ExitStack() as stack:
        yield Runs(tmp_path_factory.mktemp("faults"), stack)


# --- looking at it ---


def status_of(calls: list[Call]) -> int | None:
    """What a failure tells of the last answer's status."""
    status = calls[-1].status
    return status if status and status >= 300 else None


def look_at_speech(case: Case, became: Became) -> None:
    assert became.reply is not None
    if case.succeeds:
        assert became.reply.status_code == 200, became.reply.text
        assert became.speech is not None
        rate, samples = became.speech
        assert rate == RATE
        assert abs(len(samples) * 1000 / rate - speech_ms(str(case))) < 2
        assert max(samples) > 8000
        return
    assert became.reply.status_code == 502
    provider = {"openai": "openai", "google": "google-gemini", "mistral": "mistral"}[case.vendor]
    answer = {"error": "tts_synthesis_failed", "provider": provider, "status_code": status_of(became.calls)}
    assert became.reply.json() == answer


def look_at_transcription(case: Case, became: Became) -> None:
    assert became.end is not None
    assert became.detail is not None
    if not case.succeeds:
        assert became.end == {"type": "failed", "reason": "transcription_failed"}
        assert became.detail["failure_reason"] == "transcription_failed"
        assert became.detail["transcripts"] == []
        return
    assert became.end["type"] == "evaluation_complete"
    (row,) = became.detail["transcripts"]
    assert became.calls[-1].audio is not None
    heard = f"heard {became.calls[-1].audio.ms} ms"
    assert row["text"] == heard if not case.fault.secret else row["text"].startswith(f"{heard} The key is ***")


def look_at_judge(case: Case, became: Became) -> None:
    assert became.end is not None
    assert became.detail is not None
    if case.fails:
        assert became.end == {"type": "failed", "reason": "evaluation_failed"}
        assert became.detail["failure_reason"] == "evaluation_failed"
        return
    assert became.end["type"] == "evaluation_complete"
    assert became.judge is not None
    assert became.beside is not None
    assert (became.beside["status"], became.beside["score"]) == ("passed", 95)
    if case.succeeds:
        assert (became.judge["status"], became.judge["score"]) == ("passed", case.score), became.judge["reason"]
    else:
        assert (became.judge["status"], became.judge["score"]) == ("errored", None)
        assert became.judge["reason"]
        assert became.end["result"]["passed"] is False


LOOKS: dict[Stage, Callable[[Case, Became], None]] = {
    "tts": look_at_speech,
    "transcription": look_at_transcription,
    "judge": look_at_judge,
}


def look_at_requests(case: Case, calls: list[Call]) -> None:
    transient = case.fault.outcome == "transient"
    strikes = [call for call in calls if call.fault]
    if case.fault.name == "cut_reused":  # a second attempt of ours makes a connection of its own
        assert len(calls) <= RESENT_MAX + 2
        assert all(call.nth > 1 for call in calls[:-1])
    elif transient and case.times:
        assert (len(strikes), len(calls)) == (case.times, case.times + 1)
    else:
        assert len(strikes) == len(calls)
        look_at_attempts(case, calls, ATTEMPTS if transient else 1)
    for earlier, later in pairwise(calls):
        if transient and not (case.fault.name in RESENT and earlier.nth > 1):
            assert later.arrived - earlier.arrived > max(BACKOFF_MIN_S, case.fault.retry_after_s or 0)


def look_at_attempts(case: Case, calls: list[Call], attempts: int) -> None:
    resent = calls[:-attempts] if case.fault.name in RESENT else []
    assert len(calls) == attempts + len(resent)
    assert all(call.nth > 1 for call in resent)
    assert not resent or calls[-attempts].nth == 1 or len(resent) == RESENT_MAX


@pytest.mark.parametrize("case", CASES, ids=str)
def test_fault(runs: Runs, case: Case) -> None:
    became = runs.of(case.vendor).became[case]
    assert {call.fault for call in became.calls} <= {case.fault.name, None}
    assert case.fault.name in {call.fault for call in became.calls}
    LOOKS[case.stage](case, became)
    look_at_requests(case, became.calls)


@pytest.mark.parametrize("vendor", VENDORS)
def test_requests_were_what_the_references_say(runs: Runs, vendor: Vendor) -> None:
    """Nor did one follow a redirect: those would be among them."""
    assert runs.of(vendor).vendors.refused == []


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_key_is_anywhere(runs: Runs, vendor: Vendor) -> None:
    key = KEYS[vendor]
    run = runs.of(vendor)
    # The key was sent, and came back.
    assert any(key in value for call in run.vendors.calls() for _, value in call.headers)
    traces = runs.traces(vendor)
    assert traces.places(pieces(key)) == set()
    # And whatever is in these places can be found there.
    assert {"log", "responses", "jobs", "xray.db at rest"} <= traces.places([f"{vendor} judge", "judge-", "failed"])
    assert {"--check-config", "xray.db-wal", "queue.db-wal"} <= traces.texts.keys()
