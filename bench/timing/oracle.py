# SPDX-License-Identifier: Apache-2.0
"""An energy detector that is told what no detector can know: roughly where each utterance is, how loud, and the exact
power of the noise in each window. Its errors are what noise does to a boundary that is looked for by energy.

An utterance is heard in a window when the power there exceeds the noise's by P - 30 dB and by a decibel of the noise:
within 10 ms white noise itself scatters by about that much.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from arrays import PER_MS, Array, np
from scenes import Utterance
from truth import CENTRE_MS, RANGE, window_powers
from turns import Segment

SCATTER = 10**0.1 - 1


def _edges(power: Array, noise: Array, told: Utterance, unit: float, reach: tuple[float, float]) -> Segment | None:
    first, end = max(0, int(reach[0])), min(len(power), int(reach[1]))
    threshold = np.maximum(told.peak * unit * RANGE, SCATTER * noise[first:end])
    above = np.flatnonzero(power[first:end] - noise[first:end] > threshold)
    if len(above) == 0:
        return None
    start, last = first + int(above[0]), first + int(above[-1])
    return Segment(start + CENTRE_MS, told.truth.channel, last + CENTRE_MS)


def listen(recording: Array, noise: Array, told: Sequence[Utterance], unit: float) -> list[Segment]:
    """recording, noise: [2, samples], in units in which speech has the power `unit`. It looks for each utterance up to
    half-way to its neighbours on the channel."""
    found: list[Segment] = []
    for channel in range(2):
        power, noise_power = window_powers(recording[channel]), window_powers(noise[channel])
        mine = [t for t in told if t.truth.channel == channel]
        spans = [(t.truth.start_ms, t.truth.end_ms) for t in mine]
        middles = [(a[1] + b[0]) / 2 for a, b in pairwise(spans)]
        limits = [0.0, *middles, recording.shape[1] / PER_MS]
        for i, one in enumerate(mine):
            segment = _edges(power, noise_power, one, unit, (limits[i], limits[i + 1]))
            found += [segment] if segment else []
    return found
