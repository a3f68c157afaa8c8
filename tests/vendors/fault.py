# SPDX-License-Identifier: Apache-2.0
"""What a fault is, and what the files of faults share: where an answer has its text or its audio."""

from __future__ import annotations

import base64
import json
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Literal

from vendors.answers import Answer, json_answer
from vendors.exchange import Exchange
from vendors.names import STAGES, VENDORS, Stage, Vendor

Outcome = Literal["fine", "transient", "permanent", "unusable"]
Case = tuple[Vendor, Stage]

ALL: frozenset[Case] = frozenset((vendor, stage) for vendor in VENDORS for stage in STAGES)
SAMPLES: frozenset[Case] = frozenset({("openai", "tts")})  # the body is audio; all others are JSON
JSON = ALL - SAMPLES
SPEECH = frozenset(case for case in ALL if case[1] == "tts")
TRANSCRIPTION = frozenset(case for case in ALL if case[1] == "transcription")
JUDGE = frozenset(case for case in ALL if case[1] == "judge")
GOOGLE = frozenset(case for case in ALL if case[0] == "google")


@dataclass(frozen=True)
class Fault:
    """See faults.py for what each field promises."""

    name: str
    outcome: Outcome
    act: Callable[[Any], Awaitable[None]]  # Exchange, if raw WireExchange
    cases: frozenset[Case] = ALL
    raw: bool = False
    slow: bool = False
    secret: bool = False
    retry_after_s: float | None = None

    def applies(self, vendor: Vendor | None, stage: Stage | None) -> bool:
        """None: to any at all."""
        return any(vendor in (None, v) and stage in (None, s) for v, s in self.cases)


def changed(how: Callable[[Exchange], Answer]) -> Callable[[Exchange], Awaitable[None]]:
    """Another answer, whole, instead of the right one."""

    async def act(exchange: Exchange) -> None:
        await exchange.reply(how(exchange))

    return act


def case_of(exchange: Exchange) -> Case:
    vendor, stage = exchange.call.vendor, exchange.call.stage
    if vendor is None or stage is None:
        raise ValueError("a fault for a request that was not understood")
    return vendor, stage


def key_of(exchange: Exchange) -> str:
    """The key that the request has; without one something that looks like it."""
    call = exchange.call
    bearer = (call.header("authorization") or "").removeprefix("Bearer ")
    return call.header("x-goog-api-key") or bearer or "sk-none-0123456789abcdef"


def vendor_error(exchange: Exchange, status: int, message: str, code: str | None = None) -> Answer:
    """In the vendor's own shape."""
    vendor = exchange.call.vendor
    if vendor == "google":
        return json_answer({"error": {"code": status, "message": message, "status": code or "UNKNOWN"}}, status)
    shape: dict[str, Any] = {"message": message, "type": "server_error", "param": None, "code": code}
    return json_answer({"object": "error"} | shape if vendor == "mistral" else {"error": shape}, status)


# --- the text or audio in an answer ---

Steps = tuple[str | int, ...]

_MEMBERS: dict[Case, Steps] = {
    ("openai", "transcription"): ("text",),
    ("openai", "judge"): ("choices", 0, "message", "content"),
    ("google", "tts"): ("candidates", 0, "content", "parts", 0, "inlineData", "data"),
    ("google", "transcription"): ("candidates", 0, "content", "parts", 0, "text"),
    ("google", "judge"): ("candidates", 0, "content", "parts", 0, "text"),
    ("mistral", "tts"): ("audio_data",),
    ("mistral", "transcription"): ("text",),
    ("mistral", "judge"): ("choices", 0, "message", "content"),
}


def path_of(exchange: Exchange) -> Steps:
    return _MEMBERS[case_of(exchange)]


def get(value: Any, steps: Iterable[str | int]) -> Any:
    for step in steps:
        value = value[step]
    return value


def with_member(answer: Answer, steps: Steps, value: Any) -> Answer:
    document = answer.json
    get(document, steps[:-1])[steps[-1]] = value
    return answer.with_json(document)


def with_text(exchange: Exchange, text: Any) -> Answer:
    """The right answer with another text (or base64) in it."""
    return with_member(exchange.answer, path_of(exchange), text)


def text_in(exchange: Exchange) -> str:
    return get(exchange.answer.json, path_of(exchange))


def with_words(exchange: Exchange, change: Callable[[str], str]) -> Answer:
    """The right answer with what a person would read, the transcript or the judge's reason, changed."""
    text = text_in(exchange)
    name = {"transcription": "text", "judge": "reason"}[case_of(exchange)[1]]
    if case_of(exchange) in (("openai", "transcription"), ("mistral", "transcription")):
        return with_text(exchange, change(text))
    inner = json.loads(text)
    return with_text(exchange, json.dumps(inner | {name: change(inner[name])}))


def with_audio(exchange: Exchange, audio: bytes, content_type: str | None) -> Answer:
    """Other audio in the vendor's wrapping."""
    if case_of(exchange) == ("openai", "tts"):
        return replace(exchange.answer, body=audio, content_type=content_type)
    answer = with_text(exchange, base64.b64encode(audio).decode())
    if exchange.call.vendor == "google":
        return with_member(answer, (*path_of(exchange)[:-1], "mimeType"), content_type)
    return answer
