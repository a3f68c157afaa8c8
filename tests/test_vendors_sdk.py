# SPDX-License-Identifier: Apache-2.0
"""The fake and the vendors' own packages understand each other; their requests and those by hand are the same."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import httpx
import pytest

from vendors import STAGES, VENDORS, Heard, Stage, Vendor, Vendors, Word
from vendors.audio import speech_ms, tone
from vendors.by_hand import TEXT, WAV, Request, request
from vendors.compare import compare
from vendors.sdk import Judged, Sdk, Spoken, Wanted, Written, repeat

nine = pytest.mark.parametrize(("vendor", "stage"), [(v, s) for v in VENDORS for s in STAGES])


@nine
def test_package_is_understood_and_understands(vendors: Vendors, vendor: Vendor, stage: Stage) -> None:
    words = (Word("two", 0.1, 0.4), Word("tickets", 0.5, 1.25))
    vendors.hear(lambda wav: Heard(f"two tickets {wav.ms}", words))
    vendors.judge(lambda asked: (len(asked.system), f"for {asked.reference}"))
    with Sdk(vendors) as sdk:
        result = sdk.call(vendor, stage, Wanted(text=TEXT, wav=WAV))
    expected = {
        "tts": Spoken(tone(speech_ms(TEXT)), 24_000),
        "transcription": Written("two tickets 1500", () if vendor == "google" else words),
        "judge": Judged(len(Wanted().system), "for Tickets are sold."),
    }
    assert result == expected[stage]
    (call,) = vendors.calls()
    assert (call.vendor, call.stage, call.status, call.refusal) == (vendor, stage, 200, None)


@nine
def test_request_by_hand_is_what_the_package_sends(vendors: Vendors, vendor: Vendor, stage: Stage) -> None:
    with httpx.Client(base_url=vendors.url(vendor)) as client:
        assert request(vendor, stage).send(client).status_code == 200
    (ours,) = vendors.calls()
    assert compare(ours, repeat(ours, vendors)) == []


CHANGED: list[tuple[Vendor, Stage, Callable[[Request], Request], str]] = [
    ("openai", "tts", lambda r: r.with_json(speed=1), "speed: ours 1, theirs nothing"),
    ("openai", "tts", lambda r: r.with_json(response_format="wav"), "response_format: ours 'wav', theirs 'pcm'"),
    ("openai", "judge", lambda r: r.with_json(temperature=1), "temperature: ours 1, theirs 0"),
    ("openai", "judge", lambda r: r.without("temperature"), "temperature: ours nothing, theirs 0"),
    (
        "openai",
        "judge",
        lambda r: replace(r, headers={**r.headers, "X-More": "1"}),
        "header x-more: ours '1', theirs n",
    ),
    (
        "openai",
        "transcription",
        lambda r: replace(r, file=("a.wav", WAV, "audio/x-wav")),
        "file type: ours 'audio/x-wav', theirs 'audio/wav'",
    ),
    ("openai", "transcription", lambda r: r.with_field("language", "en"), "language: ours 'en', theirs nothing"),
    ("google", "judge", lambda r: r.with_config(topK=1), "generationConfig.topK: ours 1, theirs nothing"),
    ("google", "tts", lambda r: r.with_config(temperature=0), "generationConfig.temperature: ours 0, theirs nothing"),
    (
        "mistral",
        "judge",
        lambda r: r.with_json(stream=False, safe_prompt=True),
        "safe_prompt: ours True, theirs nothing",
    ),
    ("mistral", "transcription", lambda r: r.with_field("diarize", "true"), "diarize: ours 'true', theirs 'false'"),
]


@pytest.mark.parametrize(("vendor", "stage", "change", "difference"), CHANGED, ids=[c[3] for c in CHANGED])
def test_difference_is_told(
    vendors: Vendors, vendor: Vendor, stage: Stage, change: Callable[[Request], Request], difference: str
) -> None:
    with httpx.Client(base_url=vendors.url(vendor)) as client:
        answer = change(request(vendor, stage)).send(client)
        assert answer.status_code == 200, answer.text
    (ours,) = vendors.calls()
    assert [d[: len(difference)] for d in compare(ours, repeat(ours, vendors))] == [difference]


@nine
def test_package_raises_on_refusal(vendor: Vendor, stage: Stage) -> None:
    """Errors parse too: the fake's message is in the exception."""
    with (
        Vendors(models=["another"]) as vendors,
        Sdk(vendors) as sdk,
        pytest.raises(Exception, match=r"does not exist|is not found"),
    ):
        sdk.call(vendor, stage, Wanted(wav=WAV))
