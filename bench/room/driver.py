# SPDX-License-Identifier: Apache-2.0
"""What is measured: `xray.run` with a `LiveKitRuntime`, as in a user's test, in a process of its own, so that its
processor time and its memory are the driver's alone.

What it gives to LiveKit and takes from it is written down at that boundary, with the time: when the user's sound really
left, and what was there to be recorded, is not asked of what is measured.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from livekit import rtc

import xray
from capture import Capture
from part import Job, play, tell
from scenario import call_named
from xray.conversation import Conversation
from xray.runtime.base import RunProgress, RuntimeResult
from xray.runtime.livekit import LiveKitRuntime


def rss_kib() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))


class Noted(LiveKitRuntime):
    """Keeps what `xray.run` gets of it."""

    result: RuntimeResult | None = None

    async def run(self, conversation: Conversation) -> RuntimeResult:
        self.result = await super().run(conversation)
        return self.result


def write_down(sent: Capture, received: Capture) -> None:
    """From now on every frame that a source is given, and every frame of the first stream."""
    give, take = rtc.AudioSource.capture_frame, rtc.AudioStream.__anext__
    first: list[rtc.AudioStream] = []

    async def given(self: rtc.AudioSource, frame: rtc.AudioFrame) -> None:
        sent.frame(bytes(frame.data))
        await give(self, frame)

    async def taken(self: rtc.AudioStream) -> rtc.AudioFrameEvent:
        event = await take(self)
        first[:] = first or [self]
        if first[0] is self:
            received.frame(bytes(event.frame.data))
        return event

    rtc.AudioSource.capture_frame = given
    rtc.AudioStream.__anext__ = taken


def progress(now: RunProgress) -> None:
    role: Any = None if now.role is None else str(now.role)
    tell("progress", stage=now.stage, turn=now.turn_idx, role=role, cpu_s=time.process_time(), rss_kib=rss_kib())


async def drive(job: Job, _over: asyncio.Event) -> None:
    turns: list[xray.Turn] = []
    for i, _ in enumerate(call_named(job.call).exchanges):
        turns += [
            xray.Turn.user(f"number {i}", audio=xray.RecordedAudio(job.path / f"user-{i}.wav")),
            xray.Turn.agent(),
        ]
    runtime = Noted(
        job.url, job.key, job.secret, job.room, mixdown_dir=job.path / "recording", cache_root=job.path / "cache"
    )
    sent, received = Capture(job.path, "user-sent"), Capture(job.path, "agent-received")
    write_down(sent, received)
    conversation = Conversation(f"room {job.call}", turns)
    result = await xray.run(conversation=conversation, runtime=runtime, xray_url=job.xray_url, progress=progress)
    sent.close()
    received.close()
    assert runtime.result is not None
    tell(
        "result",
        replay_id=result.replay_id,
        recording=runtime.result.full_audio_path,
        started_at=runtime.result.recording_started_at_epoch,
        transcripts=[response.transcript for response in runtime.result.responses],
    )


if __name__ == "__main__":
    sys.exit(play(drive))
