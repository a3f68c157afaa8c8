// SPDX-License-Identifier: Apache-2.0
/* Voices in steady noise: how true the second pass is, with real words. The bounds are the goals of docs/timing.md. */
#include "audio/dialogue_test.h"
#include "base/test.h"

static void turns_are_found_in_white_noise(void **state) {
    (void)state;
    assert_noise(NOISE_WHITE, 20, 25, 60);
    assert_noise(NOISE_WHITE, 10, 40, 80);
}

static void turns_are_found_in_pink_noise(void **state) {
    (void)state;
    assert_noise(NOISE_PINK, 20, 25, 60);
    assert_noise(NOISE_PINK, 10, 40, 160); /* it is loudest where voices are, so more of their ends is lost */
}

static void turns_are_found_in_hum(void **state) {
    (void)state;
    assert_noise(NOISE_HUM, 20, 25, 60);
    assert_noise(NOISE_HUM, 10, 40, 80);
}

static void clean_turns_are_found_by_power_alone(void **state) {
    (void)state;
    struct score all = {0};
    for (size_t round = 0; round < ROUNDS; round++) {
        struct dialogue dialogue = dialogue_new(round, 0);
        scene_dither(dialogue.scene);
        struct detected detected = dialogue_find_turns(&dialogue);
        assert_int_equal(detected.passes, 1);
        score_add(&all, &detected.result, dialogue.truths);
        xr_vad_result_clear(&detected.result);
        scene_free(dialogue.scene);
    }
    assert_score(&all, 12, 30);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clean_turns_are_found_by_power_alone),
        cmocka_unit_test(turns_are_found_in_white_noise),
        cmocka_unit_test(turns_are_found_in_pink_noise),
        cmocka_unit_test(turns_are_found_in_hum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
