// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "base/uuid.h"
#include "store/conversations.h"
#include "store/store_testkit.h"
#include <stdio.h>

enum { PAGE = 100 };

static enum xr_code put(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_conversation_put(tx, ctx, err);
}

static enum xr_code put_cached(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_tts_cache_put(tx, ctx, err);
}

static size_t list(struct xr_test_store *t, struct xr_str q, struct xr_conversation_item **ret_items) {
    size_t count = SIZE_MAX;
    assert_int_equal(
        xr_store_conversations_list(t->reader, q, XR_TIME_NONE, 0, PAGE, t->arena, ret_items, &count, NULL), XR_OK);
    return count;
}

static void a_row_comes_back_as_it_went_in(void **state) {
    struct xr_test_store *t = *state;
    uint8_t audio[3 * XR_SHA256_SIZE] = {[5] = 7, [70] = 9};
    struct xr_conversation in = {.hash = {1, 2, 3},
                                 .name = XR_STR("a\0b \xF0\x9F\x98\x80"),
                                 .spec = XR_STR("{\"turns\":[]}\0tail"),
                                 .live = true,
                                 .audio = audio,
                                 .turn_count = 3},
                           out;
    assert_int_equal(xr_test_write(t, put, &in, NULL), XR_OK);
    xr_test_store_close(t);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_int_equal(xr_store_conversation_get(t->reader, in.hash, t->arena, &out, NULL), XR_OK);
    assert_true(xr_str_eq(out.name, in.name));
    assert_true(xr_str_eq(out.spec, in.spec));
    assert_memory_equal(out.hash, in.hash, sizeof in.hash);
    assert_true(out.live);
    assert_int_equal(out.turn_count, 3);
    assert_memory_equal(out.audio, audio, sizeof audio);
    assert_int_equal(out.created_ns, t->now_ns);
    assert_int_equal(out.last_run_ns, t->now_ns);
}

static void the_same_hash_again_changes_name_and_last_run_only(void **state) {
    struct xr_test_store *t = *state;
    int64_t first = t->now_ns;
    struct xr_conversation in = {.hash = {9}, .name = XR_STR("old"), .spec = XR_STR("{\"a\":1}")}, out;
    assert_int_equal(xr_test_write(t, put, &in, NULL), XR_OK);
    t->now_ns += XR_NS_PER_S;
    in.name = XR_STR("new");
    in.spec = XR_STR("{\"b\":2}");
    in.live = true;
    assert_int_equal(xr_test_write(t, put, &in, NULL), XR_OK);
    assert_int_equal(xr_store_conversation_get(t->reader, in.hash, t->arena, &out, NULL), XR_OK);
    assert_true(xr_str_eq(out.name, XR_STR("new")));
    assert_true(xr_str_eq(out.spec, XR_STR("{\"a\":1}")));
    assert_false(out.live);
    assert_int_equal(out.created_ns, first);
    assert_int_equal(out.last_run_ns, t->now_ns);
    struct xr_conversation_item *items;
    assert_int_equal(list(t, XR_STR("NEW"), &items), 1);
    assert_int_equal(list(t, XR_STR("old"), &items), 0);
}

static void an_unknown_hash_is_not_found(void **state) {
    struct xr_test_store *t = *state;
    uint8_t hash[XR_SHA256_SIZE] = {0};
    struct xr_conversation out = {.id = 77};
    assert_int_equal(xr_store_conversation_get(t->reader, hash, t->arena, &out, NULL), XR_NOT_FOUND);
    assert_int_equal(out.id, 77);
}

static void a_small_arena_is_out_of_memory_and_the_reader_goes_on(void **state) {
    struct xr_test_store *t = *state;
    xr_test_conversation(t, 1, "a name that does not fit");
    uint8_t hash[XR_SHA256_SIZE];
    memset(hash, 1, sizeof hash);
    struct xr_conversation out = {.id = 77};
    struct xr_conversation_item *items = NULL;
    size_t count = 77;
    XR_AUTO(xr_arena_freep) struct xr_arena *small = xr_arena_new(8);
    assert_int_equal(xr_store_conversation_get(t->reader, hash, small, &out, NULL), XR_NO_MEMORY);
    assert_int_equal(out.id, 77);
    assert_int_equal(
        xr_store_conversations_list(t->reader, (struct xr_str){0}, XR_TIME_NONE, 0, PAGE, small, &items, &count, NULL),
        XR_NO_MEMORY);
    assert_null(items);
    assert_int_equal(count, 77);
    assert_int_equal(xr_store_conversation_get(t->reader, hash, t->arena, &out, NULL), XR_OK);
}

static void the_list_is_most_recently_run_first(void **state) {
    struct xr_test_store *t = *state;
    struct xr_conversation_item *items;
    xr_test_conversation(t, 1, "one");
    xr_test_conversation(t, 2, "two"); /* the same time: the later row first */
    t->now_ns += 1;
    xr_test_conversation(t, 3, "three");
    t->now_ns += 1;
    xr_test_replay(t, 1, 50); /* a run counts */
    assert_int_equal(list(t, (struct xr_str){0}, &items), 3);
    assert_true(xr_str_eq(items[0].name, XR_STR("one")));
    assert_true(xr_str_eq(items[1].name, XR_STR("three")));
    assert_true(xr_str_eq(items[2].name, XR_STR("two")));
    assert_string_equal(items[2].hash, "0202020202020202020202020202020202020202020202020202020202020202");
    assert_int_equal(items[0].last_run_ns, t->now_ns);
    assert_int_equal(items[0].replays, 1);
    assert_int_equal(items[1].replays, 0);
    assert_int_equal(items[1].recent_count, 0);
}

static void paging_meets_every_row_once(void **state) {
    enum { ROWS = 23, AT_ONCE = 5 };
    struct xr_test_store *t = *state;
    bool seen[ROWS + 1] = {false};
    int64_t after_ns = XR_TIME_NONE, after_id = 0;
    size_t count, total = 0;
    for (int n = 1; n <= ROWS; n++) {
        t->now_ns += n % 4 == 0; /* many share a time */
        xr_test_conversation(t, (uint8_t)n, "x");
    }
    do {
        struct xr_conversation_item *items;
        assert_int_equal(xr_store_conversations_list(t->reader, (struct xr_str){0}, after_ns, after_id, AT_ONCE,
                                                     t->arena, &items, &count, NULL),
                         XR_OK);
        for (size_t i = 0; i < count; i++) {
            assert_in_range(items[i].rowid, 1, ROWS);
            assert_false(seen[items[i].rowid]);
            seen[items[i].rowid] = true;
            after_ns = items[i].last_run_ns;
            after_id = items[i].rowid;
        }
        total += count;
    } while (count > 0);
    assert_int_equal(total, ROWS);
}

static void a_limit_beyond_a_page_is_refused(void **state) {
    struct xr_test_store *t = *state;
    struct xr_conversation_item *items;
    size_t count;
    assert_int_equal(xr_store_conversations_list(t->reader, (struct xr_str){0}, XR_TIME_NONE, 0, XR_LIST_ROWS_MAX + 1,
                                                 t->arena, &items, &count, NULL),
                     XR_TOO_LARGE);
}

static void the_search_ignores_case_in_any_script(void **state) {
    static const struct {
        struct xr_str q;
        size_t found;
    } CASES[] = {
        {XR_STR("gr\xC3\x9C\xC3\x9F"), 1}, /* GRÜß.. of "Grüße" */
        {XR_STR("\xCE\x9F\xCE\x94\xCE\x9F\xCE\xA3"), 2}, /* ΟΔΟΣ */
        {XR_STR("\xCE\xA3"), 2}, /* Σ, in the middle and at the end of a word */
        {XR_STR("\xCF\x82"), 2}, /* ς */
        {XR_STR("a\0B"), 1},
        {XR_STR("\0"), 1},
        {XR_STR("%"), 1},
        {XR_STR("_"), 0},
        {XR_STR("nothing like it"), 0},
    };
    struct xr_test_store *t = *state;
    struct xr_conversation_item *items;
    struct xr_conversation nul = {.hash = {200}, .name = XR_STR("A\0b"), .spec = XR_STR("{}")};
    xr_test_conversation(t, 1,
                         "Gr\xC3\xBC\xC3\x9F"
                         "e");
    xr_test_conversation(t, 2, "\xCE\x9F\xCE\xB4\xCF\x8C\xCF\x82 \xCE\xBF\xCE\xB4\xCE\xBF\xCF\x82"); /* Οδός οδος */
    xr_test_conversation(t, 3, "\xCE\xBF\xCE\xB4\xCE\xBF\xCF\x83\xCE\xB1 100%"); /* οδοσα */
    assert_int_equal(xr_test_write(t, put, &nul, NULL), XR_OK);
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++)
        assert_int_equal(list(t, CASES[i].q, &items), CASES[i].found);
}

static void recent_is_the_newest_twenty(void **state) {
    enum { RUNS = 25 };
    struct xr_test_store *t = *state;
    struct xr_conversation_item *items;
    char newest[XR_UUID_TEXT + 1];
    xr_test_conversation(t, 1, "one");
    xr_test_conversation(t, 2, "other");
    xr_test_replay(t, 2, 99);
    for (int n = 1; n <= RUNS; n++) {
        int64_t id = xr_test_replay(t, 1, (uint8_t)n);
        if (n == RUNS)
            xr_test_change(t, id, XR_BY_CLIENT, XR_RUNNING);
    }
    assert_int_equal(list(t, XR_STR("one"), &items), 1);
    assert_int_equal(items[0].replays, RUNS);
    assert_int_equal(items[0].recent_count, XR_CONVERSATION_RECENT_MAX);
    for (int i = 0; i < XR_CONVERSATION_RECENT_MAX; i++) {
        struct xr_uuid uuid = xr_test_uuid((uint8_t)(RUNS - i));
        xr_uuid_format(&uuid, newest);
        assert_string_equal(items[0].recent[i].replay_id, newest);
        assert_int_equal(items[0].recent[i].state, i == 0 ? XR_RUNNING : XR_PENDING);
        assert_int_equal(items[0].recent[i].passed, -1);
    }
}

static void the_cache_of_speech_answers_by_key(void **state) {
    struct xr_test_store *t = *state;
    struct xr_tts_cache_row row = {.key = {1}, .sha256 = {2}, .provider = XR_STR("local"), .characters = 5};
    uint8_t sha256[XR_SHA256_SIZE] = {0xAA}, missing[XR_SHA256_SIZE] = {9};
    assert_int_equal(xr_store_tts_cache_get(t->reader, row.key, sha256, NULL), XR_NOT_FOUND);
    assert_int_equal(sha256[0], 0xAA);
    assert_int_equal(xr_test_write(t, put_cached, &row, NULL), XR_OK);
    assert_int_equal(xr_store_tts_cache_get(t->reader, row.key, sha256, NULL), XR_OK);
    assert_memory_equal(sha256, row.sha256, sizeof sha256);
    row.sha256[0] = 3; /* spoken twice at the same time: the last one counts */
    assert_int_equal(xr_test_write(t, put_cached, &row, NULL), XR_OK);
    assert_int_equal(xr_store_tts_cache_get(t->reader, row.key, sha256, NULL), XR_OK);
    assert_int_equal(sha256[0], 3);
    assert_int_equal(xr_store_tts_cache_get(t->reader, missing, sha256, NULL), XR_NOT_FOUND);
}

static void sum_first_bytes(const uint8_t sha256[XR_SHA256_SIZE], void *ctx) {
    *(int *)ctx += sha256[0];
}

static void every_named_file_is_visited_and_no_other(void **state) {
    struct xr_test_store *t = *state;
    uint8_t audio[3 * XR_SHA256_SIZE] = {[0] = 1, [2 * XR_SHA256_SIZE] = 10};
    struct xr_conversation c = {
        .hash = {1}, .name = XR_STR("x"), .spec = XR_STR("{}"), .audio = audio, .turn_count = 3};
    struct xr_tts_cache_row row = {.key = {1}, .sha256 = {100}};
    int sum = 0;
    assert_int_equal(xr_test_write(t, put, &c, NULL), XR_OK);
    assert_int_equal(xr_test_write(t, put_cached, &row, NULL), XR_OK);
    assert_int_equal(xr_store_turn_audio_each(t->reader, sum_first_bytes, &sum, NULL), XR_OK);
    assert_int_equal(sum, 111);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(a_row_comes_back_as_it_went_in),
        TEST(the_same_hash_again_changes_name_and_last_run_only),
        TEST(an_unknown_hash_is_not_found),
        TEST(a_small_arena_is_out_of_memory_and_the_reader_goes_on),
        TEST(the_list_is_most_recently_run_first),
        TEST(paging_meets_every_row_once),
        TEST(a_limit_beyond_a_page_is_refused),
        TEST(the_search_ignores_case_in_any_script),
        TEST(recent_is_the_newest_twenty),
        TEST(the_cache_of_speech_answers_by_key),
        TEST(every_named_file_is_visited_and_no_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
