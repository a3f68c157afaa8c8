// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "http/sse.h"
#include "http/testkit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct xr_uuid TOPIC = {.bytes = {7}};
enum { SEQ = 5 };

static struct xr_event *event(const char *text, int64_t seq, bool is_state, bool is_last) {
    return xr_event_new(xr_str_from(text), seq, is_state, is_last);
}

static void open_stream(struct xr_request *req, struct xr_event *const *initial, size_t count) {
    struct xr_stream *stream = NULL;
    struct xr_err err;
    enum xr_code code = xr_stream_open(req, &TOPIC, &stream, &err);
    if (code == XR_OK)
        xr_respond_events(req, stream, initial, count, SEQ);
    else
        xr_error_code(req, code, &err);
}

static void running(struct xr_request *req) {
    open_stream(req, (struct xr_event *[]){event("data: now\n\n", SEQ, true, false)}, 1);
}

static void finished(struct xr_request *req) {
    struct xr_event *events[] = {event("data: now\n\n", SEQ, true, false), event("data: end\n\n", SEQ, false, true)};
    open_stream(req, events, 2);
}

static void out_of_memory(struct xr_request *req) {
    open_stream(req, (struct xr_event *[]){event("data: now\n\n", SEQ, true, false), NULL}, 2);
}

/* Opens a stream and then answers something else. */
static void changed_its_mind(struct xr_request *req) {
    XR_AUTO(xr_stream_freep) struct xr_stream *stream = NULL;
    if (xr_stream_open(req, &TOPIC, &stream, NULL) == XR_OK)
        xr_respond_shared(req, 200, "text/plain", XR_STR("no"), NULL, NULL);
}

static const struct xr_route ROUTES[] = {
    {"GET", "/running", running, NULL, XR_BODY_NONE, 0},
    {"GET", "/finished", finished, NULL, XR_BODY_NONE, 0},
    {"GET", "/memory", out_of_memory, NULL, XR_BODY_NONE, 0},
    {"GET", "/mind", changed_its_mind, NULL, XR_BODY_NONE, 0},
    {0},
};

static int setup(void **state) {
    *state = xr_rig_start(ROUTES, NULL);
    return 0;
}

static int teardown(void **state) {
    xr_rig_stop(*state);
    return 0;
}

static void publish(struct xr_rig *rig, const char *text, int64_t seq, bool is_state, bool is_last) {
    struct xr_event *made = event(text, seq, is_state, is_last);
    xr_hub_publish(rig->hub, &TOPIC, made);
    xr_event_unref(made);
}

#define GET(path) "GET " path " HTTP/1.1\r\nHost: x\r\n\r\n"

static int listen_to(struct xr_rig *rig, const char *request) {
    int fd = xr_dial(rig);
    xr_say(fd, request);
    assert_true(xr_hear_until(fd, "data: now\n\n"));
    return fd;
}

static void finished_topic_is_told_at_once(void **state) {
    struct xr_reply reply = xr_ask(*state, GET("/finished"));
    assert_int_equal(reply.status, 200);
    assert_string_equal(xr_reply_header(&reply, "Content-Type"), "text/event-stream");
    assert_string_equal(xr_reply_header(&reply, "Cache-Control"), "no-store");
    reply.body[reply.body_len] = '\0';
    assert_string_equal(reply.body, "data: now\n\ndata: end\n\n");
    xr_reply_clear(&reply);
}

static void what_the_state_contains_is_not_told_again(void **state) {
    struct xr_rig *rig = *state;
    int fd = listen_to(rig, GET("/running"));
    publish(rig, "data: old\n\n", SEQ - 1, false, false);
    publish(rig, "data: same state\n\n", SEQ, true, false);
    publish(rig, "data: progress\n\n", SEQ, false, false);
    publish(rig, "data: next state\n\n", SEQ + 1, true, false);
    publish(rig, "data: end\n\n", SEQ + 1, false, true);
    publish(rig, "data: after\n\n", SEQ + 2, false, false);
    char heard[1024];
    size_t n = 0;
    for (ssize_t got; (got = read(fd, heard + n, 1)) == 1 && n + 2 < sizeof heard; n++)
        if (n >= 5 && memcmp(heard + n - 4, "0\r\n\r\n", 5) == 0)
            break;
    heard[n] = '\0';
    assert_null(strstr(heard, "old"));
    assert_null(strstr(heard, "same state"));
    assert_non_null(strstr(heard, "data: progress\n\n"));
    assert_non_null(strstr(heard, "data: next state\n\n"));
    assert_non_null(strstr(heard, "data: end\n\n"));
    assert_null(strstr(heard, "after"));
    xr_say(fd, GET("/finished")); /* the stream has ended, the connection has not */
    assert_true(xr_hear_until(fd, "HTTP/1.1 200"));
    close(fd);
}

static void every_listener_hears_every_event(void **state) {
    enum { LISTENERS = 50, EVENTS = 20 };
    struct xr_rig *rig = *state;
    int fds[LISTENERS];
    for (size_t i = 0; i < LISTENERS; i++)
        fds[i] = listen_to(rig, GET("/running"));
    assert_int_equal(xr_hub_subscribers(rig->hub), LISTENERS);
    for (int i = 0; i < EVENTS; i++) {
        char text[32];
        snprintf(text, sizeof text, "data: %d\n\n", i);
        publish(rig, text, SEQ + 1 + i, false, i == EVENTS - 1);
    }
    for (size_t i = 0; i < LISTENERS; i++) {
        for (int k = 0; k < EVENTS; k++) {
            char text[32];
            snprintf(text, sizeof text, "data: %d\n\n", k);
            assert_true(xr_hear_until(fds[i], text));
        }
        assert_true(xr_hear_until(fds[i], "0\r\n\r\n"));
        close(fds[i]);
    }
}

static void event_larger_than_any_buffer_arrives_whole(void **state) {
    enum { SIZE = 300000 };
    struct xr_rig *rig = *state;
    int fd = listen_to(rig, GET("/running"));
    char *text = malloc(SIZE + 1);
    assert_non_null(text);
    memset(text, 'x', SIZE);
    text[SIZE] = '\0';
    publish(rig, text, SEQ + 1, false, true);
    free(text);
    size_t count = 0;
    char tail[5] = "";
    for (char c; memcmp(tail, "0\r\n\r\n", 5) != 0 && read(fd, &c, 1) == 1; count += c == 'x') {
        memmove(tail, tail + 1, 4);
        tail[4] = c;
    }
    assert_int_equal(count, SIZE);
    close(fd);
}

static void hub_that_closes_ends_the_stream(void **state) {
    struct xr_rig *rig = *state;
    int fd = listen_to(rig, GET("/running"));
    xr_hub_close(rig->hub);
    assert_true(xr_hear_until(fd, "0\r\n\r\n"));
    close(fd);
}

static void stop_ends_streams_even_if_the_hub_is_open(void **state) {
    (void)state;
    struct xr_http_times times = XR_HTTP_TIMES;
    times.stop = 20;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = listen_to(rig, GET("/running"));
    xr_http_stop(rig->http);
    rig->http = NULL;
    assert_int_equal(xr_hub_subscribers(rig->hub), 0);
    close(fd);
    xr_rig_stop(rig);
}

static void listener_that_left_is_found_by_the_heartbeat(void **state) {
    (void)state;
    struct xr_http_times times = XR_HTTP_TIMES;
    times.tick = 5;
    times.heartbeat = 5;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int gone = listen_to(rig, GET("/running"));
    int stays = listen_to(rig, GET("/running"));
    close(gone);
    for (int i = 0; i < 1000 && xr_hub_subscribers(rig->hub) > 1; i++)
        assert_true(xr_hear_until(stays, ": heartbeat\n\n"));
    assert_int_equal(xr_hub_subscribers(rig->hub), 1);
    close(stays);
    xr_rig_stop(rig);
}

static void stream_that_was_not_sent_unsubscribes(void **state) {
    struct xr_rig *rig = *state;
    struct xr_reply reply = xr_ask(rig, GET("/mind"));
    assert_int_equal(reply.status, 200);
    xr_reply_clear(&reply);
    reply = xr_ask(rig, GET("/memory"));
    assert_int_equal(reply.status, 500);
    xr_reply_clear(&reply);
    assert_int_equal(xr_hub_subscribers(rig->hub), 0);
}

static void head_of_a_stream_has_no_body(void **state) {
    struct xr_rig *rig = *state;
    int fd = xr_dial(rig);
    xr_say(fd, "HEAD /running HTTP/1.1\r\nHost: x\r\n\r\n" GET("/mind"));
    struct xr_reply head = xr_hear(fd, true);
    assert_int_equal(head.status, 200);
    struct xr_reply next = xr_hear(fd, false);
    assert_int_equal(next.status, 200);
    assert_int_equal(next.body_len, 2);
    assert_string_equal(xr_reply_header(&head, "Content-Type"), "text/event-stream");
    assert_int_equal(xr_hub_subscribers(rig->hub), 0);
    xr_reply_clear(&head);
    xr_reply_clear(&next);
    close(fd);
}

static void old_client_gets_the_stream_unchunked(void **state) {
    struct xr_rig *rig = *state;
    int fd = xr_dial(rig);
    xr_say(fd, "GET /finished HTTP/1.0\r\n\r\n");
    assert_true(xr_hear_until(fd, "\r\n\r\ndata: now\n\ndata: end\n\n"));
    assert_true(xr_hear_end(fd));
    close(fd);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void) {
    const struct CMUnitTest tests[] = {
        T(finished_topic_is_told_at_once),
        T(what_the_state_contains_is_not_told_again),
        T(every_listener_hears_every_event),
        T(event_larger_than_any_buffer_arrives_whole),
        T(hub_that_closes_ends_the_stream),
        cmocka_unit_test(stop_ends_streams_even_if_the_hub_is_open),
        cmocka_unit_test(listener_that_left_is_found_by_the_heartbeat),
        T(stream_that_was_not_sent_unsubscribes),
        T(head_of_a_stream_has_no_body),
        T(old_client_gets_the_stream_unchunked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
