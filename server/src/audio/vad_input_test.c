// SPDX-License-Identifier: Apache-2.0
/* Bad recordings: each has a right answer, in bounded time and memory. */
#include "audio/detect_test.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { PER_MS = 48, WITHIN_MS = 20, SENTENCES = 2 };

#define DBFS (-25.0)
#define SNR 20.0

/* Two sentences of the user's in 8 s, in white noise if it is noisy. */
static struct scene *make_scene(bool noisy, struct truth truths[SENTENCES]) {
    struct scene *scene = scene_new(8000);
    truths[0] = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 1000, "What time do you close tonight", DBFS);
    truths[1] = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 4500, "I would like to book a table for two", DBFS);
    if (noisy)
        scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, DBFS - SNR);
    scene_dither(scene);
    return scene;
}

static void assert_sentences(const struct detected *detected, const struct truth truths[SENTENCES], int within) {
    assert_int_equal(detected->result.count, SENTENCES);
    for (size_t i = 0; i < SENTENCES; i++)
        assert_segment(&detected->result, i, XR_CHANNEL_USER, truths[i], within);
}

static void assert_nothing(const struct scene *scene, int passes) {
    struct detected detected = detect_scene_counting(scene);
    assert_int_equal(detected.passes, passes);
    assert_int_equal(detected.result.count, 0);
    xr_vad_result_clear(&detected.result);
}

static void zeros_have_no_segment(void **state) {
    (void)state;
    struct scene *scene = scene_new(8000);
    assert_nothing(scene, 1);
    scene_free(scene);
}

static void white_noise_at_full_scale_has_no_segment(void **state) {
    (void)state;
    for (int dbfs = -6; dbfs <= 12; dbfs += 6) { /* from there on all is clipped */
        struct scene *scene = scene_new(8000);
        scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, dbfs);
        scene_noise(scene, XR_CHANNEL_AGENT, NOISE_WHITE, 0, scene->ms, dbfs);
        assert_nothing(scene, 2);
        scene_free(scene);
    }
}

static void a_constant_offset_changes_nothing_in_either_pass(void **state) {
    (void)state;
    static const struct {
        float offset;
        int within;
    } cases[] = {{100, 12}, {-2000, 20}, {12000, 50}}; /* in bands, an offset's beginning is a loud sound */
    for (int noisy = 0; noisy < 2; noisy++)
        for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
            struct truth truths[SENTENCES];
            struct scene *scene = make_scene(noisy, truths);
            scene_add(scene, XR_CHANNEL_USER, 0, scene->ms, cases[i].offset);
            scene_add(scene, XR_CHANNEL_AGENT, 0, scene->ms, -cases[i].offset);
            struct detected detected = detect_scene_counting(scene);
            assert_int_equal(detected.passes, noisy ? 2 : 1);
            assert_sentences(&detected, truths, cases[i].within);
            xr_vad_result_clear(&detected.result);
            scene_free(scene);
        }
}

/* Some codecs and voices have one: it begins and ends with the words. */
static void an_offset_while_speaking_moves_no_end(void **state) {
    (void)state;
    static const float offsets[] = {30, -300, 1000};
    for (int noisy = 0; noisy < 2; noisy++)
        for (size_t i = 0; i < sizeof offsets / sizeof *offsets; i++) {
            struct truth truths[SENTENCES];
            struct scene *scene = make_scene(noisy, truths);
            for (size_t k = 0; k < SENTENCES; k++)
                scene_add(scene, XR_CHANNEL_USER, truths[k].start_ms, truths[k].end_ms, offsets[i]);
            struct detected detected = detect_scene_counting(scene);
            assert_sentences(&detected, truths, WITHIN_MS);
            xr_vad_result_clear(&detected.result);
            scene_free(scene);
        }
}

static void a_dead_channel_is_silent_and_leaves_the_other_as_it_is(void **state) {
    (void)state;
    for (int noisy = 0; noisy < 2; noisy++) {
        struct truth truths[SENTENCES];
        struct scene *scene = make_scene(noisy, truths);
        struct detected alive = detect_scene_counting(scene);
        scene_gain(scene, XR_CHANNEL_AGENT, 0);
        struct detected dead = detect_scene_counting(scene);
        assert_sentences(&dead, truths, WITHIN_MS);
        for (size_t i = 0; i < SENTENCES; i++)
            assert_true(same_segment(&alive.result.segments[i], &dead.result.segments[i]));
        assert_same_levels(&alive.result.levels[XR_CHANNEL_USER], &dead.result.levels[XR_CHANNEL_USER]);
        assert_true(dead.result.levels[XR_CHANNEL_AGENT].noise_floor_dbfs <= -95);
        assert_true(dead.result.levels[XR_CHANNEL_AGENT].speech_dbfs <= -100);
        xr_vad_result_clear(&alive.result);
        xr_vad_result_clear(&dead.result);
        scene_free(scene);
    }
}

/* Clipped by as many decibels, the words are less loud above their ends: these seem to last longer. */
static void clipped_words_are_found(void **state) {
    (void)state;
    for (int noisy = 0; noisy < 2; noisy++)
        for (int times = 10; times <= 100; times *= 10) {
            struct truth truths[SENTENCES];
            struct scene *scene = make_scene(noisy, truths);
            scene_gain(scene, XR_CHANNEL_USER, (float)times);
            struct detected detected = detect_scene_counting(scene);
            assert_int_equal(detected.result.count, SENTENCES);
            for (size_t i = 0; i < SENTENCES; i++)
                assert_segment(&detected.result, i, XR_CHANNEL_USER, truths[i], 100);
            xr_vad_result_clear(&detected.result);
            scene_free(scene);
        }
}

/* --- as short as can be --- */

static void make_square(int16_t *frames, size_t n) {
    for (size_t i = 0; i < n * XR_CHANNEL_COUNT; i++)
        frames[i] = i / 60 % 2 ? INT16_MAX : INT16_MIN;
}

static void make_loud_noise(int16_t *frames, size_t n) {
    uint32_t seed = 9;
    for (size_t i = 0; i < n * XR_CHANNEL_COUNT; i++) {
        seed = seed * 1664525u + 1013904223u;
        frames[i] = (int16_t)(seed >> 16);
    }
}

static void make_constant(int16_t *frames, size_t n) {
    for (size_t i = 0; i < n * XR_CHANNEL_COUNT; i++)
        frames[i] = i % 2 ? INT16_MIN : INT16_MAX;
}

static void a_few_samples_have_no_segment(void **state) {
    (void)state;
    enum { FRAMES_MAX = 60 * PER_MS };
    static void (*const makers[])(int16_t *frames, size_t n) = {make_square, make_loud_noise, make_constant};
    static const size_t lengths[] = {0,           1,   2,           47,          48,      49,   9 * PER_MS, 479,
                                     10 * PER_MS, 481, 31 * PER_MS, 32 * PER_MS, 24 * 48, 1537, FRAMES_MAX};
    static int16_t frames[FRAMES_MAX * XR_CHANNEL_COUNT];
    for (size_t k = 0; k < sizeof makers / sizeof *makers; k++)
        for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
            makers[k](frames, lengths[i]);
            struct detected detected = detect_frames(frames, lengths[i], 4096);
            assert_int_equal(detected.result.count, 0);
            xr_vad_result_clear(&detected.result);
        }
}

static void assert_short(bool noisy, size_t beside_ms, int within) {
    struct scene *scene = scene_new(8000);
    struct truth truth = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 1000, "What time do you close tonight", DBFS);
    if (noisy)
        scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, DBFS - SNR);
    scene_dither(scene);
    scene_cut(scene, truth.start_ms - beside_ms, truth.end_ms + beside_ms);
    struct detected detected = detect_scene_counting(scene);
    print_message("%zu ms beside the words: %zu segments\n", beside_ms, detected.result.count);
    assert_int_equal(detected.result.count, 1);
    assert_segment(&detected.result, 0, XR_CHANNEL_USER, (struct truth){beside_ms, scene->ms - beside_ms}, within);
    xr_vad_result_clear(&detected.result);
    scene_free(scene);
}

static void words_fill_a_short_recording(void **state) {
    (void)state;
    for (size_t beside_ms = 500; beside_ms > 0; beside_ms -= 20)
        assert_short(false, beside_ms, WITHIN_MS);
}

static void words_fill_a_short_noisy_recording(void **state) {
    (void)state;
    for (size_t beside_ms = 900; beside_ms >= 500; beside_ms -= 50)
        assert_short(true, beside_ms, WITHIN_MS);
}

/* Nothing at all before somebody joins is no noise. */
static void digital_silence_before_the_noise_changes_nothing(void **state) {
    (void)state;
    struct scene *scene = scene_new(12000);
    const struct truth truth = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 8000, "What time do you close tonight", DBFS);
    scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 6500, scene->ms, DBFS - SNR);
    struct detected detected = detect_scene_counting(scene);
    assert_int_equal(detected.result.count, 1);
    assert_segment(&detected.result, 0, XR_CHANNEL_USER, truth, WITHIN_MS);
    xr_vad_result_clear(&detected.result);
    scene_free(scene);
}

/* --- as long as it gets --- */

/* Sanitizers make the second pass ten times as long. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { NOISY_MINUTES = 6 };
#else
enum { NOISY_MINUTES = 30 };
#endif
enum { CLEAN_MINUTES = 30, MINUTE_MS = 60000 };

/* The scene over and over; returns what finishing says. Tells by how much memory grew at most. */
static bool push_for(struct xr_vad *vad, const int16_t *frames, size_t frames_n, size_t ms,
                     struct xr_vad_result *result, long before, long *ret_kib) {
    bool again = false;
    for (size_t left = ms * PER_MS, n; left > 0; left -= n) {
        n = left < frames_n ? left : frames_n;
        assert_int_equal(xr_vad_push(vad, frames, n, NULL), XR_OK);
    }
    assert_int_equal(xr_vad_finish(vad, &again, result, NULL), XR_OK);
    const long kib = anonymous_kib() - before; /* the address sanitizer keeps what was freed, so that is in it too */
    *ret_kib = kib > *ret_kib ? kib : *ret_kib;
    return again;
}

static void assert_long(bool noisy, size_t minutes, long kib_a_minute) {
    XR_AUTO(xr_vad_freep) struct xr_vad *vad = NULL;
    struct truth truths[SENTENCES];
    struct scene *scene = make_scene(noisy, truths);
    int16_t *frames = scene_render(scene);
    struct xr_vad_result result = {0};
    const size_t ms = minutes * MINUTE_MS;
    const long before = anonymous_kib();
    long kib = 0;
    assert_int_equal(xr_vad_new(&vad, NULL), XR_OK);
    for (int pass = 0; push_for(vad, frames, scene->frames, ms, &result, before, &kib); pass++)
        assert_true(noisy && pass == 0);
    assert_sound(&result, ms);
    assert_int_equal(result.count, ms / scene->ms * SENTENCES + (ms % scene->ms >= truths[0].end_ms + 500));
    for (size_t i = 0; i < result.count; i++) {
        struct truth truth = truths[i % SENTENCES];
        truth.start_ms += i / SENTENCES * scene->ms;
        truth.end_ms += i / SENTENCES * scene->ms;
        assert_segment(&result, i, XR_CHANNEL_USER, truth, WITHIN_MS);
    }
    print_message("%zu minutes: %ld KiB\n", minutes, kib);
#ifndef __SANITIZE_THREAD__ /* its shadow memory is anonymous too */
    assert_true(kib < 4096 + kib_a_minute * (long)minutes);
#else
    (void)kib_a_minute;
#endif
    xr_vad_result_clear(&result);
    free(frames);
    scene_free(scene);
}

/* 4 bytes a millisecond and channel: 0.47 MiB a minute. */
static void half_an_hour_of_clean_speech_is_heard_once(void **state) {
    (void)state;
    assert_long(false, CLEAN_MINUTES, 480);
}

/* And 50 bytes more a millisecond while it is heard again: 2.9 MiB a minute. */
static void half_an_hour_of_noisy_speech_is_heard_twice_and_stays_small(void **state) {
    (void)state;
    assert_long(true, NOISY_MINUTES, 480 + 2930);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(zeros_have_no_segment),
        cmocka_unit_test(white_noise_at_full_scale_has_no_segment),
        cmocka_unit_test(a_constant_offset_changes_nothing_in_either_pass),
        cmocka_unit_test(an_offset_while_speaking_moves_no_end),
        cmocka_unit_test(a_dead_channel_is_silent_and_leaves_the_other_as_it_is),
        cmocka_unit_test(clipped_words_are_found),
        cmocka_unit_test(a_few_samples_have_no_segment),
        cmocka_unit_test(words_fill_a_short_recording),
        cmocka_unit_test(words_fill_a_short_noisy_recording),
        cmocka_unit_test(digital_silence_before_the_noise_changes_nothing),
        cmocka_unit_test(half_an_hour_of_clean_speech_is_heard_once),
        cmocka_unit_test(half_an_hour_of_noisy_speech_is_heard_twice_and_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
