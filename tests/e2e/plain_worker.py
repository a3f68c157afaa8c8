# SPDX-License-Identifier: Apache-2.0
"""The example's agent as it is before its authors have heard of xray."""

from __future__ import annotations

from livekit.agents import AgentSession, JobContext, WorkerOptions, cli

from worker import BookingAgent, models


async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()
    session = AgentSession(**models())
    await session.start(BookingAgent(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
