// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "base/test.h"
#include "http/listing.h"
#include "http/testkit.h"
#include "store/conversations.h"
#include "store/replays.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A store in a directory of its own, on a clock that ticks a millisecond at each look. */
struct fixture {
    char dir[64];
    struct xr_clock clock;
    int64_t now_ns;
    struct xr_store *store;
    struct xr_store_reader *reader;
};

static int64_t tick(void *ctx) {
    int64_t *now_ns = ctx;
    return __atomic_add_fetch(now_ns, XR_NS_PER_MS, __ATOMIC_RELAXED);
}

static void path_in(const struct fixture *f, const char *name, char out[128]) {
    snprintf(out, 128, "%s/%s", f->dir, name);
}

static int open_fixture(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    char path[128], queue_path[128];
    strcpy(f->dir, "/tmp/xr-listing-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    f->clock = (struct xr_clock){.wall_ns = tick, .mono_ns = tick, .ctx = &f->now_ns};
    path_in(f, "xray.db", path);
    path_in(f, "queue.db", queue_path);
    assert_int_equal(xr_store_open(path, queue_path, &f->clock, &f->store, NULL), XR_OK);
    assert_int_equal(xr_store_reader_open(f->store, &f->reader, NULL), XR_OK);
    *state = f;
    return 0;
}

static int close_fixture(void **state) {
    static const char *const NAMES[] = {"xray.db",  "xray.db-wal",  "xray.db-shm",
                                        "queue.db", "queue.db-wal", "queue.db-shm"};
    struct fixture *f = *state;
    xr_store_reader_close(f->reader);
    xr_store_free(f->store);
    for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
        char path[128];
        path_in(f, NAMES[i], path);
        (void)unlink(path);
    }
    rmdir(f->dir);
    free(f);
    return 0;
}

static enum xr_code apply_put(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    int64_t now_ns = xr_store_tx_now(tx);
    struct xr_conversation conversation = {.name = XR_STR("n"),
                                           .spec = XR_STR("{\"judges\":[],\"turns\":[]}"),
                                           .created_ns = now_ns,
                                           .last_run_ns = now_ns};
    memset(conversation.hash, *(uint8_t *)write->ctx, sizeof conversation.hash);
    return xr_store_tx_conversation_put(tx, &conversation, err);
}

/* New, or run again: it is at the top now. */
static void put(struct fixture *f, uint8_t hash) {
    xr_commit(f->store, apply_put, &hash);
}

struct new_replay {
    uint8_t hash;
    struct xr_str run_config;
};

static enum xr_code apply_replay(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct new_replay *replay = write->ctx;
    uint8_t hash[XR_SHA256_SIZE];
    memset(hash, replay->hash, sizeof hash);
    struct xr_uuid id = xr_uuid_new();
    return xr_store_tx_replay_create(tx, &id, hash, replay->run_config, err);
}

static enum xr_code write_page(struct fixture *f, int64_t conversation_id, const struct xr_page *page,
                               struct xr_json *j) {
    struct xr_arena *arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    assert_int_equal(xr_store_reader_begin(f->reader, NULL), XR_OK);
    enum xr_code code = conversation_id ? xr_replays_page_write(f->reader, conversation_id, page, j, NULL)
                                        : xr_conversations_page_write(f->reader, page, arena, j, NULL);
    xr_store_reader_end(f->reader);
    xr_arena_free(arena);
    return code;
}

/* Reads one page; page->cursor is the next one's after. False at the list's end. conversation_id 0: conversations,
 * whose hashes' first letters are appended to ret_items as "01 "; else *ret_count is raised. */
static bool read_page(struct fixture *f, int64_t conversation_id, struct xr_page *page, char *ret_items,
                      size_t *ret_count) {
    struct xr_buf buf = xr_buf_make(XR_RESPONSE_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    yyjson_doc *doc = NULL;
    size_t i, n;
    yyjson_val *item;
    assert_int_equal(write_page(f, conversation_id, page, &j), XR_OK);
    assert_int_equal(xr_json_parse(xr_buf_view(&buf), 64, &doc, NULL), XR_OK);
    yyjson_val *root = yyjson_doc_get_root(doc), *items = yyjson_obj_get(root, "items");
    assert_true(yyjson_arr_size(items) <= page->limit);
    yyjson_arr_foreach(items, i, n, item) {
        if (ret_items)
            strncat(ret_items, yyjson_get_str(yyjson_obj_get(item, "hash")), 2), strcat(ret_items, " ");
        if (ret_count)
            ++*ret_count;
    }
    yyjson_val *next = yyjson_obj_get(root, "next_cursor");
    assert_true(yyjson_is_null(next) || yyjson_is_str(next));
    page->has_cursor = yyjson_is_str(next);
    if (page->has_cursor)
        assert_true(xr_cursor_decode(conversation_id ? XR_CURSOR_REPLAYS : XR_CURSOR_CONVERSATIONS,
                                     xr_json_get_str(next), &page->cursor));
    yyjson_doc_free(doc);
    xr_buf_clear(&buf);
    return page->has_cursor;
}

static void an_empty_list_is_one_page(void **state) {
    char items[100] = "";
    struct xr_page page = {.limit = 100};
    assert_false(read_page(*state, 0, &page, items, NULL));
    assert_string_equal(items, "");
}

static void pages_give_each_row_once(void **state) {
    struct fixture *f = *state;
    static const struct {
        size_t limit;
        int pages;
    } CASES[] = {{1, 5}, {2, 3}, {4, 2}, {5, 1}, {6, 1}};
    for (uint8_t i = 1; i <= 5; i++)
        put(f, i);
    for (size_t k = 0; k < sizeof CASES / sizeof *CASES; k++) {
        char items[100] = "";
        struct xr_page page = {.limit = CASES[k].limit};
        int pages = 1;
        while (read_page(f, 0, &page, items, NULL))
            pages++;
        assert_string_equal(items, "05 04 03 02 01 ");
        assert_int_equal(pages, CASES[k].pages);
    }
}

static void a_row_that_moves_up_is_not_missed(void **state) {
    struct fixture *f = *state;
    char items[100] = "";
    struct xr_page page = {.limit = 2};
    for (uint8_t i = 1; i <= 5; i++)
        put(f, i);
    assert_true(read_page(f, 0, &page, items, NULL)); /* 5 4 */
    put(f, 1); /* over the rows that are read already */
    put(f, 5); /* seen, and seen again */
    while (read_page(f, 0, &page, items, NULL))
        continue;
    assert_string_equal(items, "05 04 03 02 05 01 ");
}

static void rows_that_move_in_a_later_pass_are_not_missed(void **state) {
    struct fixture *f = *state;
    char items[200] = "";
    struct xr_page page = {.limit = 1};
    for (uint8_t i = 1; i <= 4; i++)
        put(f, i);
    assert_true(read_page(f, 0, &page, items, NULL)); /* 4 */
    put(f, 2);
    put(f, 1);
    assert_true(read_page(f, 0, &page, items, NULL)); /* 3, the end; next pass */
    assert_true(read_page(f, 0, &page, items, NULL)); /* 1 */
    put(f, 2); /* not seen yet in any pass */
    while (read_page(f, 0, &page, items, NULL))
        continue;
    assert_string_equal(items, "04 03 01 02 ");
}

static int64_t conversation_id(struct fixture *f, uint8_t byte) {
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_conversation conversation;
    struct xr_arena *arena = xr_arena_new(XR_MIB(1));
    memset(hash, byte, sizeof hash);
    assert_int_equal(xr_store_conversation_get(f->reader, hash, arena, &conversation, NULL), XR_OK);
    xr_arena_free(arena);
    return conversation.id;
}

static void replays_are_paged_newest_first(void **state) {
    struct fixture *f = *state;
    put(f, 1);
    for (int i = 0; i < 5; i++)
        xr_commit(f->store, apply_replay, &(struct new_replay){.hash = 1});
    struct xr_page page = {.limit = 2};
    size_t count = 0, pages = 1;
    while (read_page(f, conversation_id(f, 1), &page, NULL, &count))
        pages++;
    assert_int_equal(count, 5);
    assert_int_equal(pages, 3);
}

/* 60 of the largest run configurations are more than one page's memory. */
static void large_replays_make_short_pages(void **state) {
    struct fixture *f = *state;
    struct xr_buf config = xr_buf_make(XR_RUN_CONFIG_MAX);
    xr_buf_char(&config, '"');
    while (config.len < XR_RUN_CONFIG_MAX - 1)
        xr_buf_char(&config, 'x');
    xr_buf_char(&config, '"');
    put(f, 1);
    for (int i = 0; i < 60; i++)
        xr_commit(f->store, apply_replay, &(struct new_replay){.hash = 1, .run_config = xr_buf_view(&config)});
    struct xr_page page = {.limit = 60};
    size_t count = 0, pages = 1;
    while (read_page(f, conversation_id(f, 1), &page, NULL, &count))
        pages++;
    assert_int_equal(count, 60);
    assert_true(pages > 1);
    xr_buf_clear(&config);
}

#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, open_fixture, close_fixture)

int main(void) {
    const struct CMUnitTest tests[] = {
        WITH_STORE(an_empty_list_is_one_page),         WITH_STORE(pages_give_each_row_once),
        WITH_STORE(a_row_that_moves_up_is_not_missed), WITH_STORE(rows_that_move_in_a_later_pass_are_not_missed),
        WITH_STORE(replays_are_paged_newest_first),    WITH_STORE(large_replays_make_short_pages),
    };
    return cmocka_run_group_tests_name("http/listing", tests, NULL, NULL);
}
