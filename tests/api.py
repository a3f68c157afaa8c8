# SPDX-License-Identifier: Apache-2.0
"""A thin client of the HTTP API for tests and benchmarks, and the audio they send."""

from __future__ import annotations

import array
import io
import json
import math
import wave
from collections.abc import Iterator
from types import TracebackType
from typing import Any, Self

import httpx

import contract

RATE = 48_000
Json = dict[str, Any]


def tone(seconds: float, *, amplitude: float = 0.3) -> array.array[int]:
    """Something that sounds like speech to a level detector: harmonics under a 4 Hz envelope."""
    samples = array.array("h")
    for i in range(int(seconds * RATE)):
        t = i / RATE
        envelope = 0.6 + 0.4 * math.sin(2 * math.pi * 4 * t)
        value = sum(math.sin(2 * math.pi * f * t) / k for k, f in enumerate((180, 360, 540, 1260), 1))
        samples.append(int(32767 * amplitude * envelope * value / 2.1))
    return samples


def silence(seconds: float) -> array.array[int]:
    return array.array("h", bytes(2 * int(seconds * RATE)))


def wav(channels: list[array.array[int]], *, rate: int = RATE) -> bytes:
    """A 16-bit WAV of channels of equal length."""
    interleaved = array.array("h", bytes(2 * len(channels) * len(channels[0])))
    for i, channel in enumerate(channels):
        interleaved[i :: len(channels)] = channel
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(interleaved.tobytes())
    return out.getvalue()


def dialogue(*turns: tuple[str, float], gap: float = 0.5, lead: float = 0.3) -> bytes:
    """A stereo recording: ("user" | "agent", seconds) one after the other, `gap` seconds apart."""
    left, right = silence(lead), silence(lead)
    for role, seconds in turns:
        speaks, listens = (left, right) if role == "user" else (right, left)
        speaks.extend(tone(seconds))
        listens.extend(silence(seconds))
        for channel in (left, right):
            channel.extend(silence(gap))
        length = max(len(left), len(right))
        for channel in (left, right):
            channel.extend(array.array("h", bytes(2 * (length - len(channel)))))
    return wav([left, right])


class Api:
    """Calls that raise on an error status; `http` is there for everything else. Every response is held against the
    API's description, unless `checked` is false: for measuring."""

    def __init__(self, url: str, *, timeout_s: float = 60, checked: bool = True) -> None:
        self._checked = checked
        hooks = {"response": [contract.check]} if checked else {}
        self.http = httpx.Client(base_url=url, timeout=timeout_s, event_hooks=hooks, trust_env=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.http.close()

    def conversation(self, spec: Json | str, files: dict[str, bytes] | None = None) -> httpx.Response:
        """POST /v1/conversations; the reply as it is."""
        text = spec if isinstance(spec, str) else json.dumps(spec)
        parts: list[tuple[str, Any]] = [("spec", (None, text))]
        parts += [(key, (f"{key}.wav", body, "audio/wav")) for key, body in (files or {}).items()]
        return self.http.post("/v1/conversations", files=parts)

    def new_conversation(self, spec: Json, files: dict[str, bytes] | None = None) -> str:
        reply = self.conversation(spec, files)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["hash"])

    def new_replay(self, conversation_hash: str, **extra: Any) -> str:
        reply = self.http.post("/v1/replays", json={"conversation_hash": conversation_hash, **extra})
        assert reply.status_code == 201, reply.text
        return str(reply.json()["id"])

    def upload(self, replay: str, body: bytes, *, started_at: str | None = None) -> httpx.Response:
        headers = {"Content-Type": "audio/wav"} | ({"X-Recording-Started-At": started_at} if started_at else {})
        return self.http.post(f"/v1/replays/{replay}/audio", content=body, headers=headers)

    def detail(self, replay: str) -> Json:
        reply = self.http.get(f"/v1/replays/{replay}")
        assert reply.status_code == 200, reply.text
        return reply.json()

    def events(self, replay: str) -> Iterator[tuple[str, Json]]:
        """(event, data) until the stream ends."""
        name = ""
        with self.http.stream("GET", f"/v1/replays/{replay}/events") as reply:
            assert reply.status_code == 200
            for line in reply.iter_lines():
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    data = json.loads(line.removeprefix("data: "))
                    if self._checked:
                        contract.check_event(name, data)
                    yield name, data

    def verdict(self, replay: str) -> Json:
        """Waits for the terminal event and returns its data."""
        last: Json = {}
        for _, data in self.events(replay):
            last = data
        return last

    def run(self, conversation_hash: str, recording: bytes, *, started_at: str | None = None) -> tuple[str, Json]:
        """A whole replay: create, upload, analyze, wait. (id, data of the terminal event)"""
        replay = self.new_replay(conversation_hash)
        reply = self.upload(replay, recording, started_at=started_at)
        assert reply.status_code == 200, reply.text
        reply = self.http.post(f"/v1/replays/{replay}/analyze")
        assert reply.status_code == 202, reply.text
        return replay, self.verdict(replay)
