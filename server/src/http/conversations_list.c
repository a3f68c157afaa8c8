// SPDX-License-Identifier: Apache-2.0
/* The two lists: conversations, and the replays of one. */
#include "base/limits.h"
#include "http/handlers.h"
#include "http/listing.h"
#include "http/reply.h"
#include "http/shared.h"

static enum xr_code build_conversations(struct xr_store_reader *reader, struct xr_arena *arena,
                                        const struct xr_page *page, struct xr_cached_body **ret_body,
                                        struct xr_err *err) {
    struct xr_buf buf = xr_buf_make(XR_RESPONSE_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    enum xr_code code = xr_store_reader_begin(reader, err);
    if (code == XR_OK) {
        code = xr_conversations_page_write(reader, page, arena, &j, err);
        xr_store_reader_end(reader);
    }
    size_t n = 0;
    char *bytes = code == XR_OK ? xr_buf_take(&buf, &n) : NULL;
    struct xr_cached_body *body = bytes ? xr_cached_body_new(bytes, n, NULL) : NULL;
    xr_buf_clear(&buf);
    if (body)
        *ret_body = body;
    return code == XR_OK && !body ? xr_fail(err, XR_NO_MEMORY, NULL, "out of memory") : code;
}

/* Two requests with the same key get the same body from the same version of the store. ptr NULL: do not cache. */
static struct xr_str cache_key(struct xr_arena *arena, const struct xr_page *page) {
    char cursor[XR_CURSOR_TEXT + 1] = "";
    if (page->has_cursor)
        xr_cursor_encode(XR_CURSOR_CONVERSATIONS, &page->cursor, cursor);
    struct xr_buf buf = xr_buf_make(XR_LIST_CACHE_KEY_MAX);
    xr_buf_printf(&buf, "%zu %s ", page->limit, cursor);
    xr_buf_str(&buf, page->q);
    struct xr_str key = buf.failed ? (struct xr_str){0} : xr_arena_str(arena, xr_buf_view(&buf));
    xr_buf_clear(&buf);
    return key;
}

/* Takes body over. */
static void respond_list(struct xr_request *req, struct xr_cached_body *body) {
    const char *etag = xr_cached_body_etag(body);
    xr_response_header(req, "Cache-Control", "private, no-cache");
    xr_response_header(req, "ETag", etag);
    if (xr_respond_not_modified(req, etag))
        xr_cached_body_unref(body);
    else
        xr_respond_shared(req, 200, "application/json", xr_cached_body_bytes(body), xr_cached_body_unref, body);
}

void xr_get_conversations(struct xr_request *req) {
    struct xr_page page;
    if (!xr_take_page(req, XR_CURSOR_CONVERSATIONS, &page))
        return;
    struct xr_arena *arena = xr_request_arena(req);
    struct xr_body_cache *cache = xr_request_shared(req)->lists;
    struct xr_str key = cache_key(arena, &page);
    uint64_t version = xr_store_version(xr_request_deps(req)->store);
    struct xr_cached_body *body = key.ptr ? xr_body_cache_get(cache, key, version) : NULL;
    if (body) {
        respond_list(req, body);
        return;
    }
    struct xr_store_reader *reader = xr_request_reader(req);
    struct xr_err err = {0};
    if (!reader)
        return;
    enum xr_code code = build_conversations(reader, arena, &page, &body, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return;
    }
    if (key.ptr)
        xr_body_cache_put(cache, key, version, body);
    respond_list(req, body);
}

static enum xr_code list_replays(struct xr_store_reader *reader, struct xr_arena *arena,
                                 const uint8_t hash[XR_SHA256_SIZE], const struct xr_page *page, struct xr_json *j,
                                 struct xr_err *err) {
    struct xr_conversation conversation;
    enum xr_code code = xr_store_conversation_get(reader, hash, arena, &conversation, err);
    return code == XR_OK ? xr_replays_page_write(reader, conversation.id, page, j, err) : code;
}

void xr_get_conversation_replays(struct xr_request *req) {
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_page page;
    struct xr_store_reader *reader = NULL;
    struct xr_err err = {0};
    if (!xr_take_hash(req, 0, hash) || !xr_take_page(req, XR_CURSOR_REPLAYS, &page) ||
        !(reader = xr_request_reader(req)))
        return;
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    enum xr_code code = xr_store_reader_begin(reader, &err);
    if (code == XR_OK) {
        code = list_replays(reader, xr_request_arena(req), hash, &page, &j, &err);
        xr_store_reader_end(reader);
    }
    if (code == XR_NOT_FOUND)
        xr_reply_conversation_not_found(req, hash);
    else
        xr_reply_written(req, 200, code, &err);
}
