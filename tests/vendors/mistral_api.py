# SPDX-License-Identifier: Apache-2.0
"""Mistral's speech, transcription and chat completions, as far as its reference and the `mistralai` package tell."""

from __future__ import annotations

import base64
import re
from typing import Any

from mistralai.client.models import AudioTranscriptionRequest, ChatCompletionRequest, SpeechRequest

from vendors.answers import Answer, Refused, json_answer, wrong
from vendors.audio import Wav, make_wav, speech_ms, tone
from vendors.calls import Call
from vendors.openai_api import CREATED, asked_of
from vendors.requests import Settings, check_range, file_of, form_like, json_like, member
from vendors.script import Heard, tokens
from vendors.shapes import Shape

_SPEECH = Shape.of(SpeechRequest)
_TRANSCRIPTION = Shape.of(AudioTranscriptionRequest)
_CHAT = Shape.of(ChatCompletionRequest)
# A preset: language, name, mood; or the id of a voice of one's own.
_VOICE = re.compile(r"[a-z]{2}_[a-z]+_[a-z]+|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_PYDANTIC = {"missing": "missing", "unknown": "extra_forbidden", "type": "type_error", "value": "literal_error"}


def error(refused: Refused) -> Answer:
    if refused.fit in ("key", "path", "method"):
        detail = {"key": "Unauthorized", "path": "Not Found", "method": "Method Not Allowed"}[refused.fit]
        return json_answer({"detail": detail}, refused.status)
    if refused.fit == "type":
        return json_answer({"detail": [{"type": "missing", "loc": ["body"], "msg": refused.message}]}, 422)
    if refused.problem:
        where = ["body", *refused.problem.where]
        detail = {"type": _PYDANTIC[refused.problem.kind], "loc": where, "msg": refused.message, "input": None}
        return json_answer({"detail": [detail]}, 422)
    kind, status = ("invalid_model", 400) if refused.fit == "model" else ("invalid_request_error", refused.status)
    shape = {"object": "error", "message": refused.message, "type": kind, "param": refused.param}
    return json_answer(shape | {"code": refused.code or "1500"}, status)


def speech(call: Call, settings: Settings) -> Answer:
    body = json_like(call, _SPEECH)
    call.model, call.text = body.get("model") or "", body["input"]
    settings.check_model(call.model)
    if not call.text or body.get("stream"):
        raise wrong("this fake speaks a text that is not empty, and does not stream", "input")
    voice = body.get("voice_id")
    if voice is None and body.get("ref_audio") is None:
        raise wrong("Either voice_id or ref_audio must be given", "voice_id")
    if voice is not None and not _VOICE.fullmatch(voice) and not settings.any_voice:
        raise wrong(f"Voice {voice!r} not found", "voice_id", status=404)
    if body.get("response_format", "mp3") != "wav":
        raise wrong("this fake makes wav only", "response_format")
    return json_answer({"audio_data": base64.b64encode(make_wav(tone(speech_ms(call.text)))).decode()})


def transcription(call: Call, settings: Settings) -> Answer:
    fields = form_like(call, _TRANSCRIPTION, brackets=False)
    call.model = fields["model"]
    settings.check_model(call.model)
    check_range(fields, "temperature", 0, 1)
    if fields.get("stream") == "true":
        raise wrong("this fake does not stream", "stream")
    if {"language", "timestamp_granularities"} <= set(fields):
        raise wrong("language and timestamp_granularities cannot be used together", "language")
    wav = file_of(call)
    heard = settings.script.heard(wav)
    return json_answer(_written(call.model, wav, heard, fields.get("timestamp_granularities", [])))


def _written(model: str, wav: Wav, heard: Heard, granularities: list[str]) -> dict[str, Any]:
    told, said = 3, tokens(heard.text)
    usage = {"prompt_audio_seconds": -(-wav.ms // 1000), "prompt_tokens": told}
    written: dict[str, Any] = {"model": model, "text": heard.text, "language": None, "segments": []}
    if "word" in granularities:
        written["segments"] = [_segment(f" {w.text}", w.start_s, w.end_s) for w in heard.words]
    elif granularities:
        written["segments"] = [_segment(heard.text, 0.0, round(wav.seconds, 2))]
    return written | {"usage": usage | {"completion_tokens": said, "total_tokens": told + said}}


def _segment(text: str, start: float, end: float) -> dict[str, Any]:
    return {"type": "transcription_segment", "text": text, "start": start, "end": end, "score": None}


def judge(call: Call, settings: Settings) -> Answer:
    body = json_like(call, _CHAT)
    call.model = body["model"]
    settings.check_model(call.model)
    check_range(body, "temperature", 0, 1.5)
    check_range(body, "top_p", 0, 1)
    if body.get("stream") or (body.get("n") or 1) != 1:
        raise wrong("this fake answers with one choice, and does not stream")
    if not body["messages"] or body["messages"][-1]["role"] not in ("user", "tool"):
        raise wrong("Expected last role User or Tool for serving", "messages")
    asked = asked_of(call, body)
    as_json = member(body, "response_format", "type") not in (None, "text")
    return json_answer(_completion(call, settings.script.judged(asked, as_json=as_json)))


def _completion(call: Call, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "tool_calls": None, "prefix": False}
    told, said = tokens(call.text), tokens(text)
    head = {"id": "fake", "object": "chat.completion", "created": CREATED, "model": call.model}
    usage = {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}
    return head | {"choices": [{"index": 0, "message": message, "finish_reason": "stop"}], "usage": usage}
