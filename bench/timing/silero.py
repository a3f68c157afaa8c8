# SPDX-License-Identifier: Apache-2.0
"""Silero VAD 6.2.3 with its usual settings, by onnxruntime: the detector that others use.

Its package's own Python needs torch, so its rule for making segments from probabilities is written down here again."""

from __future__ import annotations

import hashlib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from arrays import RATE, Array, np, resample
from turns import Segment

MODEL = "silero_vad_16k_sequence.onnx"
SHA256 = "9ccdacc4719d8aa7e45a77536bfabec45a03ba1f2fad5e241ab4060b24238a85"
MODEL_RATE = 16_000
FRAME, CONTEXT, STATE = 512, 64, 128  # samples, samples of the frame before, size of the network's memory
FRAMES_A_CALL = 512
FRAME_MS = 1000 * FRAME / MODEL_RATE
THRESHOLD, EXIT_THRESHOLD = 0.5, 0.35
MIN_SPEECH_MS, MIN_SILENCE_MS, PAD_MS = 250, 100, 30


def _model_path() -> Path:
    spec = find_spec("silero_vad")  # finds it without running it
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("silero-vad is not installed")
    path = Path(spec.submodule_search_locations[0]) / "data" / MODEL
    if hashlib.sha256(path.read_bytes()).hexdigest() != SHA256:
        raise RuntimeError(f"{path} is not the model of silero-vad 6.2.3")
    return path


def _session() -> Any:
    runtime: Any = import_module("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return runtime.InferenceSession(str(_model_path()), options, providers=["CPUExecutionProvider"])


def frames_of(samples: Array) -> Array:
    """[frames, CONTEXT + FRAME]: each frame behind the end of the one before; the last is filled up with silence."""
    count = -(-len(samples) // FRAME)
    padded = np.zeros(CONTEXT + count * FRAME, dtype=np.float32)
    padded[CONTEXT : CONTEXT + len(samples)] = samples
    return np.lib.stride_tricks.sliding_window_view(padded, CONTEXT + FRAME)[::FRAME]


def spans_of(probabilities: list[float], length_ms: float) -> list[tuple[float, float]]:
    """Speech begins at a frame of THRESHOLD, and ends where it stays below EXIT_THRESHOLD for MIN_SILENCE_MS."""
    spans: list[tuple[float, float]] = []
    start: float | None = None
    quiet: float | None = None
    for index, probability in enumerate(probabilities):
        at = index * FRAME_MS
        if probability >= THRESHOLD:
            quiet = None
            start = at if start is None else start
        elif probability < EXIT_THRESHOLD and start is not None:
            quiet = at if quiet is None else quiet
            if at - quiet >= MIN_SILENCE_MS:
                spans.append((start, quiet))
                start = quiet = None
    if start is not None:
        spans.append((start, length_ms))
    return _pad([s for s in spans if s[1] - s[0] > MIN_SPEECH_MS], length_ms)


def _pad(spans: list[tuple[float, float]], length_ms: float) -> list[tuple[float, float]]:
    """PAD_MS on both sides; where two come closer than that, half the pause each."""
    starts, ends = [s for s, _ in spans], [e for _, e in spans]
    gaps = [float("inf"), *(b - a for a, b in zip(ends, starts[1:], strict=False)), float("inf")]
    pads = [gap / 2 if gap < 2 * PAD_MS else PAD_MS for gap in gaps]
    return [
        (max(0.0, start - before), min(length_ms, end + after))
        for start, end, before, after in zip(starts, ends, pads, pads[1:], strict=False)
    ]


class Silero:
    def __init__(self) -> None:
        self._session = _session()

    def probabilities(self, samples: Array) -> list[float]:
        """One a frame, of a mono recording at MODEL_RATE, full scale at 1."""
        state = {name: np.zeros((1, 1, STATE), dtype=np.float32) for name in ("h", "c")}
        frames = frames_of(samples)
        out: list[float] = []
        for first in range(0, len(frames), FRAMES_A_CALL):
            block = np.ascontiguousarray(frames[first : first + FRAMES_A_CALL])
            values, hidden, cell = self._session.run(["speech_probs", "hn", "cn"], {"input": block, **state})
            state = {"h": hidden, "c": cell}
            out += [float(value) for value in values.reshape(-1)]
        return out

    def listen(self, recording: Array) -> list[Segment]:
        """recording: int16 [2, samples] at 48 kHz."""
        found: list[Segment] = []
        for channel in range(2):
            mono = resample(recording[channel].astype(np.float32) / 32768, MODEL_RATE // 1000, RATE // 1000)
            spans = spans_of(self.probabilities(mono), 1000 * len(mono) / MODEL_RATE)
            found += [Segment(start, channel, end) for start, end in spans]
        return found
