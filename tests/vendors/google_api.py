# SPDX-License-Identifier: Apache-2.0
"""Google's generateContent for speech, transcription and judges, as far as its reference and google-genai tell.

The package has no type for a whole request; its fields are put together here, from types of the package.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from google.genai import types
from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

from vendors.answers import Answer, Refused, json_answer, wrong
from vendors.audio import SPEECH_RATE, speech_ms, tone
from vendors.calls import Call
from vendors.names import Stage
from vendors.requests import Settings, check_range, items, json_of, member, refuse, wav_of
from vendors.script import Asked, tokens
from vendors.shapes import Shape, from_base64

# fmt: off
VOICES = frozenset({
    "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe", "Autonoe", "Enceladus",
    "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib", "Rasalgethi", "Laomedeia", "Achernar",
    "Alnilam", "Schedar", "Gacrux", "Pulcherrima", "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia",
    "Sadaltager", "Sulafat",
})
# fmt: on
_STATUS = {400: "INVALID_ARGUMENT", 403: "PERMISSION_DENIED", 404: "NOT_FOUND", 413: "INVALID_ARGUMENT"}
_AUDIO_TYPES = ("audio/wav", "audio/x-wav")
_IN_A_PART = {"text", "inlineData", "fileData", "functionCall", "functionResponse", "executableCode"}


class _GenerateContent(BaseModel):
    model_config = ConfigDict(alias_generator=to_camel)
    contents: list[types.Content]
    system_instruction: types.Content | None = None
    generation_config: types.GenerationConfig | None = None
    safety_settings: list[types.SafetySetting] | None = None
    tools: list[Any] | None = None
    tool_config: Any = None
    cached_content: str | None = None
    labels: dict[str, str] | None = Field(default=None)


_GenerateContent.__module__ = "google.here"  # both spellings of names, as for the package's own types
_REQUEST = Shape.of(_GenerateContent)


def error(refused: Refused) -> Answer:
    status = {401: 403, 415: 400, 422: 400}.get(refused.status, refused.status)
    message = refused.message
    shape: dict[str, Any] = {"code": status, "message": message, "status": _STATUS.get(status, "UNKNOWN")}
    if refused.problem:
        shape["message"] = f"Invalid JSON payload received. {refused.problem.path}: {message}"
    if refused.code == "API_KEY_INVALID":
        kind = "type.googleapis.com/google.rpc.ErrorInfo"
        shape["details"] = [{"@type": kind, "reason": refused.code, "domain": "googleapis.com"}]
    return json_answer({"error": shape}, status)


def camel(value: Any) -> Any:
    """The JSON with the documented spelling of all names. Names in a schema's properties are the user's own."""
    if isinstance(value, list):
        return [camel(v) for v in value]  # pyright: ignore[reportUnknownVariableType]
    if not isinstance(value, dict):
        return value
    members: dict[str, Any] = value  # pyright: ignore[reportUnknownVariableType]
    return {to_camel(k) if "_" in k else k: _inside(to_camel(k), v) for k, v in members.items()}


def _inside(name: str, value: Any) -> Any:
    if name == "properties" and isinstance(value, dict):
        return {k: camel(v) for k, v in value.items()}  # pyright: ignore[reportUnknownVariableType]
    return camel(value)


def _parts(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for content in body["contents"]:
        yield from items(content, "parts")


def _text(content: Any) -> str:
    return "".join(part.get("text", "") for part in items(content, "parts"))


def _stage(body: dict[str, Any], config: dict[str, Any]) -> Stage:
    if "AUDIO" in (config.get("responseModalities") or []):
        return "tts"
    return "transcription" if any("inlineData" in part for part in _parts(body)) else "judge"


def generate(call: Call, settings: Settings) -> Answer:
    raw = json_of(call)
    refuse(_REQUEST.check(raw))
    body: dict[str, Any] = camel(raw)
    config: dict[str, Any] = body.get("generationConfig") or {}
    call.stage = _stage(body, config)
    call.model = call.path.rpartition("/")[2].partition(":")[0]
    _check_model(call, settings)
    _check_contents(body)
    _check_config(config)
    return {"tts": _speech, "transcription": _transcription, "judge": _judge}[call.stage](call, body, settings)


def _check_model(call: Call, settings: Settings) -> None:
    try:
        settings.check_model(call.model)
    except Refused as refused:
        message = f"models/{call.model} is not found for API version v1beta"
        raise Refused("model", 404, message, "model") from refused
    if call.model.startswith("gemini") and ("tts" in call.model) != (call.stage == "tts"):
        raise wrong("The requested combination of response modalities is not supported by the model.")


def _check_contents(body: dict[str, Any]) -> None:
    if not body["contents"]:
        raise wrong("contents is not specified", "contents")
    for i, content in enumerate(body["contents"]):
        if content.get("role") not in (None, "user", "model"):
            raise wrong("Please use a valid role: user, model.", f"contents[{i}].role")
        if not content.get("parts"):
            raise wrong("must include at least one parts field", f"contents[{i}].parts")
    for part in _parts(body):
        if len(_IN_A_PART & set(part)) != 1:
            raise wrong("required oneof field 'data' must have one initialized field", "contents.parts.data")


def _check_config(config: dict[str, Any]) -> None:
    check_range(config, "temperature", 0, 2)
    check_range(config, "topP", 0, 1)
    if config.get("candidateCount", 1) != 1:
        raise wrong("this fake answers with one candidate", "generationConfig.candidateCount")
    schema = config.get("responseSchema")
    if schema is not None and config.get("responseMimeType") not in ("application/json", "text/x.enum"):
        raise wrong("a response schema needs response mime type application/json", "generationConfig.responseMimeType")
    unknown = set(items(schema, "required")) - set(member(schema, "properties") or ())
    if unknown:
        raise wrong(f"required names {sorted(unknown)}, which are not defined", "generationConfig.responseSchema")


def _answer(call: Call, part: dict[str, Any], told: dict[str, int], said: dict[str, int]) -> Answer:
    """told, said: tokens by modality."""

    def details(counts: dict[str, int]) -> list[dict[str, Any]]:
        return [{"modality": modality, "tokenCount": n} for modality, n in counts.items()]

    candidate = {"content": {"parts": [part], "role": "model"}, "finishReason": "STOP", "index": 0}
    prompt, out = sum(told.values()), sum(said.values())
    usage = {"promptTokenCount": prompt, "candidatesTokenCount": out, "totalTokenCount": prompt + out}
    usage |= {"promptTokensDetails": details(told), "candidatesTokensDetails": details(said)}
    head = {"candidates": [candidate], "usageMetadata": usage}
    return json_answer(head | {"modelVersion": call.model, "responseId": "fake"})


def _speech(call: Call, body: dict[str, Any], settings: Settings) -> Answer:
    config = body["generationConfig"]
    call.text = "".join(_text(content) for content in body["contents"])
    if body.get("systemInstruction") or config.get("responseMimeType"):
        raise wrong("Developer instruction and JSON mode are not enabled for this model")
    if config["responseModalities"] != ["AUDIO"] or not call.text:
        raise wrong("this model speaks a text and does nothing else", "generationConfig.responseModalities")
    name = member(config, "speechConfig", "voiceConfig", "prebuiltVoiceConfig", "voiceName") or "Kore"
    if name not in VOICES and not settings.any_voice:
        raise wrong(f"Voice name {name} is not supported. Allowed voice names are: {', '.join(sorted(VOICES))}")
    ms = speech_ms(call.text)
    data = {"mimeType": f"audio/L16;codec=pcm;rate={SPEECH_RATE}", "data": base64.b64encode(tone(ms)).decode()}
    return _answer(call, {"inlineData": data}, {"TEXT": tokens(call.text)}, {"AUDIO": max(1, ms // 40)})


def _wants_json(body: dict[str, Any]) -> bool:
    return member(body, "generationConfig", "responseMimeType") == "application/json"


def _transcription(call: Call, body: dict[str, Any], settings: Settings) -> Answer:
    blobs = [part["inlineData"] for part in _parts(body) if "inlineData" in part]
    if len(blobs) != 1 or blobs[0].get("mimeType") not in _AUDIO_TYPES:
        raise wrong(f"this fake hears one recording of type {', '.join(_AUDIO_TYPES)}", "inlineData.mimeType")
    instruction = "".join(_text(content) for content in body["contents"]) + _text(body.get("systemInstruction"))
    wav = wav_of(call, from_base64(blobs[0].get("data") or ""), "inlineData.data")
    heard = settings.script.heard(wav)
    answer: dict[str, Any] = {"text": heard.text}
    if member(body, "generationConfig", "responseSchema", "properties", "language") is not None:
        answer["language"] = heard.language
    text = json.dumps(answer, ensure_ascii=False) if _wants_json(body) else f"The speaker says: {heard.text}"
    told = {"TEXT": tokens(instruction), "AUDIO": max(1, wav.ms * 32 // 1000)}
    return _answer(call, {"text": text}, told, {"TEXT": tokens(text)})


def _judge(call: Call, body: dict[str, Any], settings: Settings) -> Answer:
    system = _text(body.get("systemInstruction"))
    user = "".join(_text(content) for content in body["contents"])
    call.text = f"{system}\n{user}"
    text = settings.script.judged(Asked.of(system, user), as_json=_wants_json(body))
    return _answer(call, {"text": text}, {"TEXT": tokens(call.text)}, {"TEXT": tokens(text)})
