// SPDX-License-Identifier: Apache-2.0
/* queue/queue_testkit.h - the queue's operations as values, so that a test can run one, or hundreds in one write. */
#pragma once
#include "queue/queue.h"
#include "store/store_testkit.h"

enum op_kind {
    OP_ENQUEUE,
    OP_CLAIM,
    OP_ADVANCE,
    OP_COMPLETE,
    OP_RETRY,
    OP_BURY,
    OP_RELEASE,
    OP_EXPIRE,
    OP_VOID,
    OP_HAS,
    OP_KIND_COUNT
};
enum { LOST_MAX = 8 };
struct op {
    enum op_kind kind;
    struct xr_job job; /* in: the handle of an ending; out: of claim and advance */
    int64_t replay_id; /* enqueue, has */
    enum xr_job_stage stage; /* enqueue, advance */
    int64_t lease_s; /* claim, advance */
    int64_t due_ns; /* retry */
    const char *error; /* retry, bury */
    size_t max; /* expire; at most LOST_MAX */

    enum xr_code code;
    int64_t id; /* enqueue */
    int64_t next_ns; /* claim */
    bool has;
    struct xr_job lost[LOST_MAX];
    size_t lost_count;
};

/* Runs the operations in one write, which must be committed. Each one's code is in its `code`. */
void run_ops(struct xr_test_store *t, struct op *ops, size_t count);
/* One operation in a write of its own; returns its code. */
enum xr_code run_op(struct xr_test_store *t, struct op *op);

/* The UUID that goes with a replay's number in tests. */
struct xr_uuid uuid_of(int64_t replay_id);

enum { LISTED_MAX = 64, LISTED_ERROR_MAX = 2048 };
struct listed {
    struct xr_job_row row; /* last_error points to `error` below, or is NULL */
    char error[LISTED_ERROR_MAX];
};
struct listing {
    struct listed items[LISTED_MAX];
    size_t count;
};
/* What `xrayd jobs` would show. */
void list_jobs(const struct xr_test_store *t, struct listing *listing);
