# SPDX-License-Identifier: Apache-2.0
"""Conversations: upsert by content hash, recorded and spoken turns, lists, turn audio."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import threading
import wave
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import samples
from api import Api, Json
from refusals import recorded
from servers import servers
from volume import SHA256_SIZE, files, query, rows, settles, turn_file
from waiting import eventually
from xrayd_process import ROOT, Xrayd

VECTORS: list[Json] = json.loads((ROOT / "server/src/spec/testdata/conversation-hash.json").read_text())
TIME = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["case"])
def test_hash_vectors(shared: Api, vector: Json) -> None:
    attached = {key: base64.b64decode(body) for key, body in vector["files"].items()}
    reply = shared.conversation(vector["spec"], attached)
    assert reply.status_code == 200, reply.text
    assert reply.json()["hash"] == vector["hash"]


def test_there_are_vectors() -> None:
    assert len(VECTORS) >= 13


def test_row(shared: Api) -> None:
    spec = {"name": "row", "turns": [{"role": "user", "text": "a", "key": "k"}, {"role": "agent"}], "more": 1}
    row = shared.conversation(spec).json()
    assert set(row) == {"hash", "name", "created_at", "last_run_at", "turns", "judges", "live"}
    assert re.fullmatch(r"[0-9a-f]{64}", row["hash"])
    assert TIME.match(row["created_at"])
    assert row["last_run_at"] == row["created_at"]
    assert row["turns"][0] == {"role": "user", "text": "a", "key": "k", "assertions": []}
    assert row["judges"] == []
    assert row["live"] is False


def test_upsert_changes_name_and_last_run_only(server: Xrayd, api: Api) -> None:
    first = api.conversation(samples.SPEC | {"name": "one"}).json()
    second = api.conversation(samples.SPEC | {"name": "two"}).json()
    assert second["last_run_at"] > first["last_run_at"]
    assert second == first | {"name": "two", "last_run_at": second["last_run_at"]}
    assert rows(server.data_dir)["conversations"] == 1


@pytest.mark.concurrent
def test_the_same_conversation_from_many_clients_is_one_row(server: Xrayd) -> None:
    start = threading.Barrier(8)

    def post(i: int) -> str:
        with Api(server.url) as api:
            start.wait()
            spec = {"name": f"client {i}", "turns": [recorded("k"), {"role": "agent"}]}
            return api.new_conversation(spec, {"k": samples.turn()})

    with ThreadPoolExecutor(8) as pool:
        hashes = set(pool.map(post, range(8)))
    assert len(hashes) == 1
    assert rows(server.data_dir)["conversations"] == 1
    assert settles(server.data_dir)


def test_live_conversations_are_all_different(shared: Api) -> None:
    spec: Json = {"name": "live", "turns": [], "live": True}
    first, second = shared.conversation(spec).json(), shared.conversation(spec).json()
    assert first["live"] is second["live"] is True
    assert first["turns"] == []
    assert first["hash"] != second["hash"]


# --- recorded turns ---


def test_recorded_turns_are_stored_by_content(server: Xrayd, api: Api) -> None:
    a, b = samples.turn(0.05), samples.turn(0.06)
    spec = {"name": "n", "turns": [recorded("a"), recorded("b", role="agent"), recorded("a"), {"role": "agent"}]}
    row = api.conversation(spec, {"a": a, "b": b}).json()
    sha = {key: hashlib.sha256(body).hexdigest() for key, body in (("a", a), ("b", b))}
    assert [turn.get("audio") for turn in row["turns"]] == [
        {"kind": "recorded", "sha256": sha["a"]},
        {"kind": "recorded", "sha256": sha["b"]},
        {"kind": "recorded", "sha256": sha["a"]},
        None,
    ]
    assert files(server.data_dir) == {turn_file(bytes.fromhex(text)) for text in sha.values()}
    for idx, body in ((0, a), (1, b), (2, a)):
        reply = api.http.get(f"/v1/conversations/{row['hash']}/turns/{idx}/audio")
        assert reply.content == body
        assert reply.headers["content-type"] == "audio/wav"


PLAIN = samples.pcm_header(data_bytes=2000) + bytes(2000)


@pytest.mark.parametrize(
    "body",
    [
        samples.pcm_header(),
        samples.pcm_header(data_bytes=0xFFFFFFFF) + bytes(2000),
        PLAIN[:12] + b"LIST\x03\0\0\0abc\0" + PLAIN[12:],
    ],
    ids=["without a sample", "with a length that lies", "with an odd chunk before the format"],
)
def test_strange_but_usable_turns_are_taken(shared: Api, body: bytes) -> None:
    conversation = shared.new_conversation({"name": "n", "turns": [recorded()]}, {"a": body})
    assert shared.http.get(f"/v1/conversations/{conversation}/turns/0/audio").content == body


# --- spoken turns ---


def tts(text: str, **more: Any) -> Json:
    return {"role": "user", "text": text, "audio": {"kind": "tts"} | more}


def audio_of(api: Api, conversation: str, idx: int) -> bytes:
    return api.http.get(f"/v1/conversations/{conversation}/turns/{idx}/audio").content


@pytest.mark.parametrize("voice", ["slt", "rms", "awb", "kal16"])
def test_every_voice_speaks(shared: Api, voice: str) -> None:
    row = shared.conversation({"name": voice, "turns": [tts("Good morning.", voice_id=voice)]}).json()
    audio = row["turns"][0]["audio"]
    body = audio_of(shared, row["hash"], 0)
    assert audio == {"kind": "tts", "sha256": hashlib.sha256(body).hexdigest(), "voice_id": voice}
    with wave.open(io.BytesIO(body)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (48000, 1, 2)
        assert 0.4 < file.getnframes() / 48000 < 4


def test_a_voice_of_its_own_changes_the_sound_and_the_hash(shared: Api) -> None:
    hashes = [
        shared.new_conversation({"name": "n", "turns": [tts("Hello there.", **voice)]})
        for voice in ({}, {"voice_id": "slt"}, {"voice_id": "rms"})
    ]
    assert len(set(hashes)) == 3
    default, slt, rms = (audio_of(shared, conversation, 0) for conversation in hashes)
    assert default == slt
    assert slt != rms


def test_speech_is_cached_by_content(server: Xrayd, api: Api) -> None:
    spec = {"name": "n", "turns": [tts("The same words."), {"role": "agent"}, tts("The same words.")]}
    first = api.new_conversation(spec)
    assert rows(server.data_dir)["tts_synth_cache"] == 1  # one call for the text that comes twice
    assert api.new_conversation(spec) == first
    assert rows(server.data_dir)["tts_synth_cache"] == 1
    assert query(server.data_dir, "SELECT provider, voice, characters FROM tts_synth_cache") == [("local", "slt", 15)]
    assert settles(server.data_dir)


def test_speech_whose_file_is_gone_is_made_again(server: Xrayd, api: Api) -> None:
    spec = {"name": "n", "turns": [tts("The same words again.")]}
    first = api.new_conversation(spec)
    body = audio_of(api, first, 0)
    (name,) = files(server.data_dir)
    (server.data_dir / "audio" / name).unlink()
    gone = api.http.get(f"/v1/conversations/{first}/turns/0/audio")
    assert gone.status_code == 404
    assert gone.json() == {"error": "turn_audio_not_found", "conversation_hash": first, "turn_idx": 0}

    assert api.new_conversation(spec) == first

    assert audio_of(api, first, 0) == body


def test_the_hash_outlives_the_server(start_server: Any, tmp_path: Path) -> None:
    spec = {"name": "n", "turns": [tts("Remember me."), {"role": "agent"}, tts("Twice over.")]}
    hashes: list[str] = []
    for volume in ("a", "a", "b"):
        server = start_server(data_dir=tmp_path / volume)
        with Api(server.url) as api:
            hashes.append(api.new_conversation(spec))
        assert server.stop() == 0
    assert len(set(hashes)) == 1


@pytest.mark.concurrent
def test_many_turns_are_spoken_at_once(server: Xrayd, api: Api) -> None:
    spec = {"name": "n", "turns": [tts(f"Number {i}.", voice_id=("slt", "rms")[i % 2]) for i in range(12)]}
    row = api.conversation(spec).json()
    assert len({turn["audio"]["sha256"] for turn in row["turns"]}) == 12
    assert settles(server.data_dir)


def test_one_turn_that_cannot_be_spoken_stores_none(server: Xrayd, api: Api) -> None:
    spec = {"name": "n", "turns": [tts("Fine."), tts("Not fine.", voice_id="nobody"), recorded()]}
    reply = api.conversation(spec, {"a": samples.turn()})
    assert reply.status_code == 502
    assert reply.json() == {"error": "tts_synthesis_failed", "provider": "local", "status_code": None}
    (line,) = eventually(lambda: [line for line in server.log if line["event"] == "speech failed"])
    assert (line["level"], line["provider"], line["code"]) == ("warn", "local", "refused")
    assert line["request_id"] == reply.headers["X-Request-Id"]
    assert "voice" in str(line["message"])
    assert rows(server.data_dir)["conversations"] == 0
    assert settles(server.data_dir)


def test_nothing_is_spoken_before_everything_is_valid(server: Xrayd, api: Api) -> None:
    spec = {"name": "n", "turns": [tts("Costs money."), {"role": "user", "audio": {"kind": "tts"}}]}
    assert api.conversation(spec).json() == {"error": "tts_turn_missing_text", "turn_idx": 1}
    assert rows(server.data_dir)["tts_synth_cache"] == 0
    assert not files(server.data_dir)


# --- lists ---


def make_conversations(api: Api, names: list[str]) -> list[str]:
    return [
        api.new_conversation({"name": name, "turns": [{"role": "user", "key": str(i)}]}) for i, name in enumerate(names)
    ]


def pages(api: Api, path: str, **params: str | int) -> list[list[Json]]:
    """Every page of a list."""
    found: list[list[Json]] = []
    cursor: str | None = None
    while cursor or not found:
        page = api.http.get(path, params=params | ({"cursor": cursor} if cursor else {})).json()
        assert set(page) == {"items", "next_cursor"}
        found.append(page["items"])
        cursor = page["next_cursor"]
        assert len(found) < 100
    return found


def test_an_empty_list(api: Api) -> None:
    assert api.http.get("/v1/conversations").json() == {"items": [], "next_cursor": None}


def test_conversations_come_most_recently_run_first(api: Api) -> None:
    a, b, c = make_conversations(api, ["a", "b", "c"])
    api.new_replay(a)  # a run, so it moves to the front
    api.conversation({"name": "b again", "turns": [{"role": "user", "key": "1"}]})
    items = api.http.get("/v1/conversations").json()["items"]
    assert [item["hash"] for item in items] == [b, a, c]
    assert [item["name"] for item in items] == ["b again", "a", "c"]
    assert [item["replays"] for item in items] == [0, 1, 0]
    assert set(items[0]) == {"hash", "name", "created_at", "last_run_at", "replays", "latest", "recent"}


@pytest.mark.parametrize("limit", [1, 2, 7, 25, 500])
def test_pages_hold_every_conversation_once(shared_list: Api, limit: int) -> None:
    found = pages(shared_list, "/v1/conversations", limit=limit)
    assert [len(page) for page in found[:-1]] == [limit] * (len(found) - 1)
    names = [item["name"] for page in found for item in page]
    assert names == [f"Name {i}" for i in reversed(range(25))]


@pytest.fixture(scope="module")
def shared_list(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with servers(tmp_path_factory.mktemp("list")) as start, Api(start().url) as api:
        make_conversations(api, [f"Name {i}" for i in range(25)])
        yield api


def test_names_are_searched_page_by_page(shared_list: Api) -> None:
    found = pages(shared_list, "/v1/conversations", q="nAME 1", limit=4)
    assert [item["name"] for page in found for item in page] == [f"Name {i}" for i in (*reversed(range(10, 20)), 1)]
    assert pages(shared_list, "/v1/conversations", q="nothing of the kind") == [[]]
    for literal in ("%", "_", "Name%", "*"):
        assert pages(shared_list, "/v1/conversations", q=literal) == [[]]


def test_a_row_that_moves_while_a_client_pages_is_not_missed(api: Api) -> None:
    hashes = make_conversations(api, [f"n{i}" for i in range(9)])
    first = api.http.get("/v1/conversations", params={"limit": 3}).json()
    api.new_replay(hashes[0])  # from the last page to the front
    seen = [item["hash"] for item in first["items"]]
    cursor = first["next_cursor"]
    while cursor:
        page = api.http.get("/v1/conversations", params={"limit": 3, "cursor": cursor}).json()
        seen += [item["hash"] for item in page["items"]]
        cursor = page["next_cursor"]
    assert set(seen) == set(hashes)


def test_a_cursor_is_of_its_own_list(shared_list: Api) -> None:
    cursor = shared_list.http.get("/v1/conversations?limit=1").json()["next_cursor"]
    conversation = shared_list.http.get("/v1/conversations?limit=1").json()["items"][0]["hash"]
    reply = shared_list.http.get(f"/v1/conversations/{conversation}/replays", params={"cursor": cursor})
    assert reply.status_code == 400
    assert [issue["path"] for issue in reply.json()["issues"]] == ["cursor"]


def test_a_conversation_shows_its_newest_replays(api: Api) -> None:
    conversation = api.new_conversation(samples.SPEC)
    replays = [api.new_replay(conversation) for _ in range(23)]
    _, event = api.run(conversation, samples.recording())
    last = event["result"]["replay_id"]
    (item,) = api.http.get("/v1/conversations").json()["items"]
    assert item["replays"] == 24
    assert item["latest"] == {"id": last, "lifecycle_state": "completed", "passed": True}
    assert [recent["id"] for recent in item["recent"]] == [last, *reversed(replays[4:])]
    assert item["recent"][1] == {"id": replays[-1], "lifecycle_state": "pending", "passed": None}


def test_replays_of_a_conversation_newest_first(api: Api) -> None:
    conversation, other = (
        api.new_conversation(samples.SPEC),
        api.new_conversation({"name": "o", **{"turns": [tts("x")]}}),
    )
    replays = [api.new_replay(conversation, run_config={"i": i}) for i in range(5)]
    api.new_replay(other)
    done, _ = api.run(conversation, samples.recording())
    path = f"/v1/conversations/{conversation}/replays"
    items = [item for page in pages(api, path, limit=2) for item in page]
    assert [item["id"] for item in items] == [done, *reversed(replays)]
    assert [item["run_config"] for item in items] == [None] + [{"i": i} for i in reversed(range(5))]
    assert set(items[0]) == {
        "id", "conversation_hash", "lifecycle_state", "analysis_step", "failure_reason", "started_at", "finished_at",
        "run_config", "passed", "response_ms",
    }  # fmt: skip
    (metric,) = [row for row in api.detail(done)["turn_metrics"] if row["role"] == "agent"]
    assert items[0]["response_ms"] == {"median": metric["agent_response_ms"], "p95": metric["agent_response_ms"]}
    assert items[0]["passed"] is True
    assert items[1]["passed"] is None
    assert items[1]["response_ms"] is None


# --- turn audio ---


@pytest.fixture(scope="module")
def turn_path(shared: Api) -> str:
    conversation = shared.new_conversation({"name": "n", "turns": [recorded()]}, {"a": samples.turn()})
    return f"/v1/conversations/{conversation}/turns/0/audio"


def test_turn_audio_headers(shared: Api, turn_path: str) -> None:
    reply = shared.http.get(turn_path)
    assert reply.headers["content-length"] == str(len(samples.turn()))
    assert reply.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert reply.headers["accept-ranges"] == "bytes"
    assert re.fullmatch(r'"[^"]+"', reply.headers["etag"])


SIZE = len(samples.turn())
RANGES = {
    "bytes=0-0": (0, 1),
    "bytes=0-99": (0, 100),
    "bytes=100-": (100, SIZE),
    "bytes=-10": (SIZE - 10, SIZE),
    f"bytes=-{SIZE + 5}": (0, SIZE),
    f"bytes={SIZE - 1}-{SIZE + 100}": (SIZE - 1, SIZE),
    "bytes=44-18446744073709551615": (44, SIZE),
}


@pytest.mark.parametrize(("header", "span"), RANGES.items())
def test_a_part_of_a_turn(shared: Api, turn_path: str, header: str, span: tuple[int, int]) -> None:
    reply = shared.http.get(turn_path, headers={"Range": header})
    assert reply.status_code == 206
    assert reply.content == samples.turn()[span[0] : span[1]]
    assert reply.headers["content-range"] == f"bytes {span[0]}-{span[1] - 1}/{SIZE}"
    assert reply.headers["content-length"] == str(span[1] - span[0])


@pytest.mark.parametrize("header", ["lines=0-1", "bytes=5-1", "bytes=x-y", "bytes", "bytes=0-1,5-6", "bytes=-"])
def test_a_range_that_is_none_gives_the_whole(shared: Api, turn_path: str, header: str) -> None:
    reply = shared.http.get(turn_path, headers={"Range": header})
    assert reply.status_code == 200
    assert reply.content == samples.turn()


def test_a_turn_that_the_client_has_is_304(shared: Api, turn_path: str) -> None:
    etag = shared.http.get(turn_path).headers["etag"]
    for header in (etag, f"W/{etag}", f'"x", {etag}', "*"):
        reply = shared.http.get(turn_path, headers={"If-None-Match": header})
        assert reply.status_code == 304
        assert reply.content == b""
        assert reply.headers["etag"] == etag
    assert shared.http.get(turn_path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_if_range(shared: Api, turn_path: str) -> None:
    etag = shared.http.get(turn_path).headers["etag"]
    same = shared.http.get(turn_path, headers={"Range": "bytes=0-3", "If-Range": etag})
    other = shared.http.get(turn_path, headers={"Range": "bytes=0-3", "If-Range": '"x"'})
    assert (same.status_code, same.content) == (206, b"RIFF")
    assert (other.status_code, other.content) == (200, samples.turn())


def test_zero_hashes_mean_no_audio(shared: Api, shared_server: Xrayd) -> None:
    conversation = shared.new_conversation({"name": "n", "turns": [{"role": "user", "key": "none"}]})
    sql = "SELECT audio FROM conversations WHERE hash = ?"
    assert query(shared_server.data_dir, sql, bytes.fromhex(conversation)) == [(bytes(SHA256_SIZE),)]
