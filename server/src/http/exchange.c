// SPDX-License-Identifier: Apache-2.0
/* One request from its headers to its response. libmicrohttpd calls xr_exchange once with the headers, then for each
 * piece of the body, then once (and once more after each resume) when all is there; a response may be given to it only
 * in the first call, which closes the connection, or in the last ones. So whatever refuses a request early makes the
 * response, and it waits in req->response while the body is read and dropped. */
#include "base/limits.h"
#include "http/core.h"
#include "http/framing.h"
#include "http/params.h"
#include <stdio.h>

static struct xr_conn *conn_of(struct MHD_Connection *mhd) {
    const union MHD_ConnectionInfo *info = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    return info ? info->socket_context : NULL;
}

/* Of a target with a NUL in it, libmicrohttpd sees only what is before. Where the C string ends the version must come
 * next; xr_framing_read looks. */
void *xr_exchange_target(void *cls, const char *target, struct MHD_Connection *mhd) {
    (void)cls;
    struct xr_conn *conn = conn_of(mhd);
    if (conn)
        conn->target_end = target + strlen(target);
    return NULL;
}

static void refuse_no_route(struct xr_request *req, const struct xr_match *match, struct xr_str path) {
    if (!match->path_known) {
        struct xr_json j = xr_error_begin(req, 404, "not_found");
        xr_error_end(req, &j);
        return;
    }
    char allow[64];
    xr_router_allow(req->http->routes, path, allow, sizeof allow);
    xr_response_header(req, "Allow", allow);
    struct xr_json j = xr_error_begin(req, 405, "method_not_allowed");
    xr_error_end(req, &j);
}

/* Into the arena: a worker may read them after the connection is gone. */
static bool copy_params(struct xr_request *req, const struct xr_match *match) {
    for (size_t i = 0; i < XR_PARAMS_MAX && match->params[i].len > 0; i++) {
        struct xr_arena *arena = xr_request_arena(req);
        char *decoded = arena ? xr_arena_alloc(arena, match->params[i].len) : NULL;
        if (!decoded)
            return false;
        req->params[i] = (struct xr_str){.ptr = decoded, .len = xr_percent_decode(match->params[i], decoded)};
    }
    return true;
}

static void route_request(struct xr_request *req, const char *method, const char *url) {
    struct xr_str path = xr_framing_path(url);
    struct xr_match match = xr_router_match(req->http->routes, xr_str_from(method), path);
    req->get = strcmp(method, "GET") == 0;
    req->route = match.route;
    if (!match.route)
        refuse_no_route(req, &match, path);
    else if (!copy_params(req, &match))
        xr_error_code(req, XR_NO_MEMORY, NULL);
    else if (match.route->precheck)
        match.route->precheck(req);
}

static bool comes_packed(const struct xr_request *req) {
    struct xr_str encoding;
    return req->route->gzip && xr_request_header_view(req, "Content-Encoding", &encoding) &&
           xr_str_same(encoding, XR_STR("gzip"));
}

static void open_body(struct xr_request *req, int64_t announced) {
    struct xr_body_wants wants = {.kind = req->route->body,
                                  .max = req->route->body_max,
                                  .announced = announced,
                                  .gzip = comes_packed(req),
                                  .files = req->http->deps.files,
                                  .budget = &req->http->bodies};
    struct xr_err err;
    enum xr_code code = XR_OK;
    (void)xr_request_header_view(req, "Content-Type", &wants.content_type);
    if (wants.kind == XR_BODY_MULTIPART && !(wants.arena = xr_request_arena(req)))
        code = xr_fail(&err, XR_NO_MEMORY, NULL, "out of memory");
    if (code == XR_OK)
        code = xr_body_new(&wants, &req->body, &err);
    if (code != XR_OK)
        xr_error_code(req, code, &err);
}

/* A client that waits for "100 Continue" takes an answer instead; and what is longer than anybody would read to its end
 * is not read at all. Everyone else sees an answer only after having sent the body. */
static bool answers_at_once(const struct xr_request *req, int64_t announced) {
    struct xr_str expect;
    if (announced > 0 && (uint64_t)announced > XR_DRAIN_MAX)
        return true;
    return xr_request_header_view(req, "Expect", &expect) && xr_str_same(expect, XR_STR("100-continue"));
}

/* A response in the first call ends the connection, as it must when nobody knows where the next request begins. */
static enum MHD_Result refuse_framing(struct xr_request *req) {
    struct xr_json j = xr_error_begin(req, 400, "bad_request");
    xr_error_end(req, &j);
    return req->failed ? MHD_NO : xr_respond_queue(req);
}

static enum MHD_Result begin(struct MHD_Connection *mhd, const char *url, const char *method, const char *version,
                             void **con_cls) {
    struct xr_conn *conn = conn_of(mhd);
    struct xr_request *req = conn ? xr_request_new(conn, mhd) : NULL;
    if (!req)
        return MHD_NO;
    *con_cls = req;
    atomic_fetch_add_explicit(&conn->requests, 1, memory_order_relaxed);
    atomic_store_explicit(&conn->body_bytes, 0, memory_order_relaxed);
    atomic_store_explicit(&conn->phase, XR_PHASE_BUSY, memory_order_relaxed);
    xr_request_id_format(conn, req->id);
    struct xr_framing framing = xr_framing_read(req, version);
    if (!framing.sound)
        return refuse_framing(req);
    route_request(req, method, url);
    if (framing.length == 0)
        return req->failed ? MHD_NO : MHD_YES;
    req->has_body = true;
    if (!req->response && !req->failed)
        open_body(req, framing.length);
    if (req->failed)
        return MHD_NO;
    if (req->response && answers_at_once(req, framing.length))
        return xr_respond_queue(req);
    atomic_store(&conn->phase, XR_PHASE_BODY);
    return MHD_YES;
}

static void drop_body(struct xr_request *req) {
    xr_body_free(req->body);
    req->body = NULL;
}

/* Nobody reads so much only to throw it away: the answer goes out beside libmicrohttpd, and the connection ends. */
static enum MHD_Result give_up_reading(struct xr_request *req) {
    char json[80];
    snprintf(json, sizeof json, "{\"error\":\"body_too_large\",\"max_bytes\":%zu}", xr_request_body_max(req));
    xr_reaper_refuse(req->conn, "413 Content Too Large", json);
    return MHD_NO;
}

static enum MHD_Result take_body(struct xr_request *req, const char *data, size_t *data_size) {
    struct xr_conn *conn = req->conn;
    struct xr_str bytes = {.ptr = data, .len = *data_size};
    *data_size = 0;
    req->body_seen += bytes.len;
    atomic_store_explicit(&conn->body_bytes, req->body_seen, memory_order_relaxed);
    if (atomic_load(&conn->phase) == XR_PHASE_REAPED)
        return MHD_NO;
    if (!req->response) {
        struct xr_err err;
        enum xr_code code = xr_body_write(req->body, bytes, &err);
        if (code != XR_OK) {
            drop_body(req);
            xr_error_code(req, code, &err);
        }
    }
    if (req->body_seen > XR_DRAIN_MAX)
        return give_up_reading(req);
    return req->failed ? MHD_NO : MHD_YES;
}

/* False when the reaper has been faster. */
static bool end_body(struct xr_request *req) {
    int phase = XR_PHASE_BODY;
    if (req->body_done || !req->has_body)
        return true;
    req->body_done = true;
    if (!atomic_compare_exchange_strong(&req->conn->phase, &phase, XR_PHASE_BUSY))
        return false;
    if (req->body)
        xr_body_finish(req->body);
    return true;
}

static void run_handler(struct xr_request *req) {
    void (*then)(struct xr_request *req) = req->then ? req->then : req->route->handle;
    req->then = NULL;
    req->deferred = false;
    then(req);
    if (!req->response && !req->deferred && !req->failed) {
        struct xr_err err;
        xr_fail(&err, XR_INTERNAL, NULL, "%s %s did not respond", req->route->method, req->route->path);
        xr_error_code(req, XR_INTERNAL, &err);
    }
}

static enum MHD_Result complete(struct xr_request *req) {
    if (!end_body(req))
        return MHD_NO;
    if (!req->response && !req->failed)
        run_handler(req);
    if (req->failed)
        return MHD_NO;
    return req->response ? xr_respond_queue(req) : MHD_YES;
}

enum MHD_Result xr_exchange(void *cls, struct MHD_Connection *mhd, const char *url, const char *method,
                            const char *version, const char *data, size_t *data_size, void **con_cls) {
    (void)cls;
    struct xr_request *req = *con_cls;
    if (!req)
        return begin(mhd, url, method, version, con_cls);
    if (atomic_load_explicit(&req->defer, memory_order_acquire) == XR_DEFER_ORPHAN)
        return MHD_NO;
    return *data_size > 0 ? take_body(req, data, data_size) : complete(req);
}

void xr_exchange_completed(void *cls, struct MHD_Connection *mhd, void **con_cls,
                           enum MHD_RequestTerminationCode code) {
    (void)mhd, (void)code;
    struct xr_http *http = cls;
    struct xr_request *req = *con_cls;
    if (!req)
        return;
    struct xr_conn *conn = req->conn;
    xr_request_unref(req);
    *con_cls = NULL;
    int phase = atomic_load(&conn->phase);
    if (phase != XR_PHASE_REAPED)
        atomic_store(&conn->phase, XR_PHASE_IDLE);
    if (atomic_load_explicit(&http->closing, memory_order_relaxed)) {
        pthread_mutex_lock(&http->lock);
        pthread_cond_broadcast(&http->changed);
        pthread_mutex_unlock(&http->lock);
    }
}
