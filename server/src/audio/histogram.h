// SPDX-License-Identifier: Apache-2.0
/* audio/histogram.h - counts of powers on a logarithmic scale, for percentiles without sorting and without a logarithm
 * a value. Pure; one thread at a time. Private to audio/. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* 32 bins an octave (0.1 dB) from 2^-4 to 2^31 LSB squared: below the rounding noise of 16 bits to above full scale. */
enum { XR_HISTOGRAM_OCTAVES = 35, XR_HISTOGRAM_PER_OCTAVE = 32 };

struct xr_histogram {
    uint32_t bins[XR_HISTOGRAM_OCTAVES * XR_HISTOGRAM_PER_OCTAVE];
    size_t count;
};

void xr_histogram_add(struct xr_histogram *histogram, float power);
/* The power that this part (0..1) of the values lies at or below; 0 when empty. */
float xr_histogram_quantile(const struct xr_histogram *histogram, double part);
