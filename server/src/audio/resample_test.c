// SPDX-License-Identifier: Apache-2.0
#include "audio/resample.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>

#define TAU 6.283185307179586

enum { OUT_MAX = 200000 };

/* Feeds in by steps of `step`, takes out by steps of `cap`, flushes; returns the length. */
static size_t convert(uint32_t in_rate, uint32_t out_rate, const int16_t *in, size_t n, size_t step, size_t cap,
                      int16_t *out) {
    XR_AUTO(xr_resampler_freep) struct xr_resampler *resampler = NULL;
    size_t at = 0, length = 0, used = 0, got = 0;
    assert_int_equal(xr_resampler_new(in_rate, out_rate, &resampler, NULL), XR_OK);
    while (at < n) {
        size_t now = n - at < step ? n - at : step;
        assert_int_equal(xr_resampler_run(resampler, in + at, now, &used, out + length, cap, &got, NULL), XR_OK);
        assert_true(used <= now && got <= cap && length + got + cap <= OUT_MAX);
        at += used;
        length += got;
    }
    do {
        assert_int_equal(xr_resampler_run(resampler, NULL, 0, &used, out + length, cap, &got, NULL), XR_OK);
        assert_true(got <= cap && length + got + cap <= OUT_MAX);
        length += got;
    } while (got > 0);
    return length;
}

static void make_sine(int16_t *out, size_t n, double rate, double hz, double amplitude) {
    for (size_t i = 0; i < n; i++)
        out[i] = (int16_t)lround(amplitude * sin(TAU * hz * (double)i / rate));
}

static void a_sine_stays_a_sine_of_the_expected_length(void **state) {
    (void)state;
    static const struct {
        uint32_t from, to;
    } rates[] = {{48000, 16000}, {16000, 48000}, {8000, 48000}, {44100, 48000},
                 {22050, 48000}, {24000, 48000}, {48000, 4000}};
    static int16_t in[48000], out[OUT_MAX];
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        size_t n = rates[i].from - 7; /* no round length */
        double wanted = (double)n * rates[i].to / rates[i].from, worst = 0;
        make_sine(in, n, rates[i].from, 440, 12000);
        size_t length = convert(rates[i].from, rates[i].to, in, n, 1000, 777, out);
        assert_true(fabs((double)length - wanted) <= 1);
        for (size_t k = length / 10; k < length - length / 10; k++) {
            double error = fabs(out[k] - 12000 * sin(TAU * 440 * (double)k / rates[i].to));
            worst = error > worst ? error : worst;
        }
        print_message("%u to %u: worst error %.2f\n", rates[i].from, rates[i].to, worst);
        assert_true(worst < 8); /* -63 dB of the sine; the phase is exact */
    }
}

static void equal_rates_copy(void **state) {
    (void)state;
    static int16_t in[5000], out[OUT_MAX];
    for (size_t i = 0; i < 5000; i++)
        in[i] = (int16_t)(i * 37 - 3000);
    assert_int_equal(convert(48000, 48000, in, 5000, 999, 100, out), 5000);
    assert_memory_equal(in, out, sizeof in);
}

static void steps_of_any_size_give_the_same_samples(void **state) {
    (void)state;
    static int16_t in[8000], whole[OUT_MAX], pieces[OUT_MAX];
    make_sine(in, 8000, 8000, 1000, 30000);
    size_t n = convert(8000, 48000, in, 8000, 8000, 60000, whole);
    assert_int_equal(convert(8000, 48000, in, 8000, 13, 31, pieces), n);
    assert_memory_equal(whole, pieces, n * sizeof *whole);
}

static void full_scale_is_clipped_and_does_not_wrap(void **state) {
    (void)state;
    static int16_t in[4000], out[OUT_MAX];
    for (size_t i = 0; i < 4000; i++)
        in[i] = i / 20 % 2 ? INT16_MAX : INT16_MIN;
    size_t n = convert(16000, 48000, in, 4000, 4000, 20000, out);
    for (size_t k = 200; k < n - 200; k++)
        if ((k + 5) % 60 > 10) /* away from the steps the sign is the input's */
            assert_true((out[k] > 0) == (in[k / 3] > 0));
}

static void no_input_flushes_to_nothing(void **state) {
    (void)state;
    int16_t out[100];
    assert_int_equal(convert(48000, 16000, NULL, 0, 1, 100, out), 0);
    assert_int_equal(convert(16000, 16000, NULL, 0, 1, 100, out), 0);
}

static void rates_out_of_range_are_refused(void **state) {
    (void)state;
    static const uint32_t rates[][2] = {{0, 48000}, {48000, 0}, {3999, 48000}, {48000, 192001}, {UINT32_MAX, 48000}};
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct xr_resampler *resampler = NULL;
        assert_int_equal(xr_resampler_new(rates[i][0], rates[i][1], &resampler, NULL), XR_INVALID);
        assert_null(resampler);
    }
    xr_resampler_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sine_stays_a_sine_of_the_expected_length),
        cmocka_unit_test(equal_rates_copy),
        cmocka_unit_test(steps_of_any_size_give_the_same_samples),
        cmocka_unit_test(full_scale_is_clipped_and_does_not_wrap),
        cmocka_unit_test(no_input_flushes_to_nothing),
        cmocka_unit_test(rates_out_of_range_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
