# SPDX-License-Identifier: Apache-2.0
"""One dialogue in all its rows, heard by all detectors. Runs in the processes of a pool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import oracle
from arrays import Array, generator, np
from background import noise_of
from corpus import HALVES
from noise import amplitude, at_level, to_int16
from rows import ROWS, Row
from scenes import Scene, build
from score import Tally, score_segments, score_turns
from server import Ears, wav
from silero import Silero
from turns import CHANNELS, Heard, heard


@dataclass(frozen=True)
class Setting:
    """Of one run, the same for all its dialogues."""

    half: str
    port: int
    data_dir: Path
    silero: bool
    save: Path | None


@dataclass(frozen=True)
class Result:
    row: str
    part: str  # "" for turns of both sides, or the channel of segments
    detector: str
    tally: Tally


@dataclass(frozen=True)
class Mixed:
    recording: Array  # int16 [2, samples]
    extra: Array  # what was added to the speech, in the same units
    unit: float  # power of speech


def mix(row: Row, scene: Scene, noise: Array | None, *seed: int) -> Mixed:
    gain = amplitude(row.level_dbfs)
    extra = np.zeros_like(scene.speech) if scene.echo is None else scene.echo * np.float32(gain)
    if noise is not None:
        extra = extra + np.stack([at_level(side, row.level_dbfs - row.snr_db) for side in noise])
    rng = generator(*seed, crc32(row.name.encode()))
    return Mixed(to_int16(rng, scene.speech * np.float32(gain) + extra), extra, gain**2)


def mix_dialogue(row: Row, scene: Scene, noise: Array | None, half: str, dialogue: int) -> Mixed:
    """With a dither of its own."""
    return mix(row, scene, noise, HALVES[half], 2000, dialogue)


class Listeners:
    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self._ears = Ears(setting.port, setting.data_dir)
        self._silero = Silero() if setting.silero else None

    def hear(self, mixed: Mixed, scene: Scene) -> Iterator[tuple[str, Heard]]:
        yield "xray", self._ears.listen(mixed.recording)
        if self._silero:
            yield "silero", heard(self._silero.listen(mixed.recording))
        recording = mixed.recording.astype(np.float32)
        yield "oracle", heard(oracle.listen(recording, mixed.extra, scene.utterances, mixed.unit))


def results_of(row: Row, scene: Scene, detector: str, found: Heard) -> list[Result]:
    if not row.by_segments:
        return [Result(row.name, "", detector, score_turns(scene.truths, found))]
    parts = enumerate(CHANNELS)
    return [Result(row.name, part, detector, score_segments(scene.truths, found, i)) for i, part in parts]


def _save(folder: Path, name: str, mixed: Mixed, scene: Scene, found: dict[str, Heard]) -> None:
    """The recording, and beside it the truth and what each detector heard, as [channel, start_ms, end_ms]."""
    lists = {"truth": scene.truths} | {detector: list(heard.segments) for detector, heard in found.items()}
    rows = {key: [[s.channel, s.start_ms, s.end_ms] for s in segments] for key, segments in lists.items()}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.wav").write_bytes(wav(mixed.recording))
    (folder / f"{name}.json").write_text(json.dumps(rows))


_listeners: list[Listeners] = []  # one a process


def begin(setting: Setting) -> None:
    _listeners.append(Listeners(setting))


def listen(task: tuple[str, int, list[str]]) -> list[Result]:
    """A scene, the dialogue's number, and the names of the rows it is wanted for."""
    scene_name, dialogue, names = task
    (listeners,) = _listeners
    setting = listeners.setting
    scene = build(scene_name, setting.half, dialogue)
    noises: dict[str, Array] = {}
    results: list[Result] = []
    for row in [ROWS[name] for name in names]:
        if row.noise and row.noise not in noises:
            noises = {row.noise: noise_of(row.noise, setting.half, dialogue, scene.speech.shape[1])}
        noise = noises[row.noise] if row.noise else None
        mixed = mix_dialogue(row, scene, noise, setting.half, dialogue)
        found = dict(listeners.hear(mixed, scene))
        for detector, segments in found.items():
            results += results_of(row, scene, detector, segments)
        if setting.save:
            _save(setting.save, f"{row.name}-{dialogue:02}", mixed, scene, found)
    return results
