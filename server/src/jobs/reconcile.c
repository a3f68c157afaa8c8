// SPDX-License-Identifier: Apache-2.0
#include "jobs/reconcile.h"
#include "base/buf.h"
#include "queue/queue.h"
#include "store/replays.h"
#include <pthread.h>
#include <stdbool.h>

enum { ORPHANS_BYTES_MAX = 64 * 1024 * 1024 };

struct orphan {
    int64_t id;
    struct xr_uuid uuid;
};

struct reconciliation {
    struct xr_write write;
    pthread_mutex_t lock;
    pthread_cond_t over;
    bool done;
    enum xr_code code;
    struct xr_err err;
    size_t requeued;
};

static void note_analyzing(const struct xr_replay *replay, void *ctx) {
    struct orphan orphan = {.id = replay->id, .uuid = replay->uuid};
    xr_buf_append(ctx, &orphan, sizeof orphan);
}

static enum xr_code requeue(struct xr_store_tx *tx, const struct orphan *orphan, size_t *requeued, struct xr_err *err) {
    bool has_job = false;
    int64_t job_id = -1;
    enum xr_code code = xr_queue_tx_has_job(tx, orphan->id, &has_job, err);
    if (code != XR_OK || has_job)
        return code;
    code = xr_queue_tx_enqueue(tx, orphan->id, &orphan->uuid, XR_JOB_ANALYZE, &job_id, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_job(tx, orphan->id, job_id, err);
    *requeued += code == XR_OK;
    return code;
}

enum xr_code xr_reconcile_tx(struct xr_store_tx *tx, size_t *requeued, struct xr_err *err) {
    struct xr_buf analyzing = xr_buf_make(ORPHANS_BYTES_MAX); /* struct orphan, one after the other */
    struct orphan orphan;
    enum xr_code code = xr_store_tx_replays_analyzing(tx, note_analyzing, &analyzing, err);
    if (code == XR_OK && analyzing.failed)
        code = xr_fail(err, XR_NO_MEMORY, NULL, "too many replays to reconcile");
    for (size_t at = 0; code == XR_OK && at < analyzing.len; at += sizeof orphan) {
        memcpy(&orphan, analyzing.data + at, sizeof orphan);
        code = requeue(tx, &orphan, requeued, err);
    }
    xr_buf_clear(&analyzing);
    return code;
}

static enum xr_code apply(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct reconciliation *r = write->ctx;
    r->requeued = 0;
    enum xr_code code = xr_queue_tx_void_leases(tx, err);
    return code == XR_OK ? xr_reconcile_tx(tx, &r->requeued, err) : code;
}

static void done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct reconciliation *r = write->ctx;
    pthread_mutex_lock(&r->lock);
    r->code = code;
    if (code != XR_OK)
        r->err = *err;
    r->done = true;
    pthread_cond_signal(&r->over);
    pthread_mutex_unlock(&r->lock);
}

enum xr_code xr_reconcile(struct xr_store *store, const struct xr_log *log, struct xr_err *err) {
    struct reconciliation r = {.lock = PTHREAD_MUTEX_INITIALIZER, .over = PTHREAD_COND_INITIALIZER};
    r.write = (struct xr_write){.apply = apply, .done = done, .ctx = &r};
    enum xr_code code = xr_store_submit(store, &r.write, err);
    if (code != XR_OK)
        return code;
    pthread_mutex_lock(&r.lock);
    while (!r.done)
        pthread_cond_wait(&r.over, &r.lock);
    pthread_mutex_unlock(&r.lock);
    if (r.code != XR_OK && err)
        *err = r.err;
    if (r.code == XR_OK && r.requeued > 0)
        xr_log(log, XR_LOG_INFO, "replays queued again", XR_LOG_I("count", r.requeued));
    return r.code;
}
