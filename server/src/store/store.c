// SPDX-License-Identifier: Apache-2.0
#include "store/store.h"
#include "base/limits.h"
#include "store/internal.h"
#include "store/schema.h"
#include "store/writer.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

struct xr_store {
    char *path;
    struct xr_store_options options;
    struct xr_writer *writer;
};

struct xr_store_reader {
    struct xr_sql *sql;
};

/* secure_delete: some builds of SQLite overwrite what is deleted by default, at the price of writing free pages. */
static const char WRITER_PRAGMAS[] =
    "PRAGMA foreign_keys = ON; PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY;"
    "PRAGMA mmap_size = 0; PRAGMA cache_size = -" XR_NUMERAL(XR_WRITER_CACHE_KIB);
static const char READER_PRAGMAS[] = "PRAGMA query_only = ON; PRAGMA temp_store = MEMORY; PRAGMA mmap_size = 0;"
                                     "PRAGMA cache_size = -" XR_NUMERAL(XR_READER_CACHE_KIB);

static enum xr_code set_wal(struct xr_sql *sql, const char *path, struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, "PRAGMA journal_mode = WAL", &stmt, err);
    if (code == XR_OK)
        code = xr_stmt_one(stmt, err);
    if (code == XR_OK && !xr_str_eq(xr_stmt_view(stmt, 0), XR_STR("wal")))
        code = xr_fail(err, XR_IO, NULL, "%s: this file system cannot hold a write-ahead log", path);
    return code;
}

/* A page's size counts for a file that is made now: 8 KiB ones lose less of a row of spans at their ends, and a commit
 * of many is as fast (docs/adr). */
static const char MAIN_PRAGMAS[] = "PRAGMA page_size = 8192; PRAGMA synchronous = FULL";
static const char QUEUE_PRAGMAS[] = "PRAGMA synchronous = NORMAL";

/* One write connection: WAL, migrated, with its level of durability. */
static enum xr_code open_file(const char *path, const struct xr_schema *schema, const char *pragmas,
                              const struct xr_store_options *options, struct xr_sql **ret_sql, struct xr_err *err) {
    XR_AUTO(xr_sql_closep) struct xr_sql *sql = NULL;
    enum xr_code code = xr_sql_open(path, XR_SQL_CREATE, options->vfs, options->busy_ms, &sql, err);
    if (code == XR_OK)
        code = xr_sql_script(sql, pragmas, err);
    if (code == XR_OK)
        code = set_wal(sql, path, err);
    if (code == XR_OK)
        code = xr_sql_script(sql, WRITER_PRAGMAS, err);
    if (code == XR_OK)
        code = xr_schema_migrate(sql, schema, err);
    if (code != XR_OK)
        return code;
    sqlite3_db_config(xr_sql_raw(sql), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    *ret_sql = sql;
    sql = NULL;
    return XR_OK;
}

static enum xr_code open_files(struct xr_store *store, const char *queue_path, const struct xr_clock *clock,
                               struct xr_err *err) {
    const struct xr_store_options *options = &store->options;
    XR_AUTO(xr_sql_closep) struct xr_sql *main = NULL;
    XR_AUTO(xr_sql_closep) struct xr_sql *queue = NULL;
    enum xr_code code = xr_schema_check(store->path, queue_path, options->vfs, options->busy_ms, err);
    if (code == XR_OK)
        code = open_file(store->path, &XR_MAIN_SCHEMA, MAIN_PRAGMAS, options, &main, err);
    if (code == XR_OK)
        code = open_file(queue_path, &XR_QUEUE_SCHEMA, QUEUE_PRAGMAS, options, &queue, err);
    if (code != XR_OK)
        return code;
    /* So that queue/ may say queue.jobs, as a person with both files attached would. */
    sqlite3_db_config(xr_sql_raw(queue), SQLITE_DBCONFIG_MAINDBNAME, "queue");
    struct xr_writer_files files = {.main = main, .queue = queue};
    code = xr_writer_start(files, clock, options, &store->writer, err);
    if (code == XR_OK)
        main = queue = NULL;
    return code;
}

static struct xr_store *store_new(const char *path) {
    struct xr_store *store = calloc(1, sizeof *store);
    if (!store)
        return NULL;
    store->path = strdup(path);
    if (store->path)
        return store;
    free(store);
    return NULL;
}

static int or_default(int value, int otherwise) {
    return value ? value : otherwise;
}

enum xr_code xr_store_open_with(const char *path, const char *queue_path, const struct xr_clock *clock,
                                const struct xr_store_options *options, struct xr_store **ret_store,
                                struct xr_err *err) {
    XR_AUTO(xr_store_freep) struct xr_store *store = store_new(path);
    if (!store)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    store->options = (struct xr_store_options){
        .vfs = options->vfs,
        .busy_ms = or_default(options->busy_ms, XR_BUSY_TIMEOUT_MS),
        .checkpoint_pages = or_default(options->checkpoint_pages, XR_WAL_CHECKPOINT_PAGES),
        .log_pages_max = or_default(options->log_pages_max, XR_WAL_PAGES_MAX),
        .probe_ms = or_default(options->probe_ms, XR_STORE_PROBE_MS),
    };
    enum xr_code code = open_files(store, queue_path, clock, err);
    if (code != XR_OK)
        return code;
    *ret_store = store;
    store = NULL;
    return XR_OK;
}

enum xr_code xr_store_open(const char *path, const char *queue_path, const struct xr_clock *clock,
                           struct xr_store **ret_store, struct xr_err *err) {
    const struct xr_store_options defaults = {0};
    return xr_store_open_with(path, queue_path, clock, &defaults, ret_store, err);
}

void xr_store_free(struct xr_store *store) {
    if (!store)
        return;
    xr_writer_stop(store->writer);
    free(store->path);
    free(store);
}

enum xr_code xr_store_submit(struct xr_store *store, struct xr_write *chain, struct xr_err *err) {
    return xr_writer_submit(store->writer, chain, err);
}

uint64_t xr_store_version(const struct xr_store *store) {
    return xr_writer_version(store->writer);
}

uint64_t xr_store_queue_losses(const struct xr_store *store) {
    return xr_writer_queue_losses(store->writer);
}

enum xr_code xr_store_health(const struct xr_store *store, struct xr_err *err) {
    return xr_writer_health(store->writer, err);
}

enum xr_code xr_store_reader_open(struct xr_store *store, struct xr_store_reader **ret_reader, struct xr_err *err) {
    XR_AUTO(xr_store_reader_closep) struct xr_store_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    const struct xr_store_options *options = &store->options;
    enum xr_code code = xr_sql_open(store->path, XR_SQL_EXISTING, options->vfs, options->busy_ms, &reader->sql, err);
    if (code == XR_OK)
        code = xr_sql_script(reader->sql, READER_PRAGMAS, err);
    if (code != XR_OK)
        return code;
    *ret_reader = reader;
    reader = NULL;
    return XR_OK;
}

void xr_store_reader_close(struct xr_store_reader *reader) {
    if (!reader)
        return;
    xr_sql_close(reader->sql);
    free(reader);
}

enum xr_code xr_store_reader_begin(struct xr_store_reader *reader, struct xr_err *err) {
    return xr_sql_run(reader->sql, "BEGIN", err);
}

void xr_store_reader_end(struct xr_store_reader *reader) {
    /* A failed read may have ended it already; giving a snapshot up cannot fail in another way. */
    if (xr_sql_in_transaction(reader->sql))
        (void)!xr_sql_run(reader->sql, "ROLLBACK", NULL);
}

struct xr_sql *xr_store_reader_sql(struct xr_store_reader *reader) {
    return reader->sql;
}
