// SPDX-License-Identifier: Apache-2.0
/* queue/transitions.h - a job's states and the one way to move between them. For queue/ only; the writer's thread. */
#pragma once
#include "queue/queue.h"
#include "store/sql.h"

/* What the column `state` holds, and the two states that are not a row of `jobs`. */
enum xr_job_state {
    XR_JOB_QUEUED = 0,
    XR_JOB_RUNNING = 1,
    XR_JOB_STORED_STATES = 2,
    XR_JOB_DEAD = XR_JOB_STORED_STATES,
    XR_JOB_GONE = 3,
};

enum xr_job_event {
    XR_JOB_CLAIM,
    XR_JOB_RETRY,
    XR_JOB_RELEASE,
    XR_JOB_LOSE, /* its lease ran out */
    XR_JOB_COMPLETE,
    XR_JOB_BURY,
    XR_JOB_LOSE_LAST, /* its last lease ran out */
    XR_JOB_EVENT_COUNT
};

/* What an event writes beside the state. */
struct xr_job_change {
    int64_t due_ns; /* XR_TIME_NONE: stays */
    int64_t lease_ns; /* XR_TIME_NONE: no lease */
    struct xr_str last_error; /* ptr NULL: stays */
};

/* XR_CONFLICT: the job is not in the event's state any more, under this attempt and lease. */
XR_MUST_USE enum xr_code xr_job_move(struct xr_store_tx *tx, enum xr_job_event event, const struct xr_job *job,
                                     const struct xr_job_change *change, struct xr_err *err);

#define XR_JOB_COLUMNS "id, replay_id, replay_uuid, stage, attempt, lost, lease_ns"
/* The first row of a statement over XR_JOB_COLUMNS; resets the statement. XR_NOT_FOUND. */
XR_MUST_USE enum xr_code xr_job_read(struct xr_stmt *stmt, struct xr_job *ret_job, struct xr_err *err);
