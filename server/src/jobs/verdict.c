// SPDX-License-Identifier: Apache-2.0
/* The verdict: outcomes, the state `completed` and the end of the job in one step, then the terminal event. */
#include "jobs/announce.h"
#include "jobs/chain.h"
#include "jobs/result_json.h"

static void announce_result(struct xr_chain *chain, int64_t seq) {
    xr_chain_publish(chain, xr_announce_progress(100, XR_STEP_EVALUATE, seq));
    xr_chain_publish(chain, xr_announce_state(XR_COMPLETED, XR_STEP_NONE, seq));
    xr_chain_publish(chain, xr_announce_complete(chain->result_json, seq));
}

static enum xr_code apply_verdict(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq,
                                  struct xr_err *err) {
    const struct xr_job *job = &chain->job[chain->verdict_stage];
    struct xr_replay row;
    struct xr_replay_change change = {.actor = XR_BY_WORKER,
                                      .to = XR_COMPLETED,
                                      .finished_ns = XR_TIME_NONE,
                                      .job_id = -1,
                                      .passed = chain->evaluation.passed};
    enum xr_code code = xr_store_tx_evaluation_put(tx, job->replay_id, &chain->evaluation, true, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_change(tx, job->replay_id, &change, &row, err);
    if (code == XR_OK)
        code = xr_queue_tx_complete(tx, job, err);
    if (code == XR_OK)
        *ret_seq = row.seq;
    return code;
}

/* The result's JSON is made once, here; GET .../result makes the same bytes from the rows. */
static enum xr_code encode_result(struct xr_chain *chain, struct xr_err *err) {
    struct xr_buf buf = xr_buf_make(XR_RESPONSE_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    xr_result_encode(&j, &chain->replay.uuid, chain->replay.conversation_hash, &chain->evaluation, chain->metrics,
                     chain->turn_count);
    if (!buf.failed)
        chain->result_json = xr_arena_str(chain->arena, xr_buf_view(&buf));
    xr_buf_clear(&buf);
    return chain->result_json.ptr ? XR_OK : xr_fail(err, XR_NO_MEMORY, NULL, "the result is too large");
}

void xr_chain_verdict(struct xr_chain *chain, enum xr_job_stage stage) {
    struct xr_err err;
    chain->verdict_stage = stage;
    if (encode_result(chain, &err) != XR_OK) {
        xr_chain_fault(chain, &err);
        return;
    }
    xr_chain_step(chain, stage, apply_verdict, announce_result);
    xr_chain_step_usage(chain, XR_STAGE_JUDGE);
    xr_chain_flush(chain, NULL);
}
