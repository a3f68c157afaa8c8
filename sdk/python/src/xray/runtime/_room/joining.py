# SPDX-License-Identifier: Apache-2.0
"""LiveKit, imported late, and the token that the driver joins with."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType
from typing import Final

from xray.errors import LiveKitDependencyError, XrayError

__all__ = ["Secret", "load_livekit", "token", "without_tokens"]

# To join with, and for clocks that differ. LiveKit itself renews it for reconnections while the call lasts.
_TOKEN_LASTS: Final = timedelta(minutes=10)
_A_TOKEN: Final = re.compile(r"eyJ[\w-]+(\.[\w-]+)+")


class Secret:
    """A key, a secret or a token. Tracebacks that show locals, as pytest's do, show that there is one and no more."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def __repr__(self) -> str:
        return "Secret(...)"

    def __bool__(self) -> bool:
        return bool(self._value)

    def reveal(self) -> str:
        """For the one call that needs it: not to be put into a variable."""
        return self._value


def without_tokens(text: str) -> str:
    """A server that refuses a token says which."""
    return _A_TOKEN.sub("(token)", text)


def _log_no_tokens(record: logging.LogRecord) -> bool:
    text = record.getMessage()
    if _A_TOKEN.search(text) is not None:
        record.msg, record.args = without_tokens(text), None
    return True


def load_livekit() -> tuple[ModuleType, ModuleType]:
    """The modules livekit.rtc and livekit.api. Raises LiveKitDependencyError if the extra is not installed."""
    try:
        from livekit import api, rtc
    except ImportError as error:
        raise LiveKitDependencyError(
            f'LiveKit is not installed; install it with: pip install "xray-py[livekit]" ({error})'
        ) from error
    # LiveKit logs what the server says, from a thread of its own and when the call may be over: for good, therefore.
    # It is one and the same filter however often it is added.
    logging.getLogger("livekit").addFilter(_log_no_tokens)
    return rtc, api


def token(
    api: ModuleType,
    *,
    api_key: Secret,
    api_secret: Secret,
    room: str,
    identity: str,
    attributes: Mapping[str, str],
    sip: bool,
    agent_name: str | None,
) -> Secret:
    """A token for the user's side: it publishes and hears, and is told apart by its attributes.

    With `sip` the participant is of the kind that LiveKit's SIP service joins with. `agent_name` asks for the agent of
    that name when the room is created by joining it.
    """
    grants = api.VideoGrants(room_join=True, room=room, can_publish=True, can_subscribe=True, can_publish_data=True)
    made = api.AccessToken(api_key.reveal(), api_secret.reveal()).with_identity(identity).with_grants(grants)
    made = made.with_attributes(dict(attributes)).with_kind("sip" if sip else "standard").with_ttl(_TOKEN_LASTS)
    if agent_name is not None:
        dispatch = api.RoomAgentDispatch(agent_name=agent_name)
        made = made.with_room_config(api.RoomConfiguration(agents=[dispatch]))
    try:
        return Secret(made.to_jwt())
    except Exception as error:
        refused = f"{type(error).__name__}: {error}"
    # Outside of `except`, so that this error does not lead to frames in which the secret is a local.
    raise XrayError(f"no token for room {room!r} could be signed: {refused}")
