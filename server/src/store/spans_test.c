// SPDX-License-Identifier: Apache-2.0
/* Storing spans: each once, of known replays, up to a replay's limits. */
#include "base/limits.h"
#include "base/test.h"
#include "store/results.h"
#include "store/spans.h"
#include "store/writer_testkit.h"
#include <stdio.h>
#include <stdlib.h>

enum { GEN_AI = 1, ONE = 1, TWO = 2 };

static struct xr_id bytes_id(const uint8_t *bytes, size_t n) {
    return (struct xr_id){.value = {.ptr = (const char *)bytes, .len = n}};
}

static struct xr_id text_id(const char *text) {
    return (struct xr_id){.value = xr_str_from(text), .is_text = true};
}

/* A span of replay `replay` with the id `n`, both written into memory of the test's arena. */
static struct xr_span_new span(struct xr_test_store *t, uint8_t replay, uint32_t n) {
    uint8_t *ids = xr_arena_alloc(t->arena, XR_TRACE_ID_SIZE + XR_SPAN_ID_SIZE);
    assert_non_null(ids);
    memcpy(ids + XR_TRACE_ID_SIZE, &n, sizeof n);
    return (struct xr_span_new){.replay = xr_test_uuid(replay),
                                .trace_id = bytes_id(ids, XR_TRACE_ID_SIZE),
                                .span_id = bytes_id(ids + XR_TRACE_ID_SIZE, XR_SPAN_ID_SIZE),
                                .vocabulary = GEN_AI,
                                .started_ns = 1000 + n,
                                .ended_ns = 2000 + n,
                                .name = XR_STR("chat"),
                                .attributes_json = XR_STR("{}")};
}

struct adding {
    const struct xr_span_new *spans;
    size_t count;
    struct xr_span_counts counts;
};

static enum xr_code apply(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct adding *adding = ctx;
    return xr_store_tx_spans_add(tx, adding->spans, adding->count, &adding->counts, err);
}

static struct xr_span_counts add(struct xr_test_store *t, const struct xr_span_new *spans, size_t count) {
    struct adding adding = {.spans = spans, .count = count};
    struct xr_err err = {0};
    if (xr_test_write(t, apply, &adding, &err) != XR_OK)
        fail_msg("%s", err.message);
    return adding.counts;
}

#define ASSERT_COUNTS(got, ...)                                                                                        \
    do {                                                                                                               \
        const struct xr_span_counts a_ = (got), b_ = {__VA_ARGS__};                                                    \
        assert_memory_equal(&a_, &b_, sizeof a_);                                                                      \
    } while (0)

static void two_replays(struct xr_test_store *t) {
    xr_test_conversation(t, 1, "c");
    xr_test_replay(t, 1, ONE);
    xr_test_replay(t, 1, TWO);
}

static int64_t total(struct xr_test_store *t, const char *column, int replay) {
    char sql[128];
    snprintf(sql, sizeof sql, "SELECT coalesce(sum(%s), 0) FROM span_totals WHERE replay_id = %d", column, replay);
    return query(t->path, sql);
}

static void every_column_is_as_it_came(void **state) {
    static const char SQL[] =
        "SELECT count(*) FROM spans WHERE replay_id = 1 AND typeof(span_id) = 'blob' AND length(span_id) = 8"
        " AND trace_id = zeroblob(16) AND parent_span_id = X'0102030405060708' AND vocabulary = 1"
        " AND started_at = 1007 AND ended_at = 2007 AND name = 'chat' AND attributes_json = '{}'";
    struct xr_test_store *t = *state;
    static const uint8_t PARENT[XR_SPAN_ID_SIZE] = {1, 2, 3, 4, 5, 6, 7, 8};
    two_replays(t);
    struct xr_span_new s = span(t, ONE, 7);
    s.parent_span_id = bytes_id(PARENT, sizeof PARENT);
    ASSERT_COUNTS(add(t, &s, 1), .stored = 1);
    assert_int_equal(query(t->path, SQL), 1);
    assert_int_equal(total(t, "spans", 1), 1);
    assert_int_equal(total(t, "bytes", 1), XR_TRACE_ID_SIZE + 2 * XR_SPAN_ID_SIZE + 4 + 2);
}

static void a_span_is_stored_once_a_replay(void **state) {
    struct xr_test_store *t = *state;
    two_replays(t);
    const struct xr_extract tool = {.kind = XR_EXTRACT_TOOL_CALL, .tool_name = XR_STR("book")};
    struct xr_span_new spans[] = {span(t, ONE, 1), span(t, ONE, 1), span(t, TWO, 1), span(t, ONE, 2)};
    for (size_t i = 0; i < 4; i++)
        spans[i].extract = &tool;
    ASSERT_COUNTS(add(t, spans, 4), .stored = 3, .repeated = 1);
    ASSERT_COUNTS(add(t, spans, 4), .repeated = 4);
    assert_int_equal(query(t->path, "SELECT count(*) FROM spans"), 3);
    assert_int_equal(query(t->path, "SELECT count(*) FROM tool_calls"), 3);
    assert_int_equal(total(t, "spans", 1), 2);
    assert_int_equal(total(t, "spans", 2), 1);
}

static void ids_as_text_and_as_bytes_are_different_ones(void **state) {
    struct xr_test_store *t = *state;
    static const uint8_t LETTERS[XR_SPAN_ID_SIZE] = {'a', 'b', 'c', 'd', 'e', 'f', 'g', 'h'};
    two_replays(t);
    struct xr_span_new spans[] = {span(t, ONE, 1), span(t, ONE, 1), span(t, ONE, 1), span(t, ONE, 1)};
    spans[0].span_id = bytes_id(LETTERS, sizeof LETTERS);
    spans[1].span_id = text_id("abcdefgh");
    spans[2].span_id = text_id("");
    spans[3].span_id = text_id("abc\xc3\xa9");
    ASSERT_COUNTS(add(t, spans, 4), .stored = 4);
    ASSERT_COUNTS(add(t, spans, 4), .repeated = 4);
}

static void a_replay_that_does_not_exist_is_counted_and_changes_nothing(void **state) {
    struct xr_test_store *t = *state;
    two_replays(t);
    uint64_t version = xr_store_version(t->store);
    struct xr_span_new spans[] = {span(t, 9, 1), span(t, 9, 2), span(t, 8, 1)};
    ASSERT_COUNTS(add(t, spans, 3), .unknown = 3);
    assert_int_equal(xr_store_version(t->store), version);
    struct xr_span_new mixed[] = {span(t, 9, 1), span(t, ONE, 2), span(t, 8, 1), span(t, ONE, 3)};
    ASSERT_COUNTS(add(t, mixed, 4), .stored = 2, .unknown = 2);
    assert_int_equal(total(t, "spans", 1), 2);
}

static void model_usage_keeps_what_is_not_known_as_null(void **state) {
    static const char SQL[] = "SELECT count(*) FROM model_usage WHERE replay_id = 1 AND input_tokens = 5"
                              " AND output_tokens IS NULL AND total_tokens = 5 AND ttft_ms IS NULL AND model = 'm'"
                              " AND provider IS NULL AND started_at = 1001 AND ended_at = 2001 AND span_id IS NOT NULL";
    struct xr_test_store *t = *state;
    two_replays(t);
    const struct xr_extract usage = {.kind = XR_EXTRACT_MODEL_USAGE,
                                     .model = XR_STR("m"),
                                     .input_tokens = 5,
                                     .output_tokens = -1,
                                     .total_tokens = 5,
                                     .ttft_ms = -1};
    struct xr_span_new s = span(t, ONE, 1);
    s.extract = &usage;
    ASSERT_COUNTS(add(t, &s, 1), .stored = 1);
    assert_int_equal(query(t->path, SQL), 1);
}

static void times_that_a_call_does_not_have_are_null(void **state) {
    static const char SQL[] = "SELECT (SELECT count(*) FROM tool_calls WHERE started_at IS NULL AND ended_at = 2001) +"
                              " (SELECT count(*) FROM model_usage WHERE started_at = 1002 AND ended_at IS NULL)";
    struct xr_test_store *t = *state;
    two_replays(t);
    const struct xr_extract tool = {.kind = XR_EXTRACT_TOOL_CALL, .tool_name = XR_STR("book")};
    const struct xr_extract usage = {.kind = XR_EXTRACT_MODEL_USAGE};
    struct xr_span_new spans[] = {span(t, ONE, 1), span(t, ONE, 2)};
    spans[0].extract = &tool;
    spans[0].started_ns = 0;
    spans[1].extract = &usage;
    spans[1].ended_ns = 0;
    ASSERT_COUNTS(add(t, spans, 2), .stored = 2);
    assert_int_equal(query(t->path, SQL), 2);
}

/* One over the cap is rejected, a repeat is not, and the next replay is not full. */
static void a_replay_holds_so_many_spans(void **state) {
    enum { MAX = XR_REPLAY_SPANS_MAX };
    struct xr_test_store *t = *state;
    two_replays(t);
    struct xr_span_new *spans = calloc(MAX + 3, sizeof *spans);
    assert_non_null(spans);
    for (uint32_t i = 0; i < MAX + 1; i++)
        spans[i] = span(t, ONE, i);
    spans[MAX + 1] = span(t, ONE, 3);
    spans[MAX + 2] = span(t, TWO, MAX);
    ASSERT_COUNTS(add(t, spans, MAX + 3), .stored = MAX + 1, .repeated = 1, .over = 1);
    ASSERT_COUNTS(add(t, spans, MAX + 3), .repeated = MAX + 2, .over = 1);
    assert_int_equal(query(t->path, "SELECT count(*) FROM spans WHERE replay_id = 1"), MAX);
    free(spans);
}

static void a_replay_holds_so_much_text(void **state) {
    enum { PIECE = XR_MIB(1), PIECES = XR_REPLAY_SPAN_MIB_MAX };
    struct xr_test_store *t = *state;
    two_replays(t);
    char *text = malloc(PIECE);
    assert_non_null(text);
    memset(text, '1', PIECE);
    struct xr_span_new spans[PIECES + 1];
    for (uint32_t i = 0; i <= PIECES; i++) {
        spans[i] = span(t, ONE, i);
        spans[i].attributes_json = (struct xr_str){.ptr = text, .len = PIECE};
    }
    /* With the ids and names the last of the pieces does not fit; what is small still does. */
    spans[PIECES].attributes_json = XR_STR("{}");
    ASSERT_COUNTS(add(t, spans, PIECES + 1), .stored = PIECES, .over = 1);
    assert_in_range(total(t, "bytes", 1), XR_REPLAY_SPAN_BYTES_MAX - PIECE, XR_REPLAY_SPAN_BYTES_MAX);
    free(text);
}

/* A control character takes six bytes of a detail, and the span's id comes there once more with its tool call. */
static void text_counts_as_the_detail_writes_it(void **state) {
    struct xr_test_store *t = *state;
    two_replays(t);
    const struct xr_extract tool = {
        .kind = XR_EXTRACT_TOOL_CALL, .tool_name = XR_STR("\2\2"), .args_json = XR_STR("1")};
    struct xr_span_new s = span(t, ONE, 1);
    s.extract = &tool;
    s.span_id = text_id("\1");
    s.name = XR_STR("\x1f\"\n");
    ASSERT_COUNTS(add(t, &s, 1), .stored = 1);
    assert_int_equal(total(t, "bytes", 1), XR_TRACE_ID_SIZE + 2 * 6 + (6 + 2 + 2) + 2 + 2 * 6 + 1);
}

/* While its agent sends spans, a replay is not stalled; one that has ended keeps its row as it is. */
static void spans_touch_an_open_replay(void **state) {
    struct xr_test_store *t = *state;
    two_replays(t);
    xr_test_change(t, 2, XR_BY_CLIENT, XR_FAILED_STATE);
    int64_t ended = query(t->path, "SELECT touched_at FROM replays WHERE id = 2");
    t->now_ns += XR_NS_PER_S;
    struct xr_span_new spans[] = {span(t, ONE, 1), span(t, TWO, 1)};
    ASSERT_COUNTS(add(t, spans, 2), .stored = 2);
    assert_int_equal(query(t->path, "SELECT touched_at FROM replays WHERE id = 1"), t->now_ns);
    assert_int_equal(query(t->path, "SELECT touched_at FROM replays WHERE id = 2"), ended);
    t->now_ns += XR_NS_PER_S;
    ASSERT_COUNTS(add(t, spans, 2), .repeated = 2);
    assert_int_equal(query(t->path, "SELECT touched_at FROM replays WHERE id = 1"), t->now_ns - XR_NS_PER_S);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(every_column_is_as_it_came),
        TEST(a_span_is_stored_once_a_replay),
        TEST(ids_as_text_and_as_bytes_are_different_ones),
        TEST(a_replay_that_does_not_exist_is_counted_and_changes_nothing),
        TEST(model_usage_keeps_what_is_not_known_as_null),
        TEST(times_that_a_call_does_not_have_are_null),
        TEST(a_replay_holds_so_many_spans),
        TEST(a_replay_holds_so_much_text),
        TEST(text_counts_as_the_detail_writes_it),
        TEST(spans_touch_an_open_replay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
