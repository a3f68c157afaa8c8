// SPDX-License-Identifier: Apache-2.0
/* Calls through an adapter to a host, seen from providers.h. What each adapter makes of it has tests of its own. */
#include "providers/host_testing.h"
#include "providers/provider.h"
#include "providers/testing.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY "sk-secret-0123456789"
#define JUDGED(content)                                                                                                \
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"                                   \
    "{\"choices\":[{\"finish_reason\":\"stop\",\"message\":{\"role\":\"assistant\",\"content\":\"" content "\"}}],"    \
    "\"usage\":{\"prompt_tokens\":100,\"completion_tokens\":7}}"
#define GOOD JUDGED("{\\\"score\\\": 80, \\\"reason\\\": \\\"Fine.\\\"}")
#define SCRIPT(f, ...)                                                                                                 \
    static const struct test_answer answers_[] = {__VA_ARGS__};                                                        \
    test_host_script((f)->host, answers_, sizeof answers_ / sizeof *answers_)

enum { MANY = 20, CONCURRENCY = 2 };

struct fixture {
    struct test_host *host;
    struct xr_providers_config *config;
    struct xr_providers *providers;
    struct xr_arena *arenas[MANY]; /* one a call: answers are read side by side */
    size_t started;
    struct test_wait wait;
};

static const struct xr_judge_turn SAID[] = {{.idx = 1, .is_agent = true, .text = XR_STR("We open at nine.")}};

static int setup(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    f->wait = (struct test_wait)TEST_WAIT;
    f->host = test_host_new();
    const char *pairs[] = {"OPENAI_BASE_URL", test_host_url(f->host), "OPENAI_API_KEY", KEY, NULL};
    f->config = test_config(pairs);
    assert_int_equal(xr_providers_new(f->config, 1, CONCURRENCY, xr_clock_system(), &f->providers, NULL), XR_OK);
    *state = f;
    return 0;
}

static int teardown(void **state) {
    struct fixture *f = *state;
    xr_providers_free(f->providers);
    test_host_free(f->host);
    xr_providers_config_free(f->config);
    for (size_t i = 0; i < f->started; i++)
        xr_arena_free(f->arenas[i]);
    free(f);
    return 0;
}

static void start(struct fixture *f, struct xr_judge_call *call, struct xr_call_group *group) {
    struct xr_arena *arena = f->arenas[f->started++] = xr_arena_new(XR_CALL_ARENA_MAX);
    *call = (struct xr_judge_call){.call = test_call(&f->wait, group),
                                   .reference = XR_STR("The agent says when they open."),
                                   .turns = SAID,
                                   .turn_count = 1,
                                   .arena = arena};
    xr_judge_start(f->providers, call);
}

static void judge(struct fixture *f, struct xr_judge_call *call) {
    int answers = f->wait.answers;
    start(f, call, NULL);
    test_await(&f->wait, answers + 1);
}

static void a_call_is_answered_by_the_host(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call call;
    SCRIPT(f, {GOOD, .cut = true});
    judge(f, &call);
    assert_int_equal(call.call.code, XR_OK);
    assert_int_equal(call.score, 80);
    assert_true(xr_str_eq(call.reason, XR_STR("Fine.")));
    assert_int_equal(call.call.usage.calls, 1);
    assert_int_equal(call.call.usage.input_tokens, 100);
    assert_int_equal(call.call.usage.output_tokens, 7);
    assert_non_null(strstr(test_host_request(f->host, 0), "POST /v1/chat/completions HTTP/1.1\r\n"));
    assert_non_null(strstr(test_host_request(f->host, 0), "\r\nAuthorization: Bearer " KEY "\r\n"));
}

static void an_unusable_answer_is_refused_by_name_and_counts(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call call;
    SCRIPT(f, {JUDGED("I would rather not say."), .cut = true});
    judge(f, &call);
    assert_int_equal(call.call.code, XR_REFUSED);
    assert_memory_equal(call.call.err.message, "openai: ", 8);
    assert_int_equal(call.call.usage.calls, 1);
    assert_int_equal(call.call.usage.input_tokens, 100);
    assert_int_equal(test_host_requests(f->host), 1);
}

static void a_refused_key_is_unavailable_with_its_status(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call call;
    SCRIPT(f, {"HTTP/1.1 401 x\r\nConnection: close\r\n\r\nIncorrect API key provided: " KEY, .cut = true});
    judge(f, &call);
    assert_int_equal(call.call.code, XR_UNAVAILABLE);
    assert_int_equal(call.call.err.status, 401);
    assert_string_equal(call.call.err.message, "openai: answered 401: Incorrect API key provided: [redacted]");
    assert_int_equal(call.call.usage.calls, 0);
}

static void a_key_that_the_host_repeats_is_not_kept(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call call;
    SCRIPT(f, {JUDGED("{\\\"score\\\": 80, \\\"reason\\\": \\\"You sent " KEY "\\\"}"), .cut = true});
    judge(f, &call);
    assert_int_equal(call.call.code, XR_OK);
    assert_true(xr_str_eq(call.reason, XR_STR("You sent ********************")));
}

static void a_key_that_the_host_repeats_in_escapes_is_not_kept(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call call;
    SCRIPT(f,
           {JUDGED("{\\\"score\\\": 80, \\\"reason\\\": \\\"You sent \\\\u0073k-secret-0123456789\\\"}"), .cut = true});
    judge(f, &call);
    assert_int_equal(call.call.code, XR_OK);
    assert_true(xr_str_eq(call.reason, XR_STR("You sent ********************")));
}

static void one_group_has_no_more_than_its_share(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call calls[MANY];
    struct xr_call_group group = {0};
    SCRIPT(f, {GOOD, .cut = true});
    for (size_t i = 0; i < MANY; i++)
        start(f, &calls[i], &group);
    test_await(&f->wait, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(calls[i].call.code, XR_OK);
    assert_true(test_host_most_at_once(f->host) <= CONCURRENCY);
}

static void cancelling_a_group_ends_what_runs_and_what_waits(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call calls[MANY];
    struct xr_call_group group = {0};
    SCRIPT(f, {.hang = true});
    for (size_t i = 0; i < MANY; i++)
        start(f, &calls[i], &group);
    test_host_await(f->host, CONCURRENCY);
    atomic_store(&group.cancelled, true);
    test_await(&f->wait, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(calls[i].call.code, XR_CANCELLED);
}

static void freeing_answers_every_call(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call calls[MANY];
    SCRIPT(f, {.hang = true});
    for (size_t i = 0; i < MANY; i++)
        start(f, &calls[i], NULL);
    test_host_await(f->host, CONCURRENCY);
    xr_providers_free(f->providers);
    f->providers = NULL;
    test_await(&f->wait, MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_int_equal(calls[i].call.code, XR_CANCELLED);
}

static void a_passed_deadline_is_a_time_out_and_asks_nobody(void **state) {
    struct fixture *f = *state;
    struct xr_judge_call call = {.call = test_call(&f->wait, NULL), .turns = SAID, .turn_count = 1};
    call.call.deadline_mono_ns = xr_clock_mono(xr_clock_system()) - 1;
    xr_judge_start(f->providers, &call);
    test_await(&f->wait, 1);
    assert_int_equal(call.call.code, XR_TIMEOUT);
    assert_int_equal(test_host_requests(f->host), 0);
}

/* Several threads start calls, of which some hang, while groups are cancelled: for the thread sanitizer. */
static void *start_some(void *arg) {
    struct fixture *f = arg;
    struct xr_call_group group = {0};
    struct xr_judge_call calls[MANY];
    struct test_wait wait = TEST_WAIT;
    struct xr_arena *arena[MANY];
    for (size_t i = 0; i < MANY; i++) {
        arena[i] = xr_arena_new(XR_CALL_ARENA_MAX);
        calls[i] =
            (struct xr_judge_call){.call = test_call(&wait, &group), .turns = SAID, .turn_count = 1, .arena = arena[i]};
        xr_judge_start(f->providers, &calls[i]);
    }
    test_await_at_least(&wait, MANY / 2);
    atomic_store(&group.cancelled, true);
    test_await(&wait, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_true(calls[i].call.code == XR_OK || calls[i].call.code == XR_CANCELLED);
        xr_arena_free(arena[i]);
    }
    return NULL;
}

static void calls_of_several_threads_are_all_answered(void **state) {
    struct fixture *f = *state;
    enum { THREADS = 4 };
    pthread_t threads[THREADS];
    SCRIPT(f, {GOOD, .cut = true});
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, start_some, f), 0);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_call_is_answered_by_the_host),
        TEST(an_unusable_answer_is_refused_by_name_and_counts),
        TEST(a_refused_key_is_unavailable_with_its_status),
        TEST(a_key_that_the_host_repeats_is_not_kept),
        TEST(a_key_that_the_host_repeats_in_escapes_is_not_kept),
        TEST(one_group_has_no_more_than_its_share),
        TEST(cancelling_a_group_ends_what_runs_and_what_waits),
        TEST(freeing_answers_every_call),
        TEST(a_passed_deadline_is_a_time_out_and_asks_nobody),
        TEST(calls_of_several_threads_are_all_answered),
    };
    return cmocka_run_group_tests(tests, test_host_direct, NULL);
}
