# SPDX-License-Identifier: Apache-2.0
"""The error tree, as the contract has it."""

from __future__ import annotations

import inspect
import pickle
from pathlib import Path

import pytest

from xray import errors
from xray.errors import XrayError

SAMPLES: dict[XrayError, str] = {
    XrayError("x"): "driver_aborted",
    errors.RuntimeBindError("x"): "driver_aborted",
    errors.AgentNotJoinedError("room", 30): "agent_not_joined",
    errors.AudioMissingError("x", turn_idx=3): "audio_missing",
    errors.AudioTooLargeError(byte_size=2, max_bytes=1): "driver_aborted",
    errors.MixdownError("x"): "driver_aborted",
    errors.LiveKitDependencyError("x"): "driver_aborted",
    errors.LiveDependencyError("x"): "driver_aborted",
    errors.MicCaptureError("x"): "driver_aborted",
    errors.SpeakerPlaybackError("x"): "driver_aborted",
    errors.XrayServerError("x", status_code=500, code="c", body={"a": 1}, request_id="r"): "driver_aborted",
    errors.EvaluationTimeoutError("replay", 1.5): "timeout",
    errors.ReplayEvaluationError("replay", "transcription_failed"): "transcription_failed",
}
IDS = [type(error).__name__ for error in SAMPLES]


@pytest.mark.parametrize("error", SAMPLES, ids=IDS)
def test_failure_reason(error: XrayError) -> None:
    assert error.failure_reason == SAMPLES[error]


def test_every_error_is_public_and_in_the_table() -> None:
    defined = {name for name, value in vars(errors).items() if inspect.isclass(value) and issubclass(value, XrayError)}
    assert defined == set(errors.__all__) == set(IDS)


@pytest.mark.parametrize("error", SAMPLES, ids=IDS)
def test_errors_cross_process_boundaries(error: XrayError) -> None:
    error.keep_recording(Path("kept.wav"))
    copy: XrayError = pickle.loads(pickle.dumps(error))
    assert type(copy) is type(error)
    assert str(copy) == str(error)
    assert vars(copy) == vars(error)


def test_the_path_of_a_kept_recording_is_in_the_message() -> None:
    error = errors.AudioTooLargeError(byte_size=2, max_bytes=1)
    error.keep_recording(Path("somewhere/kept.wav"))
    assert error.recording_path == Path("somewhere/kept.wav")
    assert "somewhere/kept.wav" in str(error)
    assert "2 bytes" in str(error)
