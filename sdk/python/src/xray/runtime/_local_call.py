# SPDX-License-Identifier: Apache-2.0
"""A call without a room, as the agent has it: `LocalCall`, made of an ear and a mouth that `LocalRuntime` moves."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Generator
from typing import Any, Final

from xray._clock import SAMPLE_RATE
from xray._frame import FRAME_BYTES, FRAME_SAMPLES, SILENCE
from xray._wav import BYTES_PER_SAMPLE
from xray.runtime._hearing import Hearing

__all__ = ["Ear", "LocalCall", "Mouth", "Speech"]

# A voice is noticed a few frames after it has begun.
_FRAMES_BEFORE_VOICE: Final = 10


class Ear(AsyncIterator[bytes]):
    """The frames that wait to be heard; iterating takes them.

    Not bounded: silence is one object, and the rest is in memory anyway.
    """

    def __init__(self) -> None:
        self._waiting: deque[bytes] = deque()
        self.closed = False
        self._reader: asyncio.Future[None] | None = None

    def put(self, frame: bytes) -> None:
        self._waiting.append(frame)
        self._wake()

    def close(self) -> None:
        """What waits can still be heard, then it is over."""
        self.closed = True
        self._wake()

    async def __anext__(self) -> bytes:
        while not self._waiting:
            if self.closed:
                raise StopAsyncIteration
            if self._reader is not None:
                raise RuntimeError("two tasks read the frames of one call; each would hear half of it")
            self._reader = asyncio.get_running_loop().create_future()
            try:
                await self._reader
            finally:
                self._reader = None
        return self._waiting.popleft()

    def _wake(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class Speech:
    """Something the agent says. Await it until it was played: True if all of it was, False if it was stopped or the
    call ended. Cancelling the task that awaits it stops it."""

    def __init__(self, pcm: bytes, now: Callable[[], int]) -> None:
        self._now = now
        self._rest = memoryview(pcm)
        self._said_at = now()
        self._stopped_at: int | None = None
        self._whole = False
        self._over = asyncio.Event()

    def stop(self) -> None:
        """Stops it with the frame that is being played, at most 10 ms from now. What is left is never heard."""
        if self._stopped_at is None:
            self._stopped_at = self._now()

    @property
    def over(self) -> bool:
        """Whether it was played, or stopped."""
        return self._over.is_set()

    def __await__(self) -> Generator[Any, None, bool]:
        return self._until_over().__await__()

    async def _until_over(self) -> bool:
        try:
            await self._over.wait()
        except asyncio.CancelledError:
            self.stop()
            raise
        return self._whole


class _Spoken(Speech):
    """A speech from the mouth's side."""

    def may_begin(self, position: int) -> bool:
        """Nothing is heard before it was said, however late the event loop is."""
        return self._said_at <= position

    def is_stopped(self, position: int) -> bool:
        return self._stopped_at is not None and self._stopped_at <= position

    def take(self, size: int) -> bytes:
        """The next bytes, at most `size`."""
        piece, self._rest = self._rest[:size], self._rest[size:]
        return bytes(piece)

    @property
    def is_empty(self) -> bool:
        return not self._rest

    def end(self) -> None:
        self._whole = not self._rest
        self._rest = memoryview(b"")
        self._over.set()


class Mouth:
    """What the agent says, one after the other. `now` is the recording's clock, in samples."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._speeches: deque[_Spoken] = deque()
        self._closed = False

    def say(self, pcm: bytes) -> Speech:
        speech = _Spoken(pcm, self._now)
        if self._closed:
            speech.end()
        else:
            self._speeches.append(speech)
        return speech

    def stop(self) -> None:
        for speech in self._speeches:
            speech.stop()

    @property
    def busy(self) -> bool:
        return bool(self._speeches)

    def take(self, position: int) -> bytes:
        """The frame that begins at sample `position`: speech as far as there is any, then silence.

        To be called when that frame has passed, so that what ends with it is over.
        """
        self._drop_stopped(position)
        frame = b""
        # What was said while the piece before was being played follows it at once, within the frame.
        while self._speeches and self._speeches[0].may_begin(position + len(frame) // BYTES_PER_SAMPLE):
            speech = self._speeches[0]
            frame += speech.take(FRAME_BYTES - len(frame))
            if not speech.is_empty:
                break
            speech.end()
            self._speeches.popleft()
        return frame.ljust(FRAME_BYTES, b"\0") if frame else SILENCE

    def close(self) -> None:
        self._closed = True
        for speech in self._speeches:
            speech.end()
        self._speeches.clear()

    def _drop_stopped(self, position: int) -> None:
        stopped = [speech for speech in self._speeches if speech.is_stopped(position)]
        for speech in stopped:
            speech.end()
            self._speeches.remove(speech)


class LocalCall:
    """A call, as the agent has it: the user's voice comes in, the agent's goes out, in real time.

    All audio is 48 kHz mono, 16-bit signed little-endian samples without a header. To be used on the event loop that
    the agent runs on.

    What the agent does besides, its calls of tools and models, is told by OpenTelemetry spans, as in production: those
    that it makes in its own task, in tasks it starts and in `asyncio.to_thread` carry the replay's id.
    """

    def __init__(self, ear: Ear, mouth: Mouth, report_words: Callable[[str], None]) -> None:
        self._ear = ear
        self._mouth = mouth
        self._report_words = report_words

    def frames(self) -> AsyncIterator[bytes]:
        """The user's audio in frames of 10 ms (960 bytes), each as soon as it has been spoken, silence too.

        Ends with the call. No frame is lost: those that come while nobody reads wait, and a second `async for` goes on
        where the first one stopped. Two tasks that read at once are a RuntimeError.
        """
        return self._ear

    async def listen(self, *, silence_ms: int = 500) -> bytes:
        """Waits until the user has spoken and then been silent for `silence_ms`; returns the audio of both.

        Empty when the call has ended. Takes its audio from `frames`.
        """
        hearing = Hearing()
        heard: deque[bytes] = deque()
        position = 0
        async for frame in self._ear:
            hearing.frame("user", position, frame)
            position += FRAME_SAMPLES
            heard.append(frame)
            if hearing.voice is None:
                if len(heard) > _FRAMES_BEFORE_VOICE:
                    heard.popleft()
            elif position - hearing.voice[1] >= silence_ms * SAMPLE_RATE // 1000:
                return b"".join(heard)
        return b""

    def say(self, pcm: bytes, *, transcript: str | None = None) -> Speech:
        """Says `pcm` when all that was to be said before has been, else with the next frame, within 10 ms.

        `await call.say(pcm)` returns when it was played. Without `await` the agent goes on at once: a voice that comes
        in pieces is passed on piece by piece, without a gap, and only the last one awaited. `transcript` is its text;
        see `transcript`. Raises ValueError for bytes that are not whole samples. Nothing is heard once the call has
        ended.
        """
        if len(pcm) % BYTES_PER_SAMPLE:
            raise ValueError(f"{len(pcm)} bytes are not whole 16-bit samples")
        if transcript is not None:
            self.transcript(transcript)
        return self._mouth.say(pcm)

    def stop(self) -> None:
        """Stops all that is being said, or is still to be: for an agent that is interrupted."""
        self._mouth.stop()

    @property
    def speaking(self) -> bool:
        """Whether anything is being said, or is still to be."""
        return self._mouth.busy

    @property
    def ended(self) -> bool:
        """Whether the call is over."""
        return self._ear.closed

    def transcript(self, text: str) -> None:
        """Reports the agent's words of the present turn, for `AgentResponse` and the turn's span. No check rests on
        them: the server transcribes the recording."""
        self._report_words(text)
