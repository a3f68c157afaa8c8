# SPDX-License-Identifier: Apache-2.0
"""The nine requests as spec/providers.md and the vendors' references write them, for the fake's own tests.

xrayd's differ in their texts only.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import httpx

from vendors.audio import make_wav, tone
from vendors.names import KEYS, MODELS, VERSIONS, VOICES, Stage, Vendor
from vendors.sdk import HEARD, JUDGED

HEARD_MS = 1500
WAV = make_wav(tone(HEARD_MS, 16_000), 16_000)
TEXT = "Two tickets to Cologne, please."
SYSTEM = "Grade the agent. Answer with a JSON object."
USER = """<reference>
The agent sells two tickets.
</reference>
<transcript>
[turn 0] [agent]: two tickets it is
</transcript>
Grade the agent now.
"""
INSTRUCTION = "Write down what is said."


@dataclass(frozen=True)
class Request:
    """JSON or a form; `send` makes it HTTP."""

    vendor: Vendor
    stage: Stage
    path: str
    json: Any = None
    form: tuple[tuple[str, str], ...] = ()
    file: tuple[str, bytes, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])

    def with_json(self, **members: Any) -> Request:
        return replace(self, json=self.json | members)

    def with_config(self, **members: Any) -> Request:
        """Google's generationConfig."""
        return self.with_json(generationConfig=self.json.get("generationConfig", {}) | members)

    def without(self, *names: str) -> Request:
        if self.json is not None:
            return replace(self, json={k: v for k, v in self.json.items() if k not in names})
        return replace(self, form=tuple(f for f in self.form if f[0] not in names))

    def with_field(self, name: str, value: str) -> Request:
        return replace(self, form=(*self.without(name).form, (name, value)))

    def with_wav(self, data: bytes) -> Request:
        if self.file:
            return replace(self, file=(self.file[0], data, self.file[2]))
        blob = {"inlineData": {"mimeType": "audio/wav", "data": base64.b64encode(data).decode()}}
        return self.with_json(contents=[{"role": "user", "parts": [{"text": INSTRUCTION}, blob]}])

    def build(self, base: str) -> httpx.Request:
        """base: the vendor's base URL, without a slash at its end."""
        url = base + self.path
        if self.json is not None:
            return httpx.Request("POST", url, json=self.json, headers=self.headers)
        fields: list[tuple[str, Any]] = [(name, (None, value)) for name, value in self.form]
        files = [*fields, ("file", self.file)] if self.file else fields
        return httpx.Request("POST", url, files=files, headers=self.headers)

    def send(self, client: httpx.Client) -> httpx.Response:
        """client: with the vendor's base URL."""
        return client.send(self.build(base_of(client)))


def base_of(client: httpx.Client) -> str:
    return str(client.base_url).removesuffix("/")


def key_headers(vendor: Vendor, key: str | None = None) -> dict[str, str]:
    key = key or KEYS[vendor]
    return {"x-goog-api-key": key} if vendor == "google" else {"Authorization": f"Bearer {key}"}


def request(vendor: Vendor, stage: Stage) -> Request:
    """With the vendor's key."""
    made = {"tts": _speech, "transcription": _transcription, "judge": _judge}[stage](vendor)
    return replace(made, headers=key_headers(vendor))


def _generate(stage: Stage, body: dict[str, Any]) -> Request:
    path = f"{VERSIONS['google']}/models/{MODELS[stage, 'google']}:generateContent"
    return Request("google", stage, path, json=body)


def _user(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "parts": list(parts)}]


def _json_mode(schema: dict[str, Any]) -> dict[str, Any]:
    return {"temperature": 0, "responseMimeType": "application/json", "responseSchema": schema}


def _speech(vendor: Vendor) -> Request:
    if vendor == "google":
        voice = {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": VOICES[vendor]}}}
        config = {"responseModalities": ["AUDIO"], "speechConfig": voice}
        return _generate("tts", {"contents": _user({"text": TEXT}), "generationConfig": config})
    voice_name, wanted = {"openai": ("voice", "pcm"), "mistral": ("voice_id", "wav")}[vendor]
    body = {"model": MODELS["tts", vendor], "input": TEXT, voice_name: VOICES[vendor], "response_format": wanted}
    return Request(vendor, "tts", "/v1/audio/speech", json=body)


def _transcription(vendor: Vendor) -> Request:
    if vendor == "google":
        return _generate("transcription", {"generationConfig": _json_mode(HEARD)}).with_wav(WAV)
    form = [("model", MODELS["transcription", vendor])]
    if vendor == "openai":
        form += [("response_format", "verbose_json"), ("timestamp_granularities[]", "word")]
    else:
        form += [("timestamp_granularities", "word")]
    file = ("audio.wav", WAV, "audio/wav")
    return Request(vendor, "transcription", "/v1/audio/transcriptions", form=tuple(form), file=file)


def _judge(vendor: Vendor) -> Request:
    if vendor == "google":
        body = {"systemInstruction": {"parts": [{"text": SYSTEM}]}, "contents": _user({"text": USER})}
        return _generate("judge", body | {"generationConfig": _json_mode(JUDGED)})
    body = {
        "model": MODELS["judge", vendor],
        "messages": [{"role": "system", "content": SYSTEM}, {"role": "user", "content": USER}],
        "temperature": 0,
        "response_format": {"type": "json_object"},
    }
    return Request(vendor, "judge", "/v1/chat/completions", json=body)
