// SPDX-License-Identifier: Apache-2.0
/* Voices in noise: what else the second pass tells, and what it leaves as it is. */
#include "audio/dialogue_test.h"
#include "base/test.h"
#include <math.h>
#include <stdbool.h>

/* --- the channels, and what else is told --- */

static void add_to_one(struct scene *scene, enum xr_channel channel, double snr) {
    scene_dither(scene);
    scene_noise(scene, channel, NOISE_WHITE, 0, scene->ms, DBFS - snr);
}

static size_t take_channel(const struct xr_vad_result *result, enum xr_channel channel, struct xr_segment *ret) {
    size_t count = 0;
    for (size_t i = 0; i < result->count; i++)
        if (result->segments[i].channel == channel) {
            assert_true(count < TURNS);
            ret[count++] = result->segments[i];
        }
    return count;
}

static void a_noisy_channel_leaves_the_other_as_it_is(void **state) {
    (void)state;
    for (int noisy = 0; noisy < XR_CHANNEL_COUNT; noisy++) {
        const enum xr_channel clean = (enum xr_channel) !noisy;
        struct dialogue quiet = dialogue_new(0, 0), loud = dialogue_new(0, 0);
        scene_dither(quiet.scene);
        add_to_one(loud.scene, (enum xr_channel)noisy, 10);
        struct detected before = dialogue_find_turns(&quiet), after = dialogue_find_turns(&loud);
        struct xr_segment wanted[TURNS], found[TURNS];
        const size_t count = take_channel(&before.result, clean, wanted);
        assert_int_equal(before.passes, 1);
        assert_int_equal(after.passes, 2);
        assert_int_equal(take_channel(&after.result, clean, found), count);
        for (size_t i = 0; i < count; i++)
            assert_true(same_segment(&wanted[i], &found[i]));
        assert_same_levels(&before.result.levels[clean], &after.result.levels[clean]);
        xr_vad_result_clear(&before.result);
        xr_vad_result_clear(&after.result);
        scene_free(quiet.scene);
        scene_free(loud.scene);
    }
}

static void the_second_pass_tells_levels(void **state) {
    (void)state;
    static const enum scene_noise steady[] = {NOISE_WHITE, NOISE_PINK, NOISE_HUM};
    static const double snr = 14, together = DBFS + 0.17; /* voice and noise */
    for (size_t i = 0; i < sizeof steady / sizeof *steady; i++) {
        struct dialogue dialogue = dialogue_new(0, 0);
        dialogue_add_noise(&dialogue, steady[i], snr);
        struct detected detected = dialogue_find_turns(&dialogue);
        for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
            const struct xr_vad_levels *levels = &detected.result.levels[c];
            assert_true(fabs(levels->noise_floor_dbfs - (DBFS - snr)) < 1.5);
            assert_true(fabs(levels->speech_dbfs - together) < 0.5);
            assert_true(levels->threshold_dbfs > DBFS - 30 && levels->threshold_dbfs < levels->speech_dbfs - 6);
        }
        xr_vad_result_clear(&detected.result);
        scene_free(dialogue.scene);
    }
}

static void noise_alone_has_no_segment(void **state) {
    (void)state;
    for (int noise = NOISE_WHITE; noise < NOISE_BABBLE; noise++) /* babble is speech */
        for (int level = -20; level >= -45; level -= 25) {
            struct scene *scene = scene_new(15000);
            scene_noise(scene, XR_CHANNEL_USER, (enum scene_noise)noise, 0, scene->ms, level);
            scene_noise(scene, XR_CHANNEL_AGENT, (enum scene_noise)noise, 0, scene->ms, level + 6);
            scene_dither(scene);
            struct detected detected = detect_scene_counting(scene);
            print_message("%s, %d dBFS, %d passes\n", SCENE_NOISE_NAMES[noise], level, detected.passes);
            assert_int_equal(detected.result.count, 0);
            for (int c = 0; c < XR_CHANNEL_COUNT; c++)
                assert_true(detected.result.levels[c].speech_dbfs <= -100);
            xr_vad_result_clear(&detected.result);
            scene_free(scene);
        }
}

/* --- uncertainty --- */

/* Cut off in the middle of its vowels, so that nothing swells or fades. */
static struct truth say_abruptly(struct scene *scene) {
    enum { CUT_MS = 150 };
    struct truth truth = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 1000, "our own", DBFS);
    truth.start_ms += CUT_MS;
    truth.end_ms -= CUT_MS;
    scene_mute(scene, XR_CHANNEL_USER, 0, truth.start_ms);
    scene_mute(scene, XR_CHANNEL_USER, truth.end_ms, scene->ms);
    return truth;
}

static void abrupt_ends_are_certain(void **state) {
    (void)state;
    struct scene *scene = scene_new(4000);
    struct truth truth = say_abruptly(scene);
    scene_dither(scene);
    struct xr_vad_result result = detect_scene(scene);
    assert_int_equal(result.count, 1);
    assert_segment(&result, 0, XR_CHANNEL_USER, truth, 5);
    print_message("%d, %d\n", result.segments[0].start_uncertainty_ms, result.segments[0].end_uncertainty_ms);
    assert_true(result.segments[0].start_uncertainty_ms <= 3 && result.segments[0].end_uncertainty_ms <= 3);
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void ends_are_less_certain_in_noise(void **state) {
    (void)state;
    int last = 0;
    for (int noisiness = 0; noisiness < 3; noisiness++) {
        struct dialogue dialogue = dialogue_new(0, 0);
        struct score all = {0};
        if (noisiness > 0)
            dialogue_add_noise(&dialogue, NOISE_PINK, 30 - 10 * noisiness);
        struct detected detected = dialogue_find_turns(&dialogue);
        score_add(&all, &detected.result, dialogue.truths);
        print_message("%d ms\n", all.uncertainty_ms / all.ends);
        assert_true(all.uncertainty_ms > last);
        last = all.uncertainty_ms;
        xr_vad_result_clear(&detected.result);
        scene_free(dialogue.scene);
    }
}

/* --- where noise is hardly ever alone --- */

/* Sentences of one speaker's, so close to each other that the noise is never heard for long. */
static void assert_dense_speech(size_t beside_ms, size_t pause_ms) {
    enum { SENTENCES = 6, FIRST_MS = 1000 };
    static const char *const TEXTS[] = {"What time do you close tonight", "I would like to book a table for two",
                                        "Can you spell that for me"};
    struct scene *scene = scene_new(25000);
    struct truth truths[SENTENCES];
    size_t at = FIRST_MS;
    for (size_t i = 0; i < SENTENCES; i++, at += pause_ms) {
        truths[i] = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, at, TEXTS[i % 3], DBFS);
        at = truths[i].end_ms;
    }
    scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, DBFS - 20);
    scene_dither(scene);
    scene_cut(scene, FIRST_MS - beside_ms, truths[SENTENCES - 1].end_ms + beside_ms);
    struct xr_vad_result result = detect_scene(scene);
    print_message("%zu ms beside, pauses of %zu ms: %zu segments\n", beside_ms, pause_ms, result.count);
    assert_int_equal(result.count, SENTENCES);
    for (size_t i = 0; i < SENTENCES; i++) {
        truths[i].start_ms -= FIRST_MS - beside_ms;
        truths[i].end_ms -= FIRST_MS - beside_ms;
        assert_segment(&result, i, XR_CHANNEL_USER, truths[i], 60);
    }
    xr_vad_result_clear(&result);
    scene_free(scene);
}

static void dense_speech_in_noise_is_found(void **state) {
    (void)state;
    assert_dense_speech(700, 500);
    assert_dense_speech(300, 500);
    assert_dense_speech(300, 800);
    assert_dense_speech(0, 350);
}

static void words_fill_a_short_noisy_recording(void **state) {
    (void)state;
    for (size_t beside_ms = 450; beside_ms > 0; beside_ms -= 50) {
        struct scene *scene = scene_new(5000);
        struct truth truth = scene_say(scene, XR_CHANNEL_USER, SAY_SLT, 1000, "What time do you close tonight", DBFS);
        scene_noise(scene, XR_CHANNEL_USER, NOISE_WHITE, 0, scene->ms, DBFS - 20);
        scene_dither(scene);
        scene_cut(scene, truth.start_ms - beside_ms, truth.end_ms + beside_ms);
        struct xr_vad_result result = detect_scene(scene);
        print_message("%zu ms beside the words: %zu segments\n", beside_ms, result.count);
        assert_int_equal(result.count, 1);
        assert_segment(&result, 0, XR_CHANNEL_USER, (struct truth){beside_ms, scene->ms - beside_ms}, 60);
        xr_vad_result_clear(&result);
        scene_free(scene);
    }
}

/* The network takes all of this babble for speech. Where the turns lie is asked of nobody here, but they are heard. */
static void turns_are_found_in_babble_that_never_seems_like_noise(void **state) {
    (void)state;
    struct dialogue dialogue = dialogue_new(0, 505);
    dialogue_add_noise(&dialogue, NOISE_BABBLE, 10);
    struct detected detected = detect_scene_counting(dialogue.scene);
    for (size_t i = 0; i < TURNS; i++) {
        bool heard = false;
        for (size_t k = 0; k < detected.result.count; k++) {
            const struct xr_segment *segment = &detected.result.segments[k];
            heard |= segment->channel == (enum xr_channel)(i % 2) && start_error(segment, dialogue.truths[i]) < 300 &&
                     end_error(segment, dialogue.truths[i]) > -300;
        }
        print_message("turn %zu is %s\n", i, heard ? "heard" : "not heard");
        assert_true(heard);
    }
    xr_vad_result_clear(&detected.result);
    scene_free(dialogue.scene);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_noisy_channel_leaves_the_other_as_it_is),
        cmocka_unit_test(the_second_pass_tells_levels),
        cmocka_unit_test(noise_alone_has_no_segment),
        cmocka_unit_test(abrupt_ends_are_certain),
        cmocka_unit_test(ends_are_less_certain_in_noise),
        cmocka_unit_test(dense_speech_in_noise_is_found),
        cmocka_unit_test(words_fill_a_short_noisy_recording),
        cmocka_unit_test(turns_are_found_in_babble_that_never_seems_like_noise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
