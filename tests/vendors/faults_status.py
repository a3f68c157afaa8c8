# SPDX-License-Identifier: Apache-2.0
"""Answers with a status other than 200, and what may stand in their bodies."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from vendors.answers import Answer
from vendors.exchange import Exchange
from vendors.fault import JUDGE, TRANSCRIPTION, Fault, Outcome, changed, key_of, vendor_error, with_words

CUT = 512  # bytes of an error's body that xrayd keeps
LONG = 1 << 20

_TRANSIENT = (408, 409, 500, 502, 503, 504, 529)
_PERMANENT = (400, 401, 402, 403, 404, 405, 413, 415, 422)
_REDIRECTS = (301, 302, 303, 307, 308)


def _status(status: int, **headers: str) -> Callable[[Exchange], Answer]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda exchange: replace(vendor_error(exchange, status, f"This is error {status}."), headers=named)


def _plain(status: int, outcome: Outcome) -> Fault:
    return Fault(f"status_{status}", outcome, changed(_status(status)))


def _redirect(status: int) -> Fault:
    def answer(exchange: Exchange) -> Answer:
        return Answer(status, b"", None, {"Location": f"{exchange.base}/redirected{exchange.call.path}"})

    return Fault(f"status_{status}", "permanent", changed(answer))


def _retry_at(exchange: Exchange) -> Answer:
    # Whole seconds: at least one from now.
    then = (datetime.now(UTC) + timedelta(seconds=2)).replace(microsecond=0)
    return _status(429, Retry_After=format_datetime(then, usegmt=True))(exchange)


def _limited(name: str, value: str, after_s: float | None, *, slow: bool = False) -> Fault:
    answer = changed(_status(429, Retry_After=value))
    return Fault(f"limited_{name}", "transient", answer, retry_after_s=after_s, slow=slow)


def _error(body: Callable[[Exchange], bytes], content_type: str = "application/json") -> Callable[[Exchange], Answer]:
    return lambda exchange: Answer(400, body(exchange), content_type)


def _key_in_message(exchange: Exchange) -> Answer:
    return vendor_error(exchange, 401, f"Incorrect API key provided: {key_of(exchange)}.", "invalid_api_key")


def _key_escaped(exchange: Exchange) -> bytes:
    escaped = "".join(f"\\u{ord(c):04x}" for c in key_of(exchange))
    return b'{"error":{"message":"Incorrect API key provided: %b","code":400}}' % escaped.encode()


def _key_across_the_cut(exchange: Exchange) -> bytes:
    """What is kept ends in the middle of the key."""
    key = key_of(exchange).encode()
    return b"x" * (CUT - len(key) // 2) + key + b" is not known here."


def _key_often(exchange: Exchange) -> bytes:
    return (b"Bearer " + key_of(exchange).encode() + b"\n") * 200


def _key_in_headers(exchange: Exchange) -> Answer:
    key = key_of(exchange)
    headers = {"WWW-Authenticate": f'Bearer realm="{key}"', "X-Request-Id": key}
    return replace(vendor_error(exchange, 401, "Look at the headers."), headers=headers)


def _key_in_words(exchange: Exchange) -> Answer:
    return with_words(exchange, lambda text: f"{text} The key is {key_of(exchange)}, Bearer {key_of(exchange)}.")


def _message(message: str) -> bytes:
    return json.dumps({"error": {"message": message}}).encode()


_CONTROLS = "bell \a escape \x1b[31mred\x1b[0m null \0 line\r\nINFO forged=1 delete \x7f next \x85 bidi \u202e"

FAULTS_STATUS = [
    *(_plain(status, "transient") for status in _TRANSIENT),
    *(_plain(status, "permanent") for status in _PERMANENT),
    *(_redirect(status) for status in _REDIRECTS),
    Fault("status_204", "unusable", changed(lambda _: Answer(204, b"", None))),
    Fault("limited", "transient", changed(_status(429))),
    _limited("seconds", "1", 1),
    _limited("zero", "0", 0),
    Fault("limited_date", "transient", changed(_retry_at), retry_after_s=1),
    _limited("past_date", "Wed, 21 Oct 2015 07:28:00 GMT", 0),
    _limited("nonsense", "soon", None),
    _limited("negative", "-5", None),
    _limited("overflow", "9" * 40, 30, slow=True),
    _limited("hour", "3600", 30, slow=True),
    Fault("unavailable_seconds", "transient", changed(_status(503, Retry_After="1")), retry_after_s=1),
    Fault("error_empty", "permanent", changed(_error(lambda _: b""))),
    Fault("error_html", "permanent", changed(_error(lambda _: b"<html><h1>Bad gateway</h1></html>", "text/html"))),
    Fault("error_long", "permanent", changed(_error(lambda _: _message("long " * (LONG // 5))))),
    Fault("error_controls", "permanent", changed(_error(lambda _: _message(_CONTROLS)))),
    Fault("error_controls_raw", "permanent", changed(_error(lambda _: _CONTROLS.encode(), "text/plain"))),
    Fault("error_not_utf8", "permanent", changed(_error(lambda _: b'{"error":{"message":"\xff\xfe\xc3\x28 \x80"}}'))),
    Fault("key_in_error", "permanent", changed(_key_in_message), secret=True),
    Fault("key_escaped", "permanent", changed(_error(_key_escaped)), secret=True),
    Fault("key_across_the_cut", "permanent", changed(_error(_key_across_the_cut, "text/plain")), secret=True),
    Fault("key_often", "permanent", changed(_error(_key_often, "text/plain")), secret=True),
    Fault("key_in_headers", "permanent", changed(_key_in_headers), secret=True),
    Fault("key_in_words", "fine", changed(_key_in_words), TRANSCRIPTION | JUDGE, secret=True),
]
