# SPDX-License-Identifier: Apache-2.0
"""A voice agent that books tables: `python worker.py dev`.

For xray it has an import and the line with `xray.attach`; the rest is any LiveKit agent.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from livekit.agents import Agent, AgentSession, JobContext, WorkerOptions, cli, function_tool

import xray

INSTRUCTIONS = """
You take bookings of tables in a restaurant, on the telephone. Ask for what you do not know yet: the day, the time and
the number of guests. When you know all three, call book_table and then confirm the booking in one short sentence.
"""


class BookingAgent(Agent):
    def __init__(self) -> None:
        super().__init__(instructions=INSTRUCTIONS)

    @function_tool
    async def book_table(self, day: str, time: str, guests: int) -> dict[str, Any]:
        """Books a table.

        Args:
            day: The day of the week, such as "Friday".
            time: The time on a 24-hour clock, such as "19:00".
            guests: How many people come.
        """
        return {"booked": True, "table": 7, "day": day, "time": time, "guests": guests}


def models() -> dict[str, Any]:
    """What the agent hears, thinks and speaks with, as AgentSession takes it: OpenAI's models, or what the function
    says that AGENT_MODELS names, such as `my_models:models`."""
    if named := os.environ.get("AGENT_MODELS"):
        module, _, function = named.partition(":")
        return getattr(importlib.import_module(module), function)()

    from livekit.plugins import openai, silero

    return {"vad": silero.VAD.load(), "stt": openai.STT(), "llm": openai.LLM(model="gpt-4o-mini"), "tts": openai.TTS()}


async def entrypoint(ctx: JobContext) -> None:
    await ctx.connect()
    # A test opens the room and is in it before an agent is called, so there is hardly anything to wait for. A call that
    # is no test has its session after that half second; without `bind_timeout_s` it would be after ten.
    async with xray.attach(ctx, service_name="booking-agent", bind_timeout_s=0.5):
        session = AgentSession(**models())
        await session.start(BookingAgent(), room=ctx.room)


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint))
