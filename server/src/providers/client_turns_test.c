// SPDX-License-Identifier: Apache-2.0
/* When an exchange ends, and how many there are at once: pauses, deadlines, cancellation, places. */
#include "providers/client_testing.h"
#include "providers/retry.h"
#include <sched.h>
#include <stdatomic.h>

enum { MANY = 40 };

/* --- time --- */

static void retry_after_is_waited_for(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {"HTTP/1.1 429 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"}, {OK_ANSWER});
    int64_t began = test_in_ms(0);
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_true(test_in_ms(0) - began >= XR_NS_PER_S);
    test_probe_clear(&probe);
}

static void a_pause_that_would_outlast_the_deadline_is_not_begun(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {"HTTP/1.1 429 x\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"},
           {"HTTP/1.1 429 x\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"});
    for (int answered = 1; answered <= 2; answered++) {
        test_probe_make(f, &probe, NULL);
        probe.exchange.deadline_mono_ns = test_in_ms(20000);
        test_probe_queue(f, &probe);
        test_await(&f->wait, answered);
        assert_int_equal(probe.exchange.code, XR_UNAVAILABLE); /* XR_TIMEOUT: the deadline was waited for */
        assert_int_equal(probe.exchange.err.status, 429);
        assert_int_equal(probe.exchange.attempts, 1);
        test_probe_clear(&probe);
    }
}

static void an_attempt_without_an_answer_ends_and_is_made_again(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", .hang = true}, {.hang = true});
    test_probe_make(f, &probe, NULL);
    probe.exchange.timeout_ms = 100;
    test_probe_queue(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 0);
    assert_int_equal(probe.exchange.attempts, XR_RETRY_ATTEMPTS);
    test_probe_clear(&probe);
}

static void the_deadline_ends_an_exchange_wherever_it_is(void **state) {
    struct test_client *f = *state;
    struct test_probe probe[3];
    struct xr_call_group group = {0};
    SCRIPT(f->host, {.hang = true});
    for (size_t i = 0; i < 3; i++) {
        test_probe_make(f, &probe[i], &group);
        probe[i].exchange.deadline_mono_ns = test_in_ms(150);
        test_probe_queue(f, &probe[i]);
    }
    test_await(&f->wait, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(probe[i].exchange.code, XR_TIMEOUT);
        test_probe_clear(&probe[i]);
    }
}

static void a_cancelled_group_ends_and_its_neighbours_go_on(void **state) {
    struct test_client *f = *state;
    struct test_probe probe[MANY], other;
    struct xr_call_group group = {0};
    SCRIPT(f->host, {.hang = true});
    for (size_t i = 0; i < MANY; i++) {
        test_probe_make(f, &probe[i], &group);
        probe[i].exchange.timeout_ms = 0; /* nothing else ends it */
        test_probe_queue(f, &probe[i]);
    }
    test_host_await(f->host, 4);
    atomic_store(&group.cancelled, true);
    test_await(&f->wait, MANY);
    assert_int_equal(test_host_requests(f->host), 4); /* what waited was not sent any more */
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(probe[i].exchange.code, XR_CANCELLED);
        test_probe_clear(&probe[i]);
    }
    assert_int_equal(group.share[0].held, 0);
    static const struct test_answer fine[] = {{.bytes = OK_ANSWER}};
    test_host_script(f->host, fine, 1);
    test_probe_ask(f, &other);
    assert_int_equal(other.exchange.code, XR_OK);
    test_probe_clear(&other);
}

static void a_deadline_tells_what_came_before_it(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {STATUS("429 x")}, {.hang = true});
    test_probe_make(f, &probe, NULL);
    probe.exchange.deadline_mono_ns = test_in_ms(500);
    test_probe_queue(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_TIMEOUT);
    assert_string_equal(probe.exchange.err.message,
                        "the deadline passed after 2 attempts; before that: answered 429: oops");
    assert_int_equal(probe.exchange.err.status, 429);
    test_probe_clear(&probe);
}

/* --- places --- */

static void fill_all_places(struct test_client *f, struct test_probe probe[8], struct xr_call_group groups[2]) {
    for (size_t i = 0; i < 8; i++) {
        test_probe_make(f, &probe[i], &groups[i / 4]);
        test_probe_queue(f, &probe[i]);
    }
    test_host_await(f->host, 8);
}

static void end_all(struct test_client *f, struct test_probe probe[8], struct xr_call_group groups[2]) {
    int answers = f->wait.answers;
    for (size_t i = 0; i < 2; i++)
        atomic_store(&groups[i].cancelled, true);
    test_await(&f->wait, answers + 8);
    for (size_t i = 0; i < 8; i++) {
        assert_int_equal(probe[i].exchange.code, XR_CANCELLED);
        test_probe_clear(&probe[i]);
    }
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(groups[i].share[0].held, 0);
}

static void a_pause_gives_the_place_back(void **state) {
    struct test_client *f = *state;
    struct test_probe waiting[8], other;
    struct xr_call_group groups[2] = {0};
    static const char later[] = "HTTP/1.1 429 x\r\nRetry-After: 30\r\nContent-Length: 0\r\n\r\n";
    static const struct test_answer script[] = {{later}, {later}, {later}, {later},    {later},
                                                {later}, {later}, {later}, {OK_ANSWER}};
    test_host_script(f->host, script, 9);
    fill_all_places(f, waiting, groups);
    test_probe_ask(f, &other);
    assert_int_equal(other.exchange.code, XR_OK);
    assert_int_equal(f->wait.answers, 1);
    assert_int_equal(test_host_requests(f->host), 9);
    test_probe_clear(&other);
    end_all(f, waiting, groups);
    for (size_t i = 0; i < 8; i++)
        assert_int_equal(waiting[i].released, 1);
}

static void who_never_had_a_place_is_told_so(void **state) {
    struct test_client *f = *state;
    struct test_probe hanging[8], late;
    struct xr_call_group groups[2] = {0}, group = {0};
    SCRIPT(f->host, {.hang = true});
    fill_all_places(f, hanging, groups);
    test_probe_make(f, &late, &group);
    late.exchange.deadline_mono_ns = test_in_ms(150);
    test_probe_queue(f, &late);
    test_await(&f->wait, 1);
    assert_int_equal(late.exchange.code, XR_OVERLOADED);
    assert_int_equal(late.exchange.attempts, 0);
    end_all(f, hanging, groups);
}

/* The host says so many bytes of an answer and then no more; the client has read them. */
static void hold(struct test_client *f, struct test_probe *probe, struct xr_call_group *group, size_t bytes) {
    size_t requests = test_host_requests(f->host), before = atomic_load(&group->answer_bytes);
    test_probe_make(f, probe, group);
    test_probe_queue(f, probe);
    test_host_await(f->host, requests + 1);
    while (atomic_load(&group->answer_bytes) < before + bytes - TEST_ANSWER_SMALL)
        sched_yield();
}

/* Of each group, and of all; small ones do not count. */
static void large_answers_have_bounds_together(void **state) {
    struct test_client *f = *state;
    enum { HELD = 1000, COUNTED = HELD - TEST_ANSWER_SMALL };
    char held[1100] = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n", whole[1100], small[300];
    struct test_probe holding[3], same, other, little;
    struct xr_call_group groups[4] = {0};
    memset(held + strlen(held), 'x', HELD);
    memcpy(whole, held, sizeof whole);
    memset(whole + strlen(whole), 'x', 24);
    snprintf(small, sizeof small, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%0*d", TEST_ANSWER_SMALL,
             TEST_ANSWER_SMALL, 0);
    const struct test_answer script[] = {{held, .hang = true}, {whole}, {NULL}, {held, .hang = true}, {small}, {whole}};
    test_host_script(f->host, script, 2);
    assert_true(2 * COUNTED > TEST_GROUP_ANSWERS_MAX && 2 * COUNTED < TEST_ANSWERS_MAX &&
                3 * COUNTED > TEST_ANSWERS_MAX);
    hold(f, &holding[0], &groups[0], HELD);
    test_probe_make(f, &same, &groups[0]); /* over its group's: asked for again and again */
    test_probe_queue(f, &same);
    test_host_await(f->host, 2 + XR_RETRY_ATTEMPTS);
    assert_int_equal(f->wait.answers, 0);
    atomic_store(&groups[0].cancelled, true);
    test_await(&f->wait, 2);
    assert_int_equal(same.exchange.code, XR_CANCELLED);

    test_host_script(f->host, script + 3, 1);
    hold(f, &holding[1], &groups[1], HELD);
    hold(f, &holding[2], &groups[2], HELD);
    test_host_script(f->host, script + 4, 1);
    test_probe_ask(f, &little);
    assert_int_equal(little.exchange.code, XR_OK);
    test_host_script(f->host, script + 5, 1);
    size_t requests = test_host_requests(f->host);
    test_probe_make(f, &other, &groups[3]); /* over what all may have */
    test_probe_queue(f, &other);
    test_host_await(f->host, requests + 1 + XR_RETRY_ATTEMPTS);
    assert_int_equal(f->wait.answers, 3);
    atomic_store(&groups[1].cancelled, true);
    test_await(&f->wait, 5); /* with holding[1], and then there is room for the other */
    assert_int_equal(other.exchange.code, XR_OK);
    test_probe_clear(&other);
    test_probe_clear(&little);
    atomic_store(&groups[2].cancelled, true);
    test_await(&f->wait, 6);
    for (size_t i = 0; i < 3; i++)
        test_probe_clear(&holding[i]);
    test_probe_clear(&same);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(atomic_load(&groups[i].answer_bytes), 0);
}

static void a_group_that_hangs_leaves_room_for_others(void **state) {
    struct test_client *f = *state;
    struct test_probe hanging[MANY], fine[MANY];
    struct xr_call_group group = {0}, others[MANY] = {0};
    static const struct test_answer script[] = {
        {.hang = true}, {.hang = true}, {.hang = true}, {.hang = true}, {OK_ANSWER}};
    test_host_script(f->host, script, 5);
    for (size_t i = 0; i < MANY; i++) {
        test_probe_make(f, &hanging[i], &group);
        test_probe_queue(f, &hanging[i]);
    }
    test_host_await(f->host, 4);
    for (size_t i = 0; i < MANY; i++) {
        test_probe_make(f, &fine[i], &others[i]);
        test_probe_queue(f, &fine[i]);
    }
    test_await(&f->wait, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(fine[i].exchange.code, XR_OK);
        test_probe_clear(&fine[i]);
    }
    assert_true(test_host_most_at_once(f->host) <= 8);
    atomic_store(&group.cancelled, true);
    test_await(&f->wait, 2 * MANY);
    for (size_t i = 0; i < MANY; i++)
        test_probe_clear(&hanging[i]);
}

static void no_more_are_under_way_than_the_bounds_say(void **state) {
    struct test_client *f = *state;
    struct test_probe probe[MANY];
    struct xr_call_group group = {0};
    SCRIPT(f->host, {OK_ANSWER});
    for (size_t i = 0; i < MANY; i++) {
        test_probe_make(f, &probe[i], i % 2 ? &group : NULL);
        test_probe_queue(f, &probe[i]);
    }
    test_await(&f->wait, MANY);
    assert_true(test_host_most_at_once(f->host) <= 8);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(probe[i].exchange.code, XR_OK);
        test_probe_clear(&probe[i]);
    }
}

static void freeing_ends_everything_with_cancelled(void **state) {
    struct test_client *f = *state;
    struct test_probe probe[MANY];
    SCRIPT(f->host, {.hang = true});
    for (size_t i = 0; i < MANY; i++) {
        test_probe_make(f, &probe[i], NULL);
        test_probe_queue(f, &probe[i]);
    }
    test_host_await(f->host, 8);
    xr_client_free(f->client);
    f->client = NULL;
    assert_int_equal(f->wait.answers, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(probe[i].exchange.code, XR_CANCELLED);
        test_probe_clear(&probe[i]);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_CLIENT(retry_after_is_waited_for),
        TEST_CLIENT(a_pause_that_would_outlast_the_deadline_is_not_begun),
        TEST_CLIENT(an_attempt_without_an_answer_ends_and_is_made_again),
        TEST_CLIENT(the_deadline_ends_an_exchange_wherever_it_is),
        TEST_CLIENT(a_deadline_tells_what_came_before_it),
        TEST_CLIENT(a_pause_gives_the_place_back),
        TEST_CLIENT(who_never_had_a_place_is_told_so),
        TEST_CLIENT(large_answers_have_bounds_together),
        TEST_CLIENT(a_cancelled_group_ends_and_its_neighbours_go_on),
        TEST_CLIENT(a_group_that_hangs_leaves_room_for_others),
        TEST_CLIENT(no_more_are_under_way_than_the_bounds_say),
        TEST_CLIENT(freeing_ends_everything_with_cancelled),
    };
    return cmocka_run_group_tests(tests, test_host_direct, NULL);
}
