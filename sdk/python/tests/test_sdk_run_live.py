# SPDX-License-Identifier: Apache-2.0
"""Live sessions, but for Ctrl-C: that is in test_sdk_run_faults.py."""

from __future__ import annotations

import asyncio
import re
import signal
import tempfile
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
from api import silence, tone, wav
from xrayd_process import Xrayd

import xray
from fakes import CALL, FakeRuntime, detail
from xray.conversation import Conversation
from xray.errors import AudioMissingError
from xray.runtime.base import Runtime, RuntimeResult


def live(runtime: Runtime, url: str, **options: Any) -> xray.ReplayResult:
    return asyncio.run(xray.run_live(runtime=runtime, xray_url=url, **options))


def conversation(url: str, conversation_hash: str) -> dict[str, Any]:
    return httpx.get(f"{url}/v1/conversations/{conversation_hash}").json()


def test_a_session_is_a_conversation_of_its_own(shared_server: Xrayd, tmp_path: Path) -> None:
    first = live(FakeRuntime(tmp_path), shared_server.url, run_config=xray.RunConfig(model="m"))
    second = live(FakeRuntime(tmp_path), shared_server.url, name="a talk")
    assert first.passed
    assert first.conversation_hash != second.conversation_hash
    row = conversation(shared_server.url, first.conversation_hash)
    assert row["live"] is True
    assert row["turns"] == []
    assert re.fullmatch(r"live-\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row["name"])
    assert conversation(shared_server.url, second.conversation_hash)["name"] == "a talk"
    assert detail(shared_server.url, first.replay_id)["run_config"] == {"model": "m"}
    assert len(first.metrics) == 2


@pytest.mark.parametrize(
    "recording",
    [None, wav([silence(0), silence(0)]), wav([silence(1.5), silence(1.5)])],
    ids=["no recording", "an empty one", "silence"],
)
def test_a_session_without_audio(recording: bytes | None, shared_server: Xrayd, tmp_path: Path) -> None:
    runtime = FakeRuntime(tmp_path, recording=recording)
    with pytest.raises(AudioMissingError) as caught:
        live(runtime, shared_server.url)
    assert caught.value.recording_path is None
    assert detail(shared_server.url, runtime.replay_id)["failure_reason"] == "audio_missing"
    assert runtime.steps[-1] == "aclose"


def test_one_side_is_enough(shared_server: Xrayd, tmp_path: Path) -> None:
    recording = wav([silence(1.0), tone(1.0)])
    assert live(FakeRuntime(tmp_path, recording=recording), shared_server.url).replay_id


def test_the_interrupt_handler_is_put_back(shared_server: Xrayd, tmp_path: Path) -> None:
    during: list[object] = []

    async def look() -> None:
        during.append(signal.getsignal(signal.SIGINT))

    before = signal.getsignal(signal.SIGINT)
    live(FakeRuntime(tmp_path, during=look), shared_server.url)
    assert during != [before]
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_there_are_no_signals(shared_server: Xrayd, tmp_path: Path) -> None:
    results: list[xray.ReplayResult] = []
    thread = threading.Thread(target=lambda: results.append(live(FakeRuntime(tmp_path), shared_server.url)))
    thread.start()
    thread.join(60)
    assert [result.passed for result in results] == [True]


def test_a_runtime_that_cannot_be_stopped_keeps_the_usual_ctrl_c(shared_server: Xrayd, tmp_path: Path) -> None:
    handlers: list[object] = []

    class Unstoppable(Runtime):
        async def run(self, conversation: Conversation) -> RuntimeResult:
            assert conversation.live
            handlers.append(signal.getsignal(signal.SIGINT))
            path = tmp_path / "call.wav"
            path.write_bytes(wav([tone(0.5), tone(0.5)]))
            return RuntimeResult([], str(path), None, 1.0)

        async def aclose(self) -> None:
            pass

    async def both() -> None:
        usual = signal.getsignal(signal.SIGINT)
        await xray.run_live(runtime=Unstoppable(), xray_url=shared_server.url)
        assert handlers == [usual]

    asyncio.run(both())


def test_cancelled_while_its_recording_is_looked_at(
    shared_server: Xrayd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is kept, as during the upload."""
    kept = tmp_path / "kept"
    kept.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(kept))
    go_on = threading.Event()

    async def work() -> None:
        looking = asyncio.Event()
        loop = asyncio.get_running_loop()

        def was_heard(_path: Path) -> bool:
            loop.call_soon_threadsafe(looking.set)
            return go_on.wait(30)

        monkeypatch.setattr("xray._run_live._was_heard", was_heard)
        task = asyncio.create_task(xray.run_live(runtime=FakeRuntime(tmp_path), xray_url=shared_server.url))
        await looking.wait()
        task.cancel()
        go_on.set()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(work())
    (recording,) = kept.glob("*/*.wav")
    assert recording.read_bytes() == CALL
