// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "base/test.h"
#include "evaluate/evaluate.h"

enum { ANCHOR_MS = 1000000, ARENA = 4 << 20 };
#define MS(n) ((ANCHOR_MS + INT64_C(n)) * XR_NS_PER_MS)
#define TEXT(literal) {.ptr = (literal), .len = sizeof(literal) - 1}

/* user 0..1000, agent 1780..3000, user 3500..4000, agent 4300..6000: windows [0,1000) [1000,3000) [3000,4000)
 * [4000,6000). The third turn has no transcript, the fourth neither. */
static const struct xr_turn TURNS[] = {
    {0, XR_CHANNEL_USER, 0, 1000 * XR_NS_PER_MS, 0, 1000 * XR_NS_PER_MS, -1, -1},
    {1, XR_CHANNEL_AGENT, 1000 * XR_NS_PER_MS, 3000 * XR_NS_PER_MS, 1780 * XR_NS_PER_MS, 3000 * XR_NS_PER_MS, -1, -1},
    {2, XR_CHANNEL_USER, 3000 * XR_NS_PER_MS, 4000 * XR_NS_PER_MS, 3500 * XR_NS_PER_MS, 4000 * XR_NS_PER_MS, -1, -1},
    {3, XR_CHANNEL_AGENT, 4000 * XR_NS_PER_MS, 6000 * XR_NS_PER_MS, 4300 * XR_NS_PER_MS, 6000 * XR_NS_PER_MS, -1, -1},
};
static const struct xr_turn_metric METRICS[] = {
    {0, XR_CHANNEL_USER, -1, -1, false, -1},
    {1, XR_CHANNEL_AGENT, 780, -1, false, -1},
    {2, XR_CHANNEL_USER, -1, -1, false, -1},
    {3, XR_CHANNEL_AGENT, -1, -1, false, -1}, /* as if no user turn came before */
};
static const struct xr_transcript TRANSCRIPTS[] = {
    {0, TEXT("")},
    {1, TEXT(" Your R\xC3\x89"
             "FUND \0 is on its way. \xC2\xA0")},
    {77, TEXT("of no turn")},
};
static const struct xr_tool_call CALLS[] = {
    {MS(999), TEXT("first"), TEXT("{}")},
    {MS(1000), TEXT("lookup"), TEXT("{\"city\":\"Rome\",\"days\":2}")},
    {MS(1500), TEXT("lookup"), TEXT("{\"city\":\"Oslo\"}")},
    {MS(2999), TEXT("book"), {0}},
    {MS(3000), TEXT("later"), TEXT("not json")},
    {XR_TIME_NONE, TEXT("undated"), TEXT("{}")},
    {INT64_MIN + 1, TEXT("ancient"), TEXT("{}")},
    {MS(4000), TEXT("a"), {0}},
    {MS(4001), TEXT("b"), {0}},
    {MS(4002), TEXT("c"), {0}},
    {MS(4003), TEXT("d"), {0}},
    {MS(4004), TEXT("e"), {0}},
    {MS(4005), TEXT("f"), {0}},
    {MS(5999), TEXT("nul\0led"), TEXT("\"{}\"")},
};
static const struct xr_model_usage USAGE[] = {
    {MS(3100), -1}, {MS(2500), 100}, {MS(1200), 450}, {MS(1100), -1}, {MS(1300), 90}, {XR_TIME_NONE, 5},
};

static struct xr_evidence full_evidence(void) {
    return (struct xr_evidence){.turns = TURNS,
                                .turn_count = sizeof TURNS / sizeof *TURNS,
                                .metrics = METRICS,
                                .transcripts = TRANSCRIPTS,
                                .transcript_count = sizeof TRANSCRIPTS / sizeof *TRANSCRIPTS,
                                .recording_started_ns = ANCHOR_MS * XR_NS_PER_MS,
                                .tool_calls = CALLS,
                                .tool_call_count = sizeof CALLS / sizeof *CALLS,
                                .model_usage = USAGE,
                                .model_usage_count = sizeof USAGE / sizeof *USAGE};
}

static struct xr_assertion_result check_one(const struct xr_assertion *assertion, size_t turn,
                                            const struct xr_evidence *evidence, struct xr_arena *arena) {
    struct xr_assertion copy = *assertion;
    struct xr_turn_spec spec_turn = {.assertions = &copy, .assertion_count = 1};
    struct xr_spec spec = {.turns = &spec_turn, .turn_count = 1};
    struct xr_assertion_result *results = NULL;
    size_t count = 0;
    assert_int_equal(xr_assertions_check(&spec, &turn, evidence, arena, &results, &count, NULL), XR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(results[0].turn_idx, 0);
    assert_int_equal(results[0].assertion_idx, 0);
    assert_int_equal(results[0].kind, assertion->kind);
    return results[0];
}

struct example {
    struct xr_assertion assertion;
    const char *args; /* JSON for tool_args_match */
    size_t turn; /* derived */
    enum xr_status status;
    struct xr_str message; /* ptr NULL: null */
};
#define NOTHING {0}
#define HEARD                                                                                                          \
    "\" Your R\xC3\x89"                                                                                                \
    "FUND \0 is on its way. \xC2\xA0\"."

static const struct example EXAMPLES[] = {
    {{XR_ASSERT_CONTAINS,
      TEXT("r\xC3\xA9"
           "fund"),
      .case_insensitive = true},
     NULL,
     1,
     XR_PASSED,
     NOTHING},
    {{XR_ASSERT_CONTAINS, TEXT("\0 is")}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_CONTAINS, TEXT("r\xC3\xA9"
                               "fund")},
     NULL,
     1,
     XR_FAILED,
     TEXT("The transcript does not contain \"r\xC3\xA9"
          "fund\": it is " HEARD)},
    {{XR_ASSERT_CONTAINS, TEXT("x")}, NULL, 0, XR_FAILED, TEXT("The transcript does not contain \"x\": it is \"\".")},
    {{XR_ASSERT_CONTAINS, TEXT("x")}, NULL, 2, XR_ERRORED, TEXT("There is no transcript of this turn.")},
    {{XR_ASSERT_NOT_CONTAINS, TEXT("sorry"), .case_insensitive = true}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_NOT_CONTAINS, TEXT("your")}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_NOT_CONTAINS, TEXT("your"), .case_insensitive = true},
     NULL,
     1,
     XR_FAILED,
     TEXT("The transcript contains \"your\": it is " HEARD)},
    {{XR_ASSERT_NOT_CONTAINS, TEXT("x")}, NULL, 3, XR_ERRORED, TEXT("There is no transcript of this turn.")},
    {{XR_ASSERT_EQUALS,
      TEXT("\tyour r\xC3\xA9"
           "fund \0 is on its way."),
      .case_insensitive = true, .trim = true},
     NULL,
     1,
     XR_PASSED,
     NOTHING},
    {{XR_ASSERT_EQUALS, TEXT(" Your R\xC3\x89"
                             "FUND \0 is on its way. \xC2\xA0")},
     NULL,
     1,
     XR_PASSED,
     NOTHING},
    {{XR_ASSERT_EQUALS, TEXT("")}, NULL, 0, XR_PASSED, NOTHING},
    {{XR_ASSERT_EQUALS, TEXT("Your R\xC3\x89"
                             "FUND \0 is on its way.")},
     NULL,
     1,
     XR_FAILED,
     TEXT("The transcript does not equal \"Your R\xC3\x89"
          "FUND \0 is on its way.\": it is " HEARD)},
    {{XR_ASSERT_EQUALS,
      TEXT("your r\xC3\xA9"
           "fund"),
      .case_insensitive = true, .trim = true},
     NULL,
     1,
     XR_FAILED,
     TEXT("The transcript does not equal \"your r\xC3\xA9"
          "fund\": it is " HEARD)},
    {{XR_ASSERT_EQUALS, TEXT("")}, NULL, 2, XR_ERRORED, TEXT("There is no transcript of this turn.")},
    {{XR_ASSERT_REGEX, TEXT("\\bon (its|the) way\\.")}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_REGEX, TEXT("^your"), .flags = TEXT("i")},
     NULL,
     1,
     XR_FAILED,
     TEXT("The transcript does not match /^your/i: it is " HEARD)},
    {{XR_ASSERT_REGEX, TEXT("(")}, NULL, 1, XR_ERRORED, TEXT("The regular expression is invalid: expecting ')'.")},
    {{XR_ASSERT_REGEX, TEXT("a"), .flags = TEXT("ii")},
     NULL,
     1,
     XR_ERRORED,
     TEXT("The regular expression is invalid: invalid regular expression flags.")},
    {{XR_ASSERT_REGEX, TEXT("^(?:[^x]|.|\\s)*(?:[^x]|.|\\s)*(?:[^x]|.|\\s)*x$")},
     NULL,
     1,
     XR_ERRORED,
     TEXT("The regular expression was stopped: it ran longer than 80 ms.")},
    {{XR_ASSERT_REGEX, TEXT("a")}, NULL, 2, XR_ERRORED, TEXT("There is no transcript of this turn.")},
    /* a call at a window's start is in it, one at its end is in the next */
    {{XR_ASSERT_TOOL_CALLED, TEXT("lookup")}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_TOOL_CALLED, TEXT("first")}, NULL, 0, XR_PASSED, NOTHING},
    {{XR_ASSERT_TOOL_CALLED, TEXT("lookup")},
     NULL,
     0,
     XR_FAILED,
     TEXT("The tool \"lookup\" was not called in this turn; these were: \"first\".")},
    {{XR_ASSERT_TOOL_CALLED, TEXT("later")},
     NULL,
     1,
     XR_FAILED,
     TEXT("The tool \"later\" was not called in this turn; these were: \"lookup\", \"lookup\", \"book\".")},
    {{XR_ASSERT_TOOL_CALLED, TEXT("undated")},
     NULL,
     3,
     XR_FAILED,
     TEXT("The tool \"undated\" was not called in this turn; these were: \"a\", \"b\", \"c\", \"d\", \"e\" and 2 "
          "more.")},
    {{XR_ASSERT_TOOL_CALLED, TEXT("nul\0led")}, NULL, 3, XR_PASSED, NOTHING},
    {{XR_ASSERT_TOOL_CALLED, TEXT("nul\0other")},
     NULL,
     2,
     XR_FAILED,
     TEXT("The tool \"nul\0other\" was not called in this turn; these were: \"later\".")},
    {{XR_ASSERT_TOOL_NOT_CALLED, TEXT("later")}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_TOOL_NOT_CALLED, TEXT("lookup")},
     NULL,
     1,
     XR_FAILED,
     TEXT("The tool \"lookup\" was called in this turn, 2 times.")},
    {{XR_ASSERT_TOOL_NOT_CALLED, TEXT("later")},
     NULL,
     2,
     XR_FAILED,
     TEXT("The tool \"later\" was called in this turn, 1 time.")},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("lookup")}, "{\"days\":2.0}", 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("lookup")}, "{\"city\":\"Oslo\"}", 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("lookup")},
     "{\"city\":\"Oslo\",\"days\":2}",
     1,
     XR_FAILED,
     TEXT("The tool \"lookup\" was not called with the expected arguments: the last of 2 calls had "
          "{\"city\":\"Oslo\"}.")},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("book")},
     "{}",
     1,
     XR_FAILED,
     TEXT("The tool \"book\" was not called with the expected arguments: the last of 1 call had none.")},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("later")},
     "{}",
     2,
     XR_FAILED,
     TEXT("The tool \"later\" was not called with the expected arguments: the last of 1 call had not json.")},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("nul\0led")},
     "{}",
     3,
     XR_FAILED,
     TEXT("The tool \"nul\0led\" was not called with the expected arguments: the last of 1 call had \"{}\".")},
    {{XR_ASSERT_TOOL_ARGS_MATCH, TEXT("lookup")},
     "{}",
     2,
     XR_FAILED,
     TEXT("The tool \"lookup\" was not called in this turn; these were: \"later\".")},
    {{XR_ASSERT_MAX_LATENCY_MS, .max_ms = 780}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_MAX_LATENCY_MS, .max_ms = 779},
     NULL,
     1,
     XR_FAILED,
     TEXT("The agent answered after 780 ms, more than 779 ms.")},
    {{XR_ASSERT_MAX_LATENCY_MS, .max_ms = 9000},
     NULL,
     0,
     XR_ERRORED,
     TEXT("The turn has no response time: it is not an agent's turn.")},
    {{XR_ASSERT_MAX_LATENCY_MS, .max_ms = 9000},
     NULL,
     3,
     XR_ERRORED,
     TEXT("The turn has no response time: no user turn comes before it.")},
    /* the earliest call that has one counts, not the first in the list, nor the fastest */
    {{XR_ASSERT_MAX_TTFT_MS, .max_ms = 450}, NULL, 1, XR_PASSED, NOTHING},
    {{XR_ASSERT_MAX_TTFT_MS, .max_ms = 449},
     NULL,
     1,
     XR_FAILED,
     TEXT("The first token came after 450 ms, more than 449 ms.")},
    {{XR_ASSERT_MAX_TTFT_MS, .max_ms = 9000}, NULL, 0, XR_ERRORED, TEXT("No model call started in this turn.")},
    {{XR_ASSERT_MAX_TTFT_MS, .max_ms = 9000},
     NULL,
     2,
     XR_ERRORED,
     TEXT("No model call of this turn (1) has a time to first token.")},
};

static void check_example(const struct example *e, size_t row) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_evidence evidence = full_evidence();
    struct xr_assertion assertion = e->assertion;
    if (e->args) {
        assert_int_equal(xr_json_parse(xr_str_from(e->args), XR_JSON_DEPTH_MAX, &doc, NULL), XR_OK);
        assertion.args = yyjson_doc_get_root(doc);
    }
    struct xr_assertion_result got = check_one(&assertion, e->turn, &evidence, arena);
    if (got.status != e->status || !xr_str_eq(got.message, e->message) || !got.message.ptr != !e->message.ptr)
        fail_msg("row %zu: %s \"%.*s\"", row, xr_status_name(got.status), XR_STR_ARG(got.message));
}

static void every_kind_passes_fails_and_errs_with_its_message(void **state) {
    (void)state;
    bool seen[XR_ASSERT_KIND_COUNT][3] = {0};
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        check_example(&EXAMPLES[i], i);
        seen[EXAMPLES[i].assertion.kind][EXAMPLES[i].status] = true;
    }
    for (int kind = 0; kind < XR_ASSERT_KIND_COUNT; kind++) {
        bool needs_spans = kind >= XR_ASSERT_TOOL_CALLED && kind <= XR_ASSERT_TOOL_ARGS_MATCH;
        assert_true(seen[kind][XR_PASSED]);
        assert_true(seen[kind][XR_FAILED]);
        assert_true(seen[kind][XR_ERRORED] || needs_spans); /* theirs is in the next test */
    }
}

static const struct latency_example {
    int64_t response_ms, uncertainty_ms, max_ms;
    enum xr_status status;
    struct xr_str message;
} LATENCIES[] = {
    {812, 12, 800, XR_FAILED,
     TEXT("The agent answered after 812 ms, more than 800 ms, but within the measuring error of 12 ms.")},
    {813, 12, 800, XR_FAILED, TEXT("The agent answered after 813 ms, more than 800 ms.")},
    {812, 0, 800, XR_FAILED, TEXT("The agent answered after 812 ms, more than 800 ms.")},
    {812, -1, 800, XR_FAILED, TEXT("The agent answered after 812 ms, more than 800 ms.")},
    {788, 12, 800, XR_PASSED,
     TEXT("The agent answered after 788 ms, no more than 800 ms, but within the measuring error of 12 ms.")},
    {800, 1, 800, XR_PASSED,
     TEXT("The agent answered after 800 ms, no more than 800 ms, but within the measuring error of 1 ms.")},
    {787, 12, 800, XR_PASSED, NOTHING},
    {800, -1, 800, XR_PASSED, NOTHING}, /* nobody knows how near it is */
    {0, 20, INT64_C(9007199254740991), XR_PASSED, NOTHING},
    {INT64_MAX, 20, 1, XR_FAILED, TEXT("The agent answered after 9223372036854775807 ms, more than 1 ms.")},
};

static void a_limit_within_the_measuring_error_is_told_on_either_side(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof LATENCIES / sizeof *LATENCIES; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
        const struct latency_example *e = &LATENCIES[i];
        struct xr_turn_metric metrics[sizeof METRICS / sizeof *METRICS];
        struct xr_evidence evidence = full_evidence();
        memcpy(metrics, METRICS, sizeof metrics);
        metrics[1].agent_response_ms = e->response_ms;
        metrics[1].agent_response_uncertainty_ms = e->uncertainty_ms;
        evidence.metrics = metrics;
        struct xr_assertion assertion = {.kind = XR_ASSERT_MAX_LATENCY_MS, .max_ms = e->max_ms};
        struct xr_assertion_result got = check_one(&assertion, 1, &evidence, arena);
        if (got.status != e->status || !xr_str_eq(got.message, e->message) || !got.message.ptr != !e->message.ptr)
            fail_msg("row %zu: %s \"%.*s\"", i, xr_status_name(got.status), XR_STR_ARG(got.message));
    }
}

static const enum xr_assertion_kind TEXT_KINDS[] = {XR_ASSERT_CONTAINS, XR_ASSERT_NOT_CONTAINS, XR_ASSERT_EQUALS,
                                                    XR_ASSERT_REGEX};
static const enum xr_assertion_kind SPAN_KINDS[] = {XR_ASSERT_TOOL_CALLED, XR_ASSERT_TOOL_NOT_CALLED,
                                                    XR_ASSERT_TOOL_ARGS_MATCH, XR_ASSERT_MAX_TTFT_MS};

static void without_an_anchor_span_kinds_err_and_others_do_not(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_evidence evidence = full_evidence();
    evidence.recording_started_ns = XR_TIME_NONE;
    for (size_t i = 0; i < sizeof SPAN_KINDS / sizeof *SPAN_KINDS; i++) {
        struct xr_assertion assertion = {.kind = SPAN_KINDS[i], .text = TEXT("lookup"), .max_ms = 9000};
        struct xr_assertion_result got = check_one(&assertion, 1, &evidence, arena);
        assert_int_equal(got.status, XR_ERRORED);
        assert_true(xr_str_eq(got.message,
                              XR_STR("Spans cannot be attributed to turns: the recording's start time is unknown.")));
    }
    struct xr_assertion text = {.kind = XR_ASSERT_CONTAINS, .text = TEXT("way")};
    assert_int_equal(check_one(&text, 1, &evidence, arena).status, XR_PASSED);
    struct xr_assertion latency = {.kind = XR_ASSERT_MAX_LATENCY_MS, .max_ms = 780};
    assert_int_equal(check_one(&latency, 1, &evidence, arena).status, XR_PASSED);
}

static void transcription_none_is_named_as_the_reason(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_evidence evidence = full_evidence();
    evidence.transcript_count = 0;
    evidence.transcription_none = true;
    for (size_t i = 0; i < sizeof TEXT_KINDS / sizeof *TEXT_KINDS; i++) {
        struct xr_assertion assertion = {.kind = TEXT_KINDS[i], .text = TEXT("a")};
        struct xr_assertion_result got = check_one(&assertion, 1, &evidence, arena);
        assert_int_equal(got.status, XR_ERRORED);
        assert_true(
            xr_str_eq(got.message, XR_STR("There is no transcript to check: the transcription provider is \"none\".")));
    }
}

static void ill_formed_transcript_errs(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    const struct xr_transcript bad[] = {{1, TEXT("\xff")}};
    struct xr_evidence evidence = full_evidence();
    evidence.transcripts = bad;
    evidence.transcript_count = 1;
    struct xr_assertion assertion = {.kind = XR_ASSERT_CONTAINS, .text = TEXT("a"), .case_insensitive = true};
    struct xr_assertion_result got = check_one(&assertion, 1, &evidence, arena);
    assert_int_equal(got.status, XR_ERRORED);
    assert_true(xr_str_eq(got.message, XR_STR("The check could not be made: not valid UTF-8.")));
}

static void long_text_is_cut_at_a_code_point(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    enum { EXACT = XR_MESSAGE_EXCERPT_MAX, LONGER = EXACT + 1, BYTES = 3 };
    char text[LONGER * BYTES];
    for (size_t i = 0; i < LONGER; i++)
        memcpy(text + i * BYTES, "\xE2\x82\xAC", BYTES);
    for (size_t n = EXACT; n <= LONGER; n++) {
        const struct xr_transcript heard[] = {{1, {.ptr = text, .len = n * BYTES}}};
        struct xr_evidence evidence = full_evidence();
        evidence.transcripts = heard;
        evidence.transcript_count = 1;
        struct xr_assertion assertion = {.kind = XR_ASSERT_CONTAINS, .text = TEXT("a")};
        struct xr_assertion_result got = check_one(&assertion, 1, &evidence, arena);
        struct xr_str head = XR_STR("The transcript does not contain \"a\": it is \"");
        struct xr_str tail = n == EXACT ? XR_STR("\".") : XR_STR("\xE2\x80\xA6\".");
        assert_int_equal(got.message.len, head.len + sizeof text - BYTES + tail.len);
        assert_memory_equal(got.message.ptr + got.message.len - tail.len, tail.ptr, tail.len);
    }
}

static void results_come_by_turn_then_index_and_follow_the_map(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_evidence evidence = full_evidence();
    struct xr_assertion calls[] = {{.kind = XR_ASSERT_TOOL_CALLED, .text = TEXT("lookup")},
                                   {.kind = XR_ASSERT_TOOL_CALLED, .text = TEXT("a")}};
    struct xr_turn_spec turns[] = {
        {0}, {.assertions = calls, .assertion_count = 2}, {.assertions = calls, .assertion_count = 2}};
    struct xr_spec spec = {.turns = turns, .turn_count = 3};
    const size_t map[] = {0, 1, 3};
    static const struct xr_assertion_result WANT[] = {
        {1, 0, XR_ASSERT_TOOL_CALLED, XR_PASSED, NOTHING},
        {1, 1, XR_ASSERT_TOOL_CALLED, XR_FAILED, NOTHING},
        {2, 0, XR_ASSERT_TOOL_CALLED, XR_FAILED, NOTHING},
        {2, 1, XR_ASSERT_TOOL_CALLED, XR_PASSED, NOTHING},
    };
    struct xr_assertion_result *results = NULL;
    size_t count = 0;
    assert_int_equal(xr_assertions_check(&spec, map, &evidence, arena, &results, &count, NULL), XR_OK);
    assert_int_equal(count, 4);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(results[i].turn_idx, WANT[i].turn_idx);
        assert_int_equal(results[i].assertion_idx, WANT[i].assertion_idx);
        assert_int_equal(results[i].status, WANT[i].status);
    }
}

static void no_assertions_give_no_results(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_evidence evidence = full_evidence();
    struct xr_spec spec = {0};
    struct xr_assertion_result *results = NULL;
    size_t count = 99;
    assert_int_equal(xr_assertions_check(&spec, NULL, &evidence, arena, &results, &count, NULL), XR_OK);
    assert_int_equal(count, 0);
}

/* The arena refuses at every size in turn, until one is large enough. */
static void running_out_of_memory_writes_nothing(void **state) {
    (void)state;
    struct xr_evidence evidence = full_evidence();
    struct xr_assertion assertions[] = {
        {.kind = XR_ASSERT_EQUALS, .text = TEXT("a"), .case_insensitive = true},
        {.kind = XR_ASSERT_MAX_TTFT_MS, .max_ms = 1},
    };
    struct xr_turn_spec turn = {.assertions = assertions, .assertion_count = 2};
    struct xr_spec spec = {.turns = &turn, .turn_count = 1};
    const size_t map[] = {1};
    size_t refused = 0;
    for (size_t cap = 0;; cap += 16, refused++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(cap);
        struct xr_assertion_result *results = NULL;
        size_t count = 99;
        struct xr_err err = {0};
        enum xr_code code = xr_assertions_check(&spec, map, &evidence, arena, &results, &count, &err);
        if (code == XR_OK)
            break;
        assert_int_equal(code, XR_NO_MEMORY);
        assert_int_equal(err.code, XR_NO_MEMORY);
        assert_null(results);
        assert_int_equal(count, 99);
    }
    assert_true(refused > 10);
}

static void statuses_have_their_names(void **state) {
    (void)state;
    assert_string_equal(xr_status_name(XR_PASSED), "passed");
    assert_string_equal(xr_status_name(XR_FAILED), "failed");
    assert_string_equal(xr_status_name(XR_ERRORED), "errored");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_passes_fails_and_errs_with_its_message),
        cmocka_unit_test(a_limit_within_the_measuring_error_is_told_on_either_side),
        cmocka_unit_test(without_an_anchor_span_kinds_err_and_others_do_not),
        cmocka_unit_test(transcription_none_is_named_as_the_reason),
        cmocka_unit_test(ill_formed_transcript_errs),
        cmocka_unit_test(long_text_is_cut_at_a_code_point),
        cmocka_unit_test(results_come_by_turn_then_index_and_follow_the_map),
        cmocka_unit_test(no_assertions_give_no_results),
        cmocka_unit_test(running_out_of_memory_writes_nothing),
        cmocka_unit_test(statuses_have_their_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
