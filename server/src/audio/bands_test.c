// SPDX-License-Identifier: Apache-2.0
#include "audio/bands.h"
#include "audio/net.h"
#include "base/test.h"
#include <math.h>
#include <stdbool.h>
#include <string.h>

#define TAU 6.283185307179586
#define RATE ((double)XR_NET_RATE)

enum { STEPS = 500, SAMPLES = STEPS * XR_BAND_STEP }; /* 2 s */

/* Where bands meet, in Hz. */
static const double EDGES[XR_BANDS + 1] = {100,  200,  300,  400,  510,  630,  770,  920, 1120,
                                           1400, 1750, 2200, 2700, 3300, 4000, 5300, 7500};

static double mean_power(const struct xr_band_powers *powers, size_t from, size_t to, size_t band) {
    double sum = 0;
    for (size_t step = from; step < to; step++)
        sum += (double)powers[step].at[band];
    return sum / (double)(to - from);
}

/* Each band's gain for a sine of that frequency, in dB, once it has settled. */
static void measure(double hz, double gains[XR_BANDS]) {
    static float samples[SAMPLES];
    static struct xr_band_powers powers[STEPS];
    struct xr_bands bands = {0};
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = (float)(0.5 * sin(TAU * hz * (double)i / RATE));
    xr_bands_run(&bands, samples, STEPS, powers);
    for (size_t band = 0; band < XR_BANDS; band++)
        gains[band] = 10 * log10(mean_power(powers, STEPS / 2, STEPS, band) / 0.125);
}

/* The middle of a digital filter that was made by the bilinear transform. */
static double centre_of(size_t band) {
    const double low = tan(TAU / 2 * EDGES[band] / RATE), high = tan(TAU / 2 * EDGES[band + 1] / RATE);
    return atan(sqrt(low * high)) * 2 * RATE / TAU;
}

static void a_band_passes_its_middle_as_it_is(void **state) {
    (void)state;
    for (size_t band = 0; band < XR_BANDS; band++) {
        double gains[XR_BANDS];
        measure(centre_of(band), gains);
        assert_true(fabs(gains[band]) < 0.02);
    }
}

static void bands_meet_at_minus_3_db(void **state) {
    (void)state;
    for (size_t edge = 0; edge <= XR_BANDS; edge++) {
        double gains[XR_BANDS];
        measure(EDGES[edge], gains);
        if (edge > 0)
            assert_true(fabs(gains[edge - 1] + 3.01) < 0.05);
        if (edge < XR_BANDS)
            assert_true(fabs(gains[edge] + 3.01) < 0.05);
    }
}

static void what_is_far_from_a_band_is_not_in_it(void **state) {
    (void)state;
    for (size_t band = 0; band < XR_BANDS; band++) {
        double gains[XR_BANDS];
        const double above = EDGES[band + 1] * 3, below = EDGES[band] / 3;
        measure(below, gains);
        assert_true(gains[band] < -20);
        if (above >= RATE / 2)
            continue;
        measure(above, gains);
        assert_true(gains[band] < -20);
    }
}

static void an_offset_is_in_no_band(void **state) {
    (void)state;
    static float samples[SAMPLES];
    static struct xr_band_powers powers[STEPS];
    struct xr_bands bands = {0};
    for (size_t i = 0; i < SAMPLES; i++)
        samples[i] = 1;
    xr_bands_run(&bands, samples, STEPS, powers);
    for (size_t band = 0; band < XR_BANDS; band++)
        assert_true(powers[STEPS - 1].at[band] < 1e-9F);
}

static uint32_t next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed;
}

static void make_noise(float *samples, size_t n, float loudness) {
    uint32_t seed = 3;
    for (size_t i = 0; i < n; i++)
        samples[i] = ((float)(next(&seed) >> 8) / 8388608.0F - 1) * loudness;
}

static bool is_zero(const struct xr_band_powers *powers) {
    for (size_t band = 0; band < XR_BANDS; band++)
        if (powers->at[band] != 0)
            return false;
    return true;
}

static void silence_is_silent_from_the_beginning_and_after_a_while(void **state) {
    (void)state;
    static float noise[SAMPLES], silence[SAMPLES];
    static struct xr_band_powers powers[STEPS];
    struct xr_bands bands = {0};
    xr_bands_run(&bands, silence, STEPS, powers);
    for (size_t step = 0; step < STEPS; step++)
        assert_true(is_zero(&powers[step]));
    make_noise(noise, SAMPLES, 1);
    xr_bands_run(&bands, noise, STEPS, powers);
    assert_false(is_zero(&powers[STEPS - 1]));
    xr_bands_run(&bands, silence, STEPS, powers);
    for (size_t step = 0; step < STEPS; step++)
        for (size_t band = 0; band < XR_BANDS; band++)
            assert_true(isfinite(powers[step].at[band]));
    assert_true(is_zero(&powers[STEPS - 1]));
    for (size_t i = 0; i < 2; i++)
        for (size_t band = 0; band < XR_BANDS; band++)
            assert_true(bands.first[i][band] == 0 && bands.second[i][band] == 0);
}

/* A sum of what alternates at full scale, as slowly as a band is low. */
static void the_loudest_and_the_quietest_samples_give_finite_powers(void **state) {
    (void)state;
    static float samples[SAMPLES];
    static struct xr_band_powers powers[STEPS];
    static const float loudness[] = {1, 1e-5F, 1e-30F, 1e-45F};
    for (size_t k = 0; k < sizeof loudness / sizeof *loudness; k++)
        for (size_t period = 1; period < 200; period += 33) {
            struct xr_bands bands = {0};
            for (size_t i = 0; i < SAMPLES; i++)
                samples[i] = i / period % 2 ? loudness[k] : -loudness[k];
            xr_bands_run(&bands, samples, STEPS, powers);
            for (size_t step = 0; step < STEPS; step++)
                for (size_t band = 0; band < XR_BANDS; band++)
                    assert_true(powers[step].at[band] >= 0 && powers[step].at[band] <= 4 * loudness[k] * loudness[k]);
        }
}

static void steps_of_any_size_give_the_same_bits(void **state) {
    (void)state;
    static float samples[SAMPLES];
    static struct xr_band_powers whole[STEPS], pieces[STEPS];
    struct xr_bands bands = {0};
    make_noise(samples, SAMPLES, 0.3F);
    xr_bands_run(&bands, samples, STEPS, whole);
    for (size_t size = 1; size < 200; size = size * 2 + 1) {
        struct xr_bands again = {0};
        memset(pieces, 0xff, sizeof pieces);
        for (size_t at = 0, n; at < STEPS; at += n) {
            n = STEPS - at < size ? STEPS - at : size;
            xr_bands_run(&again, samples + at * XR_BAND_STEP, n, pieces + at);
        }
        assert_memory_equal(whole, pieces, sizeof whole);
        assert_memory_equal(&bands, &again, sizeof bands);
    }
    xr_bands_run(&bands, NULL, 0, NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_band_passes_its_middle_as_it_is),
        cmocka_unit_test(bands_meet_at_minus_3_db),
        cmocka_unit_test(what_is_far_from_a_band_is_not_in_it),
        cmocka_unit_test(an_offset_is_in_no_band),
        cmocka_unit_test(silence_is_silent_from_the_beginning_and_after_a_while),
        cmocka_unit_test(the_loudest_and_the_quietest_samples_give_finite_powers),
        cmocka_unit_test(steps_of_any_size_give_the_same_bits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
