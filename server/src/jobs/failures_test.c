// SPDX-License-Identifier: Apache-2.0
/* Every way a provider can fail, in every position, and what becomes of the replay. */
#include "base/limits.h"
#include "jobs/testkit.h"
#include "store/internal.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { TURNS = 4, JUDGES = 3, PAST_BACKOFF_MS = 2000 };

/* What the failure of one call means for its replay. */
struct meaning {
    enum xr_code code;
    enum xr_reason reason; /* XR_REASON_NONE: the replay completes */
    int attempts;
};

static size_t assertion_rows(struct run *run) {
    static const char SQL[] = "SELECT count(*) FROM assertion_results WHERE replay_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    assert_int_equal(xr_sql_prepare(xr_store_reader_sql(run->rig->t->reader), SQL, &stmt, NULL), XR_OK);
    xr_stmt_bind_int(stmt, 1, run->id);
    assert_int_equal(xr_stmt_one(stmt, NULL), XR_OK);
    return (size_t)xr_stmt_int(stmt, 0);
}

/* Waits until the job is to be tried again, and lets its time come. */
static void try_again(struct run *run, int attempt) {
    struct rig *rig = run->rig;
    rig_await_ending(rig, "retry");
    struct job_row job = run_job(run);
    int64_t wait_ms = xr_ns_to_ms(job.due_ns - atomic_load(&rig->now_ns));
    int64_t shortest_ms = XR_JOB_BACKOFF_MS << (attempt - 1);
    assert_string_equal(job.state, "queued");
    assert_int_equal(job.attempt, attempt);
    assert_in_range(wait_ms, shortest_ms, shortest_ms * 3 / 2);
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    rig_advance(rig, PAST_BACKOFF_MS);
}

static struct run *fail_one_call(struct rig *rig, uint8_t n, enum xr_stage_kind stage, const char *label,
                                 const struct meaning *meaning) {
    fake_forget(rig->fake);
    fake_script(rig->fake, (struct fake_rule){.stage = stage, .label = label, .code = meaning->code});
    struct run *run = run_new(rig, n, TURNS);
    xr_jobs_kick(rig->jobs);
    for (int attempt = 1; attempt < meaning->attempts; attempt++)
        try_again(run, attempt);
    return run;
}

static void assert_failed(struct run *run, const char *label, const struct meaning *meaning) {
    char error[RIG_ERROR_MAX];
    run_await_failure(run, meaning->reason);
    struct job_row job = run_job(run);
    assert_int_equal(job.attempt, meaning->attempts);
    snprintf(error, sizeof error, "%s: %s", label, xr_code_name(meaning->code));
    assert_non_null(strstr(job.error, error));
    assert_int_equal(run_told(run, "\"type\":\"failed\""), 1);
    assert_int_equal(run_told(run, "\"lifecycle_state\":\"failed\""), 1);
}

static void a_transcription_that_fails_fails_the_replay(void **state) {
    static const struct meaning MEANINGS[] = {
        {XR_UNAVAILABLE, XR_REASON_TRANSCRIPTION_FAILED, 1}, {XR_REFUSED, XR_REASON_TRANSCRIPTION_FAILED, 1},
        {XR_TIMEOUT, XR_REASON_TRANSCRIPTION_FAILED, 1},     {XR_NO_CREDENTIAL, XR_REASON_MISSING_CREDENTIAL, 1},
        {XR_INTERNAL, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},   {XR_NO_MEMORY, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},
        {XR_IO, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},         {XR_STORAGE_FULL, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},
        {XR_CANCELLED, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},
    };
    static const char *const POSITIONS[TURNS] = {"0", "1", "2", "3"};
    struct rig *rig = *state;
    uint8_t n = 0;
    rig_dialogue(rig, TURNS, 0);
    rig_start(rig);
    for (size_t m = 0; m < sizeof MEANINGS / sizeof MEANINGS[0]; m++) {
        for (size_t p = 0; p < TURNS; p++) {
            struct run *run = fail_one_call(rig, ++n, XR_STAGE_TRANSCRIPTION, POSITIONS[p], &MEANINGS[m]);
            assert_failed(run, POSITIONS[p], &MEANINGS[m]);
            assert_string_equal(run_job(run).stage, "analyze-replay");
            assert_int_equal(assertion_rows(run), 0);
        }
    }
}

static void a_judge_that_fails_fails_the_replay_and_keeps_the_assertions(void **state) {
    static const struct meaning MEANINGS[] = {
        {XR_UNAVAILABLE, XR_REASON_EVALUATION_FAILED, 1},    {XR_TIMEOUT, XR_REASON_EVALUATION_FAILED, 1},
        {XR_NO_CREDENTIAL, XR_REASON_MISSING_CREDENTIAL, 1}, {XR_INTERNAL, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},
        {XR_NO_MEMORY, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},  {XR_CANCELLED, XR_REASON_MAX_ATTEMPTS_EXCEEDED, 3},
    };
    static const char *const POSITIONS[JUDGES] = {"J0", "J1", "J2"};
    struct rig *rig = *state;
    uint8_t n = 0;
    rig_dialogue(rig, TURNS, JUDGES);
    rig_start(rig);
    for (size_t m = 0; m < sizeof MEANINGS / sizeof MEANINGS[0]; m++) {
        for (size_t p = 0; p < JUDGES; p++) {
            struct run *run = fail_one_call(rig, ++n, XR_STAGE_JUDGE, POSITIONS[p], &MEANINGS[m]);
            assert_failed(run, POSITIONS[p], &MEANINGS[m]);
            assert_string_equal(run_job(run).stage, "evaluate-replay");
            assert_int_equal(assertion_rows(run), TURNS);
        }
    }
    /* What was transcribed once is not transcribed again for an evaluation's retry. */
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), (size_t)n * TURNS);
}

static void a_judge_that_refuses_is_errored_and_the_replay_completes(void **state) {
    static const char *const POSITIONS[JUDGES] = {"J0", "J1", "J2"};
    struct rig *rig = *state;
    rig_dialogue(rig, TURNS, JUDGES);
    rig_start(rig);
    for (size_t p = 0; p < JUDGES; p++) {
        struct xr_evaluation e;
        const struct meaning meaning = {XR_REFUSED, XR_REASON_NONE, 1};
        struct run *run = fail_one_call(rig, (uint8_t)(p + 1), XR_STAGE_JUDGE, POSITIONS[p], &meaning);
        run_await(run);
        assert_int_equal(run_row(run).state, XR_COMPLETED);
        assert_int_equal(run_row(run).passed, 0);
        assert_int_equal(xr_store_evaluation_get(rig->t->reader, run->id, rig->t->arena, &e, NULL), XR_OK);
        assert_int_equal(e.judge_count, JUDGES);
        for (size_t i = 0; i < JUDGES; i++) {
            assert_int_equal(e.judges[i].status, i == p ? XR_ERRORED : XR_PASSED);
            assert_int_equal(e.judges[i].score, i == p ? -1 : 90);
            assert_true(e.judges[i].reason.len > 0);
        }
    }
}

static void a_fault_that_passes_is_forgotten(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "1", .code = XR_INTERNAL, .times = 2});
    struct run *run = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    try_again(run, 1);
    try_again(run, 2);
    run_await(run);
    assert_int_equal(run_row(run).state, XR_COMPLETED);
    assert_int_equal(run_row(run).passed, 1);
    assert_string_equal(run_job(run).state, "none");
}

/* No place at the provider until the deadline, four times: more than a job has attempts. */
static void a_replay_that_found_no_place_goes_back_into_the_queue(void **state) {
    static const enum xr_stage_kind STAGES[] = {XR_STAGE_TRANSCRIPTION, XR_STAGE_JUDGE};
    enum { TIMES = XR_JOB_ATTEMPTS + 1 };
    struct rig *rig = *state;
    rig_dialogue(rig, 1, 1);
    rig_start(rig);
    for (uint8_t i = 0; i < 2; i++) {
        fake_forget(rig->fake);
        fake_script(rig->fake, (struct fake_rule){.stage = STAGES[i], .code = XR_OVERLOADED, .times = TIMES});
        size_t before = fake_started(rig->fake, STAGES[i]);
        struct run *run = run_new(rig, (uint8_t)(i + 1), 1);
        xr_jobs_kick(rig->jobs);
        for (int n = 0; n < TIMES; n++)
            rig_await_ending(rig, "released");
        run_await(run);
        assert_int_equal(run_row(run).state, XR_COMPLETED);
        assert_int_equal(run_row(run).passed, 1);
        assert_int_equal(fake_started(rig->fake, STAGES[i]), before + TIMES + 1);
        assert_string_equal(run_job(run).state, "none");
    }
}

static void a_waiting_retry_is_not_run_before_its_time(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "0", .code = XR_INTERNAL, .times = 1});
    struct run *first = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    rig_await_ending(rig, "retry");
    size_t calls = fake_started(rig->fake, XR_STAGE_TRANSCRIPTION);
    /* Others pass it by. */
    struct run *second = run_new(rig, 2, 2);
    rig_advance(rig, XR_JOB_BACKOFF_MS - 1);
    run_await(second);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), calls + 2);
    assert_string_equal(run_job(first).state, "queued");
    rig_advance(rig, XR_JOB_BACKOFF_MS);
    run_await(first);
    assert_int_equal(run_row(first).state, XR_COMPLETED);
}

static void the_first_failure_cancels_the_others_and_is_the_one_told(void **state) {
    struct rig *rig = *state;
    rig->jobs_config.concurrency = TURNS;
    rig_dialogue(rig, TURNS, 0);
    rig_start(rig);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .held = true});
    fake_script(rig->fake, (struct fake_rule){
                               .stage = XR_STAGE_TRANSCRIPTION, .label = "2", .code = XR_NO_CREDENTIAL, .held = true});
    struct run *run = run_new(rig, 1, TURNS);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, TURNS);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "2");
    run_await_failure(run, XR_REASON_MISSING_CREDENTIAL);
    assert_non_null(strstr(run_job(run).error, "2: no_credential"));
}

static void turns_after_a_failure_are_not_sent(void **state) {
    struct rig *rig = *state;
    rig->jobs_config.concurrency = 1;
    rig_dialogue(rig, TURNS, 0);
    rig_start(rig);
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "1", .code = XR_UNAVAILABLE});
    struct run *run = run_new(rig, 1, TURNS);
    xr_jobs_kick(rig->jobs);
    run_await_failure(run, XR_REASON_TRANSCRIPTION_FAILED);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), 2);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_transcription_that_fails_fails_the_replay),
        TEST(a_judge_that_fails_fails_the_replay_and_keeps_the_assertions),
        TEST(a_judge_that_refuses_is_errored_and_the_replay_completes),
        TEST(a_fault_that_passes_is_forgotten),
        TEST(a_replay_that_found_no_place_goes_back_into_the_queue),
        TEST(a_waiting_retry_is_not_run_before_its_time),
        TEST(the_first_failure_cancels_the_others_and_is_the_one_told),
        TEST(turns_after_a_failure_are_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
