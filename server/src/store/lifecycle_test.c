// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "store/lifecycle.h"

/* Every transition there is; all others are nobody's to make. */
static const struct {
    enum xr_actor actor;
    enum xr_lifecycle from, to;
} TRANSITIONS[] = {
    {XR_BY_CLIENT, XR_PENDING, XR_RUNNING},
    {XR_BY_CLIENT, XR_PENDING, XR_FAILED_STATE},
    {XR_BY_CLIENT, XR_RUNNING, XR_FAILED_STATE},
    {XR_BY_CLIENT, XR_RECORDING_UPLOADED, XR_FAILED_STATE},
    {XR_BY_UPLOAD, XR_PENDING, XR_RECORDING_UPLOADED},
    {XR_BY_UPLOAD, XR_RUNNING, XR_RECORDING_UPLOADED},
    {XR_BY_UPLOAD, XR_RECORDING_UPLOADED, XR_RECORDING_UPLOADED},
    {XR_BY_ANALYZE, XR_RECORDING_UPLOADED, XR_ANALYZING},
    {XR_BY_RETRY, XR_FAILED_STATE, XR_ANALYZING},
    {XR_BY_WORKER, XR_ANALYZING, XR_COMPLETED},
    {XR_BY_WORKER, XR_ANALYZING, XR_FAILED_STATE},
    {XR_BY_SWEEP, XR_PENDING, XR_FAILED_STATE},
    {XR_BY_SWEEP, XR_RUNNING, XR_FAILED_STATE},
};
enum { TRANSITION_COUNT = sizeof TRANSITIONS / sizeof TRANSITIONS[0] };

static bool listed(int actor, int from, int to) {
    for (size_t i = 0; i < TRANSITION_COUNT; i++)
        if ((int)TRANSITIONS[i].actor == actor && (int)TRANSITIONS[i].from == from && (int)TRANSITIONS[i].to == to)
            return true;
    return false;
}

static void only_the_listed_transitions_are_allowed(void **state) {
    (void)state;
    int allowed = 0;
    for (int actor = 0; actor < XR_ACTOR_COUNT; actor++) {
        for (int from = 0; from < XR_LIFECYCLE_COUNT; from++) {
            for (int to = 0; to < XR_LIFECYCLE_COUNT; to++) {
                bool may = xr_lifecycle_allowed((enum xr_actor)actor, (enum xr_lifecycle)from, (enum xr_lifecycle)to);
                assert_int_equal(may, listed(actor, from, to));
                allowed += may;
            }
        }
    }
    assert_int_equal(allowed, TRANSITION_COUNT);
    assert_false(xr_lifecycle_allowed(XR_ACTOR_COUNT, XR_PENDING, XR_RUNNING));
    assert_false(xr_lifecycle_allowed(XR_BY_CLIENT, XR_PENDING, XR_LIFECYCLE_COUNT));
}

static void names_go_both_ways(void **state) {
    (void)state;
    for (int i = 0; i < XR_LIFECYCLE_COUNT; i++) {
        enum xr_lifecycle found = XR_LIFECYCLE_COUNT;
        assert_true(xr_lifecycle_parse(xr_str_from(xr_lifecycle_name((enum xr_lifecycle)i)), &found));
        assert_int_equal(found, i);
    }
    for (int i = XR_REASON_NONE + 1; i < XR_REASON_COUNT; i++) {
        enum xr_reason found = XR_REASON_NONE;
        assert_true(xr_reason_parse(xr_str_from(xr_reason_name((enum xr_reason)i)), &found));
        assert_int_equal(found, i);
    }
    for (int i = XR_STEP_NONE + 1; i < XR_STEP_COUNT; i++)
        assert_non_null(xr_step_name((enum xr_step)i));
}

static void what_has_no_name_is_not_found(void **state) {
    (void)state;
    enum xr_lifecycle lifecycle = XR_RUNNING;
    enum xr_reason reason = XR_REASON_TIMEOUT;
    assert_null(xr_step_name(XR_STEP_NONE));
    assert_null(xr_reason_name(XR_REASON_NONE));
    assert_string_equal(xr_lifecycle_name(XR_LIFECYCLE_COUNT), "unknown");
    assert_false(xr_lifecycle_parse(XR_STR("Pending"), &lifecycle));
    assert_false(xr_lifecycle_parse(XR_STR("pending\0"), &lifecycle));
    assert_false(xr_reason_parse(XR_STR(""), &reason));
    assert_false(xr_reason_parse(XR_STR("none"), &reason));
    assert_int_equal(lifecycle, XR_RUNNING);
    assert_int_equal(reason, XR_REASON_TIMEOUT);
}

static void completed_and_failed_are_terminal(void **state) {
    (void)state;
    for (int i = 0; i < XR_LIFECYCLE_COUNT; i++)
        assert_int_equal(xr_lifecycle_terminal((enum xr_lifecycle)i), i == XR_COMPLETED || i == XR_FAILED_STATE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_listed_transitions_are_allowed),
        cmocka_unit_test(names_go_both_ways),
        cmocka_unit_test(what_has_no_name_is_not_found),
        cmocka_unit_test(completed_and_failed_are_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
