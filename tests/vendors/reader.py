# SPDX-License-Identifier: Apache-2.0
"""A plain client that reads answers by the rules of spec/providers.md and the adapters' headers, in one attempt.

It is what the table of faults is checked against: each row's outcome is what this client makes of it.
"""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import httpx

from vendors.audio import SPEECH_RATE
from vendors.by_hand import Request, base_of
from vendors.fault import Case, Outcome
from vendors.names import Stage
from vendors.requests import items, member
from vendors.shapes import from_base64

BOUNDS: Mapping[Stage, int] = {"tts": 64 << 20, "transcription": 4 << 20, "judge": 4 << 20}
SPEECH_MAX_S = 699


@dataclass(frozen=True)
class Attempt:
    """value: ms of speech, a transcript, a score. seen: all that the server sent, as far as it came."""

    outcome: Outcome
    value: int | str | None = None
    seen: bytes = b""


class _UnusableError(Exception):
    pass


def attempt(client: httpx.Client, request: Request) -> Attempt:
    try:
        with client.stream("POST", request.path, **_parts(client, request)) as response:
            head = b"".join(name + b": " + value + b"\n" for name, value in response.headers.raw)
            return _judge_response(request, response, head)
    except httpx.TransportError:
        return Attempt("transient")


def _parts(client: httpx.Client, request: Request) -> dict[str, Any]:
    built = request.build(base_of(client))
    return {"content": built.read(), "headers": {**built.headers, "accept-encoding": "identity"}}


def _judge_response(request: Request, response: httpx.Response, head: bytes) -> Attempt:
    status = response.status_code
    try:
        body = _bounded(response, BOUNDS[request.stage])
        if status in (408, 409, 429) or status >= 500:
            return Attempt("transient", seen=head + body)
        if not 200 <= status < 300:
            return Attempt("permanent", seen=head + body)
        return Attempt("fine", _value(request, response, body), head + body)
    except (_UnusableError, ValueError, RecursionError, struct.error):
        return Attempt("unusable", seen=head)


def _bounded(response: httpx.Response, bound: int) -> bytes:
    if int(response.headers.get("content-length", 0)) > bound:
        raise _UnusableError
    body = bytearray()
    for piece in response.iter_raw():
        body += piece
        if len(body) > bound:
            raise _UnusableError
    return bytes(body)


def _value(request: Request, response: httpx.Response, body: bytes) -> int | str:
    if response.headers.get("content-encoding", "identity") != "identity":
        raise _UnusableError
    if (request.vendor, request.stage) == ("openai", "tts"):
        return _samples_ms(body, response.headers.get("content-type", "").lower())
    return _READERS[request.vendor, request.stage](_object(body.decode()))


def _object(text: str) -> dict[str, Any]:
    value = json.loads(text, parse_constant=_no_constant)
    if not isinstance(value, dict):
        raise _UnusableError
    return cast("dict[str, Any]", value)


def _no_constant(_name: str) -> Any:
    raise _UnusableError


def _string(value: Any) -> str:
    if not isinstance(value, str):
        raise _UnusableError
    return value


# --- audio ---


# What the bytes of compressed audio, of other files and of text begin with.
_NO_SAMPLES = re.compile(
    rb"ID3|OggS|fLaC|#!AMR|....ftyp|RIFF....(?!WAVE)|FORM....AIF[FC]|caff|\.snd"
    rb"|\x89PNG|GIF8|\xff\xd8\xff|%PDF|\x1f\x8b\x08"
    rb"|[ \t\r\n]*[<{[]|[ -~\t\r\n]{16,255}\Z|[ -~\t\r\n]{256}"
    rb"|(\xff\xf3\x84).{189}\1|(\xff\xf9\x58).{9}\2",  # two of the frames that are sent here
    re.DOTALL,
)
_OTHER_CODINGS = re.compile(r"audio/(basic|pcm[ua]|(x-)?(mu|a)law|g711.*|l8|l2[04]|amr.*|(x-)?aiff)")


def _samples_ms(body: bytes, content_type: str) -> int:
    kind, _, parameters = content_type.partition(";")
    if kind not in ("", "application/octet-stream", "binary/octet-stream") and not kind.startswith("audio/"):
        raise _UnusableError
    if _OTHER_CODINGS.fullmatch(kind):
        raise _UnusableError
    return _speech_ms(body, _rate(parameters) if kind in ("audio/pcm", "audio/l16") else SPEECH_RATE)


def _rate(parameters: str) -> int:
    if (found := re.search(r"channels=(\d+)", parameters)) and int(found[1]) != 1:
        raise _UnusableError
    found = re.search(r"rate=(\d+)", parameters)
    return int(found[1]) if found else SPEECH_RATE


def _speech_ms(audio: bytes, rate: int) -> int:
    if _NO_SAMPLES.match(audio):
        raise _UnusableError
    if audio.startswith(b"RIFF"):
        audio, rate = _open_wav(audio)
    if len(audio) < 2 or not 4000 <= rate <= 192_000 or len(audio) // 2 > SPEECH_MAX_S * rate:
        raise _UnusableError
    return round(len(audio) // 2 * 1000 / rate)


def _open_wav(audio: bytes) -> tuple[bytes, int]:
    """What samples there are, whatever the header promises."""
    at, rate = 12, 0
    while at + 8 <= len(audio):
        name, size = struct.unpack_from("<4sI", audio, at)
        if name == b"data":
            return audio[at + 8 : at + 8 + size], rate
        if name == b"fmt ":
            kind, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", audio, at + 8)
            if (kind, channels, bits) != (1, 1, 16):
                raise _UnusableError
        at += 8 + size + size % 2
    raise _UnusableError


def _mistral_speech(body: dict[str, Any]) -> int:
    audio = from_base64(_string(body.get("audio_data")))
    if not audio.startswith(b"RIFF"):
        raise _UnusableError
    return _speech_ms(audio, 0)


# --- what a model says ---


def _parts_of(body: dict[str, Any]) -> list[Any]:
    candidates = items(body, "candidates")
    if member(body, "promptFeedback", "blockReason") or not candidates:
        raise _UnusableError
    parts = items(candidates[0], "content", "parts")
    if member(candidates[0], "finishReason") != "STOP" or not parts:
        raise _UnusableError
    return parts


def _google_text(body: dict[str, Any]) -> str:
    told = [part for part in _parts_of(body) if not member(part, "thought")]
    text = "".join(_string(member(part, "text")) for part in told)
    if not text:
        raise _UnusableError
    return text


def _google_speech(body: dict[str, Any]) -> int:
    audio, rate = b"", SPEECH_RATE
    for part in _parts_of(body):
        mime = _string(member(part, "inlineData", "mimeType"))
        if not mime.lower().startswith(("audio/l16", "audio/pcm", "audio/wav")):
            raise _UnusableError
        audio += from_base64(_string(member(part, "inlineData", "data")))
        rate = _rate(mime.lower())
    return _speech_ms(audio, rate)


def _transcript(body: dict[str, Any]) -> str:
    return _string(body.get("text"))


def _chat_text(body: dict[str, Any]) -> str:
    choice = next(iter(items(body, "choices")), None)
    if member(choice, "finish_reason") != "stop" or member(choice, "message", "refusal"):
        raise _UnusableError
    content = member(choice, "message", "content")
    if isinstance(content, list):
        return "".join(_string(member(chunk, "text")) for chunk in cast("list[Any]", content))
    return _string(content)


_SCORE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(?:%|/\s*100)?\s*")


# A tag of thinking, or the brace of what may be an object.
_MARK = re.compile(
    r"(?P<close></(?:think|thinking|reasoning)>|\[/THINK\])|(?P<open><(?:think|thinking|reasoning)>|\[THINK\])"
    r"|\{(?=[ \t\r\n]*[\"}])"
)
_BRACE_OR_STRING = re.compile(r'[{}]|"(?:[^"\\]|\\.)*(?:"|\Z)', re.DOTALL)


def _score(text: str) -> int:
    """That of every JSON object that has one or more: they must be the same. What was thought before does not count."""
    scores: list[Any] = []
    at = 0
    while mark := _MARK.search(text, at):
        at = mark.end()
        if opening := mark["open"]:
            closing = opening[0] + "/" + opening[1:]
            at = text.index(closing, at) + len(closing)
        if mark["open"] or mark["close"]:
            scores.clear()
            continue
        at = _end_of_object(text, mark.start())
        try:
            found = json.loads(text[mark.start() : at], object_pairs_hook=list)
        except json.JSONDecodeError:
            continue
        scores += [value for name, value in found if name == "score"]
    points = {_number(score) for score in scores}
    if len(points) != 1:
        raise _UnusableError
    return points.pop()


def _end_of_object(text: str, start: int) -> int:
    depth = 0
    for found in _BRACE_OR_STRING.finditer(text, start):
        depth += {"{": 1, "}": -1}.get(found[0], 0)
        if depth == 0:
            return found.end()
    raise _UnusableError


def _number(score: Any) -> int:
    if isinstance(score, str) and (found := _SCORE.fullmatch(score)):
        score = float(found[1])
    if isinstance(score, bool) or not isinstance(score, int | float) or not 0 <= score <= 100:
        raise _UnusableError
    return int(score + 0.5)


_READERS: Mapping[Case, Callable[[dict[str, Any]], int | str]] = {
    ("openai", "transcription"): _transcript,
    ("openai", "judge"): lambda body: _score(_chat_text(body)),
    ("google", "tts"): _google_speech,
    ("google", "transcription"): lambda body: _transcript(_object(_google_text(body))),
    ("google", "judge"): lambda body: _score(_google_text(body)),
    ("mistral", "tts"): _mistral_speech,
    ("mistral", "transcription"): _transcript,
    ("mistral", "judge"): lambda body: _score(_chat_text(body)),
}
