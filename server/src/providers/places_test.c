// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/places.h"

enum { MANY = 12, DEADLINE = 1000 };

static struct xr_places places_of(unsigned per_group, unsigned per_lane) {
    return (struct xr_places){.per_group = per_group, .per_lane = per_lane};
}

static void wait_at(struct xr_places *places, struct xr_exchange *exchange, struct xr_call_group *group, int64_t now) {
    *exchange = (struct xr_exchange){.group = group, .deadline_mono_ns = DEADLINE, .due_mono_ns = INT64_MIN};
    xr_places_wait(places, exchange, now);
}

static void wait_all(struct xr_places *places, struct xr_exchange *exchanges, size_t n, struct xr_call_group *group) {
    for (size_t i = 0; i < n; i++)
        wait_at(places, &exchanges[i], group, 0);
}

static void those_without_a_group_come_in_order(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 2);
    struct xr_exchange e[3];
    wait_all(&places, e, 3, NULL);
    assert_ptr_equal(xr_places_next(&places, 0), &e[0]);
    assert_ptr_equal(xr_places_next(&places, 0), &e[1]);
    assert_null(xr_places_next(&places, 0));
    xr_places_leave(&places, &e[1]);
    assert_ptr_equal(xr_places_next(&places, 0), &e[2]);
}

static void a_group_has_no_more_than_its_share(void **state) {
    (void)state;
    struct xr_places places = places_of(2, 8);
    struct xr_call_group group = {0};
    struct xr_exchange e[MANY];
    wait_all(&places, e, MANY, &group);
    assert_ptr_equal(xr_places_next(&places, 0), &e[0]);
    assert_ptr_equal(xr_places_next(&places, 0), &e[1]);
    assert_null(xr_places_next(&places, 0));
    assert_int_equal(group.under_way, 2);
    xr_places_leave(&places, &e[0]);
    assert_ptr_equal(xr_places_next(&places, 0), &e[2]);
}

static void a_free_place_goes_to_the_group_that_came_first(void **state) {
    (void)state;
    struct xr_places places = places_of(4, 6);
    struct xr_call_group early = {0}, late = {0};
    struct xr_exchange a[MANY], b[MANY], again;
    wait_all(&places, a, 6, &early);
    wait_all(&places, b, MANY, &late);
    for (int i = 0; i < 4; i++)
        assert_ptr_equal(xr_places_next(&places, 0), &a[i]);
    assert_ptr_equal(xr_places_next(&places, 0), &b[0]); /* the early group has all it may have */
    assert_ptr_equal(xr_places_next(&places, 0), &b[1]);
    assert_null(xr_places_next(&places, 0));
    xr_places_leave(&places, &b[0]);
    assert_ptr_equal(xr_places_next(&places, 0), &b[2]);
    xr_places_leave(&places, &a[0]);
    assert_ptr_equal(xr_places_next(&places, 0), &a[4]);
    wait_at(&places, &again, &early, 0); /* behind all of the late group's in the list */
    xr_places_leave(&places, &a[1]);
    assert_ptr_equal(xr_places_next(&places, 0), &a[5]);
    xr_places_leave(&places, &a[2]);
    assert_ptr_equal(xr_places_next(&places, 0), &again);
}

static void what_is_not_due_holds_nobody_up(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group early = {0}, late = {0};
    struct xr_exchange a, b;
    wait_at(&places, &a, &early, 0);
    wait_at(&places, &b, &late, 0);
    a.due_mono_ns = 10;
    assert_ptr_equal(xr_places_next(&places, 9), &b);
    xr_places_leave(&places, &b);
    assert_null(xr_places_next(&places, 9));
    assert_ptr_equal(xr_places_next(&places, 10), &a);
}

static void waiting_for_the_first_place_is_added_to_the_deadline(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group early = {0}, late = {0};
    struct xr_exchange a, b, c, d;
    wait_at(&places, &a, &early, 5);
    assert_ptr_equal(xr_places_next(&places, 5), &a);
    assert_int_equal(a.deadline_mono_ns, DEADLINE);
    wait_at(&places, &b, &late, 10);
    wait_at(&places, &c, &late, 11);
    assert_true(xr_places_crowded_out(&c));
    assert_int_equal(xr_places_deadline(&c), DEADLINE);
    xr_places_leave(&places, &a);
    assert_ptr_equal(xr_places_next(&places, 40), &b);
    assert_int_equal(b.deadline_mono_ns, DEADLINE + 30);
    assert_false(xr_places_crowded_out(&c));
    assert_int_equal(xr_places_deadline(&c), DEADLINE + 30);
    wait_at(&places, &d, &late, 50);
    assert_int_equal(xr_places_deadline(&d), DEADLINE + 30);
    xr_places_leave(&places, &b);
    assert_ptr_equal(xr_places_next(&places, 60), &c);
    assert_int_equal(c.deadline_mono_ns, DEADLINE + 30);
    xr_places_leave(&places, &c); /* and tried again: nothing is added twice */
    xr_places_wait(&places, &c, 70);
    assert_int_equal(xr_places_deadline(&c), DEADLINE + 30);
}

static void each_lane_has_a_first_place_of_its_own(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0};
    struct xr_exchange e[2];
    wait_at(&places, &e[0], &group, 0);
    assert_ptr_equal(xr_places_next(&places, 0), &e[0]);
    xr_places_leave(&places, &e[0]);
    e[1] = (struct xr_exchange){.group = &group, .deadline_mono_ns = DEADLINE, .lane = 1};
    xr_places_wait(&places, &e[1], 100);
    assert_true(xr_places_crowded_out(&e[1]));
    assert_ptr_equal(xr_places_next(&places, 107), &e[1]);
    assert_int_equal(e[1].deadline_mono_ns, DEADLINE + 7);
}

static void who_came_too_late_was_not_crowded_out(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0};
    struct xr_exchange e;
    wait_at(&places, &e, &group, DEADLINE);
    assert_false(xr_places_crowded_out(&e));
}

static void a_deadline_that_is_none_stays_none(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0};
    struct xr_exchange e;
    wait_at(&places, &e, &group, 0);
    e.deadline_mono_ns = INT64_MAX;
    assert_ptr_equal(xr_places_next(&places, 1000), &e);
    assert_int_equal(e.deadline_mono_ns, INT64_MAX);
}

static void lanes_do_not_wait_for_each_other(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_exchange e[3];
    wait_all(&places, e, 3, NULL);
    e[2].lane = 1;
    assert_ptr_equal(xr_places_next(&places, 0), &e[0]);
    assert_ptr_equal(xr_places_next(&places, 0), &e[2]);
    assert_null(xr_places_next(&places, 0));
}

static void it_is_empty_when_all_have_left(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_exchange e[1];
    assert_true(xr_places_empty(&places));
    wait_all(&places, e, 1, NULL);
    assert_false(xr_places_empty(&places));
    assert_ptr_equal(xr_places_next(&places, 0), &e[0]);
    assert_false(xr_places_empty(&places));
    xr_places_leave(&places, &e[0]);
    assert_true(xr_places_empty(&places));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_without_a_group_come_in_order),
        cmocka_unit_test(a_group_has_no_more_than_its_share),
        cmocka_unit_test(a_free_place_goes_to_the_group_that_came_first),
        cmocka_unit_test(what_is_not_due_holds_nobody_up),
        cmocka_unit_test(waiting_for_the_first_place_is_added_to_the_deadline),
        cmocka_unit_test(each_lane_has_a_first_place_of_its_own),
        cmocka_unit_test(who_came_too_late_was_not_crowded_out),
        cmocka_unit_test(a_deadline_that_is_none_stays_none),
        cmocka_unit_test(lanes_do_not_wait_for_each_other),
        cmocka_unit_test(it_is_empty_when_all_have_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
