// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "base/limits.h"
#include "base/pool.h"
#include "base/sha256.h"
#include "base/text.h"
#include "providers/cloud.h"
#include "providers/provider.h"
#include <stdatomic.h>
#include <stdlib.h>

struct xr_providers {
    const struct xr_providers_config *config;
    const struct xr_clock *clock;
    struct xr_pool *workers; /* what is built in works here */
    struct xr_cloud *cloud; /* NULL: no stage needs another host */
    /* Answers what `workers` has no room for, since a call is never answered from inside start. Its one thread runs
     * from the beginning and its queue is only links inside the callers' own requests, so it cannot refuse. */
    struct xr_pool *answers;
    struct xr_task warm_up;
    _Atomic bool stopping;
    void *states[XR_STAGE_KIND_COUNT]; /* of the chosen provider's ops */
};

/* --- calls --- */

enum xr_code xr_call_check(const struct xr_call *call, struct xr_err *err) {
    if (atomic_load(&call->providers->stopping))
        return xr_fail(err, XR_CANCELLED, NULL, "the server is stopping");
    if (call->group && atomic_load(&call->group->cancelled))
        return xr_fail(err, XR_CANCELLED, NULL, "cancelled");
    if (xr_clock_mono(call->providers->clock) >= call->deadline_mono_ns)
        return xr_fail(err, XR_TIMEOUT, NULL, "the deadline passed");
    return XR_OK;
}

static struct xr_call *call_of(struct xr_task *task) {
    return (struct xr_call *)((char *)task - offsetof(struct xr_call, task));
}

static int64_t ms_of(uint64_t frames) {
    return (int64_t)(frames / (XR_RATE / 1000));
}

/* What was heard or spoken is known here, whoever did it. */
static void count_audio(struct xr_call *call) {
    if (call->stage == XR_STAGE_TRANSCRIPTION) {
        call->usage.audio_ms = ms_of(((struct xr_transcribe_call *)call)->cut.frames);
    } else if (call->stage == XR_STAGE_TTS) {
        const struct xr_tts_call *tts = (struct xr_tts_call *)call;
        call->usage.characters = (int64_t)xr_utf16_length(tts->text);
        call->usage.audio_ms = call->code == XR_OK ? ms_of(tts->frames) : -1;
    }
}

/* err apart from the call's: xr_call's own detail stays empty on success, whatever happened on the way. */
void xr_call_answer(struct xr_call *call, enum xr_code code, const struct xr_err *err) {
    call->code = code;
    if (code == XR_OK)
        call->err = (struct xr_err){0};
    else
        call->err = *err;
    if (call->usage.calls > 0)
        count_audio(call);
    call->done(call);
}

static void run_call(struct xr_task *task) {
    struct xr_call *call = call_of(task);
    struct xr_providers *providers = call->providers;
    struct xr_err err = {0};
    enum xr_code code = xr_call_check(call, &err);
    if (code == XR_OK)
        code = xr_providers_stage_ready(providers->config, call->stage, &err);
    if (code == XR_OK)
        code = xr_providers_stage(providers->config, call->stage)
                   ->provider->ops->run(providers->states[call->stage], call, &err);
    if (code == XR_OK)
        call->usage.calls = 1;
    xr_call_answer(call, code, &err);
}

static void answer_full(struct xr_task *task) {
    struct xr_err err;
    xr_fail(&err, XR_UNAVAILABLE, NULL, "too many calls are waiting for a local provider");
    xr_call_answer(call_of(task), XR_UNAVAILABLE, &err);
}

static void answer_no_memory(struct xr_task *task) {
    struct xr_err err;
    xr_fail(&err, XR_NO_MEMORY, NULL, "out of memory");
    xr_call_answer(call_of(task), XR_NO_MEMORY, &err);
}

static void answer_elsewhere(struct xr_providers *providers, struct xr_call *call, void (*run)(struct xr_task *task)) {
    call->task.run = run;
    if (xr_pool_submit(providers->answers, &call->task, NULL) != XR_OK)
        abort(); /* started beside xr_providers_free: no thread is left that could keep the promise of an answer */
}

/* Is it another host's to answer? What cannot be called at all is told by run_call. */
static bool is_for_cloud(const struct xr_providers *providers, enum xr_stage_kind stage) {
    const struct xr_provider *provider = xr_providers_stage(providers->config, stage)->provider;
    return provider && provider->adapter && xr_providers_stage_ready(providers->config, stage, NULL) == XR_OK;
}

static void start(struct xr_providers *providers, struct xr_call *call, enum xr_stage_kind stage) {
    call->providers = providers;
    call->stage = stage;
    call->usage = XR_USAGE_NONE;
    if (is_for_cloud(providers, stage)) {
        if (xr_cloud_start(providers->cloud, call, NULL) != XR_OK)
            answer_elsewhere(providers, call, answer_no_memory);
        return;
    }
    call->task.run = run_call;
    if (xr_pool_submit(providers->workers, &call->task, NULL) != XR_OK)
        answer_elsewhere(providers, call, answer_full);
}

void xr_tts_start(struct xr_providers *providers, struct xr_tts_call *call) {
    call->frames = 0;
    start(providers, &call->call, XR_STAGE_TTS);
}

void xr_transcribe_start(struct xr_providers *providers, struct xr_transcribe_call *call) {
    call->text = call->language = (struct xr_str){0};
    call->words = NULL;
    call->word_count = 0;
    call->duration_ms = 0;
    start(providers, &call->call, XR_STAGE_TRANSCRIPTION);
}

void xr_judge_start(struct xr_providers *providers, struct xr_judge_call *call) {
    call->score = 0;
    call->reason = (struct xr_str){0};
    call->prompt_version = 0;
    start(providers, &call->call, XR_STAGE_JUDGE);
}

/* --- speech: what is known without a call --- */

struct xr_str xr_tts_voice(const struct xr_providers *providers, bool has_voice_id, struct xr_str voice_id) {
    return has_voice_id ? voice_id : xr_str_from(xr_providers_stage(providers->config, XR_STAGE_TTS)->voice);
}

enum xr_code xr_tts_cache_key(const struct xr_providers *providers, struct xr_str voice, struct xr_str text,
                              uint8_t out[32], struct xr_err *err) {
    const struct xr_stage_config *stage = xr_providers_stage(providers->config, XR_STAGE_TTS);
    if (!xr_utf8_valid(voice) || !xr_utf8_valid(text))
        return xr_fail(err, XR_INVALID, NULL, "voice and text must be UTF-8");
    struct xr_buf buf = xr_buf_make(XR_TTS_KEY_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_ASCII);
    xr_json_array(&j);
    xr_json_str(&j, xr_str_from(stage->provider->name));
    xr_json_str(&j, xr_str_from(stage->model));
    xr_json_str(&j, voice);
    xr_json_str(&j, text);
    xr_json_array_end(&j);
    bool failed = buf.failed;
    if (!failed)
        xr_sha256_of(buf.data, buf.len, out);
    xr_buf_clear(&buf);
    return failed ? xr_fail(err, XR_NO_MEMORY, NULL, "the text is too long to hash") : XR_OK;
}

enum xr_code xr_tts_ready(const struct xr_providers *providers, struct xr_err *err) {
    return xr_providers_stage_ready(providers->config, XR_STAGE_TTS, err);
}

/* --- life --- */

static void do_nothing(struct xr_task *task) {
    (void)task;
}

static bool needs_cloud(const struct xr_providers *p) {
    for (int i = 0; i < XR_STAGE_KIND_COUNT; i++)
        if (is_for_cloud(p, (enum xr_stage_kind)i))
            return true;
    return false;
}

static enum xr_code open_all(struct xr_providers *p, unsigned workers, unsigned concurrency, struct xr_err *err) {
    enum xr_code code = xr_pool_new("providers", workers, XR_TASKS_MAX, &p->workers, err);
    if (code == XR_OK)
        code = xr_pool_new("answers", 1, SIZE_MAX, &p->answers, err);
    if (code == XR_OK)
        code = xr_pool_submit(p->answers, &p->warm_up, err);
    if (code == XR_OK && needs_cloud(p))
        code = xr_cloud_new(p->config, concurrency, p->clock, &p->cloud, err);
    for (int i = 0; code == XR_OK && i < XR_STAGE_KIND_COUNT; i++) {
        const struct xr_provider *provider = xr_providers_stage(p->config, (enum xr_stage_kind)i)->provider;
        if (provider && provider->ops && provider->ops->open)
            code = provider->ops->open(p->config, workers, &p->states[i], err);
    }
    return code;
}

enum xr_code xr_providers_new(const struct xr_providers_config *config, unsigned workers, unsigned concurrency,
                              const struct xr_clock *clock, struct xr_providers **ret_providers, struct xr_err *err) {
    if (concurrency < 1 || concurrency > XR_PROVIDER_CONCURRENCY_MAX)
        return xr_fail(err, XR_INVALID, "concurrency", "must be 1..%d", XR_PROVIDER_CONCURRENCY_MAX);
    XR_AUTO(xr_providers_freep) struct xr_providers *providers = calloc(1, sizeof *providers);
    if (!providers)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    providers->config = config;
    providers->clock = clock;
    providers->warm_up.run = do_nothing;
    enum xr_code code = open_all(providers, workers, concurrency, err);
    if (code != XR_OK)
        return code;
    *ret_providers = providers;
    providers = NULL;
    return XR_OK;
}

void xr_providers_free(struct xr_providers *providers) {
    if (!providers)
        return;
    atomic_store(&providers->stopping, true);
    xr_cloud_free(providers->cloud);
    xr_pool_free(providers->workers);
    xr_pool_free(providers->answers);
    for (int i = 0; i < XR_STAGE_KIND_COUNT; i++)
        if (providers->states[i])
            xr_providers_stage(providers->config, (enum xr_stage_kind)i)->provider->ops->close(providers->states[i]);
    free(providers);
}
