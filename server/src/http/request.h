// SPDX-License-Identifier: Apache-2.0
/* http/request.h - one request as a handler sees it. libmicrohttpd stays behind http/core.h.
 *
 * A handler runs on a request thread once the whole body is there. It must do exactly one of: respond (xr_respond_*),
 * or defer (xr_request_defer) and have xr_request_resume called once, from any thread, later; then `then` runs on a
 * request thread and must respond or defer again. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/sha256.h"
#include "http/http.h"
#include "spec/spec.h" /* struct xr_issues */
#include <stdbool.h>
#include <stdint.h>

struct xr_request;
struct xr_shared;

/* How a route takes its body. MEMORY: xr_request_body has it. FILE: streamed to a temporary file. MULTIPART: form-data;
 * parts without a file name go to memory (at most the route's part cap), files are streamed to temporary files, hashed
 * on the way. */
enum xr_body_kind { XR_BODY_NONE, XR_BODY_MEMORY, XR_BODY_FILE, XR_BODY_MULTIPART };

enum { XR_PARAMS_MAX = 2 };
struct xr_route {
    const char *method; /* HEAD is answered by GET's route */
    const char *path; /* "/v1/replays/{id}/audio" */
    void (*handle)(struct xr_request *req);
    /* Runs when the headers are in, before any of the body: path ids, content type, lifecycle. Responding here refuses
     * the body. May be NULL. Must not defer. */
    void (*precheck)(struct xr_request *req);
    enum xr_body_kind body;
    size_t body_max;
    bool gzip; /* MEMORY: Content-Encoding: gzip is undone on the way in; body_max holds for what comes out */
    size_t arena_max; /* 0: XR_REQUEST_ARENA_MAX */
};
/* The one table; ends with method NULL. Tests walk it. */
extern const struct xr_route XR_ROUTES[];

const struct xr_http_deps *xr_request_deps(const struct xr_request *req);
/* What handlers share between requests (http/shared.h). */
struct xr_shared *xr_request_shared(const struct xr_request *req);
const struct xr_route *xr_request_route(const struct xr_request *req);
/* Freed when the request completes. Zeroed allocations; NULL over the route's arena_max. */
struct xr_arena *xr_request_arena(struct xr_request *req);
/* This thread's read-only connection. NULL with the error already responded if it cannot be opened. */
struct xr_store_reader *xr_request_reader(struct xr_request *req);
struct xr_str xr_request_param(const struct xr_request *req, size_t i); /* of the path, percent-decoded */
/* false if absent. ret.len 0 for "?q=". Invalid UTF-8 is already U+FFFD. */
bool xr_request_query(struct xr_request *req, const char *name, struct xr_str *ret_value);
bool xr_request_header(struct xr_request *req, const char *name, struct xr_str *ret_value);
struct xr_str xr_request_id(const struct xr_request *req);
struct xr_str xr_request_body(const struct xr_request *req); /* MEMORY */
/* MEMORY: the body, to be changed in place, with room for `room` (at most XR_BODY_ROOM) more bytes behind it. NULL: out
 * of memory. A request without a body has an empty one. */
char *xr_request_body_edit(struct xr_request *req, size_t room, size_t *ret_len);
/* MEMORY: n more bytes, made of the body and kept as long as the request, are counted as bodies are. XR_OVERLOADED: all
 * requests together hold too much. */
XR_MUST_USE enum xr_code xr_request_body_hold(struct xr_request *req, size_t n, struct xr_err *err);
/* MEMORY: XR_INVALID if it came packed and is no whole gzip stream. */
XR_MUST_USE enum xr_code xr_request_body_unpacked(const struct xr_request *req, struct xr_err *err);

struct xr_body_file { /* FILE, and each file part of MULTIPART */
    struct xr_str field; /* MULTIPART: the part's name */
    int fd; /* owned by the request, closed with it */
    char path[XR_PATH_MAX]; /* temporary; discarded with the request unless it has been renamed away */
    uint64_t size;
    uint8_t sha256[XR_SHA256_SIZE]; /* MULTIPART only */
};
struct xr_body_file *xr_request_file(struct xr_request *req);
struct xr_body_field {
    struct xr_str name, value;
};
/* MULTIPART: fields without a file name, and files, in the order they came. */
const struct xr_body_field *xr_request_fields(const struct xr_request *req, size_t *ret_count);
struct xr_body_file *xr_request_files(struct xr_request *req, size_t *ret_count);
/* MULTIPART: XR_OK, XR_INVALID (not multipart, malformed; message says what), XR_TOO_LARGE (a part over its cap; path
 * is the part's name). The handler reports it in its own error code. */
enum xr_code xr_request_multipart_error(const struct xr_request *req, struct xr_err *ret_err);

/* State of a deferred request: the handler's own struct, usually in the arena. */
void xr_request_set_state(struct xr_request *req, void *state);
void *xr_request_state(const struct xr_request *req);
/* Suspends. Call before starting the work that will resume. From then on the request belongs to that work until it
 * resumes; what it read of the request (body, params, headers, files, arena) stays even if the server gives the
 * connection up at its stop. */
void xr_request_defer(struct xr_request *req);
/* Any thread, once per defer. `then` runs on the request thread. */
void xr_request_resume(struct xr_request *req, void (*then)(struct xr_request *req));

/* A buffer for a response body (XR_RESPONSE_MAX), owned by the request. */
struct xr_buf *xr_response_buf(struct xr_request *req);
/* Before responding. name: a literal; value is copied. */
void xr_response_header(struct xr_request *req, const char *name, const char *value);
/* Sends the buffer as application/json (500 if it failed). */
void xr_respond_json(struct xr_request *req, int status);
/* Sends malloc'd bytes (taken over). */
void xr_respond_bytes(struct xr_request *req, int status, const char *content_type, char *bytes, size_t n);
/* Sends shared bytes without a copy; release(ctx) when sent. */
void xr_respond_shared(struct xr_request *req, int status, const char *content_type, struct xr_str bytes,
                       void (*release)(void *ctx), void *ctx);
/* True when If-None-Match names etag (given with its quotes): then 304 has been responded. */
bool xr_respond_not_modified(struct xr_request *req, const char *etag);
/* Sends a file (fd taken over) with Content-Length, ETag (quoted by this call; NULL: none), If-None-Match, byte ranges,
 * If-Range, 416. */
void xr_respond_file(struct xr_request *req, int fd, uint64_t size, const char *content_type, const char *etag);
/* An event stream; next(ctx) as xr_subscriber_next; the transport parks and wakes. See http/sse.h. */

/* Errors: one table, http/errors.c. {"error": code} plus fields written by the caller through the writer it gets:
 *   struct xr_json j = xr_error_begin(req, 404, "replay_not_found");
 *   xr_json_kv_str(&j, "replay_id", id);
 *   xr_error_end(req, &j);
 */
struct xr_json xr_error_begin(struct xr_request *req, int status, const char *code);
void xr_error_end(struct xr_request *req, struct xr_json *j);
void xr_error_issues(struct xr_request *req, int status, const char *code, const struct xr_issues *issues);
/* overloaded (503, Retry-After), storage_full (507), body_too_large (413) or internal_error (500, logged with the
 * request id), from a code that no handler has an answer of its own for. */
void xr_error_code(struct xr_request *req, enum xr_code code, const struct xr_err *err);
