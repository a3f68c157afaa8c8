# SPDX-License-Identifier: Apache-2.0
"""A full disk, a locked or foreign database, a second server, SIGTERM in the midst of work: a clear answer, nothing
stored by halves, normal service afterwards."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import httpx
import pytest

import samples
from api import Api, dialogue
from rawhttp import Answer, answer, chunked, connected, head
from servers import BUILT_IN, StartServer
from test_bodies import form_of
from volume import RESERVE_BYTES, expected_files, files, opened, query, settles, snapshot
from waiting import eventually
from xrayd_process import Xrayd

MIB = 1 << 20
LOCKED_S = 4  # longer than XR_BUSY_TIMEOUT_MS
STORAGE_FULL = (507, {"error": "storage_full"})
OVERLOADED = (503, {"error": "overloaded"})


def said(reply: httpx.Response) -> tuple[int, object]:
    return reply.status_code, reply.json()


def open_database(path: Path) -> closing[sqlite3.Connection]:
    """In autocommit mode: transactions are begun and ended by hand."""
    return closing(sqlite3.connect(path, isolation_level=None))


def works(api: Api) -> None:
    """A whole run, from a new conversation to a verdict."""
    turns = [{"role": "user", "audio": {"kind": "recorded", "upload_key": "k"}}, {"role": "agent"}]
    conversation = api.new_conversation({"name": "works", "turns": turns}, {"k": samples.turn()})
    _, event = api.run(conversation, samples.recording())
    assert event["type"] == "evaluation_complete"


# --- a full disk ---


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 96 MiB; where none can be mounted, test_a_file_size_limit_* still plays the full disk."""
    path = tmp_path / "disk"
    path.mkdir()
    if (
        not shutil.which("mount")
        or subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=96m", "xray-test", path], capture_output=True, check=False
        ).returncode
    ):
        pytest.skip("mounting needs more rights; the tests with a file-size limit cover full disks here")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def leave_free(disk: Path, free_bytes: int) -> Path:
    """Puts a file on the disk that leaves so much room."""
    ballast = disk / "ballast"
    ballast.unlink(missing_ok=True)
    with ballast.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, shutil.disk_usage(disk).free - free_bytes)
    return ballast


def test_below_the_reserve_uploads_are_refused(start_server: StartServer, small_disk: Path) -> None:
    server = start_server(env=BUILT_IN, data_dir=small_disk / "data")
    with Api(server.url) as api:
        works(api)
        replay = api.new_replay(api.new_conversation(samples.SPEC))
        before = snapshot(server.data_dir)
        ballast = leave_free(small_disk, RESERVE_BYTES - MIB)

        assert said(api.upload(replay, samples.recording())) == STORAGE_FULL
        assert said(api.conversation(samples.SPEC)) == STORAGE_FULL
        ready = api.http.get("/readyz")
        assert ready.status_code == 503
        assert ready.json()["ok"] is False
        assert ready.json()["checks"]["database"] == ready.json()["checks"]["queue"] == "ok"
        assert ready.json()["checks"]["disk"] != "ok"
        assert api.http.get("/healthz").status_code == 200
        assert api.detail(replay)["lifecycle_state"] == "pending"
        assert snapshot(server.data_dir) == before

        ballast.unlink()
        assert api.http.get("/readyz").json() == {"ok": True}
        assert api.upload(replay, samples.recording()).status_code == 200
        works(api)


def test_an_upload_that_fills_the_disk(start_server: StartServer, small_disk: Path) -> None:
    """It comes without a length, so nobody can say beforehand that it will not fit."""
    server = start_server(env=BUILT_IN, data_dir=small_disk / "data")
    with Api(server.url) as api:
        replay = api.new_replay(api.new_conversation(samples.SPEC))
        before = snapshot(server.data_dir)
        wav = samples.pcm_header(channels=2, data_bytes=200 * MIB).ljust(MIB, b"\0")
        turn = samples.pcm_header(data_bytes=49 * MIB).ljust(MIB, b"\0")
        form = {"Content-Type": "multipart/form-data; boundary=b"}
        uploads: list[tuple[str, dict[str, str], Iterator[bytes]]] = [
            (f"/v1/replays/{replay}/audio", {"Content-Type": "audio/wav"}, iter([wav] + [bytes(MIB)] * 120)),
            ("/v1/conversations", form, form_of("k", "k.wav", [turn] + [bytes(MIB)] * 48)),
        ]
        leave_free(small_disk, RESERVE_BYTES + 2 * MIB)
        for path, headers, pieces in uploads:
            if path.endswith("conversations"):
                leave_free(small_disk, 40 * MIB)  # the reserve is looked at when the body begins
            assert send(server, path, headers, pieces).status == 507
            eventually(lambda: snapshot(server.data_dir) == before)
        (small_disk / "ballast").unlink()
        works(api)


def send(server: Xrayd, path: str, headers: dict[str, str], pieces: Iterator[bytes]) -> Answer:
    with connected(server.port) as sock:
        sock.sendall(head("POST", path, headers | {"Transfer-Encoding": "chunked"}))
        for chunk in chunked(pieces):
            sock.sendall(chunk)
        return answer(sock)


def test_a_disk_without_a_byte_left(start_server: StartServer, small_disk: Path) -> None:
    """Not even a row can be written; what was accepted before is finished once there is room."""
    server = start_server(env=BUILT_IN, data_dir=small_disk / "data")
    with Api(server.url) as api:
        conversation = api.new_conversation(samples.SPEC)
        replay = api.new_replay(conversation)
        assert api.upload(replay, samples.recording()).status_code == 200
        ballast = leave_free(small_disk, 0)

        def full() -> bool:
            reply = api.http.post("/v1/replays", json={"conversation_hash": conversation, "run_config": "x" * 60_000})
            assert reply.status_code == 201 or said(reply) == STORAGE_FULL
            return reply.status_code == 507

        eventually(full)  # the log may have had a page or two left
        assert said(api.http.post(f"/v1/replays/{replay}/analyze")) == STORAGE_FULL
        assert api.detail(replay)["lifecycle_state"] == "recording_uploaded"
        assert api.http.get("/v1/conversations").status_code == 200
        assert api.http.get("/readyz").status_code == 503

        ballast.unlink()
        works(api)
        assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
        assert api.verdict(replay)["type"] == "evaluation_complete"
        eventually(lambda: api.http.get("/readyz").status_code == 200)


def limit_files(server: Xrayd, max_bytes: int) -> None:
    """No file of the server may be longer from now on."""
    _, hard = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (max_bytes, hard))


def test_a_file_size_limit_is_a_full_disk_to_uploads(server: Xrayd, api: Api) -> None:
    replay = api.new_replay(api.new_conversation(samples.SPEC))
    before = snapshot(server.data_dir)
    long = dialogue(("user", 3))
    limit_files(server, len(long) // 2)
    spec = {"name": "n", "turns": [{"role": "user", "audio": {"kind": "recorded", "upload_key": "k"}}]}

    assert said(api.upload(replay, long)) == STORAGE_FULL
    assert said(api.conversation(spec, {"k": samples.turn(5)})) == STORAGE_FULL

    assert api.http.get("/healthz").status_code == 200
    eventually(lambda: snapshot(server.data_dir) == before)
    limit_files(server, resource.RLIM_INFINITY)
    assert api.upload(replay, long).status_code == 200
    works(api)


def test_a_file_size_limit_is_a_full_disk_to_speech(server: Xrayd, api: Api) -> None:
    """Ours, and not the provider's failure."""
    before = snapshot(server.data_dir)
    spec = {"name": "n", "turns": [{"role": "user", "text": "Hello, is anybody there?", "audio": {"kind": "tts"}}]}
    limit_files(server, 8 << 10)  # a twelfth of a second

    assert said(api.conversation(spec)) == STORAGE_FULL

    eventually(lambda: snapshot(server.data_dir) == before)
    limit_files(server, resource.RLIM_INFINITY)
    assert api.conversation(spec).status_code == 200
    works(api)


def test_a_file_size_limit_is_a_full_disk_to_rows(server: Xrayd, api: Api) -> None:
    conversation = api.new_conversation(samples.SPEC)
    replay = api.new_replay(conversation)
    assert api.upload(replay, samples.recording()).status_code == 200
    log = server.data_dir / "xray.db-wal"
    limit_files(server, log.stat().st_size)

    refused = api.http.post("/v1/replays", json={"conversation_hash": conversation})
    assert said(refused) == STORAGE_FULL
    assert said(api.http.post(f"/v1/replays/{replay}/analyze")) == STORAGE_FULL
    change = {"lifecycle_state": "failed"}
    assert said(api.http.patch(f"/v1/replays/{replay}", json=change)) == STORAGE_FULL
    assert api.detail(replay)["lifecycle_state"] == "recording_uploaded"
    assert api.http.get("/readyz").status_code == 503
    assert api.http.get("/readyz").json()["checks"]["database"] != "ok"

    limit_files(server, resource.RLIM_INFINITY)
    assert api.http.post("/v1/replays", json={"conversation_hash": conversation}).status_code == 201
    works(api)
    eventually(lambda: api.http.get("/readyz").status_code == 200)
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    assert api.verdict(replay)["type"] == "evaluation_complete"


# --- a locked database ---


@contextmanager
def locked(path: Path) -> Iterator[None]:
    with open_database(path) as db:
        db.execute("PRAGMA busy_timeout = 10000")
        db.execute("BEGIN IMMEDIATE")
        try:
            yield
        finally:
            db.execute("ROLLBACK")


@pytest.mark.parametrize("name", ["xray.db", "queue.db"])
def test_a_database_that_another_process_holds(server: Xrayd, api: Api, name: str) -> None:
    conversation = api.new_conversation(samples.SPEC)
    replay = api.new_replay(conversation)
    assert api.upload(replay, samples.recording()).status_code == 200
    before = snapshot(server.data_dir)
    with locked(server.data_dir / name):
        start = time.monotonic()
        refused = api.http.post(f"/v1/replays/{replay}/analyze")
        waited = time.monotonic() - start
        assert said(refused) == OVERLOADED
        assert int(refused.headers["retry-after"]) >= 1
        assert 1 < waited < LOCKED_S
        assert api.detail(replay)["lifecycle_state"] == "recording_uploaded"  # reading waits for nobody
        assert api.http.get("/healthz").status_code == 200
        if name == "xray.db":
            writes: list[Callable[[], httpx.Response]] = [
                lambda: api.http.post("/v1/replays", json={"conversation_hash": conversation}),
                lambda: api.http.patch(f"/v1/replays/{replay}", json={"lifecycle_state": "failed"}),
                lambda: api.upload(replay, samples.silent_recording()),
                lambda: api.conversation(samples.SPEC | {"name": "other"}),
            ]
            with ThreadPoolExecutor(len(writes)) as pool:
                replies = [pool.submit(write) for write in writes]
                assert [said(reply.result()) for reply in replies] == [OVERLOADED] * len(writes)
        eventually(lambda: snapshot(server.data_dir) == before)
    assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
    assert api.verdict(replay)["type"] == "evaluation_complete"
    works(api)
    assert settles(server.data_dir)


def test_a_lock_in_the_midst_of_an_analysis_only_delays_it(start_server: StartServer) -> None:
    server = start_server(env={"XRAY_JUDGE_PROVIDER": "lexical"})  # transcription takes its time
    with Api(server.url) as api:
        replay = api.new_replay(api.new_conversation(samples.SPEC))
        assert api.upload(replay, samples.recording()).status_code == 200
        assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
        with locked(server.data_dir / "xray.db"):
            refused = [api.http.post("/v1/replays", json={"conversation_hash": "0" * 64}) for _ in range(2)]
        assert [said(reply) for reply in refused] == [OVERLOADED] * 2
        assert api.verdict(replay)["type"] == "evaluation_complete"


# --- a volume that is not ours ---


def refused_start(data_dir: Path, **env: str) -> str:
    """Starts a server that must not come up; its log."""
    server = Xrayd(data_dir, env=BUILT_IN | env)
    with pytest.raises(RuntimeError):
        server.wait_ready()
    assert server.process.wait(10) == 1
    return "".join(server.raw_log)


def test_a_second_server_on_the_same_volume_refuses(server: Xrayd, api: Api) -> None:
    log = refused_start(server.data_dir)
    assert str(server.data_dir) in log or "another process" in log
    works(api)  # and the first one has not noticed


def make_database(path: Path, *statements: str) -> None:
    with open_database(path) as db:
        for statement in statements:
            db.execute(statement)


def make_foreign(path: Path) -> None:
    make_database(path, "CREATE TABLE conversations (id TEXT PRIMARY KEY)")


def make_stranger(path: Path) -> None:
    make_database(path, "PRAGMA application_id = 12345", "CREATE TABLE t (x)")


def make_newer(path: Path) -> None:
    identity = 0x78726179 if path.name == "xray.db" else 0x78727971
    make_database(path, f"PRAGMA application_id = {identity}", "PRAGMA user_version = 9999", "CREATE TABLE t (x)")


def make_text(path: Path) -> None:
    path.write_text("this is not a database\n" * 1000)


@pytest.mark.parametrize("make", [make_foreign, make_stranger, make_newer, make_text])
@pytest.mark.parametrize("name", ["xray.db", "queue.db"])
def test_a_foreign_database_is_refused_by_name(tmp_path: Path, make: Callable[[Path], None], name: str) -> None:
    path = tmp_path / name
    make(path)
    before = path.read_bytes()
    log = refused_start(tmp_path)
    assert str(path) in log
    assert path.read_bytes() == before
    path.unlink()
    with Xrayd(tmp_path, env=BUILT_IN) as server, Api(server.url) as api:
        works(api)


def test_the_earlier_servers_queue_is_named_too(tmp_path: Path) -> None:
    make_foreign(tmp_path / "xray.db")
    (tmp_path / "bunqueue.db").write_bytes(b"")
    log = refused_start(tmp_path)
    assert str(tmp_path / "xray.db") in log
    assert str(tmp_path / "bunqueue.db") in log


def test_a_volume_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert str(tmp_path / "file") in refused_start(tmp_path / "file" / "data")


def test_every_problem_of_the_configuration_is_named_at_once(tmp_path: Path) -> None:
    wrong = {"XRAY_TTS_PROVIDER": "parrot", "PORT": "x", "XRAY_STALL_TIMEOUT_S": "-1", "XRAY_LOG": "loud"}
    log = refused_start(tmp_path, **wrong)
    for name in wrong:
        assert name in log
    assert not any(tmp_path.iterdir())


# --- SIGTERM ---


@pytest.mark.concurrent
def test_sigterm_while_everything_runs(start_server: StartServer) -> None:
    server = start_server(env={"XRAY_JUDGE_PROVIDER": "lexical"})
    with Api(server.url) as api:
        conversation = api.new_conversation(samples.SPEC)
        replays = [api.new_replay(conversation) for _ in range(3)]
        long = samples.recording()
        for replay in replays:
            assert api.upload(replay, long).status_code == 200
            assert api.http.post(f"/v1/replays/{replay}/analyze").status_code == 202
        waiting = api.new_replay(conversation)
        stream = api.events(waiting)
        assert next(stream)[0] == "state"
        request = head("POST", f"/v1/replays/{waiting}/audio", {"Content-Type": "audio/wav", "Content-Length": 10_000})
        with connected(server.port) as sock:
            sock.sendall(request + long[:5000])
            eventually(lambda: any(name.startswith("tmp/") for name in files(server.data_dir)))
            start = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            assert list(stream) == []
            assert server.process.wait(15) == 0, "".join(server.raw_log)
            assert time.monotonic() - start < 10
    server = start_server(env={"XRAY_JUDGE_PROVIDER": "lexical"})
    with Api(server.url) as api:
        for replay in replays:  # each goes on by itself
            assert api.verdict(replay)["type"] == "evaluation_complete"
        assert api.detail(waiting)["lifecycle_state"] == "pending"
        assert settles(server.data_dir)


def test_an_idle_server_stops_at_once(server: Xrayd, api: Api) -> None:
    works(api)
    start = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - start < 3
    assert not (server.data_dir / "xray.db-wal").exists()  # checkpointed


# --- the log ---


def test_log_lines_are_json(start_server: StartServer) -> None:
    server = start_server(env=BUILT_IN | {"XRAY_LOG_LEVEL": "debug", "XRAY_UNHEARD_OF": "1"})
    with Api(server.url) as api:
        works(api)
        api.run(api.new_conversation(samples.SPEC), samples.silent_recording())
        api.conversation('{"name":"\\u2028"')
    assert server.stop() == 0
    assert server.raw_log
    for line in server.raw_log:
        entry = json.loads(line)
        assert {"time", "level", "event"} <= set(entry)
        assert entry["level"] in ("debug", "info", "warn", "error")
    assert any("XRAY_UNHEARD_OF" in line for line in server.raw_log)  # a name that this version does not know


def test_a_key_is_nowhere(start_server: StartServer) -> None:
    """Neither in the log, nor in an answer, nor on the volume."""
    key = "sk-test-0123456789abcdefghijklmnop"
    env = {
        "OPENAI_API_KEY": key,
        "XRAY_JUDGE_API_KEY": key,
        "OPENAI_BASE_URL": "http://127.0.0.1:9",  # nobody listens there
        "XRAY_TTS_PROVIDER": "openai",
        "XRAY_JUDGE_PROVIDER": "openai",
        "XRAY_TRANSCRIPTION_PROVIDER": "local",
        "XRAY_LOG_LEVEL": "debug",
    }
    server = start_server(env=env)
    answers: list[str] = []
    with Api(server.url, timeout_s=120) as api:
        spec = {"name": key[:3], "turns": [{"role": "user", "text": "hi", "audio": {"kind": "tts"}}]}
        reply = api.conversation(spec)
        assert reply.status_code == 502
        assert reply.json() == {"error": "tts_synthesis_failed", "provider": "openai", "status_code": None}
        answers.append(reply.text)
        judged = samples.spec(judges=[{"kind": "text_match", "reference": "r"}])
        replay, event = api.run(api.new_conversation(judged), samples.recording())
        assert event["type"] == "failed" or not event["result"]["passed"]
        answers.append(json.dumps([api.detail(replay), event]))
    assert server.stop() == 0
    checked = subprocess.run(
        [server.binary, "--check-config"],
        env=env | {"XRAY_DATA_DIR": str(server.data_dir)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert key not in checked.stdout + checked.stderr
    assert key not in "".join(answers + server.raw_log)
    for path in server.data_dir.rglob("*"):
        assert not path.is_file() or key.encode() not in path.read_bytes(), path


def test_healthcheck(server: Xrayd) -> None:
    env = {"PORT": str(server.port), "XRAY_DATA_DIR": str(server.data_dir)}
    assert subprocess.run([server.binary, "healthcheck"], env=env, check=False).returncode == 0
    assert server.stop() == 0
    assert subprocess.run([server.binary, "healthcheck"], env=env, check=False).returncode == 1


# --- start-up ---


def test_what_nobody_speaks_of_is_swept_at_start(start_server: StartServer) -> None:
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        works(api)
    assert server.stop() == 0
    audio, kept = server.data_dir / "audio", files(server.data_dir)
    stray = [
        "tmp/00000000-0000-4000-8000-00000000000f",
        "turns/ab/" + "ab" * 32 + ".wav",
        "00000000-0000-4000-8000-000000000000/replay.wav",
    ]
    for name in stray:
        (audio / name).parent.mkdir(parents=True, exist_ok=True)
        (audio / name).write_bytes(b"x")
    server = start_server(env=BUILT_IN)
    assert files(server.data_dir) == kept
    assert kept == expected_files(server.data_dir)


def test_an_analyzing_replay_without_a_job_goes_on(start_server: StartServer) -> None:
    """The two files cannot commit together, so one may be ahead of the other."""
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        replay = api.new_replay(api.new_conversation(samples.SPEC))
        assert api.upload(replay, samples.recording()).status_code == 200
    assert server.stop() == 0
    with opened(server.data_dir, write=True) as db:
        db.execute("UPDATE replays SET lifecycle_state = 3, analysis_step = 1")
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        assert api.verdict(replay)["type"] == "evaluation_complete"
    assert query(server.data_dir, "SELECT count(*) FROM replay_evaluations") == [(1,)]
