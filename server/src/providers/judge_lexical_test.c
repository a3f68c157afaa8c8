// SPDX-License-Identifier: Apache-2.0
#include "providers/testing.h"
#include <stdlib.h>

#define TURN(agent, words) {.is_agent = (agent), .text = XR_STR(words)}
enum { TURNS_MAX = 4, ARENA = 1 << 20 };

struct fixture {
    struct xr_providers_config *config;
    struct xr_providers *providers;
    struct xr_arena *arena;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->config = test_config((const char *const[]){"XRAY_JUDGE_PROVIDER", "lexical", NULL});
    f->arena = xr_arena_new(ARENA);
    assert_int_equal(xr_providers_new(f->config, 1, 8, xr_clock_system(), &f->providers, NULL), XR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    xr_providers_free(f->providers);
    xr_providers_config_free(f->config);
    xr_arena_free(f->arena);
    free(f);
    return 0;
}

static void judge(struct fixture *f, struct xr_judge_call *call) {
    struct test_wait wait = TEST_WAIT;
    call->call = test_call(&wait, NULL);
    call->arena = f->arena;
    xr_judge_start(f->providers, call);
    test_await(&wait, 1);
}

static void score_is_the_share_of_the_references_words_the_agent_said(void **state) {
    static const struct {
        struct xr_str reference;
        struct xr_judge_turn turns[TURNS_MAX];
        int64_t score;
        const char *reason;
    } CASES[] = {
        {XR_STR("A table for four at 7:30 pm"),
         {TURN(true, "i have booked a table for four people"), TURN(true, "at seven thirty p. m.")},
         100,
         "all 4 content words were said"},
        {XR_STR("The tables are booked"), {TURN(true, "booking a table")}, 100, "all 2 content words were said"},
        {XR_STR("Your refund was approved"), {TURN(true, "your refund is on its way")}, 50, "missing: approved"},
        {XR_STR("red green blue"), {TURN(true, "red")}, 33, "missing: green, blue"},
        {XR_STR("red green blue"), {TURN(true, "red and blue")}, 67, "missing: green"},
        {XR_STR("red green"), {TURN(false, "red green"), TURN(true, "pardon")}, 0, "missing: red, green"},
        {XR_STR("red red red green"), {TURN(true, "red")}, 50, "missing: green"},
        {XR_STR("at 19:30"), {TURN(true, "seven thirty in the evening")}, 100, "all 1 content words were said"},
        {XR_STR("seven thirty pm"), {TURN(true, "at 19:30")}, 100, "all 2 content words were said"},
        {XR_STR("twenty five dollars"), {TURN(true, "that is $25")}, 100, "all 2 content words were said"},
        {XR_STR("Seven Thirty"), {TURN(true, "")}, 0, "missing: seven thirty"},
        {XR_STR("red"), {TURN(true, "b\0red")}, 100, "all 1 content words were said"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_judge_call call = {
            .reference = CASES[i].reference, .turns = CASES[i].turns, .turn_count = TURNS_MAX, .prompt_version = 7};
        judge(*state, &call);
        assert_int_equal(call.call.code, XR_OK);
        assert_int_equal(call.score, CASES[i].score);
        assert_true(xr_str_eq(call.reason, xr_str_from(CASES[i].reason)));
        assert_int_equal(call.prompt_version, 0);
    }
}

static void nothing_said_is_zero(void **state) {
    struct xr_judge_call call = {.reference = XR_STR("a refund")};
    judge(*state, &call);
    assert_int_equal(call.call.code, XR_OK);
    assert_int_equal(call.score, 0);
}

static void a_reference_without_content_words_is_refused(void **state) {
    static const struct xr_judge_turn TURNS[] = {TURN(true, "hello")};
    struct xr_judge_call call = {.reference = XR_STR("To be, or not to be?"), .turns = TURNS, .turn_count = 1};
    judge(*state, &call);
    assert_int_equal(call.call.code, XR_REFUSED);
    assert_int_equal(call.call.err.code, XR_REFUSED);
    assert_string_equal(call.call.err.message, "the reference has no content words to look for");
    assert_null(call.reason.ptr);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(score_is_the_share_of_the_references_words_the_agent_said),
        cmocka_unit_test(nothing_said_is_zero),
        cmocka_unit_test(a_reference_without_content_words_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
