# SPDX-License-Identifier: Apache-2.0
"""Noises that are made from recordings: music, and a babble of eight voices."""

from __future__ import annotations

from collections.abc import Callable
from math import gcd

from arrays import RATE, Array, Rng, np, resample, rms
from corpus import HALVES, LONG_MS, USUAL_MS, Voice, music_files, read, utterances, voices
from noise import SYNTHETIC

BABBLE_RATE = 8_000  # of most recordings: eight voices are mixed there and brought to 48 kHz as one
SPEEDS = (17, 18, 19, 20, 21, 22, 23, 24)  # twentieths: eight streams of five or six voices, no two alike


def music(half: str, rng: Rng, n: int) -> Array:
    """A stretch from anywhere in a piece, which begins again when it ends."""
    files = music_files(half)
    samples, rate = read(files[int(rng.integers(len(files)))])
    count = -(-n * rate // RATE)
    first = int(rng.integers(len(samples)))
    stretch = np.take(samples, np.arange(first, first + count), mode="wrap")
    return resample(stretch, RATE // rate, 1)[:n]


def _stream(rng: Rng, voice: Voice, speed: int, count: int) -> Array:
    """One utterance after the other, without a pause, at BABBLE_RATE and unit RMS."""
    files = voice.files() if voice.name == "librivox" else utterances(voice, USUAL_MS) + utterances(voice, LONG_MS)
    pieces: list[Array] = []
    have = 0
    while have < count:
        samples, rate = read(files[int(rng.integers(len(files)))])
        up, down = 20 * BABBLE_RATE, speed * rate
        shared = gcd(up, down)
        piece = resample(samples, up // shared, down // shared)
        loud = np.flatnonzero(np.abs(piece) > 0.02 * np.max(np.abs(piece)))
        piece = piece[loud[0] : loud[-1] + 1]
        pieces.append(piece / np.float32(rms(piece)))
        have += len(piece)
    return np.concatenate(pieces)[:count]


def babble(half: str, rng: Rng, n: int) -> Array:
    count = -(-n * BABBLE_RATE // RATE)
    speakers = voices(half)
    order = rng.permutation(len(SPEEDS))
    streams = [_stream(rng, speakers[k % len(speakers)], SPEEDS[int(order[k])], count) for k in range(len(SPEEDS))]
    return resample(sum(streams), RATE // BABBLE_RATE, 1)[:n]


FROM_RECORDINGS: dict[str, Callable[[str, Rng, int], Array]] = {"music": music, "babble": babble}
KINDS = (*SYNTHETIC, *FROM_RECORDINGS)


def make(kind: str, half: str, rng: Rng, n: int) -> Array:
    if kind in SYNTHETIC:
        return SYNTHETIC[kind](rng, n)
    return FROM_RECORDINGS[kind](half, rng, n)


def noise_of(kind: str, half: str, dialogue: int, n: int) -> Array:
    """[2, n]: each side has a noise of its own, the same one at every level."""
    sides = [np.random.default_rng((HALVES[half], 1000 + KINDS.index(kind), dialogue, side)) for side in range(2)]
    return np.stack([make(kind, half, rng, n) for rng in sides])
