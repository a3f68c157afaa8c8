# SPDX-License-Identifier: Apache-2.0
"""Replays: lifecycle, PATCH, compare, uploads, analyze, retry, stalls, failures. Refusals are in test_errors.py."""

from __future__ import annotations

import array
import re
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

import samples
from api import Api, Json, wav
from servers import BUILT_IN, StartServer
from volume import query, set_state, settles
from waiting import eventually
from xrayd_process import Xrayd

REASONS = (
    "stalled", "timeout", "explicit_fail", "max_attempts_exceeded", "worker_lost", "upload_failed", "driver_aborted",
    "agent_not_joined", "audio_missing", "missing_credential", "transcription_failed", "metrics_failed",
    "evaluation_failed", "spec_vad_mismatch",
)  # fmt: skip
DETAIL = {
    "id", "conversation_hash", "lifecycle_state", "analysis_step", "failure_reason", "started_at", "finished_at",
    "recording_started_at", "audio_path", "job_id", "run_config", "turns", "speech_segments", "transcripts",
    "turn_metrics", "tool_calls", "model_usage", "spans", "evaluation_usage", "audio_levels",
}  # fmt: skip


@pytest.fixture(scope="module")
def conversation(shared: Api) -> str:
    return shared.new_conversation(samples.SPEC)


def patch(api: Api, replay: str, **change: Any) -> httpx.Response:
    return api.http.patch(f"/v1/replays/{replay}", json=change)


def analyze(api: Api, replay: str) -> httpx.Response:
    return api.http.post(f"/v1/replays/{replay}/analyze")


def in_state(api: Api, conversation: str, state: str) -> str:
    """A new replay that a client has brought into a state."""
    replay = api.new_replay(conversation)
    if state in ("running", "failed"):
        assert patch(api, replay, lifecycle_state=state).status_code == 200
    if state == "recording_uploaded":
        assert api.upload(replay, samples.recording()).status_code == 200
    assert api.detail(replay)["lifecycle_state"] == state
    return replay


def milliseconds(detail: Json, field: str) -> float:
    return datetime.fromisoformat(detail[field]).timestamp() * 1000


# --- create ---


def test_a_new_replay_is_pending(shared: Api, conversation: str) -> None:
    before = datetime.now(UTC).timestamp() * 1000
    reply = shared.http.post("/v1/replays", json={"conversation_hash": conversation, "unknown": 1})
    assert reply.status_code == 201
    detail = reply.json()
    assert set(detail) == DETAIL
    assert re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", detail["id"])
    assert detail["lifecycle_state"] == "pending"
    assert detail["conversation_hash"] == conversation
    assert before - 1 <= milliseconds(detail, "started_at") <= datetime.now(UTC).timestamp() * 1000
    empty = ("analysis_step", "failure_reason", "finished_at", "recording_started_at", "audio_path", "job_id")
    assert all(detail[field] is None for field in (*empty, "run_config", "audio_levels"))
    assert all(value == [] for value in detail.values() if isinstance(value, list))
    assert shared.detail(detail["id"]) == detail


def test_ids_are_found_in_either_case(shared: Api, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    assert shared.detail(replay.upper())["id"] == replay


# --- PATCH ---


@pytest.mark.parametrize("state", ["pending", "running", "recording_uploaded"])
def test_a_client_may_fail_an_open_replay(shared: Api, conversation: str, state: str) -> None:
    replay = in_state(shared, conversation, state)
    reply = patch(shared, replay, lifecycle_state="failed", failure_reason="driver_aborted")
    assert reply.status_code == 200
    detail = reply.json()
    assert detail["lifecycle_state"] == "failed"
    assert detail["failure_reason"] == "driver_aborted"
    assert milliseconds(detail, "finished_at") >= milliseconds(detail, "started_at")
    assert shared.verdict(replay) == {"type": "failed", "reason": "driver_aborted"}


def test_a_client_may_say_when_it_ended(shared: Api, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    reply = patch(shared, replay, lifecycle_state="failed", finished_at="2024-02-29T23:59:59.123456789+05:30")
    assert reply.json()["finished_at"] == "2024-02-29T18:29:59.123Z"
    assert reply.json()["failure_reason"] is not None


def test_null_is_as_good_as_absent(shared: Api, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    reply = patch(shared, replay, lifecycle_state="failed", failure_reason=None, finished_at=None)
    assert reply.status_code == 200
    assert reply.json()["finished_at"] is not None


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_is_known(shared: Api, conversation: str, reason: str) -> None:
    replay = shared.new_replay(conversation)
    assert patch(shared, replay, lifecycle_state="failed", failure_reason=reason).json()["failure_reason"] == reason


@pytest.mark.parametrize("state", ["pending", "running", "recording_uploaded", "analyzing", "completed", "failed"])
def test_the_same_state_again_changes_nothing(shared: Api, shared_server: Xrayd, conversation: str, state: str) -> None:
    if state == "completed":
        replay, _ = shared.run(conversation, samples.recording())
    else:
        replay = in_state(shared, conversation, state if state != "analyzing" else "recording_uploaded")
    if state == "analyzing":
        set_state(shared_server.data_dir, replay, "analyzing")
    before = shared.detail(replay)
    reply = patch(shared, replay, lifecycle_state=state)
    assert reply.status_code == 200
    assert reply.json() == before
    assert shared.detail(replay) == before


def test_an_empty_patch_changes_nothing(shared: Api, conversation: str) -> None:
    replay = in_state(shared, conversation, "failed")
    before = shared.detail(replay)
    assert patch(shared, replay).json() == before
    assert patch(shared, replay, unknown="x").json() == before


@pytest.mark.concurrent
def test_of_two_endings_one_stands(server: Xrayd, api: Api) -> None:
    replay = api.new_replay(api.new_conversation(samples.SPEC))
    start = threading.Barrier(6)

    def fail(reason: str) -> int:
        with Api(server.url) as client:
            start.wait()
            return patch(client, replay, lifecycle_state="failed", failure_reason=reason).status_code

    with ThreadPoolExecutor(6) as pool:
        statuses = list(pool.map(fail, REASONS[:6]))
    assert set(statuses) <= {200, 409}
    detail = api.detail(replay)
    assert detail["failure_reason"] in REASONS[:6]
    sql = "SELECT seq FROM replays"
    assert query(server.data_dir, sql)[0][0] <= 2  # one change of state, whoever made it


# --- uploads ---


@pytest.mark.parametrize("state", ["pending", "running", "recording_uploaded"])
def test_a_recording_may_come_in_any_open_state(shared: Api, conversation: str, state: str) -> None:
    replay = in_state(shared, conversation, state)
    reply = shared.upload(replay, samples.recording(), started_at="2024-01-01T01:02:03.456789Z")
    assert reply.status_code == 200
    assert reply.json() == {"ok": True, "audio_path": f"{replay}/replay.wav"}
    detail = shared.detail(replay)
    assert detail["lifecycle_state"] == "recording_uploaded"
    assert detail["audio_path"] == f"{replay}/replay.wav"
    assert detail["recording_started_at"] == "2024-01-01T01:02:03.456Z"
    assert shared.http.get(f"/v1/replays/{replay}/audio").content == samples.recording()


def test_another_upload_replaces_file_and_anchor(shared: Api, shared_server: Xrayd, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    shared.upload(replay, samples.recording(), started_at="2024-01-01T00:00:00Z")
    etag = shared.http.get(f"/v1/replays/{replay}/audio").headers["etag"]
    assert shared.upload(replay, samples.silent_recording()).status_code == 200
    reply = shared.http.get(f"/v1/replays/{replay}/audio")
    assert reply.content == samples.silent_recording()
    assert reply.headers["etag"] != etag
    assert shared.detail(replay)["recording_started_at"] is None
    assert settles(shared_server.data_dir)


@pytest.mark.parametrize(
    "content_type", ["audio/wav", "audio/x-wav", "AUDIO/WAV", "Audio/X-Wav; codec=1", "audio/wav ;x", "audio/wav;"]
)
def test_content_types_of_a_wav(shared: Api, conversation: str, content_type: str) -> None:
    replay = shared.new_replay(conversation)
    reply = shared.http.post(
        f"/v1/replays/{replay}/audio", content=samples.silent_recording(), headers={"Content-Type": content_type}
    )
    assert reply.status_code == 200


ANCHORS = {
    "2024-01-01T00:00:00Z": "2024-01-01T00:00:00.000Z",
    "2024-01-01T00:00:00.999999999Z": "2024-01-01T00:00:00.999Z",
    "2024-01-01T00:00:00.5-00:30": "2024-01-01T00:30:00.500Z",
    "2023-12-31T23:59:59+23:59": "2023-12-31T00:00:59.000Z",
}


@pytest.mark.parametrize(("sent", "kept"), ANCHORS.items())
def test_anchors_come_with_any_zone_and_precision(shared: Api, conversation: str, sent: str, kept: str) -> None:
    replay = shared.new_replay(conversation)
    assert shared.upload(replay, samples.silent_recording(), started_at=sent).status_code == 200
    assert shared.detail(replay)["recording_started_at"] == kept


def test_an_anchor_keeps_its_nanoseconds(shared: Api, shared_server: Xrayd, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    shared.upload(replay, samples.silent_recording(), started_at="1970-01-01T00:00:01.123456789Z")
    sql = "SELECT recording_started_at FROM replays WHERE uuid = ?"
    assert query(shared_server.data_dir, sql, bytes.fromhex(replay.replace("-", ""))) == [(1_123_456_789,)]


def test_a_recording_is_served_in_parts(shared: Api, conversation: str) -> None:
    replay = in_state(shared, conversation, "recording_uploaded")
    path = f"/v1/replays/{replay}/audio"
    whole = shared.http.get(path)
    assert whole.headers["content-type"] == "audio/wav"
    assert whole.headers["cache-control"] == "private, no-cache"
    assert whole.headers["content-length"] == str(len(samples.recording()))
    part = shared.http.get(path, headers={"Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, samples.recording()[10:20])
    assert part.headers["content-range"] == f"bytes 10-19/{len(samples.recording())}"
    not_modified = shared.http.get(path, headers={"If-None-Match": whole.headers["etag"]})
    assert not_modified.status_code == 304


STRANGE = {
    "without a frame": samples.pcm_header(channels=2),
    "a length of 0xffffffff": samples.pcm_header(channels=2, data_bytes=0xFFFFFFFF) + bytes(9600),
    "half a frame at the end": samples.pcm_header(channels=2, data_bytes=9603) + bytes(9603),
}


@pytest.mark.parametrize("body", STRANGE.values(), ids=STRANGE.keys())
def test_strange_but_usable_recordings_run(shared: Api, body: bytes) -> None:
    conversation = shared.new_conversation({"name": "live", "turns": [], "live": True})
    replay, event = shared.run(conversation, body)
    assert event["type"] == "evaluation_complete"
    assert shared.detail(replay)["turns"] == []
    assert shared.http.get(f"/v1/replays/{replay}/audio").content == body


@pytest.mark.concurrent
def test_two_uploads_at_once_leave_one_whole_file(server: Xrayd, api: Api) -> None:
    conversation = api.new_conversation(samples.SPEC)
    bodies = [samples.recording(), samples.silent_recording()] * 3
    for _ in range(5):
        replay = api.new_replay(conversation)
        start = threading.Barrier(len(bodies))

        def upload(body: bytes, replay: str = replay, start: threading.Barrier = start) -> int:
            with Api(server.url) as client:
                start.wait()
                return client.upload(replay, body).status_code

        with ThreadPoolExecutor(len(bodies)) as pool:
            assert list(pool.map(upload, bodies)) == [200] * len(bodies)
        assert api.http.get(f"/v1/replays/{replay}/audio").content in bodies
    assert settles(server.data_dir)


# --- analyze, retry ---


def test_a_run_completes(shared: Api, conversation: str) -> None:
    replay, event = shared.run(conversation, samples.recording(), started_at="2024-01-01T00:00:00Z")
    detail = shared.detail(replay)
    assert event["result"]["passed"] is True
    assert detail["lifecycle_state"] == "completed"
    assert detail["failure_reason"] is None
    assert detail["analysis_step"] is None
    assert isinstance(detail["job_id"], str)
    assert [turn["role"] for turn in detail["turns"]] == ["user", "agent"]
    assert [segment["channel"] for segment in detail["speech_segments"]] == ["user", "agent"]
    user, agent = detail["turns"]
    assert (user["turn_start_ms"], agent["turn_start_ms"]) == (0, user["voice_end_ms"])
    for turn, start in ((user, 300), (agent, 1300)):
        assert abs(turn["voice_start_ms"] - start) < 60
        assert abs(turn["voice_end_ms"] - start - 500) < 60
        assert turn["turn_end_ms"] == turn["voice_end_ms"]
    assert [row["agent_response_ms"] for row in detail["turn_metrics"]] == [
        None,
        agent["voice_start_ms"] - user["voice_end_ms"],
    ] or abs(detail["turn_metrics"][1]["agent_response_ms"] - 500) < 60
    assert set(detail["audio_levels"]) == {"user", "agent"}


@pytest.mark.parametrize("calls", [2, 8])
@pytest.mark.concurrent
def test_of_concurrent_analyze_calls_one_is_taken(server: Xrayd, api: Api, calls: int) -> None:
    conversation = api.new_conversation(samples.SPEC)
    for _ in range(5):
        replay = in_state(api, conversation, "recording_uploaded")
        start = threading.Barrier(calls)

        def call(_: int, replay: str = replay, start: threading.Barrier = start) -> httpx.Response:
            with Api(server.url) as client:
                start.wait()
                return analyze(client, replay)

        with ThreadPoolExecutor(calls) as pool:
            replies = list(pool.map(call, range(calls)))
        assert sorted(reply.status_code for reply in replies) == [202] + [409] * (calls - 1)
        for reply in replies:
            if reply.status_code == 202:
                assert reply.json() == {"job_id": reply.json()["job_id"], "lifecycle_state": "analyzing"}
                assert isinstance(reply.json()["job_id"], str)
            else:
                assert reply.json()["error"] == "replay_not_ready_for_analysis"
        assert api.verdict(replay)["type"] == "evaluation_complete"


def test_live_conversations_need_no_turns(shared: Api) -> None:
    conversation = shared.new_conversation({"name": "live", "turns": [], "live": True})
    replay, event = shared.run(conversation, samples.recording())
    result = event["result"]
    assert (result["passed"], result["assertions"], result["judges"]) == (True, [], [])
    assert len(result["metrics"]["turns"]) == 2
    assert shared.detail(replay)["lifecycle_state"] == "completed"


def test_a_live_conversation_ignores_its_checks(shared: Api) -> None:
    spec = samples.spec({"kind": "contains", "text": "never said"}, live=True)
    _, event = shared.run(shared.new_conversation(spec), samples.silent_recording())
    assert event["result"]["passed"] is True
    assert event["result"]["assertions"] == []


@pytest.mark.parametrize(
    ("turns", "body"),
    [
        ([{"role": "user"}, {"role": "agent"}], samples.silent_recording),
        ([{"role": "agent"}, {"role": "user"}], samples.recording),
        ([{"role": "user"}, {"role": "agent"}, {"role": "user"}], samples.recording),
    ],
    ids=["silence", "the wrong order", "one turn too few"],
)
def test_a_recording_that_does_not_fit_the_script(shared: Api, turns: list[Json], body: Callable[[], bytes]) -> None:
    replay, event = shared.run(shared.new_conversation({"name": "n", "turns": turns}), body())
    assert event == {"type": "failed", "reason": "spec_vad_mismatch"}
    detail = shared.detail(replay)
    assert (detail["lifecycle_state"], detail["failure_reason"]) == ("failed", "spec_vad_mismatch")
    assert detail["finished_at"] is not None
    assert shared.http.get(f"/v1/replays/{replay}/result").status_code == 409


def test_more_turns_than_the_script_has_are_skipped(shared: Api) -> None:
    conversation = shared.new_conversation({"name": "n", "turns": [{"role": "agent", "key": "only"}]})
    _, event = shared.run(conversation, samples.recording())
    assert event["result"]["passed"] is True


@pytest.mark.parametrize("frames", [1, 2, 47, 48, 479, 480, 481], ids=lambda frames: f"{frames} frames")
@pytest.mark.parametrize("loud", [False, True], ids=["silent", "loud"])
def test_a_recording_of_a_few_samples_has_no_turn(shared: Api, conversation: str, frames: int, loud: bool) -> None:
    channel = array.array("h", [0 if not loud else 32767 if i % 2 else -32768 for i in range(frames)])
    replay, event = shared.run(conversation, wav([channel, channel]))
    assert event == {"type": "failed", "reason": "spec_vad_mismatch"}
    detail = shared.detail(replay)
    assert (detail["speech_segments"], detail["turns"]) == ([], [])


def test_a_recording_that_is_gone(shared: Api, shared_server: Xrayd, conversation: str) -> None:
    replay = in_state(shared, conversation, "recording_uploaded")
    recording = shared_server.data_dir / "audio" / replay / "replay.wav"
    recording.unlink()
    assert analyze(shared, replay).status_code == 202
    assert shared.verdict(replay) == {"type": "failed", "reason": "audio_missing"}
    gone = shared.http.get(f"/v1/replays/{replay}/audio")
    assert (gone.status_code, gone.json()) == (404, {"error": "audio_not_found", "replay_id": replay})
    # Once it is back, a retry is the way out.
    recording.write_bytes(samples.recording())
    assert shared.http.post(f"/v1/replays/{replay}/retry").status_code == 202
    assert shared.verdict(replay)["type"] == "evaluation_complete"


def test_a_recording_that_is_unreadable(shared: Api, shared_server: Xrayd, conversation: str) -> None:
    replay = in_state(shared, conversation, "recording_uploaded")
    (shared_server.data_dir / "audio" / replay / "replay.wav").write_bytes(b"no longer a WAV" * 100)
    assert analyze(shared, replay).status_code == 202
    assert shared.verdict(replay) == {"type": "failed", "reason": "audio_missing"}


def test_a_retry_runs_the_chain_again(shared: Api) -> None:
    spec = samples.spec() | {"turns": [{"role": "user"}, {"role": "agent"}, {"role": "user", "key": "missing"}]}
    replay, event = shared.run(shared.new_conversation(spec), samples.recording())
    assert event["reason"] == "spec_vad_mismatch"
    before = shared.detail(replay)

    reply = shared.http.post(f"/v1/replays/{replay}/retry")

    assert reply.status_code == 202
    assert reply.json() == {"job_id": reply.json()["job_id"], "lifecycle_state": "analyzing"}
    assert shared.verdict(replay) == {"type": "failed", "reason": "spec_vad_mismatch"}
    after = shared.detail(replay)
    assert after["turns"] == before["turns"]  # its rows are rewritten, not added to
    assert after["speech_segments"] == before["speech_segments"]
    assert milliseconds(after, "finished_at") >= milliseconds(before, "finished_at")


def test_a_failed_upload_may_be_retried_when_there_is_a_recording(shared: Api, conversation: str) -> None:
    replay = in_state(shared, conversation, "recording_uploaded")
    patch(shared, replay, lifecycle_state="failed", failure_reason="timeout")
    assert shared.http.post(f"/v1/replays/{replay}/retry").status_code == 202
    assert shared.verdict(replay)["type"] == "evaluation_complete"
    detail = shared.detail(replay)
    assert (detail["failure_reason"], detail["lifecycle_state"]) == (None, "completed")


def test_a_judge_without_a_provider(start_server: StartServer) -> None:
    server = start_server(env={"XRAY_TRANSCRIPTION_PROVIDER": "local"})
    judges = [{"kind": "text_match", "reference": "r"}]
    spec = samples.spec({"kind": "max_latency_ms", "max_ms": 5000}, judges=judges)
    with Api(server.url) as api:
        replay, event = api.run(api.new_conversation(spec), samples.recording())
        assert event == {"type": "failed", "reason": "missing_credential"}
        assert api.detail(replay)["failure_reason"] == "missing_credential"
        # What was computed before is kept.
        assert query(server.data_dir, "SELECT status FROM assertion_results") == [(0,)]
        _, event = api.run(api.new_conversation(samples.SPEC), samples.recording())
        assert event["type"] == "evaluation_complete"  # without judges nothing is missing


def test_without_transcripts_a_judge_has_nothing_to_judge(shared: Api) -> None:
    spec = samples.spec({"kind": "contains", "text": "x"}, judges=[{"kind": "text_match", "reference": "r"}])
    _, event = shared.run(shared.new_conversation(spec), samples.recording())
    result = event["result"]
    assert result["passed"] is False
    (assertion,), (judge,) = result["assertions"], result["judges"]
    assert (assertion["status"], judge["status"], judge["score"]) == ("errored", "errored", None)
    assert "none" in assertion["message"]
    assert "none" in judge["reason"]


def test_a_transcription_without_a_key(start_server: StartServer) -> None:
    server = start_server(env={"XRAY_TRANSCRIPTION_PROVIDER": "openai-whisper"})
    with Api(server.url) as api:
        _, event = api.run(api.new_conversation(samples.SPEC), samples.recording())
    assert event == {"type": "failed", "reason": "missing_credential"}


def test_failed_jobs_are_listed(start_server: StartServer) -> None:
    server = start_server(env=BUILT_IN)
    with Api(server.url) as api:
        replay, _ = api.run(api.new_conversation(samples.SPEC), samples.silent_recording())
    env = {"XRAY_DATA_DIR": str(server.data_dir)}
    listed = subprocess.run([server.binary, "jobs"], env=env, capture_output=True, text=True, check=True)
    (line,) = [line for line in listed.stdout.splitlines() if replay in line]
    _, state, stage, *_ = line.split()
    assert (state, stage) == ("dead", "evaluate-replay")
    assert line.rstrip().endswith("0 turns")  # the last error


# --- stalls ---


def test_what_nobody_touches_stalls(start_server: StartServer) -> None:
    server = start_server(env=BUILT_IN | {"XRAY_STALL_TIMEOUT_S": "1"})
    with Api(server.url) as api:
        conversation = api.new_conversation(samples.SPEC)
        pending, running = in_state(api, conversation, "pending"), in_state(api, conversation, "running")
        uploaded = in_state(api, conversation, "recording_uploaded")
        done = in_state(api, conversation, "failed")
        for replay in (pending, running):
            assert api.verdict(replay) == {"type": "failed", "reason": "stalled"}
            detail = api.detail(replay)
            assert (detail["lifecycle_state"], detail["failure_reason"]) == ("failed", "stalled")
            lived = milliseconds(detail, "finished_at") - milliseconds(detail, "started_at")
            assert lived >= 1000
        assert api.detail(uploaded)["lifecycle_state"] == "recording_uploaded"  # the driver's work is done
        assert api.detail(done)["failure_reason"] == "explicit_fail"


def test_what_is_touched_does_not_stall(start_server: StartServer) -> None:
    """Its driver says that it runs, again and again, while its neighbour stalls."""
    server = start_server(env=BUILT_IN | {"XRAY_STALL_TIMEOUT_S": "2"})
    with Api(server.url) as api:
        conversation = api.new_conversation(samples.SPEC)
        touched, left = in_state(api, conversation, "running"), in_state(api, conversation, "running")

        def stalled() -> bool:
            assert patch(api, touched, lifecycle_state="running").status_code == 200
            return api.detail(left)["lifecycle_state"] == "failed"

        eventually(stalled, within_s=15)
        assert api.detail(touched)["lifecycle_state"] == "running"


# --- compare ---


def test_compare_keeps_the_callers_order(shared: Api, conversation: str) -> None:
    replays = [shared.new_replay(conversation, run_config=i) for i in range(8)]
    order = replays[::-1]
    reply = shared.http.post("/v1/replays/compare", json={"replay_ids": order})
    assert reply.status_code == 200
    assert reply.json() == {"replays": [shared.detail(replay) for replay in order]}


def test_compare_the_same_one_twice(shared: Api, conversation: str) -> None:
    replay = shared.new_replay(conversation)
    found = shared.http.post("/v1/replays/compare", json={"replay_ids": [replay, replay]}).json()["replays"]
    assert [detail["id"] for detail in found] == [replay, replay]


# --- levels ---


def test_levels_are_one_number_a_bucket(shared: Api, conversation: str) -> None:
    replay, _ = shared.run(conversation, samples.recording())
    frames = (len(samples.recording()) - 44) // 4
    for query_text, bucket in (("", 100), ("?bucket_ms=10", 10), ("?bucket_ms=1000", 1000), ("?bucket_ms=333", 333)):
        levels = shared.http.get(f"/v1/replays/{replay}/audio/levels{query_text}").json()
        assert levels["bucket_ms"] == bucket
        for channel in ("user", "agent"):
            assert set(levels[channel]) == {"rms_dbfs", "peak_dbfs", "threshold_dbfs"}
            for numbers in levels[channel].values():
                assert len(numbers) == -(-frames // (48 * bucket))
                assert all(-100 <= number <= 0 for number in numbers)
    user = shared.http.get(f"/v1/replays/{replay}/audio/levels").json()["user"]
    assert user["rms_dbfs"][0] == -100  # the lead-in is digital silence
    assert max(user["rms_dbfs"]) > -25
    assert all(rms <= peak for rms, peak in zip(user["rms_dbfs"], user["peak_dbfs"], strict=True))
