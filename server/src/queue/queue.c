// SPDX-License-Identifier: Apache-2.0
#include "queue/queue.h"
#include "base/limits.h"
#include "queue/transitions.h"

static const char *const STAGE_NAMES[XR_JOB_STAGE_COUNT] = {
    [XR_JOB_ANALYZE] = "analyze-replay",
    [XR_JOB_METRICS] = "calculate-metrics",
    [XR_JOB_EVALUATE] = "evaluate-replay",
};

const char *xr_job_stage_name(enum xr_job_stage stage) {
    return (unsigned)stage < XR_JOB_STAGE_COUNT ? STAGE_NAMES[stage] : "unknown";
}

static const struct xr_job_change NO_CHANGE = {.due_ns = XR_TIME_NONE, .lease_ns = XR_TIME_NONE};

static enum xr_code prepare(struct xr_store_tx *tx, const char *text, struct xr_stmt **ret_stmt, struct xr_err *err) {
    struct xr_sql *sql;
    enum xr_code code = xr_store_tx_queue(tx, &sql, err);
    return code == XR_OK ? xr_sql_prepare(sql, text, ret_stmt, err) : code;
}

static enum xr_code lease_end(const struct xr_store_tx *tx, int64_t lease_s, int64_t *ret_ns, struct xr_err *err) {
    int64_t end;
    if (lease_s < 1 || __builtin_mul_overflow(lease_s, XR_NS_PER_S, &end) ||
        __builtin_add_overflow(end, xr_store_tx_now(tx), &end))
        return xr_fail(err, XR_INVALID, NULL, "a lease cannot last %lld s", (long long)lease_s);
    *ret_ns = end;
    return XR_OK;
}

/* Adds the job's row; fills in job->id. A job with a lease starts as running. */
static enum xr_code insert_job(struct xr_store_tx *tx, struct xr_job *job, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO queue.jobs (replay_id, replay_uuid, stage, state, attempt, lost, due_ns,"
                              " lease_ns, created_ns) VALUES (?1, ?2, ?3, ?4, ?5, 0, ?6, ?7, ?6)";
    struct xr_sql *sql;
    struct xr_stmt *stmt;
    enum xr_code code = xr_store_tx_queue(tx, &sql, err);
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, job->replay_id);
    xr_stmt_bind_blob(stmt, 2, job->replay_uuid.bytes, XR_UUID_SIZE);
    xr_stmt_bind_int(stmt, 3, job->stage);
    xr_stmt_bind_int(stmt, 4, job->lease_ns == XR_TIME_NONE ? XR_JOB_QUEUED : XR_JOB_RUNNING);
    xr_stmt_bind_int(stmt, 5, job->attempt);
    xr_stmt_bind_int(stmt, 6, xr_store_tx_now(tx));
    xr_stmt_bind_opt_int(stmt, 7, job->lease_ns, XR_TIME_NONE);
    code = xr_stmt_run(stmt, err);
    if (code == XR_OK)
        job->id = xr_sql_last_id(sql);
    return code;
}

/* XR_NOT_FOUND: the replay has no live job. */
static enum xr_code find_of_replay(struct xr_store_tx *tx, int64_t replay_id, int64_t *ret_id, struct xr_err *err) {
    static const char SQL[] = "SELECT id FROM queue.jobs WHERE replay_id = ?1";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = prepare(tx, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    code = xr_stmt_one(stmt, err);
    if (code == XR_OK)
        *ret_id = xr_stmt_int(stmt, 0);
    return code;
}

static enum xr_code forget_letters(struct xr_store_tx *tx, int64_t replay_id, struct xr_err *err) {
    static const char SQL[] = "DELETE FROM queue.dead_letters WHERE replay_id = ?1";
    struct xr_stmt *stmt;
    enum xr_code code = prepare(tx, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    return xr_stmt_run(stmt, err);
}

enum xr_code xr_queue_tx_enqueue(struct xr_store_tx *tx, int64_t replay_id, const struct xr_uuid *uuid,
                                 enum xr_job_stage stage, int64_t *ret_job_id, struct xr_err *err) {
    enum xr_code code = find_of_replay(tx, replay_id, ret_job_id, err);
    if (code != XR_NOT_FOUND)
        return code;
    code = forget_letters(tx, replay_id, err);
    struct xr_job job = {.replay_id = replay_id, .replay_uuid = *uuid, .stage = stage, .lease_ns = XR_TIME_NONE};
    if (code == XR_OK)
        code = insert_job(tx, &job, err);
    if (code == XR_OK)
        *ret_job_id = job.id;
    return code;
}

enum xr_code xr_queue_tx_has_job(struct xr_store_tx *tx, int64_t replay_id, bool *ret_has, struct xr_err *err) {
    int64_t id;
    enum xr_code code = find_of_replay(tx, replay_id, &id, err);
    if (code != XR_OK && code != XR_NOT_FOUND)
        return code;
    *ret_has = code == XR_OK;
    return XR_OK;
}

/* The job whose lease has been over for longest; last: of those that have no further lease to lose, or of the others.
 * XR_NOT_FOUND. */
static enum xr_code find_over(struct xr_store_tx *tx, bool last, struct xr_job *ret_job, struct xr_err *err) {
    static const char SQL[] = "SELECT " XR_JOB_COLUMNS " FROM queue.jobs"
                              " WHERE state = 1 AND lease_ns <= ?1 AND (lost + 1 >= ?2) = ?3"
                              " ORDER BY lease_ns, id LIMIT 1";
    struct xr_stmt *stmt;
    enum xr_code code = prepare(tx, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, xr_store_tx_now(tx));
    xr_stmt_bind_int(stmt, 2, XR_JOB_ATTEMPTS);
    xr_stmt_bind_int(stmt, 3, last);
    return xr_job_read(stmt, ret_job, err);
}

/* They go behind the jobs that are due already: should it be the job that ends its worker, the others come first. */
static enum xr_code requeue_lost(struct xr_store_tx *tx, struct xr_err *err) {
    const struct xr_job_change change = {.due_ns = xr_store_tx_now(tx), .lease_ns = XR_TIME_NONE};
    enum xr_code code = XR_OK;
    while (code == XR_OK) {
        struct xr_job job;
        code = find_over(tx, false, &job, err);
        if (code == XR_NOT_FOUND)
            return XR_OK;
        if (code == XR_OK)
            code = xr_job_move(tx, XR_JOB_LOSE, &job, &change, err);
    }
    return code;
}

static enum xr_code find_due(struct xr_store_tx *tx, struct xr_job *ret_job, struct xr_err *err) {
    static const char SQL[] = "SELECT " XR_JOB_COLUMNS " FROM queue.jobs WHERE state = 0 AND due_ns <= ?1"
                              " ORDER BY due_ns, id LIMIT 1";
    struct xr_stmt *stmt;
    enum xr_code code = prepare(tx, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, xr_store_tx_now(tx));
    return xr_job_read(stmt, ret_job, err);
}

/* When a claim may find something again: a waiting job is due, or a lease ends. */
static enum xr_code find_next_time(struct xr_store_tx *tx, int64_t *ret_ns, struct xr_err *err) {
    static const char SQL[] = "SELECT min(at) FROM (SELECT min(due_ns) AS at FROM queue.jobs WHERE state = 0"
                              " UNION ALL SELECT min(lease_ns) FROM queue.jobs WHERE state = 1 AND lease_ns > ?1)";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = prepare(tx, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, xr_store_tx_now(tx));
    code = xr_stmt_one(stmt, err);
    if (code == XR_OK)
        *ret_ns = xr_stmt_opt_int(stmt, 0, XR_TIME_NONE);
    return code;
}

static enum xr_code none_due(struct xr_store_tx *tx, int64_t *ret_next_ns, struct xr_err *err) {
    int64_t next_ns = XR_TIME_NONE;
    enum xr_code code = ret_next_ns ? find_next_time(tx, &next_ns, err) : XR_OK;
    if (code != XR_OK)
        return code;
    if (ret_next_ns)
        *ret_next_ns = next_ns;
    return xr_fail(err, XR_NOT_FOUND, NULL, "no job is due");
}

enum xr_code xr_queue_tx_claim(struct xr_store_tx *tx, int64_t lease_s, struct xr_job *ret_job, int64_t *ret_next_ns,
                               struct xr_err *err) {
    struct xr_job job;
    struct xr_job_change change = NO_CHANGE;
    enum xr_code code = lease_end(tx, lease_s, &change.lease_ns, err);
    if (code == XR_OK)
        code = requeue_lost(tx, err);
    if (code != XR_OK)
        return code;
    code = find_due(tx, &job, err);
    if (code == XR_NOT_FOUND)
        return none_due(tx, ret_next_ns, err);
    if (code == XR_OK)
        code = xr_job_move(tx, XR_JOB_CLAIM, &job, &change, err);
    if (code != XR_OK)
        return code;
    job.attempt++;
    job.lease_ns = change.lease_ns;
    *ret_job = job;
    return XR_OK;
}

enum xr_code xr_queue_tx_advance(struct xr_store_tx *tx, const struct xr_job *job, enum xr_job_stage next,
                                 int64_t lease_s, struct xr_job *ret_next, struct xr_err *err) {
    struct xr_job successor = {
        .replay_id = job->replay_id, .replay_uuid = job->replay_uuid, .stage = next, .attempt = 1};
    enum xr_code code = lease_end(tx, lease_s, &successor.lease_ns, err);
    if (code == XR_OK)
        code = xr_job_move(tx, XR_JOB_COMPLETE, job, &NO_CHANGE, err);
    if (code == XR_OK)
        code = insert_job(tx, &successor, err);
    if (code == XR_OK)
        *ret_next = successor;
    return code;
}

enum xr_code xr_queue_tx_complete(struct xr_store_tx *tx, const struct xr_job *job, struct xr_err *err) {
    return xr_job_move(tx, XR_JOB_COMPLETE, job, &NO_CHANGE, err);
}

/* At most XR_LAST_ERROR_MAX bytes, cut between two characters. NULL stays NULL. */
static struct xr_str cut_error(const char *text) {
    struct xr_str s = {.ptr = text, .len = text ? strnlen(text, XR_LAST_ERROR_MAX + 1) : 0};
    if (s.len <= XR_LAST_ERROR_MAX)
        return s;
    s.len = XR_LAST_ERROR_MAX;
    while (s.len > 0 && ((unsigned char)s.ptr[s.len] & 0xC0) == 0x80)
        s.len--;
    return s;
}

enum xr_code xr_queue_tx_retry(struct xr_store_tx *tx, const struct xr_job *job, int64_t not_before_ns,
                               const char *last_error, struct xr_err *err) {
    const struct xr_job_change change = {
        .due_ns = not_before_ns, .lease_ns = XR_TIME_NONE, .last_error = cut_error(last_error)};
    return xr_job_move(tx, XR_JOB_RETRY, job, &change, err);
}

enum xr_code xr_queue_tx_bury(struct xr_store_tx *tx, const struct xr_job *job, const char *last_error,
                              struct xr_err *err) {
    struct xr_job_change change = NO_CHANGE;
    change.last_error = cut_error(last_error);
    return xr_job_move(tx, XR_JOB_BURY, job, &change, err);
}

enum xr_code xr_queue_tx_release(struct xr_store_tx *tx, const struct xr_job *job, struct xr_err *err) {
    return xr_job_move(tx, XR_JOB_RELEASE, job, &NO_CHANGE, err);
}

/* How many jobs have lost their last lease: at most max. */
static enum xr_code bury_lost(struct xr_store_tx *tx, struct xr_job *lost, size_t max, size_t *ret_count,
                              struct xr_err *err) {
    struct xr_job_change change = NO_CHANGE;
    change.last_error = XR_STR("the worker was lost in every attempt");
    size_t count = 0;
    enum xr_code code = XR_OK;
    while (count < max && code == XR_OK) {
        struct xr_job job;
        code = find_over(tx, true, &job, err);
        if (code == XR_OK)
            code = xr_job_move(tx, XR_JOB_LOSE_LAST, &job, &change, err);
        if (code == XR_OK) {
            job.lost++;
            lost[count++] = job;
        }
    }
    if (code != XR_OK && code != XR_NOT_FOUND)
        return code;
    *ret_count = count;
    return XR_OK;
}

enum xr_code xr_queue_tx_expire(struct xr_store_tx *tx, struct xr_job *ret_lost, size_t max, size_t *ret_count,
                                struct xr_err *err) {
    enum xr_code code = requeue_lost(tx, err);
    return code == XR_OK ? bury_lost(tx, ret_lost, max, ret_count, err) : code;
}

enum xr_code xr_queue_tx_void_leases(struct xr_store_tx *tx, struct xr_err *err) {
    /* Over by now; what that makes of each job is for expire and claim to say. */
    static const char SQL[] = "UPDATE queue.jobs SET lease_ns = ?1 WHERE state = 1 AND lease_ns > ?1";
    struct xr_stmt *stmt;
    enum xr_code code = prepare(tx, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, xr_store_tx_now(tx));
    return xr_stmt_run(stmt, err);
}
