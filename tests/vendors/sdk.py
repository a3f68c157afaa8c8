# SPDX-License-Identifier: Apache-2.0
"""The nine calls as the vendors' own Python packages make them, for comparison with xrayd's."""

from __future__ import annotations

import base64
import json
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Self

import google.genai as genai
from google.genai import types
from mistralai.client import Mistral
from openai import OpenAI

from vendors.audio import make_wav, read_wav
from vendors.calls import Call
from vendors.google_api import camel
from vendors.names import MODELS, VOICES, Stage, Vendor
from vendors.requests import items, member
from vendors.script import Word
from vendors.server import Vendors

HEARD: dict[str, Any] = {
    "type": "OBJECT",
    "properties": {"text": {"type": "STRING"}, "language": {"type": "STRING"}},
    "required": ["text"],
}
JUDGED: dict[str, Any] = {
    "type": "OBJECT",
    "properties": {"score": {"type": "INTEGER"}, "reason": {"type": "STRING"}},
    "required": ["score", "reason"],
}


@dataclass(frozen=True)
class Wanted:
    """What a call is about; its form is the package's business."""

    text: str = "Two tickets to Cologne, please."
    wav: bytes = b""
    system: str = "Grade the agent. Answer with JSON."
    user: str = "<reference>\nTickets are sold.\n</reference>\n"
    instruction: str = "Write down what is said."
    heard: dict[str, Any] = field(default_factory=lambda: HEARD)
    judged: dict[str, Any] = field(default_factory=lambda: JUDGED)

    @staticmethod
    def like(call: Call) -> Wanted:
        """The contents of a call that was recorded."""
        if call.stage == "tts":
            return Wanted(text=call.text)
        if call.stage == "transcription":
            assert call.audio
            return Wanted(wav=make_wav(call.audio.samples, call.audio.rate), **_google_parts(call))
        return _judged_like(call)


def _google_parts(call: Call) -> dict[str, Any]:
    if call.vendor != "google":
        return {}
    body = camel(call.json)
    texts = [part["text"] for part in items(body["contents"][0], "parts") if "text" in part]
    return {"instruction": "".join(texts), "heard": member(body, "generationConfig", "responseSchema")}


def _judged_like(call: Call) -> Wanted:
    if call.vendor != "google":
        texts = {message["role"]: message["content"] for message in call.json["messages"]}
        return Wanted(system=texts["system"], user=texts["user"])
    body = camel(call.json)
    system, user = body["systemInstruction"]["parts"][0]["text"], body["contents"][0]["parts"][0]["text"]
    return Wanted(system=system, user=user, judged=member(body, "generationConfig", "responseSchema"))


@dataclass(frozen=True)
class Spoken:
    samples: bytes
    rate: int


@dataclass(frozen=True)
class Written:
    text: str
    words: tuple[Word, ...]


@dataclass(frozen=True)
class Judged:
    score: int
    reason: str


Result = Spoken | Written | Judged


class Sdk:
    """Clients of the fake; `call` makes one call and returns what the package's types make of the answer."""

    def __init__(self, vendors: Vendors) -> None:
        self._vendors = vendors
        self._keys = vendors.keys or {}
        self._opened = ExitStack()

    # Only what is used: each takes a while to make.
    @cached_property
    def openai(self) -> OpenAI:
        url = self._vendors.url("openai", version=True)
        return self._opened.enter_context(OpenAI(api_key=self._keys.get("openai", "none"), base_url=url, max_retries=0))

    @cached_property
    def google(self) -> genai.Client:
        options = types.HttpOptions(base_url=self._vendors.url("google"), api_version="v1beta")
        client = genai.Client(api_key=self._keys.get("google", "none"), http_options=options)
        self._opened.callback(client.close)
        return client

    @cached_property
    def mistral(self) -> Mistral:
        key = self._keys.get("mistral", "none")
        return self._opened.enter_context(Mistral(api_key=key, server_url=self._vendors.url("mistral")))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._opened.close()

    def call(self, vendor: Vendor, stage: Stage, wanted: Wanted) -> Result:
        """As spec/providers.md has it, with its default model and voice."""
        return getattr(self, f"_{vendor}_{stage}")(MODELS[stage, vendor], wanted)

    def _openai_tts(self, model: str, wanted: Wanted) -> Spoken:
        answer = self.openai.audio.speech.create(
            model=model, input=wanted.text, voice=VOICES["openai"], response_format="pcm"
        )
        return Spoken(answer.content, 24_000)

    def _openai_transcription(self, model: str, wanted: Wanted) -> Written:
        answer = self.openai.audio.transcriptions.create(
            model=model,
            file=("audio.wav", wanted.wav, "audio/wav"),
            response_format="verbose_json",
            timestamp_granularities=["word"],
        )
        return Written(answer.text, tuple(Word(w.word, w.start, w.end) for w in answer.words or []))

    def _openai_judge(self, model: str, wanted: Wanted) -> Judged:
        answer = self.openai.chat.completions.create(
            model=model,
            messages=[{"role": "system", "content": wanted.system}, {"role": "user", "content": wanted.user}],
            temperature=0,
            response_format={"type": "json_object"},
        )
        return Judged(**json.loads(answer.choices[0].message.content or ""))

    def _generate(self, model: str, parts: list[types.Part], config: types.GenerateContentConfig) -> types.Part:
        contents = types.Content(role="user", parts=parts)
        models = self.google.models
        answer = models.generate_content(model=model, contents=contents, config=config)  # pyright: ignore[reportUnknownMemberType]
        assert answer.candidates
        assert answer.candidates[0].content
        assert answer.candidates[0].content.parts
        return answer.candidates[0].content.parts[0]

    def _google_tts(self, model: str, wanted: Wanted) -> Spoken:
        voice = types.PrebuiltVoiceConfig(voice_name=VOICES["google"])
        config = types.GenerateContentConfig(
            response_modalities=["AUDIO"],
            speech_config=types.SpeechConfig(voice_config=types.VoiceConfig(prebuilt_voice_config=voice)),
        )
        blob = self._generate(model, [types.Part(text=wanted.text)], config).inline_data
        assert blob
        assert blob.data
        assert blob.mime_type
        return Spoken(blob.data, int(blob.mime_type.rpartition("rate=")[2]))

    def _google_transcription(self, model: str, wanted: Wanted) -> Written:
        audio = types.Part.from_bytes(data=wanted.wav, mime_type="audio/wav")
        part = self._generate(model, [types.Part(text=wanted.instruction), audio], _json_mode(wanted.heard))
        return Written(json.loads(part.text or "")["text"], ())

    def _google_judge(self, model: str, wanted: Wanted) -> Judged:
        config = _json_mode(wanted.judged)
        config.system_instruction = wanted.system
        return Judged(**json.loads(self._generate(model, [types.Part(text=wanted.user)], config).text or ""))

    def _mistral_tts(self, model: str, wanted: Wanted) -> Spoken:
        answer = self.mistral.audio.speech.complete(
            model=model, input=wanted.text, voice_id=VOICES["mistral"], response_format="wav"
        )
        wav = read_wav(base64.b64decode(answer.audio_data))
        return Spoken(wav.samples, wav.rate)

    def _mistral_transcription(self, model: str, wanted: Wanted) -> Written:
        answer = self.mistral.audio.transcriptions.complete(
            model=model,
            file={"file_name": "audio.wav", "content": wanted.wav, "content_type": "audio/wav"},
            timestamp_granularities=["word"],
        )
        segments = answer.segments or []
        return Written(answer.text, tuple(Word(s.text.strip(), s.start or 0.0, s.end or 0.0) for s in segments))

    def _mistral_judge(self, model: str, wanted: Wanted) -> Judged:
        answer = self.mistral.chat.complete(
            model=model,
            messages=[{"role": "system", "content": wanted.system}, {"role": "user", "content": wanted.user}],
            temperature=0,
            response_format={"type": "json_object"},
        )
        message = answer.choices[0].message
        assert message
        assert isinstance(message.content, str)
        return Judged(**json.loads(message.content))


def _json_mode(schema: dict[str, Any]) -> types.GenerateContentConfig:
    return types.GenerateContentConfig(
        temperature=0, response_mime_type="application/json", response_schema=types.Schema.model_validate(schema)
    )


def repeat(ours: Call, vendors: Vendors) -> Call:
    """The same call as the vendor's package makes it, as it was recorded."""
    assert ours.vendor
    assert ours.stage
    with Sdk(vendors) as sdk:
        sdk.call(ours.vendor, ours.stage, Wanted.like(ours))
    return vendors.calls(vendor=ours.vendor, stage=ours.stage)[-1]
