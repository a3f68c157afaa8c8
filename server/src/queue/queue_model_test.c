// SPDX-License-Identifier: Apache-2.0
/* Random operations against a simple model of the queue, with fixed seeds and a clock of its own. */
#include "base/limits.h"
#include "base/test.h"
#include "queue/queue_testkit.h"
#include <string.h>

enum { REPLAYS = 6, HANDLES = 12, BATCH = 40, BATCHES = 40, LEASE_S = 10 };

enum model_state { NONE, QUEUED, RUNNING };
struct model_job {
    enum model_state state;
    struct xr_job job; /* lease_ns: while running */
    int64_t due_ns;
    bool dead; /* has a dead letter */
};
struct model {
    uint64_t random;
    int64_t now_ns, next_id;
    struct model_job jobs[REPLAYS + 1]; /* by replay number, from 1 */
    struct xr_job handles[HANDLES]; /* what workers hold: live and long lost ones */
    unsigned handle_at;
    int seen[OP_KIND_COUNT], ended[OP_KIND_COUNT], buried;
};

static uint64_t next_random(struct model *m, uint64_t below) {
    m->random ^= m->random << 13;
    m->random ^= m->random >> 7;
    m->random ^= m->random << 17;
    return m->random % below;
}

static bool over(const struct model *m, const struct model_job *job) {
    return job->state == RUNNING && job->job.lease_ns <= m->now_ns;
}

static void requeue_lost(struct model *m) {
    for (int i = 1; i <= REPLAYS; i++) {
        struct model_job *job = &m->jobs[i];
        if (over(m, job) && job->job.lost + 1 < XR_JOB_ATTEMPTS) {
            job->state = QUEUED;
            job->job.lost++;
            job->due_ns = m->now_ns;
        }
    }
}

static struct model_job *oldest_due(struct model *m) {
    struct model_job *best = NULL;
    for (int i = 1; i <= REPLAYS; i++) {
        struct model_job *job = &m->jobs[i];
        if (job->state != QUEUED || job->due_ns > m->now_ns)
            continue;
        if (!best || job->due_ns < best->due_ns || (job->due_ns == best->due_ns && job->job.id < best->job.id))
            best = job;
    }
    return best;
}

static int64_t next_time(const struct model *m) {
    int64_t next = XR_TIME_NONE;
    for (int i = 1; i <= REPLAYS; i++) {
        const struct model_job *job = &m->jobs[i];
        int64_t at = job->state == QUEUED ? job->due_ns : job->job.lease_ns;
        if (job->state == NONE || (job->state == RUNNING && at <= m->now_ns))
            continue;
        if (next == XR_TIME_NONE || at < next)
            next = at;
    }
    return next;
}

static void keep_handle(struct model *m, const struct xr_job *job) {
    m->handles[m->handle_at++ % HANDLES] = *job;
}

static void start(struct model *m, struct model_job *job) {
    job->state = RUNNING;
    job->job.attempt++;
    job->job.lease_ns = m->now_ns + LEASE_S * XR_NS_PER_S;
    keep_handle(m, &job->job);
}

static void expect_enqueue(struct model *m, struct op *op) {
    struct model_job *job = &m->jobs[op->replay_id];
    if (job->state == NONE)
        *job = (struct model_job){.state = QUEUED,
                                  .due_ns = m->now_ns,
                                  .job = {.id = m->next_id++,
                                          .replay_id = op->replay_id,
                                          .replay_uuid = uuid_of(op->replay_id),
                                          .stage = op->stage}};
    op->id = job->job.id;
}

static void expect_claim(struct model *m, struct op *op) {
    requeue_lost(m);
    struct model_job *job = oldest_due(m);
    op->code = job ? XR_OK : XR_NOT_FOUND;
    op->next_ns = job ? 0 : next_time(m);
    if (job) {
        start(m, job);
        op->job = job->job;
    }
}

static void expect_expire(struct model *m, struct op *op) {
    requeue_lost(m);
    op->lost_count = 0;
    for (int i = 1; i <= REPLAYS; i++) {
        struct model_job *job = &m->jobs[i];
        if (over(m, job)) {
            op->lost_count++;
            job->state = NONE;
            job->dead = true;
            m->buried++;
        }
    }
}

static void expect_void(struct model *m) {
    for (int i = 1; i <= REPLAYS; i++) {
        struct model_job *job = &m->jobs[i];
        if (job->state == RUNNING && job->job.lease_ns > m->now_ns)
            job->job.lease_ns = m->now_ns;
    }
}

static void expect_ending(struct model *m, struct op *op) {
    struct model_job *job = &m->jobs[op->job.replay_id];
    if (job->state != RUNNING || job->job.id != op->job.id || job->job.attempt != op->job.attempt ||
        job->job.lease_ns != op->job.lease_ns) {
        op->code = XR_CONFLICT;
        return;
    }
    m->ended[op->kind]++;
    job->state = op->kind == OP_RETRY || op->kind == OP_RELEASE ? QUEUED : NONE;
    job->dead = op->kind == OP_BURY;
    if (op->kind == OP_RETRY)
        job->due_ns = op->due_ns;
    if (op->kind == OP_RELEASE)
        job->job.attempt--;
    if (op->kind == OP_ADVANCE) {
        job->job = (struct xr_job){.id = m->next_id++,
                                   .replay_id = op->job.replay_id,
                                   .replay_uuid = uuid_of(op->job.replay_id),
                                   .stage = op->stage};
        job->due_ns = m->now_ns;
        start(m, job);
        op->job = job->job;
    }
}

/* Does to the model what op asks for, and turns op into what the queue must answer. */
static void expect(struct model *m, struct op *op) {
    op->code = XR_OK;
    m->seen[op->kind]++;
    switch (op->kind) {
    case OP_ENQUEUE:
        expect_enqueue(m, op);
        break;
    case OP_CLAIM:
        expect_claim(m, op);
        break;
    case OP_EXPIRE:
        expect_expire(m, op);
        break;
    case OP_VOID:
        expect_void(m);
        break;
    case OP_HAS:
        op->has = m->jobs[op->replay_id].state != NONE;
        break;
    default:
        expect_ending(m, op);
    }
}

static struct op random_op(struct model *m) {
    /* Claims and enqueues often, the operations of a start seldom. */
    static const enum op_kind KINDS[] = {OP_ENQUEUE, OP_ENQUEUE, OP_ENQUEUE, OP_CLAIM,   OP_CLAIM,
                                         OP_CLAIM,   OP_CLAIM,   OP_ADVANCE, OP_ADVANCE, OP_COMPLETE,
                                         OP_RETRY,   OP_RETRY,   OP_BURY,    OP_RELEASE, OP_HAS};
    struct op op = {.lease_s = LEASE_S, .error = "why", .max = LOST_MAX};
    op.kind = KINDS[next_random(m, sizeof KINDS / sizeof *KINDS)];
    if (next_random(m, 30) == 0)
        op.kind = next_random(m, 3) ? OP_EXPIRE : OP_VOID;
    op.replay_id = 1 + (int64_t)next_random(m, REPLAYS);
    op.stage = (enum xr_job_stage)next_random(m, XR_JOB_STAGE_COUNT);
    op.due_ns = m->now_ns + (int64_t)next_random(m, 4) * XR_NS_PER_S;
    op.job = m->handles[next_random(m, HANDLES)];
    return op;
}

static void assert_same_job(const struct xr_job *a, const struct xr_job *b) {
    struct xr_uuid uuid = uuid_of(b->replay_id);
    assert_int_equal(a->id, b->id);
    assert_int_equal(a->replay_id, b->replay_id);
    assert_memory_equal(&a->replay_uuid, &uuid, sizeof uuid);
    assert_int_equal(a->stage, b->stage);
    assert_int_equal(a->attempt, b->attempt);
    assert_int_equal(a->lost, b->lost);
    assert_int_equal(a->lease_ns, b->lease_ns);
}

static void assert_answer(const struct op *got, const struct op *expected) {
    assert_int_equal(got->code, expected->code);
    if (got->kind == OP_ENQUEUE)
        assert_int_equal(got->id, expected->id);
    if (got->kind == OP_CLAIM && got->code == XR_NOT_FOUND)
        assert_int_equal(got->next_ns, expected->next_ns);
    if ((got->kind == OP_CLAIM || got->kind == OP_ADVANCE) && got->code == XR_OK)
        assert_same_job(&got->job, &expected->job);
    if (got->kind == OP_EXPIRE)
        assert_int_equal(got->lost_count, expected->lost_count);
    if (got->kind == OP_HAS)
        assert_int_equal(got->has, expected->has);
}

static const struct xr_job_row *listed_of(const struct listing *listing, int64_t replay_id, bool dead) {
    struct xr_uuid uuid = uuid_of(replay_id);
    char text[XR_UUID_TEXT + 1];
    xr_uuid_format(&uuid, text);
    for (size_t i = 0; i < listing->count; i++) {
        const struct xr_job_row *row = &listing->items[i].row;
        if (strcmp(row->replay_id, text) == 0 && (strcmp(row->state, "dead") == 0) == dead)
            return row;
    }
    return NULL;
}

static void assert_listing(const struct xr_test_store *t, const struct model *m) {
    static struct listing listing;
    size_t expected = 0;
    list_jobs(t, &listing);
    for (int i = 1; i <= REPLAYS; i++) {
        const struct model_job *job = &m->jobs[i];
        const struct xr_job_row *row = listed_of(&listing, i, false);
        assert_int_equal(row != NULL, job->state != NONE);
        assert_int_equal(listed_of(&listing, i, true) != NULL, job->dead);
        expected += (size_t)(job->state != NONE) + job->dead;
        if (!row)
            continue;
        assert_string_equal(row->state, job->state == RUNNING ? "running" : "queued");
        assert_int_equal(row->id, job->job.id);
        assert_int_equal(row->attempt, job->job.attempt);
        assert_int_equal(row->due_ns, job->due_ns);
    }
    assert_int_equal(listing.count, expected);
}

static void run_batch(struct xr_test_store *t, struct model *m) {
    static struct op got[BATCH], expected[BATCH];
    t->now_ns += (int64_t)next_random(m, 2 * LEASE_S) * XR_NS_PER_S / 2;
    m->now_ns = t->now_ns;
    for (int i = 0; i < BATCH; i++) {
        got[i] = random_op(m);
        expected[i] = got[i];
        expect(m, &expected[i]);
    }
    run_ops(t, got, BATCH);
    for (int i = 0; i < BATCH; i++)
        assert_answer(&got[i], &expected[i]);
    assert_listing(t, m);
}

static void run_seed(void **state, uint64_t seed) {
    struct xr_test_store *t = *state;
    static struct model m;
    m = (struct model){.random = seed, .next_id = 1};
    for (int i = 0; i < HANDLES; i++)
        m.handles[i] = (struct xr_job){.id = 1000, .replay_id = 1, .attempt = 1};
    for (int batch = 0; batch < BATCHES; batch++) {
        if (batch == BATCHES / 2) { /* what is on the disk is all there is */
            xr_test_store_close(t);
            assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
        }
        run_batch(t, &m);
    }
    for (int kind = 0; kind < OP_KIND_COUNT; kind++)
        assert_true(m.seen[kind] > 0);
    for (int kind = OP_ADVANCE; kind <= OP_RELEASE; kind++)
        assert_true(m.ended[kind] > 0);
    assert_true(m.buried > 0);
}

static void random_operations_agree_with_the_model_1(void **state) {
    run_seed(state, 0x9E3779B97F4A7C15);
}

static void random_operations_agree_with_the_model_2(void **state) {
    run_seed(state, 42);
}

static void random_operations_agree_with_the_model_3(void **state) {
    run_seed(state, 20260101);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_operations_agree_with_the_model_1, xr_test_store_setup,
                                        xr_test_store_teardown),
        cmocka_unit_test_setup_teardown(random_operations_agree_with_the_model_2, xr_test_store_setup,
                                        xr_test_store_teardown),
        cmocka_unit_test_setup_teardown(random_operations_agree_with_the_model_3, xr_test_store_setup,
                                        xr_test_store_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
