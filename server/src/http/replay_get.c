// SPDX-License-Identifier: Apache-2.0
/* GET /v1/replays/{id}. A finished replay's detail is kept, with an entity tag; an open one's may change at any time.
 */
#include "http/detail.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/shared.h"

static void respond_open(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay) {
    struct xr_err err = {0};
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    enum xr_code code = xr_detail_write(reader, replay, &j, &err);
    if (code == XR_OK)
        xr_response_header(req, "Cache-Control", "no-store");
    xr_reply_written(req, 200, code, &err);
}

static enum xr_code build(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay,
                          const char *etag, struct xr_cached_body **ret_body, struct xr_err *err) {
    struct xr_buf *buf = xr_response_buf(req);
    struct xr_json j = xr_json_make(buf, XR_JSON_RESPONSE);
    enum xr_code code = xr_detail_write(reader, replay, &j, err);
    if (code != XR_OK)
        return code;
    if (buf->failed)
        return xr_fail(err, XR_INTERNAL, NULL, "the response is over its bound, or memory is out");
    size_t n = 0;
    char *bytes = xr_buf_take(buf, &n);
    struct xr_cached_body *body = bytes ? xr_cached_body_new(bytes, n, etag) : NULL;
    if (!body)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *ret_body = body;
    return XR_OK;
}

/* One more reference: from the cache, or made and then kept there. */
static enum xr_code get_body(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay,
                             const struct xr_detail_version *version, struct xr_cached_body **ret_body,
                             struct xr_err *err) {
    struct xr_body_cache *cache = xr_request_shared(req)->details;
    struct xr_str key = {.ptr = (const char *)replay->uuid.bytes, .len = sizeof replay->uuid.bytes};
    struct xr_cached_body *body = xr_body_cache_get(cache, key, version->number);
    if (!body) {
        enum xr_code code = build(req, reader, replay, version->etag, &body, err);
        if (code != XR_OK)
            return code;
        xr_body_cache_put(cache, key, version->number, body);
    }
    *ret_body = body;
    return XR_OK;
}

static void name_version(struct xr_request *req, const struct xr_detail_version *version) {
    xr_response_header(req, "Cache-Control", "private, no-cache");
    xr_response_header(req, "ETag", version->etag);
}

static void respond_finished(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay) {
    struct xr_err err = {0};
    struct xr_detail_version version;
    struct xr_cached_body *body = NULL;
    enum xr_code code = xr_detail_version_get(reader, replay, &version, &err);
    if (code == XR_OK && xr_respond_not_modified(req, version.etag)) {
        name_version(req, &version);
        return;
    }
    if (code == XR_OK)
        code = get_body(req, reader, replay, &version, &body, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return;
    }
    name_version(req, &version);
    xr_respond_shared(req, 200, "application/json", xr_cached_body_bytes(body), xr_cached_body_unref, body);
}

static void respond(struct xr_request *req, struct xr_store_reader *reader, const struct xr_replay *replay) {
    if (xr_lifecycle_terminal(replay->state))
        respond_finished(req, reader, replay);
    else
        respond_open(req, reader, replay);
}

void xr_get_replay(struct xr_request *req) {
    xr_reply_with_replay(req, respond);
}
