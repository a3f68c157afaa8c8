// SPDX-License-Identifier: Apache-2.0
#include "audio/energy.h"
#include "audio/energy_kernels.h"

extern const struct xr_energy_kernels xr_energy_kernels_baseline, xr_energy_kernels_avx2;

size_t xr_energy_kernels_usable(const struct xr_energy_kernels *ret_kernels[XR_ENERGY_VARIANTS_MAX]) {
    size_t count = 0;
#if defined(__x86_64__)
    /* The builtins ask the processor and whether the system saves the registers. */
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx2"))
        ret_kernels[count++] = &xr_energy_kernels_avx2;
#endif
    ret_kernels[count++] = &xr_energy_kernels_baseline;
    return count;
}

static const struct xr_energy_kernels *fastest(void) {
    const struct xr_energy_kernels *kernels[XR_ENERGY_VARIANTS_MAX];
    xr_energy_kernels_usable(kernels);
    return kernels[0];
}

void xr_energy_blocks(const int16_t *frames, size_t ms, struct xr_energy *out) {
    fastest()->blocks(frames, ms, out);
}

void xr_energy_totals(const struct xr_energy *blocks, size_t ms, double sums[XR_CHANNEL_COUNT]) {
    fastest()->totals(blocks, ms, sums);
}

void xr_energy_powers(const struct xr_energy *blocks, size_t ms, const double offsets[XR_CHANNEL_COUNT],
                      float *const powers[XR_CHANNEL_COUNT]) {
    fastest()->powers(blocks, ms, offsets, powers);
}

size_t xr_energy_windows(float *power, size_t n) {
    if (n < XR_VAD_WINDOW_MS)
        return 0;
    const size_t windows = n - XR_VAD_WINDOW_MS + 1;
    fastest()->windows(power, windows);
    return windows;
}

struct xr_energy xr_energy_of(const int16_t *frames, size_t n) {
    int64_t squares[XR_CHANNEL_COUNT] = {0}, sums[XR_CHANNEL_COUNT] = {0};
    for (size_t i = 0; i < n * XR_CHANNEL_COUNT; i++) {
        squares[i % XR_CHANNEL_COUNT] += (int64_t)frames[i] * frames[i];
        sums[i % XR_CHANNEL_COUNT] += frames[i];
    }
    struct xr_energy energy;
    for (size_t c = 0; c < XR_CHANNEL_COUNT; c++) {
        energy.squares[c] = (float)squares[c];
        energy.sums[c] = (float)sums[c];
    }
    return energy;
}

/* Columns of the interleaved stream, even ones left and odd ones right: all that the inner loop does is element-wise,
 * which compilers turn into vector instructions. (It must stay a loop until then: unrolled first, as gcc -O3 likes to,
 * it stays scalar.) */
enum { LANES = 16 };

static int magnitude(int lowest, int highest) {
    return -lowest > highest ? -lowest : highest;
}

void xr_energy_peaks(const int16_t *frames, size_t n, int peaks[XR_CHANNEL_COUNT]) {
    const size_t samples = n * XR_CHANNEL_COUNT, rows = samples / LANES * LANES;
    int16_t lowest[LANES] = {0}, highest[LANES] = {0};
    for (size_t row = 0; row < rows; row += LANES)
#pragma GCC unroll 1
        for (size_t lane = 0; lane < LANES; lane++) {
            int16_t x = frames[row + lane];
            lowest[lane] = x < lowest[lane] ? x : lowest[lane];
            highest[lane] = x > highest[lane] ? x : highest[lane];
        }
    for (size_t c = 0; c < XR_CHANNEL_COUNT; c++)
        peaks[c] = 0;
    for (size_t lane = 0; lane < LANES; lane++) {
        int *peak = &peaks[lane % XR_CHANNEL_COUNT], here = magnitude(lowest[lane], highest[lane]);
        *peak = here > *peak ? here : *peak;
    }
    for (size_t i = rows; i < samples; i++) {
        int *peak = &peaks[i % XR_CHANNEL_COUNT], here = magnitude(frames[i], frames[i]);
        *peak = here > *peak ? here : *peak;
    }
}
