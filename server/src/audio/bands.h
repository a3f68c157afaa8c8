// SPDX-License-Identifier: Apache-2.0
/* audio/bands.h - the power of a 16 kHz channel in bands as wide as the ear's (Zwicker's critical bands up to 920 Hz,
 * wider ones above), every 4 ms: what a noise covers in one band can be heard in another. One thread at a time. Private
 * to audio/. */
#pragma once
#include <stddef.h>

enum { XR_BANDS = 16, XR_BAND_STEP_MS = 4, XR_BAND_STEP = 64 /* samples at 16 kHz */ };

struct xr_band_powers {
    float at[XR_BANDS]; /* mean of the squares of the band's samples */
};

/* The filters' memory; all zero before the first sample. */
struct xr_bands {
    float first[2][XR_BANDS], second[2][XR_BANDS];
};

/* The next steps * XR_BAND_STEP samples; one figure a step. */
void xr_bands_run(struct xr_bands *bands, const float *samples, size_t steps, struct xr_band_powers *ret_powers);
