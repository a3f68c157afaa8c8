# SPDX-License-Identifier: Apache-2.0
"""`LocalRuntime`: a call with an agent that is an async function in this process. No room, no network, no key.

    async def agent(call: LocalCall) -> None:
        while heard := await call.listen():
            await call.say(await answer(heard))

    result = await xray.run(conversation=conversation, runtime=LocalRuntime(agent))

It is also what to read before writing a runtime for another transport: from `LocalRuntime.run` down, all of it happens
in one task, a frame of 10 ms at a time. docs/runtimes.md says what another transport has to do differently. When a turn
is over is in `_turns`, for this runtime and for those in a room.
"""

from __future__ import annotations

import asyncio
import inspect
import itertools
import logging
import shutil
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Final

from opentelemetry import trace

from xray._clock import SAMPLE_RATE, SYSTEM_CLOCK, Clock
from xray._frame import FRAME_SAMPLES, SILENCE
from xray._recorder import Recorder
from xray._tasks import despite_cancellation
from xray._wav import BYTES_PER_SAMPLE
from xray.conversation import Conversation, Role
from xray.errors import RuntimeBindError, XrayError
from xray.runtime._arguments import check_times, check_user_audio
from xray.runtime._hearing import Hearing
from xray.runtime._keeping import keep_broken
from xray.runtime._local_call import Ear, LocalCall, Mouth, Speech
from xray.runtime._places import Places
from xray.runtime._turns import Turns, frames_of
from xray.runtime._words import Words
from xray.runtime.base import RunProgress, Runtime, RuntimeResult

__all__ = ["Agent", "LocalCall", "LocalRuntime", "Speech"]

Agent = Callable[[LocalCall], Awaitable[object]]
"""An agent: called once, at the beginning of the call. The call goes on when it returns, but nobody answers."""

# Before the first word, so that it is not the recording's first sample; after the last one, if it is the user's.
_LEAD_IN: Final = 300 * SAMPLE_RATE // 1000
_TAIL: Final = 500 * SAMPLE_RATE // 1000
# How long an agent has to return once the call is over, and then to take its cancellation.
_LEAVE_S: Final = 1.0
_CANCEL_S: Final = 2.0
_BLOCKED: Final = 250 * SAMPLE_RATE // 1000

_logger = logging.getLogger("xray.runtime.local")


class LocalRuntime(Runtime):
    """Plays a conversation to `agent`, an async callable in this process, in real time, and records both sides.

    `agent` is called with a `LocalCall` when the call begins. The user's turns are played one after the other. A turn
    of the agent is over when it has spoken and then been silent for `agent_silence_ms`, or after `agent_turn_timeout_s`
    seconds: an agent that says nothing until then has an empty response, one that still speaks is spoken over, and the
    call goes on either way. The call is over after the last turn; the agent then has a second to return.

    With `mixdown_dir` the recording is kept there as `<replay id>.wav`, also that of a call that an error ended; else
    `aclose` removes it. One object runs one conversation; many may run at once. Code of the agent that blocks the event
    loop delays what the agent hears and says, and shows as such in the recording.

    `run` raises RuntimeBindError before `bind` and `inject_user_audio`, MixdownError if the disk does not take the
    recording, and XrayError if the agent raises, with what it raised as the cause.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        agent_turn_timeout_s: float = 30,
        agent_silence_ms: int = 800,
        mixdown_dir: str | Path | None = None,
        tracer_provider: trace.TracerProvider | None = None,
        clock: Clock = SYSTEM_CLOCK,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        if not callable(agent):
            raise ValueError(f"the agent must be an async callable, not {type(agent).__name__}")
        check_times(agent_turn_timeout_s=agent_turn_timeout_s, agent_silence_ms=agent_silence_ms)
        self._agent = agent
        self._agent_turn_timeout_s = agent_turn_timeout_s
        self._agent_silence_ms = agent_silence_ms
        self._places = Places.of(mixdown_dir, None)
        self._tracer_provider = tracer_provider
        self._clock = clock
        self._sleep = sleep
        self._replay_id: str | None = None
        self._audio: dict[int, bytes] = {}
        self._report: Callable[[RunProgress], None] = lambda _: None
        self._directory: Path | None = None

    def bind(self, *, replay_id: str, conversation_hash: str) -> None:  # noqa: ARG002  the agent has it in its baggage
        """Names the replay."""
        self._replay_id = replay_id

    def inject_user_audio(self, audio: Mapping[int, bytes]) -> None:
        """Turn index to 48 kHz mono s16le PCM without a header. ValueError for bytes that are not whole samples."""
        check_user_audio(audio)
        self._audio = dict(audio)

    def report_progress_to(self, report: Callable[[RunProgress], None]) -> None:
        """Has `report` told of every turn."""
        self._report = report

    async def run(self, conversation: Conversation) -> RuntimeResult:
        replay_id = self._check_ready(conversation)
        self._directory = self._places.make()
        recorder = Recorder(self._directory, clock=self._clock)
        try:
            try:
                turns, end = await self._call(recorder, conversation)
            except BaseException as error:
                # Elsewhere than asked for nothing is left behind: the agent is the test's own, and runs again.
                if self._places.mixdown_dir is not None:
                    await keep_broken(error, recorder, self._places, replay_id)
                raise
            written = await asyncio.to_thread(recorder.finish, end=end, path=self._places.kept(replay_id))
            return RuntimeResult(
                responses=turns.responses,
                full_audio_path=str(written),
                full_transcript="\n".join(turns.lines) or None,
                recording_started_at_epoch=recorder.started_at_epoch,
            )
        finally:
            recorder.close()

    async def aclose(self) -> None:
        directory, self._directory = self._directory, None
        if directory is not None:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _check_ready(self, conversation: Conversation) -> str:
        """The replay's id, if nothing is missing."""
        if self._replay_id is None:
            raise RuntimeBindError("LocalRuntime: bind() comes before run()")
        if self._directory is not None:
            raise RuntimeError("LocalRuntime: one object runs one conversation")
        wanted = [i for i, turn in enumerate(conversation.turns) if turn.role is Role.USER and turn.audio is not None]
        if missing := [i for i in wanted if i not in self._audio]:
            raise RuntimeBindError(f"LocalRuntime: the user turns {missing} have no audio; see inject_user_audio")
        return self._replay_id

    async def _call(self, recorder: Recorder, conversation: Conversation) -> tuple[Turns, int]:
        """The call, from its first frame to the end of the agent. Returns what was played, and its end."""
        ear, mouth, words = Ear(), Mouth(recorder.now), Words()
        segments = itertools.count()

        def report_words(text: str) -> None:
            # Never final: an agent may report words at any time, and a turn is over by its voice alone.
            words.heard(str(next(segments)), text, final=False)

        # The task inherits the context, and with it the baggage that names the replay to the agent's spans.
        agent = _AgentTask(self._agent, LocalCall(ear, mouth, report_words))
        line = _Line(recorder, ear, mouth, words, agent, sleep=self._sleep)
        turns = Turns(
            conversation,
            line,
            recorder,
            audio=self._audio,
            agent_silence_ms=self._agent_silence_ms,
            agent_turn_timeout_s=self._agent_turn_timeout_s,
            report=self._report,
            tracer=trace.get_tracer("xray", tracer_provider=self._tracer_provider),
        )
        leave_s = 0.0
        try:
            recorder.start()
            await line.pause(_LEAD_IN)
            await turns.play()
            if conversation.turns and conversation.turns[-1].role is Role.USER:
                await line.pause(_TAIL)
            leave_s = _LEAVE_S
        finally:
            mouth.close()
            ear.close()
            await despite_cancellation(agent.leave(leave_s))
        agent.check()
        line.tell_if_blocked()
        return turns, line.position


class _AgentTask:
    """The agent, while it runs."""

    def __init__(self, agent: Agent, call: LocalCall) -> None:
        self._task = asyncio.create_task(_run_agent(agent, call), name="xray agent")

    @property
    def has_left(self) -> bool:
        return self._task.done()

    def check(self) -> None:
        """Raises XrayError if the agent raised."""
        if self._task.done() and not self._task.cancelled() and (error := self._task.exception()) is not None:
            raise XrayError(f"the agent raised {type(error).__name__}: {error}") from error

    async def leave(self, timeout_s: float) -> None:
        """Waits for the agent to return, and cancels it after `timeout_s`."""
        if timeout_s > 0:
            await asyncio.wait({self._task}, timeout=timeout_s)
        if not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CANCEL_S)
        if not self._task.done():
            _logger.error("the agent does not end though it was cancelled; it is left running")
        elif not self._task.cancelled():
            self._task.exception()  # looked at, whether or not anybody asks for it


async def _run_agent(agent: Agent, call: LocalCall) -> None:
    returned: object = agent(call)
    if not inspect.isawaitable(returned):
        raise TypeError(f"the agent must be an async callable; this one returned a {type(returned).__name__}")
    await returned


class _Line:
    """What carries the call: a frame of 10 ms each way, on the recording's clock.

    A frame's place is its number times 10 ms. It is never pushed back by a busy event loop: frames that are late follow
    one another at once until the schedule is met again. So nothing drifts, and no sample is lost or doubled.
    """

    def __init__(
        self,
        recorder: Recorder,
        ear: Ear,
        mouth: Mouth,
        words: Words,
        agent: _AgentTask,
        *,
        sleep: Callable[[float], Awaitable[None]],
    ) -> None:
        self._recorder = recorder
        self._ear = ear
        self._mouth = mouth
        self._agent = agent
        self._sleep = sleep
        self._latest = 0
        self.position = 0
        """The sample at which the next frame begins."""
        self.hearing = Hearing()
        self.words = words

    def now(self) -> int:
        return self.position

    async def ready(self) -> None:
        """At once: it cannot break."""

    async def say(self, pcm: bytes, *, voice_ends: int, then: Callable[[], None]) -> tuple[int, int]:
        begin = self.position
        for frame in frames_of(pcm[: voice_ends * BYTES_PER_SAMPLE]):
            await self.play(frame)
        then()
        for frame in frames_of(pcm[voice_ends * BYTES_PER_SAMPLE :]):
            await self.play(frame)
        return begin, begin + len(pcm) // BYTES_PER_SAMPLE

    async def wait(self) -> None:
        await self.play(SILENCE)

    async def pause(self, samples: int) -> None:
        for _ in range(0, samples, FRAME_SAMPLES):
            await self.play(SILENCE)

    async def play(self, frame: bytes) -> None:
        """Carries the user's next frame, and the agent's of the same time. Returns when both have passed.

        Raises XrayError if the agent raised.
        """
        begin, end = self.position, self.position + FRAME_SAMPLES
        await self._until(end)
        self._agent.check()
        said = self._mouth.take(begin)
        if frame is not SILENCE:  # what is not written is silence
            self._recorder.add_user(begin, frame)
        if said is not SILENCE:
            self._recorder.add_agent(begin, said)
        self.hearing.frame("agent", begin, said)
        self._ear.put(frame)
        self.position = end

    @property
    def nobody_answers(self) -> bool:
        """Whether the agent has left and all it had to say was said."""
        return self._agent.has_left and not self._mouth.busy

    def tell_if_blocked(self) -> None:
        if self._latest > _BLOCKED:
            _logger.warning(
                "the event loop was blocked for %d ms: the agent, or something else on it, calls code that waits. "
                "What the agent says is late by that",
                self._latest * 1000 // SAMPLE_RATE,
            )

    async def _until(self, sample: int) -> None:
        """Returns at that sample's time, having let other tasks run in any case."""
        early = sample - self._recorder.now()
        if early <= 0:
            self._latest = max(self._latest, -early)
            await self._sleep(0)
        while early > 0:
            await self._sleep(early / SAMPLE_RATE)
            early = sample - self._recorder.now()
