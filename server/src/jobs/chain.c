// SPDX-License-Identifier: Apache-2.0
#include "jobs/chain.h"
#include "jobs/announce.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>

struct xr_chain *xr_chain_new(struct xr_jobs *jobs) {
    struct xr_chain *chain = calloc(1, sizeof *chain);
    if (!chain)
        return NULL;
    chain->arena = xr_arena_new(XR_CHAIN_ARENA_MAX);
    if (!chain->arena) {
        free(chain);
        return NULL;
    }
    chain->jobs = jobs;
    chain->median_ms = chain->p95_ms = -1;
    for (int i = 0; i < XR_STAGE_KIND_COUNT; i++)
        chain->used[i] = XR_USAGE_NONE;
    return chain;
}

void xr_chain_adopt(struct xr_chain *chain, const struct xr_job *job) {
    chain->first = chain->live = job->stage;
    chain->job[job->stage] = *job;
    chain->group.order = (uint64_t)job->replay_id; /* the oldest first, also when it has been back in the queue */
}

void xr_chain_free(struct xr_chain *chain) {
    if (!chain)
        return;
    xr_transcription_free(chain->transcription);
    xr_judging_free(chain->judging);
    xr_spec_free(&chain->spec);
    xr_arena_free(chain->arena);
    free(chain);
}

/* --- events --- */

void xr_chain_publish(struct xr_chain *chain, struct xr_event *event) {
    /* Out of memory: a subscriber misses this event, but reads the state it stands for when it asks again. */
    if (event)
        xr_hub_publish(xr_jobs_deps_of(chain->jobs)->hub, &chain->job[chain->first].replay_uuid, event);
    xr_event_unref(event);
}

void xr_chain_progress(struct xr_chain *chain, int percent, enum xr_step step) {
    xr_chain_publish(chain, xr_announce_progress(percent, step, chain->seq));
}

/* How a job ended, unless in a verdict. */
static void log_ending(const struct xr_chain *chain, const char *how, const char *error) {
    char replay[XR_UUID_TEXT + 1];
    const struct xr_job *job = &chain->job[chain->live];
    xr_uuid_format(&job->replay_uuid, replay);
    xr_log(xr_jobs_deps_of(chain->jobs)->log, chain->ending <= XR_END_RETRY ? XR_LOG_WARN : XR_LOG_INFO, "job ended",
           XR_LOG_S("ending", how), XR_LOG_S("replay_id", replay), XR_LOG_S("stage", xr_job_stage_name(job->stage)),
           XR_LOG_I("attempt", job->attempt), XR_LOG_S("reason", xr_reason_name(chain->reason)),
           XR_LOG_S("error", error));
}

/* --- usage --- */

static enum xr_code put_usage(struct xr_chain *chain, struct xr_store_tx *tx, enum xr_stage_kind stage,
                              struct xr_err *err) {
    const struct xr_usage *used = &chain->used[stage];
    if (used->calls == 0)
        return XR_OK;
    struct xr_usage_row row = xr_usage_row_make(xr_jobs_deps_of(chain->jobs)->providers_config, stage, used);
    return xr_store_tx_usage_add(tx, chain->job[chain->first].replay_id, &row, err);
}

static bool has_usage(const struct xr_chain *chain) {
    bool any = false;
    for (int i = 0; i < XR_STAGE_KIND_COUNT; i++)
        any = any || chain->used[i].calls > 0;
    return any;
}

/* --- steps --- */

static enum xr_code apply_step(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct xr_chain_step *step = write->ctx;
    struct xr_chain *chain = step->chain;
    /* A group may be applied again, so what an earlier run left in `applied` counts only below this step. */
    if (chain->applied < step->number)
        return xr_fail(err, XR_CANCELLED, NULL, "the step before did not apply");
    chain->applied = step->number;
    /* Usage goes first: the step may be the replay's last one. */
    enum xr_code code = step->usage < XR_STAGE_KIND_COUNT ? put_usage(chain, tx, step->usage, err) : XR_OK;
    if (code == XR_OK)
        code = step->apply(chain, tx, &step->seq, err);
    if (code == XR_OK)
        chain->applied = step->number + 1;
    return code;
}

/* Somebody else has taken the job over, or the replay has ended: nothing more is ours to write. */
static void give_up(struct xr_chain *chain, const struct xr_err *err) {
    log_ending(chain, "given up", err->message);
    xr_jobs_chain_over(chain->jobs, chain);
}

static void batch_done(struct xr_chain *chain) {
    if (chain->fault == XR_CONFLICT)
        give_up(chain, &chain->fault_err);
    else if (chain->fault != XR_OK)
        xr_chain_fault(chain, &chain->fault_err);
    else if (chain->after)
        xr_jobs_resume(chain->jobs, chain, chain->after);
    else
        xr_jobs_chain_over(chain->jobs, chain);
}

static void step_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_chain_step *step = write->ctx;
    struct xr_chain *chain = step->chain;
    if (code == XR_OK) {
        chain->seq = step->seq;
        chain->live = step->live;
        if (step->usage < XR_STAGE_KIND_COUNT)
            chain->used[step->usage] = XR_USAGE_NONE;
        if (step->announce)
            step->announce(chain, step->seq);
    } else if (chain->fault == XR_OK) {
        chain->fault = code;
        chain->fault_err = *err;
    }
    if (step->last_of_batch)
        batch_done(chain);
}

void xr_chain_step(struct xr_chain *chain, enum xr_job_stage live,
                   enum xr_code (*apply)(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq,
                                         struct xr_err *err),
                   void (*announce)(struct xr_chain *chain, int64_t seq)) {
    struct xr_chain_step *step = &chain->steps[chain->step_count];
    *step = (struct xr_chain_step){.chain = chain,
                                   .number = chain->step_count,
                                   .apply = apply,
                                   .announce = announce,
                                   .seq = chain->seq,
                                   .usage = XR_STAGE_KIND_COUNT,
                                   .live = live};
    step->write = (struct xr_write){.apply = apply_step, .done = step_done, .ctx = step};
    chain->step_count++;
}

void xr_chain_step_usage(struct xr_chain *chain, enum xr_stage_kind stage) {
    chain->steps[chain->step_count - 1].usage = stage;
}

void xr_chain_flush(struct xr_chain *chain, void (*after)(struct xr_chain *chain)) {
    struct xr_chain_step *first = &chain->steps[chain->step_submitted];
    struct xr_chain_step *last = &chain->steps[chain->step_count - 1];
    for (struct xr_chain_step *step = first; step < last; step++)
        step->write.next = &step[1].write;
    last->last_of_batch = true;
    chain->after = after;
    chain->step_submitted = chain->step_count;
    struct xr_err err;
    enum xr_code code = xr_store_submit(xr_jobs_deps_of(chain->jobs)->store, &first->write, &err);
    if (code != XR_OK)
        xr_chain_fault(chain, &err);
}

/* --- endings --- */

static const char *ending_name(enum xr_ending ending) {
    static const char *const NAMES[] = {"failed", "retry", "released", "dropped"};
    return NAMES[ending];
}

static enum xr_code end_failed(struct xr_chain *chain, struct xr_store_tx *tx, const struct xr_job *job,
                               int64_t *ret_seq, struct xr_err *err) {
    struct xr_replay row;
    struct xr_replay_change change = {.actor = XR_BY_WORKER,
                                      .to = XR_FAILED_STATE,
                                      .reason = chain->reason,
                                      .finished_ns = XR_TIME_NONE,
                                      .job_id = -1};
    enum xr_code code = XR_OK;
    /* Outcomes that were computed before the failure are kept and shown. */
    if (chain->evaluation.assertion_count > 0)
        code = xr_store_tx_evaluation_put(tx, job->replay_id, &chain->evaluation, false, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_change(tx, job->replay_id, &change, &row, err);
    if (code == XR_OK)
        code = xr_queue_tx_bury(tx, job, chain->last_error, err);
    if (code == XR_OK)
        *ret_seq = row.seq;
    return code;
}

static enum xr_code end_retry(struct xr_chain *chain, struct xr_store_tx *tx, const struct xr_job *job,
                              struct xr_err *err) {
    struct xr_uuid noise = xr_uuid_new();
    uint64_t random;
    memcpy(&random, noise.bytes, sizeof random);
    int64_t due = xr_store_tx_now(tx) + xr_queue_backoff_ns(job->attempt, random);
    return xr_queue_tx_retry(tx, job, due, chain->last_error, err);
}

static enum xr_code apply_ending(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct xr_chain_step *step = write->ctx;
    struct xr_chain *chain = step->chain;
    const struct xr_job *job = &chain->job[chain->live];
    step->seq = chain->seq;
    if (has_usage(chain) && !chain->usage_put)
        return xr_fail(err, XR_CANCELLED, NULL, "what was used could not be written");
    switch (chain->ending) {
    case XR_END_FAIL:
        return end_failed(chain, tx, job, &step->seq, err);
    case XR_END_RETRY:
        return end_retry(chain, tx, job, err);
    case XR_END_RELEASE:
        return xr_queue_tx_release(tx, job, err);
    case XR_END_DROP:
        return xr_queue_tx_complete(tx, job, err);
    }
    return XR_INTERNAL;
}

static void submit_ending(struct xr_chain *chain);

static void ending_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_chain_step *step = write->ctx;
    struct xr_chain *chain = step->chain;
    if (code == XR_CONFLICT) {
        give_up(chain, err);
        return;
    }
    if (code != XR_OK) {
        /* The disk is full or the database is held by somebody: the ending itself must not be lost. */
        xr_jobs_park(chain->jobs, chain, submit_ending, XR_ENDING_RETRY_MS);
        return;
    }
    log_ending(chain, ending_name(chain->ending), chain->last_error);
    if (chain->ending == XR_END_FAIL) {
        xr_chain_publish(chain, xr_announce_state(XR_FAILED_STATE, XR_STEP_NONE, step->seq));
        xr_chain_publish(chain, xr_announce_failed(chain->reason, step->seq));
    }
    xr_jobs_chain_over(chain->jobs, chain);
}

/* Before the ending, in the same group, but a write of its own: when queue.db cannot be committed after xray.db was,
 * the ending is submitted again without it. */
static enum xr_code apply_usage(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct xr_chain *chain = ((struct xr_chain_step *)write->ctx)->chain;
    enum xr_code code = XR_OK;
    chain->usage_put = false;
    for (int i = 0; code == XR_OK && i < XR_STAGE_KIND_COUNT; i++)
        code = put_usage(chain, tx, (enum xr_stage_kind)i, err);
    /* The replay has ended some other way: it gets no more rows, whatever becomes of the job. */
    chain->usage_put = code == XR_OK || code == XR_CONFLICT;
    return code;
}

static void usage_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_chain *chain = ((struct xr_chain_step *)write->ctx)->chain;
    (void)err; /* the ending has failed with it, and is tried again */
    for (int i = 0; (code == XR_OK || code == XR_CONFLICT) && i < XR_STAGE_KIND_COUNT; i++)
        chain->used[i] = XR_USAGE_NONE;
}

static void submit_ending(struct xr_chain *chain) {
    struct xr_chain_step *usage = &chain->steps[0], *ending = &chain->steps[1];
    struct xr_err err;
    *usage = *ending = (struct xr_chain_step){.chain = chain};
    ending->write = (struct xr_write){.apply = apply_ending, .done = ending_done, .ctx = ending};
    usage->write = (struct xr_write){.apply = apply_usage, .done = usage_done, .ctx = usage, .next = &ending->write};
    struct xr_write *first = has_usage(chain) ? &usage->write : &ending->write;
    enum xr_code code = xr_store_submit(xr_jobs_deps_of(chain->jobs)->store, first, &err);
    if (code == XR_CANCELLED)
        xr_jobs_chain_over(chain->jobs, chain); /* the store closes: the lease is void at the next start */
    else if (code != XR_OK)
        xr_jobs_park(chain->jobs, chain, submit_ending, XR_ENDING_RETRY_MS);
}

static void end(struct xr_chain *chain, enum xr_ending ending, enum xr_reason reason, const char *message) {
    chain->ending = ending;
    chain->reason = reason;
    if (message != chain->last_error)
        snprintf(chain->last_error, sizeof chain->last_error, "%s", message);
    if (chain->step_count > chain->step_submitted && chain->fault == XR_OK) {
        /* What was found before the ending is written first, in the same order as ever. */
        xr_chain_flush(chain, submit_ending);
        return;
    }
    submit_ending(chain);
}

void xr_chain_fail(struct xr_chain *chain, enum xr_reason reason, const char *message) {
    end(chain, XR_END_FAIL, reason, message);
}

void xr_chain_release(struct xr_chain *chain) {
    end(chain, XR_END_RELEASE, XR_REASON_NONE, "");
}

void xr_chain_drop(struct xr_chain *chain) {
    end(chain, XR_END_DROP, XR_REASON_NONE, "");
}

void xr_chain_fault(struct xr_chain *chain, const struct xr_err *err) {
    char message[XR_LAST_ERROR_MAX];
    snprintf(message, sizeof message, "%s: %s", xr_code_name(err->code), err->message);
    /* Steps that were noted or submitted are void: the next attempt does them again. */
    chain->step_submitted = chain->step_count;
    if (chain->fault == XR_OK)
        chain->fault = err->code;
    if (xr_jobs_stopping(chain->jobs))
        end(chain, XR_END_RELEASE, XR_REASON_NONE, message);
    else if (chain->job[chain->live].attempt < XR_JOB_ATTEMPTS)
        end(chain, XR_END_RETRY, XR_REASON_NONE, message);
    else
        end(chain, XR_END_FAIL, XR_REASON_MAX_ATTEMPTS_EXCEEDED, message);
}

/* --- start --- */

void xr_chain_begin_stage(struct xr_chain *chain) {
    chain->deadline_mono_ns = xr_clock_mono(xr_jobs_deps_of(chain->jobs)->clock) +
                              xr_jobs_config_of(chain->jobs)->stage_timeout_s * XR_NS_PER_S;
}

/* Segments and transcripts of an earlier process's analysis, and the turns, which are derived again: their rows do not
 * say how far a voice's ends may be off. */
static enum xr_code load_analysis(struct xr_chain *chain, struct xr_store_reader *reader, struct xr_err *err) {
    struct xr_segment_row *rows = NULL;
    int64_t id = chain->replay.id;
    enum xr_code code = xr_store_segments_get(reader, id, chain->arena, &rows, &chain->segment_count, err);
    if (code == XR_OK)
        code = xr_store_transcripts_get(reader, id, chain->arena, &chain->transcripts, &chain->transcript_count, err);
    if (code != XR_OK)
        return code;
    chain->segments = xr_arena_array(chain->arena, chain->segment_count, sizeof *chain->segments);
    if (!chain->segments)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t i = 0; i < chain->segment_count; i++)
        chain->segments[i] = rows[i].segment;
    return xr_turns_derive(chain->segments, chain->segment_count, chain->arena, &chain->turns, &chain->turn_count, err);
}

static enum xr_code load(struct xr_chain *chain, struct xr_store_reader *reader, struct xr_err *err) {
    size_t n;
    enum xr_code code =
        xr_store_replay_get(reader, &chain->job[chain->first].replay_uuid, chain->arena, &chain->replay, err);
    if (code == XR_OK)
        code =
            xr_store_conversation_get(reader, chain->replay.conversation_hash, chain->arena, &chain->conversation, err);
    if (code == XR_OK)
        code = xr_spec_parse_canonical(chain->conversation.spec, chain->arena, &chain->spec, err);
    if (code == XR_OK && chain->first > XR_JOB_ANALYZE)
        code = load_analysis(chain, reader, err);
    if (code == XR_OK && chain->first > XR_JOB_METRICS)
        code = xr_store_metrics_get(reader, chain->replay.id, chain->arena, &chain->metrics, &n, err);
    if (code == XR_OK && chain->first > XR_JOB_METRICS && n != chain->turn_count)
        code = xr_fail(err, XR_CORRUPT, NULL, "%zu turns but %zu rows of metrics", chain->turn_count, n);
    chain->seq = chain->replay.seq;
    return code;
}

void xr_chain_start(struct xr_chain *chain) {
    static void (*const STAGES[XR_JOB_STAGE_COUNT])(struct xr_chain *chain) = {[XR_JOB_ANALYZE] = xr_stage_analyze,
                                                                               [XR_JOB_METRICS] = xr_stage_metrics,
                                                                               [XR_JOB_EVALUATE] = xr_stage_evaluate};
    struct xr_reader_pool *readers = xr_jobs_readers(chain->jobs);
    struct xr_store_reader *reader = NULL;
    struct xr_err err = {0};
    enum xr_code code = xr_reader_pool_take(readers, &reader, &err);
    if (code == XR_OK)
        code = load(chain, reader, &err);
    xr_reader_pool_give(readers, reader);
    /* No such replay: queue.db belongs to another xray.db, or is newer. */
    bool no_replay = code == XR_NOT_FOUND && chain->replay.id == 0;
    if (xr_jobs_stopping(chain->jobs))
        xr_chain_release(chain);
    else if (no_replay || (code == XR_OK && chain->replay.state != XR_ANALYZING))
        xr_chain_drop(chain);
    else if (code != XR_OK)
        xr_chain_fault(chain, &err);
    else
        STAGES[chain->first](chain);
}
