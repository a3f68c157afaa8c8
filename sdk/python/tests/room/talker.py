# SPDX-License-Identifier: Apache-2.0
"""A process of its own with an agent that talks for four seconds once the user is there, then waits to be ended."""

from __future__ import annotations

import asyncio
import sys
from types import SimpleNamespace
from typing import Any

from scripted_agent import ScriptedAgent
from sounds import clip


async def main(url: str, api_key: str, api_secret: str, room: str) -> None:
    server: Any = SimpleNamespace(url=url, api_key=api_key, api_secret=api_secret)
    async with ScriptedAgent(server, room) as agent:
        await agent.user_came.wait()
        await asyncio.sleep(1)
        print("speaks", flush=True)
        await agent.say(clip(9, 4.0))
        await asyncio.sleep(60)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
