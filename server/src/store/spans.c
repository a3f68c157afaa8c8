// SPDX-License-Identifier: Apache-2.0
/* Spans, tool calls, model usage: what a replay's detail and its evaluation read. */
#include "store/internal.h"
#include "store/results.h"
#include "store/results_put.h"

/* Stored numbers: append only. */
static const char *const VOCABULARIES[] = {"xray", "gen_ai", "langfuse", "livekit"};
enum { VOCABULARY_COUNT = sizeof VOCABULARIES / sizeof VOCABULARIES[0], ID_BYTES_MAX = 16 };

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

static struct xr_str id_str(struct xr_stmt *stmt, int column, struct xr_arena *arena) {
    char hex[2 * ID_BYTES_MAX + 1];
    if (!xr_stmt_is_blob(stmt, column))
        return xr_stmt_str(stmt, column, arena);
    struct xr_str copy = xr_arena_str(arena, id_view(stmt, column, hex));
    if (!copy.ptr)
        xr_stmt_out_of_memory(stmt);
    return copy;
}

enum xr_code xr_store_tool_calls_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                     struct xr_tool_call_row **ret_rows, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT id, span_id, name, args_json, result_json, started_at, ended_at FROM tool_calls"
                              " WHERE replay_id = ?1 ORDER BY started_at, id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_rows};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_tool_call_row *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_tool_call_row){
                .id = xr_stmt_int(stmt, 0),
                .span_id = id_str(stmt, 1, arena),
                .call = {.name = xr_stmt_str(stmt, 2, arena),
                         .args_json = xr_stmt_str(stmt, 3, arena),
                         .started_ns = xr_stmt_opt_int(stmt, 5, XR_TIME_NONE)},
                .result_json = xr_stmt_str(stmt, 4, arena),
                .ended_ns = xr_stmt_opt_int(stmt, 6, XR_TIME_NONE),
            };
    }
    if (code != XR_OK)
        return code;
    *ret_rows = rows.data;
    *ret_count = rows.count;
    return XR_OK;
}

enum xr_code xr_store_model_usage_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                      struct xr_model_usage_row **ret_rows, size_t *ret_count, struct xr_err *err) {
    static const char SQL[] = "SELECT id, span_id, provider, model, input_tokens, output_tokens, total_tokens,"
                              " ttft_ms, started_at, ended_at FROM model_usage WHERE replay_id = ?1"
                              " ORDER BY started_at, id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_rows rows = {.arena = arena, .size = sizeof **ret_rows};
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row) {
        struct xr_model_usage_row *out = xr_rows_add(&rows, stmt);
        if (out)
            *out = (struct xr_model_usage_row){
                .id = xr_stmt_int(stmt, 0),
                .span_id = id_str(stmt, 1, arena),
                .provider = xr_stmt_str(stmt, 2, arena),
                .model = xr_stmt_str(stmt, 3, arena),
                .input_tokens = xr_stmt_opt_int(stmt, 4, -1),
                .output_tokens = xr_stmt_opt_int(stmt, 5, -1),
                .total_tokens = xr_stmt_opt_int(stmt, 6, -1),
                .usage = {.ttft_ms = xr_stmt_opt_int(stmt, 7, -1),
                          .started_ns = xr_stmt_opt_int(stmt, 8, XR_TIME_NONE)},
                .ended_ns = xr_stmt_opt_int(stmt, 9, XR_TIME_NONE),
            };
    }
    if (code != XR_OK)
        return code;
    *ret_rows = rows.data;
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
        .vocabulary = VOCABULARIES[xr_stmt_enum(stmt, 5, VOCABULARY_COUNT)],
        .started_ns = xr_stmt_int(stmt, 6),
        .ended_ns = xr_stmt_int(stmt, 7),
        .attributes_json = xr_stmt_view(stmt, 8),
    };
    return xr_stmt_check(stmt, NULL) != XR_OK || each(&row, ctx);
}

enum xr_code xr_store_spans_each(struct xr_store_reader *reader, int64_t replay_id,
                                 bool (*each)(const struct xr_span_row *row, void *ctx), void *ctx,
                                 struct xr_err *err) {
    static const char SQL[] = "SELECT id, trace_id, span_id, parent_span_id, name, vocabulary, started_at, ended_at,"
                              " attributes_json FROM spans WHERE replay_id = ?1 ORDER BY started_at, id";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_results_query(reader, SQL, replay_id, &stmt, err);
    bool row = true;
    while (code == XR_OK && (code = xr_stmt_step(stmt, &row, err)) == XR_OK && row)
        if (!hand_span(stmt, each, ctx))
            break;
    return code;
}
