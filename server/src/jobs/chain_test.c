// SPDX-License-Identifier: Apache-2.0
/* What a chain writes and tells when nothing goes wrong, and where it starts in the middle. */
#include "base/limits.h"
#include "jobs/testkit.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

static void switch_off(struct rig *rig, enum xr_stage_kind stage, const char *provider) {
    rig->config.stage[stage] = (struct xr_provider_choice){.provider = provider, .model = "none"};
}

/* A replay of `turns` turns from the claim to its verdict. */
static struct run *complete(struct rig *rig, uint8_t n, size_t turns) {
    struct run *run = run_new(rig, n, turns);
    xr_jobs_kick(rig->jobs);
    run_await(run);
    assert_int_equal(run_row(run).state, XR_COMPLETED);
    assert_string_equal(run_job(run).state, "none");
    return run;
}

#define PROGRESS(percent, step) "{\"type\":\"progress\",\"percent\":" #percent ",\"step\":\"" step "\"}"
#define STATE(step) "{\"type\":\"state\",\"lifecycle_state\":\"analyzing\",\"analysis_step\":\"" step "\"}"

static void a_full_run_tells_every_step_in_order(void **state) {
    static const char *const WANT[] = {
        PROGRESS(0, "vad"),         PROGRESS(25, "vad"),
        STATE("transcribe"),        PROGRESS(25, "transcribe"),
        PROGRESS(42, "transcribe"), PROGRESS(60, "transcribe"),
        PROGRESS(60, "transcribe"), STATE("metrics"),
        PROGRESS(60, "metrics"),    PROGRESS(65, "metrics"),
        STATE("evaluate"),          PROGRESS(65, "evaluate"),
        PROGRESS(100, "evaluate"),  "{\"type\":\"state\",\"lifecycle_state\":\"completed\",\"analysis_step\":null}",
    };
    struct rig *rig = *state;
    rig->jobs_config.concurrency = 1;
    rig_dialogue(rig, 2, 1);
    rig_start(rig);
    struct run *run = complete(rig, 1, 2);
    assert_int_equal(run->count, sizeof WANT / sizeof WANT[0] + 1);
    for (size_t i = 0; i + 1 < run->count; i++)
        assert_string_equal(run->events[i], WANT[i]);
    assert_non_null(strstr(run_result(run), "\"passed\":true"));
}

static void a_full_run_keeps_what_it_heard(void **state) {
    enum { TURNS = 3 };
    static const char *const HEARD[TURNS] = {"heard 0", "heard 1", "heard 2"};
    struct rig *rig = *state;
    struct xr_transcript_row *rows;
    struct xr_evaluation evaluation;
    size_t count;
    rig_dialogue(rig, TURNS, 2);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_JUDGE, .label = "J1", .score = 50, .text = "no"});
    rig_start(rig);
    struct run *run = complete(rig, 1, TURNS);
    assert_int_equal(xr_store_transcripts_get(rig->t->reader, run->id, rig->t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(count, TURNS);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(rows[i].turn_idx, i);
        assert_true(xr_str_eq(rows[i].text, xr_str_from(HEARD[i])));
        assert_true(xr_str_eq(rows[i].provider, XR_STR("fake")));
        assert_true(xr_str_eq(rows[i].model, XR_STR("fake-1")));
        assert_true(rows[i].words_json.len > 0 && rows[i].duration_ms > 0);
    }
    assert_int_equal(xr_store_evaluation_get(rig->t->reader, run->id, rig->t->arena, &evaluation, NULL), XR_OK);
    assert_int_equal(evaluation.assertion_count, TURNS);
    assert_int_equal(evaluation.judge_count, 2);
    assert_int_equal(evaluation.judges[0].status, XR_PASSED);
    assert_int_equal(evaluation.judges[0].score, 90);
    assert_int_equal(evaluation.judges[1].status, XR_FAILED);
    assert_true(xr_str_eq(evaluation.judges[1].reason, XR_STR("no")));
    assert_false(evaluation.passed);
    assert_int_equal(run_row(run).passed, 0);
    assert_true(run_row(run).response_median_ms >= 0);
}

static void progress_never_goes_back(void **state) {
    static const char *const ORDER[] = {"4", "2", "0", "1", "5", "3"};
    struct rig *rig = *state;
    int last = 0;
    rig->jobs_config.concurrency = 6;
    rig_dialogue(rig, 6, 0);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .held = true});
    rig_start(rig);
    struct run *run = run_new(rig, 1, 6);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 6);
    for (size_t i = 0; i < 6; i++)
        fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, ORDER[i]);
    run_await(run);
    for (size_t i = 0; i < run->count; i++) {
        const char *percent = strstr(run->events[i], "\"percent\":");
        if (!percent)
            continue;
        int now = atoi(percent + strlen("\"percent\":"));
        assert_true(now >= last);
        last = now;
    }
    assert_int_equal(last, 100);
    assert_int_equal(run_told(run, "progress"), 8 + 6);
}

static void no_more_calls_than_allowed_run_at_once(void **state) {
    struct rig *rig = *state;
    rig->jobs_config.concurrency = 2;
    rig_dialogue(rig, 6, 0);
    rig_start(rig);
    complete(rig, 1, 6);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), 6);
    assert_in_range(fake_most_at_once(rig->fake, XR_STAGE_TRANSCRIPTION), 1, 2);
}

static void each_stage_has_a_deadline_of_its_own(void **state) {
    enum { HEARING_MS = 100000 };
    struct rig *rig = *state;
    const int64_t stage_ns = RIG_STAGE_TIMEOUT_S * XR_NS_PER_S, began_ns = atomic_load(&rig->mono_ns);
    rig_dialogue(rig, 2, 1);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "0", .held = true});
    rig_start(rig);
    struct run *run = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    assert_int_equal(fake_deadline(rig->fake, XR_STAGE_TRANSCRIPTION), began_ns + stage_ns);
    rig_pass(rig, HEARING_MS);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    run_await(run);
    assert_int_equal(fake_deadline(rig->fake, XR_STAGE_JUDGE), began_ns + HEARING_MS * XR_NS_PER_MS + stage_ns);
}

static void without_transcription_all_is_one_commit(void **state) {
    struct rig *rig = *state;
    struct xr_evaluation evaluation;
    switch_off(rig, XR_STAGE_TRANSCRIPTION, "none");
    rig_dialogue(rig, 2, 1);
    rig_start(rig);
    struct run *run = run_new(rig, 1, 2);
    uint64_t before = xr_store_version(rig->t->store);
    xr_jobs_kick(rig->jobs);
    run_await(run);
    assert_int_equal(xr_store_version(rig->t->store) - before, 1);
    assert_int_equal(run_row(run).state, XR_COMPLETED);
    assert_int_equal(xr_store_evaluation_get(rig->t->reader, run->id, rig->t->arena, &evaluation, NULL), XR_OK);
    assert_int_equal(evaluation.assertions[0].status, XR_ERRORED);
    assert_int_equal(evaluation.judges[0].status, XR_ERRORED);
    assert_false(evaluation.passed);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION) + fake_started(rig->fake, XR_STAGE_JUDGE), 0);
}

static void a_live_conversation_passes_after_its_metrics(void **state) {
    struct rig *rig = *state;
    struct xr_evaluation evaluation;
    rig_conversation(rig, "{\"name\":\"live\",\"turns\":[],\"live\":true}");
    rig_start(rig);
    struct run *run = complete(rig, 1, 2);
    assert_int_equal(run_row(run).passed, 1);
    assert_int_equal(xr_store_evaluation_get(rig->t->reader, run->id, rig->t->arena, &evaluation, NULL), XR_OK);
    assert_int_equal(evaluation.assertion_count + evaluation.judge_count, 0);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), 2);
    assert_non_null(strstr(run_result(run), "\"turn_idx\":1"));
}

static void a_silent_recording_of_a_live_conversation_passes(void **state) {
    struct rig *rig = *state;
    rig_conversation(rig, "{\"name\":\"live\",\"turns\":[],\"live\":true}");
    rig_start(rig);
    complete(rig, 1, 0);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), 0);
}

/* --- from the middle --- */

/* Runs a dialogue with a judge to the moment when the judge is being asked, and stops there: the job of the last stage
 * waits for the next start. */
static struct run *stop_at_the_judge(struct rig *rig) {
    rig_dialogue(rig, 3, 1);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_JUDGE, .held = true, .score = 90});
    rig_start(rig);
    struct run *run = run_new(rig, 1, 3);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_JUDGE, 1);
    rig_stop(rig);
    fake_forget(rig->fake);
    assert_string_equal(run_job(run).stage, "evaluate-replay");
    assert_string_equal(run_job(run).state, "queued");
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    assert_int_equal(run_row(run).step, XR_STEP_EVALUATE);
    return run;
}

/* The result of a run that nothing interrupts. */
static char *undisturbed_result(void) {
    void *state;
    rig_setup(&state);
    struct rig *rig = state;
    rig_dialogue(rig, 3, 1);
    rig_start(rig);
    struct run *run = complete(rig, 1, 3);
    char *result = strdup(run_result(run));
    rig_teardown(&state);
    return result;
}

static void assert_resumes_identically(struct rig *rig, struct run *run) {
    char *want = undisturbed_result();
    rig_start(rig);
    run_await(run);
    assert_string_equal(run_result(run), want);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), 3); /* not heard again */
    assert_string_equal(run_job(run).state, "none");
    free(want);
}

static void a_job_of_the_last_stage_finishes_identically(void **state) {
    struct rig *rig = *state;
    assert_resumes_identically(rig, stop_at_the_judge(rig));
}

/* As if the metrics had not been committed: the job is one stage back and their rows are gone. */
static enum xr_code back_to_metrics(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct run *run = ctx;
    struct xr_job job, back;
    enum xr_code code = xr_queue_tx_claim(tx, RIG_STAGE_TIMEOUT_S, &job, NULL, err);
    if (code == XR_OK)
        code = xr_queue_tx_advance(tx, &job, XR_JOB_METRICS, RIG_STAGE_TIMEOUT_S, &back, err);
    if (code == XR_OK)
        code = xr_queue_tx_release(tx, &back, err);
    if (code == XR_OK)
        code = xr_store_tx_metrics_put(tx, run->id, NULL, 0, -1, -1, err);
    return code;
}

static void a_job_of_the_metrics_stage_finishes_identically(void **state) {
    struct rig *rig = *state;
    struct run *run = stop_at_the_judge(rig);
    assert_int_equal(rig_write(rig, back_to_metrics, run), XR_OK);
    assert_string_equal(run_job(run).stage, "calculate-metrics");
    assert_resumes_identically(rig, run);
}

/* Gives every segment that was stored this uncertainty, as if it had been found so. */
struct doubt {
    struct run *run;
    int32_t start_ms, end_ms;
};

static enum xr_code put_doubt(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct doubt *doubt = ctx;
    struct xr_test_store *t = doubt->run->rig->t;
    struct xr_segment_row *rows;
    struct xr_turn *turns;
    struct xr_segment segments[3];
    size_t count, turn_count;
    assert_int_equal(xr_store_segments_get(t->reader, doubt->run->id, t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(xr_store_turns_get(t->reader, doubt->run->id, t->arena, &turns, &turn_count, NULL), XR_OK);
    assert_int_equal(count, 3);
    for (size_t i = 0; i < count; i++) {
        segments[i] = rows[i].segment;
        segments[i].start_uncertainty_ms = doubt->start_ms;
        segments[i].end_uncertainty_ms = doubt->end_ms;
    }
    return xr_store_tx_analysis_put(tx, doubt->run->id, segments, count, turns, turn_count, NULL, err);
}

static void a_job_of_the_metrics_stage_knows_how_uncertain_the_segments_were(void **state) {
    struct rig *rig = *state;
    struct run *run = stop_at_the_judge(rig);
    struct doubt doubt = {run, 20, 21};
    assert_int_equal(rig_write(rig, back_to_metrics, run), XR_OK);
    assert_int_equal(rig_write(rig, put_doubt, &doubt), XR_OK);
    rig_start(rig);
    run_await(run);
    assert_non_null(strstr(run_result(run), "\"agent_response_uncertainty_ms\":29,"));
}

static size_t count_in(const char *text, const char *part) {
    size_t count = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        count++;
    }
    return count;
}

static void segments_of_an_earlier_version_give_no_uncertainty(void **state) {
    struct rig *rig = *state;
    struct run *run = stop_at_the_judge(rig);
    struct doubt doubt = {run, -1, -1};
    assert_int_equal(rig_write(rig, back_to_metrics, run), XR_OK);
    assert_int_equal(rig_write(rig, put_doubt, &doubt), XR_OK);
    rig_start(rig);
    run_await(run);
    assert_int_equal(count_in(run_result(run), "\"agent_response_ms\":null"), 2); /* the user's turns */
    assert_int_equal(count_in(run_result(run), "\"agent_response_uncertainty_ms\":null"), 3);
}

static void a_stop_right_after_the_start_releases_a_job_of_the_last_stage(void **state) {
    enum { TIMES = 25 };
    struct rig *rig = *state;
    struct run *run = stop_at_the_judge(rig);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_JUDGE, .held = true, .score = 90});
    for (int i = 0; i < TIMES; i++) {
        rig_start(rig);
        rig_stop(rig);
        assert_string_equal(run_job(run).state, "queued");
        assert_int_equal(run_job(run).attempt, 0);
    }
    fake_forget(rig->fake);
    assert_resumes_identically(rig, run);
}

/* --- permanent endings without a provider's fault --- */

static void a_missing_recording_is_audio_missing(void **state) {
    struct rig *rig = *state;
    char path[XR_PATH_MAX], id[XR_UUID_TEXT + 1];
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_new(rig, 1, 2);
    xr_uuid_format(&run->uuid, id);
    snprintf(path, sizeof path, "%s/audio/%s/replay.wav", rig->t->dir, id);
    assert_int_equal(remove(path), 0);
    xr_jobs_kick(rig->jobs);
    run_await_failure(run, XR_REASON_AUDIO_MISSING);
    assert_int_equal(run_job(run).attempt, 1);
}

static void a_recording_that_is_no_wav_is_audio_missing(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_recorded(rig, 1, 2);
    char path[XR_PATH_MAX], id[XR_UUID_TEXT + 1];
    xr_uuid_format(&run->uuid, id);
    snprintf(path, sizeof path, "%s/audio/%s/replay.wav", rig->t->dir, id);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("no wave", file);
    fclose(file);
    run_analyze(run, true);
    xr_jobs_kick(rig->jobs);
    run_await_failure(run, XR_REASON_AUDIO_MISSING);
}

static void too_few_turns_are_spec_vad_mismatch(void **state) {
    struct rig *rig = *state;
    struct xr_transcript_row *rows;
    size_t count;
    rig_dialogue(rig, 4, 0);
    rig_start(rig);
    struct run *run = run_new(rig, 1, 3);
    xr_jobs_kick(rig->jobs);
    run_await_failure(run, XR_REASON_SPEC_VAD_MISMATCH);
    /* What was found is written all the same, and told before. */
    assert_int_equal(xr_store_transcripts_get(rig->t->reader, run->id, rig->t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(count, 3);
    assert_int_equal(run_told(run, "\"percent\":65,\"step\":\"evaluate\""), 1);
}

static void judges_without_a_provider_are_missing_credential(void **state) {
    struct rig *rig = *state;
    switch_off(rig, XR_STAGE_JUDGE, NULL);
    rig_dialogue(rig, 2, 1);
    rig_start(rig);
    struct run *run = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    run_await_failure(run, XR_REASON_MISSING_CREDENTIAL);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_full_run_tells_every_step_in_order),
        TEST(a_full_run_keeps_what_it_heard),
        TEST(progress_never_goes_back),
        TEST(no_more_calls_than_allowed_run_at_once),
        TEST(each_stage_has_a_deadline_of_its_own),
        TEST(without_transcription_all_is_one_commit),
        TEST(a_live_conversation_passes_after_its_metrics),
        TEST(a_silent_recording_of_a_live_conversation_passes),
        TEST(a_job_of_the_last_stage_finishes_identically),
        TEST(a_job_of_the_metrics_stage_finishes_identically),
        TEST(a_job_of_the_metrics_stage_knows_how_uncertain_the_segments_were),
        TEST(segments_of_an_earlier_version_give_no_uncertainty),
        TEST(a_stop_right_after_the_start_releases_a_job_of_the_last_stage),
        TEST(a_missing_recording_is_audio_missing),
        TEST(a_recording_that_is_no_wav_is_audio_missing),
        TEST(too_few_turns_are_spec_vad_mismatch),
        TEST(judges_without_a_provider_are_missing_credential),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
