// SPDX-License-Identifier: Apache-2.0
/* The transport itself: framing, refusals, deferred requests. Bodies and files are in transfer_test.c, time-outs
 * in reaper_test.c, streams in sse_test.c. */
#include "base/limits.h"
#include "base/test.h"
#include "http/core.h"
#include "http/testkit.h"
#include <arpa/inet.h>
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

static void ok(struct xr_request *req) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_bool(&j, "ok", true);
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

/* What the server understood of the request. */
static void echo(struct xr_request *req) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    struct xr_str value;
    xr_json_object(&j);
    xr_json_kv_str(&j, "param", xr_request_param(req, 0));
    if (xr_request_query(req, "q", &value))
        xr_json_kv_str(&j, "q", value);
    if (xr_request_header(req, "X-Thing", &value))
        xr_json_kv_str(&j, "thing", value);
    xr_json_kv_str(&j, "body", xr_request_body(req));
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

static void silent(struct xr_request *req) {
    (void)req;
}

static void refuse_always(struct xr_request *req) {
    struct xr_json j = xr_error_begin(req, 409, "not_now");
    xr_error_end(req, &j);
}

struct late {
    struct xr_task task;
    struct xr_request *req;
    int rounds;
};

static sem_t held, release_held;
static void late_again(struct xr_request *req);

static void late_run(struct xr_task *task) {
    struct late *late = (struct late *)task;
    xr_request_resume(late->req, late_again);
}

static void late_again(struct xr_request *req) {
    struct late *late = xr_request_state(req);
    if (late->rounds-- == 0) {
        ok(req);
        return;
    }
    xr_request_defer(req);
    assert_int_equal(xr_pool_submit(xr_request_deps(req)->files_pool, &late->task, NULL), XR_OK);
}

static void later(struct xr_request *req) {
    struct late *late = xr_arena_alloc(xr_request_arena(req), sizeof *late);
    late->req = req;
    late->rounds = 3;
    late->task.run = late_run;
    xr_request_set_state(req, late);
    late_again(req);
}

/* Keeps its request thread until the test lets it go on. */
static void later_when_released(struct xr_request *req) {
    sem_post(&held);
    sem_wait(&release_held);
    later(req);
}

/* Held until the test lets it go. */

static void held_run(struct xr_task *task) {
    struct late *late = (struct late *)task;
    sem_post(&held);
    while (sem_wait(&release_held) != 0) {
    }
    late->rounds = 0;
    xr_request_resume(late->req, late_again);
}

static void hold(struct xr_request *req) {
    struct late *late = xr_arena_alloc(xr_request_arena(req), sizeof *late);
    late->req = req;
    late->task.run = held_run;
    xr_request_set_state(req, late);
    xr_request_defer(req);
    assert_int_equal(xr_pool_submit(xr_request_deps(req)->files_pool, &late->task, NULL), XR_OK);
}

enum { SMALL_MAX = 1000 };
static const struct xr_route ROUTES[] = {
    {"GET", "/ok", ok, NULL, XR_BODY_NONE, 0},
    {"POST", "/ok", ok, NULL, XR_BODY_NONE, 0},
    {"POST", "/echo/{id}", echo, NULL, XR_BODY_MEMORY, SMALL_MAX},
    {"GET", "/echo/{id}", echo, NULL, XR_BODY_NONE, 0},
    {"POST", "/refused", ok, refuse_always, XR_BODY_MEMORY, SMALL_MAX},
    {"GET", "/silent", silent, NULL, XR_BODY_NONE, 0},
    {"POST", "/later", later, NULL, XR_BODY_MEMORY, SMALL_MAX},
    {"GET", "/hold", hold, NULL, XR_BODY_NONE, 0},
    {"GET", "/released", later_when_released, NULL, XR_BODY_NONE, 0},
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

#define H "Host: x\r\n"
#define GET(path) "GET " path " HTTP/1.1\r\n" H "\r\n"

static void expect(struct xr_rig *rig, const char *request, int status, const char *body) {
    struct xr_reply reply = xr_ask(rig, request);
    reply.body[reply.body_len] = '\0';
    if (reply.status != status || strcmp(reply.body, body) != 0)
        fail_msg("%.60s -> %d %s, not %d %s", request, reply.status, reply.body, status, body);
    xr_reply_clear(&reply);
}

static void every_response_has_an_id_of_its_own(void **state) {
    int fd = xr_dial(*state);
    char first[128];
    xr_say(fd, GET("/ok") GET("/nowhere")); /* pipelined */
    struct xr_reply one = xr_hear(fd, false);
    snprintf(first, sizeof first, "%s", xr_reply_header(&one, "X-Request-Id"));
    struct xr_reply two = xr_hear(fd, false);
    assert_int_equal(one.status, 200);
    assert_string_equal(xr_reply_header(&one, "Content-Type"), "application/json");
    assert_int_equal(two.status, 404);
    assert_true(strlen(first) > 8);
    assert_string_not_equal(first, xr_reply_header(&two, "X-Request-Id"));
    xr_reply_clear(&one);
    xr_reply_clear(&two);
    close(fd);
}

static void connections_stay_open_after_every_kind_of_answer(void **state) {
    static const struct {
        const char *request;
        int status;
    } CASES[] = {
        {GET("/ok"), 200},
        {"POST /ok HTTP/1.1\r\n" H "Content-Length: 0\r\n\r\n", 200},
        {"POST /ok HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", 200}, /* a body nobody wants */
        {"POST /echo/a HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", 200},
        {"POST /echo/a HTTP/1.1\r\n" H "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200},
        {"POST /refused HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", 409},
        {"PUT /nowhere HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", 404},
        {"DELETE /ok HTTP/1.1\r\n" H "\r\n", 405},
        {"POST /later HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}", 200},
        {GET("/silent"), 500},
        {GET("/ok"), 200},
    };
    int fd = xr_dial(*state);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        xr_say(fd, CASES[i].request);
        struct xr_reply reply = xr_hear(fd, false);
        if (reply.status != CASES[i].status)
            fail_msg("case %zu: %d", i, reply.status);
        xr_reply_clear(&reply);
    }
    close(fd);
}

static void head_has_the_headers_of_get_and_no_body(void **state) {
    int fd = xr_dial(*state);
    xr_say(fd, "HEAD /ok HTTP/1.1\r\n" H "\r\n" GET("/ok"));
    struct xr_reply head = xr_hear(fd, true);
    assert_int_equal(head.status, 200);
    assert_string_equal(xr_reply_header(&head, "Content-Length"), "11");
    struct xr_reply get = xr_hear(fd, false);
    assert_int_equal(get.status, 200);
    assert_int_equal(get.body_len, 11);
    xr_reply_clear(&head);
    xr_reply_clear(&get);
    close(fd);
}

static void wrong_method_is_405_with_allow(void **state) {
    struct xr_reply reply = xr_ask(*state, "DELETE /ok HTTP/1.1\r\n" H "\r\n");
    assert_int_equal(reply.status, 405);
    assert_string_equal(xr_reply_header(&reply, "Allow"), "GET, HEAD, POST");
    assert_memory_equal(reply.body, "{\"error\":\"method_not_allowed\"}", reply.body_len);
    xr_reply_clear(&reply);
}

static void paths_queries_and_headers_are_decoded(void **state) {
    struct xr_rig *rig = *state;
    expect(rig, GET("/echo/a%20b"), 200, "{\"param\":\"a b\",\"body\":\"\"}");
    expect(rig, GET("/echo/a%00b"), 200, "{\"param\":\"a\\u0000b\",\"body\":\"\"}");
    expect(rig, GET("/echo/..%2f"), 200, "{\"param\":\"../\",\"body\":\"\"}");
    expect(rig, GET("/echo/a%zz%"), 200, "{\"param\":\"a%zz%\",\"body\":\"\"}");
    expect(rig, GET("/%65cho/a"), 200, "{\"param\":\"a\",\"body\":\"\"}");
    expect(rig, GET("/echo/a?q=x+y%2B%26&r=2"), 200, "{\"param\":\"a\",\"q\":\"x y+&\",\"body\":\"\"}");
    expect(rig, GET("/echo/a?q"), 200, "{\"param\":\"a\",\"q\":\"\",\"body\":\"\"}");
    expect(rig, GET("/echo/a?q=%ff"), 200, "{\"param\":\"a\",\"q\":\"\xEF\xBF\xBD\",\"body\":\"\"}");
    expect(rig, "GET /echo/a HTTP/1.1\r\n" H "x-thing: 7\r\n\r\n", 200,
           "{\"param\":\"a\",\"thing\":\"7\",\"body\":\"\"}");
    expect(rig, GET("/echo/"), 404, "{\"error\":\"not_found\"}");
    expect(rig, GET("/echo/a/b"), 404, "{\"error\":\"not_found\"}");
    expect(rig, GET("/../ok"), 404, "{\"error\":\"not_found\"}");
}

/* What a proxy and we might read differently. */
static void ambiguous_framing_is_refused_and_ends_the_connection(void **state) {
    static const char *const CASES[] = {
        "POST /ok HTTP/1.1\r\n" H "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /ok HTTP/1.1\r\n" H "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /ok HTTP/1.1\r\n" H "Transfer-Encoding: gzip\r\n\r\nabc",
        "POST /ok HTTP/1.1\r\n" H "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "GET /ok HTTP/1.1\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        int fd = xr_dial(*state);
        xr_say(fd, CASES[i]);
        struct xr_reply reply = xr_hear(fd, false);
        assert_int_equal(reply.status, 400);
        assert_memory_equal(reply.body, "{\"error\":\"bad_request\"}", reply.body_len);
        xr_reply_clear(&reply);
        assert_true(xr_hear_end(fd));
        close(fd);
    }
    int fd = xr_dial(*state);
    static const char WITH_NUL[] = "GET /ok\0/other HTTP/1.1\r\n" H "\r\n";
    xr_say_bytes(fd, WITH_NUL, sizeof WITH_NUL - 1);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 400);
    xr_reply_clear(&reply);
    close(fd);
    expect(*state, "GET /ok HTTP/1.0\r\n\r\n", 200, "{\"ok\":true}");
    expect(*state, GET("http://x/ok"), 200, "{\"ok\":true}");
    expect(*state, GET("http://x"), 404, "{\"error\":\"not_found\"}");
}

static void deferred_request_is_answered_when_it_is_resumed(void **state) {
    int fds[16];
    for (size_t i = 0; i < 16; i++) {
        fds[i] = xr_dial(*state);
        xr_say(fds[i], "POST /later HTTP/1.1\r\n" H "Content-Length: 2\r\n\r\n{}");
    }
    for (size_t i = 0; i < 16; i++) {
        struct xr_reply reply = xr_hear(fds[i], false);
        assert_int_equal(reply.status, 200);
        xr_reply_clear(&reply);
        close(fds[i]);
    }
}

static void client_may_go_away_while_deferred(void **state) {
    int fd = xr_dial(*state);
    xr_say(fd, GET("/hold"));
    assert_int_equal(sem_wait(&held), 0);
    close(fd);
    sem_post(&release_held);
    expect(*state, GET("/ok"), 200, "{\"ok\":true}");
}

static void stop_waits_for_a_deferred_request(void **state) {
    struct xr_rig *rig = *state;
    int fd = xr_dial(rig);
    xr_say(fd, GET("/hold"));
    assert_int_equal(sem_wait(&held), 0);
    xr_http_quiesce(rig->http);
    sem_post(&release_held);
    xr_http_stop(rig->http);
    rig->http = NULL;
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    assert_string_equal(xr_reply_header(&reply, "Connection"), "close");
    xr_reply_clear(&reply);
    close(fd);
    xr_rig_stop(rig);
    *state = xr_rig_start(ROUTES, NULL);
}

static void stop_leaves_work_that_does_not_end_behind(void **state) {
    xr_rig_stop(*state);
    struct xr_http_times times = XR_HTTP_TIMES;
    times.stop = 20;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    xr_say(fd, GET("/hold"));
    assert_int_equal(sem_wait(&held), 0);
    xr_http_stop(rig->http);
    rig->http = NULL;
    assert_true(xr_hear_end(fd));
    close(fd);
    sem_post(&release_held); /* resumes a request whose server is gone */
    xr_rig_stop(rig);
    *state = xr_rig_start(ROUTES, NULL);
}

static void *stop_server(void *http) {
    xr_http_stop(http);
    return NULL;
}

static bool has_given_up(struct xr_http *http) {
    pthread_mutex_lock(&http->lock);
    bool gave_up = http->gave_up;
    pthread_mutex_unlock(&http->lock);
    return gave_up;
}

static void a_request_may_defer_when_stop_has_given_up_waiting(void **state) {
    xr_rig_stop(*state);
    struct xr_http_times times = XR_HTTP_TIMES;
    times.stop = 20;
    struct xr_rig *rig = xr_rig_start(ROUTES, &times);
    int fd = xr_dial(rig);
    pthread_t stopping;
    xr_say(fd, GET("/released"));
    assert_int_equal(sem_wait(&held), 0);
    assert_int_equal(pthread_create(&stopping, NULL, stop_server, rig->http), 0);
    while (!has_given_up(rig->http))
        sched_yield();
    sem_post(&release_held);
    assert_int_equal(pthread_join(stopping, NULL), 0);
    rig->http = NULL;
    assert_true(xr_hear_end(fd));
    close(fd);
    xr_rig_stop(rig);
    *state = xr_rig_start(ROUTES, NULL);
}

static void quiesced_server_refuses_connections(void **state) {
    struct xr_rig *rig = *state;
    xr_http_quiesce(rig->http);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(xr_http_port(rig->http))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), -1);
    close(fd);
    xr_rig_stop(rig);
    *state = xr_rig_start(ROUTES, NULL);
}

static void taken_port_is_said(void **state) {
    struct xr_rig *rig = *state;
    const struct xr_http_deps deps = {.clock = xr_clock_system()};
    const struct xr_http_options options = {
        .host = "127.0.0.1", .port = xr_http_port(rig->http), .threads = 1, .routes = ROUTES, .times = XR_HTTP_TIMES};
    struct xr_http *http = NULL;
    struct xr_err err;
    assert_int_equal(xr_http_start_with(&options, &deps, &http, &err), XR_IO);
    assert_non_null(strstr(err.message, "cannot listen"));
    assert_null(http);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
int main(void) {
    sem_init(&held, 0, 0);
    sem_init(&release_held, 0, 0);
    const struct CMUnitTest tests[] = {
        T(every_response_has_an_id_of_its_own),
        T(connections_stay_open_after_every_kind_of_answer),
        T(head_has_the_headers_of_get_and_no_body),
        T(wrong_method_is_405_with_allow),
        T(paths_queries_and_headers_are_decoded),
        T(ambiguous_framing_is_refused_and_ends_the_connection),
        T(deferred_request_is_answered_when_it_is_resumed),
        T(client_may_go_away_while_deferred),
        T(stop_waits_for_a_deferred_request),
        T(stop_leaves_work_that_does_not_end_behind),
        T(a_request_may_defer_when_stop_has_given_up_waiting),
        T(quiesced_server_refuses_connections),
        T(taken_port_is_said),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
