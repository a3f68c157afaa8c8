// SPDX-License-Identifier: Apache-2.0
#include "audio/detect_test.h"
#include "audio/scene_test.h"
#include "audio/vad.h"
#include "base/clock.h"
#include "base/limits.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 6 };

/* Six alternating turns with gaps of 250 ms to 2 s; the user begins. */
static void speak_dialogue(struct scene *scene, double dbfs, struct truth truths[TURNS]) {
    static const size_t turns[TURNS][2] = {{700, 2700},   {2950, 5200},   {5900, 6500},
                                           {8500, 10300}, {10800, 11300}, {11900, 14000}};
    for (size_t i = 0; i < TURNS; i++)
        truths[i] = scene_speak(scene, (enum xr_channel)(i % 2), turns[i][0], turns[i][1], dbfs);
}

enum { DIALOGUE_MS = 15000 };

static void assert_dialogue(const struct xr_vad_result *result, const struct truth truths[TURNS], int within) {
    assert_int_equal(result->count, TURNS);
    for (size_t i = 0; i < TURNS; i++)
        assert_segment(result, i, (enum xr_channel)(i % 2), truths[i], within);
}

static void clean_speech_is_found_to_the_millisecond_at_any_level(void **state) {
    (void)state;
    for (int level = -15; level >= -45; level -= 10)
        for (int dither = 0; dither < 2; dither++) {
            const double dbfs = level;
            struct scene *scene = scene_new(DIALOGUE_MS);
            struct truth truths[TURNS];
            speak_dialogue(scene, dbfs, truths);
            if (dither)
                scene_dither(scene);
            struct xr_vad_result result = detect_scene(scene);
            print_message("%.0f dBFS, dither %d\n", dbfs, dither);
            assert_dialogue(&result, truths, 12);
            for (int c = 0; c < XR_CHANNEL_COUNT; c++)
                assert_true(fabs(result.levels[c].speech_dbfs - dbfs) < 2);
            xr_vad_result_clear(&result);
            scene_free(scene);
        }
}

static void silence(struct scene *scene) {
    (void)scene;
}

static void offset_alone(struct scene *scene) {
    scene_add(scene, XR_CHANNEL_USER, 0, scene->ms, 12000);
    scene_add(scene, XR_CHANNEL_AGENT, 0, scene->ms, -32768);
}

static void dither_alone(struct scene *scene) {
    scene_dither(scene);
}

static void noise_alone(struct scene *scene) {
    scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, -30);
    scene_noise(scene, XR_CHANNEL_AGENT, NOISE_PINK, 0, scene->ms, -30);
}

static void full_scale_noise(struct scene *scene) {
    scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, 10);
    scene_noise(scene, XR_CHANNEL_AGENT, NOISE_HUM, 0, scene->ms, 10);
}

static void key_strokes(struct scene *scene) {
    for (size_t at = 300; at + 400 < scene->ms; at += 230 + at % 170)
        scene_click(scene, XR_CHANNEL_USER, at, -12);
    scene_dither(scene);
}

static void sounds_too_quiet_to_be_speech(struct scene *scene) {
    scene_speak(scene, XR_CHANNEL_USER, 1000, 2000, -85);
    scene_dither(scene);
}

static void recordings_without_speech_have_no_segment(void **state) {
    (void)state;
    static const struct {
        const char *name;
        void (*make)(struct scene *scene);
    } cases[] = {
        {"silence", silence},
        {"offset", offset_alone},
        {"dither", dither_alone},
        {"noise", noise_alone},
        {"full-scale noise", full_scale_noise},
        {"key strokes", key_strokes},
        {"too quiet", sounds_too_quiet_to_be_speech},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene *scene = scene_new(12000);
        cases[i].make(scene);
        struct xr_vad_result result = detect_scene(scene);
        print_message("%s\n", cases[i].name);
        assert_int_equal(result.count, 0);
        for (int c = 0; c < XR_CHANNEL_COUNT; c++)
            assert_true(result.levels[c].speech_dbfs <= -100);
        xr_vad_result_clear(&result);
        scene_free(scene);
    }
}

static void short_recordings_of_any_content_have_no_segment(void **state) {
    (void)state;
    static const size_t lengths[] = {0, 1, 47, 48, 479, 480, 481, 960, 2399};
    static int16_t frames[2400 * 2];
    for (size_t i = 0; i < sizeof frames / sizeof *frames; i++)
        frames[i] = i / 60 % 2 ? INT16_MAX : INT16_MIN;
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        struct xr_vad_result result = detect_in_steps(frames, lengths[i], 1000);
        assert_int_equal(result.count, 0);
        xr_vad_result_clear(&result);
    }
}

static void a_constant_offset_changes_nothing(void **state) {
    (void)state;
    static const float offsets[] = {300, -3000, 15000};
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++) {
        struct scene *scene = scene_new(DIALOGUE_MS);
        struct truth truths[TURNS];
        speak_dialogue(scene, -30, truths);
        scene_add(scene, XR_CHANNEL_USER, 0, scene->ms, offsets[i]);
        scene_add(scene, XR_CHANNEL_AGENT, 0, scene->ms, -offsets[i]);
        scene_dither(scene);
        struct xr_vad_result result = detect_scene(scene);
        assert_dialogue(&result, truths, 14);
        xr_vad_result_clear(&result);
        scene_free(scene);
    }
}

static void clipped_speech_is_found(void **state) {
    (void)state;
    struct scene *scene = scene_new(DIALOGUE_MS);
    struct truth truths[TURNS];
    speak_dialogue(scene, -15, truths);
    scene_gain(scene, XR_CHANNEL_USER, 3);
    scene_gain(scene, XR_CHANNEL_AGENT, 3);
    scene_dither(scene);
    struct xr_vad_result result = detect_scene(scene);
    assert_dialogue(&result, truths, 60); /* clipped, its level is lower, so its fade seems longer */
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void a_dead_channel_leaves_the_other_as_it_is(void **state) {
    (void)state;
    for (int dead = 0; dead < XR_CHANNEL_COUNT; dead++) {
        struct scene *scene = scene_new(DIALOGUE_MS);
        struct truth truths[TURNS];
        speak_dialogue(scene, -25, truths);
        scene_dither(scene);
        struct xr_vad_result whole = detect_scene(scene);
        scene_gain(scene, (enum xr_channel)dead, 0);
        struct xr_vad_result half = detect_scene(scene);
        assert_int_equal(half.count, TURNS / 2);
        for (size_t i = 0; i < half.count; i++)
            assert_true(same_segment(&half.segments[i], &whole.segments[2 * i + (size_t)!dead]));
        assert_true(half.levels[dead].noise_floor_dbfs <= -95);
        xr_vad_result_clear(&whole);
        xr_vad_result_clear(&half);
        scene_free(scene);
    }
}

static void only_long_pauses_split_speech(void **state) {
    (void)state;
    static const struct {
        size_t pause_ms, segments;
    } cases[] = {{60, 1}, {120, 1}, {200, 1}, {350, 2}, {600, 2}, {1500, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct scene *scene = scene_new(8000);
        struct truth first = scene_speak(scene, XR_CHANNEL_AGENT, 1000, 2500, -25);
        size_t again = first.end_ms + cases[i].pause_ms;
        struct truth second = scene_speak(scene, XR_CHANNEL_AGENT, again, again + 1200, -25);
        scene_dither(scene);
        struct xr_vad_result result = detect_scene(scene);
        assert_int_equal(result.count, cases[i].segments);
        if (result.count == 1)
            first.end_ms = second.end_ms;
        else
            assert_segment(&result, 1, XR_CHANNEL_AGENT, second, 15);
        assert_segment(&result, 0, XR_CHANNEL_AGENT, first, 15);
        xr_vad_result_clear(&result);
        scene_free(scene);
    }
}

static void overlapping_channels_are_sorted_by_start_then_channel(void **state) {
    (void)state;
    struct scene *scene = scene_new(8000);
    struct truth agent = scene_speak(scene, XR_CHANNEL_AGENT, 500, 5000, -25);
    struct truth user = scene_speak(scene, XR_CHANNEL_USER, 2000, 2400, -35);
    struct truth late = scene_speak(scene, XR_CHANNEL_USER, 4000, 6000, -35);
    scene_dither(scene);
    struct xr_vad_result result = detect_scene(scene);
    assert_int_equal(result.count, 3);
    assert_segment(&result, 0, XR_CHANNEL_AGENT, agent, 12);
    assert_segment(&result, 1, XR_CHANNEL_USER, user, 12);
    assert_segment(&result, 2, XR_CHANNEL_USER, late, 12);
    xr_vad_result_clear(&result);
    /* The same sound on both sides: the user comes first. */
    memcpy(scene->samples[XR_CHANNEL_AGENT], scene->samples[XR_CHANNEL_USER], scene->frames * sizeof(float));
    result = detect_scene(scene);
    assert_int_equal(result.count, 4);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(result.segments[i].channel, i % 2);
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void speech_reaches_the_recordings_very_ends(void **state) {
    (void)state;
    struct scene *scene = scene_new(4000);
    scene_speak(scene, XR_CHANNEL_USER, 0, 1500, -25);
    scene_speak(scene, XR_CHANNEL_USER, 2500, 4000, -25);
    int16_t *frames = scene_render(scene);
    struct xr_vad_result result =
        detect_in_steps(frames, scene->frames - (size_t)200 * 48 - 20, 4096); /* cut in a word */
    assert_int_equal(result.count, 2);
    assert_int_equal(result.segments[0].start_ns, 0);
    assert_int_equal(result.segments[1].end_ns, 3799 * XR_NS_PER_MS);
    xr_vad_result_clear(&result);
    free(frames);
    scene_free(scene);
}

static void a_quieter_sentence_and_a_backchannel_are_found(void **state) {
    (void)state;
    struct scene *scene = scene_new(12000);
    struct truth loud = scene_speak(scene, XR_CHANNEL_USER, 1000, 3000, -20);
    struct truth quiet = scene_speak(scene, XR_CHANNEL_USER, 5000, 7000, -38);
    struct truth brief = scene_speak(scene, XR_CHANNEL_USER, 9000, 9300, -28);
    scene_dither(scene);
    struct xr_vad_result result = detect_scene(scene);
    assert_int_equal(result.count, 3);
    assert_segment(&result, 0, XR_CHANNEL_USER, loud, 12);
    assert_segment(&result, 1, XR_CHANNEL_USER, quiet, 12);
    assert_segment(&result, 2, XR_CHANNEL_USER, brief, 12);
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void a_noise_floor_that_rises_is_followed(void **state) {
    (void)state;
    struct scene *scene = scene_new(40000);
    struct truth early = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 3000, "I would like to book a table for two", -25);
    struct truth late = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 32000, "I would like to book a table for two", -25);
    scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, 40000, -75);
    for (size_t at = 10000; at < 25000; at += 500) /* up to -45 dBFS, 1 dB at a time */
        scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, at, 40000, -60 + (double)(at - 10000) / 15000 * 5);
    struct xr_vad_result result = detect_scene(scene);
    assert_int_equal(result.count, 2);
    assert_segment(&result, 0, XR_CHANNEL_USER, early, 12);
    assert_segment(&result, 1, XR_CHANNEL_USER, late, 20);
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void a_drop_out_in_noise_does_not_pass_for_the_floor(void **state) {
    (void)state;
    struct scene *scene = scene_new(12000);
    struct truth said = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 3000, "I would like to book a table for two", -25);
    scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, 12000, -45);
    scene_mute(scene, XR_CHANNEL_USER, 9000, 9100);
    struct xr_vad_result result = detect_scene(scene);
    assert_int_equal(result.count, 1);
    assert_segment(&result, 0, XR_CHANNEL_USER, said, 20);
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void pushes_of_any_size_give_the_same_result(void **state) {
    (void)state;
    static const size_t steps[] = {1, 47, 48, 49, 4800, 65536};
    struct scene *scene = scene_new(5000);
    scene_speak(scene, XR_CHANNEL_USER, 500, 1700, -25);
    scene_speak(scene, XR_CHANNEL_AGENT, 2000, 4000, -25);
    scene_dither(scene);
    int16_t *frames = scene_render(scene);
    struct xr_vad_result whole = detect_in_steps(frames, scene->frames, scene->frames);
    assert_int_equal(whole.count, 2);
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct xr_vad_result result = detect_in_steps(frames, scene->frames, steps[i]);
        assert_same(&result, &whole);
        xr_vad_result_clear(&result);
    }
    xr_vad_result_clear(&whole);
    free(frames);
    scene_free(scene);
}

static void the_longest_recording_stays_small_and_a_longer_one_is_refused(void **state) {
    (void)state;
    static const int16_t zeros[XR_AUDIO_WINDOW_FRAMES * 2];
    XR_AUTO(xr_vad_freep) struct xr_vad *vad = NULL;
    struct xr_err err = {0};
    const long before = anonymous_kib();
    assert_true(before > 0);
    assert_int_equal(xr_vad_new(&vad, NULL), XR_OK);
    size_t left = XR_RECORDING_MS_MAX * 48;
    while (left > 0) {
        size_t n = left < XR_AUDIO_WINDOW_FRAMES ? left : XR_AUDIO_WINDOW_FRAMES;
        assert_int_equal(xr_vad_push(vad, zeros, n, NULL), XR_OK);
        left -= n;
    }
#ifndef __SANITIZE_THREAD__ /* its shadow memory is anonymous too */
    assert_true(anonymous_kib() - before < 40L * 1024);
#endif
    enum xr_code code = XR_OK;
    for (int i = 0; i < 2 && code == XR_OK; i++)
        code = xr_vad_push(vad, zeros, 48000, &err);
    assert_int_equal(code, XR_TOO_LARGE);
    assert_non_null(strstr(err.message, "longer than"));
}

static void channels_have_names(void **state) {
    (void)state;
    assert_string_equal(xr_channel_name(XR_CHANNEL_USER), "user");
    assert_string_equal(xr_channel_name(XR_CHANNEL_AGENT), "agent");
    xr_vad_free(NULL);
    xr_vad_result_clear(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_speech_is_found_to_the_millisecond_at_any_level),
        cmocka_unit_test(recordings_without_speech_have_no_segment),
        cmocka_unit_test(short_recordings_of_any_content_have_no_segment),
        cmocka_unit_test(a_constant_offset_changes_nothing),
        cmocka_unit_test(clipped_speech_is_found),
        cmocka_unit_test(a_dead_channel_leaves_the_other_as_it_is),
        cmocka_unit_test(only_long_pauses_split_speech),
        cmocka_unit_test(overlapping_channels_are_sorted_by_start_then_channel),
        cmocka_unit_test(speech_reaches_the_recordings_very_ends),
        cmocka_unit_test(a_quieter_sentence_and_a_backchannel_are_found),
        cmocka_unit_test(a_noise_floor_that_rises_is_followed),
        cmocka_unit_test(a_drop_out_in_noise_does_not_pass_for_the_floor),
        cmocka_unit_test(pushes_of_any_size_give_the_same_result),
        cmocka_unit_test(the_longest_recording_stays_small_and_a_longer_one_is_refused),
        cmocka_unit_test(channels_have_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
