# SPDX-License-Identifier: Apache-2.0
"""kill -9 at random moments of ingest: an answered batch is on disk whole, one that was not is there whole or not at
all and can be sent again, and the totals that the limits are held by agree with the rows."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

import samples
from api import Api
from kills import Worker, live_and_die, repeat
from otlp import ENCODINGS, REPLAY_SPANS_MAX, Encoding, Outcome, Span, accepted, of_replay, post
from servers import BUILT_IN, StartServer
from volume import query
from xrayd_process import Xrayd

SEED = 20240301
KILLS = 30
CLIENTS = 4
LONGEST_LIFE_S = 0.3
SIZES = (1, 20, 300)  # within a request thread and on a decode thread


@dataclass
class Batch:
    replay: str
    spans: list[Span]
    encoding: Encoding


@dataclass
class Seen:
    """What one client has been told."""

    answered: list[Batch] = field(default_factory=list[Batch])
    pending: Batch | None = None  # was sent, and not answered
    retried: int = 0
    surprises: list[str] = field(default_factory=list[str])


class Client(Worker):
    """Sends batches one after the other; first the one whose answer the last server owed."""

    def __init__(self, server: Xrayd, conversation: str, rng: random.Random, seen: Seen) -> None:
        super().__init__(Api(server.url, timeout_s=30, checked=False), seen.surprises)
        self.conversation, self.rng, self.seen = conversation, rng, seen
        self.replay, self.room = "", 0

    def next_batch(self) -> Batch:
        size = self.rng.choice(SIZES)
        if self.room < size:
            self.replay, self.room = self.api.new_replay(self.conversation), REPLAY_SPANS_MAX // 4
        self.room -= size
        spans = [
            Span(span_id=self.rng.randbytes(8), name=self.rng.choice(("chat", "execute_tool t"))) for _ in range(size)
        ]
        return Batch(self.replay, spans, self.rng.choice(ENCODINGS))

    def round(self) -> None:
        batch = self.seen.pending
        if batch:
            self.seen.retried += 1
        else:
            batch = self.seen.pending = self.next_batch()
        reply = post(self.api, batch.encoding.body(of_replay(batch.replay, batch.spans)), batch.encoding)
        if accepted(reply, batch.encoding) != Outcome(0, ""):
            raise RuntimeError(reply.text)
        self.seen.answered.append(batch)
        self.seen.pending = None


def stored_ids(data_dir: Path) -> dict[str, set[bytes]]:
    found: dict[str, set[bytes]] = {}
    for replay, span_id in query(
        data_dir, "SELECT lower(hex(r.uuid)), s.span_id FROM spans s JOIN replays r ON r.id = s.replay_id"
    ):
        found.setdefault(replay, set()).add(span_id)
    return found


def check(data_dir: Path, seen: list[Seen]) -> None:
    """Right after a start, before anybody asks for anything."""
    found = stored_ids(data_dir)
    for of_client in seen:
        for batch in of_client.answered:
            assert {span.span_id for span in batch.spans} <= found[batch.replay.replace("-", "")]
        if of_client.pending:
            ids = {span.span_id for span in of_client.pending.spans}
            there = ids & found.get(of_client.pending.replay.replace("-", ""), set())
            assert there in (set(), ids)
    wrong = (
        "SELECT r.id FROM replays r LEFT JOIN span_totals t ON t.replay_id = r.id"
        " WHERE coalesce(t.spans, 0) != (SELECT count(*) FROM spans s WHERE s.replay_id = r.id)"
    )
    assert query(data_dir, wrong) == []
    extracted = "SELECT (SELECT count(*) FROM spans), (SELECT count(*) FROM tool_calls) + count(*) FROM model_usage"
    ((spans, extracts),) = query(data_dir, extracted)
    assert spans == extracts


@pytest.mark.slow
def test_kill_at_any_moment_of_ingest_loses_and_doubles_nothing(start_server: StartServer) -> None:
    rng, seen = random.Random(SEED), [Seen() for _ in range(CLIENTS)]
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        conversation = api.new_conversation(samples.SPEC)
    assert server.stop() == 0

    def step(_: int) -> None:
        server = start_server(env=BUILT_IN)
        check(server.data_dir, seen)
        clients = [Client(server, conversation, random.Random(rng.random()), of_client) for of_client in seen]
        live_and_die(server, clients, rng.uniform(0, LONGEST_LIFE_S))

    repeat(KILLS, SEED, step)
    server = start_server(env=BUILT_IN)
    check(server.data_dir, seen)
    answered = sum(len(of_client.answered) for of_client in seen)
    retried = sum(of_client.retried for of_client in seen)
    print(f"answered: {answered}, retried: {retried}")
    assert answered > 5 * KILLS  # it has been a test of something
    assert retried > KILLS
    assert query(server.data_dir, "PRAGMA integrity_check") == [("ok",)]
