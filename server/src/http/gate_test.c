// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "http/gate.h"
#include <string.h>

struct visitor {
    struct xr_gate_pass pass;
    int entered; /* by enter() */
};

static void note_entry(struct xr_gate_pass *pass) {
    ((struct visitor *)pass)->entered++;
}

static struct visitor visitor_of(struct xr_uuid replay) {
    return (struct visitor){.pass = {.replay = replay, .enter = note_entry}};
}

static void others_of_the_same_replay_wait_in_order(void **state) {
    (void)state;
    struct xr_gate *gate = xr_gate_new();
    struct xr_uuid replay = xr_uuid_new();
    struct visitor a = visitor_of(replay), b = visitor_of(replay), c = visitor_of(replay);
    assert_true(xr_gate_enter(gate, &a.pass));
    assert_false(xr_gate_enter(gate, &b.pass));
    assert_false(xr_gate_enter(gate, &c.pass));
    xr_gate_leave(gate, &a.pass);
    assert_int_equal(b.entered, 1);
    assert_int_equal(c.entered, 0);
    xr_gate_leave(gate, &b.pass);
    assert_int_equal(c.entered, 1);
    xr_gate_leave(gate, &c.pass);
    assert_true(xr_gate_enter(gate, &a.pass));
    xr_gate_leave(gate, &a.pass);
    assert_int_equal(a.entered + b.entered + c.entered, 2);
    xr_gate_free(gate);
}

static void other_replays_do_not_wait(void **state) {
    (void)state;
    struct xr_gate *gate = xr_gate_new();
    struct xr_uuid one = xr_uuid_new(), two = one, three = one;
    two.bytes[0] ^= 1; /* the same bucket */
    three.bytes[1] ^= 1;
    struct visitor a = visitor_of(one), b = visitor_of(two), c = visitor_of(three), late = visitor_of(two);
    assert_true(xr_gate_enter(gate, &a.pass));
    assert_true(xr_gate_enter(gate, &b.pass));
    assert_true(xr_gate_enter(gate, &c.pass));
    assert_false(xr_gate_enter(gate, &late.pass));
    xr_gate_leave(gate, &a.pass);
    xr_gate_leave(gate, &b.pass);
    assert_int_equal(late.entered, 1);
    xr_gate_leave(gate, &c.pass);
    struct visitor again = visitor_of(two);
    assert_false(xr_gate_enter(gate, &again.pass));
    xr_gate_leave(gate, &late.pass);
    xr_gate_leave(gate, &again.pass);
    xr_gate_free(gate);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(others_of_the_same_replay_wait_in_order),
        cmocka_unit_test(other_replays_do_not_wait),
    };
    return cmocka_run_group_tests_name("http/gate", tests, NULL, NULL);
}
