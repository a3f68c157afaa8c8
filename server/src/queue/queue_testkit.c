// SPDX-License-Identifier: Apache-2.0
#include "queue/queue_testkit.h"
#include "base/test.h"

struct xr_uuid uuid_of(int64_t replay_id) {
    struct xr_uuid uuid = {{0}};
    memcpy(uuid.bytes, &replay_id, sizeof replay_id);
    return uuid;
}

static enum xr_code enqueue(struct xr_store_tx *tx, struct op *op) {
    struct xr_uuid uuid = uuid_of(op->replay_id);
    return xr_queue_tx_enqueue(tx, op->replay_id, &uuid, op->stage, &op->id, NULL);
}

static enum xr_code apply_op(struct xr_store_tx *tx, struct op *op) {
    switch (op->kind) {
    case OP_ENQUEUE:
        return enqueue(tx, op);
    case OP_CLAIM:
        return xr_queue_tx_claim(tx, op->lease_s, &op->job, &op->next_ns, NULL);
    case OP_ADVANCE:
        return xr_queue_tx_advance(tx, &op->job, op->stage, op->lease_s, &op->job, NULL);
    case OP_COMPLETE:
        return xr_queue_tx_complete(tx, &op->job, NULL);
    case OP_RETRY:
        return xr_queue_tx_retry(tx, &op->job, op->due_ns, op->error, NULL);
    case OP_BURY:
        return xr_queue_tx_bury(tx, &op->job, op->error, NULL);
    case OP_RELEASE:
        return xr_queue_tx_release(tx, &op->job, NULL);
    case OP_EXPIRE:
        return xr_queue_tx_expire(tx, op->lost, op->max, &op->lost_count, NULL);
    case OP_VOID:
        return xr_queue_tx_void_leases(tx, NULL);
    case OP_HAS:
        return xr_queue_tx_has_job(tx, op->replay_id, &op->has, NULL);
    default:
        return XR_INTERNAL;
    }
}

struct batch {
    struct op *ops;
    size_t count;
};

/* On the writer's thread, so without assertions: they leave by longjmp. */
static enum xr_code apply_batch(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    const struct batch *batch = ctx;
    (void)err;
    for (size_t i = 0; i < batch->count; i++)
        batch->ops[i].code = apply_op(tx, &batch->ops[i]);
    return XR_OK;
}

void run_ops(struct xr_test_store *t, struct op *ops, size_t count) {
    struct batch batch = {ops, count};
    assert_int_equal(xr_test_write(t, apply_batch, &batch, NULL), XR_OK);
}

enum xr_code run_op(struct xr_test_store *t, struct op *op) {
    run_ops(t, op, 1);
    return op->code;
}

static void add_row(const struct xr_job_row *row, void *ctx) {
    struct listing *listing = ctx;
    assert_in_range(listing->count, 0, LISTED_MAX - 1);
    struct listed *item = &listing->items[listing->count++];
    item->row = *row;
    if (row->last_error.ptr) {
        assert_in_range(row->last_error.len, 0, LISTED_ERROR_MAX);
        memcpy(item->error, row->last_error.ptr, row->last_error.len);
        item->row.last_error.ptr = item->error;
    }
}

void list_jobs(const struct xr_test_store *t, struct listing *listing) {
    listing->count = 0;
    assert_int_equal(xr_queue_jobs_each(t->queue_path, add_row, listing, NULL), XR_OK);
}
