// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "otlp/vocab_testkit.h"
#include <stdlib.h>

#define CHECK(cases) xr_vocab_check((cases), sizeof(cases) / sizeof *(cases))
#define O "langfuse.observation."
#define GENERATION S(O "type", "generation")
#define TOOL S(O "type", "tool")

static void any_langfuse_key_is_enough(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {S("langfuse.environment", "prod")}, "langfuse raw"},
        {"x", {I("langfuse.anything", 1), S("lk.a", "")}, "langfuse raw"},
        {"x", {S("langfuse", ""), S("langfusex.a", "")}, "none"},
        {"x", {GENERATION, S("gen_ai.system", "openai")}, "gen_ai raw"},
        {"chat x", {GENERATION}, "gen_ai usage - - - - - -"},
        {"xray.turn", {GENERATION}, "xray raw"},
    };
    CHECK(CASES);
}

static void the_type_is_the_observations_then_the_earlier_name(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {GENERATION}, "langfuse usage - - - - - -"},
        {"x", {S("langfuse.type", "generation")}, "langfuse usage - - - - - -"},
        {"x", {TOOL}, "langfuse tool x - -"},
        {"x", {S("langfuse.type", "tool")}, "langfuse tool x - -"},
        {"x", {S("langfuse.type", "tool"), GENERATION}, "langfuse usage - - - - - -"},
        {"x", {S("langfuse.type", "tool"), S(O "type", "span")}, "langfuse raw"},
        {"x", {S("langfuse.type", "tool"), I(O "type", 1)}, "langfuse tool x - -"},
        {"x", {S(O "type", "embedding")}, "langfuse raw"},
        {"x", {S(O "type", "agent")}, "langfuse raw"},
        {"x", {S(O "type", "Tool")}, "langfuse raw"},
        {"x", {S(O "type", "")}, "langfuse raw"},
    };
    CHECK(CASES);
}

static void a_tool_has_a_name_an_input_and_an_output(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {TOOL, S(O "name", "lookup")}, "langfuse tool lookup - -"},
        {"x", {TOOL, I(O "name", 1)}, "langfuse tool x - -"},
        {"x", {TOOL, S(O "name", "")}, "langfuse raw"},
        {"", {TOOL}, "langfuse raw"},
        {"execute", {TOOL}, "langfuse tool execute - -"},
        {"x", {TOOL, S(O "input", "{\"a\": 1}"), S(O "output", "fine")}, "langfuse tool x {\"a\":1} \"fine\""},
        {"x", {TOOL, S(O "input.value", "[ ]"), S(O "output.value", "1")}, "langfuse tool x [] 1"},
        {"x", {TOOL, S(O "input.value", "1"), S(O "input", "2")}, "langfuse tool x 2 -"},
        {"x", {TOOL, S(O "output.value", "1"), S(O "output", "2")}, "langfuse tool x - 2"},
        {"x", {TOOL, B(O "input", true), J(O "output", "[1]")}, "langfuse tool x true [1]"},
    };
    CHECK(CASES);
}

static void a_generation_has_a_provider_and_a_model(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {GENERATION, S(O "provider", "openai")}, "langfuse usage openai - - - - -"},
        {"x", {GENERATION, S(O "model.name", "gpt")}, "langfuse usage - gpt - - - -"},
        {"x", {GENERATION, I(O "provider", 1), B(O "model.name", true)}, "langfuse usage - - - - - -"},
    };
    CHECK(CASES);
}

#define DETAILS O "usage_details"

static void tokens_are_members_of_the_usage_details(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {GENERATION, S(DETAILS, "{\"input\": 3, \"output\": 4, \"total\": 9}")}, "langfuse usage - - 3 4 9 -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":3,\"output\":4}")}, "langfuse usage - - 3 4 7 -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":3,\"output\":null,\"total\":null}")}, "langfuse usage - - 3 - 3 -"},
        {"x", {GENERATION, S(DETAILS, "{\"total\":9}")}, "langfuse usage - - - - 9 -"},
        {"x", {GENERATION, S(DETAILS, "{}")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":-3,\"output\":4.0}")}, "langfuse usage - - - 4 4 -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":\"12\",\"output\":\"many\"}")}, "langfuse usage - - 12 - 12 -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":1.5,\"output\":[1]}")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":9223372036854775808}")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":99999999999999999999}")}, "langfuse usage - - - - - -"},
        {"x",
         {GENERATION, S(DETAILS, "{\"input\":9223372036854775807,\"output\":1}")},
         "langfuse usage - - 9223372036854775807 1 - -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":1,\"input\":2}")}, "langfuse usage - - 2 - 2 -"},
        {"x", {GENERATION, J(DETAILS, "{\"input\":3}")}, "langfuse usage - - 3 - 3 -"},
    };
    CHECK(CASES);
}

/* Parsing them would take too much memory. */
static void usage_details_that_are_too_long_are_not_read(void **state) {
    static const size_t LENGTHS[] = {XR_OTLP_ARGS_MAX, XR_OTLP_ARGS_MAX + 1};
    static const char *const WANT[] = {"langfuse usage - - 3 - 3 -", "langfuse usage - - - - - -"};
    static const char OBJECT[] = "{\"input\":3}";
    (void)state;
    char *text = malloc(XR_OTLP_ARGS_MAX + 1);
    assert_non_null(text);
    memset(text, ' ', XR_OTLP_ARGS_MAX + 1);
    memcpy(text, OBJECT, sizeof OBJECT - 1);
    for (size_t i = 0; i < 2; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(1));
        const struct xr_attr attrs[] = {
            GENERATION,
            {.key = XR_STR(DETAILS), .text = {.ptr = text, .len = LENGTHS[i]}, .kind = XR_ATTR_STRING},
            {.key = {0}}};
        struct xr_span span = xr_vocab_span("x", attrs);
        assert_string_equal(xr_vocab_describe(&span, arena), WANT[i]);
    }
    free(text);
}

static void tokens_are_attributes_if_there_is_no_object(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {GENERATION, I(DETAILS ".input", 3), S(DETAILS ".output", "4")}, "langfuse usage - - 3 4 7 -"},
        {"x", {GENERATION, I(DETAILS ".input", 3), I(DETAILS ".total", 9)}, "langfuse usage - - 3 - 9 -"},
        {"x", {GENERATION, S(DETAILS, "{\"input\":"), I(DETAILS ".input", 3)}, "langfuse usage - - 3 - 3 -"},
        {"x", {GENERATION, S(DETAILS, ""), I(DETAILS ".input", 3)}, "langfuse usage - - 3 - 3 -"},
        {"x", {GENERATION, S(DETAILS, "[1]"), I(DETAILS ".input", 3)}, "langfuse usage - - 3 - 3 -"},
        {"x", {GENERATION, I(DETAILS, 1), I(DETAILS ".input", 3)}, "langfuse usage - - 3 - 3 -"},
        {"x", {GENERATION, S(DETAILS, "{\"output\":4}"), I(DETAILS ".input", 3)}, "langfuse usage - - - 4 4 -"},
    };
    CHECK(CASES);
}

#define FIRST O "completion_start_time"

static void ttft_is_from_the_start_to_the_first_token(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {GENERATION, S(FIRST, "\"2026-01-02T03:04:05.250000Z\"")}, "langfuse usage - - - - - 250"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T03:04:05.250Z")}, "langfuse usage - - - - - 250"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T04:04:06+01:00")}, "langfuse usage - - - - - 1000"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T03:04:05Z")}, "langfuse usage - - - - - 0"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T03:04:05.000999Z")}, "langfuse usage - - - - - 0"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T03:04:05.001999Z")}, "langfuse usage - - - - - 1"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T03:04:04.999999Z")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(FIRST, "\"2026-01-02T03:04:06Z")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(FIRST, "2026-01-02T03:04:06")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(FIRST, "\"")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(FIRST, "\"\"")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, S(FIRST, "soon")}, "langfuse usage - - - - - -"},
        {"x", {GENERATION, I(FIRST, 5)}, "langfuse usage - - - - - -"},
    };
    CHECK(CASES);
}

static void a_span_without_a_start_has_no_ttft(void **state) {
    (void)state;
    static const struct xr_attr ATTRS[] = {GENERATION, S(FIRST, "2026-01-02T03:04:06Z"), ATTRS_END};
    static const int64_t STARTS[] = {0, INT64_MAX};
    for (size_t i = 0; i < sizeof STARTS / sizeof *STARTS; i++) {
        struct xr_span span = xr_vocab_span("x", ATTRS);
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(1));
        span.started_ns = STARTS[i];
        assert_string_equal(xr_vocab_describe(&span, arena), "langfuse usage - - - - - -");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_langfuse_key_is_enough),
        cmocka_unit_test(the_type_is_the_observations_then_the_earlier_name),
        cmocka_unit_test(a_tool_has_a_name_an_input_and_an_output),
        cmocka_unit_test(a_generation_has_a_provider_and_a_model),
        cmocka_unit_test(tokens_are_members_of_the_usage_details),
        cmocka_unit_test(usage_details_that_are_too_long_are_not_read),
        cmocka_unit_test(tokens_are_attributes_if_there_is_no_object),
        cmocka_unit_test(ttft_is_from_the_start_to_the_first_token),
        cmocka_unit_test(a_span_without_a_start_has_no_ttft),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
