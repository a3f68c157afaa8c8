# SPDX-License-Identifier: Apache-2.0
"""Bodies with status 200 that are not what they should be, or are so in an odd way: types, JSON, members, usage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from vendors.answers import Answer
from vendors.exchange import Exchange
from vendors.fault import (
    ALL,
    GOOGLE,
    JSON,
    SAMPLES,
    TRANSCRIPTION,
    Case,
    Fault,
    Outcome,
    changed,
    get,
    path_of,
    vendor_error,
    with_member,
    with_text,
)
from vendors.requests import items

DEEP = 200_000
CHAT: frozenset[Case] = frozenset({("openai", "judge"), ("mistral", "judge")})
FORMS: frozenset[Case] = TRANSCRIPTION - GOOGLE


def _body(data: bytes, content_type: str = "application/json") -> Callable[[Exchange], Answer]:
    return lambda _: Answer(200, data, content_type)


def _bytes(change: Callable[[bytes], bytes]) -> Callable[[Exchange], Answer]:
    return lambda ex: replace(ex.answer, body=change(ex.answer.body))


def _not_utf8(data: bytes) -> bytes:
    return data.replace(b'"', b'"\xff\xc3(', 1)


def _unusable(name: str, answer: Callable[[Exchange], Answer], cases: frozenset[Case] = JSON) -> Fault:
    return Fault(name, "unusable", changed(answer), cases)


def _without_text(ex: Exchange) -> Answer:
    document = ex.answer.json
    del get(document, path_of(ex)[:-1])[path_of(ex)[-1]]
    return ex.answer.with_json(document)


def _list(value: Any) -> Callable[[Exchange], Answer]:
    """Instead of the choices or candidates."""
    return lambda ex: with_member(ex.answer, path_of(ex)[:1], value)


def _usage_name(ex: Exchange) -> str:
    return "usageMetadata" if ex.call.vendor == "google" else "usage"


def _usage(value: Any) -> Callable[[Exchange], Answer]:
    return lambda ex: with_member(ex.answer, (_usage_name(ex),), value)


def _counts(value: Any) -> Callable[[Exchange], Answer]:
    """All counts the same; no valid JSON for what is not finite."""

    def answer(ex: Exchange) -> Answer:
        usage = ex.answer.json.get(_usage_name(ex)) or {"total_tokens": 1}
        return with_member(ex.answer, (_usage_name(ex),), {name: value for name in usage if name != "type"})

    return answer


# --- transcripts with words ---


def _words_name(ex: Exchange) -> str:
    return "words" if ex.call.vendor == "openai" else "segments"


def _words(value: Any) -> Callable[[Exchange], Answer]:
    return lambda ex: with_member(ex.answer, (_words_name(ex),), value)


def _each_word(change: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[Exchange], Answer]:
    def answer(ex: Exchange) -> Answer:
        words = items(ex.answer.json, _words_name(ex))
        return with_member(ex.answer, (_words_name(ex),), [word | change(word) for word in words])

    return answer


def _member(name: str, value: Any) -> Callable[[Exchange], Answer]:
    return lambda ex: with_member(ex.answer, (name,), value)


def _odd_words(name: str, answer: Callable[[Exchange], Answer], outcome: Outcome = "fine") -> Fault:
    return Fault(name, outcome, changed(answer), FORMS)


FAULTS_BODY = [
    _unusable("empty_body", _body(b""), ALL),
    _unusable("html", _body(b"<html><body>Sign in to the network</body></html>", "text/html"), ALL),
    _unusable("html_as_json", _body(b"<html><body>Sign in to the network</body></html>")),
    _unusable("json_for_audio", _body(b"{}"), SAMPLES),
    _unusable("error_with_200", lambda ex: replace(vendor_error(ex, 200, "Quota exceeded"), status=200), ALL),
    Fault("text_plain", "fine", changed(lambda ex: replace(ex.answer, content_type="text/plain")), JSON),
    Fault("no_content_type", "fine", changed(lambda ex: replace(ex.answer, content_type=None))),
    _unusable("json_cut", _bytes(lambda data: data[: len(data) * 2 // 3])),
    _unusable("json_and_more", _bytes(lambda data: data + b"}")),
    _unusable("json_twice", _bytes(lambda data: data + data)),
    _unusable("json_not_utf8", _bytes(_not_utf8)),
    _unusable("json_null_byte", _bytes(lambda data: b"\0" + data)),
    _unusable("json_deep", _body(b"[" * DEEP + b"]" * DEEP)),
    _unusable("json_array", _body(b"[]")),
    _unusable("json_object", _body(b"{}")),
    _unusable("json_null", _body(b"null")),
    _unusable("json_string", _body(b'"text"')),
    _unusable("text_null", lambda ex: with_text(ex, None)),
    _unusable("text_number", lambda ex: with_text(ex, 5)),
    _unusable("text_object", lambda ex: with_text(ex, {"text": "a"})),
    _unusable("text_missing", _without_text),
    _unusable("choices_empty", _list([]), GOOGLE | CHAT),
    _unusable("choices_null", _list(None), GOOGLE | CHAT),
    _unusable("choices_string", _list("choices"), GOOGLE | CHAT),
    _unusable("choices_of_nulls", _list([None]), GOOGLE | CHAT),
    _unusable("choices_of_numbers", _list([1]), GOOGLE | CHAT),
    Fault("usage_null", "fine", changed(_usage(None)), JSON),
    Fault("usage_array", "fine", changed(_usage([1, 2])), JSON),
    Fault("usage_strings", "fine", changed(_counts("12")), JSON),
    Fault("usage_negative", "fine", changed(_counts(-12)), JSON),
    Fault("usage_beyond_int64", "fine", changed(_counts(1 << 70)), JSON),
    _odd_words("words_null", _words(None)),
    _odd_words("words_string", _words("words")),
    _odd_words("words_of_strings", _words(["one", "two"])),
    _odd_words("words_of_nulls", _words([None, None])),
    _odd_words("words_many", _words([{"word": "w", "text": "w", "start": 0, "end": 0.01}] * 40_000)),
    _odd_words("words_without_text", _each_word(lambda _: {"word": None, "text": None})),
    _odd_words("times_missing", _each_word(lambda _: {"start": None, "end": None})),
    _odd_words("times_strings", _each_word(lambda word: {"start": str(word["start"]), "end": str(word["end"])})),
    _odd_words("times_negative", _each_word(lambda _: {"start": -2.0, "end": -1.0})),
    _odd_words("times_reversed", _each_word(lambda word: {"start": word["end"], "end": word["start"]})),
    _odd_words("times_beyond", _each_word(lambda _: {"start": 1e9, "end": 1e300})),
    _odd_words("language_number", _member("language", 7)),
    _odd_words("language_long", _member("language", "en" * 1000)),
    _odd_words("duration_string", _member("duration", "1.5")),
    _odd_words("duration_negative", _member("duration", -1)),
    _odd_words("duration_huge", _member("duration", 1e300)),
]
