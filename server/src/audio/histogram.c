// SPDX-License-Identifier: Apache-2.0
#include "audio/histogram.h"
#include <math.h>
#include <string.h>

enum {
    BINS = XR_HISTOGRAM_OCTAVES * XR_HISTOGRAM_PER_OCTAVE,
    LOWEST_EXPONENT = -4,
    MANTISSA_SHIFT = 23 - 5, /* an IEEE single's 23 bits of mantissa, of which 5 make 32 bins */
    LOWEST_BIN = (127 + LOWEST_EXPONENT) * XR_HISTOGRAM_PER_OCTAVE,
};

/* The upper bits of a positive IEEE single, exponent and mantissa, are its logarithm by straight pieces. */
static int bin_of(float power) {
    uint32_t bits;
    memcpy(&bits, &power, sizeof bits);
    int bin = (int)(bits >> MANTISSA_SHIFT) - LOWEST_BIN;
    if (!(power > 0) || bin < 0)
        return 0;
    return bin < BINS ? bin : BINS - 1;
}

static float power_of(int bin) {
    float mantissa = 1 + ((float)(bin % XR_HISTOGRAM_PER_OCTAVE) + 0.5F) / (float)XR_HISTOGRAM_PER_OCTAVE;
    return ldexpf(mantissa, bin / XR_HISTOGRAM_PER_OCTAVE + LOWEST_EXPONENT);
}

void xr_histogram_add(struct xr_histogram *histogram, float power) {
    histogram->bins[bin_of(power)]++;
    histogram->count++;
}

float xr_histogram_quantile(const struct xr_histogram *histogram, double part) {
    const double wanted = part * (double)histogram->count;
    size_t seen = 0;
    if (histogram->count == 0)
        return 0;
    for (int bin = 0; bin < BINS; bin++) {
        seen += histogram->bins[bin];
        if (seen > 0 && (double)seen >= wanted)
            return power_of(bin);
    }
    return power_of(BINS - 1);
}
