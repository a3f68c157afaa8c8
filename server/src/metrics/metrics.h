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
    /* How far the voice's ends may be off: its first segment's start's and its last one's end's. -1: unknown. */
    int32_t voice_start_uncertainty_ms, voice_end_uncertainty_ms;
};
/* segments sorted by start. ret_turns in the arena. */
XR_MUST_USE enum xr_code xr_turns_derive(const struct xr_segment *segments, size_t count, struct xr_arena *arena,
                                         struct xr_turn **ret_turns, size_t *ret_count, struct xr_err *err);

struct xr_turn_metric {
    int64_t turn_idx;
    enum xr_channel role;
    int64_t agent_response_ms; /* -1: null */
    /* The root of the sum of the squares of how far the agent's start and the user's end may be off, rounded up. The
     * two errors are independent, because they come from different channels: they rarely add up, as their plain sum
     * would have it, and they do not cancel out (GUM, JCGM 100:2008, 5.1.2). -1, null: one of them is unknown, or there
     * is no response time. */
    int64_t agent_response_uncertainty_ms;
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
