# SPDX-License-Identifier: Apache-2.0
"""Runs that end badly: the replay says why, the error is the one that was raised, and no recording is lost."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from api import silence, wav
from xrayd_process import Xrayd

import xray
from fakes import CALL, OVERLOADED, FakeRuntime, Rule, ScriptedServer, answer, conversation_count, detail
from test_sdk_errors import SAMPLES
from test_sdk_run import SCRIPT, run
from xray.errors import AudioMissingError, AudioTooLargeError, EvaluationTimeoutError, XrayError, XrayServerError

UPLOAD = "POST /v1/replays/[^/]+/audio"
DRIVERS_REASONS = {"driver_aborted", "agent_not_joined", "audio_missing", "timeout"}


@pytest.fixture(autouse=True)
def temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where recordings are kept, of this test alone."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    return folder  # pyright: ignore[reportReturnType]


def raising(error: BaseException) -> Callable[[], Awaitable[object]]:
    async def during() -> None:
        raise error

    return during


@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_every_error_of_the_table_marks_the_replay(error: XrayError, shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, during=raising(error))
    with pytest.raises(XrayError) as caught:
        run(runtime, shared_server.url)
    assert caught.value is error
    assert caught.value.replay_id
    assert runtime.steps[-1] == "aclose"
    row = detail(shared_server.url, runtime.replay_id)
    expected = SAMPLES[error] if SAMPLES[error] in DRIVERS_REASONS else "driver_aborted"
    assert (row["lifecycle_state"], row["failure_reason"]) == ("failed", expected)
    assert row["finished_at"] is not None


@pytest.mark.parametrize("error", [RuntimeError("its own"), OSError(5, "its own"), AssertionError()], ids=repr)
def test_what_else_a_runtime_raises_passes_through(error: Exception, shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, during=raising(error))
    with pytest.raises(type(error)) as caught:
        run(runtime, shared_server.url)
    assert caught.value is error
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "driver_aborted"
    assert runtime.steps[-1] == "aclose"


@pytest.mark.parametrize("step", ["bind", "inject_user_audio", "report_progress_to"])
def test_a_runtime_that_refuses_what_it_is_given_marks_the_replay(
    step: str, server: Xrayd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runtime = FakeRuntime(tmp_path)

    def refuse(*_args: object, **_options: object) -> None:
        raise RuntimeError("no")

    monkeypatch.setattr(runtime, step, refuse)
    with pytest.raises(RuntimeError, match="no"):
        run(runtime, server.url)
    items = httpx.get(f"{server.url}/v1/conversations").json()["items"]
    assert [row["latest"]["lifecycle_state"] for row in items] == ["failed"]
    assert runtime.steps[-1] == "aclose"


def test_a_runtime_that_recorded_nothing(shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, recording=None)
    with pytest.raises(AudioMissingError, match="recorded nothing"):
        run(runtime, shared_server.url)
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "audio_missing"


def test_a_recording_that_is_not_there(shared_server: Xrayd, tmp_path: Path) -> None:
    class Forgetful(FakeRuntime):
        async def run(self, conversation: xray.Conversation) -> Any:
            result = await super().run(conversation)
            self.path.unlink()
            return result

    runtime = Forgetful(tmp_path)
    with pytest.raises(AudioMissingError, match="does not exist"):
        run(runtime, shared_server.url)
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "audio_missing"


@pytest.mark.parametrize("anchor", [float("nan"), float("inf"), 1e18])
def test_an_anchor_that_is_no_time(anchor: float, shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, anchor=anchor)
    with pytest.raises(XrayError, match="recording_started_at_epoch") as caught:
        run(runtime, shared_server.url)
    assert caught.value.recording_path is not None
    assert caught.value.recording_path.read_bytes() == CALL


def test_a_recording_that_is_too_large_is_not_sent(
    shared_server: Xrayd, tmp_path: Path, temporary_folder: Path
) -> None:
    class Endless(FakeRuntime):
        async def run(self, conversation: xray.Conversation) -> Any:
            result = await super().run(conversation)
            os.truncate(self.path, 512 * 1024 * 1024 + 1)  # a hole: it takes no room
            return result

    runtime = Endless(tmp_path)
    with ScriptedServer(shared_server.url) as scripted:
        with pytest.raises(AudioTooLargeError) as caught:
            run(runtime, scripted.url)
        assert scripted.count(UPLOAD) == 0
    assert (caught.value.byte_size, caught.value.max_bytes) == (536_870_913, 536_870_912)
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "driver_aborted"
    kept = caught.value.recording_path
    assert kept is not None
    assert kept.is_relative_to(temporary_folder)
    assert kept.stat().st_size == 536_870_913


@pytest.mark.parametrize(
    "rule",
    [
        Rule(UPLOAD, times=99, answer=answer("500 Internal", '{"error":"internal_error","request_id":"r"}')),
        Rule(UPLOAD, times=99, answer=answer("413 Too Large", '{"error":"body_too_large","max_bytes":1}')),
        Rule(UPLOAD, times=99, hang_up="before"),
    ],
    ids=["500", "413", "cut"],
)
def test_a_recording_that_could_not_be_uploaded_is_kept(
    rule: Rule, shared_server: Xrayd, tmp_path: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray._transport.BACKOFF_S", 0.001)
    runtime = FakeRuntime(tmp_path)
    with ScriptedServer(shared_server.url, rule) as scripted, pytest.raises(XrayServerError) as caught:
        run(runtime, scripted.url)
    assert not runtime.path.exists()
    kept = caught.value.recording_path
    assert kept is not None
    assert kept.is_relative_to(temporary_folder)
    assert str(kept) in str(caught.value)
    assert kept.read_bytes() == CALL
    row = detail(shared_server.url, runtime.replay_id)
    assert (row["lifecycle_state"], row["failure_reason"]) == ("failed", "upload_failed")


def test_a_recording_that_its_runtime_keeps_is_told_where_it_is(
    shared_server: Xrayd, tmp_path: Path, temporary_folder: Path
) -> None:
    class Keeps(FakeRuntime):
        async def aclose(self) -> None:
            self.steps.append("aclose")

    runtime = Keeps(tmp_path)
    refused = Rule(UPLOAD, answer=answer("500 Internal", "{}"))
    with ScriptedServer(shared_server.url, refused) as scripted, pytest.raises(XrayServerError) as caught:
        run(runtime, scripted.url)
    assert caught.value.recording_path == runtime.path
    assert runtime.path.read_bytes() == CALL
    assert list(temporary_folder.iterdir()) == []


@pytest.mark.parametrize("keeps", [True, False], ids=["the runtime keeps it", "nobody keeps it"])
def test_a_recording_that_cannot_be_secured(
    keeps: bool, shared_server: Xrayd, tmp_path: Path, temporary_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a full disk, which takes a part of the copy. Nothing half is left, and what is there is told."""

    class MayKeep(FakeRuntime):
        async def aclose(self) -> None:
            if not keeps:
                await super().aclose()

    def no_link(*_args: object, **_options: object) -> None:
        raise OSError("another file system")

    def half_a_copy(_source: Path, target: Path) -> None:
        target.write_bytes(CALL[:1000])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "link", no_link)
    monkeypatch.setattr(shutil, "copyfile", half_a_copy)
    runtime = MayKeep(tmp_path)
    refused = Rule(UPLOAD, answer=answer("500 Internal", "{}"))
    with ScriptedServer(shared_server.url, refused) as scripted, pytest.raises(XrayServerError) as caught:
        run(runtime, scripted.url)
    assert caught.value.recording_path == (runtime.path if keeps else None)
    assert list(temporary_folder.iterdir()) == []


def test_a_recording_on_another_file_system_is_copied(
    shared_server: Xrayd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_link(*_args: object, **_options: object) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(os, "link", no_link)
    refused = Rule(UPLOAD, answer=answer("500 Internal", "{}"))
    with ScriptedServer(shared_server.url, refused) as scripted, pytest.raises(XrayServerError) as caught:
        run(FakeRuntime(tmp_path), scripted.url)
    assert caught.value.recording_path is not None
    assert caught.value.recording_path.read_bytes() == CALL


def test_a_recording_the_server_does_not_take(shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, recording=wav([silence(0.1)]))
    with pytest.raises(XrayServerError) as caught:
        run(runtime, shared_server.url)
    assert caught.value.code == "invalid_audio"
    assert caught.value.recording_path is not None


def test_a_replay_that_somebody_else_has_ended(shared_server: Xrayd, tmp_path: Path) -> None:
    """The server knows: its 409 to our own end is no second error."""

    async def ended_elsewhere() -> None:
        update = {"lifecycle_state": "failed", "failure_reason": "explicit_fail"}
        reply = await asyncio.to_thread(httpx.patch, f"{shared_server.url}/v1/replays/{runtime.replay_id}", json=update)
        assert reply.status_code == 200

    runtime = FakeRuntime(tmp_path, during=ended_elsewhere)
    with pytest.raises(XrayServerError) as caught:
        run(runtime, shared_server.url)
    assert (caught.value.status_code, caught.value.code) == (409, "replay_upload_state_invalid")
    assert caught.value.recording_path is not None
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "explicit_fail"


def test_a_replay_that_was_ended_before_it_ran(shared_server: Xrayd, tmp_path: Path) -> None:
    refused = '{"error":"invalid_lifecycle_transition","replay_id":"r","from":"failed","to":"running"}'
    with ScriptedServer(shared_server.url, Rule("PATCH .*", answer=answer("409 Conflict", refused))) as scripted:
        runtime = FakeRuntime(tmp_path)
        with pytest.raises(XrayServerError) as caught:
            run(runtime, scripted.url)
    assert caught.value.code == "invalid_lifecycle_transition"
    assert "run" not in runtime.steps


def test_a_stage_that_fails(shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, recording=wav([silence(0.5), silence(0.5)]))
    with pytest.raises(xray.ReplayEvaluationError) as caught:
        run(runtime, shared_server.url)
    assert (caught.value.replay_id, caught.value.failure_reason) == (runtime.replay_id, "spec_vad_mismatch")
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "spec_vad_mismatch"


def test_no_verdict_in_time(shared_server: Xrayd, tmp_path: Path) -> None:
    begun = answer("202 Accepted", '{"job_id":"1","lifecycle_state":"analyzing"}')
    runtime = FakeRuntime(tmp_path)
    with (
        ScriptedServer(shared_server.url, Rule(".*/analyze", answer=begun)) as scripted,
        pytest.raises(EvaluationTimeoutError) as caught,
    ):
        run(runtime, scripted.url, timeout_s=0.3)
    assert (caught.value.replay_id, caught.value.timeout_s) == (runtime.replay_id, 0.3)
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "timeout"


def test_a_server_that_is_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xray._transport.BACKOFF_S", 0.001)
    runtime = FakeRuntime(tmp_path)
    with pytest.raises(XrayServerError, match="does xrayd run at") as caught:
        run(runtime, "http://127.0.0.1:9")
    assert caught.value.status_code is None
    assert runtime.steps == ["aclose"]


def test_a_server_that_goes_down_during_the_call(
    start_server: Callable[[], Xrayd], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray._transport.BACKOFF_S", 0.001)
    server = start_server()
    runtime = FakeRuntime(tmp_path, during=lambda: asyncio.to_thread(server.stop))
    with pytest.raises(XrayServerError) as caught:
        run(runtime, server.url)
    assert caught.value.recording_path is not None
    assert caught.value.recording_path.read_bytes() == CALL


def test_a_server_that_is_overloaded_for_a_while(shared_server: Xrayd, tmp_path: Path) -> None:
    busy = OVERLOADED.replace(b"Retry-After: 1", b"Retry-After: 0")
    matches = ["POST /v1/conv.*", "GET .*/audio", "POST /v1/replays", "PATCH .*", UPLOAD, ".*/analyze", ".*/events"]
    rules = [Rule(match, answer=busy) for match in matches]
    with ScriptedServer(shared_server.url, *rules) as scripted:
        assert run(FakeRuntime(tmp_path), scripted.url).passed
        assert [rule.times for rule in rules] == [0] * len(rules)


def test_cancelled_during_the_call(shared_server: Xrayd, tmp_path: Path) -> None:
    async def cancelled() -> None:
        begun = asyncio.Event()

        async def during() -> None:
            begun.set()
            await asyncio.Event().wait()

        nonlocal runtime
        runtime = FakeRuntime(tmp_path, during=during)
        task = asyncio.create_task(xray.run(conversation=SCRIPT, runtime=runtime, xray_url=shared_server.url))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert asyncio.all_tasks() == {asyncio.current_task()}

    runtime: FakeRuntime | None = None
    asyncio.run(cancelled())
    assert runtime is not None
    assert runtime.steps[-1] == "aclose"
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "driver_aborted"


def test_cancelled_again_while_it_cleans_up(shared_server: Xrayd, tmp_path: Path) -> None:
    """The second cancellation hurries nothing away: the replay is marked and the runtime closed."""

    class Slow(FakeRuntime):
        async def aclose(self) -> None:
            closing.set()
            await go_on.wait()
            await super().aclose()

    async def cancelled() -> None:
        nonlocal runtime, closing, go_on
        closing, go_on, begun = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def during() -> None:
            begun.set()
            await asyncio.Event().wait()

        runtime = Slow(tmp_path, during=during)
        task = asyncio.create_task(xray.run(conversation=SCRIPT, runtime=runtime, xray_url=shared_server.url))
        await begun.wait()
        task.cancel()
        await closing.wait()
        task.cancel()
        await asyncio.sleep(0)
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    runtime: FakeRuntime | None = None
    closing = go_on = asyncio.Event()
    asyncio.run(cancelled())
    assert runtime is not None
    assert runtime.steps[-1] == "aclose"
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "driver_aborted"


def test_cancelled_while_the_recording_goes_up(
    shared_server: Xrayd, tmp_path: Path, temporary_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def cancelled() -> None:
        task: asyncio.Task[Any] | None = None

        def when_uploading(event: Any) -> None:
            if event.stage == "uploading" and task is not None:
                task.cancel()

        run_it = xray.run(conversation=SCRIPT, runtime=runtime, xray_url=shared_server.url, progress=when_uploading)
        task = asyncio.create_task(run_it)
        with pytest.raises(asyncio.CancelledError):
            await task

    runtime = FakeRuntime(tmp_path)
    asyncio.run(cancelled())
    (kept,) = temporary_folder.glob("*/*.wav")
    assert kept.read_bytes() == CALL
    assert str(kept) in caplog.text
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "driver_aborted"


def test_nothing_is_left_behind(shared_server: Xrayd, tmp_path: Path, temporary_folder: Path) -> None:
    runtime = FakeRuntime(tmp_path, during=raising(RuntimeError("x")))
    with pytest.raises(RuntimeError):
        run(runtime, shared_server.url)
    assert run(FakeRuntime(tmp_path), shared_server.url).passed
    assert list(temporary_folder.iterdir()) == []
    assert list(tmp_path.iterdir()) == [temporary_folder]


def test_a_runtime_that_cancels_itself_when_it_closes_takes_no_verdict_away(
    shared_server: Xrayd, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    class Cancelled(FakeRuntime):
        async def aclose(self) -> None:
            await super().aclose()
            task = asyncio.ensure_future(asyncio.Event().wait())
            task.cancel()
            await task

    assert run(Cancelled(tmp_path), shared_server.url).passed
    assert "did not close" in caplog.text


def test_a_runtime_that_does_not_close_is_left(
    shared_server: Xrayd, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("xray._run._CLOSE_TIMEOUT_S", 0.1)

    class Hangs(FakeRuntime):
        async def aclose(self) -> None:
            await super().aclose()
            await asyncio.Event().wait()

    async def work() -> None:
        result = await xray.run(conversation=SCRIPT, runtime=Hangs(tmp_path), xray_url=shared_server.url)
        assert result.passed
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(work())
    assert "did not close within" in caplog.text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [({"runtime": None}, "runtime"), ({"run_config": {"model": "m"}}, "run_config"), ({"timeout_s": 0}, "timeout_s")],
)
def test_wrong_arguments_are_told_before_anything_is_made(
    wrong: dict[str, Any], named: str, server: Xrayd, tmp_path: Path
) -> None:
    arguments: dict[str, Any] = {"conversation": SCRIPT, "runtime": FakeRuntime(tmp_path), **wrong}
    with pytest.raises(ValueError, match=named):
        asyncio.run(xray.run(xray_url=server.url, **arguments))
    assert conversation_count(server.url) == 0


def test_a_live_session_with_a_wrong_name_closes_its_runtime(shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path)
    wrong: Any = 5
    with pytest.raises(ValueError, match="name"):
        asyncio.run(xray.run_live(runtime=runtime, name=wrong, xray_url=shared_server.url))
    assert runtime.steps == ["aclose"]
