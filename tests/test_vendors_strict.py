# SPDX-License-Identifier: Apache-2.0
"""What the fake refuses, each in the vendor's own words; one change each to a request that it takes."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import httpx
import pytest

from vendors import STAGES, VENDORS, Stage, Vendor, Vendors
from vendors.audio import make_wav, tone
from vendors.by_hand import WAV, Request, base_of, key_headers, request

Change = Callable[[Request], Request]
Row = tuple[Stage, Change, int, str]  # status, and words of the message

TINY = make_wav(tone(50, 16_000), 16_000)
SAMPLES = tone(500, 16_000)


def patched(at: int, layout: str, value: int) -> bytes:
    wav = bytearray(WAV)
    struct.pack_into(layout, wav, at, value)
    return bytes(wav)


def messages(*roles: str) -> list[dict[str, str]]:
    return [{"role": role, "content": "Answer with JSON."} for role in roles]


# Of every vendor: what a recording must not be.
WAVS: Mapping[str, bytes] = {
    "empty": b"",
    "not a WAV": b"ID3" + WAV,
    "cut": WAV[:-2],
    "longer": WAV + b"\0\0",
    "RIFF size": patched(4, "<I", 7),
    "data size": patched(40, "<I", len(WAV)),
    "float": patched(20, "<H", 3),
    "stereo": make_wav(SAMPLES, 16_000, channels=2),
    "8 bit": make_wav(SAMPLES, 16_000, bits=8),
    "byte rate": patched(28, "<I", 16_000),
    "rate": patched(24, "<I", 0),
    "big endian": b"RIFX" + WAV[4:],
}

OPENAI: list[Row] = [
    ("tts", lambda r: r.without("model"), 400, "model: field required"),
    ("tts", lambda r: r.without("input"), 400, "input: field required"),
    ("tts", lambda r: r.without("voice"), 400, "voice: field required"),
    ("tts", lambda r: r.with_json(voice_id="alloy"), 400, "voice_id: unknown field"),
    ("tts", lambda r: r.with_json(voice="kore"), 400, "Voice must be one of"),
    ("tts", lambda r: r.with_json(voice={"id": 1}), 400, "voice.id: expected a string"),
    ("tts", lambda r: r.with_json(input=5), 400, "input: expected a string"),
    ("tts", lambda r: r.with_json(input=""), 400, "1 to 4096 characters"),
    ("tts", lambda r: r.with_json(input="a" * 4097), 400, "has 4097"),
    ("tts", lambda r: r.with_json(response_format="wave"), 400, "response_format: expected one of"),
    ("tts", lambda r: r.with_json(response_format="mp3"), 400, "cannot make mp3"),
    ("tts", lambda r: r.with_json(speed=4.5), 400, "from 0.25 to 4"),
    ("transcription", lambda r: r.without("model"), 400, "model: field required"),
    ("transcription", lambda r: replace(r, file=None), 400, "file: field required"),
    ("transcription", lambda r: r.with_field("modell", "whisper-1"), 400, "modell: unknown field"),
    ("transcription", lambda r: r.with_field("response_format", "jsonl"), 400, "response_format: expected one of"),
    ("transcription", lambda r: r.with_field("response_format", "json"), 400, "needs response_format=verbose_json"),
    ("transcription", lambda r: r.without("response_format"), 400, "needs response_format=verbose_json"),
    ("transcription", lambda r: r.with_field("timestamp_granularities[]", "words"), 400, "expected one of 'word'"),
    ("transcription", lambda r: r.with_field("timestamp_granularities", "word"), 400, "unknown field"),
    ("transcription", lambda r: r.with_field("model", "gpt-4o-transcribe"), 400, "not compatible with model"),
    ("transcription", lambda r: r.with_field("temperature", "1.5"), 400, "from 0 to 1"),
    ("transcription", lambda r: r.with_field("temperature", "warm"), 400, "expected a number"),
    ("transcription", lambda r: replace(r, form=(*r.form, ("model", "whisper-1"))), 400, "given twice"),
    ("transcription", lambda r: replace(r, file=("audio", WAV, "audio/wav")), 400, "is no WAV file"),
    ("transcription", lambda r: replace(r, file=("audio.wav", WAV, "text/plain")), 400, "is no WAV file"),
    ("transcription", lambda r: r.with_wav(TINY), 400, "too short"),
    ("transcription", lambda r: r.with_wav(make_wav(bytes(26 << 20), 16_000)), 413, "size limit"),
    ("judge", lambda r: r.without("messages"), 400, "messages: field required"),
    ("judge", lambda r: r.with_json(messages=[]), 400, "this fake answers messages"),
    ("judge", lambda r: r.with_json(messages="Hello"), 400, "messages: expected an array"),
    ("judge", lambda r: r.with_json(messages=[{"content": "JSON"}]), 400, "messages[0].role: field required"),
    ("judge", lambda r: r.with_json(messages=messages("judge")), 400, "messages[0].role: expected one of"),
    ("judge", lambda r: r.with_json(messages=[{"role": "user", "text": "JSON"}]), 400, "messages[0].text: unknown"),
    ("judge", lambda r: r.with_json(messages=[{"role": "user", "content": "Hello"}]), 400, "contain the word 'json'"),
    ("judge", lambda r: r.with_json(temperature=2.1), 400, "from 0 to 2"),
    ("judge", lambda r: r.with_json(temperature="0"), 400, "temperature: expected a number"),
    ("judge", lambda r: r.with_json(temperature=True), 400, "temperature: expected a number"),
    ("judge", lambda r: r.with_json(response_format="json_object"), 400, "response_format: expected an object"),
    ("judge", lambda r: r.with_json(response_format={"type": "json"}), 400, "response_format.type: expected one of"),
    ("judge", lambda r: r.with_json(random_seed=1), 400, "random_seed: unknown field"),
]

GOOGLE: list[Row] = [
    ("tts", lambda r: r.with_config(responseModalities=["SPEECH"]), 400, "responseModalities[0]: expected one of"),
    ("tts", lambda r: r.with_config(responseModalities="AUDIO"), 400, "responseModalities: expected an array"),
    ("tts", lambda r: r.with_config(responseMimeType="application/json"), 400, "not enabled for this model"),
    ("tts", lambda r: r.with_config(speechConfig={"voiceName": "Kore"}), 400, "speechConfig.voiceName: unknown field"),
    ("tts", lambda r: replace(r, path=r.path.replace("-preview-tts", "")), 400, "combination of response modalities"),
    (
        "tts",
        lambda r: r.with_config(speechConfig={"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "alloy"}}}),
        400,
        "Voice name alloy is not supported",
    ),
    ("transcription", lambda r: r.with_json(contents=[inline("!!!!")]), 400, "data: expected base64"),
    ("transcription", lambda r: r.with_json(contents=[inline("AAAAA")]), 400, "data: expected base64"),
    (
        "transcription",
        lambda r: r.with_json(contents=[inline("AAAA", "audio/flac")]),
        400,
        "recording of type audio/wav",
    ),
    ("transcription", lambda r: r.with_config(responseMimeType="text/plain"), 400, "needs response mime type"),
    ("transcription", lambda r: r.with_config(responseSchema={"type": "object"}), 400, "type: expected one of"),
    ("transcription", lambda r: r.with_config(responseSchema={"kind": "OBJECT"}), 400, "kind: unknown field"),
    ("transcription", lambda r: r.with_config(responseSchema={"type": "OBJECT", "required": ["a"]}), 400, "['a']"),
    ("judge", lambda r: r.without("contents"), 400, "contents: field required"),
    ("judge", lambda r: r.with_json(contents=[]), 400, "contents is not specified"),
    ("judge", lambda r: r.with_json(contents=[{"role": "assistant", "parts": [{"text": "a"}]}]), 400, "valid role"),
    ("judge", lambda r: r.with_json(contents=[{"role": "user"}]), 400, "at least one parts"),
    ("judge", lambda r: r.with_json(contents=[{"parts": [{}]}]), 400, "oneof field 'data'"),
    (
        "judge",
        lambda r: r.with_json(contents=[{"parts": [{"texts": "a"}]}]),
        400,
        "contents[0].parts[0].texts: unknown",
    ),
    ("judge", lambda r: r.with_json(systemInstruction="Be fair."), 400, "systemInstruction: expected an object"),
    ("judge", lambda r: r.with_json(system="Be fair."), 400, "system: unknown field"),
    ("judge", lambda r: r.with_json(system_instruction=None), 400, "given twice"),
    ("judge", lambda r: r.with_config(temperature=2.5), 400, "from 0 to 2"),
    ("judge", lambda r: r.with_config(max_tokens=5), 400, "max_tokens: unknown field"),
    ("judge", lambda r: replace(r, path=r.path.replace("v1beta", "v1")), 404, "Invalid URL"),
    ("judge", lambda r: replace(r, path=r.path.replace("generate", "stream")), 404, "Invalid URL"),
    ("judge", lambda r: replace(r, path=f"{r.path}?key={key_headers('google')['x-goog-api-key']}"), 400, "query"),
]

MISTRAL: list[Row] = [
    ("tts", lambda r: r.without("input"), 422, "field required"),
    ("tts", lambda r: r.with_json(input=""), 400, "not empty"),
    ("tts", lambda r: r.with_json(voice="alloy"), 422, "unknown field"),
    ("tts", lambda r: r.with_json(voice_id="Kore"), 404, "not found"),
    ("tts", lambda r: r.without("voice_id"), 400, "voice_id or ref_audio"),
    ("tts", lambda r: r.with_json(response_format="mpeg"), 422, "expected one of"),
    ("transcription", lambda r: r.without("model"), 422, "field required"),
    ("transcription", lambda r: replace(r, file=None), 422, "field required"),
    ("transcription", lambda r: r.with_field("response_format", "verbose_json"), 422, "unknown field"),
    ("transcription", lambda r: r.with_field("timestamp_granularities[]", "word"), 422, "unknown field"),
    ("transcription", lambda r: r.with_field("timestamp_granularities", "words"), 422, "expected one of"),
    ("transcription", lambda r: r.with_field("language", "en"), 400, "cannot be used together"),
    ("judge", lambda r: r.without("model"), 422, "field required"),
    ("judge", lambda r: r.with_json(seed=1), 422, "unknown field"),
    ("judge", lambda r: r.with_json(temperature=1.6), 400, "from 0 to 1.5"),
    ("judge", lambda r: r.with_json(messages=messages("user", "assistant")), 400, "Expected last role"),
    ("judge", lambda r: r.with_json(response_format={"type": "json"}), 422, "expected one of"),
]

ROWS: list[tuple[Vendor, Row]] = [
    *(("openai", row) for row in OPENAI),
    *(("google", row) for row in GOOGLE),
    *(("mistral", row) for row in MISTRAL),
]


def inline(data: str, mime: str = "audio/wav") -> dict[str, Any]:
    return {"role": "user", "parts": [{"inlineData": {"mimeType": mime, "data": data}}]}


def message_of(vendor: Vendor, answer: httpx.Response) -> str:
    """Out of the vendor's own shape, every member of which is looked at."""
    body = answer.json()
    if vendor == "openai":
        assert set(body["error"]) == {"message", "type", "param", "code"}
        return body["error"]["message"]
    if vendor == "google":
        assert body["error"]["code"] == answer.status_code
        assert body["error"]["status"].isupper()
        return body["error"]["message"]
    if answer.status_code == 422:
        (problem,) = body["detail"]
        assert problem["loc"][0] == "body"
        return problem["msg"]
    return body["detail"] if "detail" in body else body["message"]


@pytest.fixture(scope="module")
def strict() -> Iterator[Vendors]:
    with Vendors(models=None) as vendors:
        yield vendors


@pytest.fixture(scope="module")
def clients(strict: Vendors) -> Iterator[Mapping[Vendor, httpx.Client]]:
    clients: dict[Vendor, httpx.Client] = {v: httpx.Client(base_url=strict.url(v)) for v in VENDORS}
    yield clients
    for client in clients.values():
        client.close()


Clients = Mapping[Vendor, httpx.Client]


@pytest.mark.parametrize(("vendor", "row"), ROWS, ids=[f"{v} {r[0]} {r[3]}" for v, r in ROWS])
def test_wrong_request_is_refused(strict: Vendors, clients: Clients, vendor: Vendor, row: Row) -> None:
    stage, change, status, words = row
    answer = change(request(vendor, stage)).send(clients[vendor])
    assert answer.status_code == status, answer.text
    assert words in message_of(vendor, answer)
    assert strict.refused[-1] is strict.calls()[-1]


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("name", WAVS)
def test_wrong_recording_is_refused(clients: Clients, vendor: Vendor, name: str) -> None:
    answer = request(vendor, "transcription").with_wav(WAVS[name]).send(clients[vendor])
    assert answer.status_code == 400
    assert "could not be decoded" in message_of(vendor, answer)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": "a", "model": "b"}',
        b'{"temperature": NaN}',
        b'{"input": "\xff"}',
        b'{"input": "\\ud800"}',
        b"[" * 100_000,
    ],
)
@pytest.mark.parametrize("vendor", VENDORS)
def test_body_that_is_no_json_object_is_refused(clients: Clients, vendor: Vendor, body: bytes) -> None:
    headers = {**key_headers(vendor), "Content-Type": "application/json"}
    answer = clients[vendor].post(request(vendor, "judge").path, content=body, headers=headers)
    assert answer.status_code in (400, 422)
    assert message_of(vendor, answer)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("vendor", VENDORS)
def test_other_content_type_is_refused(clients: Clients, vendor: Vendor, stage: Stage) -> None:
    sound = request(vendor, stage).build(base_of(clients[vendor]))
    expected = {"openai": 415, "google": 400, "mistral": 422}[vendor]
    for content_type in (None, "text/plain", "application/x-www-form-urlencoded"):
        headers = {k: v for k, v in sound.headers.items() if k != "content-type"}
        headers |= {"content-type": content_type} if content_type else {}
        answer = clients[vendor].post(sound.url, content=sound.read(), headers=headers)
        assert answer.status_code == expected
        assert message_of(vendor, answer)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b'name="model"', b"name=model"),
        (b'form-data; name="model"', b'attachment; name="model"'),
        (b"\r\n\r\nwhisper-1", b"\r\nwhisper-1"),
        (b"--\r\n", b"\r\n"),
        (b"--boundary--\r\n", b""),
    ],
)
def test_irregular_form_is_refused(clients: Clients, before: bytes, after: bytes) -> None:
    sound = request("openai", "transcription").build(base_of(clients["openai"]))
    mark = sound.headers["content-type"].partition("boundary=")[2].encode()
    body = sound.read().replace(mark, b"boundary")
    head = {**key_headers("openai"), "Content-Type": "multipart/form-data; boundary=boundary"}
    assert clients["openai"].post(sound.url, content=body, headers=head).status_code == 200
    assert before in body
    wrong = after.join(body.rsplit(before, 1))
    answer = clients["openai"].post(sound.url, content=wrong, headers=head)
    assert answer.status_code == 400
    assert "multipart" in message_of("openai", answer)


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_other_method_is_refused(clients: Clients, vendor: Vendor, method: str) -> None:
    answer = clients[vendor].request(method, request(vendor, "judge").path)
    assert answer.status_code == 405
    assert message_of(vendor, answer)


@pytest.mark.parametrize("vendor", VENDORS)
def test_unknown_path_is_refused(clients: Clients, vendor: Vendor) -> None:
    for path in ("/", "/v1", "/v1/audio/speech/", "/v2/chat/completions", "/v1beta/models/a/b:generateContent"):
        answer = clients[vendor].post(path, json={}, headers=key_headers(vendor))
        assert answer.status_code == 404
        assert message_of(vendor, answer)


KEYS: list[tuple[Vendor, dict[str, str], int]] = [
    ("openai", {}, 401),
    ("openai", {"Authorization": "Bearer sk-wrong"}, 401),
    ("openai", {"Authorization": key_headers("openai")["Authorization"].lower()}, 401),
    ("openai", {"x-goog-api-key": "sk-wrong", **key_headers("openai")}, 401),
    ("google", {}, 403),
    ("google", {"x-goog-api-key": "AIzaWrong"}, 400),
    ("google", {"Authorization": f"Bearer {key_headers('google')['x-goog-api-key']}"}, 403),
    ("google", {"Authorization": "Bearer more", **key_headers("google")}, 403),
    ("mistral", {}, 401),
    ("mistral", {"Authorization": "Bearer wrong"}, 401),
]


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize(("vendor", "headers", "status"), KEYS)
def test_only_the_key_in_its_place_is_taken(
    clients: Clients, vendor: Vendor, stage: Stage, headers: dict[str, str], status: int
) -> None:
    answer = replace(request(vendor, stage), headers=headers).send(clients[vendor])
    assert answer.status_code == status
    assert message_of(vendor, answer)


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("vendor", VENDORS)
def test_keyless_takes_any_key_or_none(vendor: Vendor, stage: Stage) -> None:
    with Vendors(keys=None) as vendors, httpx.Client(base_url=vendors.url(vendor)) as client:
        for headers in ({}, {"Authorization": "Bearer whatever"}):
            assert replace(request(vendor, stage), headers=headers).send(client).status_code == 200


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.parametrize("vendor", VENDORS)
def test_unknown_model_is_refused_when_models_are_given(vendor: Vendor, stage: Stage) -> None:
    with Vendors(models=["another"]) as vendors, httpx.Client(base_url=vendors.url(vendor)) as client:
        answer = request(vendor, stage).send(client)
        assert answer.status_code == (400 if vendor == "mistral" else 404)
        assert message_of(vendor, answer)


def test_any_voice_is_taken_when_told_so() -> None:
    with Vendors(any_voice=True) as vendors, httpx.Client(base_url=vendors.url("openai")) as client:
        assert request("openai", "tts").with_json(voice="af_heart").send(client).status_code == 200


def test_google_takes_both_spellings_of_names(clients: Clients) -> None:
    blob = {"inline_data": {"mime_type": "audio/wav", "data": inline_data()}}
    answer = request("google", "transcription").with_json(contents=[{"parts": [blob]}]).send(clients["google"])
    assert answer.status_code == 200


def inline_data() -> str:
    return request("google", "transcription").json["contents"][0]["parts"][1]["inlineData"]["data"]
