# SPDX-License-Identifier: Apache-2.0
"""The script's data classes: what they refuse, that they stay as they are, and what the server makes of them."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from xrayd_process import ROOT, Xrayd

from xray import _wire
from xray._api import Api
from xray._transport import Transport
from xray.conversation import Assertion, Conversation, Judge, RecordedAudio, Role, RunConfig, TtsAudio, Turn

VECTORS: list[dict[str, Any]] = json.loads((ROOT / "server/src/spec/testdata/conversation-hash.json").read_text())

AGENT = Turn.agent()


def nested(levels: int) -> dict[str, Any]:
    return {} if levels == 1 else {"a": nested(levels - 1)}


WRONG: dict[str, Callable[[], object]] = {
    "no name": lambda: Conversation("", [AGENT]),
    "long name": lambda: Conversation("n" * 257, [AGENT]),
    "name of surrogate pairs": lambda: Conversation("\U0001f600" * 129, [AGENT]),
    "unpaired surrogate": lambda: Conversation("\ud800", [AGENT]),
    "name is no string": lambda: Conversation(cast("Any", 1), [AGENT]),
    "no turns": lambda: Conversation("n", []),
    "turns are no sequence": lambda: Conversation("n", cast("Any", AGENT)),
    "a turn is a dict": lambda: Conversation("n", [cast("Any", {"role": "agent"})]),
    "too many turns": lambda: Conversation("n", [AGENT] * 1025),
    "too many judges": lambda: Conversation("n", [AGENT], [Judge.text_match("r")] * 9),
    "live is no bool": lambda: Conversation("n", [AGENT], live=cast("Any", 1)),
    "nothing to speak": lambda: Turn.user(""),
    "text is None": lambda: Turn.user(cast("Any", None)),
    "long text": lambda: Turn.user("t" * 65537),
    "empty key": lambda: Turn.user("t", key=""),
    "long key": lambda: Turn.agent(key="k" * 129),
    "audio is a path": lambda: Turn.user("t", audio=cast("Any", "a.wav")),
    "an agent that is spoken": lambda: Turn(Role.AGENT, "t", audio=TtsAudio()),
    "unknown role": lambda: Turn(cast("Any", "system"), "t"),
    "too many assertions": lambda: Turn.agent(assertions=[Assertion.tool_called("t")] * 33),
    "assertions are strings": lambda: Turn.agent(assertions=cast("Any", ["yes"])),
    "empty path": lambda: RecordedAudio(""),
    "path with NUL": lambda: RecordedAudio("a\0b"),
    "path is None": lambda: RecordedAudio(cast("Any", None)),
    "long voice": lambda: TtsAudio("v" * 1025),
    "contains nothing": lambda: Assertion.contains(""),
    "contains too much": lambda: Assertion.not_contains("t" * 2049),
    "case is no bool": lambda: Assertion.contains("t", case_insensitive=cast("Any", "no")),
    "trim is no bool": lambda: Assertion.equals("t", trim=cast("Any", None)),
    "empty pattern": lambda: Assertion.regex(""),
    "unknown flag": lambda: Assertion.regex("a", flags="x"),
    "flag and newline": lambda: Assertion.regex("a", flags="i\n"),
    "too many flags": lambda: Assertion.regex("a", flags="iiiiiiiii"),
    "no tool": lambda: Assertion.tool_called(""),
    "long tool": lambda: Assertion.tool_not_called("t" * 257),
    "args are a list": lambda: Assertion.tool_args_match("t", cast("Any", [1])),
    "args with a set": lambda: Assertion.tool_args_match("t", {"a": {1}}),
    "args with NaN": lambda: Assertion.tool_args_match("t", {"a": float("nan")}),
    "args with infinity": lambda: Assertion.tool_args_match("t", {"a": [float("-inf")]}),
    "args with a huge integer": lambda: Assertion.tool_args_match("t", {"a": 10**400}),
    "args with a key of int": lambda: Assertion.tool_args_match("t", cast("Any", {1: 2})),
    "args with a surrogate": lambda: Assertion.tool_args_match("t", {"a": "\udc00"}),
    "args too deep": lambda: Assertion.tool_args_match("t", nested(66)),
    "no time": lambda: Assertion.max_latency_ms(0),
    "half a millisecond": lambda: Assertion.max_latency_ms(cast("Any", 1.5)),
    "True milliseconds": lambda: Assertion.max_ttft_ms(True),
    "too long a time": lambda: Assertion.max_ttft_ms(2**53),
    "no reference": lambda: Judge.text_match(""),
    "long reference": lambda: Judge.text_match("r" * 8193),
    "long rubric": lambda: Judge.text_match("r", rubric="r" * 2049),
    "score over 100": lambda: Judge.text_match("r", pass_score=101),
    "score below 0": lambda: Judge.text_match("r", pass_score=-1),
    "temperature is a string": lambda: RunConfig(temperature=cast("Any", "0.5")),
    "temperature is NaN": lambda: RunConfig(temperature=float("nan")),
    "model twice": lambda: RunConfig(model="a", extra={"model": "b"}),
    "extra with bytes": lambda: RunConfig(extra={"a": b""}),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_arguments_are_a_value_error_where_they_are(name: str) -> None:
    with pytest.raises(ValueError) as caught:
        WRONG[name]()
    assert str(caught.value)


RIGHT: dict[str, Callable[[], object]] = {
    "longest name": lambda: Conversation("\U0001f600" * 128, [AGENT]),
    "live without turns": lambda: Conversation("n", [], live=True),
    "recorded turn without text": lambda: Turn.user("", audio=RecordedAudio("a.wav")),
    "equals nothing": lambda: Assertion.equals(""),
    "all flags": lambda: Assertion.regex("a", flags="gimsuy"),
    "deepest args": lambda: Assertion.tool_args_match("t", nested(64)),
    "longest time": lambda: Assertion.max_latency_ms(2**53 - 1),
    "strictest judge": lambda: Judge.text_match("r", rubric="", pass_score=100),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_is_just_right_is_taken_by_the_server_too(name: str, shared_server: Xrayd) -> None:
    made = RIGHT[name]()
    if isinstance(made, Turn):
        return  # its file does not exist: only the builder is asked
    if isinstance(made, Assertion):
        made = Conversation("n", [Turn.agent(assertions=[made])])
    if isinstance(made, Judge):
        made = Conversation("n", [AGENT], [made])
    assert isinstance(made, Conversation)
    assert len(stored_as(made, shared_server.url)) == 64


def test_everything_is_frozen_and_keeps_a_copy() -> None:
    args: dict[str, Any] = {"a": [1]}
    assertions = [Assertion.tool_args_match("t", args)]
    turns = [Turn.agent(assertions=assertions)]
    conversation = Conversation("n", turns)
    args["a"].append(2)
    assertions.clear()
    turns.clear()
    assert conversation.turns[0].assertions[0].params["args"] == {"a": [1]}
    for instance in (conversation, conversation.turns[0], conversation.turns[0].assertions[0], RunConfig(), TtsAudio()):
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(instance, dataclasses.fields(instance)[0].name, "other")


def test_user_turns_are_spoken_unless_they_say_otherwise() -> None:
    assert Turn.user("hello").audio == TtsAudio()
    assert Turn.user("hello", audio=RecordedAudio("a.wav")).audio == RecordedAudio("a.wav")
    assert Turn.agent().audio is None


def test_run_config_is_flat_and_leaves_out_none() -> None:
    assert RunConfig().as_json() == {}
    config = RunConfig(model="m", temperature=0, extra={"voice": "x", "nothing": None, "deep": {"kept": None}})
    assert config.as_json() == {"model": "m", "temperature": 0, "voice": "x", "deep": {"kept": None}}


def test_recorded_turns_are_uploaded_by_their_index() -> None:
    turns = [Turn.user("a", audio=RecordedAudio("x.wav")), AGENT, Turn.user("b", audio=RecordedAudio("x.wav"))]
    spec, files = _wire.conversation_spec(Conversation("n", turns))
    assert files == {"audio_0": Path("x.wav"), "audio_2": Path("x.wav")}
    assert [turn.get("audio") for turn in json.loads(spec)["turns"]] == [
        {"kind": "recorded", "upload_key": "audio_0"},
        None,
        {"kind": "recorded", "upload_key": "audio_2"},
    ]


def stored_as(conversation: Conversation, url: str) -> str:
    async def put() -> str:
        async with Transport(url) as transport:
            return await Api(transport).put_conversation(conversation)

    return asyncio.run(put())


def from_vector(spec: dict[str, Any], files: dict[str, Path]) -> Conversation:
    """The data classes that say what a vector's JSON says."""

    def assertion(row: dict[str, Any]) -> Assertion:
        fields = {key: value for key, value in row.items() if key != "kind"}
        return getattr(Assertion, row["kind"])(**fields)

    def turn(row: dict[str, Any]) -> Turn:
        audio = row.get("audio")
        return Turn(
            Role(row["role"]),
            row.get("text"),
            row.get("key"),
            None if audio is None else RecordedAudio(files[audio["upload_key"]]),
            [assertion(one) for one in row.get("assertions", ())],
        )

    judges = [
        Judge.text_match(row["reference"], **{k: row[k] for k in ("rubric", "pass_score") if k in row})
        for row in spec.get("judges", ())
    ]
    return Conversation(spec["name"], [turn(row) for row in spec["turns"]], judges)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["case"] for vector in VECTORS])
def test_the_server_gives_the_vectors_hash(vector: dict[str, Any], shared_server: Xrayd, tmp_path: Path) -> None:
    files: dict[str, Path] = {}
    for key, text in vector["files"].items():
        files[key] = tmp_path / f"{key}.wav"
        files[key].write_bytes(base64.b64decode(text))
    assert stored_as(from_vector(vector["spec"], files), shared_server.url) == vector["hash"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 10
