# SPDX-License-Identifier: Apache-2.0
"""Unusual text and numbers in every place that takes them: stored, hashed and returned as the contract says."""

from __future__ import annotations

import copy
import hashlib
import json
from decimal import Decimal
from typing import Any

import pytest

import samples
from api import Api, Json
from refusals import form
from volume import query
from xrayd_process import Xrayd

TEXTS = {
    "NUL": "a\x00b",
    "NUL alone": "\x00",
    "NEL": "a\u0085b",
    "line separator": "a\u2028b",
    "paragraph separator": "a\u2029b",
    "astral": "a\U0001f600b",
    "the last code point": "\U0010ffff",
    "a noncharacter": "\ufffe\uffff",
    "controls": "".join(map(chr, range(1, 32))) + "\x7f",
    "quotes": "\"\\/'<>&\u00e9",
    "right to left": "\u202e\u05d0\u200f",
    "combining": "e\u0301\u1100\u1161",
    "byte order mark": "\ufeffx",
}
# Line-based readers of event streams break on these; so a response has them only as escapes.
LINE_BREAKS = ("\u0085", "\u2028", "\u2029")


def everywhere(text: str) -> Json:
    """A conversation with the text in every place that takes any text."""
    return {
        "name": text,
        "turns": [
            {"role": "user", "text": text, "key": text},
            {
                "role": "agent",
                "assertions": [
                    {"kind": "contains", "text": text},
                    {"kind": "not_contains", "text": text},
                    {"kind": "equals", "text": text},
                    {"kind": "tool_called", "name": text},
                    {"kind": "tool_not_called", "name": text},
                    {"kind": "tool_args_match", "name": text, "args": {text: text, "list": [text]}},
                ],
            },
        ],
        "judges": [{"kind": "text_match", "reference": text, "rubric": text}],
    }


def with_defaults(spec: Json) -> Json:
    """The spec with its defaults materialised, as the canonical form has it."""
    full = copy.deepcopy(spec)
    full.setdefault("judges", [])
    for judge in full["judges"]:
        judge.setdefault("pass_score", 70)
    for turn in full["turns"]:
        for assertion in turn.setdefault("assertions", []):
            if assertion["kind"] in ("contains", "not_contains", "equals"):
                assertion.setdefault("case_insensitive", True)
            if assertion["kind"] == "equals":
                assertion.setdefault("trim", True)
            if assertion["kind"] == "regex":
                assertion.setdefault("flags", "")
    return full


def sorted_by_utf16(value: Any) -> Any:
    if isinstance(value, dict):
        items: list[tuple[str, Any]] = list(value.items())  # pyright: ignore[reportUnknownArgumentType]
        items.sort(key=lambda item: item[0].encode("utf-16-be"))
        return {k: sorted_by_utf16(v) for k, v in items}
    if isinstance(value, list):
        return [sorted_by_utf16(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    return value


def canonical_hash(spec: Json) -> str:
    """The contract's hash, made here a second time; for integers below 2^53 only."""
    content = {k: v for k, v in with_defaults(spec).items() if k in ("turns", "judges")}
    text = json.dumps(sorted_by_utf16(content), separators=(",", ":"), ensure_ascii=True).replace("\x7f", "\\u007f")
    return hashlib.sha256(text.encode()).hexdigest()


def check_line_breaks(body: bytes) -> None:
    for char in LINE_BREAKS:
        assert char.encode() not in body


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
@pytest.mark.parametrize("ascii_only", [True, False], ids=["escaped", "as UTF-8"])
def test_text_comes_back_as_it_went_in(shared: Api, text: str, ascii_only: bool) -> None:
    spec = everywhere(text)
    sent = json.dumps(spec, ensure_ascii=ascii_only)

    reply = shared.conversation(sent)

    assert reply.status_code == 200, reply.text
    check_line_breaks(reply.content)
    row, full = reply.json(), with_defaults(spec)
    assert row["name"] == text
    assert row["turns"] == full["turns"]
    assert row["judges"] == full["judges"]
    assert row["hash"] == canonical_hash(spec)
    again = shared.http.get(f"/v1/conversations/{row['hash']}")
    assert again.json() == row
    check_line_breaks(again.content)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_text_in_a_run_config(shared: Api, text: str) -> None:
    conversation = shared.new_conversation(samples.SPEC)
    config = {text: text, "nested": [{"x": text}]}

    created = shared.http.post("/v1/replays", json={"conversation_hash": conversation, "run_config": config})

    assert created.status_code == 201
    replay = created.json()["id"]
    for reply in (
        created,
        shared.http.get(f"/v1/replays/{replay}"),
        shared.http.get(f"/v1/conversations/{conversation}/replays"),
        shared.http.post("/v1/replays/compare", json={"replay_ids": [replay, replay]}),
    ):
        check_line_breaks(reply.content)
    assert shared.detail(replay)["run_config"] == config


@pytest.mark.parametrize("char", LINE_BREAKS, ids=["NEL", "line separator", "paragraph separator"])
def test_line_breaks_are_escaped_in_every_response(shared: Api, char: str) -> None:
    """Lists, details, results and event streams too."""
    text = f"x{char}y"
    spec = samples.spec({"kind": "contains", "text": text}, {"kind": "tool_called", "name": text}, name=text)
    conversation = shared.new_conversation(spec)
    replay, event = shared.run(conversation, samples.recording(), started_at="2024-01-01T00:00:00Z")
    assert event["type"] == "evaluation_complete"
    escape = f"\\u{ord(char):04x}".encode()
    for path, has_text in (
        (f"/v1/conversations/{conversation}", True),
        (f"/v1/conversations?q={text}", True),
        (f"/v1/replays/{replay}/result", True),
        (f"/v1/replays/{replay}/events", True),
        (f"/v1/replays/{replay}", False),
    ):
        body = shared.http.get(path).content
        check_line_breaks(body)
        assert (escape in body.lower()) == has_text, path


def test_a_name_is_found_by_any_part_of_it(shared: Api) -> None:
    for i, text in enumerate(TEXTS.values()):
        spec = samples.SPEC | {"name": f"<{text}>", "turns": [{"role": "user", "key": f"k{i}"}]}
        conversation = shared.new_conversation(spec)
        found = shared.http.get("/v1/conversations", params={"q": f"<{text}>"}).json()["items"]
        assert [item["hash"] for item in found] == [conversation], repr(text)


def test_names_are_found_whatever_their_case(shared: Api) -> None:
    conversation = shared.new_conversation(
        {"name": "\u00c9T\u00c9 \u0130\u03a3", "turns": [{"role": "user", "key": "e"}]}
    )
    for q in ("\u00e9t\u00e9", "\u00c9t\u00c9", "T\u00c9 "):
        found = shared.http.get("/v1/conversations", params={"q": q}).json()["items"]
        assert [item["hash"] for item in found] == [conversation], q


def test_the_last_name_stands_and_does_not_count_for_the_hash(shared: Api) -> None:
    spec = everywhere("same")
    hashes = {shared.new_conversation(spec | {"name": text}) for text in TEXTS.values()}
    assert len(hashes) == 1
    row = shared.http.get(f"/v1/conversations/{hashes.pop()}").json()
    assert row["name"] == list(TEXTS.values())[-1]


def test_rows_hold_the_bytes_themselves(shared: Api, shared_server: Xrayd) -> None:
    text = "n\x00\u2028\U0001f600"
    conversation = shared.new_conversation({"name": text, "turns": [{"role": "user", "key": "bytes"}]})
    sql = "SELECT CAST(name AS BLOB) FROM conversations WHERE hash = ?"
    assert query(shared_server.data_dir, sql, bytes.fromhex(conversation)) == [(text.encode(),)]


# As JSON text: what ECMAScript prints for the same double is what is hashed and returned.
NUMBERS = {
    "9007199254740993": "9007199254740992",
    "-9007199254740993": "-9007199254740992",
    "18446744073709551615": "18446744073709552000",
    "123456789012345678901234567890": "1.2345678901234568e+29",
    "2.0": "2",
    "-0": "0",
    "-0.0": "0",
    "2.5": "2.5",
    "1e21": "1e+21",
    "1e20": "100000000000000000000",
    "1e-6": "0.000001",
    "1e-7": "1e-7",
    "0.1": "0.1",
    "5e-324": "5e-324",
    "1.7976931348623157e308": "1.7976931348623157e+308",
}


def args_spec(number: str) -> str:
    return (
        '{"name":"n","turns":[{"role":"agent","assertions":'
        f'[{{"kind":"tool_args_match","name":"t","args":{{"x":{number},"list":[{number}]}}}}]}}]}}'
    )


@pytest.mark.parametrize(("number", "printed"), NUMBERS.items())
def test_numbers_in_args_are_doubles(shared: Api, number: str, printed: str) -> None:
    canonical = (
        '{"judges":[],"turns":[{"assertions":[{"args":{"list":['
        f'{printed}],"x":{printed}}},"kind":"tool_args_match","name":"t"}}],"role":"agent"}}]}}'
    )
    reply = shared.conversation(args_spec(number))
    assert reply.status_code == 200
    assert reply.json()["hash"] == hashlib.sha256(canonical.encode()).hexdigest()
    assert f'"x":{printed}' in reply.text
    assert f'"list":[{printed}]' in reply.text


@pytest.mark.parametrize("number", ["1e400", "-1e309"])
def test_a_number_that_is_no_double_is_refused(shared: Api, number: str) -> None:
    reply = shared.conversation(args_spec(number))
    assert reply.status_code == 400
    assert reply.json()["error"] == "invalid_conversation_request"


@pytest.mark.parametrize("number", ["9007199254740993", "-9223372036854775808", "18446744073709551615", "0", "2.5"])
def test_numbers_in_a_run_config_keep_their_value(shared: Api, number: str) -> None:
    conversation = shared.new_conversation(samples.SPEC)
    body = f'{{"conversation_hash":"{conversation}","run_config":{{"x":{number}}}}}'
    reply = shared.http.post("/v1/replays", content=body)
    assert reply.status_code == 201
    kept = json.loads(reply.content, parse_int=Decimal, parse_float=Decimal)["run_config"]["x"]
    assert kept == Decimal(number)


CONFIGS: list[Any] = [None, True, False, 0, "", [], {}, "text", [None, {"a": [1]}]]


@pytest.mark.parametrize("config", CONFIGS, ids=json.dumps)
def test_a_run_config_may_be_any_json(shared: Api, config: Any) -> None:
    replay = shared.new_replay(shared.new_conversation(samples.SPEC), run_config=config)
    kept = shared.detail(replay)["run_config"]
    assert kept == config
    assert type(kept) is type(config)


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_an_unusual_voice_is_refused_without_a_trace(shared: Api, shared_server: Xrayd, text: str) -> None:
    """A voice_id may be any text; that no such voice is installed is the provider's answer, not the validator's."""
    before = query(shared_server.data_dir, "SELECT count(*) FROM conversations")
    spec = {"name": "n", "turns": [{"role": "user", "text": "hi", "audio": {"kind": "tts", "voice_id": text}}]}
    assert shared.conversation(spec).json()["error"] == "tts_synthesis_failed"
    assert query(shared_server.data_dir, "SELECT count(*) FROM conversations") == before


DISPOSITIONS = {"as a name": 'name="%s"; filename="a.wav"', "as a file name": 'filename="%s"; name=spec2'}


@pytest.mark.parametrize("disposition", DISPOSITIONS.values(), ids=DISPOSITIONS.keys())
def test_multipart_names_need_not_be_utf8(shared: Api, disposition: str) -> None:
    spec, named = json.dumps(samples.SPEC).encode(), (disposition % "\xff\xfe").encode("latin-1")
    body = b'--b\r\nContent-Disposition: form-data; name="spec"\r\n\r\n' + spec
    body += b"\r\n--b\r\nContent-Disposition: form-data; " + named + b"\r\n\r\nx\r\n--b--\r\n"
    reply = shared.http.post(
        "/v1/conversations", content=body, headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert reply.status_code == 400
    key = reply.json()["upload_key"]
    assert reply.json()["error"] == "recorded_audio_upload_key_unreferenced"
    assert key in ("\ufffd\ufffd", "spec2")


def test_a_bad_byte_in_a_query_is_replaced(shared: Api) -> None:
    reply = shared.http.get("/v1/conversations?q=%ff%fe")
    assert reply.status_code == 200
    assert reply.json()["items"] == []


def test_form_fields_may_come_in_any_order(shared: Api) -> None:
    spec = {"name": "order", "turns": [{"role": "user", "audio": {"kind": "recorded", "upload_key": "k"}}]}
    parts = form(spec, ("k", samples.turn()))["files"]
    first = shared.http.post("/v1/conversations", files=parts)
    second = shared.http.post("/v1/conversations", files=parts[::-1])
    assert first.status_code == second.status_code == 200
    assert first.json()["hash"] == second.json()["hash"]
