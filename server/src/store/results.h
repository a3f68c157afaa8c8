// SPDX-License-Identifier: Apache-2.0
/* store/results.h - what the chain writes and the detail reads: segments, turns, transcripts, metrics, outcomes, spans,
 * tool calls, model usage. xr_store_tx_*_put: writer's thread; each deletes the replay's rows of its tables and writes
 * the given ones, only while the replay is `analyzing` (else XR_CONFLICT). Reads: the reader's thread, results in the
 * arena, in the order that the API shows them. */
#pragma once
#include "audio/vad.h"
#include "evaluate/evaluate.h"
#include "metrics/metrics.h"
#include "store/store.h"

/* speech_segments, replay_turns, the channel levels (NULL: none) */
XR_MUST_USE enum xr_code xr_store_tx_analysis_put(struct xr_store_tx *tx, int64_t replay_id,
                                                  const struct xr_segment *segments, size_t segment_count,
                                                  const struct xr_turn *turns, size_t turn_count,
                                                  const struct xr_vad_levels levels[XR_CHANNEL_COUNT],
                                                  struct xr_err *err);
struct xr_segment_row {
    int64_t id;
    struct xr_segment segment;
};
XR_MUST_USE enum xr_code xr_store_segments_get(struct xr_store_reader *reader, int64_t replay_id,
                                               struct xr_arena *arena, struct xr_segment_row **ret_rows,
                                               size_t *ret_count, struct xr_err *err);
/* Their uncertainties are unknown: the segments have them. */
XR_MUST_USE enum xr_code xr_store_turns_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                            struct xr_turn **ret_turns, size_t *ret_count, struct xr_err *err);
/* XR_NOT_FOUND before the analysis. */
XR_MUST_USE enum xr_code xr_store_levels_get(struct xr_store_reader *reader, int64_t replay_id,
                                             struct xr_vad_levels ret_levels[XR_CHANNEL_COUNT], struct xr_err *err);

struct xr_transcript_row {
    int64_t turn_idx;
    struct xr_str text;
    struct xr_str language; /* ptr NULL: null */
    struct xr_str words_json; /* [{"text","start_ms","end_ms"}]; ptr NULL: null */
    int64_t duration_ms;
    struct xr_str provider, model;
};
XR_MUST_USE enum xr_code xr_store_tx_transcripts_put(struct xr_store_tx *tx, int64_t replay_id,
                                                     const struct xr_transcript_row *rows, size_t count,
                                                     struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_transcripts_get(struct xr_store_reader *reader, int64_t replay_id,
                                                  struct xr_arena *arena, struct xr_transcript_row **ret_rows,
                                                  size_t *ret_count, struct xr_err *err);

/* replay_metrics; median and p95 (-1: null) go to the replay's row */
XR_MUST_USE enum xr_code xr_store_tx_metrics_put(struct xr_store_tx *tx, int64_t replay_id,
                                                 const struct xr_turn_metric *metrics, size_t count, int64_t median_ms,
                                                 int64_t p95_ms, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_metrics_get(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                              struct xr_turn_metric **ret_metrics, size_t *ret_count,
                                              struct xr_err *err);

struct xr_evaluation {
    bool passed;
    struct xr_assertion_result *assertions;
    size_t assertion_count;
    struct xr_judge_result *judges;
    size_t judge_count;
};
/* assertion_results and judge_results; with `verdict`, replay_evaluations too (without: a replay that fails after its
 * assertions were computed keeps them). */
XR_MUST_USE enum xr_code xr_store_tx_evaluation_put(struct xr_store_tx *tx, int64_t replay_id,
                                                    const struct xr_evaluation *evaluation, bool verdict,
                                                    struct xr_err *err);
/* XR_NOT_FOUND without a verdict. */
XR_MUST_USE enum xr_code xr_store_evaluation_get(struct xr_store_reader *reader, int64_t replay_id,
                                                 struct xr_arena *arena, struct xr_evaluation *ret_evaluation,
                                                 struct xr_err *err);

struct xr_tool_call_row {
    int64_t id;
    struct xr_str span_id; /* lower-case hex, or as it came; ptr NULL: null */
    struct xr_tool_call call; /* started, name, args */
    struct xr_str result_json; /* ptr NULL: null */
    int64_t ended_ns; /* XR_TIME_NONE: null */
};
struct xr_model_usage_row {
    int64_t id;
    struct xr_str span_id;
    struct xr_str provider, model; /* ptr NULL: null */
    int64_t input_tokens, output_tokens, total_tokens; /* -1: null */
    struct xr_model_usage usage; /* started, ttft */
    int64_t ended_ns;
};
/* What assertions look at, by start. */
XR_MUST_USE enum xr_code xr_store_tool_evidence_get(struct xr_store_reader *reader, int64_t replay_id,
                                                    struct xr_arena *arena, struct xr_tool_call **ret_calls,
                                                    size_t *ret_count, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_model_evidence_get(struct xr_store_reader *reader, int64_t replay_id,
                                                     struct xr_arena *arena, struct xr_model_usage **ret_usage,
                                                     size_t *ret_count, struct xr_err *err);
struct xr_span_row {
    int64_t id;
    struct xr_str trace_id, span_id, parent_span_id; /* text; parent ptr NULL: null */
    struct xr_str name;
    const char *vocabulary;
    int64_t started_ns, ended_ns;
    struct xr_str attributes_json;
};
/* One row after the other: its views are valid during each() only; each returns false to stop. Begin a snapshot first.
 * Spans are in the order of their row ids, in which they were stored, and take 8 bytes a row of the arena. */
XR_MUST_USE enum xr_code xr_store_tool_calls_each(struct xr_store_reader *reader, int64_t replay_id,
                                                  bool (*each)(const struct xr_tool_call_row *row, void *ctx),
                                                  void *ctx, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_model_usage_each(struct xr_store_reader *reader, int64_t replay_id,
                                                   bool (*each)(const struct xr_model_usage_row *row, void *ctx),
                                                   void *ctx, struct xr_err *err);
XR_MUST_USE enum xr_code xr_store_spans_each(struct xr_store_reader *reader, int64_t replay_id, struct xr_arena *arena,
                                             bool (*each)(const struct xr_span_row *row, void *ctx), void *ctx,
                                             struct xr_err *err);

/* What a replay's spans have come to so far: their number, and the bytes of their text. Zeros when it has none. */
struct xr_span_totals {
    int64_t spans, bytes;
};
XR_MUST_USE enum xr_code xr_store_span_totals_get(struct xr_store_reader *reader, int64_t replay_id,
                                                  struct xr_span_totals *ret_totals, struct xr_err *err);
