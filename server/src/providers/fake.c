// SPDX-License-Identifier: Apache-2.0
#include "providers/fake.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "base/test.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum { THREADS = 3, RULES_MAX = 16, LABEL_MAX = 64, LOOK_EVERY_MS = 1 };
enum { SPOKEN_FRAMES = FAKE_SPOKEN_MS * (XR_RATE / 1000) };
enum { HTTP_DOWN = 503, HTTP_BAD_REQUEST = 400 };

/* A call that is not answered yet. */
struct pending {
    struct pending *next;
    struct xr_call *call;
    enum xr_stage_kind stage;
    struct fake_rule rule;
    char label[LABEL_MAX];
    bool released;
    bool *told; /* set once `done` has returned; NULL: nobody waits */
};

struct xr_providers {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    pthread_t threads[THREADS];
    struct fake_rule rules[RULES_MAX];
    size_t rule_count;
    struct pending *first;
    size_t started[XR_STAGE_KIND_COUNT], open[XR_STAGE_KIND_COUNT], most[XR_STAGE_KIND_COUNT];
    int64_t deadline_ns[XR_STAGE_KIND_COUNT];
    bool stopping;
};

/* --- answers --- */

static enum xr_code hear(struct xr_transcribe_call *call, struct xr_str text) {
    enum { FRAMES_PER_MS = XR_RATE / 1000, WORD_MS = 100 };
    call->text = xr_arena_str(call->arena, text);
    call->language = xr_arena_str(call->arena, XR_STR("en"));
    call->words = xr_arena_array(call->arena, 1, sizeof *call->words);
    if (!call->text.ptr || !call->language.ptr || !call->words)
        return XR_NO_MEMORY;
    call->words[0] = (struct xr_word){.text = call->text, .end_ms = WORD_MS};
    call->word_count = 1;
    call->duration_ms = (int64_t)(call->cut.frames / FRAMES_PER_MS);
    return XR_OK;
}

static enum xr_code assess(struct xr_judge_call *call, const struct fake_rule *rule, struct xr_str reason) {
    call->score = rule->score;
    call->reason = xr_arena_str(call->arena, reason);
    call->prompt_version = 1;
    return call->reason.ptr ? XR_OK : XR_NO_MEMORY;
}

/* A sound that depends on the text. */
static enum xr_code speak(struct xr_tts_call *call) {
    uint8_t file[XR_WAV_HEADER_SIZE + 2 * SPOKEN_FRAMES];
    uint8_t digest[XR_SHA256_SIZE];
    xr_sha256_of(call->text.ptr, call->text.len, digest);
    xr_wav_header(file, XR_RATE, 1, SPOKEN_FRAMES);
    for (size_t i = 0; i < 2 * SPOKEN_FRAMES; i++)
        file[XR_WAV_HEADER_SIZE + i] = digest[i % sizeof digest];
    call->frames = SPOKEN_FRAMES;
    return write(call->out_fd, file, sizeof file) == (ssize_t)sizeof file ? XR_OK : XR_IO;
}

static enum xr_code perform(struct pending *p) {
    char made[LABEL_MAX + 8];
    snprintf(made, sizeof made, "heard %s", p->label);
    struct xr_str text = xr_str_from(p->rule.text ? p->rule.text : made);
    switch (p->stage) {
    case XR_STAGE_TTS:
        return speak((struct xr_tts_call *)p->call);
    case XR_STAGE_TRANSCRIPTION:
        return hear((struct xr_transcribe_call *)p->call, text);
    default:
        return assess((struct xr_judge_call *)p->call, &p->rule, text);
    }
}

/* Of an answer, be it one that nobody can use; the numbers are fake.h's. */
static struct xr_usage usage_of(const struct pending *p, enum xr_code code) {
    struct xr_usage usage = XR_USAGE_NONE;
    if (code != XR_OK && code != XR_REFUSED)
        return usage;
    usage.calls = 1;
    if (p->stage == XR_STAGE_TTS) {
        const struct xr_tts_call *call = (struct xr_tts_call *)p->call;
        usage.characters = (int64_t)call->text.len;
        usage.audio_ms = code == XR_OK ? FAKE_SPOKEN_MS : -1;
    } else if (p->stage == XR_STAGE_TRANSCRIPTION) {
        usage.audio_ms = FAKE_HEARD_MS;
    } else {
        usage.input_tokens = FAKE_INPUT_TOKENS;
        usage.output_tokens = code == XR_OK ? FAKE_OUTPUT_TOKENS : -1;
    }
    return usage;
}

static bool cancelled(const struct pending *p) {
    return p->call->group && atomic_load(&p->call->group->cancelled);
}

static void answer(struct pending *p) {
    struct xr_call *call = p->call;
    enum xr_code code = !p->released && cancelled(p) ? XR_CANCELLED : p->rule.code;
    call->err = (struct xr_err){0};
    if (code == XR_OK)
        code = perform(p);
    if (code != XR_OK)
        xr_fail(&call->err, code, NULL, "%s: %s", p->label, xr_code_name(code));
    if (code == XR_UNAVAILABLE || code == XR_REFUSED)
        call->err.status = code == XR_REFUSED ? HTTP_BAD_REQUEST : HTTP_DOWN;
    call->usage = usage_of(p, code);
    call->code = code;
    call->done(call);
}

/* --- threads --- */

static bool ready(const struct xr_providers *fake, const struct pending *p) {
    return !p->rule.held || p->released || fake->stopping || (cancelled(p) && !p->rule.stubborn);
}

static struct pending *take_ready(struct xr_providers *fake) {
    for (struct pending **link = &fake->first; *link; link = &(*link)->next) {
        struct pending *p = *link;
        if (ready(fake, p)) {
            *link = p->next;
            return p;
        }
    }
    return NULL;
}

/* A group that is cancelled tells nobody, so held calls are looked at again and again, as a transfer's callback is. */
static void wait_for_change(struct xr_providers *fake) {
    struct timespec until;
    if (!fake->first) {
        pthread_cond_wait(&fake->changed, &fake->lock);
        return;
    }
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += LOOK_EVERY_MS * XR_NS_PER_MS;
    until.tv_sec += until.tv_nsec / XR_NS_PER_S;
    until.tv_nsec %= XR_NS_PER_S;
    pthread_cond_timedwait(&fake->changed, &fake->lock, &until);
}

static void *work(void *arg) {
    struct xr_providers *fake = arg;
    pthread_mutex_lock(&fake->lock);
    for (;;) {
        struct pending *p = take_ready(fake);
        if (p) {
            fake->open[p->stage]--;
            pthread_mutex_unlock(&fake->lock);
            answer(p);
            pthread_mutex_lock(&fake->lock);
            if (p->told)
                *p->told = true;
            free(p);
            pthread_cond_broadcast(&fake->changed);
        } else if (fake->stopping) {
            break;
        } else {
            wait_for_change(fake);
        }
    }
    pthread_mutex_unlock(&fake->lock);
    return NULL;
}

static struct fake_rule rule_for(struct xr_providers *fake, enum xr_stage_kind stage, const char *label) {
    for (size_t i = fake->rule_count; i-- > 0;) {
        struct fake_rule *rule = &fake->rules[i];
        if (rule->stage != stage || rule->times < 0 || (rule->label && strcmp(rule->label, label) != 0))
            continue;
        if (rule->times > 0 && --rule->times == 0)
            rule->times = -1; /* used up */
        return *rule;
    }
    return (struct fake_rule){.stage = stage, .score = 90};
}

static void start(struct xr_providers *fake, struct xr_call *call, enum xr_stage_kind stage, struct xr_str label) {
    struct pending *p = calloc(1, sizeof *p);
    if (!p)
        abort();
    p->call = call;
    p->stage = stage;
    snprintf(p->label, sizeof p->label, "%.*s", XR_STR_ARG(label));
    pthread_mutex_lock(&fake->lock);
    p->rule = rule_for(fake, stage, p->label);
    struct pending **link = &fake->first;
    while (*link)
        link = &(*link)->next;
    *link = p;
    fake->started[stage]++;
    fake->deadline_ns[stage] = call->deadline_mono_ns;
    if (++fake->open[stage] > fake->most[stage])
        fake->most[stage] = fake->open[stage];
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
}

/* --- providers.h --- */

void xr_tts_start(struct xr_providers *providers, struct xr_tts_call *call) {
    start(providers, &call->call, XR_STAGE_TTS, call->text);
}

void xr_transcribe_start(struct xr_providers *providers, struct xr_transcribe_call *call) {
    char label[LABEL_MAX];
    snprintf(label, sizeof label, "%d", (int)(call->cut.first / XR_RATE));
    start(providers, &call->call, XR_STAGE_TRANSCRIPTION, xr_str_from(label));
}

void xr_judge_start(struct xr_providers *providers, struct xr_judge_call *call) {
    start(providers, &call->call, XR_STAGE_JUDGE, call->reference);
}

struct xr_str xr_tts_voice(const struct xr_providers *providers, bool has_voice_id, struct xr_str voice_id) {
    (void)providers;
    return has_voice_id ? voice_id : XR_STR("default");
}

enum xr_code xr_tts_cache_key(const struct xr_providers *providers, struct xr_str voice, struct xr_str text,
                              uint8_t out[32], struct xr_err *err) {
    char bytes[2 * LABEL_MAX];
    (void)providers;
    int n = snprintf(bytes, sizeof bytes, "%.*s %.*s", XR_STR_ARG(voice), XR_STR_ARG(text));
    if (n >= (int)sizeof bytes)
        return xr_fail(err, XR_INVALID, NULL, "too long for the fake");
    xr_sha256_of(bytes, (size_t)n, out);
    return XR_OK;
}

enum xr_code xr_tts_ready(const struct xr_providers *providers, struct xr_err *err) {
    (void)providers, (void)err;
    return XR_OK;
}

struct xr_provider_choice xr_providers_choice(const struct xr_providers_config *config, enum xr_stage_kind stage) {
    return config->stage[stage];
}

struct xr_providers_config fake_config(void) {
    const struct xr_provider_choice choice = {.provider = "fake", .model = "fake-1", .voice = "default"};
    return (struct xr_providers_config){.stage = {choice, choice, choice}};
}

/* --- what tests do --- */

struct xr_providers *fake_new(void) {
    struct xr_providers *fake = calloc(1, sizeof *fake);
    assert_non_null(fake);
    pthread_mutex_init(&fake->lock, NULL);
    pthread_cond_init(&fake->changed, NULL);
    for (size_t i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&fake->threads[i], NULL, work, fake), 0);
    return fake;
}

void fake_free(struct xr_providers *fake) {
    pthread_mutex_lock(&fake->lock);
    fake->stopping = true;
    pthread_cond_broadcast(&fake->changed);
    pthread_mutex_unlock(&fake->lock);
    for (size_t i = 0; i < THREADS; i++)
        pthread_join(fake->threads[i], NULL);
    pthread_cond_destroy(&fake->changed);
    pthread_mutex_destroy(&fake->lock);
    free(fake);
}

void fake_script(struct xr_providers *fake, struct fake_rule rule) {
    pthread_mutex_lock(&fake->lock);
    bool room = fake->rule_count < RULES_MAX;
    if (room)
        fake->rules[fake->rule_count++] = rule;
    pthread_mutex_unlock(&fake->lock);
    assert_true(room);
}

void fake_forget(struct xr_providers *fake) {
    pthread_mutex_lock(&fake->lock);
    fake->rule_count = 0;
    pthread_mutex_unlock(&fake->lock);
}

void fake_await(struct xr_providers *fake, enum xr_stage_kind stage, size_t started) {
    pthread_mutex_lock(&fake->lock);
    while (fake->started[stage] < started)
        pthread_cond_wait(&fake->changed, &fake->lock);
    pthread_mutex_unlock(&fake->lock);
}

void fake_release(struct xr_providers *fake, enum xr_stage_kind stage, const char *label) {
    bool told = false;
    pthread_mutex_lock(&fake->lock);
    struct pending *p = fake->first;
    while (p && (p->stage != stage || p->released || !p->rule.held || strcmp(p->label, label) != 0))
        p = p->next;
    if (p) {
        p->released = true;
        p->told = &told;
        pthread_cond_broadcast(&fake->changed);
        while (!told)
            pthread_cond_wait(&fake->changed, &fake->lock);
    }
    pthread_mutex_unlock(&fake->lock);
    assert_true(told);
}

size_t fake_started(struct xr_providers *fake, enum xr_stage_kind stage) {
    pthread_mutex_lock(&fake->lock);
    size_t count = fake->started[stage];
    pthread_mutex_unlock(&fake->lock);
    return count;
}

size_t fake_most_at_once(struct xr_providers *fake, enum xr_stage_kind stage) {
    pthread_mutex_lock(&fake->lock);
    size_t count = fake->most[stage];
    pthread_mutex_unlock(&fake->lock);
    return count;
}

int64_t fake_deadline(struct xr_providers *fake, enum xr_stage_kind stage) {
    pthread_mutex_lock(&fake->lock);
    int64_t deadline_ns = fake->deadline_ns[stage];
    pthread_mutex_unlock(&fake->lock);
    return deadline_ns;
}
