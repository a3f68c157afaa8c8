// SPDX-License-Identifier: Apache-2.0
/* metrics/metrics.h - turns from segments, and the timing of each turn. Pure; any thread. Times are nanoseconds from
 * sample 0 of the recording. */
#pragma once
#include "audio/vad.h"
#include "base/arena.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A turn of the recording: neighbouring segments of one side (spec/evaluation.md, "Turns"). */
struct xr_turn {
    int64_t idx;
    enum xr_channel role;
    int64_t turn_start_ns, turn_end_ns, voice_start_ns, voice_end_ns;
};
/* segments sorted by start. ret_turns in the arena. */
XR_MUST_USE enum xr_code xr_turns_derive(const struct xr_segment *segments, size_t count, struct xr_arena *arena,
                                         struct xr_turn **ret_turns, size_t *ret_count, struct xr_err *err);

struct xr_turn_metric {
    int64_t turn_idx;
    enum xr_channel role;
    int64_t agent_response_ms; /* -1: null */
    int64_t agent_response_uncertainty_ms; /* -1: null */
    bool interrupted;
    int64_t interruption_start_ms; /* -1: null */
};
XR_MUST_USE enum xr_code xr_metrics_compute(const struct xr_turn *turns, size_t turn_count,
                                            const struct xr_segment *segments, size_t segment_count,
                                            struct xr_arena *arena, struct xr_turn_metric **ret_metrics,
                                            struct xr_err *err);
/* Median and 95th percentile (nearest rank) of the agent response times; false if there is none. */
bool xr_metrics_summary(const struct xr_turn_metric *metrics, size_t count, int64_t *ret_median_ms,
                        int64_t *ret_p95_ms);

/* Windows for attributing spans: they tile from 0, window i ends at max(cursor, voice_end of turn i), half-open. */
struct xr_window {
    int64_t start_ns, end_ns;
};
/* windows has room for count. */
void xr_windows_build(const struct xr_turn *turns, size_t count, struct xr_window *windows);
