// SPDX-License-Identifier: Apache-2.0
/* The two lists: conversations, and the replays of one.
 *
 * Conversations are sorted by their last run, so a row that is run while a client pages jumps over the pages it has
 * still to read. No row may be missed, so a list is read in passes. The first pass goes from the top to the end. Each
 * further one goes from the top down to where the pass before it began: exactly the rows that have moved (or are new)
 * since. The list ends with a pass during which nothing moved. A cursor holds the place in the pass, where the pass
 * stops, and where it began. */
#include "base/limits.h"
#include "http/encode.h"
#include "http/handlers.h"
#include "http/reply.h"
#include "http/shared.h"

/* A place in the order of conversations. run_ns XR_TIME_NONE: above the top as `after`, below the end as `stop`. */
struct place {
    int64_t run_ns, id;
};
static const struct place NOWHERE = {.run_ns = XR_TIME_NONE};

struct pass {
    struct place after, stop, top;
};

static struct place place_of(const struct xr_conversation_item *item) {
    return (struct place){.run_ns = item->last_run_ns, .id = item->rowid};
}

static bool is_above(struct place a, struct place b) {
    return a.run_ns != b.run_ns ? a.run_ns > b.run_ns : a.id > b.id;
}

static struct pass pass_of(const struct xr_page *page) {
    const int64_t *v = page->cursor.values;
    if (!page->has_cursor)
        return (struct pass){NOWHERE, NOWHERE, NOWHERE};
    return (struct pass){{v[0], v[1]}, {v[2], v[3]}, {v[4], v[5]}};
}

static void kv_next_cursor(struct xr_json *j, enum xr_cursor_kind kind, const struct xr_cursor *next) {
    char text[XR_CURSOR_TEXT + 1];
    if (next)
        xr_cursor_encode(kind, next, text);
    xr_json_kv_strz(j, "next_cursor", next ? text : NULL);
}

static void kv_next_pass(struct xr_json *j, const struct pass *next) {
    struct xr_cursor cursor;
    if (next)
        cursor = (struct xr_cursor){
            {next->after.run_ns, next->after.id, next->stop.run_ns, next->stop.id, next->top.run_ns, next->top.id}};
    kv_next_cursor(j, XR_CURSOR_CONVERSATIONS, next ? &cursor : NULL);
}

struct listing {
    struct xr_store_reader *reader;
    struct xr_arena *arena;
    const struct xr_page *page;
    struct pass pass;
    struct xr_conversation_item *items;
    size_t count; /* of this page */
    bool more; /* in this pass */
};

/* One more row than asked for tells whether there is another page. */
static enum xr_code read_page(struct listing *l, struct xr_err *err) {
    size_t found = 0;
    enum xr_code code = xr_store_conversations_list(l->reader, l->page->q, l->pass.after.run_ns, l->pass.after.id,
                                                    l->page->limit + 1, l->arena, &l->items, &found, err);
    if (code != XR_OK)
        return code;
    size_t n = 0;
    while (n < found && is_above(place_of(&l->items[n]), l->pass.stop))
        n++;
    l->more = n > l->page->limit;
    l->count = l->more ? l->page->limit : n;
    if (l->pass.after.run_ns == XR_TIME_NONE)
        l->pass.top = n > 0 ? place_of(&l->items[0]) : l->pass.stop;
    return XR_OK;
}

/* At a pass's end: has anything moved above its top? Only a pass that took more than one page can have missed it. */
static enum xr_code find_next_pass(struct listing *l, bool *ret_again, struct pass *ret_next, struct xr_err *err) {
    struct xr_conversation_item *newest = NULL;
    size_t found = 0;
    *ret_again = false;
    if (l->pass.after.run_ns == XR_TIME_NONE)
        return XR_OK;
    enum xr_code code =
        xr_store_conversations_list(l->reader, l->page->q, XR_TIME_NONE, 0, 1, l->arena, &newest, &found, err);
    if (code != XR_OK)
        return code;
    *ret_again = found > 0 && is_above(place_of(&newest[0]), l->pass.top);
    *ret_next = (struct pass){.after = NOWHERE, .stop = l->pass.top, .top = NOWHERE};
    return XR_OK;
}

static enum xr_code write_conversations(struct listing *l, struct xr_json *j, struct xr_err *err) {
    struct pass next = l->pass;
    enum xr_code code = read_page(l, err);
    bool again = code == XR_OK && l->more;
    if (again) {
        next = l->pass;
        next.after = place_of(&l->items[l->count - 1]);
    } else if (code == XR_OK) {
        code = find_next_pass(l, &again, &next, err);
    }
    if (code != XR_OK)
        return code;
    xr_json_object(j);
    xr_json_key(j, XR_STR("items"));
    xr_json_array(j);
    for (size_t i = 0; i < l->count; i++)
        xr_conversation_item_encode(j, &l->items[i]);
    xr_json_array_end(j);
    kv_next_pass(j, again ? &next : NULL);
    xr_json_object_end(j);
    return XR_OK;
}

static enum xr_code build_conversations(struct xr_store_reader *reader, struct xr_arena *arena,
                                        const struct xr_page *page, struct xr_list_body **ret_body,
                                        struct xr_err *err) {
    struct xr_buf buf = xr_buf_make(XR_RESPONSE_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    struct listing listing = {.reader = reader, .arena = arena, .page = page, .pass = pass_of(page)};
    enum xr_code code = xr_store_reader_begin(reader, err);
    if (code == XR_OK) {
        code = write_conversations(&listing, &j, err);
        xr_store_reader_end(reader);
    }
    size_t n = 0;
    char *bytes = code == XR_OK ? xr_buf_take(&buf, &n) : NULL;
    struct xr_list_body *body = bytes ? xr_list_body_new(bytes, n) : NULL;
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
static void respond_list(struct xr_request *req, struct xr_list_body *body) {
    const char *etag = xr_list_body_etag(body);
    xr_response_header(req, "Cache-Control", "private, no-cache");
    xr_response_header(req, "ETag", etag);
    if (xr_respond_not_modified(req, etag))
        xr_list_body_unref(body);
    else
        xr_respond_shared(req, 200, "application/json", xr_list_body_bytes(body), xr_list_body_unref, body);
}

void xr_get_conversations(struct xr_request *req) {
    struct xr_page page;
    if (!xr_take_page(req, XR_CURSOR_CONVERSATIONS, &page))
        return;
    struct xr_arena *arena = xr_request_arena(req);
    struct xr_list_cache *cache = xr_request_shared(req)->lists;
    struct xr_str key = cache_key(arena, &page);
    uint64_t version = xr_store_version(xr_request_deps(req)->store);
    struct xr_list_body *body = key.ptr ? xr_list_cache_get(cache, key, version) : NULL;
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
        xr_list_cache_put(cache, key, version, body);
    respond_list(req, body);
}

/* A page of replays, in an arena of its own. Run configurations may be large: a page that does not fit its memory is
 * tried again with half the rows. A page may be short, its cursor tells how to go on. */
static enum xr_code write_replays(struct xr_store_reader *reader, int64_t conversation_id, int64_t after_id,
                                  size_t limit, struct xr_json *j, struct xr_err *err) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    struct xr_replay *replays = NULL;
    size_t count = 0;
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code =
        xr_store_replays_list(reader, conversation_id, after_id, limit + 1, arena, &replays, &count, err);
    if (code != XR_OK)
        return code;
    size_t shown = count > limit ? limit : count;
    xr_json_object(j);
    xr_json_key(j, XR_STR("items"));
    xr_json_array(j);
    for (size_t i = 0; i < shown; i++)
        xr_replay_item_encode(j, &replays[i]);
    xr_json_array_end(j);
    const struct xr_cursor next = {{count > limit ? replays[shown - 1].id : 0}};
    kv_next_cursor(j, XR_CURSOR_REPLAYS, count > limit ? &next : NULL);
    xr_json_object_end(j);
    return XR_OK;
}

static enum xr_code list_replays(struct xr_store_reader *reader, struct xr_arena *arena,
                                 const uint8_t hash[XR_SHA256_SIZE], const struct xr_page *page, struct xr_json *j,
                                 struct xr_err *err) {
    struct xr_conversation conversation;
    enum xr_code code = xr_store_conversation_get(reader, hash, arena, &conversation, err);
    if (code != XR_OK)
        return code;
    int64_t after_id = page->has_cursor ? page->cursor.values[0] : 0;
    code = XR_NO_MEMORY;
    for (size_t limit = page->limit; code == XR_NO_MEMORY && limit > 0; limit /= 2)
        code = write_replays(reader, conversation.id, after_id, limit, j, err);
    return code;
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
