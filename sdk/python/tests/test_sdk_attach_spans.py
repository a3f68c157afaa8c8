# SPDX-License-Identifier: Apache-2.0
"""What an attached agent sends: turns, and spans that land in the replay on a real server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import TracerProvider
from xrayd_process import Xrayd

import xray
from jobs import Job, Room, driver, run, span
from replay_server import Server
from span_receiver import Receiver, attributes_of, new_identity
from xray._attributes import TURN_IDX, TURN_KEY


def test_turns_scope_their_spans() -> None:
    async def main(receiver: Receiver) -> None:
        async with xray.attach(Job(Room(driver(new_identity()))), endpoint=receiver.url) as session:
            assert session is not None
            with session.turn(1, key="confirm"):
                span("first")
                with session.turn(2):
                    span("second")
            async with session.turn(3, "bye"):
                span("third")
            span("outside")

    with Receiver() as receiver:
        run(main(receiver))
    turns = {
        s["name"]: (attributes_of(s).get(TURN_IDX), attributes_of(s).get(TURN_KEY))
        for s in receiver.taken
        if s["name"] != "xray.turn"
    }
    assert turns == {"first": ("1", "confirm"), "second": ("2", None), "third": ("3", "bye"), "outside": (None, None)}
    emitted = [attributes_of(s) for s in receiver.taken if s["name"] == "xray.turn"]
    assert [(a[TURN_IDX], a.get(TURN_KEY)) for a in emitted] == [("2", None), ("1", "confirm"), ("3", "bye")]
    [third] = [s for s in receiver.taken if s["name"] == "third"]
    assert third["parentSpanId"] in [s["spanId"] for s in receiver.taken if attributes_of(s).get(TURN_KEY) == "bye"]


@pytest.mark.parametrize(("idx", "key"), [(-1, None), (True, None), ("0", None), (1.0, None), (0, ""), (0, 5)])
def test_a_wrong_turn_is_refused(idx: Any, key: Any) -> None:
    session = xray.XraySession(new_identity(), trace.get_tracer("t"))
    with pytest.raises(ValueError, match="turn's"):
        session.turn(idx, key)


def test_a_turn_is_begun_once() -> None:
    """Twice, its baggage would stay with the task for good, and one of its spans would never end."""
    turn = xray.XraySession(new_identity(), trace.get_tracer("t")).turn(1)
    with turn:
        before = baggage.get_all()
        with pytest.raises(RuntimeError, match="already"), turn:
            pass
        assert baggage.get_all() == before
    assert baggage.get_all() == {}
    with pytest.raises(RuntimeError, match="already"), turn:
        pass


def test_an_error_inside_a_turn_is_the_agents() -> None:
    session = xray.XraySession(new_identity(), TracerProvider(shutdown_on_exit=False).get_tracer("t"))
    with pytest.raises(KeyError), session.turn(0):
        raise KeyError
    assert baggage.get_all() == {}


def test_spans_land_in_the_replay_on_a_real_server(shared_server: Xrayd) -> None:
    server = Server(shared_server.url)
    replay, other = server.new_replay(), server.new_replay()

    async def main() -> None:
        async with xray.attach(Job(Room(driver(replay))), endpoint=server.url) as session:
            assert session is not None
            with session.turn(1, key="answer"):
                span(
                    "chat gpt",
                    **{
                        "gen_ai.operation.name": "chat",
                        "gen_ai.provider.name": "openai",
                        "gen_ai.request.model": "gpt",
                        "gen_ai.usage.input_tokens": 11,
                        "gen_ai.usage.output_tokens": 5,
                    },
                )
                span(
                    "execute_tool book",
                    **{
                        "gen_ai.operation.name": "execute_tool",
                        "gen_ai.tool.name": "book",
                        "gen_ai.tool.call.arguments": '{"seats": 2}',
                        "gen_ai.tool.call.result": "done",
                    },
                )
            span("GET /weather", **{"http.request.method": "GET"})  # no vocabulary knows it

    run(main())
    detail = server.detail(replay)
    [call] = detail["tool_calls"]
    assert (call["name"], call["args_json"], call["result_json"]) == ("book", '{"seats":2}', '"done"')
    [model] = detail["model_usage"]
    assert (model["provider"], model["model"], model["total_tokens"]) == ("openai", "gpt", 16)
    kept = {s["name"]: s for s in detail["spans"]}
    assert sorted(kept) == ["chat gpt", "execute_tool book", "xray.turn"]
    turn = json.loads(kept["xray.turn"]["attributes_json"])
    assert (turn[TURN_IDX], turn[TURN_KEY]) == (1, "answer")
    assert kept["chat gpt"]["parent_span_id"] == kept["xray.turn"]["span_id"]
    assert server.detail(other)["spans"] == []


def test_a_batch_over_the_servers_limit_arrives_whole(shared_server: Xrayd) -> None:
    """20 spans of 1 MiB: two requests' worth."""
    server = Server(shared_server.url)
    replay = server.new_replay()

    async def main() -> None:
        async with xray.attach(Job(Room(driver(replay))), endpoint=server.url):
            for i in range(20):
                model = {"gen_ai.operation.name": "chat", "gen_ai.request.model": f"m{i}"}
                span("chat", **model, **{"gen_ai.input.messages": "x" * 2**20})

    run(main())
    assert sorted(u["model"] for u in server.detail(replay)["model_usage"]) == sorted(f"m{i}" for i in range(20))


def test_an_agent_is_told_of_a_replay_that_its_server_does_not_know(
    shared_server: Xrayd, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> None:
        async with xray.attach(Job(Room(driver(new_identity()))), endpoint=endpoint):
            span("chat", **{"gen_ai.operation.name": "chat"})

    # Each exporter says it once, and another test may have asked this server.
    endpoint = shared_server.url.replace("127.0.0.1", "localhost")
    run(main())
    assert "a replay that does not exist" in caplog.text
