# SPDX-License-Identifier: Apache-2.0
"""A third participant that nobody sees: it hears both sides as they are in the room, and writes down what and when.

A process of its own, so that nothing of the driver or the agent makes it late.
"""

from __future__ import annotations

import asyncio
import sys
from typing import Any

from livekit import api, rtc

from capture import Capture
from clips import RATE
from part import Job, play, tell


def access(job: Job, identity: str, *, kind: str, hidden: bool = False) -> str:
    grants = api.VideoGrants(room_join=True, room=job.room, hidden=hidden, can_publish=not hidden, can_subscribe=True)
    token = api.AccessToken(job.key, job.secret).with_identity(identity).with_grants(grants)
    return token.with_kind(kind).to_jwt()  # pyright: ignore[reportArgumentType]


async def write_down(stream: rtc.AudioStream, capture: Capture) -> None:
    try:
        async for event in stream:
            capture.frame(bytes(event.frame.data))
    finally:
        capture.close()
        await stream.aclose()


async def observe(job: Job, over: asyncio.Event) -> None:
    room = rtc.Room()
    tasks: set[asyncio.Task[None]] = set()
    failed: list[BaseException] = []

    def done(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            failed.append(error)
            over.set()

    def subscribed(track: Any, _publication: Any, participant: Any) -> None:
        name = "user" if participant.identity == "xray-driver" else "agent"
        capture = Capture(job.path, f"observer-{name}")
        task = asyncio.create_task(write_down(rtc.AudioStream(track, sample_rate=RATE, num_channels=1), capture))
        task.add_done_callback(done)
        tasks.add(task)
        tell("hears", who=name)

    events: Any = room
    events.on("track_subscribed", subscribed)
    await room.connect(job.url, access(job, "observer", kind="standard", hidden=True))
    tell("joined")
    await over.wait()
    await room.disconnect()
    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)
    if failed:
        raise failed[0]


if __name__ == "__main__":
    sys.exit(play(observe))
