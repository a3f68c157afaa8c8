// SPDX-License-Identifier: Apache-2.0
#include "store/store_testkit.h"
#include "base/limits.h"
#include "base/test.h"
#include <ftw.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int64_t now(void *ctx) {
    return ((struct xr_test_store *)ctx)->now_ns;
}

void xr_test_store_close(struct xr_test_store *t) {
    xr_store_reader_close(t->reader);
    xr_store_free(t->store);
    t->reader = NULL;
    t->store = NULL;
}

enum xr_code xr_test_store_open(struct xr_test_store *t, struct xr_err *err) {
    enum xr_code code = xr_store_open_with(t->path, t->queue_path, &t->clock, &t->options, &t->store, err);
    return code == XR_OK ? xr_store_reader_open(t->store, &t->reader, err) : code;
}

struct xr_test_store *xr_test_store_make(void) {
    struct xr_test_store *t = calloc(1, sizeof *t);
    const char *tmp = getenv("TMPDIR");
    assert_non_null(t);
    assert_true(snprintf(t->dir, sizeof t->dir, "%s/xr-store-XXXXXX", tmp ? tmp : "/tmp") < (int)sizeof t->dir);
    assert_non_null(mkdtemp(t->dir));
    snprintf(t->path, sizeof t->path, "%s/xray.db", t->dir);
    snprintf(t->queue_path, sizeof t->queue_path, "%s/queue.db", t->dir);
    t->now_ns = INT64_C(1750000000) * XR_NS_PER_S;
    t->clock = (struct xr_clock){.wall_ns = now, .mono_ns = now, .ctx = t};
    t->arena = xr_arena_new(XR_REQUEST_ARENA_MAX);
    assert_non_null(t->arena);
    return t;
}

int xr_test_store_setup(void **state) {
    struct xr_test_store *t = xr_test_store_make();
    assert_int_equal(xr_test_store_open(t, NULL), XR_OK);
    *state = t;
    return 0;
}

static int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw) {
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

int xr_test_store_teardown(void **state) {
    enum { DIRS_OPEN = 8 };
    struct xr_test_store *t = *state;
    xr_test_store_close(t);
    nftw(t->dir, remove_entry, DIRS_OPEN, FTW_DEPTH | FTW_PHYS);
    xr_arena_free(t->arena);
    free(t);
    return 0;
}

struct waiting {
    struct xr_write write;
    enum xr_code (*apply)(struct xr_store_tx *tx, void *ctx, struct xr_err *err);
    void *ctx;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    bool done;
    enum xr_code code;
    struct xr_err err;
};

static enum xr_code run_apply(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct waiting *w = write->ctx;
    return w->apply(tx, w->ctx, err);
}

static void wake(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct waiting *w = write->ctx;
    pthread_mutex_lock(&w->lock);
    w->done = true;
    w->code = code;
    w->err = *err;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

enum xr_code xr_test_write(struct xr_test_store *t,
                           enum xr_code (*apply)(struct xr_store_tx *, void *, struct xr_err *), void *ctx,
                           struct xr_err *err) {
    struct waiting w = {.apply = apply, .ctx = ctx};
    w.write = (struct xr_write){.apply = run_apply, .done = wake, .ctx = &w};
    pthread_mutex_init(&w.lock, NULL);
    pthread_cond_init(&w.wake, NULL);
    enum xr_code code = xr_store_submit(t->store, &w.write, err);
    if (code == XR_OK) {
        pthread_mutex_lock(&w.lock);
        while (!w.done)
            pthread_cond_wait(&w.wake, &w.lock);
        pthread_mutex_unlock(&w.lock);
        code = w.code;
        if (err)
            *err = w.err;
    }
    pthread_cond_destroy(&w.wake);
    pthread_mutex_destroy(&w.lock);
    return code;
}

struct xr_uuid xr_test_uuid(uint8_t n) {
    struct xr_uuid uuid;
    memset(uuid.bytes, n, sizeof uuid.bytes);
    return uuid;
}

static enum xr_code put_conversation(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    return xr_store_tx_conversation_put(tx, ctx, err);
}

void xr_test_conversation(struct xr_test_store *t, uint8_t n, const char *name) {
    struct xr_conversation c = {.name = xr_str_from(name), .spec = XR_STR("{}")};
    memset(c.hash, n, sizeof c.hash);
    assert_int_equal(xr_test_write(t, put_conversation, &c, NULL), XR_OK);
}

struct creation {
    uint8_t conversation, n;
    int64_t id;
};

static enum xr_code create_replay(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct creation *c = ctx;
    uint8_t hash[XR_SHA256_SIZE];
    struct xr_uuid uuid = xr_test_uuid(c->n);
    struct xr_replay made;
    memset(hash, c->conversation, sizeof hash);
    enum xr_code code = xr_store_tx_replay_create(tx, &uuid, hash, (struct xr_str){0}, err);
    if (code == XR_OK)
        code = xr_store_tx_replay_get(tx, &uuid, &made, err);
    if (code == XR_OK)
        c->id = made.id;
    return code;
}

int64_t xr_test_replay(struct xr_test_store *t, uint8_t conversation, uint8_t n) {
    struct creation c = {.conversation = conversation, .n = n};
    assert_int_equal(xr_test_write(t, create_replay, &c, NULL), XR_OK);
    return c.id;
}

struct transition {
    int64_t id;
    struct xr_replay_change change;
    struct xr_replay after;
};

static enum xr_code change_replay(struct xr_store_tx *tx, void *ctx, struct xr_err *err) {
    struct transition *t = ctx;
    return xr_store_tx_replay_change(tx, t->id, &t->change, &t->after, err);
}

struct xr_replay xr_test_change(struct xr_test_store *t, int64_t replay_id, enum xr_actor actor, enum xr_lifecycle to) {
    struct transition transition = {
        .id = replay_id,
        .change = {.actor = actor,
                   .to = to,
                   .step = XR_STEP_VAD,
                   .reason = XR_REASON_TRANSCRIPTION_FAILED,
                   .finished_ns = XR_TIME_NONE,
                   .set_recording = actor == XR_BY_UPLOAD,
                   .recording_started_ns = XR_TIME_NONE,
                   .job_id = -1,
                   .passed = 1},
    };
    assert_int_equal(xr_test_write(t, change_replay, &transition, NULL), XR_OK);
    return transition.after;
}

int64_t xr_test_analyzing_replay(struct xr_test_store *t) {
    xr_test_conversation(t, 1, "greeting");
    int64_t id = xr_test_replay(t, 1, 1);
    xr_test_change(t, id, XR_BY_UPLOAD, XR_RECORDING_UPLOADED);
    xr_test_change(t, id, XR_BY_ANALYZE, XR_ANALYZING);
    return id;
}

struct xr_replay xr_test_get_replay(struct xr_test_store *t, uint8_t n) {
    struct xr_uuid uuid = xr_test_uuid(n);
    struct xr_replay replay = {0};
    assert_int_equal(xr_store_replay_get(t->reader, &uuid, t->arena, &replay, NULL), XR_OK);
    return replay;
}
