// SPDX-License-Identifier: Apache-2.0
/* calculate-metrics: the timing of every turn. A live conversation ends here, passed, with no checks. */
#include "jobs/announce.h"
#include "jobs/chain.h"

static void announce_metrics(struct xr_chain *chain, int64_t seq) {
    xr_chain_publish(chain, xr_announce_progress(65, XR_STEP_METRICS, seq));
    xr_chain_publish(chain, xr_announce_state(XR_ANALYZING, XR_STEP_EVALUATE, seq));
    xr_chain_publish(chain, xr_announce_progress(65, XR_STEP_EVALUATE, seq));
}

static enum xr_code apply_metrics(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq,
                                  struct xr_err *err) {
    const struct xr_job *job = &chain->job[XR_JOB_METRICS];
    enum xr_code code = xr_store_tx_metrics_put(tx, job->replay_id, chain->metrics, chain->turn_count, chain->median_ms,
                                                chain->p95_ms, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_step(tx, job->replay_id, XR_STEP_EVALUATE, ret_seq, err);
    if (code == XR_OK && !chain->replay.live)
        code = xr_queue_tx_advance(tx, job, XR_JOB_EVALUATE, xr_jobs_lease_s(chain->jobs), &chain->job[XR_JOB_EVALUATE],
                                   err);
    if (code == XR_OK && !chain->replay.live)
        code = xr_store_tx_replay_job(tx, job->replay_id, chain->job[XR_JOB_EVALUATE].id, err);
    return code;
}

void xr_stage_metrics(struct xr_chain *chain) {
    struct xr_err err;
    xr_chain_begin_stage(chain);
    enum xr_code code = xr_metrics_compute(chain->turns, chain->turn_count, chain->segments, chain->segment_count,
                                           chain->arena, &chain->metrics, &err);
    if (code != XR_OK) {
        xr_chain_fault(chain, &err);
        return;
    }
    if (!xr_metrics_summary(chain->metrics, chain->turn_count, &chain->median_ms, &chain->p95_ms))
        chain->median_ms = chain->p95_ms = -1;
    if (chain->replay.live) {
        xr_chain_step(chain, XR_JOB_METRICS, apply_metrics, announce_metrics);
        chain->evaluation = (struct xr_evaluation){.passed = true};
        xr_chain_verdict(chain, XR_JOB_METRICS);
        return;
    }
    xr_chain_step(chain, XR_JOB_EVALUATE, apply_metrics, announce_metrics);
    xr_stage_evaluate(chain);
}
