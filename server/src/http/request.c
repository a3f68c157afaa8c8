// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/text.h"
#include "http/core.h"
#include <stdlib.h>

struct xr_request *xr_request_new(struct xr_conn *conn, struct MHD_Connection *mhd) {
    struct xr_request *req = calloc(1, sizeof *req);
    if (!req)
        return NULL;
    req->http = conn->http;
    req->conn = conn;
    req->mhd = mhd;
    req->buf = xr_buf_make(XR_RESPONSE_MAX);
    atomic_init(&req->refs, 1);
    return req;
}

void xr_request_unref(struct xr_request *req) {
    if (atomic_fetch_sub(&req->refs, 1) != 1)
        return;
    if (req->response)
        MHD_destroy_response(req->response);
    if (req->sending > 0)
        atomic_fetch_sub(&req->http->sending, req->sending);
    xr_body_free(req->body);
    xr_buf_clear(&req->buf);
    xr_arena_free(req->arena);
    if (atomic_load(&req->defer) == XR_DEFER_ORPHAN)
        xr_http_unref(req->http);
    free(req);
}

const struct xr_http_deps *xr_request_deps(const struct xr_request *req) {
    return &req->http->deps;
}

struct xr_shared *xr_request_shared(const struct xr_request *req) {
    return req->http->shared;
}

const struct xr_route *xr_request_route(const struct xr_request *req) {
    return req->route;
}

struct xr_arena *xr_request_arena(struct xr_request *req) {
    size_t max = req->route ? req->route->arena_max : 0;
    if (!req->arena)
        req->arena = xr_arena_new(max ? max : XR_REQUEST_ARENA_MAX);
    return req->arena;
}

struct xr_store_reader *xr_request_reader(struct xr_request *req) {
    struct xr_http *http = req->http;
    struct xr_store_reader *reader = pthread_getspecific(http->reader_key);
    if (reader)
        return reader;
    struct xr_err err;
    enum xr_code code = xr_store_reader_open(http->deps.store, &reader, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return NULL;
    }
    if (pthread_setspecific(http->reader_key, reader) != 0) {
        xr_store_reader_close(reader);
        xr_error_code(req, XR_NO_MEMORY, NULL);
        return NULL;
    }
    return reader;
}

struct xr_str xr_request_param(const struct xr_request *req, size_t i) {
    return i < XR_PARAMS_MAX ? req->params[i] : (struct xr_str){0};
}

/* Percent-decoded and repaired, in the arena. */
static bool decode_query(struct xr_request *req, struct xr_str raw, struct xr_str *ret_value) {
    struct xr_arena *arena = xr_request_arena(req);
    char *decoded = arena ? xr_arena_alloc(arena, raw.len + 1) : NULL;
    if (!decoded)
        return false;
    struct xr_str value = {.ptr = decoded, .len = xr_percent_decode(raw, decoded)};
    if (xr_utf8_valid(value)) {
        *ret_value = value;
        return true;
    }
    return xr_utf8_repair(arena, value, ret_value, NULL) == XR_OK;
}

struct query_search {
    struct xr_request *req;
    struct xr_str name, value;
    bool found;
};

static enum MHD_Result match_query(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                   const char *value, size_t value_len) {
    (void)kind;
    struct query_search *search = cls;
    struct xr_str decoded;
    if (!decode_query(search->req, (struct xr_str){.ptr = key, .len = key_len}, &decoded) ||
        !xr_str_eq(decoded, search->name))
        return MHD_YES;
    search->value = (struct xr_str){.ptr = value, .len = value ? value_len : 0};
    search->found = true;
    return MHD_NO;
}

bool xr_request_query(struct xr_request *req, const char *name, struct xr_str *ret_value) {
    struct query_search search = {.req = req, .name = xr_str_from(name)};
    MHD_get_connection_values_n(req->mhd, MHD_GET_ARGUMENT_KIND, match_query, &search);
    return search.found && decode_query(req, search.value, ret_value);
}

bool xr_request_header_view(const struct xr_request *req, const char *name, struct xr_str *ret_value) {
    const char *value = NULL;
    size_t n = 0;
    if (MHD_lookup_connection_value_n(req->mhd, MHD_HEADER_KIND, name, strlen(name), &value, &n) != MHD_YES)
        return false;
    *ret_value = (struct xr_str){.ptr = value, .len = value ? n : 0};
    return true;
}

bool xr_request_header(struct xr_request *req, const char *name, struct xr_str *ret_value) {
    struct xr_str view;
    struct xr_arena *arena = NULL;
    if (!xr_request_header_view(req, name, &view) || !(arena = xr_request_arena(req)))
        return false;
    struct xr_str copy = xr_arena_str(arena, view);
    if (!copy.ptr)
        return false;
    *ret_value = copy;
    return true;
}

static char *put_hex(char *to, uint64_t v) {
    static const char DIGITS[] = "0123456789abcdef";
    int shift = 60;
    while (shift > 0 && (v >> shift) == 0)
        shift -= 4;
    for (; shift >= 0; shift -= 4)
        *to++ = DIGITS[(v >> shift) & 15];
    return to;
}

/* "process-connection-request": unique without anything that request threads would have to share. */
void xr_request_id_format(const struct xr_conn *conn, char out[XR_REQUEST_ID_SIZE]) {
    size_t n = strlen(conn->http->id_prefix);
    memcpy(out, conn->http->id_prefix, n);
    char *to = out + n;
    *to++ = '-';
    to = put_hex(to, conn->id);
    *to++ = '-';
    to = put_hex(to, atomic_load_explicit(&conn->requests, memory_order_relaxed));
    *to = '\0';
}

struct xr_str xr_request_id(const struct xr_request *req) {
    return xr_str_from(req->id);
}

struct xr_str xr_request_body(const struct xr_request *req) {
    return req->body ? xr_body_memory(req->body) : (struct xr_str){0};
}

char *xr_request_body_edit(struct xr_request *req, size_t room, size_t *ret_len) {
    if (req->body)
        return xr_body_edit(req->body, room, ret_len);
    struct xr_arena *arena = xr_request_arena(req);
    *ret_len = 0;
    return arena ? xr_arena_alloc(arena, room) : NULL;
}

enum xr_code xr_request_body_hold(struct xr_request *req, size_t n, struct xr_err *err) {
    return req->body ? xr_body_hold(req->body, n, err) : XR_OK;
}

enum xr_code xr_request_body_unpacked(const struct xr_request *req, struct xr_err *err) {
    return req->body ? xr_body_unpacked(req->body, err) : XR_OK;
}

size_t xr_request_body_max(const struct xr_request *req) {
    if (!req->route)
        return XR_DRAIN_MAX;
    return req->route->body == XR_BODY_NONE ? XR_BODY_IGNORED_MAX : req->route->body_max;
}

struct xr_body_file *xr_request_file(struct xr_request *req) {
    return req->body ? xr_body_file(req->body) : NULL;
}

static struct xr_form *form_of(const struct xr_request *req) {
    return req->body ? xr_body_form(req->body) : NULL;
}

const struct xr_body_field *xr_request_fields(const struct xr_request *req, size_t *ret_count) {
    *ret_count = 0;
    struct xr_form *form = form_of(req);
    return form ? xr_form_fields(form, ret_count) : NULL;
}

struct xr_body_file *xr_request_files(struct xr_request *req, size_t *ret_count) {
    *ret_count = 0;
    struct xr_form *form = form_of(req);
    return form ? xr_form_files(form, ret_count) : NULL;
}

enum xr_code xr_request_multipart_error(const struct xr_request *req, struct xr_err *ret_err) {
    struct xr_form *form = form_of(req);
    return form ? xr_form_error(form, ret_err) : xr_fail(ret_err, XR_INVALID, NULL, "the request has no body");
}

void xr_request_set_state(struct xr_request *req, void *state) {
    req->state = state;
}

void *xr_request_state(const struct xr_request *req) {
    return req->state;
}

/* The request is left to whoever works on it: libmicrohttpd closes its connection. */
static void orphan_locked(struct xr_request *req) {
    atomic_fetch_add(&req->refs, 1);
    atomic_fetch_add(&req->http->refs, 1);
    atomic_store(&req->defer, XR_DEFER_ORPHAN);
}

static void link_locked(struct xr_request *req) {
    struct xr_http *http = req->http;
    atomic_store(&req->defer, XR_DEFER_WAITING);
    req->prev = NULL;
    req->next = http->deferred;
    if (req->next)
        req->next->prev = req;
    http->deferred = req;
}

void xr_request_defer(struct xr_request *req) {
    struct xr_http *http = req->http;
    req->deferred = true;
    pthread_mutex_lock(&http->lock);
    /* A connection that was idle may bring a request up to the very end; libmicrohttpd aborts if it finds one suspended
     * then. */
    bool gave_up = http->gave_up;
    if (gave_up)
        orphan_locked(req);
    else
        link_locked(req);
    pthread_mutex_unlock(&http->lock);
    if (gave_up)
        req->failed = true;
    else
        MHD_suspend_connection(req->mhd);
}

static void unlink_locked(struct xr_request *req) {
    struct xr_http *http = req->http;
    if (req->prev)
        req->prev->next = req->next;
    else
        http->deferred = req->next;
    if (req->next)
        req->next->prev = req->prev;
    req->prev = req->next = NULL;
}

void xr_request_resume(struct xr_request *req, void (*then)(struct xr_request *req)) {
    struct xr_http *http = req->http;
    pthread_mutex_lock(&http->lock);
    bool orphan = atomic_load(&req->defer) == XR_DEFER_ORPHAN;
    if (!orphan) {
        req->then = then;
        unlink_locked(req);
        atomic_store(&req->defer, XR_DEFER_RESUMED);
        /* Under the lock: once it is free, stop may end the daemon. */
        MHD_resume_connection(req->mhd);
    }
    pthread_mutex_unlock(&http->lock);
    if (orphan)
        xr_request_unref(req);
}

void xr_request_abandon_all(struct xr_http *http) {
    pthread_mutex_lock(&http->lock);
    http->gave_up = true;
    while (http->deferred) {
        struct xr_request *req = http->deferred;
        unlink_locked(req);
        orphan_locked(req);
        MHD_resume_connection(req->mhd);
    }
    pthread_mutex_unlock(&http->lock);
}
