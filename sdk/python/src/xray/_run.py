# SPDX-License-Identifier: Apache-2.0
"""A run, step by step: what `xray.run` and `xray.run_live` have in common is `drive`."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from xray import _wav, _wire, otel
from xray._api import RECORDING_MAX_BYTES, Api, iso_time
from xray._attributes import VOICE, ReplayIdentity
from xray._events import wait_for_verdict
from xray._progress import Report, nobody, reporter, within
from xray._recording import Recording
from xray._results import ReplayResult
from xray._tasks import despite_cancellation, gather_all
from xray._transport import Transport
from xray.conversation import Conversation, RecordedAudio, Role, RunConfig
from xray.errors import AudioMissingError, AudioTooLargeError, XrayError, XrayServerError
from xray.runtime._arguments import check_times
from xray.runtime.base import (
    ProgressReporting,
    RunProgress,
    Runtime,
    RuntimeBindable,
    RuntimeResult,
    UserAudioInjectable,
)

DEFAULT_URL: Final = "http://localhost:8080"
DEFAULT_TIMEOUT_S: Final = 600.0

_FLUSH_TIMEOUT_S: Final = 10.0
_CLOSE_TIMEOUT_S: Final = 30.0
_CLOSE_CANCELLED_S: Final = 1.0
_FETCHES_AT_ONCE: Final = 8
# What the server takes from a driver; a runtime of somebody else's may have errors of its own.
_REASONS: Final = frozenset(
    {"driver_aborted", "agent_not_joined", "audio_missing", "explicit_fail", "upload_failed", "timeout"}
)

_log = logging.getLogger("xray")


async def run(
    *,
    conversation: Conversation,
    runtime: Runtime,
    xray_url: str = DEFAULT_URL,
    run_config: RunConfig | None = None,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    progress: Callable[[RunProgress], None] | None = None,
) -> ReplayResult:
    """Runs a conversation against an agent and returns the verdict. Checks that fail are in it; they are not raised.

    `timeout_s` bounds the wait for the verdict, from the moment the recording is on the server. `progress` is called
    with what happens; without one, a line on the terminal shows it, if standard error is a terminal.

    Raises an `XrayError` of `xray.errors` if there is no verdict; the replay on the server is then marked as failed,
    with the error's `failure_reason`. What else the runtime raises passes through, and so does cancellation, likewise
    marked. The runtime is closed in every case.
    """
    return await drive(Plan(conversation, runtime, xray_url, run_config, timeout_s, progress))


@dataclass(frozen=True)
class Plan:
    """What a run is made with. `while_running` surrounds `Runtime.run`; a recording that is not worth keeping is
    neither uploaded nor kept."""

    conversation: Conversation
    runtime: Runtime
    xray_url: str
    run_config: RunConfig | None
    timeout_s: float
    progress: Report | None
    while_running: Callable[[], AbstractContextManager[None]] = nullcontext
    is_worth_keeping: Callable[[Path], bool] = lambda _path: True

    def check_arguments(self) -> None:
        """ValueError for what is wrong."""
        if not isinstance(self.conversation, Conversation):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"conversation must be a Conversation, not {type(self.conversation).__name__}")
        if isinstance(self.runtime, type) or not all(
            callable(getattr(self.runtime, method, None)) for method in ("run", "aclose")
        ):
            raise ValueError(f"runtime must be a Runtime, not {_kind(self.runtime)}")
        if not isinstance(self.run_config, RunConfig | None):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"run_config must be a RunConfig, not {type(self.run_config).__name__}")
        check_times(timeout_s=self.timeout_s)
        if self.progress is not None and not callable(self.progress):  # pyright: ignore[reportUnnecessaryComparison]
            raise ValueError(f"progress must be a function, not {type(self.progress).__name__}")


def _kind(thing: object) -> str:
    return f"the class {thing.__name__}" if isinstance(thing, type) else type(thing).__name__


# By identity: somebody else's runtime need not be hashable.
_running: Final = set[int]()


async def drive(plan: Plan) -> ReplayResult:
    """Everything from the check of the files to the verdict."""
    if id(plan.runtime) in _running:
        # Not closed: it is the other run's.
        raise ValueError(f"this {type(plan.runtime).__name__} is in a run already: one object runs one conversation")
    _running.add(id(plan.runtime))
    try:
        return await _drive(plan)
    finally:
        _running.discard(id(plan.runtime))


async def _drive(plan: Plan) -> ReplayResult:
    replay = _Replay(plan)
    try:
        try:
            plan.check_arguments()
            replay.report = reporter(plan.progress, plan.conversation.name)
            async with Transport(plan.xray_url) as transport:
                result = await replay.verdict(Api(transport))
        finally:
            await replay.close_runtime()
    except BaseException as error:
        replay.report(RunProgress("failed", replay_id=replay.id))
        replay.tell_where_recording_is(error)
        raise
    replay.report(RunProgress("completed", replay_id=replay.id))
    return result


class _Replay:
    """The state of one run."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._closing: asyncio.Task[None] | None = None
        self._not_uploaded: Recording | None = None
        self.report: Report = nobody
        self.id: str | None = None

    async def verdict(self, api: Api) -> ReplayResult:
        plan = self._plan
        self.report(RunProgress("preparing"))
        await asyncio.to_thread(_check_files, plan.conversation)
        conversation_hash = await api.put_conversation(plan.conversation)
        audio = await self._fetch_audio(api, conversation_hash)
        self.id = replay_id = await api.create_replay(conversation_hash, plan.run_config)
        try:
            await self._record(api, replay_id, conversation_hash, audio)
            # Before the analysis, which may take long: the room is left, and the agent sends what it has not sent yet.
            await self.close_runtime()
            self.report(RunProgress("analysing", replay_id=replay_id))
            await api.analyze(replay_id)
            result = await wait_for_verdict(api, replay_id, timeout_s=plan.timeout_s, watch=self._watch)
        except BaseException as error:
            if isinstance(error, XrayError) and error.replay_id is None:
                error.replay_id = replay_id
            await despite_cancellation(_mark_failed(api, replay_id, error))
            raise
        return result.as_replay_result()

    async def _fetch_audio(self, api: Api, conversation_hash: str) -> dict[int, bytes]:
        """All user turns' samples, before there is a replay: what cannot be played must not begin."""
        places = asyncio.Semaphore(_FETCHES_AT_ONCE)

        async def fetch(turn_idx: int) -> bytes:
            async with places:
                wav = await api.turn_audio(conversation_hash, turn_idx)
            try:
                return _wav.decode_mono(wav)
            except ValueError as error:
                raise AudioMissingError(f"the server's audio of turn {turn_idx}: {error}", turn_idx=turn_idx) from error

        turns = enumerate(self._plan.conversation.turns)
        spoken = [i for i, turn in turns if turn.role is Role.USER and turn.audio is not None]
        return dict(zip(spoken, await gather_all([fetch(i) for i in spoken]), strict=True))

    async def _record(self, api: Api, replay_id: str, conversation_hash: str, audio: Mapping[int, bytes]) -> None:
        """Runs the runtime and uploads what it recorded."""
        plan, runtime = self._plan, self._plan.runtime
        if isinstance(runtime, RuntimeBindable):
            runtime.bind(replay_id=replay_id, conversation_hash=conversation_hash)
        if isinstance(runtime, UserAudioInjectable):
            runtime.inject_user_audio(audio)
        if isinstance(runtime, ProgressReporting):
            runtime.report_progress_to(within(self.report, replay_id))
        pipeline = otel.pipeline(endpoint=plan.xray_url)
        await api.mark_running(replay_id)
        with pipeline.bound(ReplayIdentity(replay_id, conversation_hash, VOICE)), plan.while_running():
            outcome = await runtime.run(plan.conversation)
        path = _recorded(outcome)
        recording: Recording | None = Recording(path, replay_id)
        try:
            if not await asyncio.to_thread(plan.is_worth_keeping, path):
                recording = None
                raise AudioMissingError("the session has no audio: neither side was heard")
            await _flush(pipeline)
            self.report(RunProgress("uploading", replay_id=replay_id))
            await _upload(api, replay_id, path, outcome.recording_started_at_epoch)
        except BaseException:
            if recording is not None:
                self._not_uploaded = recording
                await despite_cancellation(asyncio.to_thread(_secure, recording))
            raise

    def _watch(self, event: _wire.StateEvent | _wire.ProgressEvent) -> None:
        if isinstance(event, _wire.ProgressEvent):
            shown = RunProgress("analysing", replay_id=self.id, percent=event.percent, step=event.step)
            self.report(shown)

    async def close_runtime(self) -> None:
        """Once, however often it is called. Not again and not less if the run is cancelled meanwhile."""
        if self._closing is None:
            self._closing = asyncio.ensure_future(close_quietly(self._plan.runtime))
        await despite_cancellation(self._closing)

    def tell_where_recording_is(self, error: BaseException) -> None:
        kept = None if self._not_uploaded is None else self._not_uploaded.settle()
        if kept is not None:
            _log.warning("the recording of replay %s was not uploaded; it is kept at %s", self.id, kept)
            if isinstance(error, XrayError):
                error.keep_recording(kept)


def _check_files(conversation: Conversation) -> None:
    for i, turn in enumerate(conversation.turns):
        if isinstance(turn.audio, RecordedAudio):
            _wav.check_mono(Path(turn.audio.path), turn_idx=i)


def _recorded(outcome: RuntimeResult) -> Path:
    """The recording's path. AudioMissingError if there is none."""
    if outcome.full_audio_path is None:
        raise AudioMissingError("the runtime recorded nothing")
    path = Path(outcome.full_audio_path)
    if not path.is_file():
        raise AudioMissingError(f"the runtime's recording {path} does not exist")
    return path


async def _flush(pipeline: otel.Pipeline) -> None:
    if not await asyncio.to_thread(pipeline.flush, _FLUSH_TIMEOUT_S):
        _log.warning("not all spans could be sent within %g s; checks of tools may lack calls", _FLUSH_TIMEOUT_S)


async def _upload(api: Api, replay_id: str, path: Path, started_at_epoch: float | None) -> None:
    if started_at_epoch is None:
        _warn_of_missing_anchor(replay_id)
    else:
        _check_anchor(started_at_epoch)
    try:
        size = path.stat().st_size
        if size > RECORDING_MAX_BYTES:
            raise AudioTooLargeError(byte_size=size, max_bytes=RECORDING_MAX_BYTES)
        await api.upload_recording(replay_id, path, started_at_epoch)
    except OSError as error:
        raise AudioMissingError(f"the recording {path} cannot be read: {error.strerror or error}") from error
    except XrayServerError as error:
        error.failure_reason = "upload_failed"
        raise


def _warn_of_missing_anchor(replay_id: str) -> None:
    text = (
        f"replay {replay_id}: the runtime did not say when its recording began (recording_started_at_epoch is None): "
        "no span can be placed in a turn, so checks of tools and of time to first token cannot pass"
    )
    _log.warning(text)
    warnings.warn(text, RuntimeWarning, stacklevel=2)


def _check_anchor(epoch_s: float) -> None:
    try:
        iso_time(epoch_s)
    except (ValueError, OverflowError, OSError, TypeError) as error:
        raise XrayError(f"the runtime's recording_started_at_epoch {epoch_s!r} is no time: {error}") from error


def _secure(recording: Recording) -> None:
    try:
        recording.secure()
    except OSError:
        _log.exception("the recording %s could be neither uploaded nor secured", recording.path)


async def _mark_failed(api: Api, replay_id: str, error: BaseException) -> None:
    reason = error.failure_reason if isinstance(error, XrayError) else "driver_aborted"
    try:
        await api.mark_failed(replay_id, reason if reason in _REASONS else "driver_aborted")
    except XrayServerError as refused:
        _log.warning("replay %s could not be marked as failed (%s): %s", replay_id, reason, refused)


async def close_quietly(runtime: Runtime) -> None:
    """What goes wrong here is told, but takes no verdict away and hides no earlier error."""
    if not callable(getattr(runtime, "aclose", None)):
        return  # an argument that was refused
    closing = asyncio.ensure_future(runtime.aclose())
    if not (await asyncio.wait({closing}, timeout=_CLOSE_TIMEOUT_S))[0]:
        _log.error("the runtime did not close within %g s", _CLOSE_TIMEOUT_S)
        closing.cancel()
        await asyncio.wait({closing}, timeout=_CLOSE_CANCELLED_S)
    elif closing.cancelled():
        _log.error("the runtime did not close: its aclose was cancelled, by something of its own")
    elif (error := closing.exception()) is not None:
        _log.error("the runtime failed to close", exc_info=error)
