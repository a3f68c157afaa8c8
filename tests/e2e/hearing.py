# SPDX-License-Identifier: Apache-2.0
"""Which of the lines a recording is, for the tests' double of a transcriber; and whether a line is whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
import numpy.typing as npt

import dialogue
import flite
from vendors.audio import Wav

Numbers = npt.NDArray[np.float64]

LOUD = 200  # mean of |sample|
SHAPE = 80
ALIKE = 0.5  # a line and its recording are above 0.9, two lines below 0.4
SHORTER_S, LONGER_S = 0.15, 0.5


@dataclass(frozen=True)
class Sound:
    """Speech without the silence at both ends: how long it is, and the course of its level as SHAPE numbers."""

    seconds: float
    shape: Numbers

    @staticmethod
    def of(pcm: bytes, rate: int) -> Sound:
        samples: Numbers = np.abs(np.frombuffer(pcm, "<i2").astype(np.float64))
        step = rate // 100
        frames: Numbers = samples[: len(samples) // step * step].reshape(-1, step)
        levels: Numbers = np.mean(frames, axis=1)
        loud = np.flatnonzero(levels > LOUD)
        levels = levels[loud[0] : loud[-1] + 1]
        return Sound(len(levels) / 100, _stretched(levels))


def _stretched(levels: Numbers) -> Numbers:
    places: Numbers = np.linspace(0, len(levels) - 1, SHAPE)
    shape: Numbers = np.interp(places, np.arange(len(levels), dtype=np.float64), levels)
    return shape


@cache
def _lines() -> dict[str, Sound]:
    voices = (dialogue.USER_VOICE, dialogue.AGENT_VOICE) * 2
    spoken = {text: flite.speak(text, voice=voice) for text, voice in zip(dialogue.SAID, voices, strict=True)}
    return {text: Sound.of(pcm, flite.RATE) for text, pcm in spoken.items()}


def hear(wav: Wav) -> str:
    """The line whose course is most like the recording's; AssertionError if none is."""
    shape = Sound.of(wav.samples, wav.rate).shape
    alike = {text: float(np.corrcoef(shape, line.shape)[0, 1]) for text, line in _lines().items()}
    text = max(alike, key=lambda line: alike[line])
    assert alike[text] > ALIKE, f"{wav.seconds:.2f} s were heard that are none of the lines: {alike}"
    return text


def seconds_of(text: str) -> float:
    return _lines()[text].seconds


def is_whole(text: str, seconds: float) -> bool:
    """Nothing of the line is missing. On a machine that is busy an agent's speech may have gaps."""
    return -SHORTER_S < seconds - seconds_of(text) < LONGER_S
