// SPDX-License-Identifier: Apache-2.0
/* Connections that do not move. The time-outs are short ones of the test's own. */
#include "base/test.h"
#include "http/testkit.h"
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static void ok(struct xr_request *req) {
    xr_respond_shared(req, 200, "application/json", XR_STR("{}"), NULL, NULL);
}

static const struct xr_route ROUTES[] = {
    {"GET", "/ok", ok, NULL, XR_BODY_NONE, 0},
    {"POST", "/file", ok, NULL, XR_BODY_FILE, 1 << 20},
    {0},
};

enum { NEVER = 1000 * 1000 };
static const struct xr_http_times PATIENT = {
    .idle = NEVER, .body_stall = NEVER, .body_grace = NEVER, .heartbeat = NEVER, .tick = 5, .stop = 5000};

#define H "Host: x\r\n"
#define UPLOAD "POST /file HTTP/1.1\r\n" H "Content-Length: 100\r\n\r\nabc"

static void expect_408(int fd) {
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 408);
    assert_memory_equal(reply.body, "{\"error\":\"request_timeout\"}", reply.body_len);
    assert_string_equal(xr_reply_header(&reply, "Content-Type"), "application/json");
    assert_string_equal(xr_reply_header(&reply, "Connection"), "close");
    assert_string_not_equal(xr_reply_header(&reply, "X-Request-Id"), "");
    xr_reply_clear(&reply);
    assert_true(xr_hear_end(fd));
}

static void stop_and_expect_nothing_left(struct xr_rig *rig) {
    xr_http_stop(rig->http);
    rig->http = NULL;
    assert_int_equal(xr_rig_temp_files(rig), 0);
    xr_rig_stop(rig);
}

static void stalled_body_is_408_and_leaves_nothing(void **state) {
    (void)state;
    struct xr_http_times times = PATIENT;
    times.body_stall = 30;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    xr_say(fd, UPLOAD);
    expect_408(fd);
    close(fd);
    stop_and_expect_nothing_left(rig);
}

static void stalled_chunked_body_is_408(void **state) {
    (void)state;
    struct xr_http_times times = PATIENT;
    times.body_stall = 30;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    xr_say(fd, "POST /file HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    expect_408(fd);
    close(fd);
    stop_and_expect_nothing_left(rig);
}

static void body_below_the_rate_is_408_after_the_grace(void **state) {
    (void)state;
    struct xr_http_times times = PATIENT;
    times.body_grace = 30;
    times.body_min_rate = 1000 * 1000;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    xr_say(fd, UPLOAD);
    expect_408(fd);
    close(fd);
    stop_and_expect_nothing_left(rig);
}

static void silent_connection_is_closed(void **state) {
    (void)state;
    struct xr_http_times times = PATIENT;
    times.idle = 30;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    assert_true(xr_hear_end(fd));
    close(fd);
    xr_rig_stop(rig);
}

static void headers_that_do_not_end_are_closed(void **state) {
    (void)state;
    struct xr_http_times times = PATIENT;
    times.idle = 30;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    xr_say(fd, "GET /ok HTTP/1.1\r\nHo");
    assert_true(xr_hear_end(fd));
    close(fd);
    xr_rig_stop(rig);
}

static void kept_connection_is_closed_when_it_idles(void **state) {
    (void)state;
    struct xr_http_times times = PATIENT;
    times.idle = 200;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    xr_say(fd, "GET /ok HTTP/1.1\r\n" H "\r\n");
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    assert_true(xr_hear_end(fd));
    close(fd);
    xr_rig_stop(rig);
}

/* The last byte of the request and the end of the connection in one piece. */
static void half_closed_upload_is_given_up(void **state) {
    (void)state;
    struct xr_rig *rig = xr_rig_start(ROUTES, &PATIENT);
    for (int i = 0; i < 8; i++) {
        int fd = xr_dial(rig);
        xr_say(fd, UPLOAD);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        assert_true(xr_hear_end(fd));
        close(fd);
    }
    stop_and_expect_nothing_left(rig);
}

static void half_closed_request_is_answered(void **state) {
    (void)state;
    struct xr_rig *rig = xr_rig_start(ROUTES, &PATIENT);
    int fd = xr_dial(rig);
    xr_say(fd, "GET /ok HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    assert_true(xr_hear_end(fd));
    close(fd);
    xr_rig_stop(rig);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stalled_body_is_408_and_leaves_nothing),
        cmocka_unit_test(stalled_chunked_body_is_408),
        cmocka_unit_test(body_below_the_rate_is_408_after_the_grace),
        cmocka_unit_test(silent_connection_is_closed),
        cmocka_unit_test(headers_that_do_not_end_are_closed),
        cmocka_unit_test(kept_connection_is_closed_when_it_idles),
        cmocka_unit_test(half_closed_upload_is_given_up),
        cmocka_unit_test(half_closed_request_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
