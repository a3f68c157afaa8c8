// SPDX-License-Identifier: Apache-2.0
#include "metrics/metrics.h"
#include "base/clock.h"
#include <math.h>

static size_t count_turns(const struct xr_segment *segments, size_t count) {
    size_t turns = 0;
    for (size_t i = 0; i < count; i++)
        turns += i == 0 || segments[i].channel != segments[i - 1].channel;
    return turns;
}

enum xr_code xr_turns_derive(const struct xr_segment *segments, size_t count, struct xr_arena *arena,
                             struct xr_turn **ret_turns, size_t *ret_count, struct xr_err *err) {
    size_t turn_count = count_turns(segments, count);
    struct xr_turn *turns = xr_arena_array(arena, turn_count, sizeof *turns);
    if (!turns)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        if (i == 0 || segments[i].channel != segments[i - 1].channel) {
            turns[n] = (struct xr_turn){.idx = (int64_t)n,
                                        .role = segments[i].channel,
                                        .turn_start_ns = n > 0 ? turns[n - 1].voice_end_ns : 0,
                                        .voice_start_ns = segments[i].start_ns,
                                        .voice_start_uncertainty_ms = segments[i].start_uncertainty_ms};
            n++;
        }
        turns[n - 1].voice_end_ns = turns[n - 1].turn_end_ns = segments[i].end_ns;
        turns[n - 1].voice_end_uncertainty_ms = segments[i].end_uncertainty_ms;
    }
    *ret_turns = turns;
    *ret_count = turn_count;
    return XR_OK;
}

/* Index of the first segment that starts at or after time_ns. */
static size_t first_from(const struct xr_segment *segments, size_t count, int64_t time_ns) {
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (segments[middle].start_ns < time_ns)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The start of the other side's first segment inside the turn's voice; XR_TIME_NONE if nobody spoke into it. */
static int64_t find_interruption(const struct xr_turn *turn, const struct xr_segment *segments, size_t count) {
    for (size_t i = first_from(segments, count, turn->voice_start_ns); i < count; i++) {
        if (segments[i].start_ns >= turn->voice_end_ns)
            break;
        if (segments[i].channel != turn->role)
            return segments[i].start_ns;
    }
    return XR_TIME_NONE;
}

/* An agent that starts before the user has ended answered at once: its response time is not negative. */
static int64_t response_ms(const struct xr_turn *agent, const struct xr_turn *user) {
    int64_t gap_ns = agent->voice_start_ns - user->voice_end_ns;
    return gap_ns > 0 ? xr_ns_to_ms(gap_ns) : 0;
}

static int64_t response_uncertainty_ms(const struct xr_turn *agent, const struct xr_turn *user) {
    const double start = agent->voice_start_uncertainty_ms, end = user->voice_end_uncertainty_ms;
    if (start < 0 || end < 0)
        return -1;
    return (int64_t)ceil(sqrt(start * start + end * end));
}

enum xr_code xr_metrics_compute(const struct xr_turn *turns, size_t turn_count, const struct xr_segment *segments,
                                size_t segment_count, struct xr_arena *arena, struct xr_turn_metric **ret_metrics,
                                struct xr_err *err) {
    struct xr_turn_metric *metrics = xr_arena_array(arena, turn_count, sizeof *metrics);
    const struct xr_turn *last_user = NULL;
    if (!metrics)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < turn_count; i++) {
        const struct xr_turn *turn = &turns[i];
        int64_t interruption_ns = find_interruption(turn, segments, segment_count);
        bool interrupted = interruption_ns != XR_TIME_NONE;
        bool answers = turn->role == XR_CHANNEL_AGENT && last_user != NULL;
        metrics[i] = (struct xr_turn_metric){
            .turn_idx = turn->idx,
            .role = turn->role,
            .agent_response_ms = answers ? response_ms(turn, last_user) : -1,
            .agent_response_uncertainty_ms = answers ? response_uncertainty_ms(turn, last_user) : -1,
            .interrupted = interrupted,
            .interruption_start_ms = interrupted ? xr_ns_to_ms(interruption_ns) : -1,
        };
        if (turn->role == XR_CHANNEL_USER)
            last_user = turn;
    }
    *ret_metrics = metrics;
    return XR_OK;
}

/* How many response times are known and at most limit_ms. */
static size_t count_within(const struct xr_turn_metric *metrics, size_t count, int64_t limit_ms) {
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        n += metrics[i].agent_response_ms >= 0 && metrics[i].agent_response_ms <= limit_ms;
    return n;
}

/* The rank-th smallest response time, rank >= 1: bisects the value, so that nothing need be copied and sorted. */
static int64_t find_ranked(const struct xr_turn_metric *metrics, size_t count, size_t rank) {
    int64_t low = 0, high = INT64_MAX;
    while (low < high) {
        int64_t middle = low + (high - low) / 2;
        if (count_within(metrics, count, middle) >= rank)
            high = middle;
        else
            low = middle + 1;
    }
    return low;
}

/* Nearest rank of a percentile among n values: ceil(n * percent / 100). */
static size_t nearest_rank(size_t n, unsigned percent) {
    return n / 100 * percent + (n % 100 * percent + 99) / 100;
}

bool xr_metrics_summary(const struct xr_turn_metric *metrics, size_t count, int64_t *ret_median_ms,
                        int64_t *ret_p95_ms) {
    size_t known = count_within(metrics, count, INT64_MAX);
    if (known == 0)
        return false;
    *ret_median_ms = find_ranked(metrics, count, nearest_rank(known, 50));
    *ret_p95_ms = find_ranked(metrics, count, nearest_rank(known, 95));
    return true;
}
