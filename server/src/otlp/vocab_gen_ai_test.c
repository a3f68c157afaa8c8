// SPDX-License-Identifier: Apache-2.0
/* Each row of the specification's table of gen_ai names, in both generations of them. */
#include "base/limits.h"
#include "base/test.h"
#include "otlp/vocab_testkit.h"
#include <stdio.h>

#define CHAT S("gen_ai.operation.name", "chat")
#define TOOL S("gen_ai.operation.name", "execute_tool")
#define CHECK(cases) xr_vocab_check((cases), sizeof(cases) / sizeof *(cases))

static void a_span_is_recognised_by_key_or_name(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {S("gen_ai.operation.name", "embeddings")}, "gen_ai raw"},
        {"x", {I("gen_ai.operation.name", 1)}, "gen_ai raw"},
        {"x", {S("gen_ai.anything", "")}, "gen_ai raw"},
        {"x", {S("other", ""), B("gen_ai.request.stream", true)}, "gen_ai raw"},
        {"x", {S("gen_ai", ""), S("gen_aix", ""), S("xgen_ai.a", "")}, "none"},
        {"chat", NO_ATTRS, "gen_ai usage - - - - - -"},
        {"chat gpt-4o", NO_ATTRS, "gen_ai usage - - - - - -"},
        {"chatter", NO_ATTRS, "gen_ai raw"},
        {"text_completion", NO_ATTRS, "gen_ai usage - - - - - -"},
        {"text_completion babbage", NO_ATTRS, "gen_ai usage - - - - - -"},
        {"execute_tool", NO_ATTRS, "gen_ai raw"},
        {"execute_tool weather", NO_ATTRS, "gen_ai tool weather - -"},
        {"generate_content gemini", NO_ATTRS, "none"},
        {"Chat", NO_ATTRS, "none"},
        {"a chat", NO_ATTRS, "none"},
        {"cha", NO_ATTRS, "none"},
        {"", NO_ATTRS, "none"},
    };
    CHECK(CASES);
}

static void livekit_names_need_a_livekit_key(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"function_tool", NO_ATTRS, "none"},
        {"llm_request", NO_ATTRS, "none"},
        {"function_tool", {S("other", "")}, "none"},
        {"function_tool", {S("lk.function_tool.name", "weather")}, "gen_ai tool weather - -"},
        {"function_tool", {B("lk.function_tool.is_error", false)}, "gen_ai tool function_tool - -"},
        {"llm_request", {S("lk.llm_metrics", "{}")}, "gen_ai usage - - - - - -"},
        {"llm_request", {S("gen_ai.request.model", "m")}, "gen_ai usage - m - - - -"},
        {"llm_request", {S("langfuse.observation.metadata.a", "1"), S("lk.a", "")}, "gen_ai usage - - - - - -"},
        {"llm_request", {S("langfuse.observation.metadata.a", "1")}, "langfuse raw"},
        {"llm_request_run", {S("lk.retry_count", "")}, "livekit raw"},
        {"llm_node", {D("lk.response.ttft", 1)}, "livekit raw"},
        {"llm_node", {D("lk.response.ttft", 1), S("gen_ai.request.model", "m")}, "gen_ai raw"},
        {"xray.turn", {CHAT, S("lk.a", "")}, "xray raw"},
    };
    CHECK(CASES);
}

static void the_operation_is_an_attribute_then_a_livekit_name_then_the_first_word(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"x", {CHAT}, "gen_ai usage - - - - - -"},
        {"x", {S("gen_ai.operation.name", "text_completion")}, "gen_ai usage - - - - - -"},
        {"x", {S("gen_ai.operation.name", "generate_content")}, "gen_ai usage - - - - - -"},
        {"x", {TOOL}, "gen_ai tool x - -"},
        {"chat gpt", {TOOL}, "gen_ai tool chat gpt - -"},
        {"execute_tool weather", {CHAT}, "gen_ai usage - - - - - -"},
        {"function_tool", {CHAT, S("lk.function_tool.name", "w")}, "gen_ai usage - - - - - -"},
        {"llm_request", {S("gen_ai.operation.name", "judge")}, "gen_ai raw"},
        {"chat gpt", {S("gen_ai.operation.name", "invoke_agent")}, "gen_ai raw"},
        {"chat gpt", {S("gen_ai.operation.name", "Chat")}, "gen_ai raw"},
        {"chat gpt", {S("gen_ai.operation.name", "chat ")}, "gen_ai raw"},
        {"chat gpt", {S("gen_ai.operation.name", "")}, "gen_ai raw"},
        /* no operation that can be used */
        {"chat gpt", {I("gen_ai.operation.name", 7)}, "gen_ai usage - - - - - -"},
        {"generate_content gemini", {S("gen_ai.system", "gcp")}, "gen_ai usage gcp - - - - -"},
        {"chat_completion gpt", {S("gen_ai.system", "gcp")}, "gen_ai raw"},
        {"chat\tgpt", {S("gen_ai.system", "gcp")}, "gen_ai raw"},
        {" chat", {S("gen_ai.system", "gcp")}, "gen_ai raw"},
    };
    CHECK(CASES);
}

static void the_tool_is_named_by_attribute_or_span(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"execute_tool a", {S("gen_ai.tool.name", "b")}, "gen_ai tool b - -"},
        {"execute_tool a", {S("lk.function_tool.name", "b")}, "gen_ai tool b - -"},
        {"execute_tool a", {I("gen_ai.tool.name", 1)}, "gen_ai tool a - -"},
        {"execute_tool a", {I("gen_ai.tool.name", 1), S("lk.function_tool.name", "b")}, "gen_ai tool b - -"},
        {"execute_tool two words", NO_ATTRS, "gen_ai tool two words - -"},
        {"execute_tools", {TOOL}, "gen_ai tool execute_tools - -"},
        {"a", {TOOL}, "gen_ai tool a - -"},
        /* no name, no row */
        {"execute_tool", {TOOL}, "gen_ai raw"},
        {"execute_tool ", {TOOL}, "gen_ai raw"},
        {"", {TOOL}, "gen_ai raw"},
        {"execute_tool a", {S("gen_ai.tool.name", "")}, "gen_ai raw"},
    };
    CHECK(CASES);
}

static void arguments_and_results_become_compact_json(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"execute_tool a",
         {S("gen_ai.tool.call.arguments", "{ \"b\" : [1, 2.50] }")},
         "gen_ai tool a {\"b\":[1,2.5]} -"},
        {"execute_tool a", {S("gen_ai.tool.call.result", "\"text\"")}, "gen_ai tool a - \"text\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "not json")}, "gen_ai tool a - \"not json\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "{\"cut")}, "gen_ai tool a - \"{\\\"cut\""},
        {"execute_tool a",
         {S("gen_ai.tool.call.result", "a\nb\x7F\xC2\x85")},
         "gen_ai tool a - \"a\\nb\\u007f\\u0085\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "\"\\u00e9\\u2028\"")}, "gen_ai tool a - \"\xC3\xA9\\u2028\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "\"\\ud800\"")}, "gen_ai tool a - \"\\\"\\\\ud800\\\"\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "{'a': 1}")}, "gen_ai tool a - \"{'a': 1}\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "NaN")}, "gen_ai tool a - \"NaN\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", "1e999")}, "gen_ai tool a - \"1e999\""},
        {"execute_tool a",
         {S("gen_ai.tool.call.result", "18446744073709551615")},
         "gen_ai tool a - 18446744073709551615"},
        {"execute_tool a", {S("gen_ai.tool.call.result", "1 2")}, "gen_ai tool a - \"1 2\""},
        {"execute_tool a", {S("gen_ai.tool.call.result", " null ")}, "gen_ai tool a - null"},
        {"execute_tool a", {S("gen_ai.tool.call.result", "")}, "gen_ai tool a - \"\""},
        {"execute_tool a", {I("gen_ai.tool.call.result", -5)}, "gen_ai tool a - -5"},
        {"execute_tool a", {D("gen_ai.tool.call.result", 1e21)}, "gen_ai tool a - 1e+21"},
        {"execute_tool a", {B("gen_ai.tool.call.result", false)}, "gen_ai tool a - false"},
        {"execute_tool a", {J("gen_ai.tool.call.result", "{\"a\":[true]}")}, "gen_ai tool a - {\"a\":[true]}"},
    };
    CHECK(CASES);
}

static void provider_and_model_are_strings(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"chat", {S("gen_ai.provider.name", "openai")}, "gen_ai usage openai - - - - -"},
        {"chat", {S("gen_ai.system", "openai")}, "gen_ai usage openai - - - - -"},
        {"chat", {S("gen_ai.provider.name", ""), S("gen_ai.system", "openai")}, "gen_ai usage  - - - - -"},
        {"chat", {B("gen_ai.provider.name", true), S("gen_ai.system", "openai")}, "gen_ai usage openai - - - - -"},
        {"chat", {I("gen_ai.provider.name", 1), D("gen_ai.system", 2)}, "gen_ai usage - - - - - -"},
        {"chat", {S("gen_ai.response.model", "m")}, "gen_ai usage - m - - - -"},
        {"chat", {S("gen_ai.request.model", "m")}, "gen_ai usage - m - - - -"},
        {"chat", {J("gen_ai.response.model", "[]"), S("gen_ai.request.model", "m")}, "gen_ai usage - m - - - -"},
    };
    CHECK(CASES);
}

#define IN "gen_ai.usage.input_tokens"
#define OUT "gen_ai.usage.output_tokens"

static void tokens_are_counts_and_their_sum(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"chat", {I(IN, 3), I(OUT, 4)}, "gen_ai usage - - 3 4 7 -"},
        {"chat", {I(IN, 0), I(OUT, 0)}, "gen_ai usage - - 0 0 0 -"},
        {"chat", {I(IN, 3)}, "gen_ai usage - - 3 - 3 -"},
        {"chat", {I(OUT, 4)}, "gen_ai usage - - - 4 4 -"},
        {"chat", {S(IN, "12"), S(OUT, "007")}, "gen_ai usage - - 12 7 19 -"},
        {"chat", {D(IN, 5.0), D(OUT, 2.5)}, "gen_ai usage - - 5 - 5 -"},
        {"chat", {I(IN, -1), I(OUT, 4)}, "gen_ai usage - - - 4 4 -"},
        {"chat", {I(IN, INT64_MIN), D(OUT, -3)}, "gen_ai usage - - - - - -"},
        {"chat", {S(IN, "-7"), S(OUT, "-")}, "gen_ai usage - - - - - -"},
        {"chat", {S(IN, ""), S(OUT, " 1")}, "gen_ai usage - - - - - -"},
        {"chat", {S(IN, "1.0"), S(OUT, "1e3")}, "gen_ai usage - - - - - -"},
        {"chat", {S(IN, "+1"), S(OUT, "0x1")}, "gen_ai usage - - - - - -"},
        {"chat", {B(IN, true), J(OUT, "[1]")}, "gen_ai usage - - - - - -"},
        {"chat", {S(IN, "9223372036854775807")}, "gen_ai usage - - 9223372036854775807 - 9223372036854775807 -"},
        {"chat", {S(IN, "9223372036854775808"), I(OUT, 1)}, "gen_ai usage - - - 1 1 -"},
        {"chat", {D(IN, 9223372036854775808.0), D(OUT, 1e300)}, "gen_ai usage - - - - - -"},
        {"chat", {I(IN, INT64_MAX), I(OUT, 1)}, "gen_ai usage - - 9223372036854775807 1 - -"},
        {"chat", {I(IN, INT64_MAX - 1), I(OUT, 1)}, "gen_ai usage - - 9223372036854775806 1 9223372036854775807 -"},
    };
    CHECK(CASES);
}

#define CHUNK "gen_ai.response.time_to_first_chunk"
#define TTFT "lk.response.ttft"

static void ttft_is_seconds_made_milliseconds(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        {"chat", {D(CHUNK, 0.25)}, "gen_ai usage - - - - - 250"},
        {"chat", {D(TTFT, 0.25)}, "gen_ai usage - - - - - 250"},
        {"chat", {I(CHUNK, 2)}, "gen_ai usage - - - - - 2000"},
        {"chat", {S(CHUNK, "0.125")}, "gen_ai usage - - - - - 125"},
        {"chat", {S(CHUNK, "1e-1")}, "gen_ai usage - - - - - 100"},
        {"chat", {D(CHUNK, 0.0)}, "gen_ai usage - - - - - 0"},
        {"chat", {D(CHUNK, -0.0)}, "gen_ai usage - - - - - 0"},
        {"chat", {D(CHUNK, 0.0625)}, "gen_ai usage - - - - - 63"}, /* 62.5 */
        {"chat", {D(CHUNK, 0.0624)}, "gen_ai usage - - - - - 62"},
        {"chat", {D(CHUNK, -0.0001)}, "gen_ai usage - - - - - -"},
        {"chat", {I(CHUNK, -1), D(TTFT, 1)}, "gen_ai usage - - - - - -"},
        {"chat", {S(CHUNK, "-1")}, "gen_ai usage - - - - - -"},
        {"chat", {D(CHUNK, 9007199254740.992)}, "gen_ai usage - - - - - 9007199254740992"},
        {"chat", {D(CHUNK, 9007199254741)}, "gen_ai usage - - - - - -"},
        {"chat", {D(CHUNK, 1.7e308)}, "gen_ai usage - - - - - -"},
        {"chat", {S(CHUNK, "1e999")}, "gen_ai usage - - - - - -"},
        {"chat", {I(CHUNK, INT64_MAX)}, "gen_ai usage - - - - - -"},
        /* what is no number is not there */
        {"chat", {S(CHUNK, "soon"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, ""), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, "nan"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, "inf"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, "0x1"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, " 2"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, "2\0"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat", {S(CHUNK, "2-"), D(TTFT, 1)}, "gen_ai usage - - - - - 1000"},
        {"chat",
         {S(CHUNK, "00000000000000000000000000000000000000000000000000000000000000002"), D(TTFT, 1)},
         "gen_ai usage - - - - - 1000"},
        {"chat", {B(CHUNK, true), J(TTFT, "[1]")}, "gen_ai usage - - - - - -"},
    };
    CHECK(CASES);
}

/* The names of the specification's table, in its order, and where their value shows. */
static const struct field {
    const char *span, *want; /* with %s for the first name's value */
    const char *names[4];
} FIELDS[] = {
    {"execute_tool", "gen_ai tool %s - -", {"gen_ai.tool.name", "lk.function_tool.name"}},
    {"execute_tool t",
     "gen_ai tool t \"%s\" -",
     {"gen_ai.tool.call.arguments", "gen_ai.tool.arguments", "lk.pii.function_tool.arguments",
      "lk.function_tool.arguments"}},
    {"execute_tool t",
     "gen_ai tool t - \"%s\"",
     {"gen_ai.tool.call.result", "gen_ai.tool.result", "lk.pii.function_tool.output", "lk.function_tool.output"}},
    {"chat", "gen_ai usage %s - - - - -", {"gen_ai.provider.name", "gen_ai.system"}},
    {"chat", "gen_ai usage - %s - - - -", {"gen_ai.response.model", "gen_ai.request.model"}},
};

static struct xr_attr string_attr(const char *name, const char *value) {
    return (struct xr_attr){.key = xr_str_from(name), .text = xr_str_from(value), .kind = XR_ATTR_STRING};
}

static void check_wins(const struct field *field, const struct xr_attr *attrs) {
    char want[128];
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_MIB(1));
    const struct xr_span span = xr_vocab_span(field->span, attrs);
    const char *format = field->want, *gap = strstr(format, "%s");
    snprintf(want, sizeof want, "%.*s%s%s", (int)(gap - format), format, "wins", gap + 2);
    assert_string_equal(xr_vocab_describe(&span, arena), want);
}

static void of_two_names_the_first_in_the_table_wins(void **state) {
    (void)state;
    for (size_t f = 0; f < sizeof FIELDS / sizeof *FIELDS; f++)
        for (size_t i = 0; i < 4 && FIELDS[f].names[i]; i++)
            for (size_t k = i; k < 4 && FIELDS[f].names[k]; k++) {
                const struct xr_attr first = string_attr(FIELDS[f].names[i], "wins");
                const struct xr_attr second = string_attr(FIELDS[f].names[k], k == i ? "wins" : "loses");
                check_wins(&FIELDS[f], (const struct xr_attr[]){first, second, ATTRS_END});
                check_wins(&FIELDS[f], (const struct xr_attr[]){second, first, ATTRS_END});
            }
    static const struct xr_vocab_case TTFTS[] = {
        {"chat", {D(CHUNK, 1), D(TTFT, 2)}, "gen_ai usage - - - - - 1000"},
        {"chat", {D(TTFT, 2), D(CHUNK, 1)}, "gen_ai usage - - - - - 1000"},
    };
    CHECK(TTFTS);
}

/* As the senders write them. */
static void spans_of_real_senders(void **state) {
    (void)state;
    static const struct xr_vocab_case CASES[] = {
        /* LiveKit Agents 1.2 */
        {"function_tool",
         {S("lk.function_tool.name", "lookup"), S("lk.function_tool.arguments", "{\"city\": \"Rome\"}"),
          S("lk.function_tool.output", "sunny"), B("lk.function_tool.is_error", false)},
         "gen_ai tool lookup {\"city\":\"Rome\"} \"sunny\""},
        {"llm_request",
         {S("gen_ai.request.model", "gpt-4o"), S("lk.llm_metrics", "{}"), I(IN, 10), I(OUT, 5),
          S("langfuse.observation.completion_start_time", "\"2026-01-02T03:04:06+00:00\"")},
         "gen_ai usage - gpt-4o 10 5 15 -"},
        /* LiveKit Agents 1.8; a failed tool has no gen_ai.tool.call.result */
        {"function_tool",
         {TOOL, S("gen_ai.tool.name", "lookup"), S("lk.function_tool.name", "lookup"),
          S("lk.pii.function_tool.arguments", "{}"), S("gen_ai.tool.call.arguments", "{}"),
          S("lk.pii.function_tool.output", "an error occurred"), B("lk.function_tool.is_error", true)},
         "gen_ai tool lookup {} \"an error occurred\""},
        {"llm_request",
         {CHAT, S("gen_ai.provider.name", "openai"), S("gen_ai.request.model", "gpt-4o"), I(IN, 10), I(OUT, 5),
          D(CHUNK, 0.4214)},
         "gen_ai usage openai gpt-4o 10 5 15 421"},
        {"llm_fallback_adapter", {S("gen_ai.request.model", "gpt-4o"), S("lk.llm_metrics", "{}")}, "gen_ai raw"},
        {"realtime_inference", {S("gen_ai.operation.name", "generate_content")}, "gen_ai usage - - - - - -"},
        /* opentelemetry-instrumentation-openai-v2 */
        {"chat gpt-4o-mini",
         {CHAT, S("gen_ai.system", "openai"), S("gen_ai.request.model", "gpt-4o-mini"),
          S("gen_ai.response.model", "gpt-4o-mini-2024-07-18"), I(IN, 12), I(OUT, 3)},
         "gen_ai usage openai gpt-4o-mini-2024-07-18 12 3 15 -"},
    };
    CHECK(CASES);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_span_is_recognised_by_key_or_name),
        cmocka_unit_test(livekit_names_need_a_livekit_key),
        cmocka_unit_test(the_operation_is_an_attribute_then_a_livekit_name_then_the_first_word),
        cmocka_unit_test(the_tool_is_named_by_attribute_or_span),
        cmocka_unit_test(arguments_and_results_become_compact_json),
        cmocka_unit_test(provider_and_model_are_strings),
        cmocka_unit_test(tokens_are_counts_and_their_sum),
        cmocka_unit_test(ttft_is_seconds_made_milliseconds),
        cmocka_unit_test(of_two_names_the_first_in_the_table_wins),
        cmocka_unit_test(spans_of_real_senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
