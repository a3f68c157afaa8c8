// SPDX-License-Identifier: Apache-2.0
/* http/server.h - starting the server with a route table and time-outs of one's own: what xr_http_start is made of, and
 * what tests use. */
#pragma once
#include "http/request.h"

/* Milliseconds. */
struct xr_http_times {
    int64_t idle; /* without a request, or with headers that do not end */
    int64_t body_stall; /* without a byte of an open body */
    int64_t body_grace; /* before body_min_rate counts */
    int64_t body_min_rate; /* bytes a second */
    int64_t heartbeat; /* between two comments to every event stream */
    int64_t tick; /* how often all of these are looked at */
    int64_t stop; /* xr_http_stop's patience */
};
extern const struct xr_http_times XR_HTTP_TIMES; /* of base/limits.h */

struct xr_http_options {
    const char *host; /* an IP address */
    uint16_t port; /* 0: a free one */
    unsigned threads;
    const struct xr_route *routes; /* ends with method NULL; must outlive the server */
    struct xr_http_times times;
    size_t bodies_max; /* bytes of bodies held in memory, of all requests; 0: XR_BODIES_MEMORY_MAX */
    size_t sending_max; /* bytes of large responses that are being sent; 0: XR_RESPONSES_MEMORY_MAX */
};
XR_MUST_USE enum xr_code xr_http_start_with(const struct xr_http_options *options, const struct xr_http_deps *deps,
                                            struct xr_http **ret_http, struct xr_err *err);
