// SPDX-License-Identifier: Apache-2.0
/* evaluate/evaluate.h - alignment, the nine assertions, and what a judge is given. Pure but for the regular-expression
 * engine's time limit; runs on worker threads. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "metrics/metrics.h"
#include "spec/spec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xr_status { XR_PASSED, XR_FAILED, XR_ERRORED };
const char *xr_status_name(enum xr_status status); /* "passed", ... */

/* A transcript of a derived turn. */
struct xr_transcript {
    int64_t turn_idx; /* derived */
    struct xr_str text;
};
struct xr_tool_call {
    int64_t started_ns; /* wall clock; XR_TIME_NONE: unknown, in no window */
    struct xr_str name;
    struct xr_str args_json; /* ptr NULL: none */
};
struct xr_model_usage {
    int64_t started_ns;
    int64_t ttft_ms; /* -1: null */
};

/* Everything a verdict is made from. */
struct xr_evidence {
    const struct xr_turn *turns;
    size_t turn_count;
    const struct xr_turn_metric *metrics; /* one a turn, same order */
    const struct xr_transcript *transcripts;
    size_t transcript_count;
    bool transcription_none; /* no transcripts because the provider is `none`: messages say so */
    int64_t recording_started_ns; /* the anchor; XR_TIME_NONE: none */
    const struct xr_tool_call *tool_calls;
    size_t tool_call_count;
    const struct xr_model_usage *model_usage;
    size_t model_usage_count;
};

struct xr_assertion_result {
    int64_t turn_idx; /* of the spec */
    int64_t assertion_idx;
    enum xr_assertion_kind kind;
    enum xr_status status;
    /* One sentence with the observed value; ptr NULL on pass, unless the limit lies within the measuring error. */
    struct xr_str message;
};
struct xr_judge_result {
    int64_t judge_idx;
    enum xr_status status;
    int64_t score; /* -1: null */
    struct xr_str reason; /* ptr NULL: null */
    int64_t prompt_version; /* -1: null */
};

/* map[i] = index of the derived turn that spec turn i takes. XR_CONFLICT when the derived turns run out (the replay
 * fails spec_vad_mismatch); the message says at which spec turn. */
XR_MUST_USE enum xr_code xr_align(const struct xr_spec *spec, const struct xr_turn *turns, size_t turn_count,
                                  struct xr_arena *arena, size_t **ret_map, struct xr_err *err);

/* Every assertion of every spec turn, by turn, then index. map is xr_align's. XR_NO_MEMORY only. */
XR_MUST_USE enum xr_code xr_assertions_check(const struct xr_spec *spec, const size_t *map,
                                             const struct xr_evidence *evidence, struct xr_arena *arena,
                                             struct xr_assertion_result **ret_results, size_t *ret_count,
                                             struct xr_err *err);

/* regex.c: does JavaScript's new RegExp(pattern, flags).test(text) hold? XR_INVALID: the engine's message for a bad
 * pattern; XR_TIMEOUT, XR_NO_MEMORY: bounds of base/limits.h, the message completes "it ..."; XR_OVERLOADED: the
 * machine has no thread or memory for a run. Any thread; each call has a thread and a heap of its own. */
XR_MUST_USE enum xr_code xr_regex_test(struct xr_str pattern, struct xr_str flags, struct xr_str text, bool *ret_found,
                                       struct xr_err *err);
