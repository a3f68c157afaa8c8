// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "queue/queue.h"
#include "queue/queue_testkit.h"
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>

enum { LEASE_S = 30 };

static int64_t enqueue(struct xr_test_store *t, int64_t replay_id) {
    struct op op = {.kind = OP_ENQUEUE, .replay_id = replay_id, .id = -1};
    assert_int_equal(run_op(t, &op), XR_OK);
    return op.id;
}

static struct xr_job claim(struct xr_test_store *t) {
    struct op op = {.kind = OP_CLAIM, .lease_s = LEASE_S};
    assert_int_equal(run_op(t, &op), XR_OK);
    return op.job;
}

/* Asserts that nothing is due, and returns when something will be. */
static int64_t nothing_until(struct xr_test_store *t) {
    struct op op = {.kind = OP_CLAIM, .lease_s = LEASE_S, .next_ns = 1};
    assert_int_equal(run_op(t, &op), XR_NOT_FOUND);
    return op.next_ns;
}

static enum xr_code end_with(struct xr_test_store *t, enum op_kind kind, const struct xr_job *job) {
    struct op op = {.kind = kind,
                    .job = *job,
                    .stage = XR_JOB_METRICS,
                    .lease_s = LEASE_S,
                    .due_ns = t->now_ns,
                    .error = "it broke"};
    return run_op(t, &op);
}

static size_t expire(struct xr_test_store *t, size_t max, struct op *op) {
    *op = (struct op){.kind = OP_EXPIRE, .max = max};
    assert_int_equal(run_op(t, op), XR_OK);
    return op->lost_count;
}

static void let_lease_end(struct xr_test_store *t) {
    t->now_ns += LEASE_S * XR_NS_PER_S;
}

static void lists_only(const struct xr_test_store *t, const char *state) {
    static struct listing listing;
    list_jobs(t, &listing);
    assert_int_equal(listing.count, state ? 1 : 0);
    if (state)
        assert_string_equal(listing.items[0].row.state, state);
}

static void backoff_doubles_and_adds_up_to_half(void **state) {
    (void)state;
    const int64_t base = XR_JOB_BACKOFF_MS * XR_NS_PER_MS, top = XR_JOB_BACKOFF_MAX_MS * XR_NS_PER_MS;
    for (int attempt = 1; attempt <= 4; attempt++) {
        int64_t delay = base << (attempt - 1);
        assert_int_equal(xr_queue_backoff_ns(attempt, 0), delay);
        assert_int_equal(xr_queue_backoff_ns(attempt, (uint64_t)delay / 2), delay + delay / 2);
        assert_int_equal(xr_queue_backoff_ns(attempt, (uint64_t)delay / 2 + 1), delay);
        int64_t any = xr_queue_backoff_ns(attempt, UINT64_MAX);
        assert_true(any >= delay && any <= delay + delay / 2);
    }
    assert_int_equal(xr_queue_backoff_ns(40, 0), top);
    assert_int_equal(xr_queue_backoff_ns(INT_MAX, (uint64_t)top / 2), top + top / 2);
    assert_int_equal(xr_queue_backoff_ns(0, 0), base);
    assert_int_equal(xr_queue_backoff_ns(INT_MIN, 0), base);
}

static void every_stage_has_a_name(void **state) {
    (void)state;
    for (int stage = 0; stage < XR_JOB_STAGE_COUNT; stage++)
        assert_string_not_equal(xr_job_stage_name((enum xr_job_stage)stage), "unknown");
    assert_string_equal(xr_job_stage_name(XR_JOB_STAGE_COUNT), "unknown");
}

static void enqueue_is_idempotent_per_replay(void **state) {
    struct xr_test_store *t = *state;
    int64_t first = enqueue(t, 1), other = enqueue(t, 2);
    assert_int_equal(enqueue(t, 1), first);
    assert_int_not_equal(first, other);
    struct xr_job job = claim(t);
    assert_int_equal(job.id, first);
    assert_int_equal(enqueue(t, 1), first); /* running is live, too */
    assert_int_equal(end_with(t, OP_COMPLETE, &job), XR_OK);
    assert_true(enqueue(t, 1) > other); /* never an id that was used before */
}

static void claim_takes_the_oldest_and_gives_a_lease(void **state) {
    struct xr_test_store *t = *state;
    int64_t ids[3];
    for (int i = 0; i < 3; i++) {
        ids[i] = enqueue(t, 10 - i);
        t->now_ns += XR_NS_PER_S;
    }
    for (int i = 0; i < 3; i++) {
        struct xr_job job = claim(t);
        struct xr_uuid uuid = uuid_of(10 - i);
        assert_int_equal(job.id, ids[i]);
        assert_int_equal(job.replay_id, 10 - i);
        assert_memory_equal(&job.replay_uuid, &uuid, sizeof uuid);
        assert_int_equal(job.stage, XR_JOB_ANALYZE);
        assert_int_equal(job.attempt, 1);
        assert_int_equal(job.lost, 0);
        assert_int_equal(job.lease_ns, t->now_ns + LEASE_S * XR_NS_PER_S);
    }
    assert_int_equal(nothing_until(t), t->now_ns + LEASE_S * XR_NS_PER_S);
}

static void claims_of_one_group_never_take_the_same_job(void **state) {
    struct xr_test_store *t = *state;
    struct op ops[8];
    for (int64_t i = 0; i < 4; i++)
        ops[i] = (struct op){.kind = OP_ENQUEUE, .replay_id = i + 1};
    for (int i = 4; i < 8; i++)
        ops[i] = (struct op){.kind = OP_CLAIM, .lease_s = LEASE_S};
    run_ops(t, ops, 8);
    for (int i = 4; i < 8; i++) {
        assert_int_equal(ops[i].code, XR_OK);
        assert_int_equal(ops[i].job.id, ops[i - 4].id);
    }
    assert_int_equal(nothing_until(t), t->now_ns + LEASE_S * XR_NS_PER_S);
}

static void claim_of_an_empty_queue_has_no_next_time(void **state) {
    assert_int_equal(nothing_until(*state), XR_TIME_NONE);
}

static void waiting_retry_does_not_hold_up_others(void **state) {
    struct xr_test_store *t = *state;
    int64_t first = enqueue(t, 1);
    struct xr_job job = claim(t);
    struct op retry = {.kind = OP_RETRY, .job = job, .due_ns = t->now_ns + 5 * XR_NS_PER_S, .error = "busy"};
    assert_int_equal(run_op(t, &retry), XR_OK);
    int64_t second = enqueue(t, 2);
    assert_int_equal(claim(t).id, second);
    assert_int_equal(nothing_until(t), retry.due_ns);
    t->now_ns = retry.due_ns - 1;
    assert_int_equal(nothing_until(t), retry.due_ns);
    t->now_ns = retry.due_ns;
    job = claim(t);
    assert_int_equal(job.id, first);
    assert_int_equal(job.attempt, 2);
    assert_int_equal(job.lost, 0);
}

static void advance_runs_the_next_stage_as_a_new_job(void **state) {
    struct xr_test_store *t = *state;
    enqueue(t, 1);
    struct xr_job job = claim(t);
    assert_int_equal(end_with(t, OP_RETRY, &job), XR_OK);
    job = claim(t);
    t->now_ns += XR_NS_PER_S;
    struct op op = {.kind = OP_ADVANCE, .job = job, .stage = XR_JOB_METRICS, .lease_s = LEASE_S};
    assert_int_equal(run_op(t, &op), XR_OK);
    assert_true(op.job.id > job.id);
    assert_int_equal(op.job.stage, XR_JOB_METRICS);
    assert_int_equal(op.job.attempt, 1);
    assert_int_equal(op.job.lease_ns, t->now_ns + LEASE_S * XR_NS_PER_S);
    assert_memory_equal(&op.job.replay_uuid, &job.replay_uuid, sizeof job.replay_uuid);
    assert_int_equal(end_with(t, OP_COMPLETE, &job), XR_CONFLICT);
    assert_int_equal(end_with(t, OP_COMPLETE, &op.job), XR_OK);
    lists_only(t, NULL);
}

static void release_does_not_count_the_attempt(void **state) {
    struct xr_test_store *t = *state;
    int64_t first = enqueue(t, 1);
    for (int i = 0; i < 2 * XR_JOB_ATTEMPTS; i++) {
        t->now_ns++;
        enqueue(t, 2 + i); /* it keeps its place before them */
        struct xr_job job = claim(t);
        assert_int_equal(job.id, first);
        assert_int_equal(job.attempt, 1);
        assert_int_equal(job.lost, 0);
        assert_int_equal(end_with(t, OP_RELEASE, &job), XR_OK);
    }
}

static const struct {
    enum op_kind kind;
    const char *listed; /* the job's state after it; NULL: gone */
} ENDINGS[] = {
    {OP_ADVANCE, "running"}, {OP_COMPLETE, NULL}, {OP_RETRY, "queued"}, {OP_BURY, "dead"}, {OP_RELEASE, "queued"}};
enum { ENDINGS_COUNT = sizeof ENDINGS / sizeof *ENDINGS };

static void each_ending_moves_a_running_job(void **state) {
    struct xr_test_store *t = *state;
    for (size_t i = 0; i < ENDINGS_COUNT; i++) {
        enqueue(t, 1);
        struct xr_job job = claim(t);
        assert_int_equal(end_with(t, ENDINGS[i].kind, &job), XR_OK);
        lists_only(t, ENDINGS[i].listed);
        xr_test_store_close(t);
        remove(t->queue_path); /* the next ending starts afresh */
        assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    }
}

static void no_ending_follows_another(void **state) {
    struct xr_test_store *t = *state;
    for (size_t i = 0; i < ENDINGS_COUNT; i++) {
        enqueue(t, (int64_t)i + 1);
        struct xr_job job = claim(t);
        assert_int_equal(job.replay_id, i + 1);
        struct op parked = {.kind = OP_RETRY, .due_ns = t->now_ns + 1000 * LEASE_S * XR_NS_PER_S};
        parked.job = job;
        assert_int_equal(ENDINGS[i].kind == OP_RETRY ? run_op(t, &parked) : end_with(t, ENDINGS[i].kind, &job), XR_OK);
        for (size_t k = 0; k < ENDINGS_COUNT; k++)
            assert_int_equal(end_with(t, ENDINGS[k].kind, &job), XR_CONFLICT);
        if (ENDINGS[i].kind == OP_RELEASE)
            (void)claim(t);
    }
}

static void lost_lease_conflicts_with_every_ending(void **state) {
    struct xr_test_store *t = *state;
    enqueue(t, 1);
    struct xr_job lost = claim(t);
    let_lease_end(t);
    struct xr_job taken = claim(t);
    assert_int_equal(taken.id, lost.id);
    assert_int_equal(taken.attempt, 2);
    assert_int_equal(taken.lost, 1);
    for (size_t i = 0; i < ENDINGS_COUNT; i++)
        assert_int_equal(end_with(t, ENDINGS[i].kind, &lost), XR_CONFLICT);
    lists_only(t, "running");
    assert_int_equal(end_with(t, OP_COMPLETE, &taken), XR_OK);
}

static void late_worker_may_end_what_nobody_has_taken(void **state) {
    struct xr_test_store *t = *state;
    enqueue(t, 1);
    struct xr_job job = claim(t);
    let_lease_end(t);
    let_lease_end(t);
    assert_int_equal(end_with(t, OP_COMPLETE, &job), XR_OK);
}

static void live_lease_is_not_taken_over(void **state) {
    struct xr_test_store *t = *state;
    enqueue(t, 1);
    struct xr_job job = claim(t);
    t->now_ns = job.lease_ns - 1;
    struct op op;
    assert_int_equal(nothing_until(t), job.lease_ns);
    assert_int_equal(expire(t, LOST_MAX, &op), 0);
    lists_only(t, "running");
}

static void job_is_buried_when_its_last_lease_is_lost(void **state) {
    struct xr_test_store *t = *state;
    enqueue(t, 1);
    struct op op;
    struct xr_job job = {0};
    for (int i = 1; i <= XR_JOB_ATTEMPTS; i++) {
        assert_int_equal(expire(t, LOST_MAX, &op), 0);
        job = claim(t);
        assert_int_equal(job.attempt, i);
        assert_int_equal(job.lost, i - 1);
        let_lease_end(t);
    }
    assert_int_equal(nothing_until(t), XR_TIME_NONE); /* claim leaves it to expire */
    assert_int_equal(expire(t, 0, &op), 0);
    lists_only(t, "running");
    assert_int_equal(expire(t, LOST_MAX, &op), 1);
    assert_int_equal(op.lost[0].id, job.id);
    assert_int_equal(op.lost[0].replay_id, 1);
    assert_int_equal(op.lost[0].lost, XR_JOB_ATTEMPTS);
    lists_only(t, "dead");
    assert_int_equal(expire(t, LOST_MAX, &op), 0);
}

static void expire_buries_at_most_max_and_queues_the_others(void **state) {
    struct xr_test_store *t = *state;
    struct op op;
    for (int64_t i = 1; i <= 3; i++)
        enqueue(t, i);
    for (int round = 0; round < XR_JOB_ATTEMPTS; round++) {
        for (int i = 0; i < 3; i++)
            (void)claim(t);
        let_lease_end(t);
    }
    enqueue(t, 4);
    struct xr_job young = claim(t);
    assert_int_equal(young.replay_id, 4);
    let_lease_end(t);
    assert_int_equal(expire(t, 2, &op), 2);
    assert_int_equal(claim(t).replay_id, 4);
    assert_int_equal(expire(t, 2, &op), 1);
}

static void void_leases_ends_every_lease_at_once(void **state) {
    struct xr_test_store *t = *state;
    enqueue(t, 1);
    struct xr_job job = claim(t);
    xr_test_store_close(t);
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    struct op nothing = {.kind = OP_CLAIM, .lease_s = LEASE_S};
    assert_int_equal(run_op(t, &nothing), XR_NOT_FOUND);
    struct op op = {.kind = OP_VOID};
    assert_int_equal(run_op(t, &op), XR_OK);
    assert_int_equal(end_with(t, OP_COMPLETE, &job), XR_CONFLICT);
    struct xr_job taken = claim(t);
    assert_int_equal(taken.id, job.id);
    assert_int_equal(taken.lost, 1);
}

static void has_job_knows_live_jobs_only(void **state) {
    struct xr_test_store *t = *state;
    struct op op = {.kind = OP_HAS, .replay_id = 1, .has = true};
    assert_int_equal(run_op(t, &op), XR_OK);
    assert_false(op.has);
    enqueue(t, 1);
    assert_int_equal(run_op(t, &op), XR_OK);
    assert_true(op.has);
    struct xr_job job = claim(t);
    assert_int_equal(run_op(t, &op), XR_OK);
    assert_true(op.has);
    assert_int_equal(end_with(t, OP_BURY, &job), XR_OK);
    assert_int_equal(run_op(t, &op), XR_OK);
    assert_false(op.has);
}

static void replay_that_is_enqueued_again_leaves_the_dead_letters(void **state) {
    struct xr_test_store *t = *state;
    for (int64_t i = 1; i <= 2; i++) {
        enqueue(t, i);
        struct xr_job job = claim(t);
        assert_int_equal(end_with(t, OP_BURY, &job), XR_OK);
    }
    static struct listing listing;
    enqueue(t, 1);
    list_jobs(t, &listing);
    assert_int_equal(listing.count, 2);
    assert_string_equal(listing.items[0].row.state, "queued");
    assert_string_equal(listing.items[1].row.state, "dead");
    struct xr_uuid second = uuid_of(2);
    char text[XR_UUID_TEXT + 1];
    xr_uuid_format(&second, text);
    assert_string_equal(listing.items[1].row.replay_id, text);
}

static void impossible_leases_are_refused_and_take_nothing(void **state) {
    struct xr_test_store *t = *state;
    static const int64_t LEASES[] = {0, -1, INT64_MIN, INT64_MAX, INT64_MAX / XR_NS_PER_S};
    enqueue(t, 1);
    for (size_t i = 0; i < sizeof LEASES / sizeof *LEASES; i++) {
        struct op op = {.kind = OP_CLAIM, .lease_s = LEASES[i]};
        assert_int_equal(run_op(t, &op), XR_INVALID);
    }
    struct xr_job job = claim(t);
    struct op op = {.kind = OP_ADVANCE, .job = job, .stage = XR_JOB_METRICS, .lease_s = 0};
    assert_int_equal(run_op(t, &op), XR_INVALID);
    assert_int_equal(end_with(t, OP_COMPLETE, &job), XR_OK);
}

static enum xr_code claim_and_give_up(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    enum xr_code code = xr_queue_tx_claim(tx, LEASE_S, ctx, NULL, err);
    return code == XR_OK ? xr_fail(err, XR_CONFLICT, NULL, "given up") : code;
}

static void write_that_is_given_up_leaves_the_job_queued(void **state) {
    struct xr_test_store *t = *state;
    struct xr_job job;
    enqueue(t, 1);
    assert_int_equal(xr_test_write(t, claim_and_give_up, &job, NULL), XR_CONFLICT);
    lists_only(t, "queued");
    assert_int_equal(claim(t).attempt, 1);
}

static void listing_shows_live_jobs_then_letters_with_their_errors(void **state) {
    struct xr_test_store *t = *state;
    static struct listing listing;
    enqueue(t, 1);
    struct xr_job dead = claim(t);
    t->now_ns += 7;
    assert_int_equal(end_with(t, OP_BURY, &dead), XR_OK);
    enqueue(t, 2);
    struct xr_job waiting = claim(t);
    struct op retry = {.kind = OP_RETRY, .job = waiting, .due_ns = t->now_ns + 9, .error = "disk busy"};
    assert_int_equal(run_op(t, &retry), XR_OK);
    enqueue(t, 3);
    (void)claim(t);
    for (int open = 1; open >= 0; open--) {
        list_jobs(t, &listing);
        assert_int_equal(listing.count, 3);
        assert_string_equal(listing.items[0].row.state, "running");
        assert_null(listing.items[0].row.last_error.ptr);
        const struct xr_job_row *row = &listing.items[1].row;
        assert_string_equal(row->state, "queued");
        assert_int_equal(row->id, waiting.id);
        assert_string_equal(row->stage, "analyze-replay");
        assert_int_equal(row->attempt, 1);
        assert_int_equal(row->due_ns, retry.due_ns);
        assert_true(xr_str_eq(row->last_error, XR_STR("disk busy")));
        row = &listing.items[2].row;
        assert_string_equal(row->state, "dead");
        assert_int_equal(row->id, dead.id);
        assert_int_equal(row->due_ns, t->now_ns);
        assert_int_equal(row->created_ns, t->now_ns - 7);
        assert_true(xr_str_eq(row->last_error, XR_STR("it broke")));
        if (open)
            xr_test_store_close(t); /* once beside a server, once without one */
    }
}

static void long_errors_are_cut_between_characters(void **state) {
    struct xr_test_store *t = *state;
    static struct listing listing;
    static char text[2 * XR_LAST_ERROR_MAX];
    memset(text, 'x', 1);
    for (size_t i = 1; i + 1 < sizeof text - 1; i += 2)
        memcpy(text + i, "\xC3\xA9", 2);
    enqueue(t, 1);
    struct op op = {.kind = OP_BURY, .job = claim(t), .error = text};
    assert_int_equal(run_op(t, &op), XR_OK);
    list_jobs(t, &listing);
    assert_int_equal(listing.items[0].row.last_error.len, XR_LAST_ERROR_MAX - 1);
}

static void retry_without_an_error_keeps_the_last_one(void **state) {
    struct xr_test_store *t = *state;
    static struct listing listing;
    enqueue(t, 1);
    struct xr_job job = claim(t);
    assert_int_equal(end_with(t, OP_RETRY, &job), XR_OK);
    struct op op = {.kind = OP_RETRY, .job = claim(t), .due_ns = t->now_ns};
    assert_int_equal(run_op(t, &op), XR_OK);
    list_jobs(t, &listing);
    assert_true(xr_str_eq(listing.items[0].row.last_error, XR_STR("it broke")));
}

static void no_row(const struct xr_job_row *row, void *ctx) {
    (void)row;
    ++*(int *)ctx;
}

static void listing_refuses_files_that_are_no_queue(void **state) {
    struct xr_test_store *t = *state;
    char path[128];
    struct xr_err err;
    int rows = 0;
    snprintf(path, sizeof path, "%s/none.db", t->dir);
    assert_int_equal(xr_queue_jobs_each(path, no_row, &rows, &err), XR_NOT_FOUND);
    assert_non_null(strstr(err.message, path));
    assert_int_equal(xr_queue_jobs_each(t->path, no_row, &rows, &err), XR_FOREIGN);
    assert_non_null(strstr(err.message, t->path));
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < 1000; i++)
        fputs("not a database", file);
    fclose(file);
    assert_int_not_equal(xr_queue_jobs_each(path, no_row, &rows, &err), XR_OK);
    assert_int_equal(rows, 0);
}

#define QUEUE_TEST(name) cmocka_unit_test_setup_teardown(name, xr_test_store_setup, xr_test_store_teardown)

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(backoff_doubles_and_adds_up_to_half),
        cmocka_unit_test(every_stage_has_a_name),
        QUEUE_TEST(enqueue_is_idempotent_per_replay),
        QUEUE_TEST(claim_takes_the_oldest_and_gives_a_lease),
        QUEUE_TEST(claims_of_one_group_never_take_the_same_job),
        QUEUE_TEST(claim_of_an_empty_queue_has_no_next_time),
        QUEUE_TEST(waiting_retry_does_not_hold_up_others),
        QUEUE_TEST(advance_runs_the_next_stage_as_a_new_job),
        QUEUE_TEST(release_does_not_count_the_attempt),
        QUEUE_TEST(each_ending_moves_a_running_job),
        QUEUE_TEST(no_ending_follows_another),
        QUEUE_TEST(lost_lease_conflicts_with_every_ending),
        QUEUE_TEST(late_worker_may_end_what_nobody_has_taken),
        QUEUE_TEST(live_lease_is_not_taken_over),
        QUEUE_TEST(job_is_buried_when_its_last_lease_is_lost),
        QUEUE_TEST(expire_buries_at_most_max_and_queues_the_others),
        QUEUE_TEST(void_leases_ends_every_lease_at_once),
        QUEUE_TEST(has_job_knows_live_jobs_only),
        QUEUE_TEST(replay_that_is_enqueued_again_leaves_the_dead_letters),
        QUEUE_TEST(impossible_leases_are_refused_and_take_nothing),
        QUEUE_TEST(write_that_is_given_up_leaves_the_job_queued),
        QUEUE_TEST(listing_shows_live_jobs_then_letters_with_their_errors),
        QUEUE_TEST(long_errors_are_cut_between_characters),
        QUEUE_TEST(retry_without_an_error_keeps_the_last_one),
        QUEUE_TEST(listing_refuses_files_that_are_no_queue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
