# SPDX-License-Identifier: Apache-2.0
"""Which replay a span gets: by baggage, by its parent, by what is open; never a wrong one."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import pytest
from opentelemetry import context as otel_context
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from span_receiver import identity
from xray import otel
from xray._attributes import CONVERSATION_HASH, MODALITY, REPLAY_ID, TURN_IDX, TURN_KEY, baggage, baggage_of
from xray.otel import Pipeline, XrayBaggageSpanProcessor

T = TypeVar("T")
A, B = identity(1), identity(2)


class Spans:
    """A provider with the processor, and what it has seen."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self.provider = TracerProvider(shutdown_on_exit=False)
        self.provider.add_span_processor(XrayBaggageSpanProcessor())
        self.provider.add_span_processor(SimpleSpanProcessor(self._memory))
        self.tracer = self.provider.get_tracer("test")
        self.pipeline = Pipeline(self.provider, None)

    def attributes(self, context: Context | None = None, own: dict[str, Any] | None = None) -> dict[str, Any]:
        """Those of a span that starts here and now."""
        self.tracer.start_span("span", context=context, attributes=own).end()
        return dict(self._memory.get_finished_spans()[-1].attributes or {})

    def replay(self, context: Context | None = None) -> object:
        return self.attributes(context).get(REPLAY_ID)


@pytest.fixture
def spans() -> Spans:
    return Spans()


def in_thread(work: Callable[[], T]) -> T:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result(20)


def test_baggage_is_copied_at_start(spans: Spans) -> None:
    with baggage(A.replay_id, A.conversation_hash, "voice"), baggage_of({TURN_IDX: 2, TURN_KEY: "confirm"}):
        inside = spans.attributes(own={"own": 1})
    assert inside == {
        REPLAY_ID: A.replay_id,
        CONVERSATION_HASH: A.conversation_hash,
        MODALITY: "voice",
        TURN_IDX: 2,
        TURN_KEY: "confirm",
        "own": 1,
    }
    assert spans.attributes() == {}


def test_what_a_span_has_is_left_as_it_is(spans: Spans) -> None:
    with baggage(A.replay_id, A.conversation_hash, "voice"), baggage_of({TURN_IDX: 2}):
        assert spans.attributes(own={REPLAY_ID: B.replay_id, TURN_IDX: 5}) == {
            REPLAY_ID: B.replay_id,
            CONVERSATION_HASH: A.conversation_hash,
            MODALITY: "voice",
            TURN_IDX: 5,
        }


def test_baggage_reaches_tasks_made_inside_and_outlives_the_block_there(spans: Spans) -> None:
    async def main() -> tuple[object, object]:
        leave = asyncio.Event()

        async def late() -> object:
            await leave.wait()
            return spans.replay()

        with spans.pipeline.bound(A):
            task = asyncio.create_task(late())
        leave.set()
        return await task, spans.replay()

    assert asyncio.run(main()) == (A.replay_id, None)


def test_a_task_older_than_the_replay_is_reached_while_it_is_open(spans: Spans) -> None:
    async def main() -> list[object]:
        asked: asyncio.Queue[asyncio.Future[object]] = asyncio.Queue()

        async def older() -> None:
            while True:
                (await asked.get()).set_result(spans.replay())

        async def ask() -> object:
            answer = asyncio.get_running_loop().create_future()
            asked.put_nowait(answer)
            return await answer

        task = asyncio.create_task(older())
        seen = [await ask()]
        with spans.pipeline.bound(A):
            seen.append(await ask())
        seen.append(await ask())
        task.cancel()
        return seen

    assert asyncio.run(main()) == [None, A.replay_id, None]


def test_several_replays_in_one_loop_do_not_touch_each_other(spans: Spans) -> None:
    async def main() -> tuple[list[object], object]:
        opened, go = [asyncio.Event(), asyncio.Event()], asyncio.Event()

        async def job(i: int, replay: Any) -> object:
            with spans.pipeline.bound(replay):
                opened[i].set()
                await go.wait()
                return spans.replay()

        jobs = [asyncio.create_task(job(i, replay)) for i, replay in enumerate((A, B))]
        for event in opened:
            await event.wait()
        outside = spans.replay()  # two candidates
        go.set()
        return list(await asyncio.gather(*jobs)), outside

    assert asyncio.run(main()) == ([A.replay_id, B.replay_id], None)


def test_jobs_in_threads_of_one_process_keep_apart(spans: Spans) -> None:
    """As LiveKit's thread executor runs them: a loop each, spans in tasks that are older than the replay."""
    both_open, done = threading.Barrier(3), threading.Barrier(3)
    seen: dict[str, list[object]] = {}

    async def job(replay: Any) -> None:
        bound = asyncio.Event()

        async def older() -> object:
            await bound.wait()
            return spans.replay()

        task = asyncio.create_task(older())
        with spans.pipeline.bound(replay):
            await asyncio.to_thread(both_open.wait, 20)
            bound.set()
            in_pool = await asyncio.get_running_loop().run_in_executor(None, spans.replay)
            seen[replay.replay_id] = [await task, spans.replay(), in_pool]
            await asyncio.to_thread(done.wait, 20)

    threads = [threading.Thread(target=asyncio.run, args=(job(replay),)) for replay in (A, B)]
    for thread in threads:
        thread.start()
    both_open.wait(20)
    here = spans.replay()
    done.wait(20)
    for thread in threads:
        thread.join(20)
    assert here is None
    # A pool thread that got no context might be either job's.
    assert seen == {r.replay_id: [r.replay_id, r.replay_id, None] for r in (A, B)}


def test_a_job_beside_one_in_a_thread_that_is_not_tested_is_left_alone(spans: Spans) -> None:
    async def tested(work: Callable[[], object]) -> object:
        with spans.pipeline.bound(A):
            return await asyncio.to_thread(in_thread, work)

    async def production() -> object:
        return spans.replay()

    assert in_thread(lambda: asyncio.run(tested(lambda: asyncio.run(production())))) is None
    # Nor with the tested job in the main thread: a loop of its own is another job.
    assert asyncio.run(tested(lambda: asyncio.run(production()))) is None


def test_pool_threads_belong_to_the_replay_of_the_main_thread(spans: Spans) -> None:
    with spans.pipeline.bound(A):
        assert in_thread(spans.replay) == A.replay_id
        with spans.pipeline.bound(B):
            assert in_thread(spans.replay) is None
    assert in_thread(spans.replay) is None


def test_pool_threads_are_nobodys_if_the_job_has_a_thread_of_its_own(spans: Spans) -> None:
    """Other jobs may run in the process, tested or not, and a pool thread does not say whose it is."""

    def job() -> tuple[object, object]:
        with spans.pipeline.bound(A):
            return in_thread(spans.replay), spans.replay()

    assert in_thread(job) == (None, A.replay_id)


def test_the_same_replay_opened_twice_is_one(spans: Spans) -> None:
    with spans.pipeline.bound(A), spans.pipeline.bound(A):
        assert in_thread(spans.replay) == A.replay_id


def test_a_parents_replay_is_inherited_where_no_baggage_is(spans: Spans) -> None:
    with spans.pipeline.bound(A), baggage_of({TURN_IDX: 1}):
        parent = spans.tracer.start_span("parent")
    context = trace.set_span_in_context(parent, Context())
    assert spans.attributes(context) == {
        REPLAY_ID: A.replay_id,
        CONVERSATION_HASH: A.conversation_hash,
        MODALITY: "voice",
    }
    with spans.pipeline.bound(B):  # even against what is open, if the code itself is in no replay
        assert in_thread(lambda: spans.replay(context)) == A.replay_id


def test_the_running_codes_baggage_counts_under_a_parent_without(spans: Spans) -> None:
    old = spans.tracer.start_span("old")
    with spans.pipeline.bound(A):
        assert spans.replay(trace.set_span_in_context(old, Context())) == A.replay_id
        assert spans.replay(Context()) == A.replay_id


def test_a_foreign_parent_gives_nothing(spans: Spans) -> None:
    for parent in (spans.tracer.start_span("old"), trace.NonRecordingSpan(trace.INVALID_SPAN_CONTEXT)):
        assert spans.attributes(trace.set_span_in_context(parent, otel_context.get_current())) == {}


def test_the_processor_does_not_stop_a_flush() -> None:
    assert XrayBaggageSpanProcessor().force_flush(0) is True


def test_the_processor_never_raises(
    spans: Spans, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(_: object) -> dict[str, str]:
        raise RuntimeError("a fault nobody thought of")

    monkeypatch.setattr(otel._process.replays, "attributes", fault)  # pyright: ignore[reportPrivateUsage]
    assert spans.attributes(own={"own": 1}) == {"own": 1}
    assert "a fault nobody thought of" in caplog.text
