// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "http/conditional.h"
#include "http/core.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct xr_buf *xr_response_buf(struct xr_request *req) {
    return &req->buf;
}

/* A response that cannot be made is a connection that closes: the client knows then that it has no answer. */
static void give_up(struct xr_request *req, const char *why) {
    req->failed = true;
    xr_log(req->http->deps.log, XR_LOG_ERROR, "no response", XR_LOG_S("request_id", req->id), XR_LOG_S("reason", why));
}

void xr_response_header(struct xr_request *req, const char *name, const char *value) {
    struct xr_arena *arena = xr_request_arena(req);
    struct xr_str copy = arena ? xr_arena_str(arena, xr_str_from(value)) : (struct xr_str){0};
    if (!copy.ptr || req->header_count == XR_RESPONSE_HEADERS_MAX) {
        give_up(req, copy.ptr ? "too many headers" : "out of memory");
        return;
    }
    req->headers[req->header_count++] = (struct xr_response_header){.name = name, .value = copy.ptr};
}

void xr_respond_with(struct xr_request *req, unsigned status, struct MHD_Response *response, const char *content_type) {
    if (req->response && response) { /* a handler's fault; the first answer stands */
        MHD_destroy_response(response);
        xr_log(req->http->deps.log, XR_LOG_ERROR, "responded twice", XR_LOG_S("request_id", req->id));
        return;
    }
    if (response && content_type && MHD_add_response_header(response, "Content-Type", content_type) != MHD_YES) {
        MHD_destroy_response(response);
        response = NULL;
    }
    if (!response) {
        give_up(req, "out of memory");
        return;
    }
    req->response = response;
    req->status = status;
}

static bool add_headers(struct xr_request *req) {
    struct MHD_Response *response = req->response;
    bool ok = MHD_add_response_header(response, "X-Request-Id", req->id) == MHD_YES;
    for (size_t i = 0; i < req->header_count && ok; i++)
        ok = MHD_add_response_header(response, req->headers[i].name, req->headers[i].value) == MHD_YES;
    if (ok && atomic_load_explicit(&req->http->closing, memory_order_relaxed))
        ok = MHD_add_response_header(response, "Connection", "close") == MHD_YES;
    return ok;
}

enum MHD_Result xr_respond_queue(struct xr_request *req) {
    if (!add_headers(req)) {
        give_up(req, "a header could not be added");
        return MHD_NO;
    }
    enum MHD_Result result = MHD_queue_response(req->mhd, req->status, req->response);
    MHD_destroy_response(req->response);
    req->response = NULL;
    return result;
}

void xr_respond_json(struct xr_request *req, int status) {
    size_t n = 0;
    char *bytes = xr_buf_take(&req->buf, &n);
    if (!bytes) {
        struct xr_err err;
        xr_fail(&err, XR_INTERNAL, NULL, "the response is over its bound, or memory is out");
        xr_buf_clear(&req->buf);
        if (status == MHD_HTTP_INTERNAL_SERVER_ERROR) /* not even the error's body: no second try */
            give_up(req, "out of memory");
        else
            xr_error_code(req, XR_INTERNAL, &err);
        return;
    }
    xr_respond_bytes(req, status, "application/json", bytes, n);
}

/* Clients that do not read hold what they have asked for: large responses share a bound. False: 503 is responded. */
static bool may_send(struct xr_request *req, size_t n, size_t uncounted) {
    if (n <= uncounted)
        return true;
    size_t before = atomic_fetch_add(&req->http->sending, n);
    req->sending += n;
    if (before == 0 || before + n <= req->http->sending_max)
        return true;
    struct xr_err err;
    xr_fail(&err, XR_OVERLOADED, NULL, "responses of %zu bytes are being sent", before);
    req->header_count = 0; /* they were about the other response */
    xr_error_code(req, XR_OVERLOADED, &err);
    return false;
}

void xr_respond_bytes(struct xr_request *req, int status, const char *content_type, char *bytes, size_t n) {
    if (!may_send(req, n, XR_RESPONSE_LARGE)) {
        free(bytes);
        return;
    }
    struct MHD_Response *response = MHD_create_response_from_buffer(n, bytes, MHD_RESPMEM_MUST_FREE);
    if (!response)
        free(bytes);
    xr_respond_with(req, (unsigned)status, response, content_type);
}

void xr_respond_shared(struct xr_request *req, int status, const char *content_type, struct xr_str bytes,
                       void (*release)(void *ctx), void *ctx) {
    /* What is longer than any cache keeps is this request's alone. */
    if (!may_send(req, bytes.len, XR_DETAIL_CACHE_BODY_MAX)) {
        if (release)
            release(ctx);
        return;
    }
    /* libmicrohttpd only reads them, whatever its prototype says. */
    void *readable = (void *)(uintptr_t)bytes.ptr;
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback_cls(bytes.len, readable, release, ctx);
    if (!response && release)
        release(ctx);
    xr_respond_with(req, (unsigned)status, response, content_type);
}

static void respond_empty(struct xr_request *req, unsigned status, const char *content_type) {
    xr_respond_with(req, status, MHD_create_response_from_buffer(0, NULL, MHD_RESPMEM_PERSISTENT), content_type);
}

bool xr_respond_not_modified(struct xr_request *req, const char *etag) {
    struct xr_str wanted;
    if (!xr_request_header_view(req, "If-None-Match", &wanted) || !xr_etag_listed(wanted, xr_str_from(etag)))
        return false;
    respond_empty(req, MHD_HTTP_NOT_MODIFIED, NULL);
    return true;
}

/* The part of the file that the request asks for. */
static enum xr_range_kind wanted_range(const struct xr_request *req, uint64_t size, const char *etag,
                                       struct xr_range *ret_range) {
    struct xr_str range, condition;
    if (!req->get || !xr_request_header_view(req, "Range", &range))
        return XR_RANGE_WHOLE;
    if (xr_request_header_view(req, "If-Range", &condition) &&
        (!etag || !xr_etag_same_strong(condition, xr_str_from(etag))))
        return XR_RANGE_WHOLE;
    return xr_byte_range_parse(range, size, ret_range);
}

static void respond_part(struct xr_request *req, unsigned status, int fd, struct xr_range range,
                         const char *content_type) {
    struct MHD_Response *response = MHD_create_response_from_fd_at_offset64(range.length, fd, range.first);
    if (!response)
        close(fd);
    xr_respond_with(req, status, response, content_type);
}

static void respond_unsatisfiable(struct xr_request *req, uint64_t size) {
    char value[48];
    snprintf(value, sizeof value, "bytes */%llu", (unsigned long long)size);
    req->header_count = 0; /* what was said of the file (how long to keep it) is not true of the error */
    xr_response_header(req, "Content-Range", value);
    struct xr_json j = xr_error_begin(req, 416, "range_not_satisfiable");
    xr_error_end(req, &j);
}

void xr_respond_file(struct xr_request *req, int fd, uint64_t size, const char *content_type, const char *etag) {
    char quoted[128] = "";
    const char *tag = NULL;
    if (etag && snprintf(quoted, sizeof quoted, "\"%s\"", etag) < (int)sizeof quoted) {
        tag = quoted;
        xr_response_header(req, "ETag", tag);
        if (xr_respond_not_modified(req, tag)) {
            close(fd);
            return;
        }
    }
    xr_response_header(req, "Accept-Ranges", "bytes");
    struct xr_range range = {.first = 0, .length = size};
    switch (wanted_range(req, size, tag, &range)) {
    case XR_RANGE_WHOLE:
        respond_part(req, MHD_HTTP_OK, fd, (struct xr_range){.first = 0, .length = size}, content_type);
        return;
    case XR_RANGE_PART: {
        char value[80];
        snprintf(value, sizeof value, "bytes %llu-%llu/%llu", (unsigned long long)range.first,
                 (unsigned long long)(range.first + range.length - 1), (unsigned long long)size);
        xr_response_header(req, "Content-Range", value);
        respond_part(req, MHD_HTTP_PARTIAL_CONTENT, fd, range, content_type);
        return;
    }
    case XR_RANGE_UNSATISFIABLE:
        close(fd);
        respond_unsatisfiable(req, size);
        return;
    }
}
