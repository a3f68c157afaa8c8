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
from xray.runtime._room.agents import is_ready
from xray.runtime._room.joining import Secret, without_tokens
from xray.runtime._room.placing import Placed, Placer
from xray.runtime._room.speaking import Voice
from xray.runtime._room.words import FINAL_ATTRIBUTE, SEGMENT_ATTRIBUTE, TOPIC
from xray.runtime._words import Words

__all__ = ["Call"]

_logger = logging.getLogger("xray.runtime.livekit")

_CONNECT_TIMEOUT_S: Final = 15.0
_CLOSE_TIMEOUT_S: Final = 5.0
# A track that the agent does not subscribe to is its fault, which the recording shows.
_SUBSCRIBED_TIMEOUT_S: Final = 10.0
# Agents that never say that they are ready are spoken to all the same.
_READY_TIMEOUT_S: Final = 10.0
_HUNG_UP: Final = ("PARTICIPANT_REMOVED", "ROOM_DELETED", "ROOM_CLOSED")
"""How a call ends that the other side ended: not a fault. Agents hang up by deleting the room."""


# Rooms that are left when LiveKit's answer to `connect` is there, if the call did not wait for it.
_late: set[asyncio.Task[None]] = set()


class Call:
    """A call. `join`, `publish`, `wait_for_agent`, then `voice.say` and `hearing`; `close` always."""

    def __init__(
        self, rtc: ModuleType, *, room: str, agent_identity: str | None, recorder: Recorder, clock: Clock
    ) -> None:
        self._rtc = rtc
        self._name = room
        self._agent_identity = agent_identity
        self._recorder = recorder
        self._clock = clock
        self._room: Any = rtc.Room()
        self._connecting: asyncio.Task[str | None] | None = None
        self._source: Any = None
        self._publication: Any = None
        self._agents_first = False
        self._news = asyncio.Event()
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

    async def join(self, url: str, access: Secret) -> None:
        """Enters the room. Raises XrayError if there is no server, or it refuses the token."""
        # A task of its own: what was begun cannot be called back, so `close` has to know how it ends.
        connecting = asyncio.ensure_future(self._connect(url, access))
        self._connecting = connecting
        if not (await asyncio.wait({connecting}, timeout=_CONNECT_TIMEOUT_S))[0]:
            raise XrayError(f"no answer from LiveKit at {url} within {_CONNECT_TIMEOUT_S:g} s")
        if (refused := connecting.result()) is not None:
            raise XrayError(f"cannot join room {self._name!r} at {url}: {refused}")
        self._connected.set()
        # Nobody announces those who are here already.
        for participant in list(self._room.remote_participants.values()):
            self._came(participant)

    async def _connect(self, url: str, access: Secret) -> str | None:
        """Why it could not be. No error: LiveKit's have the token in their words and in the locals of their frames."""
        try:
            await self._room.connect(url, access.reveal())
        except Exception as error:
            return without_tokens(str(error))
        return None

    async def publish(self, feed: Coroutine[Any, Any, None] | None = None, *, agents_first: bool = False) -> None:
        """Starts the user's track. Raises XrayError if the room does not take it.

        From here to the end `feed` gives it a frame every 10 ms through `send`; without one it is `voice` that does.
        With `agents_first` nobody but agents may subscribe to it until `wait_until_agent_listens` has returned.
        """
        rtc = self._rtc
        try:
            self._source = rtc.AudioSource(48_000, 1, queue_size_ms=0)
            track = rtc.LocalAudioTrack.create_audio_track("user", self._source)
            options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE, dtx=False)
            if agents_first:
                self._agents_first = True
                self._admit()
            self._publication = await self._room.local_participant.publish_track(track, options)
        except BaseException as error:
            if feed is not None:
                feed.close()
            if isinstance(error, Exception):
                raise XrayError(f"cannot speak in room {self._name!r}: {error}") from error
            raise
        self.beside(self.voice.run() if feed is None else feed)

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

    async def wait_until_agent_listens(self) -> None:
        """Returns when an agent has subscribed to the user's track, and all agents that tell whether they are ready
        are. Neither is waited for without end."""
        try:
            await asyncio.wait_for(self._publication.wait_for_subscription(), _SUBSCRIBED_TIMEOUT_S)
        except asyncio.TimeoutError:
            _logger.warning("no agent in room %s has subscribed to the user's track", self._name)
        finally:
            self._agents_first = False
            self._admit()
        try:
            await asyncio.wait_for(self._until_ready(), _READY_TIMEOUT_S)
        except asyncio.TimeoutError:
            _logger.warning("the agent in room %s has not said that it listens; the user begins", self._name)

    async def wait_until_connected(self) -> None:
        """Returns at once but while the connection is being restored."""
        await self._connected.wait()

    def agent_gone_s(self) -> float:
        """For how long no agent has been in the room; 0 while one is."""
        return 0.0 if self._left_at_ns is None else (self._clock.monotonic_ns() - self._left_at_ns) / 1e9

    def beside(self, work: Coroutine[Any, Any, None]) -> None:
        """Does `work` until the call is closed; what it raises ends the call."""
        self._start(work, self._tasks)

    async def close(self) -> None:
        """Leaves, having recorded all that was heard until now. Safe to call again.

        Not to be cancelled: nobody else leaves the room.
        """
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
        await self._leave()
        if self.over.done() and not self.over.cancelled():
            self.over.exception()  # looked at, whether or not anybody waited for it
        self.over.cancel()

    async def _leave(self) -> None:
        connecting = self._connecting
        if connecting is None:
            return
        if not (await asyncio.wait({connecting}, timeout=_CLOSE_TIMEOUT_S))[0]:
            connecting.add_done_callback(self._leave_late)
        elif _connected(connecting):
            await self._at_most(self._room.disconnect())

    def _leave_late(self, connecting: asyncio.Task[str | None]) -> None:
        if not _connected(connecting):
            return
        leaving = asyncio.get_running_loop().create_task(self._at_most(self._room.disconnect()))
        _late.add(leaving)
        leaving.add_done_callback(_late.discard)

    # What the room tells.

    def _listen(self) -> None:
        on = self._room.on
        on("participant_connected", self._came)
        on("participant_disconnected", self._went)
        on("track_subscribed", self._track_came)
        on("disconnected", self._disconnected)
        on("participant_attributes_changed", self._told)
        on("track_published", self._told)
        on("reconnecting", self._connected.clear)
        on("reconnected", self._reconnected)
        on("transcription_received", self._packet)
        self._room.register_text_stream_handler(TOPIC, self._text_stream)

    def _is_agent(self, participant: Any) -> bool:
        if self._agent_identity is not None:
            return participant.identity == self._agent_identity
        return participant.kind == self._rtc.ParticipantKind.PARTICIPANT_KIND_AGENT

    def _came(self, participant: Any) -> None:
        if not self._is_agent(participant) or self._ended:
            return
        new = participant.identity not in self._agents
        self._agents.add(participant.identity)
        self._left_at_ns = None
        if new and self._agents_first:
            self._admit()
        if not self.recording:
            with self._fatal():
                self._recorder.start()
                self.recording = True
        self._joined.set()
        self._news.set()

    def _went(self, participant: Any) -> None:
        self._agents.discard(participant.identity)
        if not self._agents and self._joined.is_set():
            _logger.warning("the agent left room %s", self._name)
            self._left_at_ns = self._clock.monotonic_ns()

    def _reconnected(self) -> None:
        self._connected.set()
        # Who came or went meanwhile may not have been announced, and one who comes back anew has no rules.
        here = {p.identity: p for p in self._room.remote_participants.values()}
        for participant in here.values():
            self._came(participant)
        self._agents &= here.keys()
        if not self._agents and self._joined.is_set() and self._left_at_ns is None:
            self._left_at_ns = self._clock.monotonic_ns()
        if self._agents_first:
            self._admit()

    def _told(self, *_: Any) -> None:
        self._news.set()

    async def _until_ready(self) -> None:
        while not self._agents_ready():
            self._news.clear()
            await self._news.wait()

    def _agents_ready(self) -> bool:
        agents = [p for p in self._room.remote_participants.values() if p.identity in self._agents]
        return bool(agents) and all(is_ready(self._rtc, agent) for agent in agents)

    def _admit(self) -> None:
        """Says who may subscribe to the user's track. LiveKit tells that somebody has, and not who: so at first it is
        nobody but agents."""
        permission = self._rtc.ParticipantTrackPermission
        agents = self._agents | ({self._agent_identity} if self._agent_identity is not None else set[str]())
        self._room.local_participant.set_track_subscription_permissions(
            allow_all_participants=not self._agents_first,
            participant_permissions=[permission(participant_identity=name, allow_all=True) for name in sorted(agents)],
        )

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


def _connected(connecting: asyncio.Task[str | None]) -> bool:
    return not connecting.cancelled() and connecting.result() is None


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
