// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"
#include "base/limits.h"
#include "http/core.h"
#include "http/shared.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

const struct xr_http_times XR_HTTP_TIMES = {
    .idle = INT64_C(1000) * XR_IDLE_TIMEOUT_S,
    .body_stall = INT64_C(1000) * XR_BODY_STALL_S,
    .body_grace = INT64_C(1000) * XR_BODY_GRACE_S,
    .body_min_rate = XR_BODY_MIN_RATE,
    .heartbeat = INT64_C(1000) * XR_SSE_HEARTBEAT_S,
    .tick = 500,
    .stop = INT64_C(1000) * XR_HTTP_STOP_S,
};

/* libmicrohttpd's own time-out, in seconds: for responses that nobody reads. All else is the reaper's, and faster. */
static unsigned write_timeout_s(const struct xr_http_times *times) {
    return (unsigned)(times->idle / 1000) + 5;
}

static void conn_opened(struct xr_http *http, struct MHD_Connection *mhd, void **socket_context) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD);
    struct xr_conn *conn = info ? calloc(1, sizeof *conn) : NULL;
    *socket_context = conn; /* NULL: its first request is refused */
    if (!conn)
        return;
    conn->http = http;
    conn->fd = info->connect_fd;
    conn->id = atomic_fetch_add(&http->conn_count, 1) + 1;
    pthread_mutex_lock(&http->lock);
    conn->next = http->conns;
    if (conn->next)
        conn->next->prev = conn;
    http->conns = conn;
    pthread_mutex_unlock(&http->lock);
}

static void conn_closed(struct xr_http *http, void **socket_context) {
    struct xr_conn *conn = *socket_context;
    if (!conn)
        return;
    *socket_context = NULL;
    pthread_mutex_lock(&http->lock);
    if (conn->prev)
        conn->prev->next = conn->next;
    else
        http->conns = conn->next;
    if (conn->next)
        conn->next->prev = conn->prev;
    pthread_cond_broadcast(&http->changed);
    pthread_mutex_unlock(&http->lock);
    free(conn);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code) {
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        conn_opened(cls, mhd, socket_context);
    else
        conn_closed(cls, socket_context);
}

/* Paths and queries are decoded where they are used: here a NUL would end them. */
static size_t keep_escapes(void *cls, struct MHD_Connection *mhd, char *text) {
    (void)cls, (void)mhd;
    return strlen(text);
}

XR_PRINTF(2, 0) static void on_log(void *cls, const char *fmt, va_list args) {
    struct xr_http *http = cls;
    char text[256];
    int n = vsnprintf(text, sizeof text, fmt, args);
    if (n > 0 && n < (int)sizeof text && text[n - 1] == '\n')
        text[n - 1] = '\0';
    xr_log(http->deps.log, XR_LOG_DEBUG, "libmicrohttpd", XR_LOG_S("message", text));
}

static void close_reader(void *reader) {
    xr_store_reader_close(reader);
}

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *host, uint16_t port, union address *ret_address, socklen_t *ret_len) {
    union address address = {0};
    if (inet_pton(AF_INET, host, &address.v4.sin_addr) == 1) {
        address.v4.sin_family = AF_INET;
        address.v4.sin_port = htons(port);
        *ret_len = sizeof address.v4;
    } else if (inet_pton(AF_INET6, host, &address.v6.sin6_addr) == 1) {
        address.v6.sin6_family = AF_INET6;
        address.v6.sin6_port = htons(port);
        *ret_len = sizeof address.v6;
    } else {
        return false;
    }
    *ret_address = address;
    return true;
}

static bool bind_and_listen(int fd, union address *address, socklen_t len) {
    int on = 1, off = 0;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0)
        return false;
    if (address->any.sa_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off) != 0)
        return false;
    return bind(fd, &address->any, len) == 0 && listen(fd, SOMAXCONN) == 0 && getsockname(fd, &address->any, &len) == 0;
}

static enum xr_code listen_on(struct xr_http *http, const char *host, uint16_t port, struct xr_err *err) {
    union address address;
    socklen_t len;
    if (!parse_address(host, port, &address, &len))
        return xr_fail(err, XR_INVALID, "host", "must be an IP address");
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || !bind_and_listen(fd, &address, len)) {
        int errnum = errno;
        if (fd >= 0)
            close(fd);
        return xr_fail(err, XR_IO, "port", "cannot listen on %s port %u: %s", host, port, strerror(errnum));
    }
    http->listen_fd = fd;
    http->port = ntohs(address.any.sa_family == AF_INET ? address.v4.sin_port : address.v6.sin6_port);
    return XR_OK;
}

static enum xr_code start_daemon(struct xr_http *http, unsigned threads, struct xr_err *err) {
    struct MHD_OptionItem options[] = {
        {MHD_OPTION_LISTEN_SOCKET, http->listen_fd, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)XR_CONNECTION_MEMORY, NULL},
        {MHD_OPTION_CONNECTION_LIMIT, XR_CONNECTIONS_MAX, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)write_timeout_s(&http->times), NULL},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, http},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)xr_exchange_completed, http},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)xr_exchange_target, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)keep_escapes, NULL},
        /* One thread is what there is without a pool. */
        {threads > 1 ? MHD_OPTION_THREAD_POOL_SIZE : MHD_OPTION_END, (intptr_t)threads, NULL},
        {MHD_OPTION_END, 0, NULL},
    };
    const unsigned flags = MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ITC | MHD_USE_ERROR_LOG;
    http->daemon = MHD_start_daemon(flags, 0, NULL, NULL, xr_exchange, http, MHD_OPTION_EXTERNAL_LOGGER, on_log, http,
                                    MHD_OPTION_ARRAY, options, MHD_OPTION_END);
    return http->daemon ? XR_OK : xr_fail(err, XR_IO, NULL, "the HTTP server could not be started");
}

static struct xr_http *http_new(const struct xr_http_options *options, const struct xr_http_deps *deps) {
    struct xr_http *http = calloc(1, sizeof *http);
    if (!http)
        return NULL;
    http->deps = *deps;
    http->routes = options->routes;
    http->times = options->times;
    http->bodies.max = options->bodies_max ? options->bodies_max : XR_BODIES_MEMORY_MAX;
    http->sending_max = options->sending_max ? options->sending_max : XR_RESPONSES_MEMORY_MAX;
    http->listen_fd = -1;
    atomic_init(&http->refs, 1);
    uint32_t random;
    if (getrandom(&random, sizeof random, 0) != (ssize_t)sizeof random)
        random = (uint32_t)getpid(); /* the ids of one process still differ */
    xr_hex_encode(&random, sizeof random, http->id_prefix);
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&http->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_init(&http->lock, NULL);
    http->has_reader_key = pthread_key_create(&http->reader_key, close_reader) == 0;
    return http;
}

void xr_http_unref(struct xr_http *http) {
    if (atomic_fetch_sub(&http->refs, 1) != 1)
        return;
    if (http->has_reader_key)
        pthread_key_delete(http->reader_key);
    pthread_cond_destroy(&http->changed);
    pthread_mutex_destroy(&http->lock);
    xr_shared_free(http->shared);
    free(http);
}

enum xr_code xr_http_start_with(const struct xr_http_options *options, const struct xr_http_deps *deps,
                                struct xr_http **ret_http, struct xr_err *err) {
    struct xr_http *http = http_new(options, deps);
    if (!http)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = xr_shared_new(&http->shared, err);
    if (code == XR_OK && !http->has_reader_key)
        code = xr_fail(err, XR_NO_MEMORY, NULL, "no room for a thread's data");
    if (code == XR_OK)
        code = listen_on(http, options->host, options->port, err);
    if (code == XR_OK)
        code = start_daemon(http, options->threads, err);
    if (code == XR_OK)
        code = xr_reaper_start(http, err);
    if (code != XR_OK) {
        if (http->daemon)
            MHD_stop_daemon(http->daemon); /* closes the listening socket */
        else if (http->listen_fd >= 0)
            close(http->listen_fd);
        xr_http_unref(http);
        return code;
    }
    *ret_http = http;
    return XR_OK;
}

uint16_t xr_http_port(const struct xr_http *http) {
    return http->port;
}

/* Closes the listening socket under its number, which gets something that nobody can connect to: request threads may
 * still use the number. The kernel takes the socket out of their epoll sets. MHD_quiesce_daemon is not for it: it and a
 * request thread may both take the socket out of the same set, and the one that comes second aborts the process. */
static bool deafen(int listen_fd) {
    int deaf_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (deaf_fd < 0)
        return false;
    bool replaced = dup3(deaf_fd, listen_fd, O_CLOEXEC) == listen_fd;
    close(deaf_fd);
    return replaced;
}

void xr_http_quiesce(struct xr_http *http) {
    if (http->quiesced)
        return;
    http->quiesced = true;
    atomic_store(&http->closing, true);
    if (!deafen(http->listen_fd))
        (void)shutdown(http->listen_fd, SHUT_RDWR); /* refuses connections too, but wakes the request threads for it */
}

static bool busy_locked(const struct xr_http *http) {
    for (const struct xr_conn *conn = http->conns; conn; conn = conn->next) {
        if (atomic_load(&conn->phase) != XR_PHASE_IDLE)
            return true;
    }
    return false;
}

static void wait_for_requests(struct xr_http *http) {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    int64_t ns = until.tv_nsec + (http->times.stop % 1000) * XR_NS_PER_MS;
    until.tv_sec += http->times.stop / 1000 + ns / XR_NS_PER_S;
    until.tv_nsec = ns % XR_NS_PER_S;
    pthread_mutex_lock(&http->lock);
    int rc = 0;
    while (rc == 0 && busy_locked(http))
        rc = pthread_cond_timedwait(&http->changed, &http->lock, &until);
    pthread_mutex_unlock(&http->lock);
    if (rc != 0)
        xr_log(http->deps.log, XR_LOG_WARN, "requests did not end in time");
}

void xr_http_stop(struct xr_http *http) {
    xr_http_quiesce(http);
    wait_for_requests(http);
    xr_reaper_stop(http);
    xr_request_abandon_all(http);
    xr_stream_abandon_all(http);
    MHD_stop_daemon(http->daemon); /* closes what listen_fd is now */
    xr_http_unref(http);
}
