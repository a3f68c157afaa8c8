# SPDX-License-Identifier: Apache-2.0
"""A live session: a person talks to the agent until Ctrl-C; then it is uploaded and analysed like any run."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import Final

from xray._results import ReplayResult
from xray._run import DEFAULT_TIMEOUT_S, DEFAULT_URL, Plan, close_quietly, drive
from xray._wav import HEADER_SIZE
from xray.conversation import Conversation, RunConfig
from xray.errors import AudioMissingError
from xray.runtime.base import RunProgress, Runtime, StoppableRuntime

_CHUNK_BYTES: Final = 1024 * 1024


async def run_live(
    *,
    runtime: Runtime,
    xray_url: str = DEFAULT_URL,
    name: str | None = None,
    run_config: RunConfig | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Callable[[RunProgress], None] | None = None,
) -> ReplayResult:
    """Runs a session without a script, named `live-<UTC time>` by default.

    While the runtime runs, Ctrl-C ends the session and uploads it; a second Ctrl-C gives it up. Raises
    AudioMissingError if nothing was heard, else as `xray.run` does.
    """
    try:
        conversation = Conversation(name or f"live-{datetime.now(timezone.utc):%Y-%m-%dT%H:%M:%SZ}", (), live=True)
    except ValueError:
        await close_quietly(runtime)
        raise
    stopping = (lambda: _stops_on_interrupt(runtime)) if isinstance(runtime, StoppableRuntime) else nullcontext
    return await drive(
        Plan(
            conversation,
            runtime,
            xray_url,
            run_config,
            timeout_s,
            progress,
            while_running=stopping,
            is_worth_keeping=_was_heard,
        )
    )


@contextmanager
def _stops_on_interrupt(runtime: StoppableRuntime) -> Iterator[None]:
    """SIGINT asks the runtime to stop, and the second one cancels the task. The handler from before is put back.

    Outside the main thread there are no signals to handle; the caller stops the runtime in its own way then.
    """
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    asked = False

    def interrupted() -> None:
        nonlocal asked
        if asked and task is not None:
            task.cancel()
        elif not asked:
            asked = True
            runtime.request_stop()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(interrupted)

    before = signal.getsignal(signal.SIGINT)
    try:
        signal.signal(signal.SIGINT, on_signal)
    except ValueError:
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before if before is not None else signal.default_int_handler)


def _was_heard(path: Path) -> bool:
    """A recording of digital silence, or of nothing, is that of a microphone that was never open."""
    try:
        with path.open("rb") as wav:
            wav.seek(HEADER_SIZE)
            while chunk := wav.read(_CHUNK_BYTES):
                if chunk.count(0) != len(chunk):
                    return True
    except OSError as error:
        raise AudioMissingError(f"the recording {path} cannot be read: {error.strerror or error}") from error
    return False
