// SPDX-License-Identifier: Apache-2.0
/* evaluate-replay: alignment, assertions, judges, verdict. */
#include "jobs/chain.h"
#include <stdatomic.h>
#include <stdlib.h>

struct xr_judging {
    struct xr_chain *chain;
    struct xr_judge_call calls[XR_JUDGES_MAX];
    size_t count;
    _Atomic(const struct xr_call *) failed; /* the first answer that is neither a score nor a refusal */
    _Atomic size_t waiting; /* answers to come, plus one while calls are being started */
};

void xr_judging_free(struct xr_judging *judging) {
    if (!judging)
        return;
    for (size_t i = 0; i < judging->count; i++)
        xr_arena_free(judging->calls[i].arena);
    free(judging);
}

/* --- assertions --- */

static enum xr_code no_memory(struct xr_err *err) {
    return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
}

/* Tool calls and model usage, as the agent's spans left them. */
static enum xr_code read_spans(struct xr_chain *chain, struct xr_evidence *evidence, struct xr_err *err) {
    struct xr_reader_pool *readers = xr_jobs_readers(chain->jobs);
    struct xr_store_reader *reader = NULL;
    struct xr_tool_call *calls = NULL;
    struct xr_model_usage *usage = NULL;
    enum xr_code code = xr_reader_pool_take(readers, &reader, err);
    if (code == XR_OK)
        code =
            xr_store_tool_evidence_get(reader, chain->replay.id, chain->arena, &calls, &evidence->tool_call_count, err);
    if (code == XR_OK)
        code = xr_store_model_evidence_get(reader, chain->replay.id, chain->arena, &usage, &evidence->model_usage_count,
                                           err);
    xr_reader_pool_give(readers, reader);
    evidence->tool_calls = calls;
    evidence->model_usage = usage;
    return code;
}

static enum xr_code gather(struct xr_chain *chain, struct xr_evidence *ret_evidence, struct xr_err *err) {
    struct xr_evidence evidence = {.turns = chain->turns,
                                   .turn_count = chain->turn_count,
                                   .metrics = chain->metrics,
                                   .transcript_count = chain->transcript_count,
                                   .transcription_none = xr_jobs_transcription_none(chain->jobs),
                                   .recording_started_ns = chain->replay.recording_started_ns};
    struct xr_transcript *transcripts = xr_arena_array(chain->arena, chain->transcript_count, sizeof *transcripts);
    if (!transcripts)
        return no_memory(err);
    for (size_t i = 0; i < chain->transcript_count; i++)
        transcripts[i] =
            (struct xr_transcript){.turn_idx = chain->transcripts[i].turn_idx, .text = chain->transcripts[i].text};
    evidence.transcripts = transcripts;
    enum xr_code code = read_spans(chain, &evidence, err);
    if (code == XR_OK)
        *ret_evidence = evidence;
    return code;
}

/* --- judges --- */

static struct xr_str judge_reason(struct xr_chain *chain, const struct xr_err *err) {
    return xr_arena_str(chain->arena, xr_str_from(err->message));
}

/* One answer as an outcome. */
static void take_answer(struct xr_chain *chain, size_t i) {
    const struct xr_judge_call *call = &chain->judging->calls[i];
    struct xr_judge_result *result = &chain->evaluation.judges[i];
    *result = (struct xr_judge_result){.judge_idx = (int64_t)i, .score = -1, .prompt_version = call->prompt_version};
    if (call->call.code == XR_REFUSED) {
        result->status = XR_ERRORED;
        result->reason = judge_reason(chain, &call->call.err);
        return;
    }
    result->status = call->score >= chain->spec.judges[i].pass_score ? XR_PASSED : XR_FAILED;
    result->score = call->score;
    result->reason = call->reason;
}

static void give_verdict(struct xr_chain *chain) {
    struct xr_evaluation *e = &chain->evaluation;
    e->passed = true;
    for (size_t i = 0; i < e->assertion_count; i++)
        e->passed = e->passed && e->assertions[i].status == XR_PASSED;
    for (size_t i = 0; i < e->judge_count; i++)
        e->passed = e->passed && e->judges[i].status == XR_PASSED;
    xr_chain_verdict(chain, XR_JOB_EVALUATE);
}

static void judged(struct xr_chain *chain) {
    const struct xr_call *failed = atomic_load(&chain->judging->failed);
    const struct xr_err *failure = failed ? &failed->err : NULL;
    for (size_t i = 0; i < chain->judging->count; i++)
        xr_usage_add(&chain->used[XR_STAGE_JUDGE], &chain->judging->calls[i].call.usage);
    if (!failure) {
        chain->evaluation.judge_count = chain->judging->count;
        for (size_t i = 0; i < chain->judging->count; i++)
            take_answer(chain, i);
        give_verdict(chain);
    } else if (xr_jobs_stopping(chain->jobs) || failure->code == XR_OVERLOADED) {
        xr_chain_release(chain);
    } else if (failure->code == XR_NO_CREDENTIAL) {
        xr_chain_fail(chain, XR_REASON_MISSING_CREDENTIAL, failure->message);
    } else if (failure->code == XR_UNAVAILABLE || failure->code == XR_TIMEOUT) {
        xr_chain_fail(chain, XR_REASON_EVALUATION_FAILED, failure->message);
    } else {
        xr_chain_fault(chain, failure);
    }
}

static void one_less(struct xr_judging *judging) {
    if (atomic_fetch_sub(&judging->waiting, 1) == 1)
        xr_jobs_resume(judging->chain->jobs, judging->chain, judged);
}

static void answered(struct xr_call *call) {
    struct xr_judging *judging = call->ctx;
    const struct xr_call *none = NULL;
    if (call->code != XR_OK && call->code != XR_REFUSED) {
        atomic_compare_exchange_strong(&judging->failed, &none, call);
        atomic_store(&judging->chain->group.cancelled, true);
    }
    one_less(judging);
}

/* The conversation as it was heard: every turn that has a transcript. */
static const struct xr_judge_turn *judge_turns(struct xr_chain *chain) {
    struct xr_judge_turn *turns = xr_arena_array(chain->arena, chain->transcript_count, sizeof *turns);
    for (size_t i = 0, t = 0; turns && i < chain->transcript_count; i++) {
        const struct xr_transcript_row *row = &chain->transcripts[i];
        while (t + 1 < chain->turn_count && chain->turns[t].idx < row->turn_idx)
            t++;
        turns[i] = (struct xr_judge_turn){
            .idx = row->turn_idx, .is_agent = chain->turns[t].role == XR_CHANNEL_AGENT, .text = row->text};
    }
    return turns;
}

static struct xr_judging *judging_new(struct xr_chain *chain) {
    struct xr_judging *judging = calloc(1, sizeof *judging);
    const struct xr_judge_turn *turns = judge_turns(chain);
    chain->evaluation.judges = xr_arena_array(chain->arena, chain->spec.judge_count, sizeof *chain->evaluation.judges);
    if (!judging || !turns || !chain->evaluation.judges) {
        free(judging);
        return NULL;
    }
    judging->chain = chain;
    for (size_t i = 0; i < chain->spec.judge_count; i++) {
        const struct xr_judge_spec *spec = &chain->spec.judges[i];
        struct xr_judge_call *call = &judging->calls[i];
        call->reference = spec->reference;
        call->rubric = spec->has_rubric ? spec->rubric : (struct xr_str){0};
        call->turns = turns;
        call->turn_count = chain->transcript_count;
        call->arena = xr_arena_new(XR_CALL_ARENA_MAX);
        call->call = (struct xr_call){
            .group = &chain->group, .deadline_mono_ns = chain->deadline_mono_ns, .done = answered, .ctx = judging};
        judging->count++;
        if (!call->arena) {
            xr_judging_free(judging);
            return NULL;
        }
    }
    return judging;
}

static void judge(struct xr_chain *chain) {
    struct xr_err err;
    struct xr_judging *judging = chain->judging = judging_new(chain);
    if (!judging) {
        no_memory(&err);
        xr_chain_fault(chain, &err);
        return;
    }
    atomic_store(&judging->waiting, judging->count + 1);
    for (size_t i = 0; i < judging->count; i++)
        xr_judge_start(xr_jobs_deps_of(chain->jobs)->providers, &judging->calls[i]);
    one_less(judging);
}

/* Without transcripts there is nothing to judge, and no provider is asked. */
static void judge_nothing(struct xr_chain *chain) {
    struct xr_err err;
    struct xr_evaluation *e = &chain->evaluation;
    e->judges = xr_arena_array(chain->arena, chain->spec.judge_count, sizeof *e->judges);
    if (!e->judges) {
        no_memory(&err);
        xr_chain_fault(chain, &err);
        return;
    }
    e->judge_count = chain->spec.judge_count;
    for (size_t i = 0; i < e->judge_count; i++)
        e->judges[i] = (struct xr_judge_result){
            .judge_idx = (int64_t)i,
            .status = XR_ERRORED,
            .score = -1,
            .reason = XR_STR("there is no transcript to judge: XRAY_TRANSCRIPTION_PROVIDER is none"),
            .prompt_version = -1};
    give_verdict(chain);
}

static void judge_or_finish(struct xr_chain *chain) {
    struct xr_provider_choice choice =
        xr_providers_choice(xr_jobs_deps_of(chain->jobs)->providers_config, XR_STAGE_JUDGE);
    if (chain->spec.judge_count == 0)
        give_verdict(chain);
    else if (xr_jobs_transcription_none(chain->jobs))
        judge_nothing(chain);
    else if (!choice.provider)
        xr_chain_fail(chain, XR_REASON_MISSING_CREDENTIAL,
                      "the conversation has judges, but no judge provider is configured (XRAY_JUDGE_PROVIDER)");
    else if (chain->step_count > chain->step_submitted)
        xr_chain_flush(chain, judge);
    else
        judge(chain);
}

void xr_stage_evaluate(struct xr_chain *chain) {
    struct xr_err err;
    struct xr_evidence evidence;
    size_t *map = NULL;
    xr_chain_begin_stage(chain);
    enum xr_code code = xr_align(&chain->spec, chain->turns, chain->turn_count, chain->arena, &map, &err);
    if (code == XR_CONFLICT) {
        xr_chain_fail(chain, XR_REASON_SPEC_VAD_MISMATCH, err.message);
        return;
    }
    if (code == XR_OK)
        code = gather(chain, &evidence, &err);
    if (code == XR_OK)
        code = xr_assertions_check(&chain->spec, map, &evidence, chain->arena, &chain->evaluation.assertions,
                                   &chain->evaluation.assertion_count, &err);
    if (code == XR_OK)
        judge_or_finish(chain);
    else
        xr_chain_fault(chain, &err);
}
