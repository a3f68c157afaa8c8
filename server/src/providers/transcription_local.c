// SPDX-License-Identifier: Apache-2.0
/* Transcription with PocketSphinx 0.8 (5prealpha) and its en-us model, in process. Everything that another version of
 * PocketSphinx changes is in this file.
 *
 * A decoder (about 120 MB with its language model) is loaded when a call finds none idle, so there are never more than
 * threads that transcribe, and kept until the end. The same cut gives the same words whatever a decoder heard before.
 *
 * Word error rates that chose the settings, over 25 sentences (260 words) spoken by each of flite's four voices at
 * 48 kHz, cut tightly around the speech; "x" is time to decode over time of speech, on one 2 GHz core:
 *     the library's own running mean, no padding                          13.4 %   0.16x
 *     each utterance's own mean, no padding                               11.4 %   0.15x
 *     the library's own running mean, 200 ms of silence around            9.0 %    0.17x
 *     each utterance's own mean, 200 ms of silence around                 6.3 %    0.15x
 *     the same with 100 ms, 400 ms                                        6.2, 8.1 %
 *     the same with -maxwpf 20 -maxhmmpf 10000 (chosen)                   6.2 %    0.14x
 *     the same without best path; with language weight 8 instead of 6.5   8.2, 7.1 %
 *     the same with four times wider beams                                6.1 %    0.22x  */
#include "audio/wav.h"
#include "base/limits.h"
#include "providers/feed.h"
#include "providers/provider.h"
#include <pocketsphinx.h>
#include <pthread.h>
#include <sphinxbase/cmn.h>
#include <sphinxbase/err.h>
#include <sphinxbase/fe.h>
#include <sphinxbase/feat.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    RATE = 16000,
    FRAME_MS = 10,
    BLOCK = 1600, /* samples decoded between two looks at the call: 100 ms */
    PAD_MS = 200, /* a cut starts and ends with speech, and the language model wants to start and end in silence */
    CEPSTRA = 13,
    BLOCK_FRAMES = BLOCK / (RATE / 1000 * FRAME_MS) + 4, /* that a block can give */
    MODEL_PATH_MAX = XR_PROVIDER_NAME_MAX + 64,
};

struct decoder {
    ps_decoder_t *ps;
    fe_t *front_end; /* of its own, to measure with */
};

struct transcription_local {
    const char *model;
    pthread_mutex_t lock; /* guards idle */
    pthread_mutex_t loading; /* sphinxbase is not made for two loads at once */
    size_t idle_count, room;
    struct decoder *idle[];
};

/* --- decoders --- */

static void decoder_free(struct decoder *decoder) {
    if (!decoder)
        return;
    if (decoder->front_end)
        fe_free(decoder->front_end);
    if (decoder->ps)
        ps_free(decoder->ps);
    free(decoder);
}

static enum xr_code path_in(const char *model, const char *file, char out[MODEL_PATH_MAX], struct xr_err *err) {
    int n = snprintf(out, MODEL_PATH_MAX, "%s/%s", model, file);
    if (n < 0 || n >= MODEL_PATH_MAX || access(out, R_OK) != 0)
        return xr_fail(err, XR_UNAVAILABLE, NULL,
                       "the PocketSphinx model has no readable %s: see XRAY_POCKETSPHINX_MODEL", file);
    return XR_OK;
}

/* -remove_silence no: with it times of words would leave out the pauses before them. */
static enum xr_code model_config(const char *model, cmd_ln_t **ret_config, struct xr_err *err) {
    char acoustic[MODEL_PATH_MAX], language[MODEL_PATH_MAX], dictionary[MODEL_PATH_MAX];
    enum xr_code code = path_in(model, "en-us", acoustic, err);
    if (code == XR_OK)
        code = path_in(model, "en-us.lm.bin", language, err);
    if (code == XR_OK)
        code = path_in(model, "cmudict-en-us.dict", dictionary, err);
    if (code != XR_OK)
        return code;
    cmd_ln_t *config = cmd_ln_init(NULL, ps_args(), TRUE, "-hmm", acoustic, "-lm", language, "-dict", dictionary,
                                   "-remove_silence", "no", "-maxwpf", "20", "-maxhmmpf", "10000", NULL);
    if (!config)
        return xr_fail(err, XR_INTERNAL, NULL, "PocketSphinx refused its settings");
    *ret_config = config;
    return XR_OK;
}

static enum xr_code decoder_open(struct decoder *decoder, const char *model, struct xr_err *err) {
    cmd_ln_t *config = NULL;
    err_set_logfp(NULL); /* sphinxbase would write to stderr, which is the server's log */
    enum xr_code code = model_config(model, &config, err);
    if (code != XR_OK)
        return code;
    decoder->ps = ps_init(config);
    if (decoder->ps)
        decoder->front_end = fe_init_auto_r(ps_get_config(decoder->ps));
    cmd_ln_free_r(config);
    if (!decoder->front_end || fe_get_output_size(decoder->front_end) != CEPSTRA)
        return xr_fail(err, XR_UNAVAILABLE, NULL,
                       "the PocketSphinx model could not be loaded: see XRAY_POCKETSPHINX_MODEL");
    return XR_OK;
}

static enum xr_code decoder_load(const char *model, struct decoder **ret_decoder, struct xr_err *err) {
    struct decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = decoder_open(decoder, model, err);
    if (code == XR_OK)
        *ret_decoder = decoder;
    else
        decoder_free(decoder);
    return code;
}

static enum xr_code decoder_take(struct transcription_local *local, struct decoder **ret_decoder, struct xr_err *err) {
    struct decoder *decoder = NULL;
    pthread_mutex_lock(&local->lock);
    if (local->idle_count > 0)
        decoder = local->idle[--local->idle_count];
    pthread_mutex_unlock(&local->lock);
    enum xr_code code = XR_OK;
    if (!decoder) {
        pthread_mutex_lock(&local->loading);
        code = decoder_load(local->model, &decoder, err);
        pthread_mutex_unlock(&local->loading);
    }
    if (code == XR_OK)
        *ret_decoder = decoder;
    return code;
}

static void decoder_give(struct transcription_local *local, struct decoder *decoder) {
    pthread_mutex_lock(&local->lock);
    if (local->idle_count < local->room) {
        local->idle[local->idle_count++] = decoder;
        decoder = NULL;
    }
    pthread_mutex_unlock(&local->lock);
    decoder_free(decoder);
}

/* --- one utterance: at most XR_UTTERANCE_MAX_S of the cut --- */

struct utterance {
    struct decoder *decoder;
    struct xr_transcribe_call *call;
    uint64_t first, frames; /* of the cut */
};

/* Gives every block of the utterance to take, and looks at the call between them. */
static enum xr_code each_block(const struct utterance *u,
                               enum xr_code (*take)(void *ctx, const int16_t *samples, size_t n, struct xr_err *err),
                               void *ctx, struct xr_err *err) {
    int16_t block[BLOCK];
    size_t n = 0;
    XR_AUTO(xr_feed_freep) struct xr_feed *feed = NULL;
    enum xr_code code = xr_feed_new(&u->call->cut, u->first, u->frames, RATE, PAD_MS, &feed, err);
    while (code == XR_OK) {
        code = xr_call_check(&u->call->call, err);
        if (code == XR_OK)
            code = xr_feed_read(feed, block, BLOCK, &n, err);
        if (code == XR_OK && n == 0)
            break;
        if (code == XR_OK)
            code = take(ctx, block, n, err);
    }
    return code;
}

struct measure {
    fe_t *front_end;
    double sum[CEPSTRA];
    size_t count;
};

static enum xr_code measure_block(void *ctx, const int16_t *samples, size_t n, struct xr_err *err) {
    struct measure *m = ctx;
    mfcc_t values[BLOCK_FRAMES][CEPSTRA], *rows[BLOCK_FRAMES];
    for (int i = 0; i < BLOCK_FRAMES; i++)
        rows[i] = values[i];
    while (n > 0) {
        size_t before = n;
        int32 frames = BLOCK_FRAMES, index = 0;
        if (fe_process_frames(m->front_end, &samples, &n, rows, &frames, &index) < 0 || (n == before && frames == 0))
            return xr_fail(err, XR_INTERNAL, NULL, "PocketSphinx could not read the audio");
        for (int32 i = 0; i < frames; i++)
            for (int k = 0; k < CEPSTRA; k++)
                m->sum[k] += (double)values[i][k];
        m->count += (size_t)frames;
    }
    return XR_OK;
}

/* The mean that is taken off every frame (it stands for the voice, the room, the line). By itself a decoder carries it
 * over from what it heard before, so a first pass measures the utterance's own: fewer errors, and no memory. */
static enum xr_code set_mean(const struct utterance *u, struct xr_err *err) {
    struct measure m = {.front_end = u->decoder->front_end};
    mfcc_t mean[CEPSTRA], rest[CEPSTRA];
    int32 rest_count = 0;
    fe_start_stream(m.front_end);
    fe_start_utt(m.front_end);
    enum xr_code code = each_block(u, measure_block, &m, err);
    fe_end_utt(m.front_end, rest, &rest_count);
    if (code != XR_OK)
        return code;
    for (int k = 0; k < CEPSTRA; k++)
        mean[k] = m.count > 0 ? (mfcc_t)(m.sum[k] / (double)m.count) : 0;
    cmn_live_set(ps_get_feat(u->decoder->ps)->cmn_struct, mean);
    return XR_OK;
}

static enum xr_code decode_block(void *ctx, const int16_t *samples, size_t n, struct xr_err *err) {
    if (ps_process_raw(ctx, samples, n, FALSE, FALSE) < 0)
        return xr_fail(err, XR_INTERNAL, NULL, "PocketSphinx could not decode the audio");
    return XR_OK;
}

static enum xr_code decode(const struct utterance *u, struct xr_err *err) {
    ps_decoder_t *ps = u->decoder->ps;
    enum xr_code code = set_mean(u, err);
    if (code != XR_OK)
        return code;
    if (ps_start_stream(ps) < 0 || ps_start_utt(ps) < 0)
        return xr_fail(err, XR_INTERNAL, NULL, "PocketSphinx could not start");
    code = each_block(u, decode_block, ps, err);
    if (code != XR_OK)
        return code; /* the caller drops the decoder: ending here would search what nobody reads */
    if (ps_end_utt(ps) < 0)
        return xr_fail(err, XR_INTERNAL, NULL, "PocketSphinx could not finish");
    return XR_OK;
}

/* --- words --- */

/* The words so far. Their memory, and that of their text, is the call's arena's. */
struct words {
    struct xr_arena *arena;
    struct xr_word *items;
    size_t count, room, bytes;
    int64_t duration_ms; /* of the cut: no word ends after it */
};

/* "<s>", "[NOISE]" and "++UH++" are no words; "read(2)" is another way to say "read". */
static struct xr_str clean(const char *word) {
    struct xr_str s = xr_str_from(word);
    if (s.len == 0 || strchr("<[+", s.ptr[0]))
        return (struct xr_str){0};
    const char *variant = memchr(s.ptr, '(', s.len);
    if (variant && variant > s.ptr)
        s.len = (size_t)(variant - s.ptr);
    return s;
}

static struct xr_word *words_add(struct words *words) {
    if (words->count == words->room) {
        size_t room = words->room ? words->room * 2 : 32;
        struct xr_word *items = xr_arena_array(words->arena, room, sizeof *items);
        if (!items)
            return NULL;
        if (words->count > 0)
            memcpy(items, words->items, words->count * sizeof *items);
        words->items = items;
        words->room = room;
    }
    return &words->items[words->count++];
}

static int64_t clamp_ms(int64_t ms, int64_t max) {
    return ms < 0 ? 0 : ms > max ? max : ms;
}

static enum xr_code take_words(const struct utterance *u, struct words *words, struct xr_err *err) {
    int64_t offset = (int64_t)(u->first * 1000 / u->call->cut.wav.rate) - PAD_MS;
    ps_seg_t *seg = ps_seg_iter(u->decoder->ps);
    for (; seg; seg = ps_seg_next(seg)) {
        int first = 0, last = 0;
        struct xr_str text = clean(ps_seg_word(seg));
        if (text.len == 0)
            continue;
        ps_seg_frames(seg, &first, &last);
        struct xr_word *word = words_add(words);
        struct xr_str copy = word ? xr_arena_str(words->arena, text) : (struct xr_str){0};
        if (!copy.ptr) {
            ps_seg_free(seg);
            return xr_fail(err, XR_NO_MEMORY, NULL, "the transcript is too large");
        }
        *word = (struct xr_word){.text = copy,
                                 .start_ms = clamp_ms(offset + (int64_t)first * FRAME_MS, words->duration_ms),
                                 .end_ms = clamp_ms(offset + ((int64_t)last + 1) * FRAME_MS, words->duration_ms)};
        words->bytes += copy.len + 1;
    }
    return XR_OK;
}

static enum xr_code join(struct words *words, struct xr_str *ret_text, struct xr_err *err) {
    char *text = xr_arena_alloc(words->arena, words->bytes + 1);
    size_t n = 0;
    if (!text)
        return xr_fail(err, XR_NO_MEMORY, NULL, "the transcript is too large");
    for (size_t i = 0; i < words->count; i++) {
        if (i > 0)
            text[n++] = ' ';
        memcpy(text + n, words->items[i].text.ptr, words->items[i].text.len);
        n += words->items[i].text.len;
    }
    *ret_text = (struct xr_str){.ptr = text, .len = n};
    return XR_OK;
}

/* --- calls --- */

/* A longer cut is decoded in pieces: the decoder's memory grows with an utterance, and its end cannot be interrupted.
 */
static enum xr_code transcribe(struct decoder *decoder, struct xr_transcribe_call *call, struct words *words,
                               struct xr_err *err) {
    const uint64_t piece = (uint64_t)XR_UTTERANCE_MAX_S * call->cut.wav.rate;
    enum xr_code code = XR_OK;
    for (uint64_t at = 0; code == XR_OK && at < call->cut.frames; at += piece) {
        uint64_t left = call->cut.frames - at;
        struct utterance u = {.decoder = decoder, .call = call, .first = at, .frames = left < piece ? left : piece};
        code = decode(&u, err);
        if (code == XR_OK)
            code = take_words(&u, words, err);
    }
    return code;
}

static enum xr_code transcribe_cut(struct transcription_local *local, struct xr_transcribe_call *call,
                                   struct words *words, struct xr_err *err) {
    struct decoder *decoder = NULL;
    enum xr_code code = decoder_take(local, &decoder, err);
    if (!decoder)
        return code;
    code = transcribe(decoder, call, words, err);
    if (code == XR_OK)
        decoder_give(local, decoder);
    else
        decoder_free(decoder); /* stopped in the middle of an utterance */
    return code;
}

static enum xr_code transcription_local_run(void *state, struct xr_call *base, struct xr_err *err) {
    struct xr_transcribe_call *call = (struct xr_transcribe_call *)base;
    struct words words = {.arena = call->arena};
    enum xr_code code = XR_OK;
    if (call->cut.frames > 0) {
        words.duration_ms = (int64_t)(call->cut.frames * 1000 / call->cut.wav.rate);
        code = transcribe_cut(state, call, &words, err);
    }
    if (code == XR_OK)
        code = join(&words, &call->text, err);
    if (code != XR_OK)
        return code;
    call->language = XR_STR("en");
    call->words = words.items;
    call->word_count = words.count;
    call->duration_ms = words.duration_ms;
    return XR_OK;
}

static void transcription_local_close(void *state) {
    struct transcription_local *local = state;
    if (!local)
        return;
    while (local->idle_count > 0)
        decoder_free(local->idle[--local->idle_count]);
    pthread_mutex_destroy(&local->lock);
    pthread_mutex_destroy(&local->loading);
    free(local);
}

static enum xr_code transcription_local_open(const struct xr_providers_config *config, unsigned workers,
                                             void **ret_state, struct xr_err *err) {
    struct transcription_local *local = calloc(1, sizeof *local + workers * sizeof *local->idle);
    if (!local)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    pthread_mutex_init(&local->lock, NULL);
    pthread_mutex_init(&local->loading, NULL);
    local->model = xr_providers_pocketsphinx_model(config);
    local->room = workers;
    *ret_state = local;
    return XR_OK;
}

const struct xr_provider_ops XR_TRANSCRIPTION_LOCAL = {transcription_local_open, transcription_local_run,
                                                       transcription_local_close};
