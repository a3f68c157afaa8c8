# SPDX-License-Identifier: Apache-2.0
"""The server that is measured, recordings to give it, and replays up to the point where the clock starts."""

from __future__ import annotations

import io
import wave
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any

from api import Api, dialogue
from measure import on_one_core, scratch
from wire import request
from xrayd_process import Xrayd

TURN_S, GAP_S = 2.0, 0.5
RATE, FRAME = 48_000, 4
WAV_HEADER = 44
PAIRS = 4  # of turns, in the conversation and in a recording of 20 s
ENV = {"XRAY_TRANSCRIPTION_PROVIDER": "none"}


@contextmanager
def running_server(*, one_core: bool = False) -> Iterator[Xrayd]:
    """xrayd on a fresh volume on the disk, without transcription; with one_core all its threads share one."""
    with scratch() as folder:
        with on_one_core() if one_core else nullcontext():
            server = Xrayd(folder / "data", env=ENV)
        with server:
            yield server


@cache
def recording(seconds: int) -> bytes:
    """A stereo WAV in which user and agent take turns of 2 s, half a second apart."""
    pair = dialogue(("user", TURN_S), ("agent", TURN_S), gap=GAP_S, lead=0)[WAV_HEADER:]
    size = seconds * RATE * FRAME
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(2)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes((pair * (size // len(pair) + 1))[:size])
    return out.getvalue()


def spec(name: str) -> dict[str, Any]:
    checks = [{"kind": "max_latency_ms", "max_ms": 2000}, {"kind": "tool_not_called", "name": "cancel"}]
    pair = [{"role": "user", "text": "a question"}, {"role": "agent", "assertions": checks}]
    return {"name": name, "turns": pair * PAIRS}


class Prepared:
    """A replay that waits for its recording, and the requests that bring it to its verdict."""

    def __init__(self, api: Api, conversation: str) -> None:
        self.id = api.new_replay(conversation)
        self.analyze = request("POST", f"/v1/replays/{self.id}/analyze")

    def upload(self, body: bytes) -> tuple[bytes, bytes]:
        return request("POST", f"/v1/replays/{self.id}/audio", len(body), "audio/wav"), body


def stored_size(server: Xrayd) -> int:
    """Bytes of all recordings on the volume: a benchmark that stored nothing has measured nothing."""
    return sum(path.stat().st_size for path in Path(server.data_dir).glob("audio/*/replay.wav"))
