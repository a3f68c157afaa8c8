// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/places.h"

enum { MANY = 12 };

static struct xr_places places_of(unsigned per_group, unsigned per_lane) {
    return (struct xr_places){.per_group = per_group, .per_lane = per_lane};
}

static void wait_all(struct xr_places *places, struct xr_exchange *exchanges, size_t n, struct xr_call_group *group) {
    for (size_t i = 0; i < n; i++) {
        exchanges[i] = (struct xr_exchange){.group = group};
        xr_exchange_append(&places->waiting, &exchanges[i]);
    }
}

static void those_without_a_group_come_in_order(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 2);
    struct xr_exchange e[3];
    wait_all(&places, e, 3, NULL);
    assert_ptr_equal(xr_places_next(&places), &e[0]);
    assert_ptr_equal(xr_places_next(&places), &e[1]);
    assert_null(xr_places_next(&places));
    xr_places_leave(&places, &e[1]);
    assert_ptr_equal(xr_places_next(&places), &e[2]);
}

static void a_group_has_no_more_than_its_share(void **state) {
    (void)state;
    struct xr_places places = places_of(2, 8);
    struct xr_call_group group = {0};
    struct xr_exchange e[MANY];
    wait_all(&places, e, MANY, &group);
    assert_ptr_equal(xr_places_next(&places), &e[0]);
    assert_ptr_equal(xr_places_next(&places), &e[1]);
    assert_null(xr_places_next(&places));
    assert_int_equal(group.under_way, 2);
    xr_places_leave(&places, &e[0]);
    assert_ptr_equal(xr_places_next(&places), &e[2]);
}

static void a_free_place_goes_to_the_group_that_has_the_fewest(void **state) {
    (void)state;
    struct xr_places places = places_of(4, 6);
    struct xr_call_group early = {0}, late = {0};
    struct xr_exchange a[MANY], b[MANY];
    wait_all(&places, a, MANY, &early);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(xr_places_next(&places)->group, &early);
    wait_all(&places, b, MANY, &late);
    assert_ptr_equal(xr_places_next(&places), &b[0]);
    assert_ptr_equal(xr_places_next(&places), &b[1]);
    assert_null(xr_places_next(&places));
    xr_places_leave(&places, &a[0]);
    assert_ptr_equal(xr_places_next(&places), &b[2]); /* 3 and 2: the late group is behind */
    xr_places_leave(&places, &b[0]);
    assert_ptr_equal(xr_places_next(&places), &b[3]);
    assert_int_equal(early.under_way + late.under_way, 6);
}

static void lanes_do_not_wait_for_each_other(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_exchange e[3];
    wait_all(&places, e, 3, NULL);
    e[2].lane = 1;
    assert_ptr_equal(xr_places_next(&places), &e[0]);
    assert_ptr_equal(xr_places_next(&places), &e[2]);
    assert_null(xr_places_next(&places));
}

static void it_is_empty_when_all_have_left(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_exchange e[1];
    assert_true(xr_places_empty(&places));
    wait_all(&places, e, 1, NULL);
    assert_false(xr_places_empty(&places));
    assert_ptr_equal(xr_places_next(&places), &e[0]);
    assert_false(xr_places_empty(&places));
    xr_places_leave(&places, &e[0]);
    assert_true(xr_places_empty(&places));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_without_a_group_come_in_order),
        cmocka_unit_test(a_group_has_no_more_than_its_share),
        cmocka_unit_test(a_free_place_goes_to_the_group_that_has_the_fewest),
        cmocka_unit_test(lanes_do_not_wait_for_each_other),
        cmocka_unit_test(it_is_empty_when_all_have_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
