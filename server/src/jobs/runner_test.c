// SPDX-License-Identifier: Apache-2.0
/* Many replays, stops, lost leases, crashes, full disks. */
#include "base/limits.h"
#include "jobs/testkit.h"
#include "store/fault_vfs.h"
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { MS_PER_S = 1000 };

static void hold(struct rig *rig, const char *label) {
    fake_script(rig->fake, (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = label, .held = true});
}

/* A run whose first turn is with the provider, which keeps it. */
static struct run *run_held(struct rig *rig, uint8_t n) {
    size_t before = fake_started(rig->fake, XR_STAGE_TRANSCRIPTION);
    hold(rig, "0");
    struct run *run = run_new(rig, n, 2);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, before + 2);
    fake_forget(rig->fake);
    return run;
}

/* For waiting until what was submitted before has ended and been told. */
static enum xr_code nothing(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    (void)tx, (void)ctx, (void)err;
    return XR_OK;
}

static void assert_completes(struct run *run) {
    run_await(run);
    assert_int_equal(run_row(run).state, XR_COMPLETED);
    assert_string_equal(run_job(run).state, "none");
}

/* --- many --- */

static void a_held_call_does_not_delay_other_replays(void **state) {
    enum { OTHERS = 20 };
    struct rig *rig = *state;
    struct run *others[OTHERS];
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *held = run_held(rig, 100);
    for (uint8_t i = 0; i < OTHERS; i++)
        others[i] = run_new(rig, (uint8_t)(i + 1), 2);
    xr_jobs_kick(rig->jobs);
    for (size_t i = 0; i < OTHERS; i++)
        assert_completes(others[i]);
    assert_int_equal(run_row(held).state, XR_ANALYZING);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    assert_completes(held);
}

static void no_more_chains_than_allowed_are_open(void **state) {
    enum { MORE = 6 };
    struct rig *rig = *state;
    struct run *runs[RIG_CHAINS + MORE];
    size_t queued = 0;
    rig_conversation(rig, "{\"name\":\"short\",\"turns\":[{\"role\":\"user\"}]}");
    hold(rig, NULL);
    rig_start(rig);
    for (uint8_t i = 0; i < RIG_CHAINS + MORE; i++)
        runs[i] = run_new(rig, (uint8_t)(i + 1), 1);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, RIG_CHAINS);
    xr_jobs_kick(rig->jobs);
    for (size_t i = 0; i < RIG_CHAINS + MORE; i++)
        queued += strcmp(run_job(runs[i]).state, "queued") == 0;
    assert_int_equal(queued, MORE);
    fake_forget(rig->fake);
    for (size_t i = 0; i < RIG_CHAINS; i++)
        fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    for (size_t i = 0; i < RIG_CHAINS + MORE; i++)
        assert_completes(runs[i]);
}

/* --- stopping --- */

static void a_stop_releases_held_work_and_the_next_start_finishes_it(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_held(rig, 1);
    rig_stop(rig);
    rig_await_ending(rig, "released");
    assert_string_equal(run_job(run).state, "queued");
    assert_int_equal(run_job(run).attempt, 0);
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    rig_start(rig);
    assert_completes(run);
}

static void a_stop_does_not_spin_when_a_sweep_is_due(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_held(rig, 1);
    rig_pass(rig, 2 * XR_LEASE_SWEEP_S * MS_PER_S);
    rig_stop(rig);
    assert_int_equal(run_job(run).attempt, 0);
}

static void a_stop_while_jobs_are_being_claimed_leaves_none_behind(void **state) {
    enum { RUNS = 8, TIMES = 25 };
    struct rig *rig = *state;
    struct run *runs[RUNS];
    hold(rig, NULL); /* what is not cancelled never ends */
    rig_dialogue(rig, 2, 0);
    for (uint8_t i = 0; i < RUNS; i++)
        runs[i] = run_new(rig, (uint8_t)(i + 1), 2);
    for (int i = 0; i < TIMES; i++) {
        rig_start(rig);
        rig_stop(rig);
        for (size_t r = 0; r < RUNS; r++) {
            assert_string_equal(run_job(runs[r]).state, "queued");
            assert_int_equal(run_job(runs[r]).attempt, 0);
        }
    }
    fake_forget(rig->fake);
    rig_start(rig);
    for (size_t r = 0; r < RUNS; r++)
        assert_completes(runs[r]);
}

static void a_call_that_does_not_end_is_left_behind(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "0", .held = true, .stubborn = true});
    struct run *run = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    /* The wait is on the system's clock; with ours far behind it is over at once. */
    int64_t now_ns = atomic_exchange(&rig->mono_ns, 0);
    assert_int_equal(xr_jobs_stop(rig->jobs), 1);
    assert_string_equal(run_job(run).state, "running");
    atomic_store(&rig->mono_ns, now_ns);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    rig_stop(rig);
}

static void health_tells_when_nothing_gets_through(void **state) {
    enum { LONG_MS = 60 * MS_PER_S };
    struct rig *rig = *state;
    rig_start(rig);
    assert_int_equal(xr_jobs_health(rig->jobs, NULL), XR_OK);
    rig_pass(rig, LONG_MS);
    assert_int_equal(xr_jobs_health(rig->jobs, NULL), XR_UNAVAILABLE);
    xr_jobs_kick(rig->jobs);
    assert_int_equal(rig_write(rig, nothing, NULL), XR_OK);
    assert_int_equal(xr_jobs_health(rig->jobs, NULL), XR_OK);
}

/* --- leases --- */

static enum xr_code take_over(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_queue_tx_claim(tx, RIG_STAGE_TIMEOUT_S, ctx, NULL, err);
}

/* Somebody else's claim, once the lease is over. */
static struct xr_job steal(struct rig *rig) {
    struct xr_job stolen;
    rig_pass(rig, 3 * RIG_STAGE_TIMEOUT_S * MS_PER_S);
    assert_int_equal(rig_write(rig, take_over, &stolen), XR_OK);
    return stolen;
}

static void a_chain_that_lost_its_lease_writes_nothing(void **state) {
    struct rig *rig = *state;
    struct xr_transcript_row *rows;
    size_t count;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_held(rig, 1);
    struct xr_job stolen = steal(rig);
    struct xr_replay before = run_row(run);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    rig_await_ending(rig, "given up");
    assert_int_equal(stolen.replay_id, run->id);
    assert_int_equal(run_row(run).seq, before.seq);
    assert_int_equal(run_row(run).step, before.step);
    assert_int_equal(xr_store_transcripts_get(rig->t->reader, run->id, rig->t->arena, &rows, &count, NULL), XR_OK);
    assert_int_equal(count, 0);
    assert_string_equal(run_job(run).state, "running");
    assert_int_equal(run_job(run).attempt, stolen.attempt);
}

static void a_failure_after_a_lost_lease_is_not_written(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "0", .code = XR_REFUSED, .held = true});
    struct run *run = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    struct xr_job stolen = steal(rig);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    rig_await_ending(rig, "given up");
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    assert_int_equal(run_job(run).attempt, stolen.attempt);
}

static enum xr_code void_leases(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    (void)ctx;
    return xr_queue_tx_void_leases(tx, err);
}

/* A process that claimed the job and died, so often. */
static void lose_leases(struct rig *rig, int times) {
    struct xr_job job;
    for (int i = 0; i < times; i++) {
        assert_int_equal(rig_write(rig, void_leases, NULL), XR_OK);
        assert_int_equal(rig_write(rig, take_over, &job), XR_OK);
    }
}

static void a_job_that_lost_its_lease_twice_is_run_once_more(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    struct run *run = run_new(rig, 1, 2);
    lose_leases(rig, XR_JOB_ATTEMPTS - 1);
    rig_start(rig);
    assert_completes(run);
}

static void a_job_that_lost_every_lease_is_worker_lost(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    struct run *run = run_new(rig, 1, 2);
    lose_leases(rig, XR_JOB_ATTEMPTS);
    rig_start(rig);
    run_await_failure(run, XR_REASON_WORKER_LOST);
    assert_int_equal(fake_started(rig->fake, XR_STAGE_TRANSCRIPTION), 0);
    assert_int_equal(run_told(run, "\"lifecycle_state\":\"failed\""), 1);
}

/* --- two files --- */

static void an_analyzing_replay_without_a_job_is_queued_again(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    struct run *run = run_recorded(rig, 1, 2);
    run_analyze(run, false);
    rig_start(rig);
    assert_completes(run);
    assert_true(run_row(run).job_id > 0);
}

static enum xr_code enqueue_unknown(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct xr_uuid uuid = xr_test_uuid(77);
    return xr_queue_tx_enqueue(tx, 4711, &uuid, XR_JOB_ANALYZE, ctx, err);
}

static void a_job_of_a_replay_that_is_not_there_is_dropped(void **state) {
    struct rig *rig = *state;
    int64_t job_id;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    assert_int_equal(rig_write(rig, enqueue_unknown, &job_id), XR_OK);
    xr_jobs_kick(rig->jobs);
    rig_await_ending(rig, "dropped");
}

static void a_job_of_a_replay_that_is_over_is_dropped(void **state) {
    struct rig *rig = *state;
    int64_t job_id;
    rig_dialogue(rig, 2, 0);
    struct run *run = run_recorded(rig, 77, 2);
    assert_int_equal(rig_write(rig, enqueue_unknown, &job_id), XR_OK);
    rig_start(rig);
    rig_await_ending(rig, "dropped");
    assert_int_equal(run_row(run).state, XR_RECORDING_UPLOADED);
    assert_string_equal(run_job(run).state, "none");
}

/* --- sweeps --- */

static void a_replay_that_nobody_touches_is_stalled(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_pending(rig, 1);
    rig_advance(rig, (RIG_STALL_TIMEOUT_S + 1) * MS_PER_S);
    run_await(run);
    assert_int_equal(run_row(run).state, XR_FAILED_STATE);
    assert_int_equal(run_row(run).reason, XR_REASON_STALLED);
    assert_int_equal(run->count, 2);
    assert_string_equal(run->events[1], "{\"type\":\"failed\",\"reason\":\"stalled\"}");
}

static void more_stalled_replays_than_a_batch_are_all_swept(void **state) {
    struct rig *rig = *state;
    struct run *runs[XR_SWEEP_BATCH + 2];
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    for (uint8_t i = 0; i < XR_SWEEP_BATCH + 2; i++)
        runs[i] = run_pending(rig, (uint8_t)(i + 1));
    rig_advance(rig, (RIG_STALL_TIMEOUT_S + 1) * MS_PER_S);
    for (size_t i = 0; i < XR_SWEEP_BATCH + 2; i++)
        run_await(runs[i]);
}

/* --- faults of the disk --- */

/* Waits until a write has failed, what follows from it was submitted, and that has ended too. */
static void await_sick_store(struct rig *rig) {
    while (xr_store_health(rig->t->store, NULL) == XR_OK)
        sched_yield();
    for (int i = 0; i < 2; i++)
        (void)rig_write(rig, nothing, NULL); /* fails if it shares a group with them */
}

static void an_ending_that_cannot_be_written_is_tried_until_it_can(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    fake_script(rig->fake,
                (struct fake_rule){.stage = XR_STAGE_TRANSCRIPTION, .label = "0", .code = XR_REFUSED, .held = true});
    struct run *run = run_new(rig, 1, 2);
    xr_jobs_kick(rig->jobs);
    fake_await(rig->fake, XR_STAGE_TRANSCRIPTION, 2);
    fault_arm(FAULT_FULL, ".db-wal", 1, true);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    await_sick_store(rig);
    assert_true(fault_disarm());
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    rig_advance(rig, XR_ENDING_RETRY_MS);
    run_await_failure(run, XR_REASON_TRANSCRIPTION_FAILED);
    assert_int_equal(run_told(run, "\"type\":\"failed\""), 1);
}

static void results_that_cannot_be_written_are_found_again(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_held(rig, 1);
    fault_arm(FAULT_FULL, "xray.db-wal", 1, true);
    fake_release(rig->fake, XR_STAGE_TRANSCRIPTION, "0");
    await_sick_store(rig);
    assert_true(fault_disarm());
    assert_string_equal(run_job(run).state,
                        "running"); /* queue.db takes writes, but what the calls used is to be kept */
    rig_advance(rig, XR_ENDING_RETRY_MS);
    rig_await_ending(rig, "retry");
    rig_advance(rig, 2 * XR_JOB_BACKOFF_MS);
    assert_completes(run);
    assert_int_equal(run_told(run, "evaluation_complete"), 1);
}

static enum xr_code start_analysis(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct run *run = ctx;
    struct xr_replay row;
    struct xr_replay_change change = {
        .actor = XR_BY_ANALYZE, .to = XR_ANALYZING, .step = XR_STEP_VAD, .finished_ns = XR_TIME_NONE, .job_id = -1};
    enum xr_code code = xr_queue_tx_enqueue(tx, run->id, &run->uuid, XR_JOB_ANALYZE, &change.job_id, err);
    return code == XR_OK ? xr_store_tx_replay_change(tx, run->id, &change, &row, err) : code;
}

/* Fails queue.db's commit after xray.db's, so that the job that goes with the replay's new state is lost: the first
 * fault that does not fail both. */
static void lose_the_job_of(struct run *run) {
    enum { FAULTS_MAX = 32 };
    struct xr_store *store = run->rig->t->store;
    enum xr_code code = XR_STORAGE_FULL;
    for (int n = 1; n < FAULTS_MAX && code != XR_OK; n++) {
        fault_arm(FAULT_FULL, "queue.db-wal", n, false);
        code = rig_write(run->rig, start_analysis, run);
        assert_true(fault_disarm());
    }
    assert_int_equal(code, XR_OK);
    assert_int_equal(xr_store_queue_losses(store), 1);
    assert_int_equal(run_row(run).state, XR_ANALYZING);
    assert_string_equal(run_job(run).state, "none");
}

static void a_job_lost_with_its_commit_is_queued_again(void **state) {
    struct rig *rig = *state;
    rig_dialogue(rig, 2, 0);
    rig_start(rig);
    struct run *run = run_recorded(rig, 1, 2);
    lose_the_job_of(run);
    rig_advance(rig, XR_LEASE_SWEEP_S * MS_PER_S);
    assert_completes(run);
}

int main(void) {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)
#define FAULTY(name) cmocka_unit_test_setup_teardown(name, rig_setup_faulty, rig_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_held_call_does_not_delay_other_replays),
        TEST(no_more_chains_than_allowed_are_open),
        TEST(a_stop_releases_held_work_and_the_next_start_finishes_it),
        TEST(a_stop_does_not_spin_when_a_sweep_is_due),
        TEST(a_stop_while_jobs_are_being_claimed_leaves_none_behind),
        TEST(a_call_that_does_not_end_is_left_behind),
        TEST(health_tells_when_nothing_gets_through),
        TEST(a_chain_that_lost_its_lease_writes_nothing),
        TEST(a_failure_after_a_lost_lease_is_not_written),
        TEST(a_job_that_lost_its_lease_twice_is_run_once_more),
        TEST(a_job_that_lost_every_lease_is_worker_lost),
        TEST(an_analyzing_replay_without_a_job_is_queued_again),
        TEST(a_job_of_a_replay_that_is_not_there_is_dropped),
        TEST(a_job_of_a_replay_that_is_over_is_dropped),
        TEST(a_replay_that_nobody_touches_is_stalled),
        TEST(more_stalled_replays_than_a_batch_are_all_swept),
        FAULTY(an_ending_that_cannot_be_written_is_tried_until_it_can),
        FAULTY(results_that_cannot_be_written_are_found_again),
        FAULTY(a_job_lost_with_its_commit_is_queued_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
