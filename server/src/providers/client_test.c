// SPDX-License-Identifier: Apache-2.0
#include "providers/client.h"
#include "providers/host_testing.h"
#include "providers/retry.h"
#include "providers/testing.h"
#include <stdatomic.h>
#include <stdio.h>

#define OK_ANSWER "HTTP/1.1 200 OK\r\nContent-Type: Application/JSON; charset=utf-8\r\nContent-Length: 2\r\n\r\n{}"
#define STATUS(line) "HTTP/1.1 " line "\r\nContent-Length: 4\r\n\r\noops"
#define SCRIPT(host, ...)                                                                                              \
    static const struct test_answer answers_[] = {__VA_ARGS__};                                                        \
    test_host_script(host, answers_, sizeof answers_ / sizeof *answers_)
#define KEY "sk-secret-0123456789"

enum { MANY = 40, SOON_MS = 2000, ANSWERS_MAX = 16384 };

/* A client, a host, and exchanges whose maker prepares them at once and reads them in `over`. */
struct fixture {
    struct test_host *host;
    struct xr_providers_config *config;
    struct xr_client *client;
    struct test_wait wait;
};

struct probe {
    struct xr_exchange exchange;
    struct fixture *f;
    char url[128];
    const char *method_path;
    bool asked; /* it has had a place */
};

static void over(struct probe *probe) {
    struct xr_call call = {.ctx = &probe->f->wait};
    if (probe->asked)
        xr_client_leave(probe->f->client, &probe->exchange);
    test_done(&call);
}

static void on_ready(struct xr_exchange *exchange) {
    struct probe *probe = (struct probe *)exchange;
    probe->asked = exchange->code == XR_OK;
    if (probe->asked)
        xr_client_send(probe->f->client, exchange);
    else
        over(probe);
}

static void on_done(struct xr_exchange *exchange) {
    over((struct probe *)exchange);
}

static int setup_with(void **state, unsigned per_group, unsigned per_lane) {
    struct fixture *f = calloc(1, sizeof *f);
    static const char *const PAIRS[] = {"OPENAI_API_KEY", KEY, NULL};
    assert_non_null(f);
    f->wait = (struct test_wait)TEST_WAIT;
    f->host = test_host_new();
    f->config = test_config(PAIRS);
    struct xr_client_config config = {.clock = xr_clock_system(),
                                      .secrets = f->config,
                                      .per_group = per_group,
                                      .per_lane = per_lane,
                                      .backoff_ms = 2,
                                      .answers_max = ANSWERS_MAX};
    assert_int_equal(xr_client_new(&config, &f->client, NULL), XR_OK);
    *state = f;
    return 0;
}

static int setup(void **state) {
    return setup_with(state, 4, 8);
}

static int teardown(void **state) {
    struct fixture *f = *state;
    xr_client_free(f->client);
    test_host_free(f->host);
    xr_providers_config_free(f->config);
    free(f);
    return 0;
}

static int64_t in_ms(int64_t ms) {
    return xr_clock_mono(xr_clock_system()) + ms * XR_NS_PER_MS;
}

static void start(struct fixture *f, struct probe *probe, struct xr_call_group *group) {
    *probe = (struct probe){.f = f};
    snprintf(probe->url, sizeof probe->url, "%s/v1/thing", test_host_url(f->host));
    probe->exchange = (struct xr_exchange){.group = group,
                                           .deadline_mono_ns = INT64_MAX,
                                           .ready = on_ready,
                                           .done = on_done,
                                           .url = probe->url,
                                           .headers = {"Authorization: Bearer " KEY},
                                           .body = XR_STR("{\"a\":1}"),
                                           .response_max = 1024,
                                           .timeout_ms = 60000};
}

static void go(struct fixture *f, struct probe *probe) {
    xr_client_queue(f->client, &probe->exchange);
}

/* Starts one and waits for its end. */
static void ask(struct fixture *f, struct probe *probe) {
    int answers = f->wait.answers;
    start(f, probe, NULL);
    go(f, probe);
    test_await(&f->wait, answers + 1);
}

static void finish(struct probe *probe) {
    xr_buf_clear(&probe->exchange.response);
}

static void assert_body(const struct probe *probe, const char *body) {
    assert_true(xr_str_eq(xr_buf_view(&probe->exchange.response), xr_str_from(body)));
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        print_error("not in it: %s\n", part);
    assert_non_null(strstr(text, part));
}

/* --- one request --- */

static void a_request_is_posted_and_its_response_handed_over(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {OK_ANSWER});
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.attempts, 1);
    assert_body(&probe, "{}");
    assert_string_equal(probe.exchange.content_type, "Application/JSON; charset=utf-8");
    const char *request = test_host_request(f->host, 0);
    assert_memory_equal(request, "POST /v1/thing HTTP/1.1\r\n", 25);
    assert_has(request, "\r\nContent-Type: application/json\r\n");
    assert_has(request, "\r\nAuthorization: Bearer " KEY "\r\n");
    assert_has(request, "\r\nUser-Agent: xrayd\r\n");
    assert_has(request, "\r\n\r\n{\"a\":1}");
    assert_null(strstr(request, "Expect:"));
    finish(&probe);
}

static void parts_are_sent_as_form_data(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    const struct xr_part parts[] = {
        {.name = "model", .data = XR_STR("whisper-1")},
        {.name = "file", .data = XR_STR("RIFF\1\2"), .file_name = "turn.wav", .content_type = "audio/wav"}};
    SCRIPT(f->host, {STATUS("503 Busy")}, {OK_ANSWER});
    start(f, &probe, NULL);
    probe.exchange.body = (struct xr_str){0};
    probe.exchange.parts = parts;
    probe.exchange.part_count = 2;
    go(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_OK);
    for (size_t i = 0; i < 2; i++) { /* the same again at the second attempt */
        const char *request = test_host_request(f->host, i);
        assert_has(request, "\r\nContent-Type: multipart/form-data; boundary=");
        assert_has(request, "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n");
        assert_has(request, "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"turn.wav\"\r\n"
                            "Content-Type: audio/wav\r\n\r\nRIFF\1\2\r\n");
    }
    finish(&probe);
}

static void a_connection_is_kept_for_the_next_request(void **state) {
    struct fixture *f = *state;
    SCRIPT(f->host, {OK_ANSWER});
    for (int i = 0; i < 5; i++) {
        struct probe probe;
        ask(f, &probe);
        assert_int_equal(probe.exchange.code, XR_OK);
        finish(&probe);
    }
    assert_int_equal(test_host_connections(f->host), 1);
}

static void an_attempt_after_a_broken_connection_makes_a_new_one(void **state) {
    struct fixture *f = *state;
    struct probe probes[8], probe;
    SCRIPT(f->host, {OK_ANSWER});
    for (int i = 0; i < 8; i++) {
        start(f, &probes[i], NULL);
        go(f, &probes[i]);
    }
    test_await(&f->wait, 8);
    size_t kept = test_host_connections(f->host);
    static const struct test_answer script[] = {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", .cut = true},
                                                {OK_ANSWER}};
    test_host_script(f->host, script, 2);
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.attempts, 2);
    assert_int_equal(test_host_connections(f->host), kept + 1);
    for (int i = 0; i < 8; i++)
        finish(&probes[i]);
    finish(&probe);
}

static void a_redirect_is_not_followed(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"});
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 307);
    assert_string_equal(probe.exchange.err.message, "answered 307");
    assert_int_equal(test_host_requests(f->host), 1);
    finish(&probe);
}

/* --- failures --- */

static void what_may_pass_is_tried_again(void **state) {
    struct fixture *f = *state;
    static const struct test_answer FAULTS[] = {
        {STATUS("408 x")},
        {STATUS("409 x")},
        {STATUS("429 x")},
        {STATUS("500 x")},
        {STATUS("503 x")},
        {STATUS("529 x")},
        {.cut = true},
        {.bytes = "HTTP/1.1 200 OK\r\nConte", .cut = true},
        {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n{}", .cut = true},
        {.bytes = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n", .cut = true},
        {.bytes = "no HTTP at all\r\n\r\n", .cut = true}};
    for (size_t i = 0; i < sizeof FAULTS / sizeof *FAULTS; i++) {
        struct probe probe;
        const struct test_answer script[] = {FAULTS[i], FAULTS[i], {.bytes = OK_ANSWER}};
        size_t before = test_host_requests(f->host);
        test_host_script(f->host, script, 3);
        ask(f, &probe);
        assert_int_equal(probe.exchange.code, XR_OK);
        assert_int_equal(test_host_requests(f->host), before + 3);
        assert_body(&probe, "{}");
        finish(&probe);
    }
}

static void the_third_attempt_is_the_last(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {STATUS("500 x")}, {STATUS("429 x")}, {STATUS("503 x")}, {OK_ANSWER});
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 503);
    assert_string_equal(probe.exchange.err.message, "failed after 3 attempts: answered 503: oops");
    assert_int_equal(test_host_requests(f->host), 3);
    finish(&probe);
}

static void what_will_not_pass_is_not_tried_again(void **state) {
    struct fixture *f = *state;
    static const struct {
        const char *answer;
        int status;
    } CASES[] = {{STATUS("400 x"), 400}, {STATUS("401 x"), 401}, {STATUS("403 x"), 403}, {STATUS("404 x"), 404},
                 {STATUS("413 x"), 413}, {STATUS("422 x"), 422}, {STATUS("304 x"), 304}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct probe probe;
        const struct test_answer script[] = {{.bytes = CASES[i].answer, .cut = true}, {.bytes = OK_ANSWER}};
        size_t before = test_host_requests(f->host);
        test_host_script(f->host, script, 2);
        ask(f, &probe);
        assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
        assert_int_equal(probe.exchange.err.status, CASES[i].status);
        assert_int_equal(test_host_requests(f->host), before + 1);
        finish(&probe);
    }
}

static void a_body_over_its_bound_is_given_up_at_once(void **state) {
    struct fixture *f = *state;
    char answer[2200] = "HTTP/1.1 200 OK\r\n\r\n";
    const struct test_answer script[] = {{.bytes = answer, .hang = true}};
    memset(answer + strlen(answer), 'x', 2000);
    struct probe probe;
    test_host_script(f->host, script, 1);
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_REFUSED);
    assert_has(probe.exchange.err.message, "the answer is larger than");
    assert_int_equal(test_host_requests(f->host), 1);
    finish(&probe);
}

static void what_its_headers_rule_out_is_not_waited_for(void **state) {
    struct fixture *f = *state;
    struct probe large, encoded, error;
    SCRIPT(f->host, {"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n{", .hang = true},
           {"HTTP/1.1 200 OK\r\nContent-Encoding: x-own\r\nContent-Length: 9\r\n\r\n{", .hang = true},
           {"HTTP/1.1 400 Bad Request\r\nContent-Length: 1099511627776\r\n\r\noops", .hang = true});
    ask(f, &large);
    assert_int_equal(large.exchange.code, XR_REFUSED);
    assert_has(large.exchange.err.message, "the answer is larger than");
    ask(f, &encoded);
    assert_int_equal(encoded.exchange.code, XR_REFUSED);
    assert_has(encoded.exchange.err.message, "content encoding");
    ask(f, &error);
    assert_int_equal(error.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(error.exchange.err.status, 400);
    assert_int_equal(test_host_requests(f->host), 3);
    finish(&large);
    finish(&encoded);
    finish(&error);
}

static void a_body_at_its_bound_is_taken(void **state) {
    struct fixture *f = *state;
    char answer[2200] = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n";
    const struct test_answer script[] = {{.bytes = answer}};
    memset(answer + strlen(answer), 'x', 1024);
    struct probe probe;
    test_host_script(f->host, script, 1);
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.response.len, 1024);
    finish(&probe);
}

static void an_error_does_not_hold_the_key(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {"HTTP/1.1 401 x\r\nContent-Length: 47\r\n\r\nIncorrect API key provided: " KEY});
    ask(f, &probe);
    assert_has(probe.exchange.err.message, "answered 401: Incorrect API key provided: ");
    assert_null(strstr(probe.exchange.err.message, "secret"));
    finish(&probe);
}

static void a_host_that_is_not_there_is_unavailable(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    start(f, &probe, NULL);
    probe.exchange.url = "http://127.0.0.1:1/v1/thing"; /* tcpmux: nobody listens */
    go(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 0);
    assert_int_equal(probe.exchange.attempts, XR_RETRY_ATTEMPTS);
    finish(&probe);
}

/* --- time --- */

static void retry_after_is_waited_for(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {"HTTP/1.1 429 x\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n"}, {OK_ANSWER});
    int64_t began = in_ms(0);
    ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_true(in_ms(0) - began >= XR_NS_PER_S);
    finish(&probe);
}

static void a_pause_that_would_outlast_the_deadline_is_not_begun(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {"HTTP/1.1 429 x\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n"},
           {"HTTP/1.1 429 x\r\nRetry-After: 99999999999999999999\r\nContent-Length: 0\r\n\r\n"});
    for (int answered = 1; answered <= 2; answered++) {
        start(f, &probe, NULL);
        probe.exchange.deadline_mono_ns = in_ms(20000);
        go(f, &probe);
        test_await(&f->wait, answered);
        assert_int_equal(probe.exchange.err.status, 429);
        assert_int_equal(probe.exchange.attempts, 1);
        assert_true(in_ms(0) < probe.exchange.deadline_mono_ns);
        finish(&probe);
    }
}

static void an_attempt_without_an_answer_ends_and_is_made_again(void **state) {
    struct fixture *f = *state;
    struct probe probe;
    SCRIPT(f->host, {.hang = true}, {.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", .hang = true},
           {OK_ANSWER});
    start(f, &probe, NULL);
    probe.exchange.timeout_ms = 100;
    go(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.attempts, 3);
    finish(&probe);
}

static void the_deadline_ends_an_exchange_wherever_it_is(void **state) {
    struct fixture *f = *state;
    struct probe probe[3];
    struct xr_call_group group = {0};
    SCRIPT(f->host, {.hang = true});
    for (size_t i = 0; i < 3; i++) {
        start(f, &probe[i], &group);
        probe[i].exchange.deadline_mono_ns = in_ms(150);
        go(f, &probe[i]);
    }
    test_await(&f->wait, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(probe[i].exchange.code, XR_TIMEOUT);
        finish(&probe[i]);
    }
}

static void a_cancelled_group_ends_soon_and_its_neighbours_go_on(void **state) {
    struct fixture *f = *state;
    struct probe probe[MANY], other;
    struct xr_call_group group = {0};
    SCRIPT(f->host, {.hang = true});
    for (size_t i = 0; i < MANY; i++) {
        start(f, &probe[i], &group);
        go(f, &probe[i]);
    }
    test_host_await(f->host, 4);
    int64_t began = in_ms(0);
    atomic_store(&group.cancelled, true);
    test_await(&f->wait, MANY);
    assert_true(in_ms(0) - began < SOON_MS * XR_NS_PER_MS);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(probe[i].exchange.code, XR_CANCELLED);
        finish(&probe[i]);
    }
    assert_int_equal(group.under_way, 0);
    static const struct test_answer fine[] = {{.bytes = OK_ANSWER}};
    test_host_script(f->host, fine, 1);
    ask(f, &other);
    assert_int_equal(other.exchange.code, XR_OK);
    finish(&other);
}

/* --- places --- */

static void a_group_that_hangs_leaves_room_for_others(void **state) {
    struct fixture *f = *state;
    struct probe hanging[MANY], fine[MANY];
    struct xr_call_group group = {0}, others[MANY] = {0};
    static const struct test_answer script[] = {
        {.hang = true}, {.hang = true}, {.hang = true}, {.hang = true}, {OK_ANSWER}};
    test_host_script(f->host, script, 5);
    for (size_t i = 0; i < MANY; i++) {
        start(f, &hanging[i], &group);
        go(f, &hanging[i]);
    }
    test_host_await(f->host, 4);
    for (size_t i = 0; i < MANY; i++) {
        start(f, &fine[i], &others[i]);
        go(f, &fine[i]);
    }
    test_await(&f->wait, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(fine[i].exchange.code, XR_OK);
        finish(&fine[i]);
    }
    assert_true(test_host_most_at_once(f->host) <= 8);
    atomic_store(&group.cancelled, true);
    test_await(&f->wait, 2 * MANY);
    for (size_t i = 0; i < MANY; i++)
        finish(&hanging[i]);
}

static void no_more_are_under_way_than_the_bounds_say(void **state) {
    struct fixture *f = *state;
    struct probe probe[MANY];
    struct xr_call_group group = {0};
    SCRIPT(f->host, {OK_ANSWER});
    for (size_t i = 0; i < MANY; i++) {
        start(f, &probe[i], i % 2 ? &group : NULL);
        go(f, &probe[i]);
    }
    test_await(&f->wait, MANY);
    assert_true(test_host_most_at_once(f->host) <= 8);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(probe[i].exchange.code, XR_OK);
        finish(&probe[i]);
    }
}

static void freeing_ends_everything_with_cancelled(void **state) {
    struct fixture *f = *state;
    struct probe probe[MANY];
    SCRIPT(f->host, {.hang = true});
    for (size_t i = 0; i < MANY; i++) {
        start(f, &probe[i], NULL);
        go(f, &probe[i]);
    }
    test_host_await(f->host, 8);
    xr_client_free(f->client);
    f->client = NULL;
    assert_int_equal(f->wait.answers, MANY);
    for (size_t i = 0; i < MANY; i++) {
        assert_int_equal(probe[i].exchange.code, XR_CANCELLED);
        finish(&probe[i]);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_request_is_posted_and_its_response_handed_over),
        TEST(parts_are_sent_as_form_data),
        TEST(a_connection_is_kept_for_the_next_request),
        TEST(an_attempt_after_a_broken_connection_makes_a_new_one),
        TEST(a_redirect_is_not_followed),
        TEST(what_may_pass_is_tried_again),
        TEST(the_third_attempt_is_the_last),
        TEST(what_will_not_pass_is_not_tried_again),
        TEST(a_body_over_its_bound_is_given_up_at_once),
        TEST(what_its_headers_rule_out_is_not_waited_for),
        TEST(a_body_at_its_bound_is_taken),
        TEST(an_error_does_not_hold_the_key),
        TEST(a_host_that_is_not_there_is_unavailable),
        TEST(retry_after_is_waited_for),
        TEST(a_pause_that_would_outlast_the_deadline_is_not_begun),
        TEST(an_attempt_without_an_answer_ends_and_is_made_again),
        TEST(the_deadline_ends_an_exchange_wherever_it_is),
        TEST(a_cancelled_group_ends_soon_and_its_neighbours_go_on),
        TEST(a_group_that_hangs_leaves_room_for_others),
        TEST(no_more_are_under_way_than_the_bounds_say),
        TEST(freeing_ends_everything_with_cancelled),
    };
    return cmocka_run_group_tests(tests, test_host_direct, NULL);
}
