# SPDX-License-Identifier: Apache-2.0
"""An agent that follows a script: it answers so many milliseconds after it has heard the end of what the user says.

It knows what the user will say, so it finds the end (or the beginning) in what it hears by cross-correlation, to the
sample, and begins its own sound on the sample that the delay asks for. All it heard and all it sent is written down
with the time. A process of its own; nothing of the SDK is in it.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from typing import Any

import numpy as np
from livekit import rtc

from capture import FRAME, FRAME_NS, NS_PER_S, Capture
from clips import RATE, Clip, Pcm, find
from part import Job, play, tell
from scenario import FIRST_DELAY_MS, STOPS_AFTER_MS, Exchange, Words, call_named
from silent_observer import access

_LOUD = 32768 * 10 ** (-45 / 20)
_KEPT_FRAMES = 100
_SURE_OF_END_FRAMES = 6
_SURE_OF_START_FRAMES = 12
_GIVES_UP_FRAMES = 40
_PIECE = RATE // 5
_MATCH = 0.6


class Ears:
    """What the user says, as it comes."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._recent: deque[Pcm] = deque(maxlen=_KEPT_FRAMES)
        self._lateness: deque[int] = deque(maxlen=_KEPT_FRAMES)
        self._came = asyncio.Condition()
        self.ready = asyncio.Event()

    async def listen(self, stream: rtc.AudioStream) -> None:
        try:
            async for event in stream:
                pcm = bytes(event.frame.data)
                before = self._capture.samples
                now = self._capture.frame(pcm)
                async with self._came:
                    self._recent.append(np.frombuffer(pcm, dtype="<i2"))
                    self._lateness.append(now - before // FRAME * FRAME_NS)
                    self._came.notify_all()
                self.ready.set()
        finally:
            self._capture.close()
            await stream.aclose()

    def _ns(self, sample: int) -> int:
        return min(self._lateness) + sample * NS_PER_S // RATE

    async def _next_is_loud(self) -> bool:
        async with self._came:
            await self._came.wait()
        frame = self._recent[-1].astype(np.float64)
        return float(np.sqrt(np.mean(frame**2))) > _LOUD

    def _find(self, piece: Any) -> tuple[int, float]:
        heard = np.concatenate(list(self._recent))
        found = find(heard, piece)
        return self._capture.samples - len(heard) + found.at, found.match

    async def end_of(self, wanted: Clip) -> int:
        """When its end was heard, by the monotonic clock."""
        spoke, quiet, last = False, 0, 0
        while True:
            if await self._next_is_loud():
                spoke, quiet, last = True, 0, self._capture.samples
                continue
            quiet += 1
            if not spoke or quiet < _SURE_OF_END_FRAMES:
                continue
            at, match = self._find(wanted.signal[-_PIECE:])
            if match >= _MATCH or quiet >= _GIVES_UP_FRAMES:
                end = at + _PIECE if match >= _MATCH else last
                tell("heard_end", clip=wanted.seed, at=end, match=round(match, 3))
                return self._ns(end)

    async def start_of(self, wanted: Clip) -> int:
        """When its beginning was heard."""
        loud = 0
        while True:
            loud = loud + 1 if await self._next_is_loud() else 0
            if loud < _SURE_OF_START_FRAMES:
                continue
            at, match = self._find(wanted.signal[: _PIECE // 2])
            if match >= _MATCH or loud >= _GIVES_UP_FRAMES:
                start = at if match >= _MATCH else self._capture.samples - loud * FRAME
                tell("heard_start", clip=wanted.seed, at=start, match=round(match, 3))
                return self._ns(start)


class Mouth:
    """A track that never stops; its frames leave on a steady beat."""

    def __init__(self, source: rtc.AudioSource, capture: Capture) -> None:
        self._source = source
        self._capture = capture
        self._begun_ns = 0
        self._sounds: dict[int, tuple[int, Pcm]] = {}

    async def run(self) -> None:
        self._begun_ns = due = time.monotonic_ns()
        try:
            while True:
                while (early := due - time.monotonic_ns()) > 0:
                    await asyncio.sleep(early / 1e9)
                frame = self._frame().tobytes()
                self._capture.frame(frame)
                await self._source.capture_frame(rtc.AudioFrame(frame, RATE, 1, FRAME))
                due += FRAME_NS
        finally:
            self._capture.close()

    def _frame(self) -> Pcm:
        first = self._capture.samples
        frame = np.zeros(FRAME, dtype=np.int16)
        for seed, (at, pcm) in list(self._sounds.items()):
            begin, end = max(at, first), min(at + len(pcm), first + FRAME)
            if begin < end:
                frame[begin - first : end - first] += pcm[begin - at : end - at]
            if at + len(pcm) <= first + FRAME:
                del self._sounds[seed]
        return frame

    def _sample(self, ns: int) -> int:
        return round((ns - self._begun_ns) * RATE / NS_PER_S)

    def say(self, wanted: Clip, at_ns: int) -> int:
        """From that moment on, or from the next frame if it is past; returns when it will have ended."""
        at = max(self._sample(at_ns), self._capture.samples)
        self._sounds[wanted.seed] = (at, wanted.pcm)
        tell("says", clip=wanted.seed, at=at)
        return self._begun_ns + (at + wanted.samples) * NS_PER_S // RATE

    def stop(self, wanted: Clip, at_ns: int) -> None:
        """Breaks off."""
        at, pcm = self._sounds[wanted.seed]
        end = max(self._sample(at_ns), self._capture.samples)
        self._sounds[wanted.seed] = (at, pcm[: max(0, end - at)])
        tell("stops", clip=wanted.seed, said=min(len(pcm), max(0, end - at)))


class Transcripts:
    """Sent just before the sound that they are of, as livekit-agents does; or not at all."""

    def __init__(self, room: rtc.Room, words: Words, track_sid: str) -> None:
        self._room = room
        self._words = words
        self._sid = track_sid
        self._sending: set[asyncio.Task[None]] = set()

    def send(self, wanted: Clip) -> None:
        if self._words != "none":
            task = asyncio.create_task(self._stream(wanted) if self._words == "text" else self._packets(wanted))
            self._sending.add(task)
            task.add_done_callback(self._sending.discard)

    async def _stream(self, wanted: Clip) -> None:
        attributes = {"lk.transcription_final": "false", "lk.segment_id": f"s{wanted.seed}"}
        writer = await self._room.local_participant.stream_text(topic="lk.transcription", attributes=attributes)
        await writer.write("I have noted ")
        await writer.write(f"number {wanted.seed}.")
        await writer.aclose(attributes={**attributes, "lk.transcription_final": "true"})

    async def _packets(self, wanted: Clip) -> None:
        for text, final in (("I have noted", False), (f"I have noted number {wanted.seed}.", True)):
            segment = rtc.TranscriptionSegment(
                id=f"s{wanted.seed}", text=text, start_time=0, end_time=0, language="en", final=final
            )
            identity = self._room.local_participant.identity
            packet = rtc.Transcription(participant_identity=identity, track_sid=self._sid, segments=[segment])
            await self._room.local_participant.publish_transcription(packet)

    async def close(self) -> None:
        if self._sending:
            await asyncio.wait(self._sending, timeout=5)


async def follow(exchanges: tuple[Exchange, ...], ears: Ears, mouth: Mouth, transcripts: Transcripts) -> None:
    def say(wanted: Clip, at_ns: int) -> int:
        transcripts.send(wanted)
        return mouth.say(wanted, at_ns)

    for exchange in exchanges:
        ended_ns = 0
        if exchange.kind == "agent_barges":
            assert exchange.talk is not None
            begun = await ears.start_of(exchange.question)
            ended_ns = say(exchange.talk, begun + exchange.offset_ms * 1_000_000)
            ended = await ears.end_of(exchange.question)
        elif exchange.kind == "user_barges":
            assert exchange.talk is not None
            assert exchange.barge is not None
            ended = await ears.end_of(exchange.question)
            say(exchange.talk, ended + FIRST_DELAY_MS * 1_000_000)
            barged = await ears.start_of(exchange.barge)
            mouth.stop(exchange.talk, barged + STOPS_AFTER_MS * 1_000_000)
            ended = await ears.end_of(exchange.barge)
        else:
            ended = await ears.end_of(exchange.question)
        if exchange.answer is not None:
            ended_ns = say(exchange.answer, ended + exchange.delay_ms * 1_000_000)
        # The user goes on when it has heard that.
        await asyncio.sleep(max(0, ended_ns - time.monotonic_ns()) / 1e9)
    tell("done")


def make_clips(job: Job) -> None:
    """Now, not when they are needed."""
    for exchange in call_named(job.call).exchanges:
        for wanted in (exchange.question, exchange.answer, exchange.talk, exchange.barge):
            if wanted is not None:
                _ = wanted.pcm


async def act(job: Job, over: asyncio.Event) -> None:
    call = call_named(job.call)
    room = rtc.Room()
    ears, listening = Ears(Capture(job.path, "agent-heard")), list[asyncio.Task[None]]()

    def subscribed(track: Any, _publication: Any, participant: Any) -> None:
        if participant.identity == "xray-driver":
            tell("hears")
            listening.append(asyncio.create_task(ears.listen(rtc.AudioStream(track, sample_rate=RATE, num_channels=1))))

    events: Any = room
    events.on("track_subscribed", subscribed)
    await room.connect(job.url, access(job, "agent", kind="agent"))
    source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
    track = rtc.LocalAudioTrack.create_audio_track("voice", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await room.local_participant.publish_track(track, options)
    mouth = Mouth(source, Capture(job.path, "agent-sent"))
    transcripts = Transcripts(room, call.words, publication.sid)
    tell("joined")
    working = [
        asyncio.create_task(mouth.run()),
        asyncio.create_task(follow(call.exchanges, ears, mouth, transcripts)),
    ]
    leaving = asyncio.create_task(over.wait())
    try:
        done, _ = await asyncio.wait({working[0], leaving}, return_when=asyncio.FIRST_COMPLETED)
        if working[0] in done:
            working[0].result()
    finally:
        for task in (leaving, *working, *listening):
            task.cancel()
        ended = await asyncio.gather(*working, *listening, return_exceptions=True)
        await transcripts.close()
        await room.disconnect()
    for result in ended:
        if isinstance(result, Exception):
            raise result


if __name__ == "__main__":
    sys.exit(play(act, make_clips))
