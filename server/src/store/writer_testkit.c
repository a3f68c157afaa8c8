// SPDX-License-Identifier: Apache-2.0
#include "store/writer_testkit.h"
#include "base/test.h"
#include <sqlite3.h>

enum { SPEC_BYTES = 5000 };

void log_init(struct log *log) {
    pthread_mutex_init(&log->lock, NULL);
    pthread_cond_init(&log->wake, NULL);
    log->done = 0;
}

void log_wait(struct log *log, int count) {
    pthread_mutex_lock(&log->lock);
    while (log->done < count)
        pthread_cond_wait(&log->wake, &log->lock);
    pthread_mutex_unlock(&log->lock);
}

static enum xr_code add_conversation(struct xr_store_tx *tx, uint8_t n, struct xr_err *err) {
    static char spec[SPEC_BYTES]; /* zeros: a text of some pages */
    const char name = (char)('a' + n % ('z' - 'a'));
    struct xr_conversation c = {.name = {.ptr = &name, .len = 1}, .spec = {.ptr = spec, .len = sizeof spec}};
    memset(c.hash, n, sizeof c.hash);
    return xr_store_tx_conversation_put(tx, &c, err);
}

static enum xr_code add_job(struct xr_store_tx *tx, uint8_t n, struct xr_err *err) {
    static const char SQL[] = "INSERT INTO queue.jobs (replay_id, replay_uuid, stage, state, attempt, lost, due_ns,"
                              " created_ns) VALUES (?1, zeroblob(16), 0, 0, 0, 0, 0, 0)";
    struct xr_sql *sql;
    struct xr_stmt *stmt;
    enum xr_code code = xr_store_tx_queue(tx, &sql, err);
    if (code == XR_OK)
        code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, n);
    return xr_stmt_run(stmt, err);
}

static enum xr_code apply(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct item *item = write->ctx;
    item->now_ns = xr_store_tx_now(tx);
    if (item->entered)
        sem_post(item->entered);
    if (item->gate)
        sem_wait(item->gate);
    enum xr_code code = item->conversation ? add_conversation(tx, item->n, err) : XR_OK;
    if (code == XR_OK && item->job)
        code = add_job(tx, item->n, err);
    return code == XR_OK && item->answer != XR_OK ? xr_fail(err, item->answer, "there", "as told") : code;
}

static void done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct item *item = write->ctx;
    pthread_mutex_lock(&item->log->lock);
    item->code = code;
    item->err = *err;
    item->position = item->log->done++;
    pthread_cond_broadcast(&item->log->wake);
    pthread_mutex_unlock(&item->log->lock);
}

void ready(struct item *item, struct log *log) {
    item->log = log;
    item->code = XR_CODE_COUNT;
    item->write = (struct xr_write){.apply = apply, .done = done, .ctx = item};
}

struct xr_write *chain(struct item *items, size_t count, struct log *log) {
    for (size_t i = count; i-- > 0;) {
        ready(&items[i], log);
        items[i].write.next = i + 1 < count ? &items[i + 1].write : NULL;
    }
    return &items[0].write;
}

int64_t query(const char *path, const char *sql) {
    sqlite3 *db;
    sqlite3_stmt *stmt;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &stmt, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
    int64_t value = sqlite3_column_int64(stmt, 0);
    sqlite3_finalize(stmt);
    sqlite3_close(db);
    return value;
}
