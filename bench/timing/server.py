# SPDX-License-Identifier: Apache-2.0
"""The server that is measured: a recording goes in through its API, what it heard comes out of the replay's detail."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from arrays import RATE, Array
from measure import BenchError
from turns import CHANNELS, Heard, Segment, Turn, derive
from wire import Wire, request

ENV = {"XRAY_TRANSCRIPTION_PROVIDER": "none"}
BOUNDARY = "timing"


def wav(recording: Array) -> bytes:
    """A stereo WAV of int16 [2, samples]."""
    data = recording.T.tobytes()
    size = len(data)
    head = b"RIFF" + (36 + size).to_bytes(4, "little") + b"WAVEfmt " + (16).to_bytes(4, "little")
    for value, width in ((1, 2), (2, 2), (RATE, 4), (4 * RATE, 4), (4, 2), (16, 2)):
        head += value.to_bytes(width, "little")
    return head + b"data" + size.to_bytes(4, "little") + data


def _segment(row: dict[str, Any]) -> Segment:
    return Segment(row["start_ms"], CHANNELS.index(row["channel"]), row["end_ms"])


def _turn(row: dict[str, Any], metrics: dict[str, Any]) -> Turn:
    return Turn(
        CHANNELS.index(row["role"]),
        row["voice_start_ms"],
        row["voice_end_ms"],
        metrics["agent_response_ms"],
        metrics["agent_response_uncertainty_ms"],
    )


def heard_of(detail: dict[str, Any]) -> Heard:
    """What the detail says. BenchError when its turns do not follow from its segments: then the figures of detectors
    that give segments only could not be held against it."""
    segments = tuple(sorted(_segment(row) for row in detail["speech_segments"]))
    metrics = {row["turn_idx"]: row for row in detail["turn_metrics"]}
    turns = tuple(_turn(row, metrics[row["idx"]]) for row in detail["turns"])
    if turns != derive(segments):
        raise BenchError(f"the turns of {detail['id']} do not follow from its segments")
    return Heard(segments, turns)


class Ears:
    """One client; its replays are of a live conversation, so that nothing is expected of what is heard."""

    def __init__(self, port: int, data_dir: Path) -> None:
        self._port, self._data_dir = port, data_dir
        self._wire = Wire(port)
        spec = json.dumps({"name": "timing", "turns": [], "live": True})
        body = (
            f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="spec"\r\n\r\n{spec}\r\n--{BOUNDARY}--\r\n'.encode()
        )
        head = request("POST", "/v1/conversations", len(body), f"multipart/form-data; boundary={BOUNDARY}")
        self._conversation = json.loads(self._wire.call(200, head, body))["hash"]

    def listen(self, recording: Array) -> Heard:
        """recording: int16 [2, samples] at 48 kHz."""
        new = json.dumps({"conversation_hash": self._conversation}).encode()
        replay = json.loads(self._wire.call(201, request("POST", "/v1/replays", len(new)), new))["id"]
        body = wav(recording)
        self._wire.call(200, request("POST", f"/v1/replays/{replay}/audio", len(body), "audio/wav"), body)
        with Wire(self._port) as events:
            events.follow(replay)
            self._wire.call(202, request("POST", f"/v1/replays/{replay}/analyze"))
            events.verdict()
        detail = json.loads(self._wire.call(200, request("GET", f"/v1/replays/{replay}")))
        # The volume is the benchmark's own: hours of recordings need not stay on it.
        (self._data_dir / "audio" / replay / "replay.wav").unlink()
        return heard_of(detail)
