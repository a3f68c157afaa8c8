// SPDX-License-Identifier: Apache-2.0
#include "http/listing.h"
#include "base/limits.h"
#include "http/encode.h"

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

static enum xr_code write_listing(struct listing *l, struct xr_json *j, struct xr_err *err) {
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

enum xr_code xr_conversations_page_write(struct xr_store_reader *reader, const struct xr_page *page,
                                         struct xr_arena *arena, struct xr_json *j, struct xr_err *err) {
    struct listing listing = {.reader = reader, .arena = arena, .page = page, .pass = pass_of(page)};
    return write_listing(&listing, j, err);
}

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

/* Run configurations may be large: a page that does not fit its arena is tried again with half the rows. It is short
 * then, and its cursor tells how to go on. */
enum xr_code xr_replays_page_write(struct xr_store_reader *reader, int64_t conversation_id, const struct xr_page *page,
                                   struct xr_json *j, struct xr_err *err) {
    int64_t after_id = page->has_cursor ? page->cursor.values[0] : 0;
    enum xr_code code = XR_NO_MEMORY;
    for (size_t limit = page->limit; code == XR_NO_MEMORY && limit > 0; limit /= 2)
        code = write_replays(reader, conversation_id, after_id, limit, j, err);
    return code;
}
