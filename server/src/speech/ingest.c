// SPDX-License-Identifier: Apache-2.0
/* The way of one conversation, on pool threads and provider threads:
 *
 *   start -> resolve (cache) -> [one call per distinct text, in parallel] -> keep files, hash, write -> read back ->
 * done
 *
 * Every arrow is a task of the pool, so no thread waits for another. */
#include "speech/ingest.h"
#include "base/limits.h"
#include "base/text.h"
#include "base/uuid.h"
#include "speech/usage.h"
#include "store/reader_pool.h"
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

enum { READERS_KEPT = 2, READ_BLOCK = 64 * 1024 };

struct xr_ingest {
    struct xr_ingest_deps deps;
    struct xr_reader_pool *readers;
};

/* One distinct (provider, model, voice, text). */
struct utterance {
    struct xr_tts_call tts;
    struct work *work;
    uint8_t key[XR_SHA256_SIZE], sha256[XR_SHA256_SIZE];
    bool cached;
    int fd;
    char path[XR_PATH_MAX];
};

struct work {
    struct xr_task task;
    struct xr_write write;
    struct xr_ingest *ingest;
    struct xr_ingest_call *call;
    struct xr_call_group group;
    struct utterance **utterances; /* arena */
    struct utterance **of_turn; /* arena; one a turn, NULL for a turn that is not tts */
    size_t utterance_count;
    _Atomic(struct utterance *) failed; /* the first call that failed: the others are cancelled for it */
    _Atomic size_t waiting; /* calls not answered yet, plus one while they are being started */
};

enum xr_code xr_ingest_new(const struct xr_ingest_deps *deps, struct xr_ingest **ret_ingest, struct xr_err *err) {
    struct xr_ingest *ingest = calloc(1, sizeof *ingest);
    if (!ingest)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    ingest->deps = *deps;
    enum xr_code code = xr_reader_pool_new(deps->store, READERS_KEPT, &ingest->readers, err);
    if (code != XR_OK) {
        free(ingest);
        return code;
    }
    *ret_ingest = ingest;
    return XR_OK;
}

void xr_ingest_free(struct xr_ingest *ingest) {
    if (!ingest)
        return;
    xr_reader_pool_free(ingest->readers);
    free(ingest);
}

static void finish(struct work *work, enum xr_code code) {
    struct xr_ingest_call *call = work->call;
    for (size_t i = 0; i < work->utterance_count; i++) {
        struct utterance *u = work->utterances[i];
        if (u->fd >= 0)
            close(u->fd);
        xr_files_discard(u->path);
    }
    call->code = code;
    call->impl = NULL;
    free(work);
    call->done(call);
}

/* Goes on with `next` on a pool thread, or ends the call when the pool will not have it. */
static void go_on(struct work *work, void (*next)(struct xr_task *task)) {
    work->task.run = next;
    enum xr_code code = xr_pool_submit(work->ingest->deps.pool, &work->task, &work->call->err);
    if (code != XR_OK)
        finish(work, code == XR_CANCELLED ? XR_OVERLOADED : code);
}

static enum xr_code out_of_memory(struct work *work) {
    return xr_fail(&work->call->err, XR_NO_MEMORY, NULL, "out of memory");
}

/* --- 4. the row as it stands now --- */

static void read_back(struct xr_task *task) {
    struct work *work = (struct work *)task;
    struct xr_ingest_call *call = work->call;
    struct xr_store_reader *reader = NULL;
    uint8_t hash[XR_SHA256_SIZE];
    memcpy(hash, call->conversation.hash, sizeof hash);
    enum xr_code code = xr_reader_pool_take(work->ingest->readers, &reader, &call->err);
    if (code == XR_OK)
        code = xr_store_conversation_get(reader, hash, call->arena, &call->conversation, &call->err);
    xr_reader_pool_give(work->ingest->readers, reader);
    /* The row was committed a moment ago; not finding it is no answer for the caller's 404. */
    if (code == XR_NOT_FOUND)
        code = xr_fail(&call->err, XR_INTERNAL, NULL, "the conversation's row is gone");
    finish(work, code);
}

/* --- 3. files, hash, upsert --- */

/* As not yet paid for: the next replay of the conversation takes it over. */
static enum xr_code add_usage(struct work *work, struct xr_store_tx *tx, struct xr_err *err) {
    struct xr_usage used = XR_USAGE_NONE;
    for (size_t i = 0; i < work->utterance_count; i++)
        if (!work->utterances[i]->cached)
            xr_usage_add(&used, &work->utterances[i]->tts.call.usage);
    if (used.calls == 0)
        return XR_OK;
    struct xr_usage_row row = xr_usage_row_make(work->ingest->deps.config, XR_STAGE_TTS, &used);
    return xr_store_tx_speech_usage_add(tx, work->call->conversation.hash, &row, err);
}

static enum xr_code apply_rows(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct work *work = write->ctx;
    struct xr_provider_choice choice = xr_providers_choice(work->ingest->deps.config, XR_STAGE_TTS);
    enum xr_code code = xr_store_tx_conversation_put(tx, &work->call->conversation, err);
    if (code == XR_OK)
        code = add_usage(work, tx, err);
    for (size_t i = 0; code == XR_OK && i < work->utterance_count; i++) {
        const struct utterance *u = work->utterances[i];
        struct xr_tts_cache_row row = {
            .provider = xr_str_from(choice.provider),
            .model = xr_str_from(choice.model),
            .voice = u->tts.voice,
            .characters = (int64_t)xr_utf16_length(u->tts.text),
            .audio_ms = (int64_t)(u->tts.frames * 1000 / XR_RATE),
        };
        if (u->cached)
            continue;
        memcpy(row.key, u->key, sizeof row.key);
        memcpy(row.sha256, u->sha256, sizeof row.sha256);
        code = xr_store_tx_tts_cache_put(tx, &row, err);
    }
    return code;
}

static void rows_written(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct work *work = write->ctx;
    if (code == XR_OK) {
        go_on(work, read_back);
        return;
    }
    work->call->err = *err;
    finish(work, code);
}

/* The file a recorded turn refers to. */
static struct xr_ingest_file *file_of(struct xr_ingest_call *call, struct xr_str upload_key) {
    for (size_t i = 0; i < call->file_count; i++)
        if (xr_str_eq(call->files[i].upload_key, upload_key))
            return &call->files[i];
    return NULL;
}

static enum xr_code keep_files(struct work *work) {
    struct xr_ingest_call *call = work->call;
    struct xr_files *files = work->ingest->deps.files;
    enum xr_code code = XR_OK;
    for (size_t i = 0; code == XR_OK && i < call->file_count; i++)
        code = xr_files_keep_turn(files, call->files[i].fd, call->files[i].path, call->files[i].sha256, &call->err);
    for (size_t i = 0; code == XR_OK && i < work->utterance_count; i++) {
        struct utterance *u = work->utterances[i];
        if (!u->cached)
            code = xr_files_keep_turn(files, u->fd, u->path, u->sha256, &call->err);
    }
    return code;
}

/* Fills in every turn's sha256 and the call's row. */
static enum xr_code make_row(struct work *work) {
    struct xr_ingest_call *call = work->call;
    struct xr_spec *spec = call->spec;
    struct xr_conversation *row = &call->conversation;
    uint8_t *audio = xr_arena_array(call->arena, spec->turn_count, XR_SHA256_SIZE);
    if (!audio)
        return out_of_memory(work);
    for (size_t i = 0; i < spec->turn_count; i++) {
        struct xr_turn_spec *turn = &spec->turns[i];
        if (turn->audio == XR_AUDIO_NONE)
            continue;
        const struct xr_ingest_file *file = turn->audio == XR_AUDIO_RECORDED ? file_of(call, turn->upload_key) : NULL;
        if (turn->audio == XR_AUDIO_RECORDED && !file)
            return xr_fail(&call->err, XR_INTERNAL, NULL, "turn %zu has no file", i);
        memcpy(turn->sha256, file ? file->sha256 : work->of_turn[i]->sha256, XR_SHA256_SIZE);
        turn->has_sha256 = true;
        memcpy(audio + i * XR_SHA256_SIZE, turn->sha256, XR_SHA256_SIZE);
    }
    if (spec->live) {
        struct xr_uuid salt = xr_uuid_new();
        xr_uuid_format(&salt, spec->live_salt);
    }
    *row = (struct xr_conversation){
        .name = spec->name, .live = spec->live, .audio = audio, .turn_count = spec->turn_count};
    enum xr_code code = xr_spec_canonical(spec, call->arena, &row->spec, &call->err);
    if (code == XR_OK)
        xr_spec_hash(row->spec, row->hash);
    return code;
}

static void keep_and_write(struct xr_task *task) {
    struct work *work = (struct work *)task;
    enum xr_code code = keep_files(work);
    if (code == XR_OK)
        code = make_row(work);
    work->write = (struct xr_write){.apply = apply_rows, .done = rows_written, .ctx = work};
    if (code == XR_OK)
        code = xr_store_submit(work->ingest->deps.store, &work->write, &work->call->err);
    if (code != XR_OK)
        finish(work, code == XR_CANCELLED ? XR_OVERLOADED : code);
}

/* --- 2. speech --- */

static enum xr_code hash_file(int fd, uint8_t out[XR_SHA256_SIZE], struct xr_err *err) {
    char block[READ_BLOCK];
    XR_AUTO(xr_sha256_freep) struct xr_sha256 *hash = xr_sha256_new();
    if (!hash)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, block, sizeof block, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return xr_files_errno(err, errno, "reading synthesised speech");
        if (n == 0)
            break;
        xr_sha256_update(hash, block, (size_t)n);
        at += n;
    }
    xr_sha256_final(hash, out);
    return XR_OK;
}

/* All other failures of a call are this machine's: its disk is full, its memory. */
static bool is_providers(enum xr_code code) {
    return code == XR_UNAVAILABLE || code == XR_REFUSED || code == XR_TIMEOUT;
}

/* Every call has been answered. */
static void speech_ready(struct xr_task *task) {
    struct work *work = (struct work *)task;
    struct xr_ingest_call *call = work->call;
    const struct utterance *failed = atomic_load(&work->failed);
    if (failed) {
        call->err = failed->tts.call.err;
        call->tts_failed = is_providers(failed->tts.call.code);
        call->tts_unasked = failed->tts.call.code == XR_OVERLOADED;
        finish(work, failed->tts.call.code == XR_CANCELLED ? XR_OVERLOADED : failed->tts.call.code);
        return;
    }
    enum xr_code code = XR_OK;
    for (size_t i = 0; code == XR_OK && i < work->utterance_count; i++)
        if (!work->utterances[i]->cached)
            code = hash_file(work->utterances[i]->fd, work->utterances[i]->sha256, &call->err);
    if (code == XR_OK)
        keep_and_write(task);
    else
        finish(work, code);
}

static void one_less(struct work *work) {
    if (atomic_fetch_sub(&work->waiting, 1) == 1)
        go_on(work, speech_ready);
}

static void spoken(struct xr_call *call) {
    struct utterance *u = call->ctx, *none = NULL;
    if (call->code != XR_OK) {
        atomic_compare_exchange_strong(&u->work->failed, &none, u);
        atomic_store(&u->work->group.cancelled, true);
    }
    one_less(u->work);
}

static void speak(struct work *work) {
    const struct xr_ingest_deps *deps = &work->ingest->deps;
    int64_t deadline_ns = xr_clock_mono(deps->clock) + deps->timeout_s * XR_NS_PER_S;
    atomic_store(&work->waiting, 1);
    for (size_t i = 0; i < work->utterance_count; i++) {
        struct utterance *u = work->utterances[i];
        if (u->cached)
            continue;
        u->tts.call.group = &work->group;
        u->tts.call.deadline_mono_ns = deadline_ns;
        u->tts.call.done = spoken;
        u->tts.call.ctx = u;
        u->tts.out_fd = u->fd;
        atomic_fetch_add(&work->waiting, 1);
        xr_tts_start(deps->providers, &u->tts);
    }
    one_less(work);
}

/* --- 1. what is spoken already --- */

/* A cache row whose file is gone is a miss. */
static enum xr_code look_up(struct work *work, struct xr_store_reader *reader, struct utterance *u) {
    struct xr_err *err = &work->call->err;
    int fd = -1;
    enum xr_code code = xr_store_tts_cache_get(reader, u->key, u->sha256, err);
    if (code == XR_OK)
        code = xr_files_open_turn(work->ingest->deps.files, u->sha256, &fd, err);
    if (code == XR_OK) {
        close(fd);
        u->cached = true;
        return XR_OK;
    }
    if (code != XR_NOT_FOUND)
        return code;
    return xr_files_temp(work->ingest->deps.files, &u->fd, u->path, err);
}

static struct utterance *same_key(struct work *work, const uint8_t key[XR_SHA256_SIZE]) {
    for (size_t i = 0; i < work->utterance_count; i++)
        if (memcmp(work->utterances[i]->key, key, XR_SHA256_SIZE) == 0)
            return work->utterances[i];
    return NULL;
}

static enum xr_code add_turn(struct work *work, struct xr_store_reader *reader, size_t idx) {
    struct xr_ingest_call *call = work->call;
    struct xr_providers *providers = work->ingest->deps.providers;
    const struct xr_turn_spec *turn = &call->spec->turns[idx];
    struct xr_str voice = xr_tts_voice(providers, turn->has_voice_id, turn->voice_id);
    uint8_t key[XR_SHA256_SIZE];
    enum xr_code code = xr_tts_cache_key(providers, voice, turn->text, key, &call->err);
    if (code != XR_OK)
        return code;
    work->of_turn[idx] = same_key(work, key);
    if (work->of_turn[idx])
        return XR_OK;
    struct utterance *u = xr_arena_alloc(call->arena, sizeof *u);
    if (!u)
        return out_of_memory(work);
    u->work = work;
    u->fd = -1;
    u->tts.text = turn->text;
    u->tts.voice = voice;
    memcpy(u->key, key, sizeof key);
    work->of_turn[idx] = work->utterances[work->utterance_count++] = u;
    return look_up(work, reader, u);
}

static enum xr_code plan(struct work *work, struct xr_store_reader *reader) {
    struct xr_ingest_call *call = work->call;
    size_t n = call->spec->turn_count;
    enum xr_code code = XR_OK;
    work->utterances = xr_arena_array(call->arena, n, sizeof(struct utterance *));
    work->of_turn = xr_arena_array(call->arena, n, sizeof(struct utterance *));
    if (!work->utterances || !work->of_turn)
        return out_of_memory(work);
    for (size_t i = 0; code == XR_OK && i < n; i++)
        if (call->spec->turns[i].audio == XR_AUDIO_TTS)
            code = add_turn(work, reader, i);
    return code;
}

static void resolve(struct xr_task *task) {
    struct work *work = (struct work *)task;
    struct xr_store_reader *reader = NULL;
    enum xr_code code = xr_reader_pool_take(work->ingest->readers, &reader, &work->call->err);
    if (code == XR_OK)
        code = plan(work, reader);
    xr_reader_pool_give(work->ingest->readers, reader);
    if (code == XR_OK)
        speak(work);
    else
        finish(work, code);
}

enum xr_code xr_ingest_start(struct xr_ingest *ingest, struct xr_ingest_call *call, struct xr_err *err) {
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return xr_fail(err, XR_OVERLOADED, NULL, "out of memory");
    work->ingest = ingest;
    work->call = call;
    work->task.run = resolve;
    call->impl = work;
    call->tts_failed = call->tts_unasked = false;
    call->provider = xr_providers_choice(ingest->deps.config, XR_STAGE_TTS).provider;
    enum xr_code code = xr_pool_submit(ingest->deps.pool, &work->task, err);
    if (code != XR_OK) {
        call->impl = NULL;
        free(work);
    }
    return code == XR_CANCELLED ? XR_OVERLOADED : code;
}
