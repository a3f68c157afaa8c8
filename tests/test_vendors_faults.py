# SPDX-License-Identifier: Apache-2.0
"""The table of faults: each does what its row says, to a plain client, at each vendor and stage it is for."""

from __future__ import annotations

import gzip
import json
import re
import ssl
from collections.abc import Iterator
from email.utils import parsedate_to_datetime

import httpx
import pytest

from vendors import FAULTS, STAGES, VENDORS, Fault, Stage, Vendor, Vendors
from vendors.by_hand import base_of, request
from vendors.fault import ALL, JUDGE, Case
from vendors.names import KEYS
from vendors.reader import Attempt, attempt

PATIENCE_S = 10
IMPATIENCE_S = 0.2  # for what is noticed by a time limit only
TLS = ssl.create_default_context()  # made once: it takes a while


@pytest.fixture(scope="module")
def broken() -> Iterator[Vendors]:
    with Vendors() as vendors:
        yield vendors


def tried(vendors: Vendors, vendor: Vendor, stage: Stage, *, timeout_s: float = PATIENCE_S) -> Attempt:
    with httpx.Client(base_url=vendors.url(vendor), timeout=timeout_s, verify=TLS) as client:
        return attempt(client, request(vendor, stage))


@pytest.fixture(scope="module")
def right(broken: Vendors) -> dict[Case, Attempt]:
    """What each call gives without a fault."""
    return {(vendor, stage): tried(broken, vendor, stage) for vendor in VENDORS for stage in STAGES}


def cases(fault: Fault) -> list[Case]:
    """The wire's faults are the same everywhere; those that take time are tried once."""
    return sorted(fault.cases)[:1] if fault.slow else sorted(fault.cases)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_outcome_is_the_tables(broken: Vendors, right: dict[Case, Attempt], fault: Fault) -> None:
    for vendor, stage in cases(fault):
        broken.forget_calls()
        plan = broken.fail(fault, vendor=vendor, stage=stage)
        made = tried(broken, vendor, stage, timeout_s=IMPATIENCE_S if fault.slow else PATIENCE_S)
        broken.heal()
        where = f"{vendor} {stage}"
        assert (made.outcome, plan.hits) == (fault.outcome, 1), where
        (call,) = broken.calls()
        assert (call.fault, call.refusal) == (fault.name, None), where
        if fault.outcome == "fine":
            assert same(made, right[vendor, stage], fault), f"{where}: {made.value}"
        assert (KEYS[vendor] in text_of(made)) == (fault.secret and made.outcome != "unusable"), where


def same(made: Attempt, expected: Attempt, fault: Fault) -> bool:
    if isinstance(made.value, str) and isinstance(expected.value, str):
        return made.value.startswith(expected.value) if fault.secret else made.value == expected.value
    assert isinstance(made.value, int)
    assert isinstance(expected.value, int)
    return abs(made.value - expected.value) <= 1


def text_of(made: Attempt) -> str:
    """As it came, and with JSON's escapes undone."""
    text = made.seen.decode(errors="replace")
    return text + re.sub(r"\\u([0-9a-f]{4})", lambda found: chr(int(found[1], 16)), text)


def test_without_a_fault_all_is_fine(right: dict[Case, Attempt]) -> None:
    assert set(right) == ALL
    assert {made.outcome for made in right.values()} == {"fine"}


def test_names_are_unique_and_every_outcome_is_at_every_stage() -> None:
    assert len({fault.name for fault in FAULTS}) == len(FAULTS)
    for case in ALL:
        found = {fault.outcome for fault in FAULTS if case in fault.cases}
        assert found == {"fine", "transient", "permanent", "unusable"}


def test_fault_is_refused_where_it_does_not_exist(broken: Vendors) -> None:
    with pytest.raises(ValueError, match="does not apply"):
        broken.fail("refusal", vendor="google")
    with pytest.raises(ValueError, match="does not apply"):
        broken.fail("refusal", stage="tts")
    with pytest.raises(KeyError):
        broken.fail("no such fault")


def test_plan_is_for_the_first_times_and_for_what_fits(broken: Vendors) -> None:
    broken.forget_calls()
    plan = broken.fail("status_500", stage="judge", times=2, when=lambda call: "two tickets" in call.text)
    assert tried(broken, "openai", "tts").outcome == "fine"
    assert [tried(broken, "openai", "judge").outcome for _ in range(3)] == ["transient", "transient", "fine"]
    broken.fail("status_400", stage="judge", when=lambda call: "hotel" in call.text)
    assert tried(broken, "google", "judge").outcome == "fine"
    assert plan.hits == 2
    broken.heal()


def test_plans_are_followed_in_their_order(broken: Vendors) -> None:
    broken.fail("status_500", times=1)
    broken.fail("status_400", times=1)
    assert [tried(broken, "mistral", "judge").outcome for _ in range(3)] == ["transient", "permanent", "fine"]
    broken.heal()


def test_fault_without_a_vendor_is_for_those_it_exists_at(broken: Vendors) -> None:
    broken.fail("prompt_blocked")
    outcomes = {vendor: tried(broken, vendor, "judge").outcome for vendor in VENDORS}
    assert outcomes == {"openai": "fine", "google": "unusable", "mistral": "fine"}
    broken.heal()


@pytest.mark.parametrize("name", ["limited_seconds", "limited_date", "limited_hour", "unavailable_seconds"])
def test_retry_after_is_what_the_row_says(broken: Vendors, name: str) -> None:
    broken.fail(name, times=1)
    with httpx.Client(base_url=broken.url("openai"), verify=TLS) as client:
        answer = request("openai", "judge").send(client)
    value = answer.headers["retry-after"]
    if name == "limited_date":
        assert parsedate_to_datetime(value).tzinfo is not None
        assert value.endswith(" GMT")
    else:
        assert int(value) == {"limited_hour": 3600}.get(name, 1)


def test_gzip_only_if_asked_for(broken: Vendors) -> None:
    for asked, encoding in (("identity", None), ("deflate, gzip", "gzip")):
        broken.fail("gzip_if_asked", times=1)
        with httpx.Client(base_url=broken.url("openai"), verify=TLS) as client:
            sound = request("openai", "judge").build(base_of(client))
            sound.headers["accept-encoding"] = asked
            answer = client.send(sound, stream=True)
            raw = b"".join(answer.iter_raw())
        assert answer.headers.get("content-encoding") == encoding
        assert json.loads(gzip.decompress(raw) if encoding else raw)["choices"]


def test_reused_connection_is_cut_and_a_new_one_is_not(broken: Vendors) -> None:
    broken.fail("cut_reused")
    with httpx.Client(base_url=broken.url("openai"), verify=TLS) as client:
        outcomes = [attempt(client, request("openai", "judge")).outcome for _ in range(3)]
    assert outcomes == ["fine", "transient", "fine"]
    broken.heal()


@pytest.mark.parametrize("vendor", VENDORS)
def test_redirect_leads_to_a_path_that_shows(broken: Vendors, vendor: Vendor) -> None:
    """A client that follows it is found out."""
    broken.forget_calls()
    broken.fail("status_307", times=1)
    with httpx.Client(base_url=broken.url(vendor), follow_redirects=True, verify=TLS) as client:
        assert request(vendor, "judge").send(client).status_code == 404
    assert [call.path.startswith("/redirected/") for call in broken.calls()] == [False, True]


def test_key_lies_across_the_cut(broken: Vendors) -> None:
    broken.fail("key_across_the_cut", times=1)
    made = tried(broken, "openai", "judge")
    start = made.seen.index(KEYS["openai"].encode()) - (made.seen.index(b"xxx"))
    assert start < 512 < start + len(KEYS["openai"])


def test_judge_faults_keep_the_scripts_score(broken: Vendors) -> None:
    broken.judge(lambda _asked: (37, "Half of it."))
    for fault in (f for f in FAULTS if f.outcome == "fine" and f.name.startswith("judge_")):
        broken.fail(fault, times=1)
        assert tried(broken, sorted(JUDGE)[0][0], "judge").value == 37, fault.name
    broken.judge(lambda _asked: 90)
