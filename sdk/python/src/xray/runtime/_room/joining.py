# SPDX-License-Identifier: Apache-2.0
"""LiveKit, imported late, and the token that the driver joins with."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType

from xray.errors import LiveKitDependencyError

__all__ = ["load_livekit", "token"]


def load_livekit() -> tuple[ModuleType, ModuleType]:
    """The modules livekit.rtc and livekit.api. Raises LiveKitDependencyError if the extra is not installed."""
    try:
        from livekit import api, rtc
    except ImportError as error:
        raise LiveKitDependencyError(
            f'LiveKit is not installed; install it with: pip install "xray-py[livekit]" ({error})'
        ) from error
    return rtc, api


def token(
    api: ModuleType,
    *,
    api_key: str,
    api_secret: str,
    room: str,
    identity: str,
    attributes: Mapping[str, str],
    sip: bool,
    agent_name: str | None,
) -> str:
    """A token for the user's side: it publishes and hears, and is told apart by its attributes.

    With `sip` the participant is of the kind that LiveKit's SIP service joins with. `agent_name` asks for the agent of
    that name when the room is created by joining it.
    """
    grants = api.VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True)
    made = api.AccessToken(api_key, api_secret).with_identity(identity).with_grants(grants)
    made = made.with_attributes(dict(attributes)).with_kind("sip" if sip else "standard")
    if agent_name is not None:
        dispatch = api.RoomAgentDispatch(agent_name=agent_name)
        made = made.with_room_config(api.RoomConfiguration(agents=[dispatch]))
    return made.to_jwt()
