// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "base/limits.h"
#include "store/internal.h"
#include "store/lifecycle.h"
#include "store/replays.h"
#include "store/spans.h"

/* The replay that the spans at hand belong to: they come in runs. */
struct target {
    bool looked_up;
    struct xr_uuid uuid;
    int64_t id; /* -1: no such replay */
    bool open; /* pending or running */
    int64_t spans, bytes; /* its totals so far */
    bool changed;
};

static enum xr_code look_up(struct xr_store_tx *tx, const struct xr_uuid *uuid, struct target *ret_target,
                            struct xr_err *err) {
    static const char SQL[] = "SELECT r.id, r.lifecycle_state, coalesce(t.spans, 0), coalesce(t.bytes, 0)"
                              " FROM replays r LEFT JOIN span_totals t ON t.replay_id = r.id WHERE r.uuid = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct target target = {.looked_up = true, .uuid = *uuid, .id = -1};
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_blob(stmt, 1, uuid->bytes, sizeof uuid->bytes);
    bool row = false;
    code = xr_stmt_step(stmt, &row, err);
    if (code == XR_OK && row) {
        target.id = xr_stmt_int(stmt, 0);
        enum xr_lifecycle state = (enum xr_lifecycle)xr_stmt_enum(stmt, 1, XR_LIFECYCLE_COUNT);
        target.open = state == XR_PENDING || state == XR_RUNNING;
        target.spans = xr_stmt_int(stmt, 2);
        target.bytes = xr_stmt_int(stmt, 3);
        code = xr_stmt_check(stmt, err);
    }
    if (code == XR_OK)
        *ret_target = target;
    return code;
}

static enum xr_code write_totals(struct xr_store_tx *tx, const struct target *target, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO span_totals (replay_id, spans, bytes) VALUES (?1, ?2, ?3)"
                              " ON CONFLICT (replay_id) DO UPDATE SET spans = excluded.spans, bytes = excluded.bytes";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, target->id);
    xr_stmt_bind_int(stmt, 2, target->spans);
    xr_stmt_bind_int(stmt, 3, target->bytes);
    return xr_stmt_run(stmt, err);
}

/* Leaves the target: what was added to it is noted. */
static enum xr_code settle(struct xr_store_tx *tx, struct target *target, struct xr_err *err) {
    if (!target->changed)
        return XR_OK;
    target->changed = false;
    enum xr_code code = write_totals(tx, target, err);
    return code == XR_OK && target->open ? xr_store_tx_replay_touch(tx, target->id, err) : code;
}

static void bind_id(struct xr_stmt *stmt, int param, const struct xr_id *id) {
    if (id->is_text)
        xr_stmt_bind_text(stmt, param, id->value);
    else if (id->value.ptr)
        xr_stmt_bind_blob(stmt, param, id->value.ptr, id->value.len);
}

static enum xr_code insert_span(struct xr_store_tx *tx, int64_t replay_id, const struct xr_span_new *span,
                                bool *ret_stored, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO spans (replay_id, span_id, trace_id, parent_span_id, vocabulary, started_at,"
                              " ended_at, name, attributes_json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)"
                              " ON CONFLICT (replay_id, span_id) DO NOTHING";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    struct xr_sql *sql = xr_store_tx_sql(tx);
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    bind_id(stmt, 2, &span->span_id);
    bind_id(stmt, 3, &span->trace_id);
    bind_id(stmt, 4, &span->parent_span_id);
    xr_stmt_bind_int(stmt, 5, span->vocabulary);
    xr_stmt_bind_int(stmt, 6, span->started_ns);
    xr_stmt_bind_int(stmt, 7, span->ended_ns);
    xr_stmt_bind_text(stmt, 8, span->name);
    xr_stmt_bind_text(stmt, 9, span->attributes_json);
    code = xr_stmt_run(stmt, err);
    if (code == XR_OK)
        *ret_stored = xr_sql_changes(sql) > 0;
    return code;
}

/* Of a tool call or a model call; a span's own columns are never NULL. OTLP's zero is "not set". */
static void bind_times(struct xr_stmt *stmt, const struct xr_span_new *span) {
    xr_stmt_bind_opt_int(stmt, 3, span->started_ns, 0);
    xr_stmt_bind_opt_int(stmt, 4, span->ended_ns, 0);
}

static enum xr_code insert_tool_call(struct xr_store_tx *tx, int64_t replay_id, const struct xr_span_new *span,
                                     struct xr_err *err) {
    static const char SQL[] = "INSERT INTO tool_calls (replay_id, span_id, started_at, ended_at, name, args_json,"
                              " result_json) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    bind_id(stmt, 2, &span->span_id);
    bind_times(stmt, span);
    xr_stmt_bind_text(stmt, 5, span->extract->tool_name);
    xr_stmt_bind_str(stmt, 6, span->extract->args_json);
    xr_stmt_bind_str(stmt, 7, span->extract->result_json);
    return xr_stmt_run(stmt, err);
}

static enum xr_code insert_model_usage(struct xr_store_tx *tx, int64_t replay_id, const struct xr_span_new *span,
                                       struct xr_err *err) {
    static const char SQL[] = "INSERT INTO model_usage (replay_id, span_id, started_at, ended_at, input_tokens,"
                              " output_tokens, total_tokens, ttft_ms, provider, model)"
                              " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    const struct xr_extract *usage = span->extract;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    bind_id(stmt, 2, &span->span_id);
    bind_times(stmt, span);
    xr_stmt_bind_opt_int(stmt, 5, usage->input_tokens, -1);
    xr_stmt_bind_opt_int(stmt, 6, usage->output_tokens, -1);
    xr_stmt_bind_opt_int(stmt, 7, usage->total_tokens, -1);
    xr_stmt_bind_opt_int(stmt, 8, usage->ttft_ms, -1);
    xr_stmt_bind_str(stmt, 9, usage->provider);
    xr_stmt_bind_str(stmt, 10, usage->model);
    return xr_stmt_run(stmt, err);
}

static enum xr_code insert_extract(struct xr_store_tx *tx, int64_t replay_id, const struct xr_span_new *span,
                                   struct xr_err *err) {
    if (!span->extract)
        return XR_OK;
    switch (span->extract->kind) {
    case XR_EXTRACT_TOOL_CALL:
        return insert_tool_call(tx, replay_id, span, err);
    case XR_EXTRACT_MODEL_USAGE:
        return insert_model_usage(tx, replay_id, span, err);
    case XR_EXTRACT_NONE:
        break;
    }
    return XR_OK;
}

static size_t id_size(const struct xr_id *id) {
    return id->is_text ? xr_json_str_size(id->value) : id->value.len;
}

/* Everything of a span whose length its sender chooses, as the detail has it: what is JSON already (and so has no
 * control characters) gets at most twice as long there, and bytes as hex just that. */
static int64_t text_of(const struct xr_span_new *span) {
    size_t n = xr_json_str_size(span->name) + span->attributes_json.len + id_size(&span->trace_id) +
               id_size(&span->span_id) + id_size(&span->parent_span_id);
    const struct xr_extract *extract = span->extract;
    if (extract)
        n += id_size(&span->span_id) + xr_json_str_size(extract->tool_name) + extract->args_json.len +
             extract->result_json.len + xr_json_str_size(extract->provider) + xr_json_str_size(extract->model);
    return (int64_t)n;
}

static enum xr_code is_stored(struct xr_store_tx *tx, int64_t replay_id, const struct xr_id *span_id, bool *ret_stored,
                              struct xr_err *err) {
    static const char SQL[] = "SELECT 1 FROM spans WHERE replay_id = ?1 AND span_id = ?2";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(xr_store_tx_sql(tx), SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    bind_id(stmt, 2, span_id);
    return xr_stmt_step(stmt, ret_stored, err);
}

static enum xr_code add_to_full(struct xr_store_tx *tx, const struct target *target, const struct xr_span_new *span,
                                struct xr_span_counts *counts, struct xr_err *err) {
    bool repeat = false;
    enum xr_code code = is_stored(tx, target->id, &span->span_id, &repeat, err);
    if (code == XR_OK)
        (*(repeat ? &counts->repeated : &counts->over))++;
    return code;
}

static enum xr_code add_one(struct xr_store_tx *tx, struct target *target, const struct xr_span_new *span,
                            struct xr_span_counts *counts, struct xr_err *err) {
    if (target->id < 0) {
        counts->unknown++;
        return XR_OK;
    }
    int64_t bytes = text_of(span);
    if (target->spans >= XR_REPLAY_SPANS_MAX || bytes > (int64_t)XR_REPLAY_SPAN_BYTES_MAX - target->bytes)
        return add_to_full(tx, target, span, counts, err);
    bool stored = false;
    enum xr_code code = insert_span(tx, target->id, span, &stored, err);
    if (code != XR_OK)
        return code;
    if (!stored) {
        counts->repeated++;
        return XR_OK;
    }
    counts->stored++;
    target->spans++;
    target->bytes += bytes;
    target->changed = true;
    return insert_extract(tx, target->id, span, err);
}

enum xr_code xr_store_tx_spans_add(struct xr_store_tx *tx, const struct xr_span_new *spans, size_t count,
                                   struct xr_span_counts *ret_counts, struct xr_err *err) {
    struct xr_span_counts counts = {0};
    struct target target = {0};
    enum xr_code code = XR_OK;
    for (size_t i = 0; code == XR_OK && i < count; i++) {
        const struct xr_span_new *span = &spans[i];
        if (!target.looked_up || memcmp(&target.uuid, &span->replay, sizeof target.uuid) != 0) {
            code = settle(tx, &target, err);
            if (code == XR_OK)
                code = look_up(tx, &span->replay, &target, err);
        }
        if (code == XR_OK)
            code = add_one(tx, &target, span, &counts, err);
    }
    if (code == XR_OK)
        code = settle(tx, &target, err);
    if (code == XR_OK)
        *ret_counts = counts;
    return code;
}
