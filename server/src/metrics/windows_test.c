// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "metrics/metrics.h"

static void windows_tile_from_zero(void **state) {
    (void)state;
    const struct xr_turn turns[] = {
        {.voice_start_ns = 100, .voice_end_ns = 1000},
        {.voice_start_ns = 1500, .voice_end_ns = 2000},
        {.voice_start_ns = 2200, .voice_end_ns = 3000},
    };
    struct xr_window got[3];
    xr_windows_build(turns, 3, got);
    assert_int_equal(got[0].start_ns, 0);
    assert_int_equal(got[0].end_ns, 1000);
    assert_int_equal(got[1].start_ns, 1000);
    assert_int_equal(got[1].end_ns, 2000);
    assert_int_equal(got[2].start_ns, 2000);
    assert_int_equal(got[2].end_ns, 3000);
}

static void talked_over_turn_has_an_empty_window(void **state) {
    (void)state;
    const struct xr_turn turns[] = {
        {.voice_start_ns = 0, .voice_end_ns = 5000},
        {.voice_start_ns = 2000, .voice_end_ns = 2500},
        {.voice_start_ns = 5500, .voice_end_ns = 6000},
    };
    struct xr_window got[3];
    xr_windows_build(turns, 3, got);
    assert_int_equal(got[1].start_ns, 5000);
    assert_int_equal(got[1].end_ns, 5000);
    assert_int_equal(got[2].start_ns, 5000);
    assert_int_equal(got[2].end_ns, 6000);
}

static void no_turns_write_no_window(void **state) {
    (void)state;
    struct xr_window untouched = {.start_ns = 7, .end_ns = 8};
    xr_windows_build(NULL, 0, &untouched);
    assert_int_equal(untouched.start_ns, 7);
    assert_int_equal(untouched.end_ns, 8);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_tile_from_zero),
        cmocka_unit_test(talked_over_turn_has_an_empty_window),
        cmocka_unit_test(no_turns_write_no_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
