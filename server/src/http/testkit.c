// SPDX-License-Identifier: Apache-2.0
#include "http/testkit.h"
#include "base/test.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum { PATIENCE_S = 20 }; /* a test that waits longer for a byte has failed */

static void count_kick(void *ctx) {
    atomic_fetch_add(&((struct xr_rig *)ctx)->kicks, 1);
}

static enum xr_code queue_is_well(void *ctx, struct xr_err *err) {
    (void)ctx, (void)err;
    return XR_OK;
}

static struct xr_rig *rig_new(void) {
    struct xr_rig *rig = calloc(1, sizeof *rig);
    assert_non_null(rig);
    snprintf(rig->dir, sizeof rig->dir, "/tmp/xr-http-XXXXXX");
    assert_non_null(mkdtemp(rig->dir));
    assert_int_equal(xr_files_open(rig->dir, &rig->files, NULL), XR_OK);
    assert_int_equal(xr_hub_new(&rig->hub, NULL), XR_OK);
    assert_int_equal(xr_pool_new("test", 2, 64, &rig->pool, NULL), XR_OK);
    return rig;
}

static void serve(struct xr_rig *rig, const struct xr_route *routes, const struct xr_http_times *times,
                  size_t bodies_max, size_t sending_max) {
    const struct xr_http_deps deps = {
        .clock = xr_clock_system(),
        .log = rig->log,
        .store = rig->store,
        .files = rig->files,
        .ingest = rig->ingest,
        .providers = rig->providers,
        .hub = rig->hub,
        .files_pool = rig->pool,
        .decode_pool = rig->pool,
        .kick = count_kick,
        .queue_health = queue_is_well,
        .ctx = rig,
    };
    const struct xr_http_options options = {.host = "127.0.0.1",
                                            .threads = 2,
                                            .routes = routes,
                                            .times = times ? *times : XR_HTTP_TIMES,
                                            .bodies_max = bodies_max,
                                            .sending_max = sending_max};
    struct xr_err err = {0};
    if (xr_http_start_with(&options, &deps, &rig->http, &err) != XR_OK)
        fail_msg("%s", err.message);
}

struct xr_rig *xr_rig_start(const struct xr_route *routes, const struct xr_http_times *times) {
    struct xr_rig *rig = rig_new();
    serve(rig, routes, times, 0, 0);
    return rig;
}

struct xr_rig *xr_rig_start_bounded(const struct xr_route *routes, size_t bodies_max, size_t sending_max) {
    struct xr_rig *rig = rig_new();
    serve(rig, routes, NULL, bodies_max, sending_max);
    return rig;
}

struct xr_rig *xr_rig_new_stored(void) {
    struct xr_rig *rig = rig_new();
    struct xr_err err = {0};
    char path[80], queue_path[80];
    snprintf(path, sizeof path, "%s/xray.db", rig->dir);
    snprintf(queue_path, sizeof queue_path, "%s/queue.db", rig->dir);
    if (xr_store_open(path, queue_path, xr_clock_system(), &rig->store, &err) != XR_OK)
        fail_msg("%s", err.message);
    return rig;
}

void xr_rig_serve(struct xr_rig *rig, const struct xr_route *routes) {
    serve(rig, routes, NULL, 0, 0);
}

struct xr_rig *xr_rig_start_stored(const struct xr_route *routes, const struct xr_http_times *times) {
    struct xr_rig *rig = xr_rig_new_stored();
    serve(rig, routes, times, 0, 0);
    return rig;
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw) {
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

void xr_rig_stop(struct xr_rig *rig) {
    xr_hub_close(rig->hub);
    if (rig->http)
        xr_http_stop(rig->http);
    xr_pool_free(rig->pool); /* its tasks write to the store */
    xr_ingest_free(rig->ingest);
    xr_store_free(rig->store);
    xr_hub_free(rig->hub);
    xr_files_free(rig->files);
    nftw(rig->dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(rig);
}

size_t xr_rig_temp_files(const struct xr_rig *rig) {
    char path[128];
    snprintf(path, sizeof path, "%s/audio/tmp", rig->dir);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    size_t count = 0;
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

int xr_dial(const struct xr_rig *rig) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(xr_http_port(rig->http))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const struct timeval patience = {.tv_sec = PATIENCE_S};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience), 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

void xr_say_bytes(int fd, const void *bytes, size_t n) {
    const char *from = bytes;
    while (n > 0) {
        ssize_t sent = send(fd, from, n, MSG_NOSIGNAL);
        if (sent <= 0)
            return;
        from += sent;
        n -= (size_t)sent;
    }
}

void xr_say(int fd, const char *text) {
    xr_say_bytes(fd, text, strlen(text));
}

static bool hear_byte(int fd, char *to) {
    return recv(fd, to, 1, 0) == 1;
}

static bool hear_bytes(int fd, char *to, size_t n) {
    return n == 0 || recv(fd, to, n, MSG_WAITALL) == (ssize_t)n;
}

/* Up to and with the end of a line; -1 at the connection's end. */
static ssize_t hear_line(int fd, char *to, size_t room) {
    size_t n = 0;
    while (n + 1 < room && hear_byte(fd, to + n)) {
        if (to[n++] == '\n') {
            to[n] = '\0';
            return (ssize_t)n;
        }
    }
    return -1;
}

static bool hear_chunks(int fd, struct xr_reply *reply) {
    for (;;) {
        char line[64];
        if (hear_line(fd, line, sizeof line) < 0)
            return false;
        size_t n = strtoul(line, NULL, 16);
        assert_true(n < XR_REPLY_MAX - reply->body_len);
        if (!hear_bytes(fd, reply->body + reply->body_len, n) || hear_line(fd, line, sizeof line) < 0)
            return false;
        reply->body_len += n;
        if (n == 0)
            return true;
    }
}

static bool hear_body(int fd, struct xr_reply *reply) {
    reply->chunked = strcasecmp(xr_reply_header(reply, "Transfer-Encoding"), "chunked") == 0;
    if (reply->chunked)
        return hear_chunks(fd, reply);
    reply->body_len = strtoul(xr_reply_header(reply, "Content-Length"), NULL, 10);
    assert_true(reply->body_len < XR_REPLY_MAX);
    return hear_bytes(fd, reply->body, reply->body_len);
}

struct xr_reply xr_hear(int fd, bool head_only) {
    struct xr_reply reply = {.head = calloc(1, 16384), .body = calloc(1, XR_REPLY_MAX)};
    assert_non_null(reply.head);
    assert_non_null(reply.body);
    size_t n = 0;
    for (;;) {
        ssize_t line = hear_line(fd, reply.head + n, 16384 - n);
        if (line < 0)
            return reply;
        n += (size_t)line;
        if (line == 2)
            break;
    }
    int status = 0;
    if (sscanf(reply.head, "HTTP/1.%*d %d", &status) != 1)
        return reply;
    bool bodiless = head_only || status == 304 || status == 100;
    if (bodiless || hear_body(fd, &reply))
        reply.status = status;
    return reply;
}

struct xr_reply xr_ask(const struct xr_rig *rig, const char *request) {
    int fd = xr_dial(rig);
    xr_say(fd, request);
    struct xr_reply reply = xr_hear(fd, strncmp(request, "HEAD ", 5) == 0);
    close(fd);
    return reply;
}

void xr_reply_clear(struct xr_reply *reply) {
    free(reply->head);
    free(reply->body);
    *reply = (struct xr_reply){0};
}

const char *xr_reply_header(const struct xr_reply *reply, const char *name) {
    static char value[1024];
    size_t n = strlen(name);
    value[0] = '\0';
    for (const char *line = reply->head; (line = strstr(line, "\r\n")); line += 2) {
        if (strncasecmp(line + 2, name, n) == 0 && line[2 + n] == ':')
            sscanf(line + 2 + n + 1, " %1023[^\r]", value);
    }
    return value;
}

bool xr_hear_until(int fd, const char *text) {
    size_t want = strlen(text), n = 0;
    char window[256];
    assert_true(want < sizeof window);
    while (hear_byte(fd, window + n)) {
        n++;
        if (n >= want && memcmp(window + n - want, text, want) == 0)
            return true;
        if (n == sizeof window) {
            memmove(window, window + n - want, want);
            n = want;
        }
    }
    return false;
}

bool xr_hear_end(int fd) {
    char c;
    ssize_t n = recv(fd, &c, 1, 0);
    return n == 0 || (n < 0 && errno == ECONNRESET);
}

struct waited {
    struct xr_write write;
    pthread_mutex_t lock;
    pthread_cond_t finished;
    bool done;
    enum xr_code code;
};

static void note_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    (void)err;
    struct waited *waited = (struct waited *)write;
    pthread_mutex_lock(&waited->lock);
    waited->done = true;
    waited->code = code;
    pthread_cond_signal(&waited->finished);
    pthread_mutex_unlock(&waited->lock);
}

void xr_commit(struct xr_store *store,
               enum xr_code (*apply)(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err), void *arg) {
    struct waited waited = {.lock = PTHREAD_MUTEX_INITIALIZER, .finished = PTHREAD_COND_INITIALIZER};
    waited.write = (struct xr_write){.apply = apply, .done = note_done, .ctx = arg};
    assert_int_equal(xr_store_submit(store, &waited.write, NULL), XR_OK);
    pthread_mutex_lock(&waited.lock);
    while (!waited.done)
        pthread_cond_wait(&waited.finished, &waited.lock);
    pthread_mutex_unlock(&waited.lock);
    assert_int_equal(waited.code, XR_OK);
}
