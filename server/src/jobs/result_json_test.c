// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "jobs/result_json.h"
#include <string.h>

#define ID "01234567-89ab-4def-8bcd-ef0123456789"
#define HASH "abababababababababababababababababababababababababababababababab"

static void assert_encoded(const struct xr_evaluation *evaluation, const struct xr_turn_metric *metrics, size_t count,
                           const char *want) {
    struct xr_buf buf = xr_buf_make(XR_KIB(64));
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    struct xr_uuid id;
    uint8_t hash[XR_SHA256_SIZE];
    assert_true(xr_uuid_parse(XR_STR(ID), &id));
    memset(hash, 0xab, sizeof hash);
    xr_result_encode(&j, &id, hash, evaluation, metrics, count);
    assert_false(buf.failed);
    xr_buf_char(&buf, '\0');
    assert_string_equal(buf.data, want);
    xr_buf_clear(&buf);
}

static void an_empty_result_has_every_member(void **state) {
    (void)state;
    assert_encoded(&(struct xr_evaluation){.passed = true}, NULL, 0,
                   "{\"replay_id\":\"" ID "\",\"conversation_hash\":\"" HASH "\",\"passed\":true,\"assertions\":[],"
                   "\"judges\":[],\"metrics\":{\"turns\":[]}}");
}

static void outcomes_and_metrics_are_shown_with_their_nulls(void **state) {
    (void)state;
    struct xr_assertion_result assertions[] = {
        {.kind = XR_ASSERT_CONTAINS, .status = XR_PASSED},
        {.turn_idx = 1,
         .assertion_idx = 2,
         .kind = XR_ASSERT_MAX_TTFT_MS,
         .status = XR_ERRORED,
         .message = XR_STR("no")},
    };
    struct xr_judge_result judges[] = {
        {.judge_idx = 0, .status = XR_FAILED, .score = 0, .reason = XR_STR("\xE2\x80\xA8"), .prompt_version = 0},
        {.judge_idx = 1, .status = XR_ERRORED, .score = -1, .prompt_version = -1},
    };
    const struct xr_turn_metric metrics[] = {
        {.turn_idx = 0, .role = XR_CHANNEL_USER, -1, -1, false, -1},
        {.turn_idx = 1, .role = XR_CHANNEL_AGENT, 780, 12, true, 0},
    };
    const struct xr_evaluation evaluation = {
        .assertions = assertions, .assertion_count = 2, .judges = judges, .judge_count = 2};
    assert_encoded(
        &evaluation, metrics, 2,
        "{\"replay_id\":\"" ID "\",\"conversation_hash\":\"" HASH "\",\"passed\":false,\"assertions\":["
        "{\"turn_idx\":0,\"assertion_idx\":0,\"kind\":\"contains\",\"status\":\"passed\",\"message\":null},"
        "{\"turn_idx\":1,\"assertion_idx\":2,\"kind\":\"max_ttft_ms\",\"status\":\"errored\",\"message\":\"no\"}],"
        "\"judges\":[{\"judge_idx\":0,\"kind\":\"text_match\",\"status\":\"failed\",\"score\":0,"
        "\"reason\":\"\\u2028\",\"prompt_version\":0},"
        "{\"judge_idx\":1,\"kind\":\"text_match\",\"status\":\"errored\",\"score\":null,\"reason\":null,"
        "\"prompt_version\":null}],\"metrics\":{\"turns\":["
        "{\"turn_idx\":0,\"role\":\"user\",\"agent_response_ms\":null,\"agent_response_uncertainty_ms\":null,"
        "\"interrupted\":false,\"interruption_start_ms\":null},"
        "{\"turn_idx\":1,\"role\":\"agent\",\"agent_response_ms\":780,\"agent_response_uncertainty_ms\":12,"
        "\"interrupted\":true,\"interruption_start_ms\":0}]}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_empty_result_has_every_member),
        cmocka_unit_test(outcomes_and_metrics_are_shown_with_their_nulls),
    };
    return cmocka_run_group_tests_name("jobs/result_json", tests, NULL, NULL);
}
