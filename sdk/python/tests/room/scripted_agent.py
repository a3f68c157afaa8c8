# SPDX-License-Identifier: Apache-2.0
"""An agent that does what a test says: a participant of its own in the room, which hears the user and plays known clips
after known delays."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any

from livekit import api, rtc
from livekit_server import LiveKitServer

from xray._clock import SYSTEM_CLOCK
from xray._frame import FRAME_SAMPLES
from xray.runtime._hearing import Hearing
from xray.runtime._room.speaking import Spoken, Voice
from xray.runtime._room.words import FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TOPIC

RATE = 48_000


def access(
    server: LiveKitServer,
    room: str,
    identity: str,
    *,
    kind: str = "agent",
    hidden: bool = False,
    attributes: Mapping[str, str] | None = None,
) -> str:
    grants = api.VideoGrants(room_join=True, room=room, hidden=hidden, can_update_own_metadata=True)
    token = api.AccessToken(server.api_key, server.api_secret).with_identity(identity).with_grants(grants)
    token = token.with_attributes(dict(attributes or {}))
    return token.with_kind(kind).to_jwt()  # pyright: ignore[reportArgumentType]


class Track:
    """A published track that never stops."""

    def __init__(self, participant: Any) -> None:
        self._participant = participant
        self._source = rtc.AudioSource(RATE, 1, queue_size_ms=0)
        self._task: asyncio.Task[None] | None = None
        self.voice = Voice(self._send, lambda _at, _pcm: None, clock=SYSTEM_CLOCK)
        self.sid = ""

    async def publish(self, name: str) -> None:
        track = rtc.LocalAudioTrack.create_audio_track(name, self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
        self.sid = (await self._participant.publish_track(track, options)).sid
        self._task = asyncio.create_task(self.voice.run())

    async def unpublish(self) -> None:
        await self.stop()
        await self._participant.unpublish_track(self.sid)

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
        await self._source.aclose()

    async def _send(self, pcm: bytes) -> None:
        await self._source.capture_frame(rtc.AudioFrame(pcm, RATE, 1, FRAME_SAMPLES))


class ScriptedAgent:
    """`async with ScriptedAgent(server, room) as agent:` joins and publishes one track.

    `subscribes`, if given, is when it subscribes to the user, and `listens` when it takes in what it has subscribed to:
    what comes before is lost. `is_told` are its own attributes.
    """

    def __init__(
        self,
        server: LiveKitServer,
        room: str,
        *,
        identity: str = "agent",
        kind: str = "agent",
        publish: bool = True,
        subscribes: asyncio.Event | None = None,
        listens: asyncio.Event | None = None,
        is_told: Mapping[str, str] | None = None,
    ) -> None:
        self._url = server.url
        self._token = access(server, room, identity, kind=kind, attributes=is_told)
        self._subscribes = subscribes
        self._listens = listens
        self._publish = publish
        self.room = rtc.Room()
        self.tracks: list[Track] = []
        self.heard = bytearray()
        self.attributes: dict[str, str] = {}
        self.user_kind: int | None = None
        self._hearing = Hearing()
        self._listeners: set[asyncio.Task[None]] = set()
        self.user_came = asyncio.Event()
        events: Any = self.room
        events.on("track_subscribed", self._subscribed)
        events.on("track_published", self._published)

    async def __aenter__(self) -> ScriptedAgent:
        options = rtc.RoomOptions(auto_subscribe=self._subscribes is None)
        await self.room.connect(self._url, self._token, options)
        if self._publish:
            await self.add_track("voice")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.leave()

    async def leave(self) -> None:
        for track in self.tracks:
            await track.stop()
        self.tracks.clear()
        await self.room.disconnect()
        for task in list(self._listeners):
            task.cancel()
        if self._listeners:
            await asyncio.wait(self._listeners)

    async def add_track(self, name: str) -> Track:
        track = Track(self.room.local_participant)
        await track.publish(name)
        self.tracks.append(track)
        return track

    def _subscribed(self, track: Any, _publication: Any, participant: Any) -> None:
        self.attributes = dict(participant.attributes)
        self.user_kind = participant.kind
        self.user_came.set()
        self._start(self._listen(track))

    def _published(self, publication: Any, _participant: Any) -> None:
        if self._subscribes is not None:
            self._start(self._subscribe(publication, self._subscribes))

    async def _subscribe(self, publication: Any, when: asyncio.Event) -> None:
        await when.wait()
        publication.set_subscribed(True)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._listeners.add(task)
        task.add_done_callback(self._listeners.discard)

    async def _listen(self, track: Any) -> None:
        if self._listens is not None:
            await self._listens.wait()
        stream = rtc.AudioStream(track, sample_rate=RATE, num_channels=1)
        try:
            async for event in stream:
                pcm = bytes(event.frame.data)
                self._hearing.frame("user", len(self.heard) // 2, pcm)
                self.heard += pcm
        finally:
            await stream.aclose()

    async def user_spoke(self, *, silence_s: float = 0.3) -> None:
        """Waits until the user has spoken, since the last call, and has been silent for a while."""
        while (
            self._hearing.first_voice is None
            or (len(self.heard) // 2 - (self._hearing.last_voice or 0)) < silence_s * RATE
        ):
            await asyncio.sleep(0.005)
        self._hearing.forget()

    async def user_speaks(self) -> None:
        """Waits until the user is heard."""
        while self._hearing.first_voice is None:
            await asyncio.sleep(0.005)

    async def say(self, pcm: bytes, *, track: int = 0) -> Spoken:
        return await self.tracks[track].voice.say(pcm)

    async def send_text(self, text: str, *, segment: str, final: bool = True, chunks: int = 2) -> None:
        """A transcript as livekit-agents sends it: a text stream that says when closed whether it is final."""
        attributes = {FINAL_ATTRIBUTE: "false", SEGMENT_ATTRIBUTE: segment}
        writer = await self.room.local_participant.stream_text(topic=TOPIC, attributes=attributes)
        size = -(-len(text) // chunks)
        for at in range(0, len(text), size):
            await writer.write(text[at : at + size])
        await writer.aclose(attributes={**attributes, FINAL_ATTRIBUTE: "true" if final else "false"})

    async def send_packet(self, text: str, *, segment: str, final: bool) -> None:
        """A transcript in the older packet."""
        part = rtc.TranscriptionSegment(id=segment, text=text, start_time=0, end_time=0, language="en", final=final)
        transcription = rtc.Transcription(
            participant_identity=self.room.local_participant.identity, track_sid=self.tracks[0].sid, segments=[part]
        )
        await self.room.local_participant.publish_transcription(transcription)
