// SPDX-License-Identifier: Apache-2.0
/* The receiver of spans behind a real server and a real store: on the request thread, on the decode pool, with clients
 * and servers that go away meanwhile, and when pool or writer are full. */
#include "base/limits.h"
#include "base/test.h"
#include "http/core.h"
#include "http/handlers.h"
#include "http/testkit.h"
#include "store/conversations.h"
#include "store/replays.h"
#include "store/results.h"
#include <sched.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define REPLAY "01234567-89ab-4def-8bcd-ef0123456789"
#define JSON_TYPE "Content-Type: application/json\r\n"
#define NOTHING_REJECTED "{\"partialSuccess\":{\"rejectedSpans\":0}}"

enum { POOL_THREADS = 2, POOL_QUEUE = 64 }; /* the rig's */

static const struct xr_route ROUTES[] = {
    {"POST", "/v1/traces", xr_post_spans, xr_check_spans, XR_BODY_MEMORY, XR_BODY_OTLP_MAX, .gzip = true,
     .arena_max = XR_OTLP_ARENA_MAX},
    {0},
};

static enum xr_code apply_replay(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    (void)write;
    struct xr_conversation conversation = {.name = XR_STR("n"), .spec = XR_STR("{}"), .hash = {1}};
    struct xr_uuid uuid;
    assert_true(xr_uuid_parse(XR_STR(REPLAY), &uuid));
    enum xr_code code = xr_store_tx_conversation_put(tx, &conversation, err);
    return code == XR_OK ? xr_store_tx_replay_create(tx, &uuid, conversation.hash, (struct xr_str){0}, err) : code;
}

static struct xr_rig *start_rig(const struct xr_http_times *times) {
    struct xr_rig *rig = xr_rig_start_stored(ROUTES, times);
    xr_commit(rig->store, apply_replay, NULL);
    return rig;
}

static int start(void **state) {
    *state = start_rig(NULL);
    return 0;
}

static int stop(void **state) {
    xr_rig_stop(*state);
    return 0;
}

/* A request of one span with an attribute of that many bytes, which no vocabulary keeps. */
static char *make_body(uint32_t span, size_t padding) {
    static const char HEAD[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"xray.replay.id\",\"value\":"
        "{\"stringValue\":\"" REPLAY "\"}}]},\"scopeSpans\":[{\"spans\":[{\"name\":\"chat\","
        "\"spanId\":\"%016x\",\"attributes\":[{\"key\":\"pad\",\"value\":{\"stringValue\":\"";
    static const char TAIL[] = "\"}}]}]}]}]}";
    char *body = malloc(sizeof HEAD + 16 + padding + sizeof TAIL);
    assert_non_null(body);
    int n = snprintf(body, sizeof HEAD + 16, HEAD, span);
    memset(body + n, 'x', padding);
    memcpy(body + n + padding, TAIL, sizeof TAIL);
    return body;
}

static void send_body(int fd, const char *type, const char *body, size_t n) {
    char head[200];
    snprintf(head, sizeof head, "POST /v1/traces HTTP/1.1\r\nHost: x\r\n%sContent-Length: %zu\r\n\r\n", type, n);
    xr_say(fd, head);
    xr_say_bytes(fd, body, n);
}

enum { SHORT = 10, LONG = XR_OTLP_INLINE_MAX };

static int ask(const struct xr_rig *rig, uint32_t span, size_t padding) {
    char *body = make_body(span, padding);
    int fd = xr_dial(rig);
    send_body(fd, JSON_TYPE, body, strlen(body));
    free(body);
    return fd;
}

static void assert_answer(int fd, int status, const char *body) {
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, status);
    assert_int_equal(reply.body_len, strlen(body));
    assert_memory_equal(reply.body, body, reply.body_len);
    xr_reply_clear(&reply);
}

static void assert_overloaded(int fd) {
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 503);
    assert_string_not_equal(xr_reply_header(&reply, "Retry-After"), "");
    xr_reply_clear(&reply);
}

static bool count_row(const struct xr_span_row *row, void *ctx) {
    (void)row;
    ++*(size_t *)ctx;
    return true;
}

static size_t spans_in(const struct xr_rig *rig) {
    enum { FIRST_REPLAY = 1 };
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_KIB(64));
    struct xr_store_reader *reader = NULL;
    size_t count = 0;
    assert_int_equal(xr_store_reader_open(rig->store, &reader, NULL), XR_OK);
    assert_int_equal(xr_store_reader_begin(reader, NULL), XR_OK);
    assert_int_equal(xr_store_spans_each(reader, FIRST_REPLAY, arena, count_row, &count, NULL), XR_OK);
    xr_store_reader_end(reader);
    xr_store_reader_close(reader);
    return count;
}

/* Tasks that keep every thread of the pool until they are let go. Not on a test's stack: a thread may come to its end
 * after the test. */
static struct xr_task blockers[POOL_THREADS];
static sem_t pool_running, pool_release, pool_drained;

static void wait_for_release(struct xr_task *task) {
    (void)task;
    sem_post(&pool_running);
    sem_wait(&pool_release);
}

static void block_pool(const struct xr_rig *rig) {
    for (size_t i = 0; i < POOL_THREADS; i++) {
        blockers[i] = (struct xr_task){.run = wait_for_release};
        assert_int_equal(xr_pool_submit(rig->pool, &blockers[i], NULL), XR_OK);
    }
    for (size_t i = 0; i < POOL_THREADS; i++)
        assert_int_equal(sem_wait(&pool_running), 0);
}

static void let_go(void) {
    for (size_t i = 0; i < POOL_THREADS; i++)
        sem_post(&pool_release);
}

static bool has(struct xr_http *http, bool (*what)(const struct xr_http *http)) {
    pthread_mutex_lock(&http->lock);
    bool found = what(http);
    pthread_mutex_unlock(&http->lock);
    return found;
}

static bool defers(const struct xr_http *http) {
    return http->deferred != NULL;
}

static bool defers_nothing(const struct xr_http *http) {
    return !http->deferred;
}

static bool closing(const struct xr_http *http) {
    return atomic_load(&http->closing);
}

static void wait_until(const struct xr_rig *rig, bool (*what)(const struct xr_http *http)) {
    while (!has(rig->http, what))
        sched_yield();
}

static void a_short_body_is_read_at_once(void **state) {
    struct xr_rig *rig = *state;
    block_pool(rig); /* so it needs nobody of the pool */
    int fd = ask(rig, 1, SHORT);
    assert_answer(fd, 200, NOTHING_REJECTED);
    close(fd);
    assert_int_equal(spans_in(rig), 1);
    let_go();
}

static void a_long_body_is_read_by_the_pool(void **state) {
    struct xr_rig *rig = *state;
    block_pool(rig);
    int fd = ask(rig, 1, LONG), other = ask(rig, 2, SHORT);
    assert_answer(other, 200, NOTHING_REJECTED); /* the request threads are free */
    wait_until(rig, defers);
    let_go();
    assert_answer(fd, 200, NOTHING_REJECTED);
    assert_int_equal(spans_in(rig), 2);
    close(fd);
    close(other);
}

static void a_long_body_may_be_broken_or_empty(void **state) {
    struct xr_rig *rig = *state;
    char *body = malloc(LONG + 3);
    assert_non_null(body);
    memset(body, ' ', LONG);
    memcpy(body + LONG, "{}", 3);
    int fd = xr_dial(rig);
    send_body(fd, JSON_TYPE, body, LONG + 2);
    assert_answer(fd, 200, NOTHING_REJECTED);
    send_body(fd, JSON_TYPE, body, LONG + 1);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 400);
    xr_reply_clear(&reply);
    send_body(fd, "Content-Type: application/x-protobuf\r\n", "", 0);
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    assert_int_equal(reply.body_len, 2);
    assert_memory_equal(reply.body, "\x0a", 2); /* partial_success, of no length */
    xr_reply_clear(&reply);
    close(fd);
    free(body);
}

/* Rejected spans alone need no write, and are answered in both encodings. */
static void what_is_rejected_is_answered_without_a_write(void **state) {
    static const char UNNAMED[] = "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"chat\"}]}]}]}";
    static const char PROTOBUF[] = "\x0a\x0a\x12\x08\x12\x06\x2a\x04"
                                   "chat";
    struct xr_rig *rig = *state;
    uint64_t version = xr_store_version(rig->store);
    int fd = xr_dial(rig);
    send_body(fd, JSON_TYPE, UNNAMED, sizeof UNNAMED - 1);
    struct xr_reply reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    assert_non_null(strstr(reply.body, "\"rejectedSpans\":1,\"errorMessage\":\"rejected: 1 name no replay"));
    xr_reply_clear(&reply);
    send_body(fd, "Content-Type: application/x-protobuf\r\n", PROTOBUF, sizeof PROTOBUF - 1);
    reply = xr_hear(fd, false);
    assert_int_equal(reply.status, 200);
    assert_memory_equal(reply.body, "\x0a", 1);
    assert_int_equal((unsigned char)reply.body[1], reply.body_len - 2);
    assert_memory_equal(reply.body + 2, "\x08\x01\x12", 3);
    assert_int_equal((unsigned char)reply.body[5], reply.body_len - 6);
    xr_reply_clear(&reply);
    close(fd);
    assert_int_equal(xr_store_version(rig->store), version);
}

/* Its spans are stored all the same; nobody is told. */
static void a_client_may_go_away_while_its_body_is_read(void **state) {
    struct xr_rig *rig = *state;
    block_pool(rig);
    int fd = ask(rig, 1, LONG);
    wait_until(rig, defers);
    close(fd);
    let_go();
    fd = ask(rig, 2, LONG);
    assert_answer(fd, 200, NOTHING_REJECTED);
    close(fd);
    wait_until(rig, defers_nothing);
    assert_int_equal(spans_in(rig), 2);
}

static void *stop_server(void *http) {
    xr_http_stop(http);
    return NULL;
}

static void a_server_that_stops_waits_for_spans(void **state) {
    struct xr_rig *rig = *state;
    pthread_t stopping;
    block_pool(rig);
    int fd = ask(rig, 1, LONG);
    wait_until(rig, defers);
    assert_int_equal(pthread_create(&stopping, NULL, stop_server, rig->http), 0);
    wait_until(rig, closing);
    let_go();
    assert_int_equal(pthread_join(stopping, NULL), 0);
    rig->http = NULL;
    assert_answer(fd, 200, NOTHING_REJECTED);
    close(fd);
    assert_int_equal(spans_in(rig), 1);
}

/* It gives up waiting; the task then writes what it read, to a store that is still there, and answers nobody. */
static void a_server_may_stop_while_spans_are_read(void **state) {
    struct xr_http_times times = XR_HTTP_TIMES;
    times.stop = 20;
    xr_rig_stop(*state);
    struct xr_rig *rig = start_rig(&times);
    block_pool(rig);
    int fd = ask(rig, 1, LONG);
    wait_until(rig, defers);
    xr_http_stop(rig->http);
    rig->http = NULL;
    assert_true(xr_hear_end(fd));
    close(fd);
    let_go();
    xr_pool_stop(rig->pool);
    xr_rig_stop(rig);
    *state = start_rig(NULL);
}

static void note_drained(struct xr_task *task) {
    (void)task;
    sem_post(&pool_drained);
}

static void a_full_pool_is_overloaded_for_long_bodies_only(void **state) {
    struct xr_rig *rig = *state;
    struct xr_task waiting[POOL_QUEUE];
    block_pool(rig);
    for (size_t i = 0; i < POOL_QUEUE; i++) {
        waiting[i] = (struct xr_task){.run = note_drained};
        assert_int_equal(xr_pool_submit(rig->pool, &waiting[i], NULL), XR_OK);
    }
    int fd = ask(rig, 1, LONG), other = ask(rig, 2, SHORT);
    assert_overloaded(fd);
    assert_answer(other, 200, NOTHING_REJECTED);
    close(fd);
    close(other);
    let_go();
    for (size_t i = 0; i < POOL_QUEUE; i++)
        assert_int_equal(sem_wait(&pool_drained), 0);
    fd = ask(rig, 1, LONG);
    assert_answer(fd, 200, NOTHING_REJECTED);
    close(fd);
    assert_int_equal(spans_in(rig), 2);
}

/* Of 1,000 spans, each of a few bytes here and of a few hundred as a row. */
static int ask_small_spans(const struct xr_rig *rig, size_t padding) {
    enum { COUNT = 1000 };
    static const char HEAD[] =
        "{\"resourceSpans\":[{\"resource\":{\"attributes\":[{\"key\":\"xray.replay.id\",\"value\":"
        "{\"stringValue\":\"" REPLAY "\"}}]},\"scopeSpans\":[{\"spans\":[";
    static const char SPAN[] = "{\"name\":\"chat\"},", TAIL[] = "{}]}]}]}";
    char *body = malloc(sizeof HEAD + COUNT * sizeof SPAN + sizeof TAIL + padding), *to = body;
    assert_non_null(body);
    to = (char *)memcpy(to, HEAD, sizeof HEAD - 1) + sizeof HEAD - 1;
    for (int i = 0; i < COUNT; i++)
        to = (char *)memcpy(to, SPAN, sizeof SPAN - 1) + sizeof SPAN - 1;
    to = (char *)memcpy(to, TAIL, sizeof TAIL - 1) + sizeof TAIL - 1;
    memset(to, ' ', padding);
    int fd = xr_dial(rig);
    send_body(fd, JSON_TYPE, body, (size_t)(to - body) + padding);
    free(body);
    return fd;
}

static void rows_are_counted_with_the_bodies_they_were_read_from(void **state) {
    static const size_t PADDING[] = {SHORT, LONG}; /* on the request thread, and by the pool */
    struct xr_rig *rig = *state;
    size_t max = rig->http->bodies.max;
    for (size_t i = 0; i < sizeof PADDING / sizeof *PADDING; i++) {
        rig->http->bodies.max = 3 * XR_OTLP_INLINE_MAX; /* the body has room there, the rows do not */
        int fd = ask_small_spans(rig, PADDING[i]);
        assert_overloaded(fd);
        close(fd);
        assert_int_equal(spans_in(rig), i);
        rig->http->bodies.max = max;
        fd = ask_small_spans(rig, PADDING[i]);
        struct xr_reply reply = xr_hear(fd, false);
        assert_int_equal(reply.status, 200);
        xr_reply_clear(&reply);
        close(fd);
        assert_int_equal(spans_in(rig), 1); /* all have the same id: none */
    }
}

static sem_t writer_held, writer_release, writes_done;

static enum xr_code hold_writer(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    (void)tx, (void)write, (void)err;
    sem_post(&writer_held);
    sem_wait(&writer_release);
    return XR_OK;
}

static enum xr_code write_nothing(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    (void)tx, (void)write, (void)err;
    return XR_OK;
}

static void note_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    (void)write, (void)code, (void)err;
    sem_post(&writes_done);
}

static void a_full_writer_is_overloaded_and_a_retry_is_stored(void **state) {
    struct xr_rig *rig = *state;
    struct xr_write *writes = calloc(XR_WRITES_MAX + 2, sizeof *writes);
    size_t count = 0;
    assert_non_null(writes);
    writes[count] = (struct xr_write){.apply = hold_writer, .done = note_done};
    assert_int_equal(xr_store_submit(rig->store, &writes[count++], NULL), XR_OK);
    assert_int_equal(sem_wait(&writer_held), 0);
    do {
        assert_in_range(count, 1, XR_WRITES_MAX + 1);
        writes[count] = (struct xr_write){.apply = write_nothing, .done = note_done};
    } while (xr_store_submit(rig->store, &writes[count++], NULL) == XR_OK);
    int fd = ask(rig, 1, SHORT), other = ask(rig, 2, LONG);
    assert_overloaded(fd);
    assert_overloaded(other);
    close(fd);
    close(other);
    sem_post(&writer_release);
    for (size_t i = 0; i + 1 < count; i++) /* the last was not taken */
        assert_int_equal(sem_wait(&writes_done), 0);
    free(writes);
    assert_int_equal(spans_in(rig), 0);
    fd = ask(rig, 1, SHORT);
    assert_answer(fd, 200, NOTHING_REJECTED);
    close(fd);
    assert_int_equal(spans_in(rig), 1);
}

#define T(test) cmocka_unit_test_setup_teardown(test, start, stop)
int main(void) {
    sem_init(&pool_running, 0, 0);
    sem_init(&pool_release, 0, 0);
    sem_init(&pool_drained, 0, 0);
    sem_init(&writer_held, 0, 0);
    sem_init(&writer_release, 0, 0);
    sem_init(&writes_done, 0, 0);
    const struct CMUnitTest tests[] = {
        T(a_short_body_is_read_at_once),
        T(a_long_body_is_read_by_the_pool),
        T(a_long_body_may_be_broken_or_empty),
        T(what_is_rejected_is_answered_without_a_write),
        T(a_client_may_go_away_while_its_body_is_read),
        T(a_server_that_stops_waits_for_spans),
        T(a_server_may_stop_while_spans_are_read),
        T(a_full_pool_is_overloaded_for_long_bodies_only),
        T(rows_are_counted_with_the_bodies_they_were_read_from),
        T(a_full_writer_is_overloaded_and_a_retry_is_stored),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
