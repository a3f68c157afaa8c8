# SPDX-License-Identifier: Apache-2.0
"""One long recording, clean and in music, for those who time the server: dialogues of the tuning half, one after the
other. The judging half is not kept for that."""

from __future__ import annotations

from dataclasses import dataclass

from arrays import PER_MS, RATE, Array, generator, np
from background import noise_of
from corpus import HALVES
from noise import amplitude, at_level, to_int16
from rows import USUAL_DBFS
from scenes import build
from turns import AGENT

HALF, SEED = "tuning", 4000
SNR_DB = 10


@dataclass(frozen=True)
class LongDialogue:
    """int16 [2, samples] at 48 kHz; the same samples but for the music, which the agent's channel alone has."""

    clean: Array
    music: Array
    turns: int  # that are in it whole


def _speech(n: int) -> tuple[Array, int]:
    """[2, n], the last turn being cut; how many are not."""
    parts: list[Array] = []
    have = turns = dialogue = 0
    while have < n:
        scene = build("dialogue", HALF, dialogue)
        turns += sum(have + truth.end_ms * PER_MS <= n for truth in scene.truths)
        parts.append(scene.speech)
        have += scene.speech.shape[1]
        dialogue += 1
    return np.concatenate(parts, axis=1)[:, :n], turns


def make_long(seconds: int) -> LongDialogue:
    n = seconds * RATE
    speech, turns = _speech(n)
    speech *= np.float32(amplitude(USUAL_DBFS))
    music = np.zeros_like(speech)
    music[AGENT] = at_level(noise_of("music", HALF, SEED, n)[AGENT], USUAL_DBFS - SNR_DB)
    clean, noisy = (to_int16(generator(HALVES[HALF], SEED), speech + extra) for extra in (np.float32(0), music))
    return LongDialogue(clean, noisy, turns)
