// SPDX-License-Identifier: Apache-2.0
/* A group is one transaction on xray.db, and one on queue.db if a write in it asks for that. xray.db commits first: it
 * is the truth, and a job that it lacks is put back by reconciliation. queue.db's pages are written to its log before
 * that, so that a full disk is met while both can still be rolled back; what is left to fail then is one frame. */
#include "store/writer.h"
#include "base/limits.h"
#include "store/schema.h"
#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

struct chain {
    struct xr_write *first;
    size_t count;
};

struct fifo {
    struct chain chains[XR_WRITES_MAX];
    size_t first, count;
};

/* What became of one write of the group. */
struct outcome {
    struct xr_write *write;
    struct xr_err *err; /* malloc'd; NULL on success or when out of memory */
    enum xr_code code;
    bool in_main, in_queue; /* has changed rows there */
};

/* One file's connection and the length of its log. */
struct file {
    struct xr_sql *sql;
    const struct xr_schema *schema;
    int pages; /* frames in the log */
    int checkpointed; /* of them, at the last checkpoint */
    bool changed; /* by the group */
};

struct xr_writer {
    pthread_mutex_t lock; /* of the FIFOs and the health */
    pthread_cond_t wake;
    struct fifo prompt, bulk;
    size_t writes; /* in both */
    bool stopping;
    enum xr_code health;
    struct xr_err health_err;

    _Atomic uint64_t version, queue_losses;

    /* The writer's thread only. */
    struct file main, queue;
    bool queue_joined; /* queue.db is part of the group's transaction */
    struct outcome group[XR_WRITES_MAX];
    size_t count;
    struct fifo *source; /* of the chain that was taken last */
    bool had_bulk, had_prompt; /* the group */
    int64_t bulk_end_ns, hold_until_ns; /* when the last group with bulk writes ended, and until when none begins */
    int64_t began_mono_ns; /* the group */
    const struct xr_clock *clock;
    struct xr_store_options options;
    pthread_t thread;
};

struct xr_store_tx {
    struct xr_writer *writer;
    int64_t now_ns;
};

int64_t xr_store_tx_now(const struct xr_store_tx *tx) {
    return tx->now_ns;
}

struct xr_sql *xr_store_tx_sql(struct xr_store_tx *tx) {
    return tx->writer->main.sql;
}

enum xr_code xr_store_tx_queue(struct xr_store_tx *tx, struct xr_sql **ret_sql, struct xr_err *err) {
    struct xr_writer *w = tx->writer;
    enum xr_code code = XR_OK;
    if (!w->queue_joined) {
        code = xr_sql_run(w->queue.sql, "BEGIN IMMEDIATE", err);
        w->queue_joined = code == XR_OK;
        if (code == XR_OK)
            code = xr_sql_run(w->queue.sql, "SAVEPOINT one", err);
    }
    if (code == XR_OK)
        *ret_sql = w->queue.sql;
    return code;
}

static int on_commit(void *ctx, sqlite3 *db, const char *name, int pages) {
    struct file *file = ctx;
    (void)db;
    (void)name;
    if (pages < file->pages)
        file->checkpointed = 0; /* the log has started over */
    file->pages = pages;
    file->changed = true;
    return SQLITE_OK;
}

static void set_health(struct xr_writer *w, enum xr_code code, const struct xr_err *err) {
    pthread_mutex_lock(&w->lock);
    w->health = code;
    w->health_err = err ? *err : (struct xr_err){.code = code};
    pthread_mutex_unlock(&w->lock);
}

static void settle(struct outcome *o, enum xr_code code, const struct xr_err *err) {
    o->code = code;
    if (code != XR_OK && !o->err)
        o->err = malloc(sizeof *o->err);
    if (o->err) {
        *o->err = *err;
        o->err->code = code;
    }
}

/* One statement on every connection of the transaction. */
static enum xr_code run_on_both(struct xr_writer *w, const char *text, struct xr_err *err) {
    enum xr_code code = xr_sql_run(w->main.sql, text, err);
    if (code == XR_OK && w->queue_joined)
        code = xr_sql_run(w->queue.sql, text, err);
    return code;
}

/* Is the group's transaction still whole? SQLite ends it by itself on some failures (disk full, I/O, memory). */
static bool alive(const struct xr_writer *w) {
    return xr_sql_in_transaction(w->main.sql) && (!w->queue_joined || xr_sql_in_transaction(w->queue.sql));
}

/* Runs one write inside its savepoints. A code other than XR_OK: the group's transaction is lost. */
static enum xr_code apply_one(struct xr_writer *w, struct xr_store_tx *tx, struct outcome *o, struct xr_err *err) {
    struct xr_err own = {0};
    int64_t main_before = xr_sql_total_changes(w->main.sql), queue_before = xr_sql_total_changes(w->queue.sql);
    enum xr_code code = run_on_both(w, "SAVEPOINT one", err);
    if (code != XR_OK)
        return code;
    settle(o, o->write->apply(tx, o->write, &own), &own);
    o->in_main = xr_sql_total_changes(w->main.sql) != main_before;
    o->in_queue = xr_sql_total_changes(w->queue.sql) != queue_before;
    if (!alive(w)) {
        code = o->code != XR_OK ? o->code : XR_INTERNAL;
        *err = own;
        return code == XR_INTERNAL ? xr_fail(err, code, NULL, "the transaction was ended from inside") : code;
    }
    if (o->code != XR_OK)
        code = run_on_both(w, "ROLLBACK TO one", err);
    return code == XR_OK ? run_on_both(w, "RELEASE one", err) : code;
}

/* The machine's own: writes wait for real. */
static int64_t mono_ns(void) {
    return xr_clock_mono(xr_clock_system());
}

static bool holding(const struct xr_writer *w) {
    return mono_ns() < w->hold_until_ns;
}

/* After a group. Where one prompt write was, the next of the same replay often follows: bulk writes leave it the disk
 * and the processor for a moment, but no longer than they have to. */
static void hold_bulk(struct xr_writer *w) {
    int64_t now_ns = mono_ns();
    if (w->had_bulk)
        w->bulk_end_ns = now_ns;
    int64_t most_ns = w->bulk_end_ns + XR_BULK_HOLD_MAX_MS * XR_NS_PER_MS;
    int64_t wanted_ns = now_ns + XR_BULK_HOLD_MS * XR_NS_PER_MS;
    if (w->had_prompt)
        w->hold_until_ns = wanted_ns < most_ns ? wanted_ns : most_ns;
    w->had_bulk = w->had_prompt = false;
}

/* Under the lock. Where the group's next chain comes from; NULL: the group is to be committed as it is. Prompt writes
 * end a group of bulk ones by joining it: they wait for the bulk write that is being applied, not for its commit too.
 */
static struct fifo *next_source(struct xr_writer *w) {
    struct fifo *prompt = w->prompt.count > 0 ? &w->prompt : NULL, *bulk = w->bulk.count > 0 ? &w->bulk : NULL;
    if (w->count == 0) /* bulk writes are next if prompt ones came last and they have stood back for long enough */
        return prompt && (!bulk || w->source == &w->bulk || holding(w)) ? prompt : bulk;
    if (prompt || w->source == &w->prompt)
        return prompt;
    bool late = xr_clock_mono(w->clock) - w->began_mono_ns > XR_BULK_GROUP_MS * XR_NS_PER_MS;
    return late ? NULL : bulk;
}

/* Adds one more chain to the group, whole; the first always fits. False: no more. */
static bool take_chain(struct xr_writer *w) {
    pthread_mutex_lock(&w->lock);
    struct fifo *fifo = next_source(w);
    const struct chain chain = fifo ? fifo->chains[fifo->first] : (struct chain){0};
    bool fits = fifo && (w->count == 0 || w->count + chain.count <= XR_WRITE_GROUP_MAX);
    if (fits) {
        fifo->first = (fifo->first + 1) % XR_WRITES_MAX;
        fifo->count--;
        w->writes -= chain.count;
        w->source = fifo;
        *(fifo == &w->bulk ? &w->had_bulk : &w->had_prompt) = true;
    }
    pthread_mutex_unlock(&w->lock);
    struct xr_write *write = chain.first;
    for (size_t i = 0; fits && i < chain.count; i++, write = write->next)
        w->group[w->count++] = (struct outcome){.write = write};
    return fits;
}

/* The group grows while it is applied: what comes meanwhile needs no commit of its own. */
static enum xr_code apply_all(struct xr_writer *w, struct xr_err *err) {
    struct xr_store_tx tx = {.writer = w, .now_ns = xr_clock_wall(w->clock)};
    size_t applied = 0;
    w->began_mono_ns = xr_clock_mono(w->clock);
    enum xr_code code = xr_sql_run(w->main.sql, "BEGIN IMMEDIATE", err);
    while (code != XR_OK && take_chain(w)) {
        /* all that would have been in the group are told */
    }
    while (code == XR_OK && take_chain(w))
        while (code == XR_OK && applied < w->count)
            code = apply_one(w, &tx, &w->group[applied++], err);
    return code;
}

static enum xr_code flush_queue(struct xr_writer *w, struct xr_err *err) {
    int rc = sqlite3_db_cacheflush(xr_sql_raw(w->queue.sql));
    return rc == SQLITE_OK ? XR_OK : xr_sql_fail(w->queue.sql, rc, err);
}

static void roll_back(struct xr_sql *sql) {
    /* The failure that brought us here is the one that is told. */
    if (xr_sql_in_transaction(sql))
        (void)!xr_sql_run(sql, "ROLLBACK", NULL);
}

static void fail_group(struct xr_writer *w, enum xr_code code, const struct xr_err *err) {
    for (size_t i = 0; i < w->count; i++)
        settle(&w->group[i], code, err);
}

/* xray.db is committed, queue.db could not be. What a write has in xray.db stands; one that was about the queue alone
 * has failed. */
static void lose_queue(struct xr_writer *w, enum xr_code code, const struct xr_err *err) {
    uint64_t lost = 0;
    for (size_t i = 0; i < w->count; i++) {
        struct outcome *o = &w->group[i];
        if (o->code != XR_OK || !o->in_queue)
            continue;
        if (o->in_main)
            lost++;
        else
            settle(o, code, err);
    }
    atomic_fetch_add(&w->queue_losses, lost);
}

/* What is left in the group to keep, after the writes that failed. */
static void count_kept(const struct xr_writer *w, size_t *ret_main, size_t *ret_queue) {
    size_t main = 0, queue = 0;
    for (size_t i = 0; i < w->count; i++) {
        main += w->group[i].code == XR_OK && w->group[i].in_main;
        queue += w->group[i].code == XR_OK && w->group[i].in_queue;
    }
    *ret_main = main;
    *ret_queue = queue;
}

/* A file with nothing to keep is rolled back by the caller: a commit would write and sync pages that were changed and
 * changed back. */
static enum xr_code commit_both(struct xr_writer *w, struct xr_err *err) {
    size_t main, queue;
    count_kept(w, &main, &queue);
    enum xr_code code = main && queue ? flush_queue(w, err) : XR_OK;
    if (code == XR_OK && main)
        code = xr_sql_run(w->main.sql, "COMMIT", err);
    if (code != XR_OK) {
        fail_group(w, code, err);
        return code;
    }
    if (queue)
        code = xr_sql_run(w->queue.sql, "COMMIT", err);
    if (code != XR_OK)
        lose_queue(w, code, err);
    return code;
}

static void commit_group(struct xr_writer *w) {
    struct xr_err err = {0};
    w->queue_joined = w->main.changed = w->queue.changed = false;
    enum xr_code code = apply_all(w, &err);
    if (code == XR_OK)
        code = commit_both(w, &err);
    else
        fail_group(w, code, &err);
    roll_back(w->main.sql);
    roll_back(w->queue.sql);
    if (w->main.changed)
        atomic_fetch_add(&w->version, 1);
    if (code != XR_OK || w->main.changed || w->queue.changed)
        set_health(w, code, &err);
}

static void announce(struct xr_writer *w) {
    for (size_t i = 0; i < w->count; i++) {
        struct outcome *o = &w->group[i];
        struct xr_err fallback = {.code = o->code};
        struct xr_err *err = o->err;
        o->write->done(o->write, o->code, err ? err : &fallback);
        free(err);
        *o = (struct outcome){0};
    }
    w->count = 0;
}

/* Failing leaves the log as it is, to be tried again once it has grown by as much. */
static void checkpoint(struct xr_writer *w, struct file *file) {
    struct xr_err err;
    int logged = 0, done = 0;
    int rc = sqlite3_wal_checkpoint_v2(xr_sql_raw(file->sql), NULL, SQLITE_CHECKPOINT_PASSIVE, &logged, &done);
    file->checkpointed = rc == SQLITE_OK && done > 0 ? done : file->pages;
    if (rc != SQLITE_OK && rc != SQLITE_BUSY)
        set_health(w, xr_sql_fail(file->sql, rc, &err), &err);
}

static struct file *checkpoint_due(struct xr_writer *w, int pages) {
    if (w->main.pages - w->main.checkpointed >= pages)
        return &w->main;
    return w->queue.pages - w->queue.checkpointed >= pages ? &w->queue : NULL;
}

/* Writes the number that is there already: the smallest real commit. */
static enum xr_code probe_file(struct file *file, struct xr_err *err) {
    enum { PRAGMA_MAX = 48 };
    char text[PRAGMA_MAX];
    snprintf(text, sizeof text, "PRAGMA user_version = %zu", file->schema->count);
    return xr_sql_script(file->sql, text, err);
}

static void probe(struct xr_writer *w) {
    struct xr_err err = {0};
    enum xr_code code = probe_file(&w->main, &err);
    if (code == XR_OK)
        code = probe_file(&w->queue, &err);
    set_health(w, code, &err);
}

enum todo { TODO_STOP, TODO_GROUP, TODO_CHECKPOINT, TODO_PROBE };

static struct timespec time_of(int64_t ns) {
    return (struct timespec){.tv_sec = ns / XR_NS_PER_S, .tv_nsec = ns % XR_NS_PER_S};
}

/* Under the lock. Nothing but bulk writes waits, and they still stand back. */
static bool only_held(const struct xr_writer *w) {
    return w->writes > 0 && w->prompt.count == 0 && !w->stopping && holding(w);
}

/* Under the lock. What there is to do when nothing waits; TODO_GROUP: look again. */
static enum todo idle(struct xr_writer *w, const struct timespec *probe_at) {
    if (w->stopping)
        return TODO_STOP;
    if (checkpoint_due(w, w->options.checkpoint_pages))
        return TODO_CHECKPOINT;
    if (w->health == XR_OK)
        pthread_cond_wait(&w->wake, &w->lock);
    else if (pthread_cond_timedwait(&w->wake, &w->lock, probe_at) == ETIMEDOUT && w->writes == 0)
        return TODO_PROBE;
    return TODO_GROUP;
}

static enum todo next(struct xr_writer *w) {
    enum todo todo = TODO_GROUP;
    pthread_mutex_lock(&w->lock);
    const struct timespec probe_at = time_of(mono_ns() + w->options.probe_ms * XR_NS_PER_MS);
    const struct timespec held_until = time_of(w->hold_until_ns);
    while (todo == TODO_GROUP && (w->writes == 0 || only_held(w))) {
        if (w->writes == 0)
            todo = idle(w, &probe_at);
        else
            pthread_cond_timedwait(&w->wake, &w->lock, &held_until);
    }
    pthread_mutex_unlock(&w->lock);
    return todo;
}

static void *run(void *arg) {
    struct xr_writer *w = arg;
    pthread_setname_np(pthread_self(), "writer");
    for (enum todo todo = next(w); todo != TODO_STOP; todo = next(w)) {
        if (todo == TODO_GROUP) {
            commit_group(w);
            hold_bulk(w);
            announce(w);
        } else if (todo == TODO_PROBE) {
            probe(w);
        }
        bool idle = todo == TODO_CHECKPOINT;
        struct file *due = checkpoint_due(w, idle ? w->options.checkpoint_pages : w->options.log_pages_max);
        if (due)
            checkpoint(w, due);
    }
    return NULL;
}

/* A chain's length, 0 when it passes max. */
static size_t chain_length(const struct xr_write *chain, size_t max) {
    size_t n = 0;
    for (const struct xr_write *write = chain; write && n <= max; write = write->next)
        n++;
    return n <= max ? n : 0;
}

enum xr_code xr_writer_submit(struct xr_writer *w, struct xr_write *chain, struct xr_err *err) {
    enum xr_code code = XR_OK;
    pthread_mutex_lock(&w->lock);
    size_t count = chain_length(chain, XR_WRITES_MAX - w->writes);
    if (w->stopping) {
        code = xr_fail(err, XR_CANCELLED, NULL, "the server is stopping");
    } else if (count == 0) {
        code = xr_fail(err, XR_OVERLOADED, NULL, "%zu writes are waiting", w->writes);
    } else {
        struct fifo *fifo = chain->bulk ? &w->bulk : &w->prompt;
        fifo->chains[(fifo->first + fifo->count++) % XR_WRITES_MAX] = (struct chain){.first = chain, .count = count};
        w->writes += count;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    return code;
}

uint64_t xr_writer_version(const struct xr_writer *w) {
    return atomic_load(&w->version);
}

uint64_t xr_writer_queue_losses(const struct xr_writer *w) {
    return atomic_load(&w->queue_losses);
}

enum xr_code xr_writer_health(struct xr_writer *w, struct xr_err *err) {
    pthread_mutex_lock(&w->lock);
    enum xr_code code = w->health;
    if (code != XR_OK && err)
        *err = w->health_err;
    pthread_mutex_unlock(&w->lock);
    return code;
}

static void init_wake(struct xr_writer *w) {
    pthread_condattr_t attr;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &attr);
    pthread_condattr_destroy(&attr);
}

enum xr_code xr_writer_start(struct xr_writer_files files, const struct xr_clock *clock,
                             const struct xr_store_options *options, struct xr_writer **ret_writer,
                             struct xr_err *err) {
    struct xr_writer *w = calloc(1, sizeof *w);
    if (!w)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    w->main = (struct file){.sql = files.main, .schema = &XR_MAIN_SCHEMA};
    w->queue = (struct file){.sql = files.queue, .schema = &XR_QUEUE_SCHEMA};
    w->clock = clock;
    w->options = *options;
    w->source = &w->bulk;
    sqlite3_wal_hook(xr_sql_raw(w->main.sql), on_commit, &w->main);
    sqlite3_wal_hook(xr_sql_raw(w->queue.sql), on_commit, &w->queue);
    pthread_mutex_init(&w->lock, NULL);
    init_wake(w);
    if (pthread_create(&w->thread, NULL, run, w) == 0) {
        *ret_writer = w;
        return XR_OK;
    }
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
    return xr_fail(err, XR_NO_MEMORY, NULL, "the writer's thread could not be started");
}

void xr_writer_stop(struct xr_writer *w) {
    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_signal(&w->wake);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    xr_sql_close(w->main.sql);
    xr_sql_close(w->queue.sql);
    pthread_cond_destroy(&w->wake);
    pthread_mutex_destroy(&w->lock);
    free(w);
}
