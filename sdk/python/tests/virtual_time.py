# SPDX-License-Identifier: Apache-2.0
"""Time that passes when everybody waits, so that calls of minutes take none; and what calls are made of."""

from __future__ import annotations

import asyncio
import random
import wave
from array import array
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from xray.conversation import Conversation, Turn
from xray.runtime.base import RuntimeResult
from xray.runtime.local import Agent, LocalRuntime

FRAME = 480
FRAME_BYTES = 2 * FRAME
EPOCH_S = 1_700_000_000
REPLAY = "00000000-0000-4000-8000-000000000001"
# So often the loop goes round before time passes: whoever has something to do has done it.
_ROUNDS = 8


class VirtualTime:
    """A clock and a `sleep` that go together. `late_s` is what each sleep takes too long."""

    def __init__(self, *, late_s: Sequence[float] = ()) -> None:
        self.ns = 12_345
        self._late_s = list(late_s)

    def monotonic_ns(self) -> int:
        return self.ns

    def epoch_ns(self) -> int:
        return self.ns + EPOCH_S * 1_000_000_000

    async def sleep(self, seconds: float) -> None:
        for _ in range(_ROUNDS):
            await asyncio.sleep(0)
        if seconds > 0:
            late = self._late_s.pop() if self._late_s else 0.0
            self.ns += round((seconds + late) * 1e9) + 1

    def block(self, seconds: float) -> None:
        """What code does that waits without `await`."""
        self.ns += round(seconds * 1e9)


_NO_ZEROS = bytes([1, *range(1, 256)])


def noise(ms: int, seed: int = 1) -> bytes:
    """Loud, without a zero byte, and no two pieces alike."""
    return random.Random(seed).randbytes(96 * ms).translate(_NO_ZEROS)


def silence(ms: int) -> bytes:
    return bytes(96 * ms)


class Spans:
    """A tracer provider, and what was ended on it."""

    def __init__(self) -> None:
        self.provider = TracerProvider(shutdown_on_exit=False)
        self._exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self._exporter))

    @property
    def ended(self) -> Sequence[ReadableSpan]:
        return self._exporter.get_finished_spans()


class Recording:
    """A stereo WAV."""

    def __init__(self, path: str | Path | None) -> None:
        assert path is not None
        with wave.open(str(path)) as file:
            assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (2, 2, 48_000)
            both = array("h", file.readframes(file.getnframes()))
        self.user = both[0::2].tobytes()
        self.agent = both[1::2].tobytes()

    @property
    def ms(self) -> float:
        return len(self.user) / 96


class Call:
    """One call in virtual time: `ran` runs it, and has what came of it."""

    def __init__(self, agent: Agent, *, time: VirtualTime | None = None, **options: Any) -> None:
        self.time = time or VirtualTime()
        self.spans = Spans()
        self.runtime = LocalRuntime(
            agent, clock=self.time, sleep=self.time.sleep, tracer_provider=self.spans.provider, **options
        )

    async def ran(self, turns: Sequence[Turn], audio: Mapping[int, bytes]) -> tuple[RuntimeResult, Recording]:
        self.runtime.bind(replay_id=REPLAY, conversation_hash="0" * 64)
        self.runtime.inject_user_audio(audio)
        try:
            result = await self.runtime.run(Conversation("a call", turns))
            return result, Recording(result.full_audio_path)
        finally:
            await self.runtime.aclose()
