# SPDX-License-Identifier: Apache-2.0
"""From a request to the answer that the vendor's reference asks for: route, method, key, body."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from vendors import google_api, mistral_api, openai_api
from vendors.answers import Answer, Refused
from vendors.calls import Call
from vendors.names import VENDORS, Stage, Vendor
from vendors.requests import Settings

Keys = Mapping[Vendor, str] | None


@dataclass(frozen=True)
class Endpoint:
    vendor: Vendor
    stage: Stage | None  # None: the body tells
    path: re.Pattern[str]
    answer: Callable[[Call, Settings], Answer]


ENDPOINTS = (
    Endpoint("openai", "tts", re.compile("/v1/audio/speech"), openai_api.speech),
    Endpoint("openai", "transcription", re.compile("/v1/audio/transcriptions"), openai_api.transcription),
    Endpoint("openai", "judge", re.compile("/v1/chat/completions"), openai_api.judge),
    Endpoint("google", None, re.compile(r"/v1beta/models/[A-Za-z0-9._-]+:generateContent"), google_api.generate),
    Endpoint("mistral", "tts", re.compile("/v1/audio/speech"), mistral_api.speech),
    Endpoint("mistral", "transcription", re.compile("/v1/audio/transcriptions"), mistral_api.transcription),
    Endpoint("mistral", "judge", re.compile("/v1/chat/completions"), mistral_api.judge),
)
_ERRORS: Mapping[Vendor, Callable[[Refused], Answer]] = {
    "openai": openai_api.error,
    "google": google_api.error,
    "mistral": mistral_api.error,
}


def answer(call: Call, settings: Settings, keys: Keys) -> Answer:
    """Fills in what the call is, and its refusal."""
    try:
        return _answer(call, settings, keys)
    except Refused as refused:
        call.refusal = str(refused)
        return _ERRORS[call.vendor or "openai"](refused)


def _answer(call: Call, settings: Settings, keys: Keys) -> Answer:
    endpoint = _find(call)
    call.stage = endpoint.stage
    if call.method != "POST":
        raise Refused("method", 405, f"Not allowed to {call.method} on {call.path} (use POST)")
    if call.query:
        # A key in a query gets into logs on the way; nothing else is documented for these calls.
        raise Refused("path", 400, "query parameters are not allowed")
    _check_key(call, endpoint.vendor, keys)
    return endpoint.answer(call, settings)


def _find(call: Call) -> Endpoint:
    _, name, rest = (*call.path.split("/", 2), "", "")[:3]
    call.vendor = next((vendor for vendor in VENDORS if vendor == name), None)
    found = [e for e in ENDPOINTS if e.vendor == call.vendor and e.path.fullmatch(f"/{rest}")]
    if not found:
        raise Refused("path", 404, f"Invalid URL ({call.method} {call.path})")
    return found[0]


def _check_key(call: Call, vendor: Vendor, keys: Keys) -> None:
    names = [name for name, _ in call.headers]
    if names.count("authorization") > 1 or names.count("x-goog-api-key") > 1:
        raise Refused("key", 401, "more than one key")
    if keys is None:
        return
    if vendor == "google":
        _check_google_key(call, keys[vendor])
    elif call.header("authorization") != f"Bearer {keys[vendor]}" or "x-goog-api-key" in names:
        given = (call.header("authorization") or "").removeprefix("Bearer ")
        message = f"Incorrect API key provided: {given}." if given else "You didn't provide an API key."
        raise Refused("key", 401, message)


def _check_google_key(call: Call, key: str) -> None:
    given = call.header("x-goog-api-key")
    if given is None or call.header("authorization") is not None:
        raise Refused("key", 403, "Method doesn't allow unregistered callers. Please use API Key in x-goog-api-key.")
    if given != key:
        raise Refused("key", 400, "API key not valid. Please pass a valid API key.", code="API_KEY_INVALID")
