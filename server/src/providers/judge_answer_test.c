// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "providers/judge_answer.h"
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { UNTOUCHED = 77 };

/* Reads a copy that ends where its allocation does. The call keeps what it had where there is no answer. */
static enum xr_code read_answer(struct xr_arena *arena, struct xr_str text, struct xr_judge_call *call,
                                struct xr_err *err) {
    char *copy = malloc(text.len > 0 ? text.len : 1);
    memcpy(copy, text.ptr, text.len);
    *call = (struct xr_judge_call){.arena = arena, .score = UNTOUCHED};
    enum xr_code code = xr_judge_answer((struct xr_str){.ptr = copy, .len = text.len}, call, err);
    free(copy);
    if (code != XR_OK) {
        assert_int_equal(err->code, code);
        assert_int_equal(call->score, UNTOUCHED);
        assert_null(call->reason.ptr);
    }
    return code;
}

static void assert_answer(struct xr_str text, int64_t score, const char *reason) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct xr_judge_call call;
    struct xr_err err = {0};
    if (read_answer(arena, text, &call, &err) != XR_OK)
        fail_msg("%.*s: %s", (int)text.len, text.ptr, err.message);
    assert_int_equal(call.score, score);
    assert_int_equal(call.reason.ptr != NULL, reason != NULL);
    if (reason)
        assert_true(xr_str_eq(call.reason, xr_str_from(reason)));
}

static void assert_refused(struct xr_str text, const char *message) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct xr_judge_call call;
    struct xr_err err = {0};
    assert_int_equal(read_answer(arena, text, &call, &err), XR_REFUSED);
    assert_string_equal(err.message, message);
}

static void the_object_is_found_wherever_it_stands(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        int64_t score;
        const char *reason;
    } CASES[] = {
        {XR_STR("{\"score\":85,\"reason\":\"good\"}"), 85, "good"},
        {XR_STR(" \n{ \"reason\" : \"good\" , \"score\" : 85 }\n"), 85, "good"},
        {XR_STR("```json\n{\"score\": 85, \"reason\": \"good\"}\n```"), 85, "good"},
        {XR_STR("```\n{\"score\": 85, \"reason\": \"good\"}\n```\n"), 85, "good"},
        {XR_STR("Here is my grade: {\"score\": 85, \"reason\": \"good\"} I hope it helps {you}."), 85, "good"},
        {XR_STR("[{\"score\":85,\"reason\":\"good\"}]"), 85, "good"},
        /* braces in strings, escapes */
        {XR_STR("{\"reason\":\"said } and { and \\\"}\\\" \\\\\",\"score\":85} }"), 85, "said } and { and \"}\" \\"},
        /* braces that are no object's, and objects that are not the answer */
        {XR_STR("The set {a, b} and {} and {\"turn\": 3} give {\"score\": 85}"), 85, NULL},
        {XR_STR("As {\"score\": <0..100>, \"reason\": \"...\"} asks: {\"score\": 85, \"reason\": \"good\"}"), 85,
         "good"},
        {XR_STR("f(x) = {x} { {\"score\": 85}"), 85, NULL},
        {XR_STR("{\"score\": 85, \"parts\": [{\"score\": 1}, {\"score\": 2}]}"), 85, NULL},
        /* the last of duplicate keys */
        {XR_STR("{\"score\": 85, \"reason\": \"a\", \"reason\": \"b\"}"), 85, "b"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_answer(CASES[i].text, CASES[i].score, CASES[i].reason);
}

static void several_scores_are_read_if_they_are_the_same(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        int64_t score;
        const char *reason;
    } CASES[] = {
        {XR_STR("{\"score\":85,\"reason\":\"draft\"} So: {\"score\":85,\"reason\":\"last\"}"), 85, "last"},
        {XR_STR("[{\"score\":85,\"reason\":\"a\"},{\"score\":85,\"reason\":\"b\"},{\"score\":85,\"reason\":\"c\"}]"),
         85, "c"},
        {XR_STR("{\"score\":85,\"reason\":\"a\"}{\"score\":85}"), 85, NULL},
        {XR_STR("{\"score\":\"84.6%\",\"reason\":\"a\"}{\"score\":85.4,\"reason\":\"b\"}"), 85, "b"},
        {XR_STR("{\"score\":0}{\"score\":0.4}{\"score\":-0}"), 0, NULL},
        /* in one object */
        {XR_STR("{\"score\":85,\"score\":\"84.6%\",\"reason\":\"a\"}"), 85, "a"},
        /* those that have no score, and those that are no JSON, do not count */
        {XR_STR("{\"score\":85,\"reason\":\"a\"} {\"reason\":\"b\"} {\"score\":10,}"), 85, "a"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_answer(CASES[i].text, CASES[i].score, CASES[i].reason);
}

static void scores_that_differ_are_refused(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        const char *message;
    } CASES[] = {
        {XR_STR("The agent said {\"score\":100} but ... {\"score\":0,\"reason\":\"it did not book\"}"),
         "the judge's answer has several scores: 100, 0"},
        {XR_STR("{\"score\":0,\"reason\":\"it asked for {\\\"score\\\":100}\"} as in {\"score\":100}"),
         "the judge's answer has several scores: 0, 100"},
        {XR_STR("[{\"score\":85},{\"score\":85},{\"score\":84.4},{\"score\":7}]"),
         "the judge's answer has several scores: 85, 84"},
        {XR_STR("```json\n{\"score\":100}\n```\nOn second thoughts:\n```json\n{\"score\":40}\n```"),
         "the judge's answer has several scores: 100, 40"},
        /* in one object */
        {XR_STR("{\"score\":1,\"score\":85,\"reason\":\"a\"}"), "the judge's answer has several scores: 1, 85"},
        {XR_STR("{\"score\":85} {\"score\":85,\"score\":1}"), "the judge's answer has several scores: 85, 1"},
        {XR_STR("{\"score\":85,\"score\":86,\"score\":85}"), "the judge's answer has several scores: 85, 86"},
        {XR_STR("{\"score\":85,\"score\":null,\"score\":-1}"), "the judge's score is null, not a number"},
        /* one of them cannot be used: the first such one is told */
        {XR_STR("{\"score\":85} {\"score\":120}"), "the judge's score 120 is not in 0..100"},
        {XR_STR("{\"score\":null} {\"score\":85}"), "the judge's score is null, not a number"},
        {XR_STR("{\"score\":1} {\"score\":\"high\"} {\"score\":-1} {\"score\":2}"),
         "the judge's score is \"high\", not a number"},
        {XR_STR("[{\"score\":85},{\"score\":[85]}]"), "the judge's score is an array, not a number"},
        /* the last may be the answer, cut off */
        {XR_STR("{\"score\":100} would be wrong. {\"score\":0,\"reas"),
         "the judge's answer is cut off: {\"score\":100} would be wrong. {\"score\":0,\"reas"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_refused(CASES[i].text, CASES[i].message);
}

static void thinking_is_not_looked_at(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        int64_t score;
        const char *reason;
    } CASES[] = {
        {XR_STR("<think>perhaps {\"score\": 20}</think>\n{\"score\": 85}"), 85, NULL},
        {XR_STR("[THINK]perhaps {\"score\": 20}[/THINK]{\"score\": 85}"), 85, NULL},
        {XR_STR("<thinking>perhaps {\"score\": 20}</thinking>{\"score\": 85}"), 85, NULL},
        {XR_STR("<reasoning>perhaps {\"score\": 20}</reasoning>{\"score\": 85}"), 85, NULL},
        /* it did not begin the text, or nothing opened it, or it came in parts */
        {XR_STR("Well. {\"score\": 10} <think>{\"score\": 20}</think> {\"score\": 85}"), 85, NULL},
        {XR_STR("perhaps {\"score\": 20}, or {\"score\": null}\n</think>\n{\"score\": 85}"), 85, NULL},
        {XR_STR("perhaps {\"score\": 20}[/THINK]{\"score\": 85}"), 85, NULL},
        {XR_STR("perhaps {\"score\": 20}</thinking>{\"score\": 85}"), 85, NULL},
        {XR_STR("perhaps {\"score\": 20}</reasoning>{\"score\": 85}"), 85, NULL},
        {XR_STR("<think>{\"score\": 1}</think>{\"score\": 2}<think>{\"score\": 3}</think>{\"score\": 85}"), 85, NULL},
        {XR_STR("<think>it leaks </think> {\"score\": 20}</think>{\"score\": 85}"), 85, NULL},
        {XR_STR("</think></think>[/THINK]{\"score\": 85}</thin"), 85, NULL},
        /* what opened thinking says is not even JSON, nor of another kind */
        {XR_STR("<think>like {\"score\": 20, \"reason\": \"...</think>{\"score\": 85}"), 85, NULL},
        {XR_STR("[THINK]what <think> or </think> may be: {\"score\": 20}[/THINK]{\"score\": 85}"), 85, NULL},
        {XR_STR("<thinking>what </think> or </reasoning> may be: {\"score\": 20}</thinking>{\"score\": 85}"), 85, NULL},
        {XR_STR("<reasoning>{\"score\": 20, \"reason\": \"...</reasoning>{\"score\": 85}"), 85, NULL},
        /* tags in a string of the answer are a part of it */
        {XR_STR("{\"score\": 85, \"reason\": \"it said </think> \\ud83d\"}"), 85, "it said </think> \xef\xbf\xbd"},
        {XR_STR("<think>{\"score\": 1}</think>{\"score\": 85, \"reason\": \"[/THINK] {\\\"score\\\": 100}\"}"), 85,
         "[/THINK] {\"score\": 100}"},
        {XR_STR("{\"score\": 85, \"reason\": \"it said <think> and [THINK]\"}"), 85, "it said <think> and [THINK]"},
        {XR_STR("{\"reason\": \"</think>{\", \"score\": 85}"), 85, "</think>{"},
        /* no tags */
        {XR_STR("{\"score\": 85, \"reason\": \"it said </thinking> and <reasoning>\"}"), 85,
         "it said </thinking> and <reasoning>"},
        {XR_STR("<reason> <thinking {\"score\": 85} </thinkin>"), 85, NULL},
        {XR_STR("<think >{\"score\": 85}< /think>[think][/Think]"), 85, NULL},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_answer(CASES[i].text, CASES[i].score, CASES[i].reason);
}

static void thinking_is_not_taken_for_the_answer(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        const char *message;
    } CASES[] = {
        {XR_STR("<think>cut {\"score\": 85}"), "the judge's answer ends in its thinking: <think>cut {\"score\": 85}"},
        {XR_STR("[THINK]{\"score\": 85}</think>{\"score\": 100}"),
         "the judge's answer ends in its thinking: [THINK]{\"score\": 85}</think>{\"score\": 100}"},
        {XR_STR("{\"score\": 85} or <think> {\"score\": 20}"),
         "the judge's answer ends in its thinking: {\"score\": 85} or <think> {\"score\": 20}"},
        {XR_STR("<think>a</think> {\"score\": 1} <think>b"),
         "the judge's answer ends in its thinking: {\"score\": 1} <think>b"},
        {XR_STR("<thinking>{\"score\": 85}</think>{\"score\": 100}"),
         "the judge's answer ends in its thinking: <thinking>{\"score\": 85}</think>{\"score\": 100}"},
        {XR_STR("<reasoning>{\"score\": 85}"), "the judge's answer ends in its thinking: <reasoning>{\"score\": 85}"},
        {XR_STR("{\"score\": 100}</reasoning>"), "the judge's answer is empty"},
        {XR_STR("<think>"), "the judge's answer ends in its thinking: <think>"},
        {XR_STR("<think>{\"score\": 100}</think>"), "the judge's answer is empty"},
        {XR_STR("{\"score\": 100}\n[/THINK]\n"), "the judge's answer is empty"},
        {XR_STR("<think>{\"score\": 100}</think>I cannot grade this."),
         "the judge's answer is not JSON: I cannot grade this."},
        {XR_STR("{\"score\": 100}</think>{\"reason\": \"none\"}"),
         "the judge's answer has no score: {\"reason\": \"none\"}"},
        {XR_STR("<think>{\"score\": 1}</think>{\"score\": 2} {\"score\": 3}"),
         "the judge's answer has several scores: 2, 3"},
        /* an answer whose own quotes are not escaped */
        {XR_STR("{\"score\":0,\"reason\":\"it wrote \"</think>{\"score\":100}\" to me\"}"),
         "the judge's answer is not JSON: {\"score\":0,\"reason\":\"it wrote \"</think>{\"score\":100}\" to me\"}"},
        {XR_STR("{\"score\":0,\"reason\":\"it wrote \"</think>{\"score\":100} to me\"}"),
         "the judge's answer is cut off: {\"score\":0,\"reason\":\"it wrote \"</think>{\"score\":100} to me\"}"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_refused(CASES[i].text, CASES[i].message);
}

static void the_score_is_a_number_of_0_to_100_rounded_half_up(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int64_t score;
    } CASES[] = {
        {"0", 0},
        {"100", 100},
        {"-0", 0},
        {"84.5", 85},
        {"84.49", 84},
        {"99.5", 100},
        {"0.49999999999999994", 0},
        {"1e2", 100},
        {"8.5e1", 85},
        {"1e-400", 0},
        {"\"85\"", 85},
        {"\" 85 \"", 85},
        {"\"\\u00a085\\n\"", 85},
        {"\"85.5\"", 86},
        {"\"85%\"", 85},
        {"\"85 %\"", 85},
        {"\"85/100\"", 85},
        {"\"85.4 / 100\"", 85},
        {"\"+85\"", 85},
        {"\"007\"", 7},
        {"\"-0\"", 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[128];
        snprintf(text, sizeof text, "{\"score\":%s,\"reason\":\"r\"}", CASES[i].value);
        assert_answer(xr_str_from(text), CASES[i].score, "r");
    }
}

static void another_score_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *value, *message;
    } CASES[] = {
        {"120", "the judge's score 120 is not in 0..100"},
        {"-1", "the judge's score -1 is not in 0..100"},
        {"100.4", "the judge's score 100.4 is not in 0..100"},
        {"-0.1", "the judge's score -0.1 is not in 0..100"},
        {"18446744073709551615", "the judge's score 18446744073709552000 is not in 0..100"},
        {"-9223372036854775808", "the judge's score -9223372036854776000 is not in 0..100"},
        {"1e300", "the judge's score 1e+300 is not in 0..100"},
        {"1e999", "the judge's score Infinity is not in 0..100"},
        {"NaN", "the judge's score NaN is not in 0..100"},
        {"Infinity", "the judge's score Infinity is not in 0..100"},
        {"-Infinity", "the judge's score -Infinity is not in 0..100"},
        {"null", "the judge's score is null, not a number"},
        {"true", "the judge's score is true, not a number"},
        {"false", "the judge's score is false, not a number"},
        {"[85]", "the judge's score is an array, not a number"},
        {"{\"score\":85}", "the judge's score is an object, not a number"},
        {"\"120\"", "the judge's score 120 is not in 0..100"},
        {"\"-5%\"", "the judge's score -5 is not in 0..100"},
        {"\"\"", "the judge's score is \"\", not a number"},
        {"\" \"", "the judge's score is \" \", not a number"},
        {"\"8/10\"", "the judge's score is \"8/10\", not a number"},
        {"\"85/1000\"", "the judge's score is \"85/1000\", not a number"},
        {"\"85/\"", "the judge's score is \"85/\", not a number"},
        {"\"85 points\"", "the judge's score is \"85 points\", not a number"},
        {"\"85,5\"", "the judge's score is \"85,5\", not a number"},
        {"\"85.\"", "the judge's score is \"85.\", not a number"},
        {"\".5\"", "the judge's score is \".5\", not a number"},
        {"\"8.5e1\"", "the judge's score is \"8.5e1\", not a number"},
        {"\"0x55\"", "the judge's score is \"0x55\", not a number"},
        {"\"+-5\"", "the judge's score is \"+-5\", not a number"},
        {"\"NaN\"", "the judge's score is \"NaN\", not a number"},
        {"\"inf\"", "the judge's score is \"inf\", not a number"},
        {"\"8\\u00005\"", "the judge's score is \"8 5\", not a number"},
        {"\"85\\u0000\"", "the judge's score is \"85 \", not a number"},
        {"\"high\"", "the judge's score is \"high\", not a number"},
        {"\"00000000000000000000000000000000000000000000000000000000000000085\"",
         "the judge's score is \"00000000000000000000000000000000000000000000000000000000000000085\", not a number"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char text[256];
        snprintf(text, sizeof text, "{\"score\":%s,\"reason\":\"r\"}", CASES[i].value);
        assert_refused(xr_str_from(text), CASES[i].message);
    }
}

static void a_reason_that_is_none_is_left_out(void **state) {
    (void)state;
    assert_answer(XR_STR("{\"score\":85}"), 85, NULL);
    assert_answer(XR_STR("{\"score\":85,\"reason\":null}"), 85, NULL);
    assert_answer(XR_STR("{\"score\":85,\"reason\":[\"a\"]}"), 85, NULL);
    assert_answer(XR_STR("{\"score\":85,\"reason\":7}"), 85, NULL);
    assert_answer(XR_STR("{\"score\":85,\"reason\":\" \\n\"}"), 85, NULL);
    assert_answer(XR_STR("{\"score\":85,\"reason\":\"\\u00a0 short\\n\"}"), 85, "short");
}

/* { "score": 85, "reason": lead, then so many euro signs of 3 bytes each } */
static char *long_reason(const char *lead, size_t signs) {
    static const char HEAD[] = "{\"score\":85,\"reason\":\"";
    char *text = malloc(sizeof HEAD + strlen(lead) + 3 * signs + 3), *to = text;
    to += sprintf(to, "%s%s", HEAD, lead);
    for (size_t i = 0; i < signs; i++, to += 3)
        memcpy(to, "\xe2\x82\xac", 3);
    memcpy(to, "\"}", 3);
    return text;
}

static void an_overlong_reason_is_cut_between_characters(void **state) {
    (void)state;
    static const struct {
        const char *lead;
        size_t signs, len;
    } CASES[] = {
        {"a", (XR_JUDGE_REASON_MAX - 1) / 3, XR_JUDGE_REASON_MAX}, /* 1 + 3 * 1365 is just that */
        {"a", 2000, XR_JUDGE_REASON_MAX},
        {"ab", 2000, XR_JUDGE_REASON_MAX - 2},
        {"abc", 2000, XR_JUDGE_REASON_MAX - 1},
        {"a", 300000, XR_JUDGE_REASON_MAX},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
        char *text = long_reason(CASES[i].lead, CASES[i].signs);
        struct xr_judge_call call;
        struct xr_err err;
        assert_int_equal(read_answer(arena, xr_str_from(text), &call, &err), XR_OK);
        assert_int_equal(call.reason.len, CASES[i].len);
        assert_memory_equal(call.reason.ptr, text + strlen("{\"score\":85,\"reason\":\""), CASES[i].len);
        free(text);
    }
}

static void text_without_an_answer_is_refused_with_an_excerpt(void **state) {
    (void)state;
    assert_refused(XR_STR(""), "the judge's answer is empty");
    assert_refused(XR_STR(" \n\t"), "the judge's answer is empty");
    assert_refused(XR_STR("<think>I think</think>"), "the judge's answer is empty");
    assert_refused(XR_STR("I would say\n\n85."), "the judge's answer is not JSON: I would say 85.");
    assert_refused(XR_STR("85"), "the judge's answer is not JSON: 85");
    assert_refused(XR_STR("null"), "the judge's answer is not JSON: null");
    assert_refused(XR_STR("{\"score\": 85, \"reas"), "the judge's answer is cut off: {\"score\": 85, \"reas");
    assert_refused(XR_STR("{score: 85}"), "the judge's answer is not JSON: {score: 85}");
    assert_refused(XR_STR("{\"score\": 85,}"), "the judge's answer is not JSON: {\"score\": 85,}");
    assert_refused(XR_STR("{}"), "the judge's answer has no score: {}");
    assert_refused(XR_STR("{\"reason\":\"good\"}"), "the judge's answer has no score: {\"reason\":\"good\"}");
    assert_refused(XR_STR("{\"result\":{\"score\":85}}"),
                   "the judge's answer has no score: {\"result\":{\"score\":85}}");
    assert_refused(XR_STR("{\"Score\":85}"), "the judge's answer has no score: {\"Score\":85}");
    assert_refused(XR_STR("I'm sorry, but I cannot grade conversations of this kind, because it would not be right to "
                          "do that, and you should ask somebody else."),
                   "the judge's answer is not JSON: I'm sorry, but I cannot grade conversations of this kind, because "
                   "it would not be right to do that, and you should ask s...");
}

static void a_part_of_an_answer_is_not_taken_for_the_whole(void **state) {
    (void)state;
    static const char *const CASES[] = {
        "{\"parts\":[{\"score\":10}],\"sco",
        "{\"parts\":[{\"score\":10},{\"score\":",
        "{\"reason\":\"the agent said {\\\"score\\\":100}",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char message[256];
        snprintf(message, sizeof message, "the judge's answer is cut off: %s", CASES[i]);
        assert_refused(xr_str_from(CASES[i]), message);
    }
    assert_refused(XR_STR("{\"parts\":[{\"score\":10}],\"score\":85,}"),
                   "the judge's answer is not JSON: {\"parts\":[{\"score\":10}],\"score\":85,}");
}

static void hostile_text_is_refused_soon(void **state) {
    (void)state;
    static const char *const UNITS[] = {"{",
                                        "{\"",
                                        "{\"a\":",
                                        "{\"a\":{}",
                                        "{ ",
                                        "[",
                                        "\\{\"",
                                        "{\"score\":[",
                                        "{\"\":0,",
                                        "{}",
                                        "{\"}",
                                        "<think>",
                                        "</think>",
                                        "<think></think>",
                                        "[THINK]</think>",
                                        "<thinking></reasoning>",
                                        "<reasoning></thinking></reasoning>",
                                        "{\"</think>",
                                        "<think>{\"</think>",
                                        "{\"score\":1}{\"score\":2}",
                                        "{\"score\":1} ",
                                        "{\"score\":1,\"score\":2}",
                                        "{\"score\":\"x\"}"};
    enum { LEN = XR_JUDGE_ANSWER_MAX, SOON_S = 100 }; /* looking from every '{' to the end would take many minutes */
    char *text = malloc(LEN);
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    clock_t start = clock();
    for (size_t i = 0; i < sizeof UNITS / sizeof *UNITS; i++) {
        struct xr_judge_call call;
        struct xr_err err;
        for (size_t at = 0, n = strlen(UNITS[i]); at < LEN; at++)
            text[at] = UNITS[i][at % n];
        assert_int_equal(read_answer(arena, (struct xr_str){.ptr = text, .len = LEN}, &call, &err), XR_REFUSED);
    }
    free(text);
    assert_true((clock() - start) / CLOCKS_PER_SEC < SOON_S);
}

static void a_text_over_the_bound_is_refused(void **state) {
    (void)state;
    enum { LEN = XR_JUDGE_ANSWER_MAX + 1 };
    static const char HEAD[] = "{\"score\":85,\"reason\":\"";
    char *text = malloc(LEN);
    memset(text, 'a', LEN);
    memcpy(text, HEAD, sizeof HEAD - 1);
    memcpy(text + LEN - 2, "\"}", 2);
    assert_refused((struct xr_str){.ptr = text, .len = LEN}, "the judge's answer has 1048577 bytes, more than 1048576");
    text[LEN - 3] = '"';
    text[LEN - 2] = '}';
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct xr_judge_call call;
    struct xr_err err;
    assert_int_equal(read_answer(arena, (struct xr_str){.ptr = text, .len = LEN - 1}, &call, &err), XR_OK);
    free(text);
}

static void depth_is_no_matter(void **state) {
    (void)state;
    enum { DEPTH = 400000 };
    static const struct xr_str HEAD = XR_STR("{\"score\":85,\"x\":");
    static char text[2 * DEPTH + 64];
    memcpy(text, HEAD.ptr, HEAD.len);
    memset(text + HEAD.len, '[', DEPTH);
    memset(text + HEAD.len + DEPTH, ']', DEPTH);
    text[HEAD.len + 2 * (size_t)DEPTH] = '}';
    assert_answer(xr_str_from(text), 85, NULL);
}

static void a_full_arena_is_no_memory(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(16);
    struct xr_judge_call call;
    struct xr_err err;
    assert_int_equal(read_answer(arena, XR_STR("{\"score\":85,\"reason\":\"longer than sixteen\"}"), &call, &err),
                     XR_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_object_is_found_wherever_it_stands),
        cmocka_unit_test(several_scores_are_read_if_they_are_the_same),
        cmocka_unit_test(scores_that_differ_are_refused),
        cmocka_unit_test(thinking_is_not_looked_at),
        cmocka_unit_test(thinking_is_not_taken_for_the_answer),
        cmocka_unit_test(the_score_is_a_number_of_0_to_100_rounded_half_up),
        cmocka_unit_test(another_score_is_refused_by_name),
        cmocka_unit_test(a_reason_that_is_none_is_left_out),
        cmocka_unit_test(an_overlong_reason_is_cut_between_characters),
        cmocka_unit_test(text_without_an_answer_is_refused_with_an_excerpt),
        cmocka_unit_test(a_part_of_an_answer_is_not_taken_for_the_whole),
        cmocka_unit_test(hostile_text_is_refused_soon),
        cmocka_unit_test(a_text_over_the_bound_is_refused),
        cmocka_unit_test(depth_is_no_matter),
        cmocka_unit_test(a_full_arena_is_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
