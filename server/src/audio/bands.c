// SPDX-License-Identifier: Apache-2.0
#include "audio/bands.h"
#include <math.h>

/* Butterworth band-passes of order 2 (12 dB an octave and side) for 16 kHz, as two sections each:
 *
 *   H(z) = GAIN (1 - z^-2) / (1 + A1 z^-1 + A2 z^-2) * GAIN (1 - z^-2) / (1 + B1 z^-1 + B2 z^-2)
 *
 * with their -3 dB points at 100, 200, 300, 400, 510, 630, 770, 920, 1120, 1400, 1750, 2200, 2700, 3300, 4000, 5300 and
 * 7500 Hz: scipy.signal.butter(2, [low, high], "bandpass", fs=16000). */
static const float GAIN[XR_BANDS] = {0.019366714F, 0.019366714F, 0.019366714F, 0.021274402F, 0.023176923F, 0.026966565F,
                                     0.028853736F, 0.038214085F, 0.052934835F, 0.065565596F, 0.08322135F,  0.091884128F,
                                     0.10889299F,  0.12549689F,  0.21767264F,  0.33761914F};
static const float A1[XR_BANDS] = {-1.9775373F, -1.9696737F, -1.9604833F, -1.9463942F, -1.9277494F, -1.9010744F,
                                   -1.8679301F, -1.8162541F, -1.7345621F, -1.6129827F, -1.4320891F, -1.1800122F,
                                   -0.8516422F, -0.4269499F, 0.1240036F,  0.79030934F};
static const float A2[XR_BANDS] = {0.97937041F, 0.97650781F, 0.97535763F, 0.97244492F, 0.9696033F,  0.96446595F,
                                   0.96163264F, 0.94945056F, 0.93043851F, 0.91348987F, 0.88968677F, 0.87631843F,
                                   0.85150847F, 0.82557381F, 0.68476219F, 0.38198099F};
static const float B1[XR_BANDS] = {-1.9608583F, -1.9565671F,   -1.9475487F, -1.9307289F, -1.908568F,  -1.8753775F,
                                   -1.8367498F, -1.7677075F,   -1.6542064F, -1.4954129F, -1.2567908F, -0.95950057F,
                                   -0.5623018F, -0.073057235F, 0.73631152F, 1.7438906F};
static const float B2[XR_BANDS] = {0.96590415F, 0.96873566F, 0.96987803F, 0.96739557F, 0.96485738F, 0.95928249F,
                                   0.95678051F, 0.94251811F, 0.91998211F, 0.90132318F, 0.87544741F, 0.86446538F,
                                   0.8416051F,  0.8211749F,  0.71036063F, 0.78709097F};

/* Filters that hear nothing fade out for ever; numbers that small are slow to compute with. */
#define INAUDIBLE 1e-15F

static void settle(float memory[2][XR_BANDS]) {
    for (size_t i = 0; i < 2; i++)
        for (size_t band = 0; band < XR_BANDS; band++)
            memory[i][band] = fabsf(memory[i][band]) < INAUDIBLE ? 0 : memory[i][band];
}

/* Bands are the lanes: each operation is the same for all of them. */
static void run_step(struct xr_bands *restrict bands, const float *restrict samples, float *restrict sums) {
    for (size_t i = 0; i < XR_BAND_STEP; i++) {
        const float x = samples[i];
        for (size_t band = 0; band < XR_BANDS; band++) {
            const float in = GAIN[band] * x, middle = in + bands->first[0][band];
            bands->first[0][band] = bands->first[1][band] - A1[band] * middle;
            bands->first[1][band] = -in - A2[band] * middle;
            const float again = GAIN[band] * middle, out = again + bands->second[0][band];
            bands->second[0][band] = bands->second[1][band] - B1[band] * out;
            bands->second[1][band] = -again - B2[band] * out;
            sums[band] += out * out;
        }
    }
}

void xr_bands_run(struct xr_bands *bands, const float *samples, size_t steps, struct xr_band_powers *ret_powers) {
    for (size_t step = 0; step < steps; step++) {
        float sums[XR_BANDS] = {0};
        run_step(bands, samples + step * XR_BAND_STEP, sums);
        settle(bands->first);
        settle(bands->second);
        for (size_t band = 0; band < XR_BANDS; band++)
            ret_powers[step].at[band] = sums[band] / (float)XR_BAND_STEP;
    }
}
