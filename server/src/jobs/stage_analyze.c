// SPDX-License-Identifier: Apache-2.0
/* analyze-replay: who spoke when, and what. Voice activity and turns are one step, transcripts the next. */
#include "audio/wav.h"
#include "jobs/announce.h"
#include "jobs/chain.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

/* One turn's call; lives in its own arena, which also gets the result. */
struct turn_call {
    struct xr_transcribe_call transcribe;
    struct xr_chain *chain;
    struct turn_call *next; /* of all that were started */
    size_t turn; /* index */
};

struct xr_transcription {
    pthread_mutex_t lock;
    int fd;
    struct xr_wav wav;
    size_t next_turn; /* not started yet */
    size_t running; /* calls, plus one for each thread that is starting some */
    size_t answered;
    struct turn_call *calls; /* newest first */
    const struct turn_call *failed;
};

void xr_transcription_free(struct xr_transcription *t) {
    if (!t)
        return;
    for (struct turn_call *call = t->calls, *next; call; call = next) {
        next = call->next;
        xr_arena_free(call->transcribe.arena);
    }
    if (t->fd >= 0)
        close(t->fd);
    pthread_mutex_destroy(&t->lock);
    free(t);
}

/* --- voice activity --- */

static enum xr_code push_all(struct xr_chain *chain, int fd, const struct xr_wav *wav, int16_t *window,
                             struct xr_vad *vad, struct xr_err *err) {
    enum xr_code code = XR_OK;
    for (uint64_t at = 0; code == XR_OK && at < wav->frames;) {
        size_t n = 0;
        code = xr_wav_read(fd, wav, at, XR_AUDIO_WINDOW_FRAMES, window, &n, err);
        if (code == XR_OK && n == 0)
            break;
        if (code == XR_OK)
            code = xr_vad_push(vad, window, n, err);
        if (code == XR_OK && xr_jobs_stopping(chain->jobs))
            code = xr_fail(err, XR_CANCELLED, NULL, "the server is stopping");
        at += n;
    }
    return code;
}

static enum xr_code detect(struct xr_chain *chain, int fd, const struct xr_wav *wav, struct xr_vad_result *ret_result,
                           struct xr_err *err) {
    XR_AUTO(xr_vad_freep) struct xr_vad *vad = NULL;
    int16_t *window = calloc((size_t)XR_AUDIO_WINDOW_FRAMES * XR_CHANNEL_COUNT, sizeof *window);
    enum xr_code code = window ? xr_vad_new(&vad, err) : xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    bool again = true;
    while (code == XR_OK && again) {
        code = push_all(chain, fd, wav, window, vad, err);
        if (code == XR_OK)
            code = xr_vad_finish(vad, &again, ret_result, err);
    }
    free(window);
    return code;
}

static enum xr_code keep_result(struct xr_chain *chain, struct xr_vad_result *result, struct xr_err *err) {
    chain->segments = xr_arena_array(chain->arena, result->count, sizeof *chain->segments);
    if (!chain->segments)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (result->count > 0)
        memcpy(chain->segments, result->segments, result->count * sizeof *chain->segments);
    chain->segment_count = result->count;
    memcpy(chain->levels, result->levels, sizeof chain->levels);
    return xr_turns_derive(chain->segments, chain->segment_count, chain->arena, &chain->turns, &chain->turn_count, err);
}

static enum xr_code find_turns(struct xr_chain *chain, int *ret_fd, struct xr_wav *ret_wav, struct xr_err *err) {
    struct xr_vad_result result = {0};
    int fd = -1;
    enum xr_code code = xr_files_open_recording(xr_jobs_deps_of(chain->jobs)->files, &chain->replay.uuid, &fd, err);
    if (code == XR_OK)
        code = xr_wav_probe(fd, ret_wav, err);
    if (code == XR_OK)
        code = xr_wav_require(ret_wav, XR_CHANNEL_COUNT, err);
    if (code == XR_OK)
        code = detect(chain, fd, ret_wav, &result, err);
    if (code == XR_OK)
        code = keep_result(chain, &result, err);
    xr_vad_result_clear(&result);
    if (code == XR_OK)
        *ret_fd = fd;
    else if (fd >= 0)
        close(fd);
    return code;
}

static enum xr_code apply_analysis(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq,
                                   struct xr_err *err) {
    int64_t id = chain->job[XR_JOB_ANALYZE].replay_id;
    enum xr_code code = xr_store_tx_analysis_put(tx, id, chain->segments, chain->segment_count, chain->turns,
                                                 chain->turn_count, chain->levels, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_step(tx, id, XR_STEP_TRANSCRIBE, ret_seq, err);
    return code;
}

static void announce_analysis(struct xr_chain *chain, int64_t seq) {
    xr_chain_publish(chain, xr_announce_progress(25, XR_STEP_VAD, seq));
    xr_chain_publish(chain, xr_announce_state(XR_ANALYZING, XR_STEP_TRANSCRIBE, seq));
    xr_chain_publish(chain, xr_announce_progress(25, XR_STEP_TRANSCRIBE, seq));
}

/* --- transcripts --- */

static enum xr_code apply_transcripts(struct xr_chain *chain, struct xr_store_tx *tx, int64_t *ret_seq,
                                      struct xr_err *err) {
    const struct xr_job *job = &chain->job[XR_JOB_ANALYZE];
    enum xr_code code =
        xr_store_tx_transcripts_put(tx, job->replay_id, chain->transcripts, chain->transcript_count, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_step(tx, job->replay_id, XR_STEP_METRICS, ret_seq, err);
    if (code == XR_OK)
        code = xr_queue_tx_advance(tx, job, XR_JOB_METRICS, xr_jobs_lease_s(chain->jobs), &chain->job[XR_JOB_METRICS],
                                   err);
    if (code == XR_OK)
        code = xr_store_tx_replay_job(tx, job->replay_id, chain->job[XR_JOB_METRICS].id, err);
    return code;
}

static void announce_transcripts(struct xr_chain *chain, int64_t seq) {
    xr_chain_publish(chain, xr_announce_progress(60, XR_STEP_TRANSCRIBE, seq));
    xr_chain_publish(chain, xr_announce_state(XR_ANALYZING, XR_STEP_METRICS, seq));
    xr_chain_publish(chain, xr_announce_progress(60, XR_STEP_METRICS, seq));
}

static struct xr_str words_json(struct xr_arena *arena, const struct xr_transcribe_call *call) {
    struct xr_buf buf = xr_buf_make(XR_CALL_ARENA_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    struct xr_str out = {0};
    if (call->word_count == 0)
        return out;
    xr_json_array(&j);
    for (size_t i = 0; i < call->word_count; i++) {
        xr_json_object(&j);
        xr_json_kv_str(&j, "text", call->words[i].text);
        xr_json_kv_int(&j, "start_ms", call->words[i].start_ms);
        xr_json_kv_int(&j, "end_ms", call->words[i].end_ms);
        xr_json_object_end(&j);
    }
    xr_json_array_end(&j);
    if (!buf.failed)
        out = xr_arena_str(arena, xr_buf_view(&buf));
    xr_buf_clear(&buf);
    return out;
}

static int by_turn(const void *a, const void *b) {
    const struct xr_transcript_row *x = a, *y = b;
    return (x->turn_idx > y->turn_idx) - (x->turn_idx < y->turn_idx);
}

static enum xr_code collect(struct xr_chain *chain, struct xr_err *err) {
    struct xr_provider_choice choice =
        xr_providers_choice(xr_jobs_deps_of(chain->jobs)->providers_config, XR_STAGE_TRANSCRIPTION);
    struct xr_transcription *t = chain->transcription;
    size_t n = 0;
    chain->transcripts = xr_arena_array(chain->arena, t->answered, sizeof *chain->transcripts);
    if (!chain->transcripts)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (const struct turn_call *call = t->calls; call; call = call->next) {
        const struct xr_transcribe_call *c = &call->transcribe;
        struct xr_transcript_row *row = &chain->transcripts[n++];
        *row = (struct xr_transcript_row){
            .turn_idx = chain->turns[call->turn].idx,
            .text = c->text,
            .language = c->language,
            .words_json = words_json(chain->arena, c),
            .duration_ms = c->duration_ms,
            .provider = xr_str_from(choice.provider),
            .model = xr_str_from(choice.model ? choice.model : ""),
        };
        if (c->word_count > 0 && !row->words_json.ptr)
            return xr_fail(err, XR_NO_MEMORY, NULL, "a transcript is too large");
    }
    qsort(chain->transcripts, n, sizeof *chain->transcripts, by_turn);
    chain->transcript_count = n;
    return XR_OK;
}

static void go_on_to_metrics(struct xr_chain *chain) {
    xr_jobs_transcribed(chain->jobs, chain);
    xr_chain_step(chain, XR_JOB_METRICS, apply_transcripts, announce_transcripts);
    xr_chain_step_usage(chain, XR_STAGE_TRANSCRIPTION);
    xr_stage_metrics(chain);
}

/* What a failed call means for the replay. */
static void transcription_failed(struct xr_chain *chain, const struct xr_err *err) {
    if (err->code == XR_NO_CREDENTIAL)
        xr_chain_fail(chain, XR_REASON_MISSING_CREDENTIAL, err->message);
    else if (err->code == XR_UNAVAILABLE || err->code == XR_REFUSED || err->code == XR_TIMEOUT)
        xr_chain_fail(chain, XR_REASON_TRANSCRIPTION_FAILED, err->message);
    else
        xr_chain_fault(chain, err);
}

/* Every call has been answered; whatever follows, they are to be paid. */
static void note_usage(struct xr_chain *chain) {
    for (const struct turn_call *call = chain->transcription->calls; call; call = call->next)
        xr_usage_add(&chain->used[XR_STAGE_TRANSCRIPTION], &call->transcribe.call.usage);
}

static void all_answered(struct xr_chain *chain) {
    struct xr_err err;
    const struct turn_call *failed = chain->transcription->failed;
    note_usage(chain);
    if (failed && (xr_jobs_stopping(chain->jobs) || failed->transcribe.call.code == XR_OVERLOADED))
        xr_chain_release(chain);
    else if (failed)
        transcription_failed(chain, &failed->transcribe.call.err);
    else if (collect(chain, &err) != XR_OK)
        xr_chain_fault(chain, &err);
    else
        go_on_to_metrics(chain);
}

static void start_more(struct xr_chain *chain);

static void answered(struct xr_call *done) {
    struct turn_call *call = done->ctx;
    struct xr_chain *chain = call->chain;
    struct xr_transcription *t = chain->transcription;
    pthread_mutex_lock(&t->lock);
    t->answered++;
    /* The others are cancelled for the first one: it is the cause. */
    if (done->code != XR_OK && !t->failed)
        t->failed = call;
    bool ok = t->failed == NULL;
    /* Under the lock, or two answers at once could be told in the wrong order. */
    if (ok)
        xr_chain_progress(chain, (int)(25 + 35 * t->answered / chain->turn_count), XR_STEP_TRANSCRIBE);
    else
        atomic_store(&chain->group.cancelled, true);
    pthread_mutex_unlock(&t->lock);
    start_more(chain);
}

static struct turn_call *new_call(struct xr_chain *chain, size_t turn) {
    struct xr_transcription *t = chain->transcription;
    struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct turn_call *call = arena ? xr_arena_alloc(arena, sizeof *call) : NULL;
    if (!call) {
        xr_arena_free(arena);
        return NULL;
    }
    const struct xr_turn *span = &chain->turns[turn];
    call->chain = chain;
    call->turn = turn;
    call->transcribe.arena = arena;
    call->transcribe.cut = xr_cut_make(t->fd, &t->wav, (uint16_t)span->role, span->voice_start_ns, span->voice_end_ns);
    call->transcribe.call = (struct xr_call){
        .group = &chain->group, .deadline_mono_ns = chain->deadline_mono_ns, .done = answered, .ctx = call};
    call->next = t->calls;
    t->calls = call;
    return call;
}

/* Takes the next turn, under the lock. NULL: none is left, or as many run as may, or it is no use any more. */
static struct turn_call *next_call(struct xr_chain *chain) {
    struct xr_transcription *t = chain->transcription;
    /* `running` counts the caller itself. */
    if (t->running > xr_jobs_config_of(chain->jobs)->concurrency || t->next_turn >= chain->turn_count ||
        atomic_load(&chain->group.cancelled))
        return NULL;
    struct turn_call *call = new_call(chain, t->next_turn);
    if (!call)
        return NULL;
    t->next_turn++;
    t->running++;
    return call;
}

static void stop_or_fault(struct xr_chain *chain) {
    struct xr_err err;
    xr_fail(&err, XR_NO_MEMORY, NULL, "out of memory");
    if (xr_jobs_stopping(chain->jobs))
        xr_chain_release(chain);
    else
        xr_chain_fault(chain, &err);
}

/* Turns are left, no call failed: the server stops, or a call could not be made. */
static void interrupted(struct xr_chain *chain) {
    note_usage(chain);
    stop_or_fault(chain);
}

/* Starts as many calls as may run. The caller holds one count of `running` (an answered call's, or the first starter's)
 * and gives it up here; who brings it to zero is the last to touch the chain and hands it back to a worker. */
static void start_more(struct xr_chain *chain) {
    struct xr_transcription *t = chain->transcription;
    for (;;) {
        pthread_mutex_lock(&t->lock);
        struct turn_call *call = next_call(chain);
        bool last = !call && --t->running == 0;
        bool incomplete = t->next_turn < chain->turn_count && !t->failed;
        pthread_mutex_unlock(&t->lock);
        if (last)
            xr_jobs_resume(chain->jobs, chain, incomplete ? interrupted : all_answered);
        if (!call)
            return;
        xr_transcribe_start(xr_jobs_deps_of(chain->jobs)->providers, &call->transcribe);
    }
}

static void transcribe(struct xr_chain *chain) {
    chain->transcription->running = 1;
    start_more(chain);
}

static struct xr_transcription *transcription_new(int fd, const struct xr_wav *wav) {
    struct xr_transcription *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    pthread_mutex_init(&t->lock, NULL);
    t->fd = fd;
    t->wav = *wav;
    return t;
}

static void analysis_failed(struct xr_chain *chain, const struct xr_err *err) {
    if (err->code == XR_CANCELLED)
        xr_chain_release(chain);
    else if (err->code == XR_NOT_FOUND || err->code == XR_INVALID || err->code == XR_IO)
        xr_chain_fail(chain, XR_REASON_AUDIO_MISSING, err->message);
    else
        xr_chain_fault(chain, err);
}

void xr_stage_analyze(struct xr_chain *chain) {
    struct xr_err err;
    struct xr_wav wav;
    int fd = -1;
    xr_chain_begin_stage(chain);
    xr_chain_progress(chain, 0, XR_STEP_VAD);
    if (find_turns(chain, &fd, &wav, &err) != XR_OK) {
        analysis_failed(chain, &err);
        return;
    }
    xr_chain_step(chain, XR_JOB_ANALYZE, apply_analysis, announce_analysis);
    if (chain->turn_count == 0 || xr_jobs_transcription_none(chain->jobs)) {
        close(fd);
        go_on_to_metrics(chain);
        return;
    }
    chain->transcription = transcription_new(fd, &wav);
    if (!chain->transcription) {
        close(fd);
        stop_or_fault(chain);
        return;
    }
    xr_chain_flush(chain, transcribe);
}
