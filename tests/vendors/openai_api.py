# SPDX-License-Identifier: Apache-2.0
"""OpenAI's speech, transcription and chat completions, as far as its reference and the `openai` package tell."""

from __future__ import annotations

from typing import Any

from openai.types.audio.speech_create_params import SpeechCreateParams, Voice
from openai.types.audio.transcription_create_params import TranscriptionCreateParamsNonStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsNonStreaming

from vendors.answers import Answer, Refused, json_answer, wrong
from vendors.audio import Wav, make_wav, speech_ms, tone
from vendors.calls import Call
from vendors.requests import Settings, check_range, file_of, form_like, items, json_like, member
from vendors.script import Asked, Heard, tokens
from vendors.shapes import Shape, values_of

INPUT_MAX = 4096  # characters to be spoken
FILE_MAX = 26_214_400
AUDIO_MIN_S = 0.1
CREATED = 1_767_323_045

_SPEECH = Shape.of(SpeechCreateParams)
_TRANSCRIPTION = Shape.of(TranscriptionCreateParamsNonStreaming)
_CHAT = Shape.of(CompletionCreateParamsNonStreaming)
VOICES = values_of(Voice)
LANGUAGES = {"en": "english", "de": "german", "fr": "french", "es": "spanish"}


def error(refused: Refused) -> Answer:
    code = refused.code or {"key": "invalid_api_key", "model": "model_not_found"}.get(refused.fit)
    status = 400 if refused.status == 422 else refused.status
    message = refused.message
    if refused.problem:
        code = {"missing": "missing_required_parameter", "unknown": "unknown_parameter"}.get(refused.problem.kind)
        message = f"Invalid request, {refused.problem.path or 'body'}: {message}"
    shape = {"message": message, "type": "invalid_request_error", "param": refused.param, "code": code}
    return json_answer({"error": shape}, status)


# --- speech ---


def speech(call: Call, settings: Settings) -> Answer:
    body = json_like(call, _SPEECH)
    call.model, call.text = body["model"], body["input"]
    settings.check_model(call.model)
    if not 1 <= len(call.text) <= INPUT_MAX:
        raise wrong(f"String should have 1 to {INPUT_MAX} characters, has {len(call.text)}", "input")
    if isinstance(body["voice"], str) and body["voice"] not in VOICES and not settings.any_voice:
        raise wrong(f"Voice must be one of {', '.join(sorted(VOICES))}", "voice")
    check_range(body, "speed", 0.25, 4)
    return _spoken(tone(speech_ms(call.text)), body.get("response_format", "mp3"))


def _spoken(samples: bytes, wanted: str) -> Answer:
    if wanted == "pcm":
        return Answer(200, samples, "audio/pcm")
    if wanted == "wav":
        return Answer(200, make_wav(samples), "audio/wav")
    raise wrong(f"this fake cannot make {wanted}", "response_format")


# --- transcription ---


def transcription(call: Call, settings: Settings) -> Answer:
    fields = form_like(call, _TRANSCRIPTION, brackets=True)
    call.model = fields["model"]
    settings.check_model(call.model)
    wanted = fields.get("response_format", "json")
    granularities: list[str] = fields.get("timestamp_granularities", [])
    _check_format(call.model, wanted, granularities)
    check_range(fields, "temperature", 0, 1)
    if fields.get("stream") == "true":
        raise wrong("this fake does not stream", "stream")
    if len(call.body) > FILE_MAX:
        raise wrong(f"Maximum content size limit ({FILE_MAX}) exceeded", "file", status=413)
    wav = file_of(call)
    if wav.seconds < AUDIO_MIN_S:
        raise wrong(f"Audio file is too short. Minimum audio length is {AUDIO_MIN_S} seconds.", "file")
    return _written(call, wav, settings.script.heard(wav), wanted, granularities)


def _check_format(model: str, wanted: str, granularities: list[str]) -> None:
    if granularities and wanted != "verbose_json":
        raise wrong("timestamp_granularities[] needs response_format=verbose_json", "timestamp_granularities")
    if model.startswith("gpt-") and wanted not in ("json", "text"):
        raise wrong(f"response_format '{wanted}' is not compatible with model '{model}'.", "response_format")


def _written(call: Call, wav: Wav, heard: Heard, wanted: str, granularities: list[str]) -> Answer:
    if wanted == "text":
        return Answer(200, f"{heard.text}\n".encode(), "text/plain; charset=utf-8")
    if wanted == "json":
        return json_answer({"text": heard.text, "usage": _audio_usage(call.model, wav, heard)})
    if wanted != "verbose_json":
        raise wrong(f"this fake cannot make {wanted}", "response_format")
    verbose: dict[str, Any] = {
        "task": "transcribe",
        "language": LANGUAGES.get(heard.language, heard.language),
        "duration": round(wav.seconds, 3),
        "text": heard.text,
        "usage": {"type": "duration", "seconds": -(-wav.ms // 1000)},
    }
    if "word" in granularities:
        verbose["words"] = [{"word": w.text, "start": w.start_s, "end": w.end_s} for w in heard.words]
    if "segment" in granularities or not granularities:
        verbose["segments"] = [_segment(heard, wav)]
    return json_answer(verbose)


def _segment(heard: Heard, wav: Wav) -> dict[str, Any]:
    times = {"id": 0, "seek": 0, "start": 0.0, "end": round(wav.seconds, 2)}
    odds = {"temperature": 0.0, "avg_logprob": -0.2, "compression_ratio": 1.0, "no_speech_prob": 0.01}
    return times | {"text": heard.text, "tokens": [50364]} | odds


def _audio_usage(model: str, wav: Wav, heard: Heard) -> dict[str, Any]:
    if model.startswith("whisper"):
        return {"type": "duration", "seconds": -(-wav.ms // 1000)}
    told, said = max(1, wav.ms // 100), tokens(heard.text)
    details = {"text_tokens": 0, "audio_tokens": told}
    return {"type": "tokens", "input_tokens": told, "input_token_details": details} | {
        "output_tokens": said,
        "total_tokens": told + said,
    }


# --- chat ---


def text_of(message: dict[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    return "".join(chunk.get("text", "") for chunk in items(message, "content"))


def asked_of(call: Call, body: dict[str, Any]) -> Asked:
    """Sets the call's text."""
    messages: list[dict[str, Any]] = body["messages"]
    call.text = "\n".join(text_of(m) for m in messages)
    system = "\n".join(text_of(m) for m in messages if m["role"] in ("system", "developer"))
    return Asked.of(system, "\n".join(text_of(m) for m in messages if m["role"] == "user"))


def judge(call: Call, settings: Settings) -> Answer:
    body = json_like(call, _CHAT)
    call.model = body["model"]
    settings.check_model(call.model)
    check_range(body, "temperature", 0, 2)
    check_range(body, "top_p", 0, 1)
    if body.get("stream") or (body.get("n") or 1) != 1 or not body["messages"]:
        raise wrong("this fake answers messages with one choice, and does not stream")
    asked = asked_of(call, body)
    as_json = member(body, "response_format", "type") not in (None, "text")
    if as_json and "json" not in call.text.lower():
        raise wrong("'messages' must contain the word 'json' in some form, to use 'response_format'", "messages")
    return json_answer(_completion(call, settings.script.judged(asked, as_json=as_json)))


def _completion(call: Call, text: str) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None, "annotations": []}
    told, said = tokens(call.text), tokens(text)
    usage = {
        "prompt_tokens": told,
        "completion_tokens": said,
        "total_tokens": told + said,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }
    head = {"id": "chatcmpl-fake", "object": "chat.completion", "created": CREATED, "model": call.model}
    choice: dict[str, Any] = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}
    return head | {"choices": [choice], "usage": usage, "service_tier": "default", "system_fingerprint": None}
