# SPDX-License-Identifier: Apache-2.0
"""Every error of the SDK. `failure_reason` is what the replay is marked with on the server when one ends a run.

    XrayError                           driver_aborted
    ├── RuntimeBindError                driver_aborted
    ├── AgentNotJoinedError             agent_not_joined
    ├── AudioMissingError               audio_missing
    ├── AudioTooLargeError              driver_aborted
    ├── MixdownError                    driver_aborted
    ├── LiveKitDependencyError          driver_aborted
    ├── LiveDependencyError             driver_aborted
    ├── MicCaptureError                 driver_aborted
    ├── SpeakerPlaybackError            driver_aborted
    ├── XrayServerError                 driver_aborted (upload_failed while the recording goes up)
    ├── EvaluationTimeoutError          timeout
    └── ReplayEvaluationError           the reason of the stage that failed

Checks that fail are no errors: they are outcomes in the `ReplayResult`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar

__all__ = [
    "AgentNotJoinedError",
    "AudioMissingError",
    "AudioTooLargeError",
    "EvaluationTimeoutError",
    "LiveDependencyError",
    "LiveKitDependencyError",
    "MicCaptureError",
    "MixdownError",
    "ReplayEvaluationError",
    "RuntimeBindError",
    "SpeakerPlaybackError",
    "XrayError",
    "XrayServerError",
]

_E = TypeVar("_E", bound="XrayError")


class XrayError(Exception):
    """Base of all errors of the SDK."""

    failure_reason: str = "driver_aborted"
    """What the server is told. A class's own unless an instance knows better."""
    replay_id: str | None = None
    """The replay that the error ended, if there was one already."""
    recording_path: Path | None = None
    """Where a recording lies whose upload failed, or whose call broke. It is yours: nothing removes it."""

    def keep_recording(self, path: Path) -> None:
        """Records where the recording was kept, in the message too."""
        self.recording_path = path
        if self.args:
            self.args = (f"{self.args[0]} (the recording is kept at {path})", *self.args[1:])

    # The default would call the class with `args`, which keyword-only constructors refuse: errors cross process
    # boundaries when tests run in parallel.
    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.args, self.__dict__)


def _rebuild(cls: type[_E], args: tuple[Any, ...], state: dict[str, Any]) -> _E:
    error = cls.__new__(cls, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class RuntimeBindError(XrayError):
    """A runtime was run before it was bound to a replay."""


class AgentNotJoinedError(XrayError):
    """No agent was in the room in time."""

    failure_reason = "agent_not_joined"

    def __init__(self, room: str, timeout_s: float) -> None:
        super().__init__(f"no agent joined room {room!r} within {timeout_s:g} s")
        self.room = room
        self.timeout_s = timeout_s


class AudioMissingError(XrayError):
    """An audio file is missing, unreadable or of the wrong format, or a live session heard nothing."""

    failure_reason = "audio_missing"

    def __init__(self, message: str, *, turn_idx: int | None = None) -> None:
        super().__init__(message)
        self.turn_idx = turn_idx


class AudioTooLargeError(XrayError):
    """The recording is larger than the server takes. Raised before anything of it was sent."""

    def __init__(self, *, byte_size: int, max_bytes: int) -> None:
        super().__init__(f"the recording has {byte_size} bytes, at most {max_bytes} are taken")
        self.byte_size = byte_size
        self.max_bytes = max_bytes


class MixdownError(XrayError):
    """The recording of the call could not be written."""


class LiveKitDependencyError(XrayError):
    """The packages of the extra `xray-py[livekit]` are not installed."""


class LiveDependencyError(XrayError):
    """The package of the extra `xray-py[live]`, or PortAudio, is not installed."""


class MicCaptureError(XrayError):
    """The microphone could not be opened or stopped giving audio."""


class SpeakerPlaybackError(XrayError):
    """The loudspeaker could not be opened or stopped taking audio."""


class XrayServerError(XrayError):
    """The server answered with an error, or, when `status_code` is None, did not answer.

    `code` is the `error` field of the body, `body` the parsed JSON (else the text), `request_id` the one in the
    server's log, `retry_after_s` the seconds it asked to wait.
    """

    def __init__(
        self, message: str, *, status_code: int | None, code: str | None, body: object, request_id: str | None
    ) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.code = code
        self.body = body
        self.request_id = request_id
        self.retry_after_s: float | None = None


class EvaluationTimeoutError(XrayError):
    """There was no verdict in time. The server may still reach one."""

    failure_reason = "timeout"

    def __init__(self, replay_id: str, timeout_s: float) -> None:
        super().__init__(f"no verdict on replay {replay_id} within {timeout_s:g} s")
        self.replay_id = replay_id
        self.timeout_s = timeout_s


class ReplayEvaluationError(XrayError):
    """The analysis failed before there was a verdict; `failure_reason` names the stage's reason."""

    def __init__(self, replay_id: str, failure_reason: str) -> None:
        super().__init__(f"replay {replay_id} failed before a verdict: {failure_reason}")
        self.replay_id = replay_id
        self.failure_reason = failure_reason
