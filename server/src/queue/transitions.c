// SPDX-License-Identifier: Apache-2.0
#include "queue/transitions.h"
#include <limits.h>

/*                   claim                            complete
 *        queued --------------------------> running ----------> gone
 *          ^          attempt + 1             |
 *          |                                  |
 *          +--- retry: due later -------------+--- bury ---------------> dead
 *          +--- release: attempt - 1 ---------+
 *          +--- lose: lost + 1 ---------------+--- lose_last: lost + 1 -> dead
 */
static const struct transition {
    enum xr_job_state from, to;
    int attempt, lost; /* added */
    const char *reason; /* of a dead letter */
} TRANSITIONS[XR_JOB_EVENT_COUNT] = {
    [XR_JOB_CLAIM] = {XR_JOB_QUEUED, XR_JOB_RUNNING, +1, 0, NULL},
    [XR_JOB_RETRY] = {XR_JOB_RUNNING, XR_JOB_QUEUED, 0, 0, NULL},
    [XR_JOB_RELEASE] = {XR_JOB_RUNNING, XR_JOB_QUEUED, -1, 0, NULL},
    [XR_JOB_LOSE] = {XR_JOB_RUNNING, XR_JOB_QUEUED, 0, +1, NULL},
    [XR_JOB_COMPLETE] = {XR_JOB_RUNNING, XR_JOB_GONE, 0, 0, NULL},
    [XR_JOB_BURY] = {XR_JOB_RUNNING, XR_JOB_DEAD, 0, 0, "failed"},
    [XR_JOB_LOSE_LAST] = {XR_JOB_RUNNING, XR_JOB_DEAD, 0, +1, "worker_lost"},
};

/* The row under the lease that the caller holds; ?1 to ?4 of every statement that moves a job. */
#define THIS_JOB " WHERE id = ?1 AND state = ?2 AND attempt = ?3 AND lease_ns IS ?4"
static const char UPDATE_SQL[] =
    "UPDATE queue.jobs SET state = ?5, attempt = attempt + ?6, lost = lost + ?7, due_ns = coalesce(?8, due_ns),"
    " lease_ns = ?9, last_error = coalesce(?10, last_error)" THIS_JOB;
static const char BURY_SQL[] =
    "INSERT INTO queue.dead_letters (id, replay_id, replay_uuid, stage, state, attempt, lost, due_ns, lease_ns,"
    " created_ns, last_error, buried_ns, reason)"
    " SELECT id, replay_id, replay_uuid, stage, state, attempt, lost + ?5, due_ns, lease_ns,"
    " created_ns, coalesce(?6, last_error), ?7, ?8 FROM queue.jobs" THIS_JOB;
static const char DELETE_SQL[] = "DELETE FROM queue.jobs" THIS_JOB;

/* Prepares and binds ?1 to ?4. */
static enum xr_code prepare_for(struct xr_sql *sql, const char *text, const struct xr_job *job, enum xr_job_state from,
                                struct xr_stmt **ret_stmt, struct xr_err *err) {
    enum xr_code code = xr_sql_prepare(sql, text, ret_stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(*ret_stmt, 1, job->id);
    xr_stmt_bind_int(*ret_stmt, 2, from);
    xr_stmt_bind_int(*ret_stmt, 3, job->attempt);
    xr_stmt_bind_opt_int(*ret_stmt, 4, job->lease_ns, XR_TIME_NONE);
    return XR_OK;
}

/* Runs a statement of one job; XR_CONFLICT when the job is not there under this lease. */
static enum xr_code run_for(struct xr_sql *sql, struct xr_stmt *stmt, struct xr_err *err) {
    enum xr_code code = xr_stmt_run(stmt, err);
    if (code == XR_OK && xr_sql_changes(sql) != 1)
        return xr_fail(err, XR_CONFLICT, NULL, "the job's lease is lost");
    return code;
}

static enum xr_code update_row(struct xr_sql *sql, const struct transition *transition, const struct xr_job *job,
                               const struct xr_job_change *change, struct xr_err *err) {
    struct xr_stmt *stmt;
    enum xr_code code = prepare_for(sql, UPDATE_SQL, job, transition->from, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 5, transition->to);
    xr_stmt_bind_int(stmt, 6, transition->attempt);
    xr_stmt_bind_int(stmt, 7, transition->lost);
    xr_stmt_bind_opt_int(stmt, 8, change->due_ns, XR_TIME_NONE);
    xr_stmt_bind_opt_int(stmt, 9, change->lease_ns, XR_TIME_NONE);
    xr_stmt_bind_str(stmt, 10, change->last_error);
    return run_for(sql, stmt, err);
}

static enum xr_code insert_letter(struct xr_sql *sql, const struct transition *transition, const struct xr_job *job,
                                  const struct xr_job_change *change, int64_t now_ns, struct xr_err *err) {
    struct xr_stmt *stmt;
    enum xr_code code = prepare_for(sql, BURY_SQL, job, transition->from, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 5, transition->lost);
    xr_stmt_bind_str(stmt, 6, change->last_error);
    xr_stmt_bind_int(stmt, 7, now_ns);
    xr_stmt_bind_str(stmt, 8, xr_str_from(transition->reason));
    return run_for(sql, stmt, err);
}

static enum xr_code delete_row(struct xr_sql *sql, const struct transition *transition, const struct xr_job *job,
                               struct xr_err *err) {
    struct xr_stmt *stmt;
    enum xr_code code = prepare_for(sql, DELETE_SQL, job, transition->from, &stmt, err);
    return code == XR_OK ? run_for(sql, stmt, err) : code;
}

/* The one place where a job changes its state. */
enum xr_code xr_job_move(struct xr_store_tx *tx, enum xr_job_event event, const struct xr_job *job,
                         const struct xr_job_change *change, struct xr_err *err) {
    const struct transition *transition = &TRANSITIONS[event];
    struct xr_sql *sql;
    enum xr_code code = xr_store_tx_queue(tx, &sql, err);
    if (code != XR_OK)
        return code;
    if (transition->to < XR_JOB_STORED_STATES)
        return update_row(sql, transition, job, change, err);
    if (transition->to == XR_JOB_DEAD)
        code = insert_letter(sql, transition, job, change, xr_store_tx_now(tx), err);
    return code == XR_OK ? delete_row(sql, transition, job, err) : code;
}

enum xr_code xr_job_read(struct xr_stmt *stmt, struct xr_job *ret_job, struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *used = stmt;
    enum xr_code code = xr_stmt_one(stmt, err);
    if (code != XR_OK)
        return code;
    struct xr_job job = {.id = xr_stmt_int(stmt, 0), .replay_id = xr_stmt_int(stmt, 1)};
    xr_stmt_fixed(stmt, 2, job.replay_uuid.bytes, XR_UUID_SIZE);
    job.stage = (enum xr_job_stage)xr_stmt_enum(stmt, 3, XR_JOB_STAGE_COUNT);
    job.attempt = xr_stmt_enum(stmt, 4, INT_MAX);
    job.lost = xr_stmt_enum(stmt, 5, INT_MAX);
    job.lease_ns = xr_stmt_opt_int(stmt, 6, XR_TIME_NONE);
    code = xr_stmt_check(stmt, err);
    if (code == XR_OK)
        *ret_job = job;
    return code;
}
