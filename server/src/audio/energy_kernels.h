// SPDX-License-Identifier: Apache-2.0
/* audio/energy_kernels.h - xr_energy_blocks, compiled once for each instruction set that is worth it (see meson.build).
 * All give the same bits. Pure; any thread. Private to audio/. */
#pragma once
#include "audio/energy.h"

typedef void xr_energy_kernel(const int16_t *frames, size_t ms, struct xr_energy *out);

xr_energy_kernel xr_energy_kernel_baseline, xr_energy_kernel_avx2;

enum { XR_ENERGY_VARIANTS_MAX = 2 };
/* Those that this processor runs, the fastest first; at least one. Returns how many. */
size_t xr_energy_kernels_usable(xr_energy_kernel *ret_kernels[XR_ENERGY_VARIANTS_MAX]);
