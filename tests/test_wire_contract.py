# SPDX-License-Identifier: Apache-2.0
"""The examples of docs/wire-contract.md are real: each body is sent, and what the page says comes out of it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

import samples
from api import Api, Json

PAGE = Path(__file__).resolve().parent.parent / "docs" / "wire-contract.md"
REPLAY = "3f2b8c1e-6a4d-4f0e-9b7a-2d5c8e1f0a93"
RECORDING_STARTED_AT = "2026-01-02T03:04:00Z"
ROWS = ("spans", "tool_calls", "model_usage")
VOCABULARIES = ("xray", "gen_ai", "langfuse", "livekit")


def blocks() -> list[str]:
    return re.findall(r"^```json\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def examples() -> list[tuple[str, str]]:
    """(body, what comes out) in the page's order."""
    found = blocks()
    return list(zip(found[::2], found[1::2], strict=True))


EXAMPLES = examples()


def rows_of(text: str, replay: str) -> Json:
    rows = json.loads(text.replace(REPLAY, replay))
    assert set(rows) == set(ROWS)
    return rows


def new_replay(api: Api) -> str:
    replay = api.new_replay(api.new_conversation(samples.SPEC))
    assert api.upload(replay, samples.silent_recording(), started_at=RECORDING_STARTED_AT).status_code == 200
    return replay


def send(api: Api, body: str) -> Json:
    reply = api.http.post("/v1/traces", content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200, reply.text
    return reply.json()["partialSuccess"]


def shown(row: Json, wanted: Json) -> Json:
    """The fields of a row that the page shows."""
    return {key: row[key] for key in wanted}


def check_rows(detail: Json, wanted: Json) -> None:
    for kind in ROWS:
        expected: list[Json] = wanted[kind]
        got: list[Json] = detail[kind]
        assert len(got) == len(expected), kind
        assert [shown(row, like) for row, like in zip(got, expected, strict=True)] == expected


@pytest.mark.parametrize(("body", "outcome"), EXAMPLES, ids=range(len(EXAMPLES)))
def test_an_example_gives_the_rows_of_the_page(shared: Api, body: str, outcome: str) -> None:
    replay = new_replay(shared)
    assert send(shared, body.replace(REPLAY, replay))["rejectedSpans"] == 0
    check_rows(shared.detail(replay), rows_of(outcome, replay))


def test_an_example_sent_again_changes_nothing(shared: Api) -> None:
    replay = new_replay(shared)
    body = EXAMPLES[1][0].replace(REPLAY, replay)
    send(shared, body)
    before = shared.detail(replay)
    assert send(shared, body)["rejectedSpans"] == 0
    assert shared.detail(replay) == before


def test_an_example_whose_replay_is_not_there_is_rejected(shared: Api) -> None:
    body, outcome = EXAMPLES[1]
    answer = send(shared, body)
    assert answer["rejectedSpans"] == len(rows_of(outcome, REPLAY)["spans"])
    assert answer["errorMessage"]


def test_there_is_an_example_of_each_vocabulary() -> None:
    seen: set[Any] = set()
    for _, outcome in EXAMPLES:
        seen |= {span["vocabulary"] for span in rows_of(outcome, REPLAY)["spans"]}
    assert seen == set(VOCABULARIES)
    assert all(REPLAY in body for body, _ in EXAMPLES)
