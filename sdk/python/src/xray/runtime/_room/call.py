# SPDX-License-Identifier: Apache-2.0
"""One call in a LiveKit room: both sides onto the recorder, from the moment the agent is there to the end.

All of it runs on one event loop. What goes wrong in a task or in an event handler ends the call: `over` has the error.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Iterator
from types import ModuleType
from typing import Any, Final

from xray._clock import Clock
from xray._frame import FRAME_SAMPLES
from xray._recorder import Recorder
from xray.errors import AgentNotJoinedError, XrayError
from xray.runtime._hearing import Hearing
from xray.runtime._room.placing import Placed, Placer
from xray.runtime._room.speaking import Voice
from xray.runtime._room.words import FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TOPIC
from xray.runtime._words import Words

__all__ = ["Call"]

_logger = logging.getLogger("xray.runtime.livekit")

_CONNECT_TIMEOUT_S: Final = 15.0
_CLOSE_TIMEOUT_S: Final = 5.0
_HUNG_UP: Final = ("PARTICIPANT_REMOVED", "ROOM_DELETED", "ROOM_CLOSED")
"""How a call ends that the other side ended: not a fault. Agents hang up by deleting the room."""


class Call:
    """A call. `Call.join`, `Call.publish`, `Call.wait_for_agent`, then `voice.say` and `hearing`; `close` always."""

    def __init__(
        self, rtc: ModuleType, *, room: str, agent_identity: str | None, recorder: Recorder, clock: Clock
    ) -> None:
        self._rtc = rtc
        self._name = room
        self._agent_identity = agent_identity
        self._recorder = recorder
        self._clock = clock
        self._room: Any = rtc.Room()
        self._source: Any = None
        self._agents: set[str] = set()
        self._joined = asyncio.Event()
        self._connected = asyncio.Event()
        self._left_at_ns: int | None = None
        self.recording = False
        """Whether the agent has ever been there, so that there is a recording."""
        self._ended = False
        self._streams: dict[str, Any] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._readers: set[asyncio.Task[None]] = set()
        self.agent_heard = asyncio.Event()
        """Set when the first frame of the agent's audio is there, silent or not."""
        self.listener: Callable[[str, bytes], None] = lambda _track, _pcm: None
        """Is given every frame of every track of the agent when it comes."""
        self.hearing = Hearing()
        self.words = Words()
        self.voice = Voice(self.send, self._record_user, clock=clock)
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        """Done when the call is: with a result if the other side hung up, else with what went wrong."""
        self._listen()

    async def join(self, url: str, token: str) -> None:
        """Enters the room. Raises XrayError if there is no server, or it refuses the token."""
        try:
            await asyncio.wait_for(self._room.connect(url, token), _CONNECT_TIMEOUT_S)
        except asyncio.TimeoutError:
            raise XrayError(f"no answer from LiveKit at {url} within {_CONNECT_TIMEOUT_S:g} s") from None
        except self._rtc.ConnectError as error:
            raise XrayError(f"cannot join room {self._name!r} at {url}: {error}") from error
        self._connected.set()
        # Nobody announces those who are here already.
        for participant in list(self._room.remote_participants.values()):
            self._came(participant)

    async def publish(self, feed: Coroutine[Any, Any, None] | None = None) -> Any:
        """Starts the user's track and returns its publication.

        From here to the end `feed` gives it a frame every 10 ms through `send`; without one it is `voice` that does.
        """
        rtc = self._rtc
        self._source = rtc.AudioSource(48_000, 1, queue_size_ms=0)
        track = rtc.LocalAudioTrack.create_audio_track("user", self._source)
        options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
        try:
            publication = await self._room.local_participant.publish_track(track, options)
        except rtc.PublishTrackError as error:
            if feed is not None:
                feed.close()
            raise XrayError(f"cannot speak in room {self._name!r}: {error}") from error
        self._start(self.voice.run() if feed is None else feed, self._tasks)
        return publication

    async def wait_for_agent(self, timeout_s: float) -> None:
        """Returns when an agent is in the room; AgentNotJoinedError if none comes."""
        try:
            await asyncio.wait_for(self._joined.wait(), timeout_s)
        except asyncio.TimeoutError:
            others = sorted(p.identity for p in self._room.remote_participants.values())
            if others:
                _logger.warning(
                    "in room %s were %s, none of them of LiveKit's kind AGENT; name the agent with agent_identity=",
                    self._name,
                    ", ".join(others),
                )
            raise AgentNotJoinedError(self._name, timeout_s) from None

    async def wait_until_connected(self) -> None:
        """Returns at once but while the connection is being restored."""
        await self._connected.wait()

    def agent_gone_s(self) -> float:
        """For how long no agent has been in the room; 0 while one is."""
        return 0.0 if self._left_at_ns is None else (self._clock.monotonic_ns() - self._left_at_ns) / 1e9

    async def close(self) -> None:
        """Leaves, having recorded all that was heard until now. Safe to call again."""
        if self._ended:
            return
        self._ended = True
        for stream in list(self._streams.values()):
            await self._at_most(stream.aclose())
        # The readers end with their streams, and then have placed all they held.
        await _settle(self._readers)
        await _settle(self._tasks, cancel=True)
        if self._source is not None:
            await self._at_most(self._source.aclose())
        await self._at_most(self._room.disconnect())
        if self.over.done() and not self.over.cancelled():
            self.over.exception()  # looked at, whether or not anybody waited for it
        self.over.cancel()

    # What the room tells.

    def _listen(self) -> None:
        on = self._room.on
        on("participant_connected", self._came)
        on("participant_disconnected", self._went)
        on("track_subscribed", self._track_came)
        on("disconnected", self._disconnected)
        on("reconnecting", self._connected.clear)
        on("reconnected", self._reconnected)
        on("transcription_received", self._packet)
        self._room.register_text_stream_handler(TOPIC, self._text_stream)

    def _is_agent(self, participant: Any) -> bool:
        if self._agent_identity is not None:
            return participant.identity == self._agent_identity
        return participant.kind == self._rtc.ParticipantKind.PARTICIPANT_KIND_AGENT

    def _came(self, participant: Any) -> None:
        if not self._is_agent(participant):
            return
        self._agents.add(participant.identity)
        self._left_at_ns = None
        if not self.recording:
            with self._fatal():
                self._recorder.start()
                self.recording = True
        self._joined.set()

    def _went(self, participant: Any) -> None:
        self._agents.discard(participant.identity)
        if not self._agents and self._joined.is_set():
            _logger.warning("the agent left room %s", self._name)
            self._left_at_ns = self._clock.monotonic_ns()

    def _reconnected(self) -> None:
        self._connected.set()
        # Who came or went meanwhile may not have been announced.
        here = {p.identity: p for p in self._room.remote_participants.values()}
        for participant in here.values():
            self._came(participant)
        if self._agents and not self._agents & here.keys():
            self._agents.clear()
            self._left_at_ns = self._clock.monotonic_ns()

    def _disconnected(self, reason: int) -> None:
        name: str = self._rtc.DisconnectReason.Name(reason)
        if name in _HUNG_UP and self.recording:
            _logger.info("the call was ended by the other side: %s", name)
            if not self.over.done():
                self.over.set_result(None)
        else:
            self._fail(XrayError(f"the connection to room {self._name!r} was lost: {name}"))
        self._connected.set()

    def _track_came(self, track: Any, publication: Any, participant: Any) -> None:
        if track.kind != self._rtc.TrackKind.KIND_AUDIO or not self._is_agent(participant) or self._ended:
            return
        self._came(participant)
        # A track that is published again has another sid: it is a new stream, placed for itself.
        sid: str = publication.sid
        stream = self._rtc.AudioStream(track, sample_rate=48_000, num_channels=1)
        key = f"{sid}/{id(stream)}"
        self._streams[key] = stream
        self._start(self._read(key, stream), self._readers)

    async def _read(self, key: str, stream: Any) -> None:
        placer = Placer()
        try:
            async for event in stream:
                at = self._recorder.now()
                pcm = bytes(event.frame.data)
                self.agent_heard.set()
                self.listener(key, pcm)
                self.hearing.frame(key, at, pcm)
                self._record_agent(placer.push(at, pcm))
        finally:
            self._record_agent(placer.flush())
            self.hearing.ended(key)
            self._streams.pop(key, None)
            await stream.aclose()

    def _text_stream(self, reader: Any, identity: str) -> None:
        if identity in self._agents:
            self._start(self._read_text(reader), self._tasks)
        else:
            reader.close()  # what the agent understood of the user comes this way too

    async def _read_text(self, reader: Any) -> None:
        segment = _attributes(reader).get(SEGMENT_ATTRIBUTE) or reader.info.stream_id
        text = ""
        try:
            async for chunk in reader:
                text += chunk
                self.words.heard(segment, text, final=False)
        except self._rtc.StreamError as error:
            _logger.warning("a transcript broke off: %s", error)
        # Whether it is final is known when the stream is closed.
        self.words.heard(segment, text, final=_attributes(reader).get(FINAL_ATTRIBUTE) == "true")

    def _packet(self, segments: list[Any], participant: Any, _publication: Any) -> None:
        if participant is None or participant.identity not in self._agents:
            return
        for segment in segments:
            self.words.heard(segment.id, segment.text, final=segment.final, packet=True)

    # What goes in and out.

    async def send(self, pcm: bytes) -> None:
        """Gives the transport 10 ms of the user's side, which leave now."""
        await self._source.capture_frame(self._rtc.AudioFrame(pcm, 48_000, 1, FRAME_SAMPLES))

    def _record_user(self, left_ns: int, pcm: bytes) -> None:
        self._recorder.add_user(self._recorder.at(left_ns), pcm)

    def _record_agent(self, placed: list[Placed]) -> None:
        for at, pcm in placed:
            self._recorder.add_agent(at, pcm)

    # Tasks.

    def _start(self, work: Coroutine[Any, Any, None], among: set[asyncio.Task[None]]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        among.add(task)

        def done(task: asyncio.Task[None]) -> None:
            among.discard(task)
            if not task.cancelled() and (error := task.exception()) is not None:
                self._fail(error)

        task.add_done_callback(done)

    def _fail(self, error: BaseException) -> None:
        if not self.over.done():
            self.over.set_exception(error)
        elif not self._ended:
            _logger.debug("after the end of the call: %s", error)

    @contextlib.contextmanager
    def _fatal(self) -> Iterator[None]:
        # LiveKit logs what a handler raises and goes on; here it is the end.
        try:
            yield
        except Exception as error:
            self._fail(error)

    async def _at_most(self, leaving: Coroutine[Any, Any, None]) -> None:
        try:
            await asyncio.wait_for(leaving, _CLOSE_TIMEOUT_S)
        except Exception as error:
            _logger.warning("leaving room %s: %s", self._name, str(error) or type(error).__name__)


def _attributes(reader: Any) -> dict[str, str]:
    return reader.info.attributes or {}


async def _settle(tasks: set[asyncio.Task[None]], *, cancel: bool = False) -> None:
    """Waits for tasks to end; cancels them first, or when they take too long."""
    waiting = list(tasks)
    if not waiting:
        return
    if not cancel:
        await asyncio.wait(waiting, timeout=_CLOSE_TIMEOUT_S)
    for task in waiting:
        task.cancel()
    await asyncio.wait(waiting)
