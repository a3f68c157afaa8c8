// SPDX-License-Identifier: Apache-2.0
/* Voices beside other sounds: how true the second pass is, with real words. The bounds are the goals of docs/timing.md.
 */
#include "audio/dialogue_test.h"
#include "base/test.h"

static void turns_are_found_beside_typing(void **state) {
    (void)state;
    assert_noise(NOISE_TYPING, 20, 40, 100);
    assert_noise(NOISE_TYPING, 10, 40, 100);
}

static void turns_are_found_in_music(void **state) {
    (void)state;
    assert_noise(NOISE_MUSIC, 20, 40, 120);
    assert_noise(NOISE_MUSIC, 10, 70, 250);
}

static void turns_are_found_in_babble(void **state) {
    (void)state;
    assert_noise(NOISE_BABBLE, 20, 40, 120);
    struct score all = {0};
    for (uint32_t seed = 0; seed < ROUNDS;
         seed++) /* awb's pauses are long enough to split a turn whose words are half lost */
        score_noise(&all, 0, seed, NOISE_BABBLE, 10);
    assert_score(&all, 70, 250);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_are_found_beside_typing),
        cmocka_unit_test(turns_are_found_in_music),
        cmocka_unit_test(turns_are_found_in_babble),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
