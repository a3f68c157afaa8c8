# SPDX-License-Identifier: Apache-2.0
"""`xray.attach` with doubles of a room."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any, cast

import pytest
from opentelemetry import baggage, trace

import xray
from jobs import Job, Participant, Room, driver, names, run, soon, span
from span_receiver import Answer, Receiver, attributes_of, closed_url, new_identity
from xray import _attach, otel
from xray._attributes import CONVERSATION_HASH, MODALITY, REPLAY_ID, ReplayIdentity, build_attribute


@pytest.fixture(autouse=True)
def no_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("XRAY_OTLP_ENDPOINT", raising=False)


def test_a_driver_who_is_there_already_binds() -> None:
    replay = new_identity()

    async def main(receiver: Receiver) -> None:
        room = Room(Participant(), driver(replay))
        span("before")
        async with xray.attach(Job(room), endpoint=receiver.url) as session:
            assert session is not None
            assert (session.replay_id, session.conversation_hash, session.modality) == (
                replay.replay_id,
                replay.conversation_hash,
                "voice",
            )
            assert baggage.get_baggage(REPLAY_ID) == replay.replay_id
            assert room.left_over == []
            span("inside")
        assert baggage.get_all() == {}
        span("after")
        assert receiver.names == ["inside"]  # the exit has flushed

    with Receiver() as receiver:
        run(main(receiver))
    assert receiver.names == ["inside"]
    assert attributes_of(receiver.taken[0]) == {
        REPLAY_ID: replay.replay_id,
        CONVERSATION_HASH: replay.conversation_hash,
        MODALITY: "voice",
    }


def test_a_driver_who_joins_later_binds() -> None:
    replay = new_identity()

    async def main() -> str | None:
        room = Room()

        async def join() -> None:
            await room.listened.wait()
            joined = Participant()
            room.remote_participants["p"] = joined
            room.emit("participant_connected", joined)  # without the attribute: it waits on
            joined = room.remote_participants["q"] = driver(replay)
            room.emit("participant_connected", joined)

        async with soon(lambda: join()), xray.attach(Job(room)) as session:
            assert room.left_over == []
            return session and session.replay_id

    assert run(main()) == replay.replay_id


def test_an_attribute_that_is_set_later_binds() -> None:
    replay = new_identity()

    async def main() -> str | None:
        participant = Participant()
        room = Room(participant)

        async def change() -> None:
            await room.listened.wait()
            participant.attributes = {"xray": build_attribute(replay)}
            room.emit("participant_attributes_changed", {"xray": "..."}, participant)

        async with soon(change), xray.attach(Job(room)) as session:
            return session and session.replay_id

    assert run(main()) == replay.replay_id


async def bound_by_an_event(room: Room, replay: ReplayIdentity) -> str | None:
    """The replay of an agent in that room, whose driver is told of and not in the list."""

    async def join() -> None:
        await room.listened.wait()
        room.emit("participant_connected", driver(replay))

    async with soon(join), xray.attach(Job(room)) as session:
        return session and session.replay_id


def test_one_whom_only_the_event_knows_binds() -> None:
    replay = new_identity()
    assert run(bound_by_an_event(Room(), replay)) == replay.replay_id


def test_participants_may_be_a_list() -> None:
    replay = new_identity()

    class OldRoom(Room):
        remote_participants: Any

    async def main() -> str | None:
        room = OldRoom()
        room.remote_participants = [driver(replay)]
        async with xray.attach(Job(room)) as session:
            return session and session.replay_id

    assert run(main()) == replay.replay_id


def test_nobody_in_time_leaves_the_agent_untouched(caplog: pytest.LogCaptureFixture) -> None:
    async def main(receiver: Receiver) -> None:
        room = Room(Participant())
        job = Job(room)
        before = trace.get_tracer_provider()
        async with xray.attach(job, endpoint=receiver.url, bind_timeout_s=0.01) as session:
            assert session is None
            assert (baggage.get_all(), room.left_over, job.callbacks) == ({}, [], [])
            assert trace.get_tracer_provider() is before
            span("production")

    with caplog.at_level(logging.INFO), Receiver() as receiver:
        run(main(receiver))
    assert receiver.requests == []
    [told] = caplog.records
    assert (told.levelname, told.name) == ("INFO", "xray.attach")
    assert "0.01 s" in told.getMessage()


@pytest.mark.parametrize("connected", [True, False])
def test_a_room_that_is_not_connected_is_a_warning(connected: bool, caplog: pytest.LogCaptureFixture) -> None:
    """As LiveKit's own is before `ctx.connect()`: nobody is in it, and nothing else would say why."""
    replay = new_identity()

    class LiveKitRoom(Room):
        def isconnected(self) -> bool:
            return connected

    assert run(bound_by_an_event(LiveKitRoom(), replay)) == replay.replay_id
    told = [record.levelname for record in caplog.records if "ctx.connect()" in record.getMessage()]
    assert told == ([] if connected else ["WARNING"])


@pytest.mark.parametrize("timeout_s", [0, -1])
def test_without_time_it_looks_once(timeout_s: float) -> None:
    replay = new_identity()

    async def main(*participants: Participant) -> str | None:
        async with xray.attach(Job(Room(*participants)), bind_timeout_s=timeout_s) as session:
            return session and session.replay_id

    assert run(main(driver(replay))) == replay.replay_id
    assert run(main()) is None


@pytest.mark.parametrize(
    "attributes", [{"xray": ""}, {"xray": 5}, {"other": "x"}, "nonsense", 5, {"xray": "{}"}, {"xray": "nonsense"}]
)
def test_attributes_that_name_no_replay_are_passed_over(attributes: object, caplog: pytest.LogCaptureFixture) -> None:
    replay = new_identity()

    async def main() -> str | None:
        room = Room(Participant(attributes))

        async def join() -> None:
            await room.listened.wait()
            for _ in range(2):
                room.emit("participant_connected", Participant(attributes))
            room.emit("participant_connected", driver(replay))

        async with soon(join), xray.attach(Job(room)) as session:
            return session and session.replay_id

    assert run(main()) == replay.replay_id
    broken = isinstance(attributes, dict) and cast("dict[str, object]", attributes).get("xray") in ("{}", "nonsense")
    assert caplog.text.count("a participant's attribute is ignored") == (1 if broken else 0)


def test_the_first_driver_counts() -> None:
    first, second = new_identity(), new_identity()

    async def main() -> str | None:
        async with xray.attach(Job(Room(driver(first), driver(second)))) as session:
            return session and session.replay_id

    assert run(main()) == first.replay_id


class Failing(Room):
    """A room of which something fails."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("_what"):
            raise RuntimeError("a fault nobody thought of")
        return super().__getattribute__(name)


@pytest.mark.parametrize("what", ["remote_participants", "on", "off"])
def test_a_room_that_fails_does_not_stop_the_agent(what: str, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with xray.attach(Job(Failing(what)), bind_timeout_s=0.01) as session:
            assert session is None

    run(main())
    assert "a fault nobody thought of" in caplog.text


@pytest.mark.parametrize("ctx", [None, object(), SimpleNamespace(room=None)])
def test_a_job_without_a_room_does_not_stop_the_agent(ctx: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def main() -> None:
        async with xray.attach(ctx, bind_timeout_s=0.01) as session:
            assert session is None

    run(main())
    assert "could not be searched" in caplog.text


def test_a_wait_that_is_cancelled_leaves_no_handler() -> None:
    async def main() -> None:
        room = Room()

        async def attached() -> None:
            async with xray.attach(Job(room), bind_timeout_s=3600):
                raise AssertionError

        task = asyncio.create_task(attached())
        await room.listened.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert room.left_over == []

    run(main())


def test_the_agents_own_error_goes_through_and_its_spans_are_sent() -> None:
    async def main(receiver: Receiver) -> None:
        async with xray.attach(Job(Room(driver(new_identity()))), endpoint=receiver.url):
            span("inside")
            raise KeyError("the agent's")

    with Receiver() as receiver:
        with pytest.raises(KeyError, match="the agent's"):
            run(main(receiver))
        assert receiver.names == ["inside"]


def test_an_agent_that_is_cancelled_still_sends_its_spans() -> None:
    async def main(receiver: Receiver) -> None:
        inside = asyncio.Event()

        async def attached() -> None:
            async with xray.attach(Job(Room(driver(new_identity()))), endpoint=receiver.url):
                span("inside")
                inside.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(attached())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with Receiver() as receiver:
        run(main(receiver))
        assert receiver.names == ["inside"]


def test_without_an_endpoint_there_is_a_session_and_one_warning(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    replay = new_identity()
    # Another test may have installed an exporter for this whole process.
    processor = otel._process.register(trace.get_tracer_provider())  # pyright: ignore[reportPrivateUsage]
    if processor is not None:
        monkeypatch.setattr(processor, "default", None)

    async def main() -> None:
        async with xray.attach(Job(Room(driver(replay)))) as session:
            assert session is not None
            assert session.replay_id == replay.replay_id
            with session.turn(0):
                span("inside")

    run(main())
    told = [r.levelname for r in caplog.records if "XRAY_OTLP_ENDPOINT" in r.getMessage()]
    assert told == ["WARNING"]


def test_the_environment_gives_the_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with xray.attach(Job(Room(driver(new_identity())))):
            span("inside")

    with Receiver() as receiver:
        monkeypatch.setenv("XRAY_OTLP_ENDPOINT", receiver.url)
        run(main())
        assert receiver.names == ["inside"]
        assert receiver.requests[0].path == "/v1/otlp/v1/traces"


def test_a_wrong_endpoint_is_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    replay = new_identity()

    async def main() -> None:
        async with xray.attach(Job(Room(driver(replay))), endpoint="xray:8080") as session:
            assert session is not None
            assert baggage.get_baggage(REPLAY_ID) == replay.replay_id

    run(main())
    assert [r.levelname for r in caplog.records] == ["WARNING"]
    assert "base URL" in caplog.text


def test_a_server_that_is_down_neither_raises_nor_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_attach, "_FLUSH_S", 600.0)

    async def main() -> float:
        async with xray.attach(Job(Room(driver(new_identity()))), endpoint=closed_url()):
            span("inside")
            began = time.monotonic()
        return time.monotonic() - began

    assert run(main()) < 30  # of 600


def test_an_overloaded_server_does_not_hold_the_exit_beyond_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_attach, "_FLUSH_S", 0.2)

    async def main(receiver: Receiver) -> None:
        async with xray.attach(Job(Room(driver(new_identity()))), endpoint=receiver.url):
            span("inside")

    with Receiver(lambda _: Answer(503, {"Retry-After": "30"})) as receiver:
        began = time.monotonic()
        run(main(receiver))
        assert time.monotonic() - began < 20  # the exporter itself gives up after 30


@pytest.mark.parametrize("by", ["the end of the block", "the end of the job"])
def test_the_limit_of_the_exit_holds_when_the_agents_own_threads_are_busy(by: str) -> None:
    """The default executor's threads, at most a few, may all be at work for the agent, for as long as it likes."""

    async def main(receiver: Receiver) -> None:
        loop, done = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(ThreadPoolExecutor(1))
        job = Job(Room(driver(new_identity())))
        try:
            async with xray.attach(job, endpoint=receiver.url):
                if by == "the end of the block":
                    loop.run_in_executor(None, done.wait)
                span("inside")
            if by == "the end of the job":
                loop.run_in_executor(None, done.wait)
                [callback] = job.callbacks
                await callback()
            assert receiver.names == ["inside"]
        finally:
            done.set()

    with Receiver() as receiver:
        run(main(receiver))


def test_a_pipeline_that_cannot_be_made_does_not_stop_the_agent(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fault(**_: object) -> None:
        raise RuntimeError("a fault nobody thought of")

    monkeypatch.setattr(_attach.otel, "pipeline", fault)

    async def main() -> None:
        async with xray.attach(Job(Room(driver(new_identity())))) as session:
            assert session is not None
            with session.turn(0):
                span("inside")

    run(main())
    assert "a fault nobody thought of" in caplog.text


def test_an_entrypoint_that_returns_leaves_its_tasks_bound_and_the_job_flushes_them() -> None:
    replay = new_identity()

    async def main(receiver: Receiver) -> None:
        job = Job(Room(driver(replay)))
        go = asyncio.Event()

        async def session() -> None:
            await go.wait()
            span("long after")

        async with xray.attach(job, endpoint=receiver.url):
            task = asyncio.create_task(session())
        go.set()
        await task
        [callback] = job.callbacks
        await callback()
        assert names(receiver, replay) == ["long after"]

    with Receiver() as receiver:
        run(main(receiver))


def test_two_jobs_in_one_loop_keep_apart() -> None:
    a, b = new_identity(), new_identity()

    async def main(receiver: Receiver) -> None:
        go, ready = asyncio.Event(), [asyncio.Event(), asyncio.Event()]

        async def job(i: int, replay: ReplayIdentity) -> None:
            async with xray.attach(Job(Room(driver(replay))), endpoint=receiver.url):
                ready[i].set()
                await go.wait()
                span(f"of {i}")

        jobs = [asyncio.create_task(job(i, replay)) for i, replay in enumerate((a, b))]
        for event in ready:
            await event.wait()
        go.set()
        await asyncio.gather(*jobs)

    with Receiver() as receiver:
        run(main(receiver))
        assert (names(receiver, a), names(receiver, b)) == (["of 0"], ["of 1"])


def test_attaching_twice_sends_once() -> None:
    async def main(receiver: Receiver) -> None:
        job = Job(Room(driver(new_identity())))
        async with xray.attach(job, endpoint=receiver.url), xray.attach(job, endpoint=receiver.url):
            span("inside")

    with Receiver() as receiver:
        run(main(receiver))
        assert receiver.names == ["inside"]
