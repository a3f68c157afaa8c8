// SPDX-License-Identifier: Apache-2.0
/* audio/energy.h - the inner loops over samples, shared by the detector and the levels: what one millisecond of stereo
 * 48 kHz holds. Pure; any thread. Private to audio/. */
#pragma once
#include "audio/vad.h"
#include "audio/vad_channel.h"
#include "base/limits.h"
#include <stddef.h>
#include <stdint.h>

enum { XR_FRAMES_PER_MS = XR_RATE / 1000 };

/* Over the frames of one block (a millisecond, or the shorter rest at a recording's end). Summed in integers, so the
 * same on every machine. */
struct xr_energy {
    float squares[XR_CHANNEL_COUNT]; /* sum of x * x, exact but for one rounding to float */
    float sums[XR_CHANNEL_COUNT]; /* sum of x, exact */
};

/* One block from n <= XR_FRAMES_PER_MS interleaved frames. */
struct xr_energy xr_energy_of(const int16_t *frames, size_t n);
/* ms blocks from ms * XR_FRAMES_PER_MS interleaved frames, in order; the fast way. */
void xr_energy_blocks(const int16_t *frames, size_t ms, struct xr_energy *out);
/* The sums of all blocks, exact. */
void xr_energy_totals(const struct xr_energy *blocks, size_t ms, double sums[XR_CHANNEL_COUNT]);
/* powers[channel][i] = mean of (x - offset)^2 over block i, never below 0. The two do not overlap. */
void xr_energy_powers(const struct xr_energy *blocks, size_t ms, const double offsets[XR_CHANNEL_COUNT],
                      float *const powers[XR_CHANNEL_COUNT]);
/* In place, of n milliseconds: power[t] = mean of power[t..t + XR_VAD_WINDOW_MS). Returns how many there are. */
size_t xr_energy_windows(float *power, size_t n);
/* max |x| of n interleaved frames, 0..32768. */
void xr_energy_peaks(const int16_t *frames, size_t n, int peaks[XR_CHANNEL_COUNT]);
