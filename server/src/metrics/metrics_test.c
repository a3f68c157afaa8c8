// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/test.h"
#include "metrics/metrics.h"

#define USER XR_CHANNEL_USER
#define AGENT XR_CHANNEL_AGENT
enum { MAX = 8, ARENA = 1 << 16 };

/* Milliseconds, as a recording would give them; count is of segments. */
struct segment_ms {
    enum xr_channel channel;
    int64_t start, end;
};
struct turn_ms {
    enum xr_channel role;
    int64_t turn_start, turn_end, voice_start, voice_end;
    int64_t response, interruption; /* -1: null */
};
struct scene {
    const char *name;
    struct segment_ms segments[MAX];
    size_t segment_count;
    struct turn_ms turns[MAX];
    size_t turn_count;
};

static const struct scene SCENES[] = {
    {"nobody speaks", {{0}}, 0, {{0}}, 0},
    {"one turn", {{USER, 300, 900}}, 1, {{USER, 0, 900, 300, 900, -1, -1}}, 1},
    {"alternating",
     {{USER, 100, 1000}, {AGENT, 1780, 3000}, {USER, 3500, 4000}},
     3,
     {{USER, 0, 1000, 100, 1000, -1, -1},
      {AGENT, 1000, 3000, 1780, 3000, 780, -1},
      {USER, 3000, 4000, 3500, 4000, -1, -1}},
     3},
    {"first turn is the agent's",
     {{AGENT, 200, 1000}, {USER, 1500, 2000}, {AGENT, 2500, 3000}},
     3,
     {{AGENT, 0, 1000, 200, 1000, -1, -1},
      {USER, 1000, 2000, 1500, 2000, -1, -1},
      {AGENT, 2000, 3000, 2500, 3000, 500, -1}},
     3},
    {"pauses inside a turn",
     {{USER, 0, 500}, {USER, 900, 1400}, {USER, 1600, 2000}, {AGENT, 2100, 2200}, {AGENT, 2600, 3000}},
     5,
     {{USER, 0, 2000, 0, 2000, -1, -1}, {AGENT, 2000, 3000, 2100, 3000, 100, -1}},
     2},
    {"backchannel inside unbroken speech",
     {{USER, 0, 10000}, {AGENT, 4000, 4500}, {AGENT, 11000, 12000}},
     3,
     {{USER, 0, 10000, 0, 10000, -1, 4000}, {AGENT, 10000, 12000, 4000, 12000, 0, -1}},
     2},
    {"backchannel, then the speaker's next turn",
     {{USER, 0, 10000}, {AGENT, 4000, 4500}, {USER, 10200, 11000}, {AGENT, 11500, 12000}},
     4,
     {{USER, 0, 10000, 0, 10000, -1, 4000},
      {AGENT, 10000, 4500, 4000, 4500, 0, -1},
      {USER, 4500, 11000, 10200, 11000, -1, -1},
      {AGENT, 11000, 12000, 11500, 12000, 500, -1}},
     4},
    {"backchannel in a pause makes two turns of the speaker",
     {{USER, 0, 4000}, {AGENT, 4100, 4400}, {USER, 4500, 9000}},
     3,
     {{USER, 0, 4000, 0, 4000, -1, -1},
      {AGENT, 4000, 4400, 4100, 4400, 100, -1},
      {USER, 4400, 9000, 4500, 9000, -1, -1}},
     3},
    {"barge-in",
     {{USER, 0, 1000}, {AGENT, 1500, 5000}, {USER, 4000, 6000}, {AGENT, 6300, 7000}},
     4,
     {{USER, 0, 1000, 0, 1000, -1, -1},
      {AGENT, 1000, 5000, 1500, 5000, 500, 4000},
      {USER, 5000, 6000, 4000, 6000, -1, -1},
      {AGENT, 6000, 7000, 6300, 7000, 300, -1}},
     4},
    {"both start together: each interrupts the other",
     {{USER, 1000, 2000}, {AGENT, 1000, 1500}},
     2,
     {{USER, 0, 2000, 1000, 2000, -1, 1000}, {AGENT, 2000, 1500, 1000, 1500, 0, 1000}},
     2},
    {"the other side starts as the voice ends: no interruption",
     {{AGENT, 0, 1000}, {USER, 1000, 2000}, {AGENT, 2000, 2500}},
     3,
     {{AGENT, 0, 1000, 0, 1000, -1, -1},
      {USER, 1000, 2000, 1000, 2000, -1, -1},
      {AGENT, 2000, 2500, 2000, 2500, 0, -1}},
     3},
    {"interrupted in a later segment of the turn",
     {{AGENT, 0, 1000}, {AGENT, 1200, 3000}, {USER, 1500, 1600}},
     3,
     {{AGENT, 0, 3000, 0, 3000, -1, 1500}, {USER, 3000, 1600, 1500, 1600, -1, -1}},
     2},
};

static void check_turn(const struct turn_ms *want, const struct xr_turn *turn, const struct xr_turn_metric *metric,
                       size_t idx) {
    assert_int_equal(turn->idx, idx);
    assert_int_equal(turn->role, want->role);
    assert_int_equal(turn->turn_start_ns, want->turn_start * XR_NS_PER_MS);
    assert_int_equal(turn->turn_end_ns, want->turn_end * XR_NS_PER_MS);
    assert_int_equal(turn->voice_start_ns, want->voice_start * XR_NS_PER_MS);
    assert_int_equal(turn->voice_end_ns, want->voice_end * XR_NS_PER_MS);
    assert_int_equal(metric->turn_idx, idx);
    assert_int_equal(metric->role, want->role);
    assert_int_equal(metric->agent_response_ms, want->response);
    assert_int_equal(metric->agent_response_uncertainty_ms, want->response >= 0 ? 5 : -1);
    assert_int_equal(metric->interrupted, want->interruption >= 0);
    assert_int_equal(metric->interruption_start_ms, want->interruption);
}

static void check_scene(const struct scene *scene) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_segment segments[MAX];
    struct xr_turn *turns = NULL;
    struct xr_turn_metric *metrics = NULL;
    size_t count = 99;
    print_message("scene: %s\n", scene->name);
    for (size_t i = 0; i < scene->segment_count; i++)
        segments[i] = (struct xr_segment){.channel = scene->segments[i].channel,
                                          .start_ns = scene->segments[i].start * XR_NS_PER_MS,
                                          .end_ns = scene->segments[i].end * XR_NS_PER_MS,
                                          .start_uncertainty_ms = 3,
                                          .end_uncertainty_ms = 4};
    assert_int_equal(xr_turns_derive(segments, scene->segment_count, arena, &turns, &count, NULL), XR_OK);
    assert_int_equal(count, scene->turn_count);
    assert_int_equal(xr_metrics_compute(turns, count, segments, scene->segment_count, arena, &metrics, NULL), XR_OK);
    for (size_t i = 0; i < count; i++)
        check_turn(&scene->turns[i], &turns[i], &metrics[i], i);
}

static void turns_and_their_metrics_follow_the_timeline(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SCENES / sizeof *SCENES; i++)
        check_scene(&SCENES[i]);
}

static void milliseconds_are_the_floor_of_the_difference(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    /* 1.9 ms to 782.8 ms: each end floored alone would give 781. */
    const struct xr_segment segments[] = {
        {USER, 0, 1900000, 1, 1}, {AGENT, 782800000, 900000000, 1, 1}, {USER, 790999999, 795000000, 1, 1}};
    struct xr_turn *turns = NULL;
    struct xr_turn_metric *metrics = NULL;
    size_t count = 0;
    assert_int_equal(xr_turns_derive(segments, 3, arena, &turns, &count, NULL), XR_OK);
    assert_int_equal(xr_metrics_compute(turns, count, segments, 3, arena, &metrics, NULL), XR_OK);
    assert_int_equal(metrics[1].agent_response_ms, 780);
    assert_int_equal(metrics[1].interruption_start_ms, 790);
}

static void a_turns_voice_is_as_uncertain_as_its_first_start_and_its_last_end(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    const struct xr_segment segments[] = {
        {USER, 0, 10, 1, 2}, {USER, 20, 30, 3, 4}, {USER, 40, 50, 5, 6}, {AGENT, 60, 70, 7, 8}, {USER, 80, 90, -1, 9}};
    struct xr_turn *turns = NULL;
    size_t count = 0;
    assert_int_equal(xr_turns_derive(segments, 5, arena, &turns, &count, NULL), XR_OK);
    assert_int_equal(count, 3);
    assert_int_equal(turns[0].voice_start_uncertainty_ms, 1);
    assert_int_equal(turns[0].voice_end_uncertainty_ms, 6);
    assert_int_equal(turns[1].voice_start_uncertainty_ms, 7);
    assert_int_equal(turns[1].voice_end_uncertainty_ms, 8);
    assert_int_equal(turns[2].voice_start_uncertainty_ms, -1);
    assert_int_equal(turns[2].voice_end_uncertainty_ms, 9);
}

/* Of the user's end and of the agent's start, and of the response between them. */
static const struct uncertainty {
    int32_t user_end, agent_start;
    int64_t response;
} UNCERTAINTIES[] = {
    {3, 4, 5}, /* exactly */
    {1, 1, 2}, /* 1.4, rounded up */
    {1, 1000, 1001}, /* 1000.0005 */
    {0, 7, 7},       {INT32_MAX, INT32_MAX, INT64_C(3037000499)}, {-1, 4, -1}, {4, -1, -1}, {-1, -1, -1},
};

static void the_response_is_uncertain_by_the_root_of_the_sum_of_squares(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof UNCERTAINTIES / sizeof *UNCERTAINTIES; i++) {
        XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
        const struct uncertainty *row = &UNCERTAINTIES[i];
        const struct xr_segment segments[] = {{USER, 0, 1000, 90, row->user_end},
                                              {AGENT, 2000, 3000, row->agent_start, 80}};
        struct xr_turn *turns = NULL;
        struct xr_turn_metric *metrics = NULL;
        size_t count = 0;
        assert_int_equal(xr_turns_derive(segments, 2, arena, &turns, &count, NULL), XR_OK);
        assert_int_equal(xr_metrics_compute(turns, count, segments, 2, arena, &metrics, NULL), XR_OK);
        assert_int_equal(metrics[0].agent_response_uncertainty_ms, -1);
        assert_int_equal(metrics[1].agent_response_uncertainty_ms, row->response);
        assert_int_equal(metrics[1].agent_response_ms, 0); /* known, whether or not its uncertainty is */
    }
}

static void a_full_arena_is_an_error_and_writes_nothing(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(16);
    const struct xr_segment segments[] = {{USER, 0, 10, 1, 1}};
    const struct xr_turn turn = {.role = USER, .voice_end_ns = 10};
    struct xr_turn *turns = NULL;
    struct xr_turn_metric *metrics = NULL;
    size_t count = 99;
    struct xr_err err = {0};
    assert_int_equal(xr_turns_derive(segments, 1, arena, &turns, &count, &err), XR_NO_MEMORY);
    assert_null(turns);
    assert_int_equal(count, 99);
    assert_int_equal(xr_metrics_compute(&turn, 1, segments, 1, arena, &metrics, &err), XR_NO_MEMORY);
    assert_null(metrics);
}

struct summary {
    int64_t values[MAX];
    size_t count;
    int64_t median, p95; /* -1: none */
};
static const struct summary SUMMARIES[] = {
    {{0}, 0, -1, -1},
    {{-1, -1}, 2, -1, -1},
    {{0}, 1, 0, 0},
    {{-1, 780, -1}, 3, 780, 780},
    {{300, 100}, 2, 100, 300},
    {{500, 100, 300}, 3, 300, 500},
    {{400, -1, 100, 300, 200}, 5, 200, 400},
    {{5, 5, 5, 5, 5, 5, 5, 9000}, 8, 5, 9000},
    {{INT64_MAX, 1, INT64_MAX}, 3, INT64_MAX, INT64_MAX},
};

static void summary_is_by_nearest_rank(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SUMMARIES / sizeof *SUMMARIES; i++) {
        const struct summary *want = &SUMMARIES[i];
        struct xr_turn_metric metrics[MAX] = {0};
        int64_t median = -1, p95 = -1;
        for (size_t k = 0; k < want->count; k++)
            metrics[k].agent_response_ms = want->values[k];
        assert_int_equal(xr_metrics_summary(metrics, want->count, &median, &p95), want->median >= 0);
        assert_int_equal(median, want->median);
        assert_int_equal(p95, want->p95);
    }
}

static void the_95th_percentile_of_many_leaves_five_in_a_hundred_above(void **state) {
    (void)state;
    struct xr_turn_metric metrics[200] = {0};
    int64_t median = 0, p95 = 0;
    for (int64_t i = 0; i < 200; i++)
        metrics[i].agent_response_ms = (i * 37 % 200 + 1) * 10;
    assert_true(xr_metrics_summary(metrics, 200, &median, &p95));
    assert_int_equal(median, 1000);
    assert_int_equal(p95, 1900);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(turns_and_their_metrics_follow_the_timeline),
        cmocka_unit_test(milliseconds_are_the_floor_of_the_difference),
        cmocka_unit_test(a_turns_voice_is_as_uncertain_as_its_first_start_and_its_last_end),
        cmocka_unit_test(the_response_is_uncertain_by_the_root_of_the_sum_of_squares),
        cmocka_unit_test(a_full_arena_is_an_error_and_writes_nothing),
        cmocka_unit_test(summary_is_by_nearest_rank),
        cmocka_unit_test(the_95th_percentile_of_many_leaves_five_in_a_hundred_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
