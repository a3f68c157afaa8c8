// SPDX-License-Identifier: Apache-2.0
/* `xrayd jobs`: its own read-only connection, beside a running server or none. */
#include "base/limits.h"
#include "queue/transitions.h"
#include "store/schema.h"
#include <limits.h>

static const char *const STATE_NAMES[] = {
    [XR_JOB_QUEUED] = "queued", [XR_JOB_RUNNING] = "running", [XR_JOB_DEAD] = "dead"};

static enum xr_code check_owner(struct xr_sql *sql, const char *path, struct xr_err *err) {
    static const char APPLICATION_SQL[] = "PRAGMA application_id", VERSION_SQL[] = "PRAGMA user_version";
    int64_t application_id, version;
    enum xr_code code = xr_sql_read_int(sql, APPLICATION_SQL, &application_id, err);
    if (code == XR_OK)
        code = xr_sql_read_int(sql, VERSION_SQL, &version, err);
    if (code != XR_OK)
        return code;
    if (application_id != XR_QUEUE_SCHEMA.application_id)
        return xr_fail(err, XR_FOREIGN, NULL, "%s is not a queue of xrayd", path);
    if (version < 1 || version > (int64_t)XR_QUEUE_SCHEMA.count)
        return xr_fail(err, XR_FOREIGN, NULL, "%s was written by another version of xrayd", path);
    return XR_OK;
}

static enum xr_code read_row(struct xr_stmt *stmt, struct xr_job_row *ret_row, struct xr_err *err) {
    struct xr_uuid uuid = {0};
    struct xr_job_row row = {.id = xr_stmt_int(stmt, 0)};
    row.stage = xr_job_stage_name((enum xr_job_stage)xr_stmt_enum(stmt, 1, XR_JOB_STAGE_COUNT));
    row.state = STATE_NAMES[xr_stmt_enum(stmt, 2, XR_JOB_DEAD + 1)];
    xr_stmt_fixed(stmt, 3, uuid.bytes, XR_UUID_SIZE);
    xr_uuid_format(&uuid, row.replay_id);
    row.attempt = xr_stmt_enum(stmt, 4, INT_MAX);
    row.due_ns = xr_stmt_int(stmt, 5);
    row.created_ns = xr_stmt_int(stmt, 6);
    row.last_error = xr_stmt_view(stmt, 7);
    enum xr_code code = xr_stmt_check(stmt, err);
    if (code == XR_OK)
        *ret_row = row;
    return code;
}

enum xr_code xr_queue_jobs_each(const char *queue_path, void (*each)(const struct xr_job_row *row, void *ctx),
                                void *ctx, struct xr_err *err) {
    /* Live jobs first, then the letters, oldest first; one statement, so one moment. */
    static const char SQL[] =
        "SELECT * FROM (SELECT id, stage, state, replay_uuid, attempt, due_ns, created_ns, last_error FROM jobs"
        " UNION ALL SELECT id, stage, 2, replay_uuid, attempt, buried_ns, created_ns, last_error FROM dead_letters)"
        " ORDER BY state = 2, due_ns, id";
    XR_AUTO(xr_sql_closep) struct xr_sql *sql = NULL;
    enum xr_code code = xr_sql_open(queue_path, XR_SQL_READ_ONLY, NULL, XR_BUSY_TIMEOUT_MS, &sql, err);
    if (code == XR_OK)
        code = check_owner(sql, queue_path, err);
    struct xr_stmt *stmt = NULL;
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    for (bool more = true; code == XR_OK;) {
        struct xr_job_row row;
        code = xr_stmt_step(stmt, &more, err);
        if (code != XR_OK || !more)
            break;
        code = read_row(stmt, &row, err);
        if (code == XR_OK)
            each(&row, ctx);
    }
    return code; /* the statement goes with its connection */
}
