# SPDX-License-Identifier: Apache-2.0
"""A caller that looks as if it came in over LiveKit's SIP bridge."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from xray._attributes import PARTICIPANT_ATTRIBUTE

_STATUSES = ("active", "automation", "dialing", "hangup", "ringing")
_NAMES = {
    "caller_phone": "sip.phoneNumber",
    "trunk_phone": "sip.trunkPhoneNumber",
    "call_id": "sip.callID",
    "call_id_full": "sip.callIDFull",
    "call_status": "sip.callStatus",
    "rule_id": "sip.ruleID",
    "trunk_id": "sip.trunkID",
}


@dataclass(frozen=True)
class SimulatedSipCall:
    """What the participant of a phone call carries: the attributes that LiveKit's SIP service sets.

    `call_status` is one of active, automation, dialing, hangup, ringing. `extra_attrs` are further participant
    attributes, such as the `sip.h.*` of mapped headers. Raises ValueError for an empty field, for an unknown status,
    and for extra attributes that are not strings, are named `xray`, or repeat one of the fields.
    """

    caller_phone: str
    trunk_phone: str
    call_id: str
    call_id_full: str
    call_status: str
    rule_id: str
    trunk_id: str
    extra_attrs: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)

    def __post_init__(self) -> None:
        for name in _NAMES:
            value: object = getattr(self, name)
            if not isinstance(value, str) or not value.strip():
                raise ValueError(f"SimulatedSipCall: {name} must be a non-empty string")
        if self.call_status not in _STATUSES:
            raise ValueError(f"SimulatedSipCall: call_status must be one of {', '.join(_STATUSES)}")
        for key, value in self.extra_attrs.items():
            if not isinstance(key, str) or not key or not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise ValueError("SimulatedSipCall: extra_attrs must map non-empty strings to strings")
            if key == PARTICIPANT_ATTRIBUTE:
                raise ValueError(f"SimulatedSipCall: the attribute {key!r} is what names the replay")
            if key in _NAMES.values():
                raise ValueError(f"SimulatedSipCall: extra_attrs repeats {key!r}, which a field sets")
        # A copy, so that later changes of the caller's do not reach a frozen object.
        object.__setattr__(self, "extra_attrs", dict(self.extra_attrs))

    def attributes(self) -> dict[str, str]:
        """The participant's attributes."""
        return {**{key: str(getattr(self, name)) for name, key in _NAMES.items()}, **self.extra_attrs}
