// SPDX-License-Identifier: Apache-2.0
#include "http/detail.h"
#include "base/clock.h"
#include "base/limits.h"
#include "http/encode.h"
#include "http/ordered.h"
#include "jobs/result_json.h"
#include "store/results.h"
#include <stdio.h>

/* Raise it when the same rows are shown in another way: clients keep copies by ETag over an update of the server. */
enum { DETAIL_FORMAT = 1 };

struct detail {
    struct xr_store_reader *reader;
    const struct xr_replay *replay;
    struct xr_arena *arena; /* of the section that is being written */
    struct xr_json *j;
};

/* A section reads its rows and writes them; write_section puts the brackets around them. */
static enum xr_code write_turns(struct detail *d, struct xr_err *err) {
    struct xr_turn *rows = NULL;
    size_t count = 0;
    enum xr_code code = xr_store_turns_get(d->reader, d->replay->id, d->arena, &rows, &count, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        xr_detail_turn_encode(d->j, &rows[i]);
    return code;
}

static enum xr_code write_segments(struct detail *d, struct xr_err *err) {
    struct xr_segment_row *rows = NULL;
    size_t count = 0;
    enum xr_code code = xr_store_segments_get(d->reader, d->replay->id, d->arena, &rows, &count, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        xr_segment_encode(d->j, &rows[i]);
    return code;
}

static enum xr_code write_transcripts(struct detail *d, struct xr_err *err) {
    struct xr_transcript_row *rows = NULL;
    size_t count = 0;
    enum xr_code code = xr_store_transcripts_get(d->reader, d->replay->id, d->arena, &rows, &count, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        xr_transcript_encode(d->j, &rows[i]);
    return code;
}

static enum xr_code write_metrics(struct detail *d, struct xr_err *err) {
    struct xr_turn_metric *rows = NULL;
    size_t count = 0;
    enum xr_code code = xr_store_metrics_get(d->reader, d->replay->id, d->arena, &rows, &count, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        xr_turn_metric_encode(d->j, &rows[i]);
    return code;
}

static bool write_tool_call(const struct xr_tool_call_row *row, void *ctx) {
    struct detail *d = ctx;
    xr_tool_call_encode(d->j, row, d->replay->recording_started_ns);
    return !d->j->buf->failed;
}

static enum xr_code write_tool_calls(struct detail *d, struct xr_err *err) {
    return xr_store_tool_calls_each(d->reader, d->replay->id, write_tool_call, d, err);
}

static bool write_model_call(const struct xr_model_usage_row *row, void *ctx) {
    struct detail *d = ctx;
    xr_model_usage_encode(d->j, row, d->replay->recording_started_ns);
    return !d->j->buf->failed;
}

static enum xr_code write_model_usage(struct detail *d, struct xr_err *err) {
    return xr_store_model_usage_each(d->reader, d->replay->id, write_model_call, d, err);
}

struct spans {
    struct detail *d;
    struct xr_ordered ordered;
};

static bool write_span(const struct xr_span_row *row, void *ctx) {
    struct spans *spans = ctx;
    xr_span_encode(spans->d->j, row, spans->d->replay->recording_started_ns);
    xr_ordered_add(&spans->ordered, row->started_ns);
    return !spans->d->j->buf->failed;
}

/* By start, and those that start at once as they were stored. */
static enum xr_code write_spans(struct detail *d, struct xr_err *err) {
    struct spans spans = {.d = d, .ordered = xr_ordered_make(d->j)};
    struct xr_err unordered = {0};
    enum xr_code code = xr_store_spans_each(d->reader, d->replay->id, d->arena, write_span, &spans, err);
    enum xr_code order = xr_ordered_end(&spans.ordered, &unordered);
    if (code == XR_OK && order != XR_OK)
        return xr_fail(err, order, NULL, "%s", unordered.message);
    return code;
}

static enum xr_code write_usage(struct detail *d, struct xr_err *err) {
    struct xr_usage_row *rows = NULL;
    size_t count = 0;
    enum xr_code code = xr_store_usage_get(d->reader, d->replay->id, d->arena, &rows, &count, err);
    for (size_t i = 0; code == XR_OK && i < count; i++)
        xr_usage_encode(d->j, &rows[i]);
    return code;
}

static const struct section {
    const char *key;
    enum xr_code (*write)(struct detail *d, struct xr_err *err);
} SECTIONS[] = {
    {"turns", write_turns},          {"speech_segments", write_segments}, {"transcripts", write_transcripts},
    {"turn_metrics", write_metrics}, {"tool_calls", write_tool_calls},    {"model_usage", write_model_usage},
    {"spans", write_spans},          {"evaluation_usage", write_usage},
};

static enum xr_code write_section(struct detail *d, const struct section *section, struct xr_err *err) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_DETAIL_ARENA_MAX);
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    d->arena = arena;
    xr_json_key(d->j, xr_str_from(section->key));
    xr_json_array(d->j);
    enum xr_code code = section->write(d, err);
    xr_json_array_end(d->j);
    return code;
}

static enum xr_code write_levels(struct detail *d, struct xr_err *err) {
    struct xr_vad_levels levels[XR_CHANNEL_COUNT];
    enum xr_code code = xr_store_levels_get(d->reader, d->replay->id, levels, err);
    if (code != XR_OK && code != XR_NOT_FOUND)
        return code;
    xr_json_key(d->j, XR_STR("audio_levels"));
    if (code == XR_OK)
        xr_audio_levels_encode(d->j, levels);
    else
        xr_json_null(d->j);
    return XR_OK;
}

enum xr_code xr_detail_write(struct xr_store_reader *reader, const struct xr_replay *replay, struct xr_json *j,
                             struct xr_err *err) {
    struct detail d = {.reader = reader, .replay = replay, .j = j};
    enum xr_code code = XR_OK;
    xr_json_object(j);
    xr_detail_head_encode(j, replay);
    for (size_t i = 0; code == XR_OK && i < sizeof SECTIONS / sizeof *SECTIONS; i++)
        code = write_section(&d, &SECTIONS[i], err);
    if (code == XR_OK)
        code = write_levels(&d, err);
    xr_json_object_end(j);
    return code;
}

enum xr_code xr_detail_find_and_write(struct xr_store_reader *reader, const struct xr_uuid *id, struct xr_json *j,
                                      struct xr_err *err) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_DETAIL_ARENA_MAX);
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    struct xr_replay replay;
    enum xr_code code = xr_store_replay_get(reader, id, arena, &replay, err);
    return code == XR_OK ? xr_detail_write(reader, &replay, j, err) : code;
}

enum xr_code xr_detail_version_get(struct xr_store_reader *reader, const struct xr_replay *replay,
                                   struct xr_detail_version *ret_version, struct xr_err *err) {
    struct xr_span_totals totals;
    enum xr_code code = xr_store_span_totals_get(reader, replay->id, &totals, err);
    if (code != XR_OK)
        return code;
    char id[XR_UUID_TEXT + 1];
    xr_uuid_format(&replay->uuid, id);
    ret_version->number = (uint64_t)replay->seq + (uint64_t)totals.spans;
    snprintf(ret_version->etag, sizeof ret_version->etag, "\"%s.%lld.%lld.%d\"", id, (long long)replay->seq,
             (long long)totals.spans, DETAIL_FORMAT);
    return XR_OK;
}

enum xr_code xr_result_write(struct xr_store_reader *reader, const struct xr_replay *replay, struct xr_json *j,
                             struct xr_err *err) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_DETAIL_ARENA_MAX);
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (replay->state != XR_COMPLETED)
        return xr_fail(err, XR_NOT_FOUND, NULL, "the replay is not completed");
    struct xr_evaluation evaluation;
    struct xr_turn_metric *metrics = NULL;
    size_t count = 0;
    enum xr_code code = xr_store_evaluation_get(reader, replay->id, arena, &evaluation, err);
    if (code == XR_OK)
        code = xr_store_metrics_get(reader, replay->id, arena, &metrics, &count, err);
    if (code == XR_OK)
        xr_result_encode(j, &replay->uuid, replay->conversation_hash, &evaluation, metrics, count);
    return code;
}
