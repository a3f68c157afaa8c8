// SPDX-License-Identifier: Apache-2.0
/* audio/energy_kernels.h - the loops over samples and milliseconds, compiled once for each instruction set that is
 * worth it (see meson.build). All give the same bits. Pure; any thread. Private to audio/. */
#pragma once
#include "audio/energy.h"

/* What the functions of energy.h do whose names these are. */
struct xr_energy_kernels {
    void (*blocks)(const int16_t *frames, size_t ms, struct xr_energy *out);
    void (*totals)(const struct xr_energy *blocks, size_t ms, double sums[XR_CHANNEL_COUNT]);
    void (*powers)(const struct xr_energy *blocks, size_t ms, const double offsets[XR_CHANNEL_COUNT],
                   float *const powers[XR_CHANNEL_COUNT]);
    void (*windows)(float *power, size_t windows);
};

enum { XR_ENERGY_VARIANTS_MAX = 2 };
/* Those that this processor runs, the fastest first; at least one. Returns how many. */
size_t xr_energy_kernels_usable(const struct xr_energy_kernels *ret_kernels[XR_ENERGY_VARIANTS_MAX]);
