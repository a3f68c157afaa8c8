// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/retry.h"

static void what_may_pass_is_tried_again_and_nothing_else(void **state) {
    (void)state;
    for (int status = -1; status < 1000; status++) {
        bool want = status == 408 || status == 409 || status == 429 || (status >= 500 && status <= 599);
        assert_int_equal(xr_retry_status(status), want);
    }
}

static void pauses_double_and_a_random_half_is_taken_off(void **state) {
    (void)state;
    static const uint64_t RANDOM[] = {0, 1, 249, 250, UINT64_MAX};
    for (int attempt = 1, full = 500; attempt <= 4; attempt++, full *= 2)
        for (size_t i = 0; i < sizeof RANDOM / sizeof *RANDOM; i++) {
            int64_t ms = xr_retry_delay_ms(attempt, 500, 0, RANDOM[i]);
            assert_true(ms > full / 2 && ms <= full);
        }
    assert_int_equal(xr_retry_delay_ms(1, 500, 0, 0), 500);
    assert_int_equal(xr_retry_delay_ms(1, 500, 0, 100), 400);
}

static void retry_after_is_waited_for_in_full_up_to_its_bound(void **state) {
    (void)state;
    assert_int_equal(xr_retry_delay_ms(1, 500, 2, 0), 2000);
    assert_int_equal(xr_retry_delay_ms(1, 500, 2, 249), 2249);
    assert_int_equal(xr_retry_delay_ms(1, 500, 30, 0), 30000);
    assert_int_equal(xr_retry_delay_ms(1, 500, 31, 0), 30000);
    assert_int_equal(xr_retry_delay_ms(1, 500, INT64_MAX, 0), 30000);
    assert_int_equal(xr_retry_delay_ms(1, 500, -1, 0), 500);
}

static void odd_arguments_do_no_harm(void **state) {
    (void)state;
    assert_int_equal(xr_retry_delay_ms(0, 500, 0, 0), 500);
    assert_int_equal(xr_retry_delay_ms(1, 0, 0, 7), 0);
    assert_int_equal(xr_retry_delay_ms(1, 1, 0, 7), 1);
    assert_int_equal(xr_retry_delay_ms(1000, 1, 0, 0), 1024);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_may_pass_is_tried_again_and_nothing_else),
        cmocka_unit_test(pauses_double_and_a_random_half_is_taken_off),
        cmocka_unit_test(retry_after_is_waited_for_in_full_up_to_its_bound),
        cmocka_unit_test(odd_arguments_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
