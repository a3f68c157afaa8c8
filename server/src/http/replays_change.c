// SPDX-License-Identifier: Apache-2.0
/* What a client does to a replay's state: PATCH, analyze, retry. The row is read, judged and changed in one write. */
#include "http/deferred.h"
#include "http/encode.h"
#include "http/handlers.h"
#include "http/publish.h"
#include "http/replay_input.h"
#include "http/reply.h"
#include "queue/queue.h"

struct patch_state {
    struct xr_deferred deferred;
    struct xr_patch patch;
    enum xr_patch_verdict verdict;
    enum xr_lifecycle to; /* of a refused one */
    struct xr_replay row;
};

static enum xr_code apply_patch(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct patch_state *state = write->ctx;
    struct xr_replay_change change;
    enum xr_code code = xr_store_tx_replay_get(tx, &state->deferred.pass.replay, &state->row, err);
    if (code != XR_OK)
        return code;
    state->verdict = xr_patch_decide(&state->patch, &state->row, &change, &state->to);
    if (state->verdict == XR_PATCH_REFUSE)
        return xr_fail(err, XR_CONFLICT, NULL, "not the client's transition");
    if (state->verdict == XR_PATCH_CHANGE)
        return xr_store_tx_replay_change(tx, state->row.id, &change, &state->row, err);
    /* Saying "running" again shows that the driver lives. */
    return xr_lifecycle_terminal(state->row.state) ? XR_OK : xr_store_tx_replay_touch(tx, state->row.id, err);
}

static void publish_patch(struct xr_deferred *deferred) {
    struct patch_state *state = deferred->write.ctx;
    if (state->verdict == XR_PATCH_CHANGE)
        xr_publish_replay(xr_request_deps(deferred->req), &state->row);
}

static void reply_refused(struct xr_request *req, const struct patch_state *state) {
    char id[XR_UUID_TEXT + 1];
    xr_uuid_format(&state->row.uuid, id);
    struct xr_json j = xr_error_begin(req, 409, "invalid_lifecycle_transition");
    xr_json_kv_strz(&j, "replay_id", id);
    xr_json_kv_strz(&j, "from", xr_lifecycle_name(state->row.state));
    xr_json_kv_strz(&j, "to", xr_lifecycle_name(state->to));
    xr_error_end(req, &j);
}

static void respond_patched(struct xr_request *req) {
    struct patch_state *state = xr_request_state(req);
    switch (state->deferred.code) {
    case XR_OK:
        xr_reply_detail(req, 200, &state->deferred.pass.replay);
        break;
    case XR_NOT_FOUND:
        xr_reply_uuid_not_found(req, &state->deferred.pass.replay);
        break;
    case XR_CONFLICT:
        reply_refused(req, state);
        break;
    default:
        xr_error_code(req, state->deferred.code, &state->deferred.err);
    }
}

void xr_patch_replay(struct xr_request *req) {
    struct xr_uuid id;
    struct xr_arena *arena = xr_take_arena(req);
    if (!arena || !xr_take_replay_id(req, "invalid_replay_id", &id))
        return;
    struct xr_issues issues = {.arena = arena};
    struct xr_err err = {0};
    struct xr_patch patch;
    enum xr_code code = xr_patch_parse(xr_request_body(req), &issues, &patch, &err);
    if (code != XR_OK) {
        xr_reply_bad_body(req, "invalid_replay_request", code, &issues, &err);
        return;
    }
    struct patch_state *state = xr_take_memory(req, sizeof *state);
    if (!state)
        return;
    state->patch = patch;
    state->deferred.write = (struct xr_write){.apply = apply_patch, .ctx = state};
    state->deferred.committed = publish_patch;
    state->deferred.then = respond_patched;
    state->deferred.gated = true;
    state->deferred.pass.replay = id;
    xr_deferred_start(req, &state->deferred);
}

struct claim {
    struct xr_deferred deferred;
    enum xr_actor actor;
    int64_t job_id;
    struct xr_replay row;
};

/* The job and the state that says there is one, in one commit. The change comes first: it is what decides. */
static enum xr_code apply_claim(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct claim *claim = write->ctx;
    const struct xr_replay_change change = {
        .actor = claim->actor,
        .to = XR_ANALYZING,
        .step = XR_STEP_VAD,
        .finished_ns = XR_TIME_NONE,
        .recording_started_ns = XR_TIME_NONE,
        .job_id = -1,
        .passed = -1,
    };
    enum xr_code code = xr_store_tx_replay_get(tx, &claim->deferred.pass.replay, &claim->row, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_change(tx, claim->row.id, &change, &claim->row, err);
    if (code == XR_OK)
        code = xr_queue_tx_enqueue(tx, claim->row.id, &claim->row.uuid, XR_JOB_ANALYZE, &claim->job_id, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_job(tx, claim->row.id, claim->job_id, err);
    return code;
}

static void publish_claim(struct xr_deferred *deferred) {
    struct claim *claim = deferred->write.ctx;
    const struct xr_http_deps *deps = xr_request_deps(deferred->req);
    xr_publish_replay(deps, &claim->row);
    deps->kick(deps->ctx);
}

static void respond_accepted(struct xr_request *req, const struct claim *claim) {
    char job[XR_JOB_ID_SIZE];
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_strz(&j, "job_id", xr_job_id_text(claim->job_id, job));
    xr_json_kv_strz(&j, "lifecycle_state", xr_lifecycle_name(XR_ANALYZING));
    xr_json_object_end(&j);
    xr_respond_json(req, 202);
}

static void respond_claimed(struct xr_request *req) {
    const struct claim *claim = xr_request_state(req);
    const struct xr_uuid *id = &claim->deferred.pass.replay;
    switch (claim->deferred.code) {
    case XR_OK:
        respond_accepted(req, claim);
        break;
    case XR_NOT_FOUND:
        xr_reply_uuid_not_found(req, id);
        break;
    case XR_CONFLICT:
        xr_reply_wrong_state(req, "replay_not_ready_for_analysis", id, claim->row.state);
        break;
    default:
        xr_error_code(req, claim->deferred.code, &claim->deferred.err);
    }
}

static void start_claim(struct xr_request *req, enum xr_actor actor) {
    struct xr_uuid id;
    if (!xr_take_replay_id(req, "invalid_replay_id", &id))
        return;
    struct claim *claim = xr_take_memory(req, sizeof *claim);
    if (!claim)
        return;
    claim->actor = actor;
    claim->deferred.write = (struct xr_write){.apply = apply_claim, .ctx = claim};
    claim->deferred.committed = publish_claim;
    claim->deferred.then = respond_claimed;
    claim->deferred.gated = true;
    claim->deferred.pass.replay = id;
    xr_deferred_start(req, &claim->deferred);
}

void xr_post_analyze(struct xr_request *req) {
    start_claim(req, XR_BY_ANALYZE);
}

void xr_post_retry(struct xr_request *req) {
    start_claim(req, XR_BY_RETRY);
}
