# SPDX-License-Identifier: Apache-2.0
"""Whether an agent that is in the room listens already.

An agent of LiveKit Agents is in the room from `ctx.connect()` on, and subscribes to the user then, but hears nothing
until its `AgentSession` has started: models are loaded in between. The session tells its state in an attribute. In the
versions 1.2 and 1.8 the first state it tells is `listening`: while it is initializing, the attribute is not there.
"""

from __future__ import annotations

from types import ModuleType
from typing import Any, Final

__all__ = ["is_ready"]

_STATE: Final = "lk.agent.state"
_INITIALIZING: Final = "initializing"
_NAME: Final = "lk.agent.name"
"""Given by newer workers to each agent they send, with or without a session."""
_JOB_PREFIX: Final = "agent-AJ_"
"""How workers name agents that do not ask for another identity, after LiveKit's id of the job."""


def is_ready(rtc: ModuleType, agent: Any) -> bool:
    """False while the agent tells that it is not ready, or is one that will tell and has not yet."""
    state: str | None = agent.attributes.get(_STATE)
    if state is not None:
        return state != _INITIALIZING
    if _NAME not in agent.attributes and not agent.identity.startswith(_JOB_PREFIX):
        return True
    # A session publishes its voice after it has begun to take in the user's; an agent without a session that has a
    # voice has nothing more to wait for either.
    return any(track.kind == rtc.TrackKind.KIND_AUDIO for track in agent.track_publications.values())
