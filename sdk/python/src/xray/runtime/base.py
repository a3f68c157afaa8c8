# SPDX-License-Identifier: Apache-2.0
"""What a transport implements, so that `xray.run` can drive it.

A runtime plays the user's turns to the agent, records both sides, and returns the recording. `xray.run` makes these
calls, in this order, on one event loop; the protocols are structural and each is left out if the runtime lacks it:

    bind(replay_id=..., conversation_hash=...)      RuntimeBindable
    inject_user_audio({0: pcm, 2: pcm})             UserAudioInjectable
    report_progress_to(callback)                    ProgressReporting
    await run(conversation)                         within the replay's OpenTelemetry baggage
    await aclose()                                  always, once, also if nothing before it succeeded

The recording must exist until `aclose`, which may remove it: by then it was uploaded, or `xray.run` has secured it (by
a second link to the file, else a copy), so that a recording which could not be uploaded is never lost.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, runtime_checkable

from xray.conversation import Conversation, Role

__all__ = [
    "AgentResponse",
    "ModelUsage",
    "ProgressReporting",
    "RunProgress",
    "Runtime",
    "RuntimeBindable",
    "RuntimeResult",
    "StoppableRuntime",
    "ToolCall",
    "UserAudioInjectable",
]


@dataclass(frozen=True)
class ToolCall:
    """A tool that the agent called. `args_json` and `result_json` are JSON text; `latency_ms` is milliseconds."""

    name: str
    args_json: str | None
    result_json: str | None
    latency_ms: int | None


@dataclass(frozen=True)
class ModelUsage:
    """What one call of the agent's model used, in tokens."""

    provider: str | None
    model: str | None
    input_tokens: int | None
    output_tokens: int | None
    total_tokens: int | None


@dataclass(frozen=True)
class AgentResponse:
    """What a runtime saw of one agent turn. An agent that said nothing has an empty transcript.

    `duration_ms` is the length of its speech, `stage_timings` milliseconds by stage ("stt", "llm", "tts"). The verdict
    does not rest on any of it: the server takes words and times from the recording.
    """

    transcript: str
    duration_ms: int | None = None
    tool_calls: Sequence[ToolCall] = ()
    model_usage: Sequence[ModelUsage] = ()
    stage_timings: Mapping[str, int] = field(default_factory=dict[str, int])

    def __post_init__(self) -> None:
        object.__setattr__(self, "tool_calls", tuple(self.tool_calls))
        object.__setattr__(self, "model_usage", tuple(self.model_usage))


@dataclass(frozen=True)
class RuntimeResult:
    """What `Runtime.run` returns.

    `full_audio_path` is a 48 kHz, 16-bit, stereo WAV, left the user and right the agent; None if nothing was recorded,
    which fails the replay. `recording_started_at_epoch` is the wall clock of its sample 0, in Unix seconds: without it
    no span of the agent can be placed in a turn.
    """

    responses: list[AgentResponse]
    full_audio_path: str | None
    full_transcript: str | None
    recording_started_at_epoch: float | None


class Runtime(ABC):
    """A transport. One object runs one conversation."""

    @abstractmethod
    async def run(self, conversation: Conversation) -> RuntimeResult:
        """Plays the user's turns, waits for the agent's, records both.

        Raises an `XrayError` whose `failure_reason` says why it could not. Cancelled, it cleans up and lets
        `asyncio.CancelledError` pass.
        """

    @abstractmethod
    async def aclose(self) -> None:
        """Leaves the room, ends every task, removes temporary files. Called always, also if `run` never was."""


@runtime_checkable
class RuntimeBindable(Protocol):
    """A runtime that tells the agent which replay it is in."""

    def bind(self, *, replay_id: str, conversation_hash: str) -> None:
        """Called before `run`."""
        ...


@runtime_checkable
class UserAudioInjectable(Protocol):
    """A runtime that plays the user's audio."""

    def inject_user_audio(self, audio: Mapping[int, bytes]) -> None:
        """Called before `run` with every user turn's audio: turn index to 48 kHz mono s16le PCM without a header."""
        ...


@runtime_checkable
class StoppableRuntime(Protocol):
    """A runtime that `run_live` can end."""

    def request_stop(self) -> None:
        """Makes `run` return soon with what was recorded so far. Called from the event loop on Ctrl-C."""
        ...


Stage = Literal["preparing", "joining", "turn", "uploading", "analysing", "completed", "failed"]


@dataclass(frozen=True)
class RunProgress:
    """Where a run is. Runtimes report `joining` and `turn`, `xray.run` the rest.

    `turn_idx` (from 0) and `turn_count` are of the script and `role` is who speaks, in stage `turn`; `percent` and
    `step` are the server's in stage `analysing`. `replay_id` is there once there is a replay.
    """

    stage: Stage
    replay_id: str | None = None
    turn_idx: int | None = None
    turn_count: int | None = None
    role: Role | None = None
    percent: int | None = None
    step: str | None = None


@runtime_checkable
class ProgressReporting(Protocol):
    """A runtime that tells which turn it is at."""

    def report_progress_to(self, report: Callable[[RunProgress], None]) -> None:
        """Called before `run`. `report` returns at once and never raises."""
        ...
