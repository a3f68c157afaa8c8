// SPDX-License-Identifier: Apache-2.0
/* providers/exchange.h - one request to another host, from waiting for its place to the response. See client.h for
 * whose turn it is at which time. */
#pragma once
#include "base/buf.h"
#include "providers/adapter.h"

enum { XR_HEADERS_MAX = 4, XR_CONTENT_TYPE_MAX = 128 };

struct xr_transfer;

struct xr_exchange {
    /* Who asks: set before xr_client_queue. */
    unsigned lane; /* below XR_LANES */
    struct xr_call_group *group; /* may be NULL */
    /* Of all attempts, waiting included, but not the time in which the group could have no place: see places.h. */
    int64_t deadline_mono_ns;
    /* It has a place and is to be prepared and sent; or, with a code other than XR_OK, it is over and has none:
     * XR_CANCELLED, XR_TIMEOUT, or XR_OVERLOADED when others had them all. */
    void (*ready)(struct xr_exchange *exchange);
    int64_t until_mono_ns; /* the deadline with what has been added by then; set before ready */
    /* An attempt failed and another will follow: until then it has no place, and what was prepared is not needed any
     * more; ready comes once more. NULL: there is nothing to drop. */
    void (*released)(struct xr_exchange *exchange);
    /* It has its response, or has failed; it still has its place. */
    void (*done)(struct xr_exchange *exchange);

    /* What is asked: set before xr_client_send; valid until released or done. */
    const char *url;
    const char *headers[XR_HEADERS_MAX]; /* "Name: value"; unused ones NULL */
    struct xr_str body; /* application/json, unless there are parts */
    const struct xr_part *parts;
    size_t part_count;
    size_t response_max; /* bytes of a response's body */
    int64_t timeout_ms; /* of one attempt */

    /* The answer. Without a response, or with one that is not a 2xx: XR_UNAVAILABLE (err->status: its status, 0 for
     * none). A response over response_max, or in an unknown encoding: XR_REFUSED. XR_TIMEOUT when the deadline passed,
     * XR_OVERLOADED, XR_CANCELLED, XR_NO_MEMORY.
     */
    enum xr_code code;
    struct xr_err err;
    struct xr_buf response; /* XR_JSON_PADDING bytes behind len are there; xr_buf_clear by who queued */
    char content_type[XR_CONTENT_TYPE_MAX]; /* as it came; "": none */
    int attempts;

    /* The client's. */
    struct xr_exchange *next, *prev;
    struct xr_transfer *transfer; /* the attempt that is under way */
    struct xr_answers *answers; /* where the response's bytes count */
    size_t counted; /* of them */
    uint64_t order; /* of its group */
    int64_t due_mono_ns; /* of the next attempt */
    int64_t ready_mono_ns; /* since when it could have had a place */
};

/* The bytes of all responses that are in memory, beyond the first `small` of each, which the places bound. */
struct xr_answers {
    _Atomic size_t bytes; /* only the client's thread adds */
    size_t max, group_max, small;
};
