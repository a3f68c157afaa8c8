// SPDX-License-Identifier: Apache-2.0
/* Speech with flite, in process.
 *
 * The libraries are opened at the first use: linked, the four voices cost every start 1.7 ms and every idle server 6 MB
 * for their relocations; opened, a voice costs 6 ms before its first sentence. Once a voice is registered its data is
 * only read, so any number of threads may speak with it; registering is under a lock. */
#include "base/limits.h"
#include "base/text.h"
#include "providers/dynamic.h"
#include "providers/provider.h"
#include "providers/tts_sink.h"
#include <ctype.h>
#include <dlfcn.h>
#include <flite/flite.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static const char *const VOICES[] = {"slt", "rms", "awb", "kal16"};
enum { VOICE_COUNT = sizeof VOICES / sizeof *VOICES, LIBRARY_NAME_MAX = 64, TEXT_ARENA_MAX = 8 * 1024 * 1024 };

/* What is used of libflite.so, typed by its headers. */
#define FLITE_FUNCTIONS(X)                                                                                             \
    X(audio_streaming_info_val)                                                                                        \
    X(default_utt_break)                                                                                               \
    X(delete_utterance)                                                                                                \
    X(feat_present)                                                                                                    \
    X(feat_set)                                                                                                        \
    X(feat_val)                                                                                                        \
    X(flite_do_synth)                                                                                                  \
    X(flite_init)                                                                                                      \
    X(get_param_string)                                                                                                \
    X(item_set_string)                                                                                                 \
    X(new_audio_streaming_info)                                                                                        \
    X(new_utterance)                                                                                                   \
    X(relation_append)                                                                                                 \
    X(relation_head)                                                                                                   \
    X(ts_close)                                                                                                        \
    X(ts_eof)                                                                                                          \
    X(ts_get)                                                                                                          \
    X(ts_open_string)                                                                                                  \
    X(utt_relation_create)                                                                                             \
    X(utt_synth_tokens)                                                                                                \
    X(val_breakfunc)

struct flite {
    FLITE_FUNCTIONS(XR_DYNAMIC_MEMBER)
};

#define SYMBOL(name) XR_DYNAMIC_SYMBOL(struct flite, name)
static const struct xr_dynamic SYMBOLS[] = {FLITE_FUNCTIONS(SYMBOL)};
#undef SYMBOL

struct tts_local {
    pthread_mutex_t lock; /* guards the rest until it is set */
    bool resolved;
    struct flite flite;
    cst_voice *voices[VOICE_COUNT]; /* flite's own, never freed: NULL until its first use */
};

/* --- noise --- */

/* flite's statistical voices take their excitation from rand(), so the same text would sound different every time, and
 * with two threads in an order that nobody chose. This definition stands in for libc's in the whole process: each
 * thread has its own sequence, and a call starts it again. Nothing else here uses rand(), which makes no promise beyond
 * this. */
static _Thread_local uint32_t noise = 1;

int rand(void) {
    noise ^= noise << 13;
    noise ^= noise >> 17;
    noise ^= noise << 5;
    return (int)(noise & RAND_MAX);
}

/* --- the libraries --- */

static enum xr_code resolve(struct flite *flite, void *library, struct xr_err *err) {
    return xr_dynamic_resolve(library, "flite", SYMBOLS, sizeof SYMBOLS / sizeof *SYMBOLS, flite, err);
}

/* Under the lock. The library stays open until the process ends: flite keeps pointers to what it registered. */
static enum xr_code open_voice(struct tts_local *local, size_t i, struct xr_err *err) {
    char name[LIBRARY_NAME_MAX];
    cst_voice *(*register_voice)(const char *directory) = NULL;
    snprintf(name, sizeof name, "libflite_cmu_us_%s.so.1", VOICES[i]);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return xr_fail(err, XR_UNAVAILABLE, NULL, "the voice %s is not installed (%s)", VOICES[i], name);
    enum xr_code code = local->resolved ? XR_OK : resolve(&local->flite, library, err);
    if (code != XR_OK)
        return code;
    if (!local->resolved)
        local->flite.flite_init();
    local->resolved = true;
    snprintf(name, sizeof name, "register_cmu_us_%s", VOICES[i]);
    void *symbol = dlsym(library, name);
    if (symbol)
        memcpy(&register_voice, &symbol, sizeof symbol);
    cst_voice *voice = register_voice ? register_voice(NULL) : NULL;
    if (!voice)
        return xr_fail(err, XR_UNAVAILABLE, NULL, "the voice %s cannot be used", VOICES[i]);
    local->voices[i] = voice;
    return XR_OK;
}

static enum xr_code get_voice(struct tts_local *local, struct xr_str name, cst_voice **ret_voice, struct xr_err *err) {
    size_t i = 0;
    while (i < VOICE_COUNT && !xr_str_eq(name, xr_str_from(VOICES[i])))
        i++;
    if (i == VOICE_COUNT)
        return xr_fail(err, XR_REFUSED, NULL, "local speech has the voices slt, rms, awb and kal16");
    pthread_mutex_lock(&local->lock);
    enum xr_code code = local->voices[i] ? XR_OK : open_voice(local, i, err);
    if (code == XR_OK)
        *ret_voice = local->voices[i];
    pthread_mutex_unlock(&local->lock);
    return code;
}

/* --- the text --- */

/* As flite can read it: ASCII without controls, and no run without a space longer than XR_TTS_TOKEN_MAX (flite copies
 * such a run many times over, and 64 KiB of digits would be one sentence of hours). NUL-terminated. */
static enum xr_code speakable(struct xr_arena *arena, struct xr_str text, const char **ret_text, struct xr_err *err) {
    struct xr_str ascii;
    enum xr_code code = xr_text_ascii(arena, text, &ascii, err);
    if (code != XR_OK)
        return code;
    char *out = xr_arena_alloc(arena, ascii.len + ascii.len / XR_TTS_TOKEN_MAX + 1);
    if (!out)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    size_t n = 0, run = 0;
    for (size_t i = 0; i < ascii.len; i++) {
        run = ascii.ptr[i] == ' ' ? 0 : run + 1;
        if (run > XR_TTS_TOKEN_MAX) {
            out[n++] = ' ';
            run = 1;
        }
        out[n++] = ascii.ptr[i];
    }
    *ret_text = out; /* the arena's bytes are zero, so it is terminated */
    return XR_OK;
}

/* --- one call --- */

struct speech {
    const struct flite *flite;
    cst_voice *voice;
    const struct xr_tts_call *call;
    struct xr_tts_sink *sink; /* made when the first samples tell their rate */
    uint32_t rate;
    enum xr_code code; /* why the stream was stopped */
    struct xr_err *err;
    cst_utterance *sentence; /* being collected */
    cst_relation *tokens;
    size_t weight; /* of its tokens */
    bool speaks; /* one of them has a letter or a digit */
};

static enum xr_code take_samples(struct speech *speech, const cst_wave *wave, int start, int size) {
    enum xr_code code = xr_call_check(&speech->call->call, speech->err);
    if (code == XR_OK && !speech->sink) {
        speech->rate = (uint32_t)wave->sample_rate;
        code = xr_tts_sink_new(speech->call->out_fd, speech->rate, &speech->sink, speech->err);
    }
    if (code == XR_OK && speech->rate != (uint32_t)wave->sample_rate)
        code = xr_fail(speech->err, XR_INTERNAL, NULL, "the voice changed its sample rate");
    if (code == XR_OK && size > 0)
        code = xr_tts_sink_write(speech->sink, wave->samples + start, (size_t)size, speech->err);
    return code;
}

/* flite calls it every 20 ms of speech. */
static int on_samples(const cst_wave *wave, int start, int size, int last, cst_audio_streaming_info *info) {
    (void)last;
    struct speech *speech = info->userdata;
    speech->code = take_samples(speech, wave, start, size);
    return speech->code == XR_OK ? CST_AUDIO_STREAM_CONT : CST_AUDIO_STREAM_STOP;
}

static void sentence_drop(struct speech *speech) {
    if (speech->sentence)
        speech->flite->delete_utterance(speech->sentence);
    speech->sentence = NULL;
    speech->tokens = NULL;
    speech->weight = 0;
    speech->speaks = false;
}

/* Speaks what was collected. Punctuation alone is a pause that nobody asked for, and is left out. */
static enum xr_code sentence_end(struct speech *speech) {
    const struct flite *flite = speech->flite;
    if (!speech->sentence || !speech->speaks) {
        sentence_drop(speech);
        return XR_OK;
    }
    cst_audio_streaming_info *info = flite->new_audio_streaming_info();
    info->asc = on_samples;
    info->userdata = speech;
    /* The utterance's own feature, not the voice's: other threads are speaking with the voice. It owns info now. */
    flite->feat_set(speech->sentence->features, "streaming_info", flite->audio_streaming_info_val(info));
    speech->sentence = flite->flite_do_synth(speech->sentence, speech->voice, flite->utt_synth_tokens);
    bool spoken = speech->sentence != NULL;
    sentence_drop(speech);
    if (speech->code == XR_OK && !spoken)
        return xr_fail(speech->err, XR_INTERNAL, NULL, "flite could not speak the text");
    return speech->code;
}

static bool has_word(const char *token) {
    for (; *token; token++)
        if (isalnum((unsigned char)*token))
            return true;
    return false;
}

/* How much speech a token may become, in letters: "47291" is six words. */
static size_t weight_of(const char *token) {
    size_t weight = 1;
    for (; *token; token++)
        weight += isdigit((unsigned char)*token) ? 6 : 1;
    return weight;
}

static void add_token(struct speech *speech, const cst_tokenstream *stream, const char *token) {
    const struct flite *flite = speech->flite;
    if (!speech->sentence) {
        speech->sentence = flite->new_utterance();
        speech->tokens = flite->utt_relation_create(speech->sentence, "Token");
    }
    cst_item *item = flite->relation_append(speech->tokens, NULL);
    flite->item_set_string(item, "name", token);
    flite->item_set_string(item, "whitespace", stream->whitespace);
    flite->item_set_string(item, "prepunctuation", stream->prepunctuation);
    flite->item_set_string(item, "punc", stream->postpunctuation);
    speech->weight += weight_of(token);
    speech->speaks = speech->speaks || has_word(token);
}

/* True if a sentence ends before token. */
static bool is_break(const struct speech *speech, cst_breakfunc breaks, cst_tokenstream *stream, const char *token) {
    if (!speech->sentence)
        return false;
    return !token[0] || speech->weight + weight_of(token) > XR_TTS_SENTENCE_MAX ||
           (speech->flite->relation_head(speech->tokens) && breaks(stream, token, speech->tokens));
}

static cst_tokenstream *open_stream(const struct speech *speech, const char *text) {
    const struct flite *flite = speech->flite;
    const cst_features *features = speech->voice->features;
    return flite->ts_open_string(text, flite->get_param_string(features, "text_whitespace", " \t\n\r"),
                                 flite->get_param_string(features, "text_singlecharsymbols", ""),
                                 flite->get_param_string(features, "text_prepunctuation", "\"'`({["),
                                 flite->get_param_string(features, "text_postpunctuation", "\"'`.,:;!?(){}[]"));
}

/* flite_ts_to_speech with bounds, and with samples that go to the sink. */
static enum xr_code speak(struct speech *speech, const char *text) {
    const struct flite *flite = speech->flite;
    cst_breakfunc breaks = flite->default_utt_break;
    if (flite->feat_present(speech->voice->features, "utt_break"))
        breaks = flite->val_breakfunc(flite->feat_val(speech->voice->features, "utt_break"));
    cst_tokenstream *stream = open_stream(speech, text);
    enum xr_code code = XR_OK;
    while (code == XR_OK && !flite->ts_eof(stream)) {
        const char *token = flite->ts_get(stream);
        if (is_break(speech, breaks, stream, token))
            code = sentence_end(speech);
        if (code == XR_OK && token[0])
            add_token(speech, stream, token);
    }
    if (code == XR_OK)
        code = sentence_end(speech);
    sentence_drop(speech);
    flite->ts_close(stream);
    return code;
}

static enum xr_code speak_to_file(struct speech *speech, struct xr_tts_call *call, struct xr_err *err) {
    const char *text = NULL;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(TEXT_ARENA_MAX);
    if (!arena)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = speakable(arena, call->text, &text, err);
    if (code == XR_OK)
        code = speak(speech, text);
    if (code == XR_OK && !speech->sink)
        return xr_fail(err, XR_REFUSED, NULL, "no speech could be made of this text");
    if (code == XR_OK)
        code = xr_tts_sink_finish(speech->sink, &call->frames, err);
    return code;
}

static enum xr_code tts_local_run(void *state, struct xr_call *base, struct xr_err *err) {
    struct tts_local *local = state;
    struct xr_tts_call *call = (struct xr_tts_call *)base;
    struct speech speech = {.flite = &local->flite, .call = call, .err = err};
    enum xr_code code = get_voice(local, call->voice, &speech.voice, err);
    noise = 1;
    if (code == XR_OK)
        code = speak_to_file(&speech, call, err);
    xr_tts_sink_free(speech.sink);
    return code;
}

static enum xr_code tts_local_open(const struct xr_providers_config *config, unsigned workers, void **ret_state,
                                   struct xr_err *err) {
    (void)config, (void)workers;
    struct tts_local *local = calloc(1, sizeof *local);
    if (!local)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    pthread_mutex_init(&local->lock, NULL);
    *ret_state = local;
    return XR_OK;
}

static void tts_local_close(void *state) {
    struct tts_local *local = state;
    if (!local)
        return;
    pthread_mutex_destroy(&local->lock);
    free(local);
}

const struct xr_provider_ops XR_TTS_LOCAL = {tts_local_open, tts_local_run, tts_local_close};
