# SPDX-License-Identifier: Apache-2.0
"""Where an utterance truly starts and ends, from its clean source: docs/timing.md has the definition."""

from __future__ import annotations

from dataclasses import dataclass

from arrays import PER_MS, Array, np

WINDOW_MS = 10
QUANTILE = 0.95
RANGE = 1e-3  # 30 dB below P, as a ratio of powers
CENTRE_MS = WINDOW_MS / 2  # a window stands for its middle: what it sees early at the start it sees late at the end
NEAR = 10**-1.5  # 15 dB below P: certainly the voice
RISE_MAX_MS, FALL_MAX_MS = 180, 300


@dataclass(frozen=True)
class Truth:
    """Times from the source's first sample, in ms; powers as means of squares of its samples."""

    start_ms: float
    end_ms: float
    peak: float  # P
    speech: float  # mean power of the windows above P - 30 dB: the speech's level
    rise_ms: float  # from the start until the voice is within 15 dB of P
    fall_ms: float  # and from there to the end


def window_powers(samples: Array, per_ms: int = PER_MS) -> Array:
    """Mean power over [t, t + 10) ms for each whole ms t at which such a window fits; float64."""
    n = len(samples) // per_ms
    blocks = samples[: n * per_ms].reshape(n, per_ms)
    per_block = np.einsum("ij,ij->i", blocks, blocks, dtype=np.float64) / per_ms
    sums = np.concatenate(([0.0], np.cumsum(per_block)))
    return np.maximum((sums[WINDOW_MS:] - sums[:-WINDOW_MS]) / WINDOW_MS, 0)


def truth_of(samples: Array, per_ms: int = PER_MS) -> Truth | None:
    """None for silence. The source lies in silence, so that windows reach over its two ends."""
    silence = np.zeros(WINDOW_MS * per_ms)
    # The last millisecond that is begun is filled up; else its samples would be dropped.
    rest = np.zeros(-len(samples) % per_ms)
    padded = np.concatenate((silence, samples, rest, silence))
    powers = window_powers(padded, per_ms)
    inside = powers[WINDOW_MS : len(powers) - WINDOW_MS] if len(powers) > 2 * WINDOW_MS else powers
    peak = float(np.quantile(inside, QUANTILE))
    above = np.flatnonzero(powers > peak * RANGE)
    if peak <= 0 or len(above) == 0:
        return None
    near = np.flatnonzero(powers > peak * NEAR)
    first, last = int(above[0]), int(above[-1])
    offset = CENTRE_MS - WINDOW_MS
    return Truth(
        start_ms=first + offset,
        end_ms=last + offset,
        peak=peak,
        speech=float(np.mean(powers[above])),
        rise_ms=float(near[0] - first),
        fall_ms=float(last - near[-1]),
    )


def is_clear(truth: Truth) -> bool:
    """Whether the voice makes the two ends. In a recording whose room is as loud as P - 30 dB the room makes them."""
    return truth.rise_ms <= RISE_MAX_MS and truth.fall_ms <= FALL_MAX_MS
