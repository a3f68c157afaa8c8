# SPDX-License-Identifier: Apache-2.0
"""Voices and music of the two halves: clean utterances at 48 kHz with their truth.

No voice and no piece of music is in both halves. The English and the Spanish prompts are one speaker's, so both are in
the tuning half; the judging half's recorded people speak Italian, French and Russian.
"""

from __future__ import annotations

import os
import subprocess
import wave
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path

from arrays import RATE, Array, audible, np, resample
from environment import CACHE
from packages import UNPACKED
from phrases import BACKCHANNELS, SENTENCES
from truth import Truth, is_clear, truth_of

HALVES = {"tuning": 1, "judging": 2}  # and the first number of all their seeds
SHARE = UNPACKED / "usr" / "share"
SPOKEN = CACHE / "flite"
NOT_SPEECH = ("beep", "tone", "monkeys", "weasels", "confbridge-join", "confbridge-leave")
USUAL_MS, LONG_MS, SHORT_MS = (400, 3500), (2500, 6000), (180, 500)  # an utterance's length by its truth


@dataclass(frozen=True)
class Clip:
    """One utterance: float32 samples at 48 kHz, its speech's RMS being 1."""

    samples: Array
    truth: Truth


@dataclass(frozen=True)
class Voice:
    half: str
    name: str
    folder: str = ""  # of recordings, below SHARE; empty: flite speaks

    def files(self) -> list[Path]:
        """Its utterances."""
        if not self.folder:
            return [_speak(self.name, text) for text in SENTENCES[self.half]]
        paths = sorted((SHARE / self.folder).glob("*.wav"))
        return [path for path in paths if not any(word in path.name for word in NOT_SPEECH)]

    def short_files(self) -> list[Path]:
        """What it can say into the other's turn: "mhm", or a number."""
        if not self.folder:
            return [_speak(self.name, text) for text in BACKCHANNELS]
        return sorted((SHARE / self.folder / "digits").glob("*.wav"))


SOUNDS = "asterisk/sounds/"
TESTDATA = "pocketsphinx/test/data/"
VOICES = (
    Voice("tuning", "en", SOUNDS + "en_US_f_Allison"),
    Voice("tuning", "es", SOUNDS + "es_MX_f_Allison"),
    Voice("tuning", "cards", TESTDATA + "cards"),
    Voice("tuning", "kal16"),
    Voice("tuning", "slt"),
    Voice("judging", "it", SOUNDS + "it_IT_m_Carlo"),
    Voice("judging", "fr", SOUNDS + "fr_CA_f_June"),
    Voice("judging", "ru", SOUNDS + "ru_RU_f_IvrvoiceRU"),
    Voice("judging", "librivox", TESTDATA + "librivox"),
    Voice("judging", "awb"),
    Voice("judging", "rms"),
)
MUSIC = {
    "tuning": ("macroform-cold_day", "macroform-robot_dity", "macroform-the_simplicity"),
    "judging": ("manolo_camp-morning_coffee", "reno_project-system"),
}


def _speak(voice: str, text: str) -> Path:
    """flite's WAV of the text, made once."""
    path = SPOKEN / voice / (text.replace(" ", "-") + ".wav")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        flite = UNPACKED / "usr" / "bin" / "flite"
        partial = path.with_suffix(f".{os.getpid()}")  # another process may be at it too
        subprocess.run([flite, "-voice", voice, "-t", text, "-o", partial], check=True)
        partial.rename(path)
    return path


def read(path: Path) -> tuple[Array, int]:
    """float32 samples of a mono 16-bit WAV, and their rate."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2), path
        data = file.readframes(file.getnframes())
        return np.frombuffer(data, "<i2").astype(np.float32), file.getframerate()


def _voice(path: Path) -> tuple[Array, int]:
    """An utterance's samples. Some of flite's voices have an offset while they speak, of a level about that at which
    speech begins: no recorder would let it through, and nobody hears it."""
    samples, rate = read(path)
    return audible(samples, rate), rate


@lru_cache(maxsize=64)
def clip(path: Path) -> Clip:
    samples, rate = _voice(path)
    samples = resample(samples, RATE // rate, 1)
    truth = truth_of(samples)
    assert truth is not None, path
    return Clip(samples / np.float32(truth.speech**0.5), truth)


def _truth_at_source(path: Path) -> Truth | None:
    samples, rate = _voice(path)
    return truth_of(samples, rate // 1000)


def _fit(paths: list[Path], length_ms: tuple[int, int]) -> list[Path]:
    fitting: list[Path] = []
    for path in paths:
        truth = _truth_at_source(path)
        if truth and is_clear(truth) and length_ms[0] <= truth.end_ms - truth.start_ms <= length_ms[1]:
            fitting.append(path)
    return fitting


def voices(half: str) -> list[Voice]:
    return [voice for voice in VOICES if voice.half == half]


@cache
def utterances(voice: Voice, length_ms: tuple[int, int]) -> list[Path]:
    """Those whose ends the voice makes, and that are so long."""
    return _fit(voice.short_files() if length_ms == SHORT_MS else voice.files(), length_ms)


@cache
def music_files(half: str) -> list[Path]:
    return [SHARE / "asterisk" / "moh" / f"{name}.wav" for name in MUSIC[half]]
