// SPDX-License-Identifier: Apache-2.0
#include "otlp/batch.h"
#include "base/limits.h"
#include <string.h>

enum { ROWS_FIRST = 512 };

struct reading {
    struct xr_arena *arena;
    struct xr_span_batch batch;
    size_t cap;
    /* The resource that was looked at last: its spans come one after the other. */
    const struct xr_attrs *resource;
    struct xr_uuid resource_replay;
    bool resource_names;
};

static enum xr_code no_memory(struct xr_err *err) {
    return xr_fail(err, XR_NO_MEMORY, NULL, "the spans need too much memory");
}

/* The id that attributes give, if any; false in *ret_names where there is a name that no replay can have. */
static bool replay_of(const struct xr_attrs *attrs, struct xr_uuid *ret_replay, bool *ret_names) {
    const struct xr_attr *attr = xr_attr_find(attrs, XR_STR("xray.replay.id"));
    if (!attr || attr->kind != XR_ATTR_STRING || attr->text.len == 0)
        return false;
    *ret_names = xr_uuid_parse(attr->text, ret_replay);
    return true;
}

static bool find_replay(struct reading *r, const struct xr_span *span, struct xr_uuid *ret_replay) {
    bool names = false;
    if (replay_of(&span->attrs, ret_replay, &names))
        return names;
    if (r->resource != span->resource) {
        r->resource = span->resource;
        r->resource_names = false;
        (void)replay_of(span->resource, &r->resource_replay, &r->resource_names);
    }
    *ret_replay = r->resource_replay;
    return r->resource_names;
}

static struct xr_span_new *add_row(struct reading *r) {
    if (r->batch.count == r->cap) {
        size_t cap = r->cap ? 2 * r->cap : ROWS_FIRST;
        struct xr_span_new *rows = xr_arena_array(r->arena, cap, sizeof *rows);
        if (!rows)
            return NULL;
        if (r->batch.count)
            memcpy(rows, r->batch.rows, r->batch.count * sizeof *rows);
        r->batch.rows = rows;
        r->cap = cap;
    }
    return &r->batch.rows[r->batch.count++];
}

static enum xr_code extract(struct reading *r, const struct xr_vocabulary *vocabulary, const struct xr_span *span,
                            struct xr_span_new *row, struct xr_err *err) {
    struct xr_extract found = {.kind = XR_EXTRACT_NONE};
    enum xr_code code = vocabulary->extract ? vocabulary->extract(span, r->arena, &found, err) : XR_OK;
    if (code != XR_OK || found.kind == XR_EXTRACT_NONE)
        return code;
    struct xr_extract *kept = xr_arena_alloc(r->arena, sizeof *kept);
    if (!kept)
        return no_memory(err);
    *kept = found;
    row->extract = kept;
    return XR_OK;
}

static enum xr_code take(void *ctx, const struct xr_span *span, struct xr_err *err) {
    struct reading *r = ctx;
    struct xr_uuid replay;
    if (!find_replay(r, span, &replay)) {
        r->batch.unnamed++;
        return XR_OK;
    }
    const struct xr_vocabulary *vocabulary = xr_vocabulary_of(span);
    if (!vocabulary) {
        r->batch.unrecognised++;
        return XR_OK;
    }
    struct xr_span_new *row = add_row(r);
    if (!row)
        return no_memory(err);
    *row = (struct xr_span_new){
        .replay = replay,
        .trace_id = span->trace_id,
        .span_id = span->span_id,
        .parent_span_id = span->parent_span_id,
        .vocabulary = vocabulary->number,
        .started_ns = span->started_ns,
        .ended_ns = span->ended_ns,
        .name = span->name,
    };
    enum xr_code code = xr_vocabulary_keep(vocabulary, span, r->arena, &row->attributes_json, err);
    return code == XR_OK ? extract(r, vocabulary, span, row, err) : code;
}

enum xr_code xr_span_batch_read(enum xr_otlp_encoding encoding, char *body, size_t len, struct xr_arena *arena,
                                struct xr_span_batch *ret_batch, struct xr_otlp_refusal *ret_refusal,
                                struct xr_err *err) {
    struct reading r = {.arena = arena};
    const struct xr_span_sink sink = {.take = take, .ctx = &r};
    enum xr_code code = encoding == XR_OTLP_JSON ? xr_otlp_decode_json(body, len, arena, &sink, ret_refusal, err)
                                                 : xr_otlp_decode_protobuf((struct xr_str){.ptr = body, .len = len},
                                                                           arena, &sink, ret_refusal, err);
    if (code == XR_OK)
        *ret_batch = r.batch;
    return code;
}
