# SPDX-License-Identifier: Apache-2.0
"""The caller that looks as if it came over the SIP bridge."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from typing import Any

import pytest

from xray._sip import SimulatedSipCall

CALL = SimulatedSipCall(
    caller_phone="+15105550100",
    trunk_phone="+15105550123",
    call_id="SCL_1",
    call_id_full="abc@10.0.0.1",
    call_status="active",
    rule_id="SDR_1",
    trunk_id="ST_1",
)


def test_attributes_are_those_of_the_sip_bridge() -> None:
    assert CALL.attributes() == {
        "sip.phoneNumber": "+15105550100",
        "sip.trunkPhoneNumber": "+15105550123",
        "sip.callID": "SCL_1",
        "sip.callIDFull": "abc@10.0.0.1",
        "sip.callStatus": "active",
        "sip.ruleID": "SDR_1",
        "sip.trunkID": "ST_1",
    }


def test_extra_attributes_stand_beside_them_and_are_a_copy() -> None:
    extra = {"sip.h.x-tier": "gold"}
    call = replace(CALL, extra_attrs=extra)
    extra["late"] = "1"
    assert call.attributes() == {**CALL.attributes(), "sip.h.x-tier": "gold"}


@pytest.mark.parametrize("status", ["active", "automation", "dialing", "hangup", "ringing"])
def test_every_status_of_a_call_is_taken(status: str) -> None:
    assert replace(CALL, call_status=status).attributes()["sip.callStatus"] == status


@pytest.mark.parametrize("field", [name for name in vars(CALL) if name != "extra_attrs"])
@pytest.mark.parametrize("value", ["", "  ", None, 5])
def test_an_empty_field_is_refused_by_name(field: str, value: object) -> None:
    changed: dict[str, Any] = {field: value}
    with pytest.raises(ValueError, match=field):
        replace(CALL, **changed)


@pytest.mark.parametrize(
    ("extra", "match"),
    [({"xray": "{}"}, "replay"), ({"sip.callID": "x"}, "sip.callID"), ({"": "x"}, "non-empty"), ({"a": 1}, "strings")],
)
def test_extra_attributes_that_would_lie_are_refused(extra: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replace(CALL, extra_attrs=extra)


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="ringing"):
        replace(CALL, call_status="lost")


def test_it_is_frozen_and_hashable() -> None:
    with pytest.raises(FrozenInstanceError):
        CALL.call_id = "x"  # pyright: ignore[reportAttributeAccessIssue]
    assert hash(CALL) == hash(replace(CALL))
