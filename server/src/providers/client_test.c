// SPDX-License-Identifier: Apache-2.0
#include "providers/client_testing.h"
#include "providers/retry.h"

static void assert_body(const struct test_probe *probe, const char *body) {
    assert_true(xr_str_eq(xr_buf_view(&probe->exchange.response), xr_str_from(body)));
}

static void assert_has(const char *text, const char *part) {
    if (!strstr(text, part))
        print_error("not in it: %s\n", part);
    assert_non_null(strstr(text, part));
}

/* --- one request --- */

static void a_request_is_posted_and_its_response_handed_over(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {OK_ANSWER});
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.attempts, 1);
    assert_body(&probe, "{}");
    assert_string_equal(probe.exchange.content_type, "Application/JSON; charset=utf-8");
    const char *request = test_host_request(f->host, 0);
    assert_memory_equal(request, "POST /v1/thing HTTP/1.1\r\n", 25);
    assert_has(request, "\r\nContent-Type: application/json\r\n");
    assert_has(request, "\r\nAuthorization: Bearer " TEST_KEY "\r\n");
    assert_has(request, "\r\nUser-Agent: xrayd\r\n");
    assert_has(request, "\r\n\r\n{\"a\":1}");
    assert_null(strstr(request, "Expect:"));
    test_probe_clear(&probe);
}

static void parts_are_sent_as_form_data(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    const struct xr_part parts[] = {
        {.name = "model", .data = XR_STR("whisper-1")},
        {.name = "file", .data = XR_STR("RIFF\1\2"), .file_name = "turn.wav", .content_type = "audio/wav"}};
    SCRIPT(f->host, {STATUS("503 Busy")}, {OK_ANSWER});
    test_probe_make(f, &probe, NULL);
    probe.exchange.body = (struct xr_str){0};
    probe.exchange.parts = parts;
    probe.exchange.part_count = 2;
    test_probe_queue(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_OK);
    for (size_t i = 0; i < 2; i++) { /* the same again at the second attempt */
        const char *request = test_host_request(f->host, i);
        assert_has(request, "\r\nContent-Type: multipart/form-data; boundary=");
        assert_has(request, "\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n");
        assert_has(request, "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"turn.wav\"\r\n"
                            "Content-Type: audio/wav\r\n\r\nRIFF\1\2\r\n");
    }
    test_probe_clear(&probe);
}

static void a_connection_is_kept_for_the_next_request(void **state) {
    struct test_client *f = *state;
    SCRIPT(f->host, {OK_ANSWER});
    for (int i = 0; i < 5; i++) {
        struct test_probe probe;
        test_probe_ask(f, &probe);
        assert_int_equal(probe.exchange.code, XR_OK);
        test_probe_clear(&probe);
    }
    assert_int_equal(test_host_connections(f->host), 1);
}

static void an_attempt_after_a_broken_connection_makes_a_new_one(void **state) {
    struct test_client *f = *state;
    struct test_probe probes[8], probe;
    SCRIPT(f->host, {OK_ANSWER});
    for (int i = 0; i < 8; i++) {
        test_probe_make(f, &probes[i], NULL);
        test_probe_queue(f, &probes[i]);
    }
    test_await(&f->wait, 8);
    size_t kept = test_host_connections(f->host);
    static const struct test_answer script[] = {{.bytes = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", .cut = true},
                                                {OK_ANSWER}};
    test_host_script(f->host, script, 2);
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.attempts, 2);
    assert_int_equal(test_host_connections(f->host), kept + 1);
    for (int i = 0; i < 8; i++)
        test_probe_clear(&probes[i]);
    test_probe_clear(&probe);
}

static void a_redirect_is_not_followed(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {"HTTP/1.1 307 Moved\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n"});
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 307);
    assert_string_equal(probe.exchange.err.message, "answered 307");
    assert_int_equal(test_host_requests(f->host), 1);
    test_probe_clear(&probe);
}

/* --- failures --- */

static void what_may_pass_is_tried_again(void **state) {
    struct test_client *f = *state;
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
        struct test_probe probe;
        const struct test_answer script[] = {FAULTS[i], FAULTS[i], {.bytes = OK_ANSWER}};
        size_t before = test_host_requests(f->host);
        test_host_script(f->host, script, 3);
        test_probe_ask(f, &probe);
        assert_int_equal(probe.exchange.code, XR_OK);
        assert_int_equal(test_host_requests(f->host), before + 3);
        assert_body(&probe, "{}");
        test_probe_clear(&probe);
    }
}

static void the_third_attempt_is_the_last(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {STATUS("500 x")}, {STATUS("429 x")}, {STATUS("503 x")}, {OK_ANSWER});
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 503);
    assert_string_equal(probe.exchange.err.message, "failed after 3 attempts: answered 503: oops");
    assert_int_equal(test_host_requests(f->host), 3);
    test_probe_clear(&probe);
}

static void what_will_not_pass_is_not_tried_again(void **state) {
    struct test_client *f = *state;
    static const struct {
        const char *answer;
        int status;
    } CASES[] = {{STATUS("400 x"), 400}, {STATUS("401 x"), 401}, {STATUS("403 x"), 403}, {STATUS("404 x"), 404},
                 {STATUS("413 x"), 413}, {STATUS("422 x"), 422}, {STATUS("304 x"), 304}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct test_probe probe;
        const struct test_answer script[] = {{.bytes = CASES[i].answer, .cut = true}, {.bytes = OK_ANSWER}};
        size_t before = test_host_requests(f->host);
        test_host_script(f->host, script, 2);
        test_probe_ask(f, &probe);
        assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
        assert_int_equal(probe.exchange.err.status, CASES[i].status);
        assert_int_equal(test_host_requests(f->host), before + 1);
        test_probe_clear(&probe);
    }
}

static void a_body_over_its_bound_is_given_up_at_once(void **state) {
    struct test_client *f = *state;
    char answer[2200] = "HTTP/1.1 200 OK\r\n\r\n";
    const struct test_answer script[] = {{.bytes = answer, .hang = true}};
    memset(answer + strlen(answer), 'x', 2000);
    struct test_probe probe;
    test_host_script(f->host, script, 1);
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_REFUSED);
    assert_has(probe.exchange.err.message, "the answer is larger than");
    assert_int_equal(test_host_requests(f->host), 1);
    test_probe_clear(&probe);
}

static void what_its_headers_rule_out_is_not_waited_for(void **state) {
    struct test_client *f = *state;
    struct test_probe large, encoded, error;
    SCRIPT(f->host, {"HTTP/1.1 200 OK\r\nContent-Length: 1099511627776\r\n\r\n{", .hang = true},
           {"HTTP/1.1 200 OK\r\nContent-Encoding: x-own\r\nContent-Length: 9\r\n\r\n{", .hang = true},
           {"HTTP/1.1 400 Bad Request\r\nContent-Length: 1099511627776\r\n\r\noops", .hang = true});
    test_probe_ask(f, &large);
    assert_int_equal(large.exchange.code, XR_REFUSED);
    assert_has(large.exchange.err.message, "the answer is larger than");
    test_probe_ask(f, &encoded);
    assert_int_equal(encoded.exchange.code, XR_REFUSED);
    assert_has(encoded.exchange.err.message, "content encoding");
    test_probe_ask(f, &error);
    assert_int_equal(error.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(error.exchange.err.status, 400);
    assert_int_equal(test_host_requests(f->host), 3);
    test_probe_clear(&large);
    test_probe_clear(&encoded);
    test_probe_clear(&error);
}

static void a_body_at_its_bound_is_taken(void **state) {
    struct test_client *f = *state;
    char answer[2200] = "HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n";
    const struct test_answer script[] = {{.bytes = answer}};
    memset(answer + strlen(answer), 'x', 1024);
    struct test_probe probe;
    test_host_script(f->host, script, 1);
    test_probe_ask(f, &probe);
    assert_int_equal(probe.exchange.code, XR_OK);
    assert_int_equal(probe.exchange.response.len, 1024);
    test_probe_clear(&probe);
}

static void an_error_does_not_hold_the_key(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    SCRIPT(f->host, {"HTTP/1.1 401 x\r\nContent-Length: 47\r\n\r\nIncorrect API key provided: " TEST_KEY});
    test_probe_ask(f, &probe);
    assert_has(probe.exchange.err.message, "answered 401: Incorrect API key provided: ");
    assert_null(strstr(probe.exchange.err.message, "secret"));
    test_probe_clear(&probe);
}

static void a_host_that_is_not_there_is_unavailable(void **state) {
    struct test_client *f = *state;
    struct test_probe probe;
    test_probe_make(f, &probe, NULL);
    probe.exchange.url = "http://127.0.0.1:1/v1/thing"; /* tcpmux: nobody listens */
    test_probe_queue(f, &probe);
    test_await(&f->wait, 1);
    assert_int_equal(probe.exchange.code, XR_UNAVAILABLE);
    assert_int_equal(probe.exchange.err.status, 0);
    assert_int_equal(probe.exchange.attempts, XR_RETRY_ATTEMPTS);
    test_probe_clear(&probe);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST_CLIENT(a_request_is_posted_and_its_response_handed_over),
        TEST_CLIENT(parts_are_sent_as_form_data),
        TEST_CLIENT(a_connection_is_kept_for_the_next_request),
        TEST_CLIENT(an_attempt_after_a_broken_connection_makes_a_new_one),
        TEST_CLIENT(a_redirect_is_not_followed),
        TEST_CLIENT(what_may_pass_is_tried_again),
        TEST_CLIENT(the_third_attempt_is_the_last),
        TEST_CLIENT(what_will_not_pass_is_not_tried_again),
        TEST_CLIENT(a_body_over_its_bound_is_given_up_at_once),
        TEST_CLIENT(what_its_headers_rule_out_is_not_waited_for),
        TEST_CLIENT(a_body_at_its_bound_is_taken),
        TEST_CLIENT(an_error_does_not_hold_the_key),
        TEST_CLIENT(a_host_that_is_not_there_is_unavailable),
    };
    return cmocka_run_group_tests(tests, test_host_direct, NULL);
}
