// SPDX-License-Identifier: Apache-2.0
/* Every write to a file and every fsync fails in turn while spans are stored: all of a batch or nothing of it, totals
 * that agree with the rows, and a batch that is sent again is not doubled. */
#include "base/limits.h"
#include "base/test.h"
#include "store/fault_vfs.h"
#include "store/spans.h"
#include "store/writer_testkit.h"

enum { SPANS = 40, BEFORE = 3, ONE = 1, FAULTS_MAX = 300 };

struct batch {
    struct xr_span_new spans[SPANS];
    uint8_t ids[SPANS][XR_SPAN_ID_SIZE];
    size_t count;
    struct xr_span_counts counts;
};

/* Ids from `first` on; every other span has a tool call, the others a model call. */
static struct batch make_batch(uint8_t first, size_t count) {
    static const uint8_t TRACE[XR_TRACE_ID_SIZE];
    static char text[2000]; /* long enough for the batch to need several pages */
    static const struct xr_extract EXTRACTS[] = {
        {.kind = XR_EXTRACT_TOOL_CALL, .tool_name = {.ptr = "t", .len = 1}},
        {.kind = XR_EXTRACT_MODEL_USAGE, .input_tokens = 1, .output_tokens = -1, .total_tokens = 1, .ttft_ms = -1},
    };
    struct batch batch = {.count = count};
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < count; i++) {
        batch.ids[i][0] = (uint8_t)(first + i);
        batch.spans[i] = (struct xr_span_new){.replay = xr_test_uuid(ONE),
                                              .trace_id.value = {.ptr = (const char *)TRACE, .len = sizeof TRACE},
                                              .name = XR_STR("chat"),
                                              .attributes_json = {.ptr = text, .len = sizeof text},
                                              .extract = &EXTRACTS[i % 2]};
    }
    return batch;
}

static enum xr_code apply(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct batch *batch = ctx;
    for (size_t i = 0; i < batch->count; i++)
        batch->spans[i].span_id.value =
            (struct xr_str){.ptr = (const char *)batch->ids[i], .len = sizeof batch->ids[i]};
    return xr_store_tx_spans_add(tx, batch->spans, batch->count, &batch->counts, err);
}

static void assert_rows(struct xr_test_store *t, int64_t count) {
    assert_int_equal(query(t->path, "SELECT count(*) FROM spans"), count);
    assert_int_equal(query(t->path, "SELECT (SELECT count(*) FROM tool_calls) + count(*) FROM model_usage"), count);
    assert_int_equal(query(t->path, "SELECT spans FROM span_totals"), count);
    assert_int_equal(query(t->path,
                           "SELECT (SELECT bytes FROM span_totals) >= sum(length(attributes_json) + length(name))"
                           " FROM spans"),
                     1);
}

static struct xr_test_store *open_with_replay(void) {
    struct xr_test_store *t = xr_test_store_make();
    t->options.vfs = fault_vfs_name();
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    xr_test_conversation(t, 1, "c");
    xr_test_replay(t, 1, ONE);
    struct batch batch = make_batch(0, BEFORE);
    assert_int_equal(xr_test_write(t, apply, &batch, NULL), XR_OK);
    return t;
}

/* false: the fault did not strike, so that the ones after it will not either. */
static bool survive(enum fault_kind kind, int countdown, bool lasting) {
    struct xr_test_store *t = open_with_replay();
    struct batch batch = make_batch(BEFORE, SPANS - BEFORE);
    fault_arm(kind, "", countdown, lasting);
    enum xr_code code = xr_test_write(t, apply, &batch, NULL);
    bool struck = fault_disarm();
    assert_true(code == XR_OK || code == (kind == FAULT_FULL ? XR_STORAGE_FULL : XR_IO));
    assert_true(struck || code == XR_OK);
    assert_rows(t, code == XR_OK ? SPANS : BEFORE);
    struct batch again = make_batch(0, SPANS);
    assert_int_equal(xr_test_write(t, apply, &again, NULL), XR_OK);
    assert_int_equal(again.counts.stored, code == XR_OK ? 0 : SPANS - BEFORE);
    assert_int_equal(again.counts.stored + again.counts.repeated, SPANS);
    assert_rows(t, SPANS);
    xr_test_store_close(t);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    assert_rows(t, SPANS);
    xr_test_store_teardown((void **)&t);
    return struck;
}

static void every_fault_leaves_all_of_a_batch_or_nothing(void **state) {
    (void)state;
    for (int kind = 0; kind < FAULT_KINDS; kind++) {
        for (int lasting = 0; lasting <= 1; lasting++) {
            int n = 1;
            while (n < FAULTS_MAX && survive((enum fault_kind)kind, n, lasting))
                n++;
            assert_in_range(n, 2, FAULTS_MAX - 1); /* some struck, and the last did not */
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_fault_leaves_all_of_a_batch_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
