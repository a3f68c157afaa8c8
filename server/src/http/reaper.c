// SPDX-License-Identifier: Apache-2.0
/* One thread that looks at every connection once a tick and ends those that do not move. It measures by counters that
 * request threads bump anyway, so they never read a clock for it. A connection leaves the registry, under the lock,
 * before its socket is closed: under the lock a socket number is still that connection's. */
#include "base/limits.h"
#include "http/core.h"
#include <poll.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>

void xr_reaper_refuse(struct xr_conn *conn, const char *status_line, const char *json) {
    char id[XR_REQUEST_ID_SIZE], text[512];
    xr_request_id_format(conn, id);
    int n = snprintf(text, sizeof text,
                     "HTTP/1.1 %s\r\nContent-Type: application/json\r\nX-Request-Id: %s\r\nConnection: close\r\n"
                     "Content-Length: %zu\r\n\r\n%s",
                     status_line, id, strlen(json), json);
    /* Best effort: a client that does not read either has nothing to be told. */
    if (n > 0 && n < (int)sizeof text)
        (void)send(conn->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(conn->fd, SHUT_RDWR);
}

/* Brings the notes up to what the counters say. */
static void look(struct xr_conn *conn, int64_t now) {
    int phase = atomic_load(&conn->phase);
    uint64_t requests = atomic_load_explicit(&conn->requests, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&conn->body_bytes, memory_order_relaxed);
    bool other = phase != conn->seen.phase || requests != conn->seen.requests || conn->seen.since_ns == 0;
    if (other)
        conn->seen.body_since_ns = now;
    if (other || bytes != conn->seen.body_bytes)
        conn->seen.since_ns = now;
    conn->seen.phase = phase;
    conn->seen.requests = requests;
    conn->seen.body_bytes = bytes;
}

static bool body_is_stuck(const struct xr_conn *conn, int64_t now) {
    const struct xr_http_times *times = &conn->http->times;
    if (now - conn->seen.since_ns > times->body_stall * XR_NS_PER_MS)
        return true;
    int64_t age_ms = (now - conn->seen.body_since_ns) / XR_NS_PER_MS;
    if (age_ms <= times->body_grace)
        return false;
    return conn->seen.body_bytes * 1000 < (uint64_t)age_ms * (uint64_t)times->body_min_rate;
}

/* The client has sent its last byte and we have read it. libmicrohttpd misses that when it comes in one piece with data
 * (its epoll is edge-triggered), so such a connection would be kept until its time-out. */
static bool peer_is_done(const struct xr_conn *conn) {
    struct pollfd poll_fd = {.fd = conn->fd, .events = POLLRDHUP};
    int unread = 0;
    return poll(&poll_fd, 1, 0) == 1 && (poll_fd.revents & POLLRDHUP) && ioctl(conn->fd, FIONREAD, &unread) == 0 &&
           unread == 0;
}

/* The request thread may have had the last byte just now; then the request is not ours. */
static bool take_over(struct xr_conn *conn) {
    int phase = XR_PHASE_BODY;
    return atomic_compare_exchange_strong(&conn->phase, &phase, XR_PHASE_REAPED);
}

static void judge(struct xr_conn *conn, int64_t now) {
    look(conn, now);
    int phase = conn->seen.phase;
    /* Only after a whole tick without a change, so that nothing is in the request thread's hands. */
    if (phase != XR_PHASE_BUSY && conn->seen.since_ns != now && peer_is_done(conn)) {
        if (phase != XR_PHASE_BODY || take_over(conn))
            (void)shutdown(conn->fd, SHUT_RDWR);
        return;
    }
    if (phase == XR_PHASE_IDLE) {
        if (now - conn->seen.since_ns > conn->http->times.idle * XR_NS_PER_MS)
            (void)shutdown(conn->fd, SHUT_RDWR);
        return;
    }
    if (phase == XR_PHASE_BODY && body_is_stuck(conn, now) && take_over(conn))
        xr_reaper_refuse(conn, "408 Request Timeout", "{\"error\":\"request_timeout\"}");
}

static int64_t mono_ns(void) {
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * XR_NS_PER_S + ts.tv_nsec;
}

/* Waits for a tick, under the lock. */
static void wait_tick(struct xr_http *http) {
    int64_t until = mono_ns() + http->times.tick * XR_NS_PER_MS;
    struct timespec ts = {.tv_sec = until / XR_NS_PER_S, .tv_nsec = until % XR_NS_PER_S};
    int rc = 0;
    while (!http->reaper_stop && rc == 0)
        rc = pthread_cond_timedwait(&http->changed, &http->lock, &ts);
}

static void beat(struct xr_http *http) {
    /* The highest seq, so that no stream takes it for something its state already contains. */
    XR_AUTO(xr_event_unrefp)
    struct xr_event *event = xr_event_new(XR_STR(": heartbeat\n\n"), INT64_MAX, false, false);
    if (event) /* out of memory: the next one may do */
        xr_hub_publish_all(http->deps.hub, event);
}

static void *reap(void *arg) {
    struct xr_http *http = arg;
    pthread_setname_np(pthread_self(), "http-reaper");
    int64_t beaten = mono_ns();
    pthread_mutex_lock(&http->lock);
    while (!http->reaper_stop) {
        wait_tick(http);
        int64_t now = mono_ns();
        for (struct xr_conn *conn = http->conns; conn; conn = conn->next)
            judge(conn, now);
        if (http->deps.hub && now - beaten >= http->times.heartbeat * XR_NS_PER_MS) {
            beaten = now;
            pthread_mutex_unlock(&http->lock);
            beat(http);
            pthread_mutex_lock(&http->lock);
        }
    }
    pthread_mutex_unlock(&http->lock);
    return NULL;
}

enum xr_code xr_reaper_start(struct xr_http *http, struct xr_err *err) {
    int rc = pthread_create(&http->reaper, NULL, reap, http);
    if (rc != 0)
        return xr_fail(err, XR_IO, NULL, "a thread could not be started: %s", strerror(rc));
    http->has_reaper = true;
    return XR_OK;
}

void xr_reaper_stop(struct xr_http *http) {
    if (!http->has_reaper)
        return;
    pthread_mutex_lock(&http->lock);
    http->reaper_stop = true;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
    pthread_join(http->reaper, NULL);
    http->has_reaper = false;
}
