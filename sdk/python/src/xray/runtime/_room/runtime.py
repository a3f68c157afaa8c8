# SPDX-License-Identifier: Apache-2.0
"""What both runtimes in a room share: who joins which room, where the recording goes, and that all of it ends."""

from __future__ import annotations

import asyncio
import shutil
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from xray._attributes import PARTICIPANT_ATTRIBUTE, VOICE, ReplayIdentity, build_attribute
from xray._clock import Clock
from xray._recorder import Recorder
from xray._sip import SimulatedSipCall
from xray._tasks import despite_cancellation
from xray.conversation import Conversation
from xray.errors import RuntimeBindError
from xray.runtime._arguments import check_times
from xray.runtime._keeping import keep_broken
from xray.runtime._places import Places
from xray.runtime._room.call import Call
from xray.runtime._room.joining import Secret, load_livekit, token
from xray.runtime.base import AgentResponse, RunProgress, Runtime, RuntimeResult

__all__ = ["Account", "Outcome", "RoomRuntime"]


@dataclass(frozen=True)
class Account:
    """Which room, at which server, as whom."""

    url: str
    api_key: Secret
    api_secret: Secret
    room: str
    identity: str
    agent_identity: str | None = None
    agent_name: str | None = None
    simulated_sip: SimulatedSipCall | None = None

    def __post_init__(self) -> None:
        for name in ("url", "api_key", "api_secret", "room", "identity"):
            if not getattr(self, name):
                raise ValueError(f"{name} must not be empty")


@dataclass
class Outcome:
    """What a call came to, filled in while it goes on. `end` is the recording's length in samples, if it was set."""

    responses: list[AgentResponse] = field(default_factory=list[AgentResponse])
    lines: list[str] = field(default_factory=list[str])
    end: int | None = None


class RoomRuntime(Runtime):
    """Binds, joins, records, leaves. What happens in the call is `talk`."""

    def __init__(self, account: Account, places: Places, *, agent_join_timeout_s: float, clock: Clock) -> None:
        check_times(agent_join_timeout_s=agent_join_timeout_s)
        self._account = account
        self._places = places
        self._agent_join_timeout_s = agent_join_timeout_s
        self._clock = clock
        self._replay: ReplayIdentity | None = None
        self._report: Callable[[RunProgress], None] = lambda _: None
        self._directory: Path | None = None

    def __repr__(self) -> str:
        account = self._account
        return f"{type(self).__name__}(url={account.url!r}, room={account.room!r}, identity={account.identity!r})"

    def bind(self, *, replay_id: str, conversation_hash: str) -> None:
        """Names the replay; the agent finds it in the participant attribute `xray`. ValueError if it is none."""
        replay = ReplayIdentity(replay_id, conversation_hash, VOICE)
        build_attribute(replay)
        self._replay = replay

    def report_progress_to(self, report: Callable[[RunProgress], None]) -> None:
        """Has `report` told of joining and of every turn."""
        self._report = report

    @abstractmethod
    async def talk(self, call: Call, recorder: Recorder, conversation: Conversation, outcome: Outcome) -> None:
        """The call itself. The runtime is in the room; nothing is published yet and nobody may be there."""

    def interruptible(self, work: Coroutine[Any, Any, None]) -> Coroutine[Any, Any, None]:
        """What joins and talks; a runtime that can be asked to stop ends it then."""
        return work

    async def run(self, conversation: Conversation) -> RuntimeResult:
        if self._replay is None:
            raise RuntimeBindError(f"{type(self).__name__}: bind() comes before run()")
        rtc, api = load_livekit()
        recorder = Recorder(self._make_directory(), clock=self._clock)
        outcome = Outcome()
        account = self._account
        try:
            call = Call(
                rtc, room=account.room, agent_identity=account.agent_identity, recorder=recorder, clock=self._clock
            )
            try:
                try:
                    self._report(RunProgress("joining"))
                    access = self._token(api, self._replay)

                    async def work() -> None:
                        await call.join(account.url, access)
                        await self.talk(call, recorder, conversation, outcome)

                    await _until_over(call, self.interruptible(work()))
                finally:
                    await despite_cancellation(call.close())
            except BaseException as error:
                if call.recording:
                    await keep_broken(error, recorder, self._places, self._replay.replay_id)
                raise
            return await self._result(call, recorder, outcome, self._replay)
        finally:
            recorder.close()

    async def aclose(self) -> None:
        directory, self._directory = self._directory, None
        if directory is not None:
            await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)

    def _make_directory(self) -> Path:
        if self._directory is not None:
            raise RuntimeError(f"{type(self).__name__}: one object runs one conversation")
        self._directory = self._places.make()
        return self._directory

    def _token(self, api: Any, replay: ReplayIdentity) -> Secret:
        account = self._account
        sip = account.simulated_sip
        return token(
            api,
            api_key=account.api_key,
            api_secret=account.api_secret,
            room=account.room,
            identity=account.identity,
            attributes={**(sip.attributes() if sip else {}), PARTICIPANT_ATTRIBUTE: build_attribute(replay)},
            sip=sip is not None,
            agent_name=account.agent_name,
        )

    async def _result(self, call: Call, recorder: Recorder, outcome: Outcome, replay: ReplayIdentity) -> RuntimeResult:
        written: Path | None = None
        started_at: float | None = None
        if call.recording:
            path = self._places.kept(replay.replay_id)
            written = await asyncio.to_thread(recorder.finish, end=outcome.end, path=path)
            started_at = recorder.started_at_epoch
        return RuntimeResult(
            responses=outcome.responses,
            full_audio_path=None if written is None else str(written),
            full_transcript="\n".join(outcome.lines) or None,
            recording_started_at_epoch=started_at,
        )


async def _until_over(call: Call, work: Coroutine[Any, Any, None]) -> None:
    """Does `work` until it is done or the call is over, whichever is first; raises what either raised."""
    task = asyncio.get_running_loop().create_task(work)
    try:
        await asyncio.wait({task, call.over}, return_when=asyncio.FIRST_COMPLETED)
        if call.over.done():
            call.over.result()
        else:
            task.result()
    finally:
        task.cancel()
        await despite_cancellation(asyncio.wait({task}))
