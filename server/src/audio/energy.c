// SPDX-License-Identifier: Apache-2.0
#include "audio/energy.h"

/* The block is summed as LANES columns of the interleaved stream, never split into channels: even columns are the left
 * channel, odd ones the right. So every operation of the inner loop is element-wise, which compilers turn into vector
 * instructions without being allowed to reorder floating-point sums. (The lane loop must stay a loop until then:
 * unrolled first, as gcc -O3 likes to, it stays scalar and takes four times as long.) */
enum { LANES = 16, SAMPLES = XR_FRAMES_PER_MS * XR_CHANNEL_COUNT };
_Static_assert(SAMPLES % LANES == 0 && LANES % XR_CHANNEL_COUNT == 0, "a block is a whole number of rows");

static int magnitude(int lowest, int highest) {
    return -lowest > highest ? -lowest : highest;
}

static struct xr_energy one_block(const int16_t *restrict samples) {
    float squares[LANES] = {0}, sums[LANES] = {0};
    int16_t lowest[LANES] = {0}, highest[LANES] = {0};
    for (size_t row = 0; row < SAMPLES; row += LANES)
#pragma GCC unroll 1
        for (size_t lane = 0; lane < LANES; lane++) {
            int16_t x = samples[row + lane];
            float f = (float)x;
            squares[lane] += f * f;
            sums[lane] += f;
            lowest[lane] = x < lowest[lane] ? x : lowest[lane];
            highest[lane] = x > highest[lane] ? x : highest[lane];
        }
    struct xr_energy energy = {0};
    for (size_t lane = 0; lane < LANES; lane++) {
        size_t channel = lane % XR_CHANNEL_COUNT;
        int peak = magnitude(lowest[lane], highest[lane]);
        energy.squares[channel] += squares[lane];
        energy.sums[channel] += sums[lane];
        energy.peaks[channel] = peak > energy.peaks[channel] ? peak : energy.peaks[channel];
    }
    return energy;
}

void xr_energy_blocks(const int16_t *frames, size_t ms, struct xr_energy *out) {
    for (size_t i = 0; i < ms; i++)
        out[i] = one_block(frames + i * SAMPLES);
}

struct xr_energy xr_energy_of(const int16_t *frames, size_t n) {
    struct xr_energy energy = {0};
    for (size_t i = 0; i < n * XR_CHANNEL_COUNT; i++) {
        size_t channel = i % XR_CHANNEL_COUNT;
        int peak = magnitude(frames[i], frames[i]);
        energy.squares[channel] += (float)frames[i] * (float)frames[i];
        energy.sums[channel] += (float)frames[i];
        energy.peaks[channel] = peak > energy.peaks[channel] ? peak : energy.peaks[channel];
    }
    return energy;
}
