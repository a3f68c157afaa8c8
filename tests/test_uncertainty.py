# SPDX-License-Identifier: Apache-2.0
"""How far a response time may be off: the number beside it, and the message of a limit that lies within it."""

from __future__ import annotations

import pytest

import samples
from api import Api, Json


@pytest.fixture(scope="module")
def measured(shared: Api) -> tuple[int, int]:
    """The response time of the recording, and how far it may be off."""
    replay, event = shared.run(shared.new_conversation(samples.SPEC), samples.recording())
    rows = shared.detail(replay)["turn_metrics"]
    assert event["result"]["metrics"]["turns"] == rows
    user, agent = rows
    assert (user["agent_response_ms"], user["agent_response_uncertainty_ms"]) == (None, None)
    return agent["agent_response_ms"], agent["agent_response_uncertainty_ms"]


def test_a_response_time_says_how_far_it_may_be_off(measured: tuple[int, int]) -> None:
    response, uncertainty = measured
    assert abs(response - 500) < 60
    assert 1 < uncertainty < 100  # two ends, each off by a millisecond or more


def test_without_a_user_before_there_is_neither(shared: Api) -> None:
    live: Json = {"name": "nobody asked", "turns": [], "live": True}
    replay, _ = shared.run(shared.new_conversation(live), samples.answer_without_question())
    (row,) = shared.detail(replay)["turn_metrics"]
    assert (row["role"], row["agent_response_ms"], row["agent_response_uncertainty_ms"]) == ("agent", None, None)


def test_a_limit_within_the_measuring_error_is_told_on_either_side(shared: Api, measured: tuple[int, int]) -> None:
    response, uncertainty = measured
    error = f", but within the measuring error of {uncertainty} ms."
    wanted: list[tuple[int, str, str | None]] = [
        (response - uncertainty - 1, "failed", "more than {} ms."),
        (response - uncertainty, "failed", "more than {} ms" + error),
        (response - 1, "failed", "more than {} ms" + error),
        (response, "passed", "no more than {} ms" + error),
        (response + uncertainty, "passed", "no more than {} ms" + error),
        (response + uncertainty + 1, "passed", None),
    ]
    limits: list[Json] = [{"kind": "max_latency_ms", "max_ms": limit} for limit, _, _ in wanted]
    replay, event = shared.run(shared.new_conversation(samples.spec(*limits)), samples.recording())
    rows = event["result"]["assertions"]
    for row, (limit, status, message) in zip(rows, wanted, strict=True):
        told = message and f"The agent answered after {response} ms, " + message.format(limit)
        assert (row["status"], row["message"]) == (status, told)
    assert event["result"]["passed"] is False
    assert shared.http.get(f"/v1/replays/{replay}/result").json() == event["result"]


def test_a_message_does_not_spoil_the_verdict(shared: Api, measured: tuple[int, int]) -> None:
    spec = samples.spec({"kind": "max_latency_ms", "max_ms": measured[0]})
    _, event = shared.run(shared.new_conversation(spec), samples.recording())
    assert event["result"]["passed"] is True
    assert event["result"]["assertions"][0]["message"]
