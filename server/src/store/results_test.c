// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "store/results.h"
#include "store/store_testkit.h"
#include "store/writer_testkit.h"
#include <sqlite3.h>

static const struct xr_segment SEGMENTS[] = {
    {XR_CHANNEL_AGENT, 0, 5, 12, 345},
    {XR_CHANNEL_USER, 7, 1000000007, -1, INT32_MAX},
    {XR_CHANNEL_AGENT, 7, 9, 0, -1},
};
enum { SEGMENT_COUNT = 3 };
static const struct xr_turn TURNS[] = {
    {.idx = 0, .role = XR_CHANNEL_AGENT, .turn_end_ns = 2, .voice_start_ns = 3, .voice_end_ns = INT64_MAX},
    {.idx = 1, .role = XR_CHANNEL_USER, .turn_start_ns = 5},
};
static const struct xr_vad_levels LEVELS[XR_CHANNEL_COUNT] = {{-71.25, -20.5, -60}, {-100, -18.125, -55.5}};

struct analysis {
    int64_t replay_id;
    size_t segments, turns;
    const struct xr_vad_levels *levels;
};

static enum xr_code put_analysis(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct analysis *a = ctx;
    return xr_store_tx_analysis_put(tx, a->replay_id, SEGMENTS, a->segments, TURNS, a->turns, a->levels, err);
}

static void the_analysis_comes_back_in_order(void **state) {
    struct xr_test_store *t = *state;
    struct analysis a = {xr_test_analyzing_replay(t), SEGMENT_COUNT, 2, LEVELS};
    struct xr_segment_row *segments;
    struct xr_turn *turns;
    struct xr_vad_levels levels[XR_CHANNEL_COUNT] = {{.noise_floor_dbfs = 1}};
    size_t count;
    assert_int_equal(xr_store_levels_get(t->reader, a.replay_id, levels, NULL), XR_NOT_FOUND);
    assert_true(levels[0].noise_floor_dbfs == 1);
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_OK);
    assert_int_equal(xr_store_segments_get(t->reader, a.replay_id, t->arena, &segments, &count, NULL), XR_OK);
    assert_int_equal(count, SEGMENT_COUNT);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(segments[i].id, i + 1);
        assert_int_equal(segments[i].segment.channel, SEGMENTS[i].channel);
        assert_int_equal(segments[i].segment.start_ns, SEGMENTS[i].start_ns);
        assert_int_equal(segments[i].segment.end_ns, SEGMENTS[i].end_ns);
        assert_int_equal(segments[i].segment.start_uncertainty_ms, SEGMENTS[i].start_uncertainty_ms);
        assert_int_equal(segments[i].segment.end_uncertainty_ms, SEGMENTS[i].end_uncertainty_ms);
    }
    assert_int_equal(xr_store_turns_get(t->reader, a.replay_id, t->arena, &turns, &count, NULL), XR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(turns[0].role, XR_CHANNEL_AGENT);
    assert_int_equal(turns[0].turn_end_ns, 2);
    assert_int_equal(turns[0].voice_start_ns, 3);
    assert_true(turns[0].voice_end_ns == INT64_MAX);
    assert_int_equal(turns[1].turn_start_ns, 5);
    assert_int_equal(turns[1].voice_start_uncertainty_ms, -1); /* not in their rows */
    assert_int_equal(turns[1].voice_end_uncertainty_ms, -1);
    assert_int_equal(xr_store_levels_get(t->reader, a.replay_id, levels, NULL), XR_OK);
    assert_memory_equal(levels, LEVELS, sizeof levels);
}

static void an_unknown_uncertainty_is_null_in_its_row(void **state) {
    struct xr_test_store *t = *state;
    struct analysis a = {xr_test_analyzing_replay(t), SEGMENT_COUNT, 2, LEVELS};
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_OK);
    assert_int_equal(query(t->path, "SELECT count(*) FROM speech_segments WHERE start_uncertainty_ms IS NULL"), 1);
    assert_int_equal(query(t->path, "SELECT count(*) FROM speech_segments WHERE end_uncertainty_ms IS NULL"), 1);
    assert_int_equal(query(t->path, "SELECT sum(start_uncertainty_ms) FROM speech_segments"), 12);
}

static void the_stage_again_replaces_its_rows(void **state) {
    struct xr_test_store *t = *state;
    struct analysis a = {xr_test_analyzing_replay(t), SEGMENT_COUNT, 2, LEVELS};
    struct xr_segment_row *segments = NULL;
    struct xr_vad_levels levels[XR_CHANNEL_COUNT];
    size_t count;
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_OK);
    a.segments = 1;
    a.levels = NULL;
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_OK);
    assert_int_equal(xr_store_segments_get(t->reader, a.replay_id, t->arena, &segments, &count, NULL), XR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(xr_store_levels_get(t->reader, a.replay_id, levels, NULL), XR_NOT_FOUND);
}

static void a_silent_recording_has_no_rows(void **state) {
    struct xr_test_store *t = *state;
    struct analysis a = {xr_test_analyzing_replay(t), 0, 0, LEVELS};
    struct xr_turn *turns;
    size_t count = 9;
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_OK);
    assert_int_equal(xr_store_turns_get(t->reader, a.replay_id, t->arena, &turns, &count, NULL), XR_OK);
    assert_int_equal(count, 0);
}

struct transcripts {
    int64_t replay_id;
    struct xr_transcript_row *rows;
    size_t count;
};

static enum xr_code put_transcripts(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct transcripts *p = ctx;
    return xr_store_tx_transcripts_put(tx, p->replay_id, p->rows, p->count, err);
}

static void transcripts_keep_nul_and_null(void **state) {
    struct xr_test_store *t = *state;
    struct xr_transcript_row in[] = {
        {.turn_idx = 3, .text = XR_STR("b"), .provider = XR_STR("local"), .model = XR_STR("m")},
        {.turn_idx = 0,
         .text = XR_STR("a\0z"),
         .language = XR_STR("en"),
         .words_json = XR_STR("[]"),
         .duration_ms = 5,
         .provider = XR_STR("p")},
    };
    struct transcripts p = {xr_test_analyzing_replay(t), in, 2};
    struct xr_transcript_row *out;
    size_t count;
    assert_int_equal(xr_test_write(t, put_transcripts, &p, NULL), XR_OK);
    assert_int_equal(xr_store_transcripts_get(t->reader, p.replay_id, t->arena, &out, &count, NULL), XR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(out[0].turn_idx, 0);
    assert_true(xr_str_eq(out[0].text, in[1].text));
    assert_true(xr_str_eq(out[0].language, XR_STR("en")));
    assert_true(xr_str_eq(out[0].words_json, XR_STR("[]")));
    assert_int_equal(out[0].duration_ms, 5);
    assert_true(xr_str_eq(out[0].provider, XR_STR("p")) && out[0].model.ptr && out[0].model.len == 0);
    assert_true(xr_str_eq(out[1].model, XR_STR("m")));
    assert_null(out[1].language.ptr);
    assert_null(out[1].words_json.ptr);
    in[0].turn_idx = 0; /* twice the same turn: nothing of it is stored */
    assert_int_equal(xr_test_write(t, put_transcripts, &p, NULL), XR_CONFLICT);
    assert_int_equal(xr_store_transcripts_get(t->reader, p.replay_id, t->arena, &out, &count, NULL), XR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(out[1].turn_idx, 3);
}

struct metrics {
    int64_t replay_id, median_ms;
};
static const struct xr_turn_metric METRICS[] = {
    {0, XR_CHANNEL_USER, -1, -1, false, -1},
    {1, XR_CHANNEL_AGENT, 780, 20, true, 12345},
};

static enum xr_code put_metrics(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct metrics *m = ctx;
    return xr_store_tx_metrics_put(tx, m->replay_id, METRICS, 2, m->median_ms, m->median_ms, err);
}

static void metrics_go_to_their_rows_and_the_summary_to_the_replay(void **state) {
    struct xr_test_store *t = *state;
    struct metrics m = {xr_test_analyzing_replay(t), 780};
    struct xr_turn_metric *out;
    size_t count;
    assert_int_equal(xr_test_write(t, put_metrics, &m, NULL), XR_OK);
    assert_int_equal(xr_store_metrics_get(t->reader, m.replay_id, t->arena, &out, &count, NULL), XR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(out[0].agent_response_ms, -1);
    assert_int_equal(out[0].agent_response_uncertainty_ms, -1);
    assert_int_equal(out[0].interruption_start_ms, -1);
    assert_false(out[0].interrupted);
    assert_int_equal(out[1].role, XR_CHANNEL_AGENT);
    assert_int_equal(out[1].agent_response_ms, 780);
    assert_int_equal(out[1].agent_response_uncertainty_ms, 20);
    assert_int_equal(out[1].interruption_start_ms, 12345);
    assert_true(out[1].interrupted);
    assert_int_equal(xr_test_get_replay(t, 1).response_median_ms, 780);
    m.median_ms = -1;
    assert_int_equal(xr_test_write(t, put_metrics, &m, NULL), XR_OK);
    assert_int_equal(xr_test_get_replay(t, 1).response_p95_ms, -1);
}

struct verdict {
    int64_t replay_id;
    bool verdict;
};

static enum xr_code put_evaluation(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct xr_assertion_result assertions[] = {
        {2, 0, XR_ASSERT_MAX_TTFT_MS, XR_ERRORED, XR_STR("no\0call")},
        {0, 1, XR_ASSERT_CONTAINS, XR_PASSED, {0}},
        {0, 0, XR_ASSERT_REGEX, XR_FAILED, XR_STR("it said \"x\"")},
    };
    struct xr_judge_result judges[] = {
        {0, XR_PASSED, 85, XR_STR("close"), 2},
        {1, XR_ERRORED, -1, {0}, -1},
    };
    const struct xr_evaluation e = {
        .passed = true, .assertions = assertions, .assertion_count = 3, .judges = judges, .judge_count = 2};
    const struct verdict *v = ctx;
    return xr_store_tx_evaluation_put(tx, v->replay_id, &e, v->verdict, err);
}

static void an_evaluation_comes_back_by_turn_and_index(void **state) {
    struct xr_test_store *t = *state;
    struct verdict v = {xr_test_analyzing_replay(t), true};
    struct xr_evaluation e;
    assert_int_equal(xr_test_write(t, put_evaluation, &v, NULL), XR_OK);
    assert_int_equal(xr_test_write(t, put_evaluation, &v, NULL), XR_OK); /* idempotent */
    assert_int_equal(xr_store_evaluation_get(t->reader, v.replay_id, t->arena, &e, NULL), XR_OK);
    assert_true(e.passed);
    assert_int_equal(e.assertion_count, 3);
    assert_int_equal(e.assertions[0].kind, XR_ASSERT_REGEX);
    assert_int_equal(e.assertions[1].kind, XR_ASSERT_CONTAINS);
    assert_int_equal(e.assertions[1].status, XR_PASSED);
    assert_null(e.assertions[1].message.ptr);
    assert_int_equal(e.assertions[2].turn_idx, 2);
    assert_int_equal(e.assertions[2].status, XR_ERRORED);
    assert_true(xr_str_eq(e.assertions[2].message, XR_STR("no\0call")));
    assert_int_equal(e.judge_count, 2);
    assert_int_equal(e.judges[0].score, 85);
    assert_int_equal(e.judges[0].prompt_version, 2);
    assert_true(xr_str_eq(e.judges[0].reason, XR_STR("close")));
    assert_int_equal(e.judges[1].score, -1);
    assert_int_equal(e.judges[1].prompt_version, -1);
    assert_null(e.judges[1].reason.ptr);
}

static void outcomes_without_a_verdict_are_kept_but_no_result(void **state) {
    struct xr_test_store *t = *state;
    struct verdict v = {xr_test_analyzing_replay(t), false};
    struct xr_evaluation e = {.assertion_count = 77};
    assert_int_equal(xr_test_write(t, put_evaluation, &v, NULL), XR_OK);
    assert_int_equal(xr_store_evaluation_get(t->reader, v.replay_id, t->arena, &e, NULL), XR_NOT_FOUND);
    assert_int_equal(e.assertion_count, 77);
    assert_int_equal(query(t->path, "SELECT count(*) FROM assertion_results"), 3);
}

static void nothing_is_written_once_the_replay_is_finished(void **state) {
    struct xr_test_store *t = *state;
    struct analysis a = {xr_test_analyzing_replay(t), SEGMENT_COUNT, 2, LEVELS};
    struct transcripts p = {a.replay_id, NULL, 0};
    struct metrics m = {a.replay_id, 1};
    struct verdict v = {a.replay_id, true};
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_OK);
    xr_test_change(t, a.replay_id, XR_BY_WORKER, XR_FAILED_STATE);
    a.segments = 0;
    assert_int_equal(xr_test_write(t, put_analysis, &a, NULL), XR_CONFLICT);
    assert_int_equal(xr_test_write(t, put_transcripts, &p, NULL), XR_CONFLICT);
    assert_int_equal(xr_test_write(t, put_metrics, &m, NULL), XR_CONFLICT);
    assert_int_equal(xr_test_write(t, put_evaluation, &v, NULL), XR_CONFLICT);
    assert_int_equal(query(t->path, "SELECT count(*) FROM speech_segments"), SEGMENT_COUNT);
}

static void execute(struct xr_test_store *t, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(t->path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

/* Copies of the rows that each() has handed out. */
struct seen {
    struct xr_arena *arena;
    struct xr_tool_call_row calls[2];
    struct xr_model_usage_row usage[2];
    size_t count;
};

static void keep(struct seen *seen, struct xr_str *view) {
    if (view->ptr)
        *view = xr_arena_str(seen->arena, *view);
}

static bool see_call(const struct xr_tool_call_row *row, void *ctx) {
    struct seen *seen = ctx;
    assert_in_range(seen->count, 0, 1);
    struct xr_tool_call_row *kept = &seen->calls[seen->count++];
    *kept = *row;
    keep(seen, &kept->span_id);
    keep(seen, &kept->call.name);
    keep(seen, &kept->call.args_json);
    keep(seen, &kept->result_json);
    return true;
}

static bool see_usage(const struct xr_model_usage_row *row, void *ctx) {
    struct seen *seen = ctx;
    assert_in_range(seen->count, 0, 1);
    seen->usage[seen->count++] = *row;
    return true;
}

static const char CALLS[] =
    "INSERT INTO tool_calls (replay_id, span_id, started_at, ended_at, name, args_json, result_json) VALUES"
    " (7, x'00112233aabbccdd', 20, 30, 'late', '{\"a\":1}', 'null'), (7, 'not hex', 10, NULL, 'early', NULL, NULL),"
    " (8, NULL, 1, 1, 'other', NULL, NULL);"
    "INSERT INTO model_usage (replay_id, span_id, started_at, input_tokens, ttft_ms, model) VALUES"
    " (7, NULL, 5, 9007199254740993, 0, 'm')";

static void calls_and_usage_come_back_by_start(void **state) {
    struct xr_test_store *t = *state;
    struct seen seen = {.arena = t->arena};
    execute(t, CALLS);
    assert_int_equal(xr_store_tool_calls_each(t->reader, 7, see_call, &seen, NULL), XR_OK);
    assert_int_equal(seen.count, 2);
    assert_true(xr_str_eq(seen.calls[0].call.name, XR_STR("early")));
    assert_true(xr_str_eq(seen.calls[0].span_id, XR_STR("not hex")));
    assert_null(seen.calls[0].call.args_json.ptr);
    assert_true(seen.calls[0].ended_ns == XR_TIME_NONE);
    assert_true(xr_str_eq(seen.calls[1].span_id, XR_STR("00112233aabbccdd")));
    assert_true(xr_str_eq(seen.calls[1].result_json, XR_STR("null")));
    assert_int_equal(seen.calls[1].call.started_ns, 20);
    seen.count = 0;
    assert_int_equal(xr_store_model_usage_each(t->reader, 7, see_usage, &seen, NULL), XR_OK);
    assert_int_equal(seen.count, 1);
    assert_null(seen.usage[0].span_id.ptr);
    assert_null(seen.usage[0].provider.ptr);
    assert_true(seen.usage[0].input_tokens == INT64_C(9007199254740993));
    assert_int_equal(seen.usage[0].output_tokens, -1);
    assert_int_equal(seen.usage[0].usage.ttft_ms, 0);
    assert_int_equal(seen.usage[0].usage.started_ns, 5);
    assert_true(seen.usage[0].ended_ns == XR_TIME_NONE);
}

static void evidence_is_what_assertions_look_at(void **state) {
    struct xr_test_store *t = *state;
    struct xr_tool_call *calls;
    struct xr_model_usage *usage;
    size_t count;
    execute(t, CALLS);
    assert_int_equal(xr_store_tool_evidence_get(t->reader, 7, t->arena, &calls, &count, NULL), XR_OK);
    assert_int_equal(count, 2);
    assert_true(xr_str_eq(calls[0].name, XR_STR("early")));
    assert_null(calls[0].args_json.ptr);
    assert_int_equal(calls[0].started_ns, 10);
    assert_true(xr_str_eq(calls[1].args_json, XR_STR("{\"a\":1}")));
    assert_int_equal(xr_store_model_evidence_get(t->reader, 7, t->arena, &usage, &count, NULL), XR_OK);
    assert_int_equal(count, 1);
    assert_int_equal(usage[0].started_ns, 5);
    assert_int_equal(usage[0].ttft_ms, 0);
}

struct names {
    char text[64];
    size_t stop_at, count;
};

static bool note_name(struct names *names, struct xr_str name) {
    size_t used = strlen(names->text);
    snprintf(names->text + used, sizeof names->text - used, "%.*s ", XR_STR_ARG(name));
    return ++names->count != names->stop_at;
}

static bool note_call(const struct xr_tool_call_row *row, void *ctx) {
    return note_name(ctx, row->call.name);
}

static bool note_usage(const struct xr_model_usage_row *row, void *ctx) {
    return note_name(ctx, row->model);
}

static void each_call_and_usage_comes_by_start(void **state) {
    struct xr_test_store *t = *state;
    execute(t, "INSERT INTO tool_calls (replay_id, started_at, name) VALUES (7, 20, 'd'), (7, 10, 'b'), (7, 10, 'c'),"
               " (8, 1, 'x'), (7, NULL, 'a');"
               "INSERT INTO model_usage (replay_id, started_at, model) VALUES (7, 20, 'd'), (7, 10, 'b'), (7, 10, 'c'),"
               " (8, 1, 'x'), (7, NULL, 'a')");
    struct names calls = {{0}}, usage = {{0}}, two_calls = {.stop_at = 2}, two_usages = {.stop_at = 2};
    assert_int_equal(xr_store_tool_calls_each(t->reader, 7, note_call, &calls, NULL), XR_OK);
    assert_int_equal(xr_store_model_usage_each(t->reader, 7, note_usage, &usage, NULL), XR_OK);
    assert_string_equal(calls.text, "a b c d ");
    assert_string_equal(usage.text, "a b c d ");
    assert_int_equal(xr_store_tool_calls_each(t->reader, 7, note_call, &two_calls, NULL), XR_OK);
    assert_int_equal(xr_store_model_usage_each(t->reader, 7, note_usage, &two_usages, NULL), XR_OK);
    assert_string_equal(two_calls.text, "a b ");
    assert_string_equal(two_usages.text, "a b ");
}

static void totals_of_spans_are_zero_without_a_row(void **state) {
    struct xr_test_store *t = *state;
    struct xr_span_totals totals = {.spans = 1, .bytes = 1};
    execute(t, "INSERT INTO span_totals VALUES (7, 5000, 1234567890123)");
    assert_int_equal(xr_store_span_totals_get(t->reader, 8, &totals, NULL), XR_OK);
    assert_true(totals.spans == 0 && totals.bytes == 0);
    assert_int_equal(xr_store_span_totals_get(t->reader, 7, &totals, NULL), XR_OK);
    assert_true(totals.spans == 5000 && totals.bytes == INT64_C(1234567890123));
}

struct visit {
    size_t count, stop_at;
    int64_t last_id, step;
    bool parents;
};

static bool visit(const struct xr_span_row *row, void *ctx) {
    struct visit *v = ctx;
    assert_true(row->id == v->last_id + v->step);
    assert_int_equal(row->trace_id.len, 32);
    assert_int_equal(row->span_id.len, 16);
    assert_string_equal(row->vocabulary, "gen_ai");
    assert_int_equal(row->attributes_json.len, 300);
    v->parents = v->parents || row->parent_span_id.ptr;
    v->last_id = row->id;
    return ++v->count != v->stop_at;
}

/* Of replays 0 to replays - 1, one after the other. */
static void store_spans(struct xr_test_store *t, int spans, int replays) {
    char sql[512];
    snprintf(sql, sizeof sql,
             "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < %d)"
             " INSERT INTO spans (replay_id, span_id, trace_id, vocabulary, started_at, ended_at, name,"
             " attributes_json) SELECT i %% %d, randomblob(8), randomblob(16), 1, random() >> 8, 0, 'chat',"
             " printf('%%300s', '') FROM n",
             spans * replays - 1, replays);
    execute(t, sql);
}

static enum xr_code each_span(struct xr_test_store *t, int64_t replay_id,
                              bool (*each)(const struct xr_span_row *row, void *ctx), void *ctx, struct xr_err *err) {
    return xr_store_spans_each(t->reader, replay_id, t->arena, each, ctx, err);
}

static void five_thousand_spans_come_back_as_they_were_stored(void **state) {
    struct xr_test_store *t = *state;
    struct visit all = {.step = 1}, some = {.step = 1, .stop_at = 10};
    store_spans(t, XR_REPLAY_SPANS_MAX, 1);
    assert_int_equal(each_span(t, 0, visit, &all, NULL), XR_OK);
    assert_int_equal(all.count, XR_REPLAY_SPANS_MAX);
    assert_false(all.parents);
    assert_int_equal(each_span(t, 0, visit, &some, NULL), XR_OK);
    assert_int_equal(some.count, 10);
    assert_int_equal(each_span(t, 1, visit, &some, NULL), XR_OK);
    assert_int_equal(some.count, 10);
}

/* Near enough to be read in one run, and too far apart. */
static void spans_of_other_replays_in_between_are_left_out(void **state) {
    struct xr_test_store *t = *state;
    static const int REPLAYS[] = {2, 8, 9, 20};
    enum { SPANS = 300 };
    for (size_t i = 0; i < sizeof REPLAYS / sizeof *REPLAYS; i++) {
        execute(t, "DELETE FROM spans");
        store_spans(t, SPANS, REPLAYS[i]);
        for (int replay = 0; replay < REPLAYS[i]; replay++) {
            struct visit v = {.last_id = replay + 1 - REPLAYS[i], .step = REPLAYS[i]};
            struct visit some = {.last_id = replay + 1 - REPLAYS[i], .step = REPLAYS[i], .stop_at = 2};
            assert_int_equal(each_span(t, replay, visit, &v, NULL), XR_OK);
            assert_int_equal(v.count, SPANS);
            assert_int_equal(each_span(t, replay, visit, &some, NULL), XR_OK);
            assert_int_equal(some.count, 2);
        }
    }
}

static bool never(const struct xr_span_row *row, void *ctx) {
    (void)row;
    (void)ctx;
    fail_msg("a corrupt row was handed out");
    return false;
}

static void a_number_that_no_name_has_is_corrupt(void **state) {
    struct xr_test_store *t = *state;
    struct xr_err err;
    struct xr_replay r;
    struct xr_uuid uuid = xr_test_uuid(1);
    xr_test_analyzing_replay(t);
    execute(t, "INSERT INTO spans (replay_id, span_id, trace_id, vocabulary, started_at, ended_at, name,"
               " attributes_json) VALUES (7, 'a', 'b', 99, 0, 0, 'x', '{}')");
    assert_int_equal(each_span(t, 7, never, NULL, &err), XR_CORRUPT);
    execute(t, "UPDATE replays SET lifecycle_state = -1");
    assert_int_equal(xr_store_replay_get(t->reader, &uuid, t->arena, &r, &err), XR_CORRUPT);
}

static void spans_are_unique_by_replay_and_id_of_either_kind(void **state) {
    struct xr_test_store *t = *state;
    execute(t, "INSERT OR IGNORE INTO spans (replay_id, span_id, trace_id, vocabulary, started_at, ended_at, name,"
               " attributes_json) VALUES (1, x'61', '', 0, 0, 0, '', ''), (1, 'a', '', 0, 0, 0, '', ''),"
               " (2, 'a', '', 0, 0, 0, '', ''), (1, x'61', '', 0, 0, 0, '', ''), (1, 'a', '', 0, 0, 0, '', '')");
    assert_int_equal(query(t->path, "SELECT count(*) FROM spans"), 3);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(the_analysis_comes_back_in_order),
        TEST(an_unknown_uncertainty_is_null_in_its_row),
        TEST(the_stage_again_replaces_its_rows),
        TEST(a_silent_recording_has_no_rows),
        TEST(transcripts_keep_nul_and_null),
        TEST(metrics_go_to_their_rows_and_the_summary_to_the_replay),
        TEST(an_evaluation_comes_back_by_turn_and_index),
        TEST(outcomes_without_a_verdict_are_kept_but_no_result),
        TEST(nothing_is_written_once_the_replay_is_finished),
        TEST(calls_and_usage_come_back_by_start),
        TEST(evidence_is_what_assertions_look_at),
        TEST(each_call_and_usage_comes_by_start),
        TEST(totals_of_spans_are_zero_without_a_row),
        TEST(five_thousand_spans_come_back_as_they_were_stored),
        TEST(spans_of_other_replays_in_between_are_left_out),
        TEST(a_number_that_no_name_has_is_corrupt),
        TEST(spans_are_unique_by_replay_and_id_of_either_kind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
