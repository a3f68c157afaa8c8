// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "jobs/announce.h"
#include <string.h>

static void assert_event(struct xr_event *event, const char *want, bool is_state, bool is_last) {
    assert_non_null(event);
    struct xr_str got = xr_event_bytes(event);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
    assert_int_equal(xr_event_seq(event), 7);
    assert_int_equal(xr_event_is_state(event), is_state);
    assert_int_equal(xr_event_is_last(event), is_last);
    xr_event_unref(event);
}

static void a_state_tells_its_step(void **state) {
    (void)state;
    assert_event(xr_announce_state(XR_ANALYZING, XR_STEP_TRANSCRIBE, 7),
                 "event: state\n"
                 "data: {\"type\":\"state\",\"lifecycle_state\":\"analyzing\",\"analysis_step\":\"transcribe\"}\n\n",
                 true, false);
    assert_event(xr_announce_state(XR_PENDING, XR_STEP_NONE, 7),
                 "event: state\ndata: {\"type\":\"state\",\"lifecycle_state\":\"pending\",\"analysis_step\":null}\n\n",
                 true, false);
}

static void progress_is_no_state(void **state) {
    (void)state;
    assert_event(xr_announce_progress(25, XR_STEP_VAD, 7),
                 "event: progress\ndata: {\"type\":\"progress\",\"percent\":25,\"step\":\"vad\"}\n\n", false, false);
}

static void the_result_is_passed_on_byte_for_byte(void **state) {
    (void)state;
    assert_event(xr_announce_complete(XR_STR("{\"passed\":true}"), 7),
                 "event: evaluation_complete\n"
                 "data: {\"type\":\"evaluation_complete\",\"result\":{\"passed\":true}}\n\n",
                 false, true);
}

static void a_failure_is_the_last_event(void **state) {
    (void)state;
    assert_event(xr_announce_failed(XR_REASON_WORKER_LOST, 7),
                 "event: failed\ndata: {\"type\":\"failed\",\"reason\":\"worker_lost\"}\n\n", false, true);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_state_tells_its_step),
        cmocka_unit_test(progress_is_no_state),
        cmocka_unit_test(the_result_is_passed_on_byte_for_byte),
        cmocka_unit_test(a_failure_is_the_last_event),
    };
    return cmocka_run_group_tests_name("jobs/announce", tests, NULL, NULL);
}
