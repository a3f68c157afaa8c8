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
    xr_places_leave(&places, &e[1], 0);
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
    assert_int_equal(group.share[0].held, 2);
    xr_places_leave(&places, &e[0], 0);
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
    xr_places_leave(&places, &b[0], 0);
    assert_ptr_equal(xr_places_next(&places, 0), &b[2]);
    xr_places_leave(&places, &a[0], 0);
    assert_ptr_equal(xr_places_next(&places, 0), &a[4]);
    wait_at(&places, &again, &early, 0); /* behind all of the late group's in the list */
    xr_places_leave(&places, &a[1], 0);
    assert_ptr_equal(xr_places_next(&places, 0), &a[5]);
    xr_places_leave(&places, &a[2], 0);
    assert_ptr_equal(xr_places_next(&places, 0), &again);
}

static void what_is_not_due_holds_nobody_up(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group early = {.order = 1}, late = {.order = 2};
    struct xr_exchange a = {.group = &early, .deadline_mono_ns = DEADLINE, .due_mono_ns = 10}, b;
    xr_places_wait(&places, &a, 0);
    wait_at(&places, &b, &late, 0);
    assert_ptr_equal(xr_places_next(&places, 9), &b);
    xr_places_leave(&places, &b, 9);
    assert_null(xr_places_next(&places, 9));
    assert_ptr_equal(xr_places_next(&places, 10), &a);
}

static void having_no_place_is_added_to_the_deadline(void **state) {
    (void)state;
    struct xr_places places = places_of(2, 1);
    struct xr_call_group early = {0}, late = {0};
    struct xr_exchange a, b, c, d;
    wait_at(&places, &a, &early, 5);
    assert_ptr_equal(xr_places_next(&places, 5), &a);
    assert_int_equal(a.until_mono_ns, DEADLINE);
    wait_at(&places, &b, &late, 10);
    wait_at(&places, &c, &late, 20);
    assert_int_equal(xr_places_deadline(&b, 30), DEADLINE + 20);
    assert_int_equal(xr_places_deadline(&c, 30), DEADLINE + 10);
    xr_places_leave(&places, &a, 40);
    assert_ptr_equal(xr_places_next(&places, 40), &b);
    assert_int_equal(b.until_mono_ns, DEADLINE + 30);
    assert_int_equal(xr_places_deadline(&c, 60), DEADLINE + 30); /* its group has one */
    xr_places_leave(&places, &b, 70);
    assert_int_equal(xr_places_deadline(&c, 80), DEADLINE + 40); /* and now none */
    assert_ptr_equal(xr_places_next(&places, 80), &c);
    assert_int_equal(c.until_mono_ns, DEADLINE + 40);
    xr_places_leave(&places, &c, 90);
    wait_at(&places, &d, &late, 200); /* it did not ask for one meanwhile */
    assert_int_equal(xr_places_deadline(&d, 200), DEADLINE + 40);
}

static void a_pause_is_not_added_but_what_follows_it_is(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0}, other = {.order = 9};
    struct xr_exchange e, o;
    wait_at(&places, &e, &group, 0);
    assert_ptr_equal(xr_places_next(&places, 0), &e);
    xr_places_leave(&places, &e, 10);
    e.due_mono_ns = 50;
    xr_places_wait(&places, &e, 10);
    wait_at(&places, &o, &other, 20);
    assert_ptr_equal(xr_places_next(&places, 20), &o);
    assert_int_equal(xr_places_deadline(&e, 50), DEADLINE);
    xr_places_leave(&places, &o, 70);
    assert_ptr_equal(xr_places_next(&places, 70), &e);
    assert_int_equal(e.until_mono_ns, DEADLINE + 20);
}

static void who_waits_as_long_as_it_had_is_crowded_out(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group early = {0}, late = {0};
    struct xr_exchange a, b;
    wait_at(&places, &a, &early, 0);
    assert_ptr_equal(xr_places_next(&places, 0), &a);
    wait_at(&places, &b, &late, 100);
    assert_false(xr_places_crowded_out(&b, DEADLINE - 1));
    assert_true(xr_places_crowded_out(&b, DEADLINE));
    assert_true(xr_places_deadline(&b, DEADLINE) > DEADLINE);
    xr_places_leave(&places, &a, 600); /* half of it is waited already, and more is after the first place */
    assert_ptr_equal(xr_places_next(&places, 600), &b);
    xr_places_leave(&places, &b, 610);
    wait_at(&places, &a, &early, 610);
    assert_ptr_equal(xr_places_next(&places, 610), &a);
    xr_places_wait(&places, &b, 610);
    assert_false(xr_places_crowded_out(&b, 610 + 399));
    assert_true(xr_places_crowded_out(&b, 610 + 400));
}

static void who_came_too_late_was_not_crowded_out(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0};
    struct xr_exchange e;
    wait_at(&places, &e, &group, DEADLINE);
    assert_int_equal(xr_places_deadline(&e, DEADLINE), DEADLINE);
    assert_false(xr_places_crowded_out(&e, DEADLINE));
}

static void who_has_been_before_goes_first(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group old = {.order = 1}, young = {.order = 2};
    struct xr_exchange a, b;
    wait_at(&places, &b, &young, 0);
    wait_at(&places, &a, &old, 1);
    assert_ptr_equal(xr_places_next(&places, 1), &a);
}

static void a_place_is_held_until_it_is_left_whoever_counts_it(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group old = {0}, young = {0};
    struct xr_exchange a, b, next;
    wait_at(&places, &a, &old, 0);
    wait_at(&places, &b, &young, 0);
    assert_ptr_equal(xr_places_next(&places, 0), &a);
    xr_places_step_back(&a, 10);
    assert_int_equal(old.share[0].held, 0);
    assert_null(xr_places_next(&places, 10));
    wait_at(&places, &next, &old, 10);
    xr_places_leave(&places, &a, 11);
    assert_ptr_equal(xr_places_next(&places, 11), &next);
}

static void each_lane_counts_for_itself(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0};
    struct xr_exchange e[2];
    wait_at(&places, &e[0], &group, 0);
    assert_ptr_equal(xr_places_next(&places, 30), &e[0]);
    assert_int_equal(e[0].until_mono_ns, DEADLINE + 30);
    e[1] = (struct xr_exchange){.group = &group, .deadline_mono_ns = DEADLINE, .lane = 1};
    xr_places_wait(&places, &e[1], 100);
    assert_ptr_equal(xr_places_next(&places, 107), &e[1]);
    assert_int_equal(e[1].until_mono_ns, DEADLINE + 7);
}

static void a_deadline_that_is_none_stays_none(void **state) {
    (void)state;
    struct xr_places places = places_of(1, 1);
    struct xr_call_group group = {0};
    struct xr_exchange e;
    wait_at(&places, &e, &group, 0);
    e.deadline_mono_ns = INT64_MAX;
    assert_ptr_equal(xr_places_next(&places, 1000), &e);
    assert_int_equal(e.until_mono_ns, INT64_MAX);
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
    xr_places_leave(&places, &e[0], 0);
    assert_true(xr_places_empty(&places));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(those_without_a_group_come_in_order),
        cmocka_unit_test(a_group_has_no_more_than_its_share),
        cmocka_unit_test(a_free_place_goes_to_the_group_that_came_first),
        cmocka_unit_test(what_is_not_due_holds_nobody_up),
        cmocka_unit_test(having_no_place_is_added_to_the_deadline),
        cmocka_unit_test(a_pause_is_not_added_but_what_follows_it_is),
        cmocka_unit_test(who_waits_as_long_as_it_had_is_crowded_out),
        cmocka_unit_test(who_has_been_before_goes_first),
        cmocka_unit_test(a_place_is_held_until_it_is_left_whoever_counts_it),
        cmocka_unit_test(each_lane_counts_for_itself),
        cmocka_unit_test(who_came_too_late_was_not_crowded_out),
        cmocka_unit_test(a_deadline_that_is_none_stays_none),
        cmocka_unit_test(lanes_do_not_wait_for_each_other),
        cmocka_unit_test(it_is_empty_when_all_have_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
