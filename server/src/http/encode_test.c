// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"
#include "base/limits.h"
#include "base/test.h"
#include "http/encode.h"
#include <string.h>

#define ID "01234567-89ab-4def-8bcd-ef0123456789"
#define HASH "abababababababababababababababababababababababababababababababab"

static const int64_t T0 = INT64_C(1767323045678) * XR_NS_PER_MS; /* 2026-01-02T03:04:05.678Z */

struct writer {
    struct xr_buf buf;
    struct xr_json j;
};

static void writer_begin(struct writer *w) {
    w->buf = xr_buf_make(XR_KIB(64));
    w->j = xr_json_make(&w->buf, XR_JSON_RESPONSE);
}

static void assert_written(struct writer *w, const char *want) {
    assert_false(w->buf.failed);
    xr_buf_char(&w->buf, '\0');
    assert_string_equal(w->buf.data, want);
    xr_buf_clear(&w->buf);
}

static struct xr_replay sample_replay(void) {
    struct xr_replay replay = {
        .state = XR_PENDING,
        .started_ns = T0 + 999999,
        .finished_ns = XR_TIME_NONE,
        .recording_started_ns = XR_TIME_NONE,
        .job_id = -1,
        .passed = -1,
        .response_median_ms = -1,
        .response_p95_ms = -1,
    };
    assert_true(xr_uuid_parse(XR_STR(ID), &replay.uuid));
    memset(replay.conversation_hash, 0xab, sizeof replay.conversation_hash);
    return replay;
}

static struct xr_conversation sample_conversation(struct xr_str spec) {
    struct xr_conversation conversation = {
        .name = XR_STR("a\0b"), .spec = spec, .created_ns = T0, .last_run_ns = T0 + XR_NS_PER_MS};
    memset(conversation.hash, 0xab, sizeof conversation.hash);
    return conversation;
}

static void a_conversation_shows_its_canonical_turns(void **state) {
    (void)state;
    struct writer w;
    struct xr_conversation conversation =
        sample_conversation(XR_STR("{\"judges\":[{\"pass_score\":70}],\"live\":true,\"live_salt\":\"x\","
                                   "\"turns\":[{\"args\":{\"n\":9007199254740992,\"x\":1e+21}}]}"));
    conversation.live = true;
    writer_begin(&w);
    assert_int_equal(xr_conversation_encode(&w.j, &conversation, NULL), XR_OK);
    assert_written(&w, "{\"hash\":\"" HASH "\",\"name\":\"a\\u0000b\",\"created_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"last_run_at\":\"2026-01-02T03:04:05.679Z\","
                       "\"turns\":[{\"args\":{\"n\":9007199254740992,\"x\":1e+21}}],"
                       "\"judges\":[{\"pass_score\":70}],\"live\":true}");
}

static void a_conversation_may_be_as_deep_as_a_spec(void **state) {
    (void)state;
    struct xr_buf spec = xr_buf_make(XR_KIB(4));
    xr_buf_str(&spec, XR_STR("{\"judges\":[],\"turns\":[{\"assertions\":[{\"args\":"));
    for (int i = 0; i < XR_JSON_DEPTH_MAX; i++)
        xr_buf_str(&spec, XR_STR("{\"a\":"));
    xr_buf_char(&spec, '1');
    for (int i = 0; i < XR_JSON_DEPTH_MAX; i++)
        xr_buf_char(&spec, '}');
    xr_buf_str(&spec, XR_STR("}]}]}"));
    struct writer w;
    struct xr_conversation conversation = sample_conversation(xr_buf_view(&spec));
    writer_begin(&w);
    assert_int_equal(xr_conversation_encode(&w.j, &conversation, NULL), XR_OK);
    assert_false(w.buf.failed);
    xr_buf_clear(&w.buf);
    xr_buf_clear(&spec);
}

static void a_damaged_conversation_is_corrupt(void **state) {
    (void)state;
    static const char *const DAMAGED[] = {"", "{", "[]", "{\"turns\":[]}", "{\"turns\":{},\"judges\":[]}"};
    for (size_t i = 0; i < sizeof DAMAGED / sizeof *DAMAGED; i++) {
        struct writer w;
        struct xr_conversation conversation = sample_conversation(xr_str_from(DAMAGED[i]));
        writer_begin(&w);
        assert_int_equal(xr_conversation_encode(&w.j, &conversation, NULL), XR_CORRUPT);
        xr_buf_clear(&w.buf);
    }
}

static void a_list_item_without_replays_has_no_latest(void **state) {
    (void)state;
    struct writer w;
    struct xr_conversation_item item = {.hash = HASH, .name = XR_STR("n"), .created_ns = T0, .last_run_ns = T0};
    writer_begin(&w);
    xr_conversation_item_encode(&w.j, &item);
    assert_written(&w, "{\"hash\":\"" HASH "\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"last_run_at\":\"2026-01-02T03:04:05.678Z\",\"replays\":0,\"latest\":null,\"recent\":[]}");
}

static void the_first_recent_replay_is_the_latest(void **state) {
    (void)state;
    struct writer w;
    const struct xr_conversation_recent recent[] = {{.replay_id = ID, .state = XR_ANALYZING, .passed = -1},
                                                    {.replay_id = "b", .state = XR_COMPLETED, .passed = 0}};
    struct xr_conversation_item item = {.hash = HASH,
                                        .name = XR_STR("n"),
                                        .created_ns = T0,
                                        .last_run_ns = T0,
                                        .replays = 21,
                                        .recent = recent,
                                        .recent_count = 2};
    writer_begin(&w);
    xr_conversation_item_encode(&w.j, &item);
    assert_written(&w, "{\"hash\":\"" HASH "\",\"name\":\"n\",\"created_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"last_run_at\":\"2026-01-02T03:04:05.678Z\",\"replays\":21,"
                       "\"latest\":{\"id\":\"" ID "\",\"lifecycle_state\":\"analyzing\",\"passed\":null},"
                       "\"recent\":[{\"id\":\"" ID "\",\"passed\":null,\"lifecycle_state\":\"analyzing\"},"
                       "{\"id\":\"b\",\"passed\":false,\"lifecycle_state\":\"completed\"}]}");
}

static void a_new_replay_is_mostly_null(void **state) {
    (void)state;
    struct writer w;
    struct xr_replay replay = sample_replay();
    writer_begin(&w);
    xr_replay_item_encode(&w.j, &replay);
    assert_written(&w, "{\"id\":\"" ID "\",\"conversation_hash\":\"" HASH "\",\"lifecycle_state\":\"pending\","
                       "\"analysis_step\":null,\"failure_reason\":null,\"started_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"finished_at\":null,\"run_config\":null,\"passed\":null,\"response_ms\":null}");
}

static void a_finished_replay_shows_verdict_and_times(void **state) {
    (void)state;
    struct writer w;
    struct xr_replay replay = sample_replay();
    replay.state = XR_FAILED_STATE;
    replay.reason = XR_REASON_TIMEOUT;
    replay.finished_ns = T0 + XR_NS_PER_S;
    replay.passed = 1;
    replay.response_median_ms = 0;
    replay.response_p95_ms = 1200;
    replay.run_config = XR_STR("[1]");
    writer_begin(&w);
    xr_replay_item_encode(&w.j, &replay);
    assert_written(&w, "{\"id\":\"" ID "\",\"conversation_hash\":\"" HASH "\",\"lifecycle_state\":\"failed\","
                       "\"analysis_step\":null,\"failure_reason\":\"timeout\","
                       "\"started_at\":\"2026-01-02T03:04:05.678Z\",\"finished_at\":\"2026-01-02T03:04:06.678Z\","
                       "\"run_config\":[1],\"passed\":true,\"response_ms\":{\"median\":0,\"p95\":1200}}");
}

static void a_detail_names_its_recording_and_job(void **state) {
    (void)state;
    struct writer w;
    struct xr_replay replay = sample_replay();
    replay.state = XR_ANALYZING;
    replay.step = XR_STEP_VAD;
    replay.has_audio = true;
    replay.recording_started_ns = T0;
    replay.job_id = 7;
    writer_begin(&w);
    xr_json_object(&w.j);
    xr_detail_head_encode(&w.j, &replay);
    xr_json_object_end(&w.j);
    assert_written(&w, "{\"id\":\"" ID "\",\"conversation_hash\":\"" HASH "\",\"lifecycle_state\":\"analyzing\","
                       "\"analysis_step\":\"vad\",\"failure_reason\":null,"
                       "\"started_at\":\"2026-01-02T03:04:05.678Z\",\"finished_at\":null,"
                       "\"recording_started_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"audio_path\":\"" ID "/replay.wav\",\"job_id\":\"7\",\"run_config\":null}");
}

static void times_in_a_recording_are_floored_milliseconds(void **state) {
    (void)state;
    struct writer w;
    const struct xr_turn turn = {.idx = 2,
                                 .role = XR_CHANNEL_AGENT,
                                 .turn_start_ns = 1999999,
                                 .turn_end_ns = 3000000,
                                 .voice_start_ns = 2000000,
                                 .voice_end_ns = 3999999};
    const struct xr_segment_row segment = {.id = 9, .segment = {XR_CHANNEL_USER, 5000000, 6000001, 1, 1}};
    writer_begin(&w);
    xr_json_array(&w.j);
    xr_detail_turn_encode(&w.j, &turn);
    xr_segment_encode(&w.j, &segment);
    xr_json_array_end(&w.j);
    assert_written(&w, "[{\"idx\":2,\"role\":\"agent\",\"turn_start_ms\":1,\"turn_end_ms\":3,\"voice_start_ms\":2,"
                       "\"voice_end_ms\":3},{\"id\":9,\"channel\":\"user\",\"start_ms\":5,\"end_ms\":6}]");
}

static void an_empty_word_list_is_null(void **state) {
    (void)state;
    static const struct {
        struct xr_str words;
        const char *want;
    } CASES[] = {
        {{0}, "null"},
        {XR_STR("[]"), "null"},
        {XR_STR("[{\"text\":\"a\",\"start_ms\":0,\"end_ms\":5}]"), "[{\"text\":\"a\",\"start_ms\":0,\"end_ms\":5}]"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct writer w;
        char want[200];
        const struct xr_transcript_row row = {.turn_idx = 1,
                                              .text = XR_STR("a"),
                                              .words_json = CASES[i].words,
                                              .duration_ms = 10,
                                              .provider = XR_STR("local"),
                                              .model = XR_STR("m")};
        writer_begin(&w);
        xr_transcript_encode(&w.j, &row);
        snprintf(want, sizeof want,
                 "{\"turn_idx\":1,\"text\":\"a\",\"language\":null,\"words\":%s,\"duration_ms\":10,"
                 "\"provider\":\"local\",\"model\":\"m\"}",
                 CASES[i].want);
        assert_written(&w, want);
    }
}

static void offsets_and_latencies_are_null_where_they_make_no_sense(void **state) {
    (void)state;
    static const struct {
        int64_t anchor, started, ended;
        const char *offset, *latency;
    } CASES[] = {
        {0, 1999999, 3999999, "1", "2"},
        {2000000, 1999999, 1999999, "-1", "0"}, /* before the recording; floor, not towards zero */
        {XR_TIME_NONE, 0, 5000000, "null", "5"},
        {0, XR_TIME_NONE, 5000000, "null", "null"},
        {0, 5000000, XR_TIME_NONE, "5", "null"},
        {0, 5000000, 4000000, "5", "null"},
        {INT64_MIN + 1, INT64_MAX, INT64_MAX, "null", "0"},
        {0, INT64_MIN + 1, INT64_MAX, "-9223372036855", "null"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct writer w;
        const struct xr_tool_call_row row = {
            .id = 1, .call = {.started_ns = CASES[i].started, .name = XR_STR("f")}, .ended_ns = CASES[i].ended};
        writer_begin(&w);
        xr_tool_call_encode(&w.j, &row, CASES[i].anchor);
        xr_buf_char(&w.buf, '\0');
        char offset[64], latency[64];
        snprintf(offset, sizeof offset, "\"audio_offset_ms\":%s,", CASES[i].offset);
        snprintf(latency, sizeof latency, "\"latency_ms\":%s}", CASES[i].latency);
        assert_non_null(strstr(w.buf.data, offset));
        assert_non_null(strstr(w.buf.data, latency));
        xr_buf_clear(&w.buf);
    }
}

static void calls_usage_and_spans_have_every_member(void **state) {
    (void)state;
    struct writer w;
    const struct xr_tool_call_row call = {
        .id = 1, .call = {.started_ns = XR_TIME_NONE, .name = XR_STR("f")}, .ended_ns = XR_TIME_NONE};
    const struct xr_model_usage_row usage = {.id = 2,
                                             .span_id = XR_STR("ab"),
                                             .input_tokens = 0,
                                             .output_tokens = -1,
                                             .total_tokens = 3,
                                             .usage = {.started_ns = T0, .ttft_ms = -1},
                                             .ended_ns = T0};
    const struct xr_span_row span = {.id = 3,
                                     .trace_id = XR_STR("t"),
                                     .span_id = XR_STR("s"),
                                     .name = XR_STR("n"),
                                     .vocabulary = "gen_ai",
                                     .started_ns = T0,
                                     .ended_ns = T0,
                                     .attributes_json = XR_STR("{\"a\":1}")};
    writer_begin(&w);
    xr_json_array(&w.j);
    xr_tool_call_encode(&w.j, &call, T0);
    xr_model_usage_encode(&w.j, &usage, T0);
    xr_span_encode(&w.j, &span, XR_TIME_NONE);
    xr_json_array_end(&w.j);
    assert_written(&w, "[{\"id\":1,\"audio_offset_ms\":null,\"span_id\":null,\"name\":\"f\",\"args_json\":null,"
                       "\"result_json\":null,\"started_at\":null,\"ended_at\":null,\"latency_ms\":null},"
                       "{\"id\":2,\"audio_offset_ms\":0,\"span_id\":\"ab\",\"provider\":null,\"model\":null,"
                       "\"input_tokens\":0,\"output_tokens\":null,\"total_tokens\":3,\"ttft_ms\":null,"
                       "\"started_at\":\"2026-01-02T03:04:05.678Z\",\"ended_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"latency_ms\":0},"
                       "{\"id\":3,\"trace_id\":\"t\",\"span_id\":\"s\",\"parent_span_id\":null,\"name\":\"n\","
                       "\"vocabulary\":\"gen_ai\",\"started_at\":\"2026-01-02T03:04:05.678Z\","
                       "\"ended_at\":\"2026-01-02T03:04:05.678Z\",\"attributes_json\":\"{\\\"a\\\":1}\","
                       "\"audio_offset_ms\":null}]");
}

static void usage_shows_zeros_and_nulls_apart(void **state) {
    (void)state;
    struct writer w;
    const struct xr_usage_row row = {.stage = XR_USAGE_TRANSCRIPTION,
                                     .provider = XR_STR("p"),
                                     .model = XR_STR("m"),
                                     .calls = 2,
                                     .input_tokens = 0,
                                     .output_tokens = -1,
                                     .audio_ms = INT64_MAX,
                                     .characters = -1};
    writer_begin(&w);
    xr_usage_encode(&w.j, &row);
    assert_written(&w, "{\"stage\":\"transcription\",\"provider\":\"p\",\"model\":\"m\",\"calls\":2,"
                       "\"input_tokens\":0,\"output_tokens\":null,\"audio_ms\":9223372036854775807,"
                       "\"characters\":null}");
}

static void levels_have_one_decimal(void **state) {
    (void)state;
    struct writer w;
    const struct xr_vad_levels levels[XR_CHANNEL_COUNT] = {{-62.34, -20.06, -50}, {-100, -100, -100}};
    writer_begin(&w);
    xr_audio_levels_encode(&w.j, levels);
    assert_written(&w, "{\"user\":{\"noise_floor_dbfs\":-62.3,\"speech_dbfs\":-20.1},"
                       "\"agent\":{\"noise_floor_dbfs\":-100,\"speech_dbfs\":-100}}");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_shows_its_canonical_turns),
        cmocka_unit_test(a_conversation_may_be_as_deep_as_a_spec),
        cmocka_unit_test(a_damaged_conversation_is_corrupt),
        cmocka_unit_test(a_list_item_without_replays_has_no_latest),
        cmocka_unit_test(the_first_recent_replay_is_the_latest),
        cmocka_unit_test(a_new_replay_is_mostly_null),
        cmocka_unit_test(a_finished_replay_shows_verdict_and_times),
        cmocka_unit_test(a_detail_names_its_recording_and_job),
        cmocka_unit_test(times_in_a_recording_are_floored_milliseconds),
        cmocka_unit_test(an_empty_word_list_is_null),
        cmocka_unit_test(offsets_and_latencies_are_null_where_they_make_no_sense),
        cmocka_unit_test(calls_usage_and_spans_have_every_member),
        cmocka_unit_test(usage_shows_zeros_and_nulls_apart),
        cmocka_unit_test(levels_have_one_decimal),
    };
    return cmocka_run_group_tests_name("http/encode", tests, NULL, NULL);
}
