// SPDX-License-Identifier: Apache-2.0
/* Spans, tool calls, model usage: what a replay's detail and its evaluation read. */
#include "otlp/vocabulary.h"
#include "store/internal.h"
#include "store/results.h"
#include "store/results_put.h"
#include <stdlib.h>

/* Row ids that lie no further apart are read in one run: skipping a row of another replay is eight times cheaper than
 * looking a row up. */
#define RUN_GAP_MAX 8

enum { ID_BYTES_MAX = 16 };

/* An id as text: a blob is hex, text is as it came. `hex` has room for a blob's digits. */
static struct xr_str id_view(struct xr_stmt *stmt, int column, char hex[2 * ID_BYTES_MAX + 1]) {
    struct xr_str view = xr_stmt_view(stmt, column);
    if (!view.ptr || !xr_stmt_is_blob(stmt, column))
        return view;
    if (view.len > ID_BYTES_MAX)
        view.len = ID_BYTES_MAX;
    xr_hex_encode(view.ptr, view.len, hex);
    return (struct xr_str){.ptr = hex, .len = 2 * view.len};
}

/* The index gives this order, so nothing is sorted; without a start comes first. */
static const char TOOL_CALLS[] = "SELECT id, span_id, name, args_json, result_json, started_at, ended_at"
                                 " FROM tool_calls WHERE replay_id = ?1 ORDER BY started_at, id";

static struct xr_tool_call_row tool_call_view(struct xr_stmt *stmt, char hex[2 * ID_BYTES_MAX + 1]) {
    return (struct xr_tool_call_row){
        .id = xr_stmt_int(stmt, 0),
        .span_id = id_view(stmt, 1, hex),
        .call = {.name = xr_stmt_view(stmt, 2),
                 .args_json = xr_stmt_view(stmt, 3),
                 .started_ns = xr_stmt_opt_int(stmt, 5, XR_TIME_NONE)},
        .result_json = xr_stmt_view(stmt, 4),
        .ended_ns = xr_stmt_opt_int(stmt, 6, XR_TIME_NONE),
    };
}

enum xr_code xr_store_tool_calls_each(struct xr_store_reader *reader, int64_t replay_id,
                                      bool (*each)(const struct xr_tool_call_row *row, void *ctx), void *ctx,
                                      struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_results_query(reader, TOOL_CALLS, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        char hex[2 * ID_BYTES_MAX + 1];
        struct xr_tool_call_row view = tool_call_view(stmt, hex);
        if (!each(&view, ctx))
            break;
    }
    return code;
}

static const char MODEL_USAGE[] = "SELECT id, span_id, provider, model, input_tokens, output_tokens, total_tokens,"
                                  " ttft_ms, started_at, ended_at FROM model_usage WHERE replay_id = ?1"
                                  " ORDER BY started_at, id";

static struct xr_model_usage_row model_usage_view(struct xr_stmt *stmt, char hex[2 * ID_BYTES_MAX + 1]) {
    return (struct xr_model_usage_row){
        .id = xr_stmt_int(stmt, 0),
        .span_id = id_view(stmt, 1, hex),
        .provider = xr_stmt_view(stmt, 2),
        .model = xr_stmt_view(stmt, 3),
        .input_tokens = xr_stmt_opt_int(stmt, 4, -1),
        .output_tokens = xr_stmt_opt_int(stmt, 5, -1),
        .total_tokens = xr_stmt_opt_int(stmt, 6, -1),
        .usage = {.ttft_ms = xr_stmt_opt_int(stmt, 7, -1), .started_ns = xr_stmt_opt_int(stmt, 8, XR_TIME_NONE)},
        .ended_ns = xr_stmt_opt_int(stmt, 9, XR_TIME_NONE),
    };
}

enum xr_code xr_store_model_usage_each(struct xr_store_reader *reader, int64_t replay_id,
                                       bool (*each)(const struct xr_model_usage_row *row, void *ctx), void *ctx,
                                       struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_results_query(reader, MODEL_USAGE, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        char hex[2 * ID_BYTES_MAX + 1];
        struct xr_model_usage_row view = model_usage_view(stmt, hex);
        if (!each(&view, ctx))
            break;
    }
    return code;
}

enum xr_code xr_store_tool_evidence_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                        struct xr_tool_call **ret_calls, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] =
        "SELECT started_at, name, args_json FROM tool_calls WHERE replay_id = ?1 ORDER BY started_at, id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_calls};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_tool_call *call = xr_rows_add(&rows, stmt);
        if (call)
            *call = (struct xr_tool_call){.started_ns = xr_stmt_opt_int(stmt, 0, XR_TIME_NONE),
                                          .name = xr_stmt_str(stmt, 1, arena),
                                          .args_json = xr_stmt_str(stmt, 2, arena)};
    }
    if (code != XR_OK)
        return code;
    *ret_calls = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_model_evidence_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                         struct xr_model_usage **ret_usage, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] =
        "SELECT started_at, ttft_ms FROM model_usage WHERE replay_id = ?1 ORDER BY started_at, id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_usage};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_model_usage *usage = xr_rows_add(&rows, stmt);
        if (usage)
            *usage = (struct xr_model_usage){.started_ns = xr_stmt_opt_int(stmt, 0, XR_TIME_NONE),
                                             .ttft_ms = xr_stmt_opt_int(stmt, 1, -1)};
    }
    if (code != XR_OK)
        return code;
    *ret_usage = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

/* false: each() has seen enough. */
static bool hand_span(struct xr_stmt *stmt, bool (*each)(const struct xr_span_row *row, void *ctx), void *ctx) {
    char trace_hex[2 * ID_BYTES_MAX + 1], span_hex[2 * ID_BYTES_MAX + 1], parent_hex[2 * ID_BYTES_MAX + 1];
    struct xr_span_row row = {
        .id = xr_stmt_int(stmt, 0),
        .trace_id = id_view(stmt, 1, trace_hex),
        .span_id = id_view(stmt, 2, span_hex),
        .parent_span_id = id_view(stmt, 3, parent_hex),
        .name = xr_stmt_view(stmt, 4),
        .vocabulary = xr_vocabulary_numbered(xr_stmt_enum(stmt, 5, XR_VOCABULARY_COUNT))->name,
        .started_ns = xr_stmt_int(stmt, 6),
        .ended_ns = xr_stmt_int(stmt, 7),
        .attributes_json = xr_stmt_view(stmt, 8),
    };
    return xr_stmt_check(stmt, NULL) != XR_OK || each(&row, ctx);
}

static int compare_ids(const void *left, const void *right) {
    const int64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

/* From the index alone, which has them in the order of span ids, that is in none. */
static enum xr_code span_rows(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                              int64_t **ret_ids, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT id FROM spans WHERE replay_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_ids};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        int64_t *id = xr_rows_add(&rows, stmt);
        if (id)
            *id = xr_stmt_int(stmt, 0);
    }
    if (code != XR_OK)
        return code;
    if (rows.count > 0)
        qsort(rows.data, rows.count, sizeof **ret_ids, compare_ids);
    *ret_ids = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

struct span_walk {
    struct xr_store_reader *reader;
    int64_t replay_id;
    bool (*each)(const struct xr_span_row *row, void *ctx);
    void *ctx;
    bool stopped;
};

static enum xr_code walk_run(struct span_walk *walk, int64_t first, int64_t last, struct xr_err *err) {
    static const char SQL[] = "SELECT id, trace_id, span_id, parent_span_id, name, vocabulary, started_at, ended_at,"
                              " attributes_json FROM spans WHERE id BETWEEN ?2 AND ?3 AND +replay_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_results_query(walk->reader, SQL, walk->replay_id, &stmt, err);
    bool row = true;
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 2, first);
    xr_stmt_bind_int(stmt, 3, last);
    while (!walk->stopped && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row)
        walk->stopped = !hand_span(stmt, walk->each, walk->ctx);
    return code;
}

/* Row by row in the order of the file. Rows in the order of starts, or of the index, are spread over its pages: the
 * small cache of a reader reads these again and again, and to sort rows SQLite copies them whole. */
enum xr_code xr_store_spans_each(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                 bool (*each)(const struct xr_span_row *row, void *ctx), void *ctx,
                                 struct xr_err *err) {
    struct span_walk walk = {.reader = reader, .replay_id = replay_id, .each = each, .ctx = ctx};
    int64_t *ids = NULL;
    size_t count = 0;
    enum xr_code code = span_rows(reader, replay_id, arena, &ids, &count, err);
    for (size_t first = 0, last; code == XR_OK && !walk.stopped && first < count; first = last + 1) {
        for (last = first; last + 1 < count && ids[last + 1] - ids[last] <= RUN_GAP_MAX;)
            last++;
        code = walk_run(&walk, ids[first], ids[last], err);
    }
    return code;
}

enum xr_code xr_store_span_totals_get(struct xr_store_reader *reader, int64_t replay_id,
                                      struct xr_span_totals *ret_totals, struct xr_err *err) {
    static const char SQL[] = "SELECT spans, bytes FROM span_totals WHERE replay_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = false;
    if (code == XR_OK)
        code = xr_stmt_step(stmt, &row, err);
    if (code != XR_OK)
        return code;
    *ret_totals = row ? (struct xr_span_totals){.spans = xr_stmt_int(stmt, 0), .bytes = xr_stmt_int(stmt, 1)}
                      : (struct xr_span_totals){0};
    return XR_OK;
}
