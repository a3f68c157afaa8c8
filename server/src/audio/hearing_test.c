// SPDX-License-Identifier: Apache-2.0
#include "audio/hearing.h"
#include "audio/resample.h"
#include "audio/scene_test.h"
#include "base/limits.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PER_MS = 48, FRAMES_MAX = 5000 * PER_MS };

/* The user says something, the agent something else, in noise. */
static int16_t *make_frames(size_t ms) {
    struct scene *scene = scene_new(ms);
    scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 500, "What time do you close tonight", -20);
    scene_say(scene, XR_CHANNEL_AGENT, SAY_RMS, 1500, "Let me check that for you", -25);
    scene_noise(scene, XR_CHANNEL_USER, NOISE_PINK, 0, ms, -40);
    scene_dither(scene);
    int16_t *frames = scene_render(scene);
    scene_free(scene);
    return frames;
}

static struct xr_hearing hear(enum xr_channel channel, size_t ms, const int16_t *frames, size_t n, size_t step) {
    XR_AUTO(xr_listener_freep) struct xr_listener *listener = NULL;
    struct xr_hearing heard = {0};
    assert_int_equal(xr_listener_new(channel, ms, &listener, NULL), XR_OK);
    for (size_t at = 0, now; at < n; at += now) {
        now = n - at < step ? n - at : step;
        assert_int_equal(xr_listener_push(listener, frames + at * XR_CHANNEL_COUNT, now, NULL), XR_OK);
    }
    assert_int_equal(xr_listener_finish(listener, &heard, NULL), XR_OK);
    return heard;
}

static void assert_equal(const struct xr_hearing *a, const struct xr_hearing *b) {
    assert_int_equal(a->windows, b->windows);
    assert_int_equal(a->steps, b->steps);
    assert_memory_equal(a->probabilities, b->probabilities, a->windows * sizeof *a->probabilities);
    assert_memory_equal(a->bands, b->bands, a->steps * sizeof *a->bands);
}

/* One channel at 16 kHz, by the resampler alone; *ret_n samples. */
static float *resample(const int16_t *frames, size_t n, enum xr_channel channel, size_t *ret_n) {
    static int16_t mono[FRAMES_MAX], out[FRAMES_MAX];
    XR_AUTO(xr_resampler_freep) struct xr_resampler *resampler = NULL;
    size_t used = 0, made = 0, at = 0, length = 0;
    assert_true(n <= FRAMES_MAX);
    assert_int_equal(xr_resampler_new(XR_RATE, XR_NET_RATE, &resampler, NULL), XR_OK);
    for (size_t i = 0; i < n; i++)
        mono[i] = frames[i * XR_CHANNEL_COUNT + (size_t)channel];
    for (; at < n; at += used, length += made)
        assert_int_equal(
            xr_resampler_run(resampler, mono + at, n - at, &used, out + length, FRAMES_MAX - length, &made, NULL),
            XR_OK);
    do {
        assert_int_equal(xr_resampler_run(resampler, NULL, 0, &used, out + length, FRAMES_MAX - length, &made, NULL),
                         XR_OK);
        length += made;
    } while (made > 0);
    float *samples = calloc(length + XR_NET_WINDOW, sizeof *samples);
    assert_non_null(samples);
    for (size_t i = 0; i < length; i++)
        samples[i] = (float)out[i] / 32768;
    *ret_n = length;
    return samples;
}

static void the_networks_and_the_bands_own_figures_are_given(void **state) {
    (void)state;
    enum { MS = 4017 };
    int16_t *frames = make_frames(MS);
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = NULL;
        const struct xr_net *net = NULL;
        struct xr_bands bands = {0};
        size_t n;
        float *samples = resample(frames, (size_t)MS * PER_MS, (enum xr_channel)c, &n);
        const size_t windows = (n + XR_NET_WINDOW - 1) / XR_NET_WINDOW, steps = windows * XR_STEPS_PER_WINDOW;
        float *probabilities = malloc(windows * sizeof *probabilities);
        struct xr_band_powers *powers = malloc(steps * sizeof *powers);
        struct xr_hearing heard = hear((enum xr_channel)c, MS, frames, (size_t)MS * PER_MS, 4096);
        assert_true(probabilities && powers);
        assert_int_equal(xr_net_shared(&net, NULL), XR_OK);
        assert_int_equal(xr_net_stream_new(net, &stream, NULL), XR_OK);
        xr_net_stream_run(stream, samples, windows, probabilities);
        xr_bands_run(&bands, samples, steps, powers);
        assert_int_equal(heard.windows, windows);
        assert_int_equal(heard.steps, MS / XR_BAND_STEP_MS);
        assert_memory_equal(heard.probabilities, probabilities, windows * sizeof *probabilities);
        for (size_t t = 0; t < heard.steps; t++)
            for (size_t band = 0; band < XR_BANDS; band++)
                assert_true(heard.bands[t].at[band] == powers[t].at[band] * (32768.0F * 32768.0F));
        xr_hearing_clear(&heard);
        free(probabilities);
        free(powers);
        free(samples);
    }
    free(frames);
}

static void each_channel_is_heard_at_its_place(void **state) {
    (void)state;
    enum { MS = 4000 };
    static const size_t from_ms[] = {500, 1500};
    int16_t *frames = make_frames(MS);
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        struct xr_hearing heard = hear((enum xr_channel)c, MS, frames, (size_t)MS * PER_MS, 4096);
        size_t first = 0;
        while (first < heard.windows && heard.probabilities[first] < 0.5F)
            first++;
        assert_true(labs((long)(first * XR_NET_WINDOW_MS) - (long)from_ms[c]) <= 2 * XR_NET_WINDOW_MS);
        xr_hearing_clear(&heard);
    }
    free(frames);
}

static void pushes_of_any_size_give_the_same(void **state) {
    (void)state;
    enum { MS = 3500 };
    static const size_t sizes[] = {1, 47, 48, 49, 1000, 4095, 4096, 4097, 65536, MS * PER_MS};
    int16_t *frames = make_frames(MS);
    struct xr_hearing whole = hear(XR_CHANNEL_USER, MS, frames, (size_t)MS * PER_MS, 4096);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct xr_hearing heard = hear(XR_CHANNEL_USER, MS, frames, (size_t)MS * PER_MS, sizes[i]);
        assert_equal(&heard, &whole);
        xr_hearing_clear(&heard);
    }
    xr_hearing_clear(&whole);
    free(frames);
}

/* A recording of any length has one step each whole 4 ms and windows enough for all of them. */
static void assert_counts(const struct xr_hearing *heard, size_t frames) {
    const size_t ms = frames / PER_MS, windows = (ms + XR_NET_WINDOW_MS - 1) / XR_NET_WINDOW_MS;
    assert_int_equal(heard->steps, ms / XR_BAND_STEP_MS);
    assert_true(heard->windows >= windows && heard->windows <= windows + 1);
    assert_true(heard->windows * XR_STEPS_PER_WINDOW >= heard->steps);
    for (size_t i = 0; i < heard->windows; i++)
        assert_true(heard->probabilities[i] >= 0 && heard->probabilities[i] <= 1);
    for (size_t t = 0; t < heard->steps; t++)
        for (size_t band = 0; band < XR_BANDS; band++)
            assert_true(heard->bands[t].at[band] >= 0 && isfinite(heard->bands[t].at[band]));
}

static void recordings_of_any_length_are_heard(void **state) {
    (void)state;
    static const size_t lengths[] = {0,       1,        2,        47,       48,          4 * 48 - 1,  4 * 48,
                                     10 * 48, 31 * 48,  32 * 48,  33 * 48,  32 * 48 - 1, 32 * 48 + 1, 63 * 48,
                                     64 * 48, 100 * 48, 767 * 48, 768 * 48, 769 * 48,    1537 * 48};
    int16_t *frames = make_frames(3500);
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct xr_hearing heard = hear(XR_CHANNEL_USER, lengths[i] / PER_MS, frames, lengths[i], 4096);
        assert_counts(&heard, lengths[i]);
        xr_hearing_clear(&heard);
    }
    for (size_t ms = 700; ms < 840; ms++) { /* around a full batch */
        struct xr_hearing heard = hear(XR_CHANNEL_USER, ms, frames, ms * PER_MS + ms % PER_MS, 4096);
        assert_counts(&heard, ms * PER_MS);
        xr_hearing_clear(&heard);
    }
    free(frames);
}

static void frames_beyond_the_length_are_not_heard(void **state) {
    (void)state;
    static const size_t lengths_ms[] = {0, 1, 31, 32, 100, 768, 1000};
    enum { MS = 3500 };
    int16_t *frames = make_frames(MS);
    for (size_t i = 0; i < sizeof lengths_ms / sizeof *lengths_ms; i++) {
        const size_t ms = lengths_ms[i];
        struct xr_hearing more = hear(XR_CHANNEL_USER, ms, frames, (size_t)MS * PER_MS, 4096);
        struct xr_hearing whole = hear(XR_CHANNEL_USER, MS, frames, (size_t)MS * PER_MS, 4096);
        assert_int_equal(more.steps, ms / XR_BAND_STEP_MS);
        assert_true(more.windows <= ms / XR_NET_WINDOW_MS + 1);
        assert_memory_equal(more.bands, whole.bands, more.steps * sizeof *more.bands);
        assert_memory_equal(more.probabilities, whole.probabilities, more.windows * sizeof *more.probabilities);
        xr_hearing_clear(&more);
        xr_hearing_clear(&whole);
    }
    free(frames);
}

static void fewer_frames_than_announced_give_fewer_steps(void **state) {
    (void)state;
    int16_t *frames = make_frames(3500);
    for (size_t ms = 0; ms < 200; ms += 33) {
        struct xr_hearing heard = hear(XR_CHANNEL_USER, 3500, frames, ms * PER_MS, 4096);
        assert_true(heard.steps * XR_BAND_STEP_MS <= ms + XR_NET_WINDOW_MS);
        assert_int_equal(heard.steps, heard.windows * XR_STEPS_PER_WINDOW);
        xr_hearing_clear(&heard);
    }
    free(frames);
}

static void nothing_is_freed_twice(void **state) {
    (void)state;
    struct xr_listener *listener = NULL;
    struct xr_hearing heard = {0};
    xr_hearing_clear(&heard);
    xr_listener_free(NULL);
    assert_int_equal(xr_listener_new(XR_CHANNEL_AGENT, 100, &listener, NULL), XR_OK);
    xr_listener_free(listener); /* before its end */
    assert_int_equal(xr_listener_new(XR_CHANNEL_AGENT, 100, &listener, NULL), XR_OK);
    assert_int_equal(xr_listener_push(listener, NULL, 0, NULL), XR_OK);
    assert_int_equal(xr_listener_finish(listener, &heard, NULL), XR_OK);
    xr_listener_free(listener);
    xr_hearing_clear(&heard);
    assert_null(heard.probabilities);
    xr_hearing_clear(&heard);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_networks_and_the_bands_own_figures_are_given),
        cmocka_unit_test(each_channel_is_heard_at_its_place),
        cmocka_unit_test(pushes_of_any_size_give_the_same),
        cmocka_unit_test(recordings_of_any_length_are_heard),
        cmocka_unit_test(frames_beyond_the_length_are_not_heard),
        cmocka_unit_test(fewer_frames_than_announced_give_fewer_steps),
        cmocka_unit_test(nothing_is_freed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
