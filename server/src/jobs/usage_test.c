// SPDX-License-Identifier: Apache-2.0
/* What a chain's calls have used is the replay's, once, however the chain ends. */
#include "base/limits.h"
#include "jobs/testkit.h"
#include "store/fault_vfs.h"
#include "store/usage.h"
#include <sched.h>
#include <stdlib.h>

enum { PAST_BACKOFF_MS = 2000, FAULTS_MAX = 32 };

/* What a stage has used so far; without a row: nothing, unknown. There is at most one, the fake's. */
static struct xr_usage_row used(struct run *run, enum xr_usage_stage stage) {
    struct xr_usage_row *rows, none = {.input_tokens = -1, .output_tokens = -1, .audio_ms = -1, .characters = -1};
    struct rig *rig = run->rig;
    size_t count;
    assert_int_equal(xr_store_usage_get(rig->t->reader, run->id, rig->t->arena, &rows, &count, NULL), XR_OK);
    assert_in_range(count, 0, XR_USAGE_STAGE_COUNT);
    for (size_t i = 0; i < count; i++)
        if (rows[i].stage == stage)
            return rows[i];
    return none;
}

static void assert_heard(struct run *run, int64_t calls) {
    const struct xr_usage_row row = used(run, XR_USAGE_TRANSCRIPTION);
    assert_int_equal(row.calls, calls);
    assert_int_equal(row.audio_ms, calls ? calls * FAKE_HEARD_MS : -1);
    assert_int_equal(row.input_tokens, -1);
    assert_int_equal(row.output_tokens, -1);
    assert_int_equal(row.characters, -1);
}

/* refused: so many of the calls brought no output. */
static void assert_judged(struct run *run, int64_t calls, int64_t refused) {
    const struct xr_usage_row row = used(run, XR_USAGE_JUDGE);
    assert_int_equal(row.calls, calls);
    assert_int_equal(row.input_tokens, calls ? calls * FAKE_INPUT_TOKENS : -1);
    assert_int_equal(row.output_tokens, calls > refused ? (calls - refused) * FAKE_OUTPUT_TOKENS : -1);
    assert_int_equal(row.audio_ms, -1);
    assert_int_equal(row.characters, -1);
}

static void script(struct rig *rig, enum xr_stage_kind stage, const char *label, enum xr_code code) {
    fake_script(rig->fake, (struct fake_rule){.stage = stage, .label = label, .code = code, .score = 90});
}

/* The next call of that label waits for fake_release. */
static void hold(struct rig *rig, enum xr_stage_kind stage, const char *label, enum xr_code code) {
    fake_script(rig->fake, (struct fake_rule){
                               .stage = stage, .label = label, .code = code, .score = 90, .held = true, .times = 1});
}

static struct run *begin(struct rig *rig, uint8_t n, size_t turns) {
    struct run *run = run_new(rig, n, turns);
    xr_jobs_kick(rig->jobs);
    return run;
}

static void assert_completes(struct run *run) {
    run_await(run);
    assert_int_equal(run_row(run).state, XR_COMPLETED);
}

/* --- verdicts --- */

static void a_completed_replay_has_what_its_calls_used(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 3, 2);
    rig_start(rig);
    struct run *run = begin(rig, 1, 3);
    assert_completes(run);
    assert_heard(run, 3);
    assert_judged(run, 2, 0);
    assert_int_equal(used(run, XR_USAGE_TTS).calls, 0);
    const struct xr_usage_row row = used(run, XR_USAGE_JUDGE);
    assert_true(xr_str_eq(row.provider, XR_STR("fake")) && xr_str_eq(row.model, XR_STR("fake-1")));
}

static void transcripts_and_their_usage_are_there_before_the_verdict(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 1);
    hold(rig, XR_STAGE_JUDGE, "J0", XR_OK);
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    fake_await(rig->fake, XR_STAGE_JUDGE, 1);
    assert_heard(run, 2);
    assert_judged(run, 0, 0);
    fake_release(rig->fake, XR_STAGE_JUDGE, "J0");
    assert_completes(run);
    assert_heard(run, 2);
    assert_judged(run, 1, 0);
}

static void an_answer_that_nobody_can_use_is_paid_for(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 3);
    script(rig, XR_STAGE_JUDGE, "J1", XR_REFUSED);
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    assert_completes(run);
    assert_judged(run, 3, 1);
}

static void a_live_conversation_uses_transcription_only(void **state) {
    struct rig *rig = *state;
    rig_conversation(rig, "{\"name\":\"live\",\"turns\":[],\"live\":true}");
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    assert_completes(run);
    assert_heard(run, 2);
    assert_judged(run, 0, 0);
}

static void without_calls_nothing_is_used(void **state) {
    struct rig *rig = *state;
    rig->config.stage[XR_STAGE_TRANSCRIPTION] = (struct xr_provider_choice){.provider = "none"};
    rig_dialogue(rig, 2, 1);
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    assert_completes(run);
    assert_heard(run, 0);
    assert_judged(run, 0, 0);
}

/* --- failures --- */

static void a_transcription_that_fails_half_way_keeps_what_was_heard(void **state) {
    struct rig *rig = *state;
    rig->jobs_config.concurrency = 1;
    rig_dialogue(rig, 4, 0);
    script(rig, XR_STAGE_TRANSCRIPTION, "2", XR_UNAVAILABLE);
    rig_start(rig);
    struct run *run = begin(rig, 1, 4);
    run_await_failure(run, XR_REASON_TRANSCRIPTION_FAILED);
    assert_heard(run, 2);
    fake_forget(rig->fake);
    script(rig, XR_STAGE_TRANSCRIPTION, "2", XR_REFUSED);
    struct run *refused = begin(rig, 2, 4);
    run_await_failure(refused, XR_REASON_TRANSCRIPTION_FAILED);
    assert_heard(refused, 3);
}

static void turns_that_do_not_fit_the_script_were_heard_all_the_same(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 4, 1);
    rig_start(rig);
    struct run *run = begin(rig, 1, 3);
    run_await_failure(run, XR_REASON_SPEC_VAD_MISMATCH);
    assert_heard(run, 3);
    assert_judged(run, 0, 0);
}

/* A replay whose judge J0 fails with code after J1 was answered. */
static struct run *fail_the_first_judge(struct rig *rig, enum xr_code code) {
    rig_dialogue(rig, 2, 2);
    hold(rig, XR_STAGE_JUDGE, "J0", code);
    hold(rig, XR_STAGE_JUDGE, "J1", XR_OK);
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    fake_await(rig->fake, XR_STAGE_JUDGE, 2);
    fake_release(rig->fake, XR_STAGE_JUDGE, "J1");
    fake_release(rig->fake, XR_STAGE_JUDGE, "J0");
    return run;
}

static void a_judge_that_fails_leaves_the_others_to_be_paid(void **state) {
    struct rig *rig = *state;
    struct run *run = fail_the_first_judge(rig, XR_UNAVAILABLE);
    run_await_failure(run, XR_REASON_EVALUATION_FAILED);
    assert_heard(run, 2);
    assert_judged(run, 1, 0);
}

static void an_attempt_that_is_tried_again_adds(void **state) {
    struct rig *rig = *state;
    struct run *run = fail_the_first_judge(rig, XR_INTERNAL);
    rig_await_ending(rig, "retry");
    assert_judged(run, 1, 0);
    rig_advance(rig, PAST_BACKOFF_MS);
    assert_completes(run);
    assert_heard(run, 2); /* not again */
    assert_judged(run, 3, 0);
}

/* What POST .../retry does. */
static enum xr_code apply_retry(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct run *run = ctx;
    struct xr_replay row;
    struct xr_replay_change change = {
        .actor = XR_BY_RETRY, .to = XR_ANALYZING, .step = XR_STEP_VAD, .finished_ns = XR_TIME_NONE, .job_id = -1};
    enum xr_code code = xr_queue_tx_enqueue(tx, run->id, &run->uuid, XR_JOB_ANALYZE, &change.job_id, err);
    return code == XR_OK ? xr_store_tx_replay_change(tx, run->id, &change, &row, err) : code;
}

static void a_replay_that_is_run_again_adds(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 1);
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_JUDGE, .label = "J0", .code = XR_UNAVAILABLE, .times = 1});
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    run_await_failure(run, XR_REASON_EVALUATION_FAILED);
    assert_heard(run, 2);
    assert_judged(run, 0, 0);
    assert_int_equal(rig_write(rig, apply_retry, run), XR_OK);
    run->over = false;
    xr_jobs_kick(rig->jobs);
    assert_completes(run);
    assert_heard(run, 4);
    assert_judged(run, 1, 0);
}

static void a_stop_keeps_what_was_answered_before_it(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    hold(rig, XR_STAGE_TRANSCRIPTION, "0", XR_OK);
    hold(rig, XR_STAGE_TRANSCRIPTION, "1", XR_OK);
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "1");
    rig_stop(rig);
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    assert_heard(run, 1);
    rig_start(rig);
    assert_completes(run);
    assert_heard(run, 3);
}

static enum xr_code take_over(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct xr_job job;
    (void)ctx;
    enum xr_code code = xr_queue_tx_void_leases(tx, err);
    return code == XR_OK ? xr_queue_tx_claim(tx, RIG_STAGE_TIMEOUT_S, &job, NULL, err) : code;
}

static void transcripts_that_are_not_ours_to_write_add_nothing(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    hold(rig, XR_STAGE_TRANSCRIPTION, "0", XR_OK);
    rig_start(rig);
    struct run *run = begin(rig, 1, 2);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    assert_int_equal(rig_write(rig, take_over, NULL), XR_OK);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    rig_await_ending(rig, "given up");
    assert_heard(run, 0);
}

/* --- faults of the disk --- */

static enum xr_code nothing(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    (void)tx, (void)ctx, (void)err;
    return XR_OK;
}

/* Waits until a write has failed, what follows from it was submitted, and that has ended too. */
static void await_sick_store(struct rig *rig) {
    while (xr_store_health(rig->t->store, NULL) == XR_OK)
        sched_yield();
    for (int i = 0; i < 2; i++)
        (void)rig_write(rig, nothing, NULL); /* fails if it shares a group with them */
}

static void an_ending_that_is_tried_until_it_can_be_written_counts_once(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    hold(rig, XR_STAGE_TRANSCRIPTION, "0", XR_REFUSED);
    hold(rig, XR_STAGE_TRANSCRIPTION, "1", XR_OK);
    struct run *run = begin(rig, 1, 2);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "1");
    fault_arm(FAULT_FULL, ".db-wal", 1, true);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    await_sick_store(rig);
    assert_true(fault_disarm());
    assert_heard(run, 0);
    rig_advance(rig, XR_ENDING_RETRY_MS);
    run_await_failure(run, XR_REASON_TRANSCRIPTION_FAILED);
    assert_heard(run, 2);
}

static void results_that_cannot_be_written_are_paid_for_once_each_time(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    hold(rig, XR_STAGE_TRANSCRIPTION, "0", XR_OK);
    struct run *run = begin(rig, 1, 2);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    fault_arm(FAULT_FULL, "xray.db-wal", 1, true);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    await_sick_store(rig);
    assert_true(fault_disarm());
    assert_heard(run, 0);
    rig_advance(rig, XR_ENDING_RETRY_MS);
    rig_await_ending(rig, "retry");
    assert_heard(run, 2);
    rig_advance(rig, PAST_BACKOFF_MS);
    assert_completes(run);
    assert_heard(run, 4);
}

/* Lets the n-th write to the queue's log fail while a job is given back to be tried again, after one of its two calls
 * was answered. *ret_apart: its usage was committed, but the job could not be. False: the fault did not strike. */
static bool survive_a_fault_of_the_queue(struct rig *rig, uint8_t n, bool *ret_apart) {
    size_t before = fake_started(rig->fake, XR_STAGE_TRANSCRIPTION);
    hold(rig, XR_STAGE_TRANSCRIPTION, "0", XR_INTERNAL);
    hold(rig, XR_STAGE_TRANSCRIPTION, "1", XR_OK);
    struct run *run = begin(rig, n, 2);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, before + 2);
    fake_forget(rig->fake);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "1");
    fault_arm(FAULT_FULL, "queue.db-wal", n, false);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    while (xr_store_health(rig->t->store, NULL) == XR_OK && strcmp(run_job(run).state, "queued") != 0)
        sched_yield();
    (void)rig_write(rig, nothing, NULL); /* after the ending's `done` */
    bool struck = fault_disarm(), waits = strcmp(run_job(run).state, "queued") != 0;
    *ret_apart = waits && used(run, XR_USAGE_TRANSCRIPTION).calls > 0;
    if (waits)
        rig_advance(rig, XR_ENDING_RETRY_MS);
    rig_await_ending(rig, "retry");
    assert_heard(run, 1);
    rig_advance(rig, PAST_BACKOFF_MS);
    assert_completes(run);
    assert_heard(run, 3);
    return struck;
}

static void a_job_that_cannot_be_given_back_with_its_usage_counts_once(void **state) {
    struct rig *rig = *state;
    bool apart = false, any_apart = false;
    uint8_t n = 1;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    while (n < FAULTS_MAX && survive_a_fault_of_the_queue(rig, n, &apart)) {
        any_apart = any_apart || apart;
        n++;
    }
    assert_in_range(n, 2, FAULTS_MAX - 1); /* some struck, and the last did not */
    assert_true(any_apart);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define FAULTY(name) cmocka_unit_test_setup_teardown(name, rig_setup_faulty, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_completed_replay_has_what_its_calls_used),
        TEST(transcripts_and_their_usage_are_there_before_the_verdict),
        TEST(an_answer_that_nobody_can_use_is_paid_for),
        TEST(a_live_conversation_uses_transcription_only),
        TEST(without_calls_nothing_is_used),
        TEST(a_transcription_that_fails_half_way_keeps_what_was_heard),
        TEST(turns_that_do_not_fit_the_script_were_heard_all_the_same),
        TEST(a_judge_that_fails_leaves_the_others_to_be_paid),
        TEST(an_attempt_that_is_tried_again_adds),
        TEST(a_replay_that_is_run_again_adds),
        TEST(a_stop_keeps_what_was_answered_before_it),
        TEST(transcripts_that_are_not_ours_to_write_add_nothing),
        FAULTY(an_ending_that_is_tried_until_it_can_be_written_counts_once),
        FAULTY(results_that_cannot_be_written_are_paid_for_once_each_time),
        FAULTY(a_job_that_cannot_be_given_back_with_its_usage_counts_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
