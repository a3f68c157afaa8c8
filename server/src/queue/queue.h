// SPDX-License-Identifier: Apache-2.0
/* queue/queue.h - durable jobs: one a replay and stage, with leases, attempts, backoff and dead letters. SQL over the
 * store's writer. All but xr_queue_backoff_ns and xr_queue_jobs_each (any thread) run on the writer's thread, in a
 * write.
 *
 *             enqueue                claim                    advance
 *   (nothing) -------> queued -----------------> running -----------------> (gone; the next stage's job is running)
 *                        ^      attempt += 1        |  \-------------------> (gone: complete)
 *                        |                          |
 *                        +------ retry (not before) +---- bury ----> dead letter
 *                        +------ lease expired -----+
 *
 * A job whose lease has run out is queued again by the next claim, its attempts kept; after XR_JOB_ATTEMPTS lost leases
 * it is buried (worker_lost). */
#pragma once
#include "base/uuid.h"
#include "store/store.h"

enum xr_job_stage { XR_JOB_ANALYZE, XR_JOB_METRICS, XR_JOB_EVALUATE, XR_JOB_STAGE_COUNT };
const char *xr_job_stage_name(enum xr_job_stage stage); /* "analyze-replay", "calculate-metrics", "evaluate-replay" */

struct xr_job {
    int64_t id; /* never reused */
    int64_t replay_id;
    struct xr_uuid replay_uuid;
    enum xr_job_stage stage;
    int attempt; /* 1-based, of this stage */
    int lost; /* how many of the attempts ended with a lost lease */
    int64_t lease_ns; /* wall clock at which the lease ends */
};

/* How long a job waits after its attempt number `attempt` (from 1) has failed: XR_JOB_BACKOFF_MS doubled each attempt,
 * up to XR_JOB_BACKOFF_MAX_MS, plus up to half of it at random. Pure. */
int64_t xr_queue_backoff_ns(int attempt, uint64_t random);

/* Idempotent per replay: if the replay has a live job, its id is returned and nothing is added. Else the replay's dead
 * letter, if it has one, is gone: it runs again. */
XR_MUST_USE enum xr_code xr_queue_tx_enqueue(struct xr_store_tx *tx, int64_t replay_id, const struct xr_uuid *uuid,
                                             enum xr_job_stage stage, int64_t *ret_job_id, struct xr_err *err);
/* Takes the oldest queued job that is due, with a lease of lease_s. XR_NOT_FOUND: none due; *ret_next_ns (may be NULL)
 * is then when the next one will be due or the next lease ends, XR_TIME_NONE if there is none. */
XR_MUST_USE enum xr_code xr_queue_tx_claim(struct xr_store_tx *tx, int64_t lease_s, struct xr_job *ret_job,
                                           int64_t *ret_next_ns, struct xr_err *err);
/* The four ways a running job ends. Each checks that job is still running under the same lease (id, attempt, lease_ns);
 * XR_CONFLICT if the lease was lost: the whole write must then be given up. */
XR_MUST_USE enum xr_code xr_queue_tx_advance(struct xr_store_tx *tx, const struct xr_job *job, enum xr_job_stage next,
                                             int64_t lease_s, struct xr_job *ret_next, struct xr_err *err);
XR_MUST_USE enum xr_code xr_queue_tx_complete(struct xr_store_tx *tx, const struct xr_job *job, struct xr_err *err);
XR_MUST_USE enum xr_code xr_queue_tx_retry(struct xr_store_tx *tx, const struct xr_job *job, int64_t not_before_ns,
                                           const char *last_error, struct xr_err *err);
XR_MUST_USE enum xr_code xr_queue_tx_bury(struct xr_store_tx *tx, const struct xr_job *job, const char *last_error,
                                          struct xr_err *err);
/* Gives a running job back unharmed (shutdown): queued, the attempt not counted. */
XR_MUST_USE enum xr_code xr_queue_tx_release(struct xr_store_tx *tx, const struct xr_job *job, struct xr_err *err);

/* Jobs whose lease is over and whose lost count has reached XR_JOB_ATTEMPTS: buried here, their refs filled in, so that
 * the caller can fail the replays (worker_lost) in the same write. Others with a lease that is over are queued again.
 */
XR_MUST_USE enum xr_code xr_queue_tx_expire(struct xr_store_tx *tx, struct xr_job *ret_lost, size_t max,
                                            size_t *ret_count, struct xr_err *err);
/* At start: no worker of an earlier process is alive, so every lease is over now (the attempt counts as lost). */
XR_MUST_USE enum xr_code xr_queue_tx_void_leases(struct xr_store_tx *tx, struct xr_err *err);
/* Does the replay have a live (queued or running) job? */
XR_MUST_USE enum xr_code xr_queue_tx_has_job(struct xr_store_tx *tx, int64_t replay_id, bool *ret_has,
                                             struct xr_err *err);

/* `xrayd jobs`: opens the file read-only beside a running server or none. Strings are valid during each(). */
struct xr_job_row {
    int64_t id;
    const char *stage, *state; /* state: "queued", "running", "dead" */
    char replay_id[37];
    int attempt;
    int64_t due_ns, created_ns; /* dead: when it was buried */
    struct xr_str last_error; /* ptr NULL: none */
};
XR_MUST_USE enum xr_code xr_queue_jobs_each(const char *queue_path,
                                            void (*each)(const struct xr_job_row *row, void *ctx), void *ctx,
                                            struct xr_err *err);
