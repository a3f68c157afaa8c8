// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "evaluate/check.h"

static const char *const STATUS_NAMES[] = {
    [XR_PASSED] = "passed",
    [XR_FAILED] = "failed",
    [XR_ERRORED] = "errored",
};

const char *xr_status_name(enum xr_status status) {
    return (unsigned)status < sizeof STATUS_NAMES / sizeof *STATUS_NAMES ? STATUS_NAMES[status] : "unknown";
}

enum need { NEEDS_METRIC, NEEDS_TRANSCRIPT, NEEDS_ANCHOR };

static const struct kind {
    enum need need;
    xr_check_fn *run;
} KINDS[XR_ASSERT_KIND_COUNT] = {
    [XR_ASSERT_CONTAINS] = {NEEDS_TRANSCRIPT, xr_check_contains},
    [XR_ASSERT_NOT_CONTAINS] = {NEEDS_TRANSCRIPT, xr_check_not_contains},
    [XR_ASSERT_EQUALS] = {NEEDS_TRANSCRIPT, xr_check_equals},
    [XR_ASSERT_REGEX] = {NEEDS_TRANSCRIPT, xr_check_regex},
    [XR_ASSERT_TOOL_CALLED] = {NEEDS_ANCHOR, xr_check_tool_called},
    [XR_ASSERT_TOOL_NOT_CALLED] = {NEEDS_ANCHOR, xr_check_tool_not_called},
    [XR_ASSERT_TOOL_ARGS_MATCH] = {NEEDS_ANCHOR, xr_check_tool_args},
    [XR_ASSERT_MAX_LATENCY_MS] = {NEEDS_METRIC, xr_check_latency},
    [XR_ASSERT_MAX_TTFT_MS] = {NEEDS_ANCHOR, xr_check_ttft},
};

/* The number decides; where the measuring error could have turned the verdict round, the message says so. */
static enum xr_code compare_latency(struct xr_check *check, struct xr_err *err) {
    const struct xr_turn_metric *metric = check->turn->metric;
    const long long response = metric->agent_response_ms, max = check->assertion->max_ms;
    const long long uncertainty = metric->agent_response_uncertainty_ms; /* -1, unknown, is below every distance */
    const bool passed = response <= max;
    if ((passed ? max - response : response - max) <= uncertainty)
        return xr_check_tellf(
            check, passed ? XR_PASSED : XR_FAILED, err,
            "The agent answered after %lld ms, %s %lld ms, but within the measuring error of %lld ms.", response,
            passed ? "no more than" : "more than", max, uncertainty);
    if (passed)
        return xr_check_pass(check);
    return xr_check_tellf(check, XR_FAILED, err, "The agent answered after %lld ms, more than %lld ms.", response, max);
}

enum xr_code xr_check_latency(struct xr_check *check, struct xr_err *err) {
    const struct xr_turn_metric *metric = check->turn->metric;
    if (metric->agent_response_ms < 0)
        return xr_check_tellf(check, XR_ERRORED, err, "The turn has no response time: %s.",
                              metric->role == XR_CHANNEL_AGENT ? "no user turn comes before it"
                                                               : "it is not an agent's turn");
    return compare_latency(check, err);
}

/* Why the assertion cannot be judged, NULL if it can. */
static const char *find_missing(const struct xr_check *check, enum need need) {
    if (need == NEEDS_TRANSCRIPT && !check->turn->transcript)
        return check->evidence->transcription_none
                   ? "There is no transcript to check: the transcription provider is \"none\"."
                   : "There is no transcript of this turn.";
    if (need == NEEDS_ANCHOR && check->evidence->recording_started_ns == XR_TIME_NONE)
        return "Spans cannot be attributed to turns: the recording's start time is unknown.";
    return NULL;
}

static enum xr_code check_one(struct xr_check *check, struct xr_err *err) {
    const struct kind *kind = &KINDS[check->assertion->kind];
    const char *missing = find_missing(check, kind->need);
    struct xr_err why = {0};
    if (missing)
        return xr_check_tellf(check, XR_ERRORED, err, "%s", missing);
    enum xr_code code = kind->run(check, &why);
    if (code == XR_OK)
        return XR_OK;
    if (code == XR_INVALID)
        return xr_check_tellf(check, XR_ERRORED, err, "The check could not be made: %s.", why.message);
    return xr_fail(err, code, NULL, "%s", why.message);
}

/* The evidence by turn. */
struct index {
    struct xr_window *windows;
    const struct xr_transcript **transcripts;
};

/* False when out of memory. */
static bool index_evidence(const struct xr_evidence *evidence, struct xr_arena *arena, struct index *ret_index) {
    struct index index = {.windows = xr_arena_array(arena, evidence->turn_count, sizeof *index.windows),
                          .transcripts = xr_arena_array(arena, evidence->turn_count, sizeof(void *))};
    if (!index.windows || !index.transcripts)
        return false;
    xr_windows_build(evidence->turns, evidence->turn_count, index.windows);
    for (size_t i = 0; i < evidence->transcript_count; i++) {
        int64_t turn = evidence->transcripts[i].turn_idx;
        if (turn >= 0 && (uint64_t)turn < evidence->turn_count)
            index.transcripts[turn] = &evidence->transcripts[i];
    }
    *ret_index = index;
    return true;
}

static size_t count_assertions(const struct xr_spec *spec) {
    size_t count = 0;
    for (size_t i = 0; i < spec->turn_count; i++)
        count += spec->turns[i].assertion_count;
    return count;
}

static enum xr_code check_turn(const struct xr_turn_spec *spec, size_t turn_idx, struct xr_check *check,
                               struct xr_err *err) {
    enum xr_code code = XR_OK;
    for (size_t i = 0; code == XR_OK && i < spec->assertion_count; i++, check->result++) {
        check->assertion = &spec->assertions[i];
        *check->result = (struct xr_assertion_result){
            .turn_idx = (int64_t)turn_idx, .assertion_idx = (int64_t)i, .kind = spec->assertions[i].kind};
        code = check_one(check, err);
    }
    return code;
}

enum xr_code xr_assertions_check(const struct xr_spec *spec, const size_t *map, const struct xr_evidence *evidence,
                                 struct xr_arena *arena, struct xr_assertion_result **ret_results, size_t *ret_count,
                                 struct xr_err *err) {
    size_t count = count_assertions(spec);
    struct xr_assertion_result *results = xr_arena_array(arena, count, sizeof *results);
    struct index index;
    if (!results || !index_evidence(evidence, arena, &index))
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = XR_OK;
    struct xr_check check = {.evidence = evidence, .arena = arena, .result = results};
    for (size_t i = 0; code == XR_OK && i < spec->turn_count; i++) {
        struct xr_checked_turn turn = {.metric = &evidence->metrics[map[i]],
                                       .transcript = index.transcripts[map[i]],
                                       .window = index.windows[map[i]]};
        check.turn = &turn;
        code = check_turn(&spec->turns[i], i, &check, err);
    }
    if (code != XR_OK)
        return code;
    *ret_results = results;
    *ret_count = count;
    return XR_OK;
}
