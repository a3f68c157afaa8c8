// SPDX-License-Identifier: Apache-2.0
/* http/http.h - the HTTP server: libmicrohttpd's epoll threads, one route table, handlers. Started and stopped by main.
 * Request threads never wait: writes, synthesis and fsync happen elsewhere while the connection is suspended. */
#pragma once
#include "base/clock.h"
#include "base/log.h"
#include "base/pool.h"
#include "events/hub.h"
#include "providers/providers.h"
#include "speech/ingest.h"
#include "store/files.h"
#include "store/store.h"

struct xr_http;
/* What the handlers work with. All borrowed, all outlive the server. */
struct xr_http_deps {
    const struct xr_clock *clock;
    const struct xr_log *log;
    struct xr_store *store;
    struct xr_files *files;
    struct xr_ingest *ingest;
    struct xr_providers *providers;
    struct xr_hub *hub;
    struct xr_pool *files_pool; /* fsync of uploads, reading levels */
    struct xr_pool *decode_pool; /* reading large bodies of spans */
    /* A job was enqueued and committed: wake the workers. */
    void (*kick)(void *ctx);
    /* XR_OK when the queue's worker is alive (for /readyz). */
    enum xr_code (*queue_health)(void *ctx, struct xr_err *err);
    void *ctx; /* of the two */
};
/* Listens on host (an IP address) and port (0: a free one). threads: request threads. */
XR_MUST_USE enum xr_code xr_http_start(const char *host, uint16_t port, unsigned threads,
                                       const struct xr_http_deps *deps, struct xr_http **ret_http, struct xr_err *err);
uint16_t xr_http_port(const struct xr_http *http);
/* Stop accepting; running requests may finish. Close the hub first, so that event streams end. */
void xr_http_quiesce(struct xr_http *http);
/* Waits (bounded, 5 s) for running requests, then closes the rest and frees. The store must still be running. */
void xr_http_stop(struct xr_http *http);
