// SPDX-License-Identifier: Apache-2.0
/* http/core.h - what the parts of the HTTP core share; nothing outside http/ includes it.
 *
 * struct xr_http   the server; immutable after start but for the lists, which its lock guards
 * struct xr_conn   one connection, from accept to close; in the server's registry
 * struct xr_request one request on it; belongs to the request thread, but while it is deferred
 *
 * Locks: xr_http.lock is taken with no other held; under it only send(2), shutdown(2) and libmicrohttpd's resume are
 * called. libmicrohttpd calls us back with none of its own held. */
#pragma once
#include "http/body.h"
#include "http/router.h"
#include "http/server.h"
#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>

/* What the reaper measures of a connection:
 *
 *   IDLE ──headers──▶ BUSY ──a body is announced──▶ BODY ──all there──▶ BUSY ──response sent──▶ IDLE
 *                                                    └──stalled──▶ REAPED (408 written, socket shut)
 */
enum xr_phase { XR_PHASE_IDLE, XR_PHASE_BUSY, XR_PHASE_BODY, XR_PHASE_REAPED };

struct xr_conn {
    struct xr_conn *prev, *next; /* registry; http->lock */
    struct xr_http *http;
    uint64_t id;
    int fd;
    const char *target_end; /* of the running request's target, in libmicrohttpd's memory */
    /* Written by the request thread, read by the reaper. */
    _Atomic int phase;
    _Atomic uint64_t requests; /* so far, the running one included */
    _Atomic uint64_t body_bytes; /* of the running request */
    struct { /* the reaper's notes: what it saw last, and when that began */
        int phase;
        uint64_t requests, body_bytes;
        int64_t since_ns, body_since_ns;
    } seen;
};

/* Where a deferred request stands. Exactly one of resume and stop takes it out of DEFERRED. */
enum xr_defer { XR_DEFER_NONE, XR_DEFER_WAITING, XR_DEFER_RESUMED, XR_DEFER_ORPHAN };

enum { XR_REQUEST_ID_SIZE = 48 };
struct xr_response_header {
    const char *name, *value;
};

struct xr_request {
    struct xr_http *http;
    struct xr_conn *conn;
    struct MHD_Connection *mhd;
    const struct xr_route *route; /* NULL: refused, no route */
    struct xr_arena *arena; /* made at the first use */
    struct xr_body *body; /* NULL: none, or dropped */
    struct xr_str params[XR_PARAMS_MAX];

    struct xr_buf buf; /* of the response */
    struct xr_response_header headers[XR_RESPONSE_HEADERS_MAX];
    size_t header_count;
    struct MHD_Response *response; /* made, not yet queued */
    unsigned status;
    int error_status; /* between xr_error_begin and xr_error_end */

    void *state; /* the handler's */
    void (*then)(struct xr_request *req);
    struct xr_request *prev, *next; /* deferred requests; http->lock */
    _Atomic int defer;
    _Atomic int refs; /* libmicrohttpd's, and an orphan's worker's */
    size_t sending; /* bytes of its response, of the server's `sending` */
    uint64_t body_seen; /* bytes of the body so far, dropped ones too */
    bool deferred; /* in the running call of a handler */
    bool has_body, body_done;
    bool get; /* GET, not HEAD: ranges count */
    bool failed; /* no response could be made: close */
    char id[XR_REQUEST_ID_SIZE]; /* "" until asked for */
};

struct xr_stream;
struct xr_http {
    struct xr_http_deps deps;
    struct xr_shared *shared; /* of the handlers */
    const struct xr_route *routes;
    struct xr_http_times times;
    struct xr_body_budget bodies;
    _Atomic size_t
        sending; /* bytes of large responses that only one request has; at most sending_max, or one of them */
    size_t sending_max;
    struct MHD_Daemon *daemon;
    int listen_fd; /* the daemon's, which closes it */
    uint16_t port;
    bool quiesced;
    pthread_key_t reader_key; /* a request thread's struct xr_store_reader */
    bool has_reader_key;
    char id_prefix[9];
    _Atomic uint64_t conn_count; /* ever */
    _Atomic int refs; /* the owner's, and one for each orphaned request */
    _Atomic bool closing; /* answers say Connection: close, completions are signalled */

    pthread_mutex_t lock;
    pthread_cond_t changed; /* a request completed while closing; the reaper is to stop */
    struct xr_conn *conns;
    struct xr_request *deferred;
    struct xr_stream *streams;
    bool gave_up; /* stop waits for no request any more: none may be suspended */
    bool reaper_stop;
    bool has_reaper;
    pthread_t reaper;
};

/* server.c */
void xr_http_unref(struct xr_http *http);

/* exchange.c: libmicrohttpd's callbacks for a request line, its access handler and completion. */
void *xr_exchange_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result xr_exchange(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                            const char *version, const char *data, size_t *data_size, void **con_cls);
void xr_exchange_completed(void *cls, struct MHD_Connection *mhd, void **con_cls, enum MHD_RequestTerminationCode code);

/* request.c */
struct xr_request *xr_request_new(struct xr_conn *conn, struct MHD_Connection *mhd);
void xr_request_unref(struct xr_request *req);
/* A header as it is in libmicrohttpd's memory, for use within this call of the handler only. */
bool xr_request_header_view(const struct xr_request *req, const char *name, struct xr_str *ret_value);
size_t xr_request_body_max(const struct xr_request *req); /* what a 413 names */
/* Stop's way out for deferred requests whose work does not end: their connections are resumed to be closed, and the
 * requests are left to whoever still works on them. So is each that is deferred from now on. */
void xr_request_abandon_all(struct xr_http *http);
void xr_request_id_format(const struct xr_conn *conn, char out[XR_REQUEST_ID_SIZE]);

/* respond.c: makes req->response; takes response over. NULL: out of memory. */
void xr_respond_with(struct xr_request *req, unsigned status, struct MHD_Response *response, const char *content_type);
/* Hands the response to libmicrohttpd. */
enum MHD_Result xr_respond_queue(struct xr_request *req);

/* sse.c: ends every stream that waits for events. */
void xr_stream_abandon_all(struct xr_http *http);

/* reaper.c */
XR_MUST_USE enum xr_code xr_reaper_start(struct xr_http *http, struct xr_err *err);
void xr_reaper_stop(struct xr_http *http);
/* Writes a whole error response past libmicrohttpd and shuts the connection: for a request whose body will not be read
 * to its end. The caller makes sure that conn is alive. */
void xr_reaper_refuse(struct xr_conn *conn, const char *status_line, const char *json);
