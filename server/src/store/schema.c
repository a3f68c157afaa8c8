// SPDX-License-Identifier: Apache-2.0
#include "store/schema.h"
#include "base/buf.h"
#include "store/internal.h"
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOREIGN_TEXT_MAX = 4096, PATH_BYTES_MAX = 4096 };

bool xr_path_exists(const char *path) {
    return access(path, F_OK) == 0;
}

struct identity {
    int64_t application_id, version, tables;
    bool not_a_database;
};

static enum xr_code identify(const char *path, const char *vfs, int busy_ms, struct identity *ret_identity,
                             struct xr_err *err) {
    XR_AUTO(xr_sql_closep) struct xr_sql *sql = NULL;
    struct identity found = {0};
    enum xr_code code = xr_sql_open(path, XR_SQL_EXISTING, vfs, busy_ms, &sql, err);
    if (code != XR_OK)
        return code;
    code = xr_sql_read_int(sql, "PRAGMA application_id", &found.application_id, err);
    if (code == XR_OK)
        code = xr_sql_read_int(sql, "PRAGMA user_version", &found.version, err);
    if (code == XR_OK)
        code = xr_sql_read_int(sql, "SELECT count(*) FROM sqlite_schema", &found.tables, err);
    if (code != XR_OK && (sqlite3_errcode(xr_sql_raw(sql)) & 0xff) == SQLITE_NOTADB)
        found.not_a_database = true;
    else if (code != XR_OK)
        return code;
    *ret_identity = found;
    return XR_OK;
}

/* Why a file is not ours, NULL if it is. */
static const char *reason_of(const struct identity *id, const struct xr_schema *schema) {
    if (id->not_a_database)
        return "not a database";
    if (id->application_id == 0 && id->version == 0 && id->tables == 0)
        return NULL; /* empty, or a creation that was cut short */
    if (id->application_id == 0)
        return "of an earlier or another program";
    if (id->application_id != schema->application_id)
        return "of another program";
    return id->version > (int64_t)schema->count ? "of a newer version of this server" : NULL;
}

static void name_file(struct xr_buf *foreign, const char *path, const char *reason) {
    xr_buf_printf(foreign, "%s%s (%s)", foreign->len ? ", " : "", path, reason);
}

static enum xr_code check_file(const char *path, const struct xr_schema *schema, const char *vfs, int busy_ms,
                               struct xr_buf *foreign, struct xr_err *err) {
    struct stat st;
    if (stat(path, &st) != 0 || st.st_size == 0)
        return XR_OK; /* opening it will tell what else is wrong */
    struct identity id;
    enum xr_code code = identify(path, vfs, busy_ms, &id, err);
    const char *reason = code == XR_OK ? reason_of(&id, schema) : NULL;
    if (reason)
        name_file(foreign, path, reason);
    return code;
}

/* The earlier public server kept its queue in bunqueue.db, beside its xray.db. */
static void check_bunqueue(const char *path, const char *queue_path, struct xr_buf *foreign) {
    static const char NAME[] = "bunqueue.db";
    char other[PATH_BYTES_MAX];
    const char *slash = strrchr(path, '/');
    int dir = slash ? (int)(slash - path + 1) : 0;
    int n = snprintf(other, sizeof other, "%.*s%s", dir, path, NAME);
    if (n > 0 && n < (int)sizeof other && strcmp(other, queue_path) != 0 && xr_path_exists(other))
        name_file(foreign, other, "of an earlier server");
}

enum xr_code xr_schema_check(const char *path, const char *queue_path, const char *vfs, int busy_ms,
                             struct xr_err *err) {
    struct xr_buf foreign = xr_buf_make(FOREIGN_TEXT_MAX);
    enum xr_code code = check_file(path, &XR_MAIN_SCHEMA, vfs, busy_ms, &foreign, err);
    if (code == XR_OK)
        code = check_file(queue_path, &XR_QUEUE_SCHEMA, vfs, busy_ms, &foreign, err);
    if (code == XR_OK)
        check_bunqueue(path, queue_path, &foreign);
    if (code == XR_OK && (foreign.len || foreign.failed))
        code = xr_fail(err, XR_FOREIGN, NULL, "move these files (and their -wal and -shm files) away: %.*s",
                       XR_STR_ARG(xr_buf_view(&foreign)));
    xr_buf_clear(&foreign);
    return code;
}

static enum xr_code run_migrations(struct xr_sql *sql, const struct xr_schema *schema, struct xr_err *err) {
    enum { PRAGMA_MAX = 96 };
    char pragmas[PRAGMA_MAX];
    int64_t version;
    /* Looked up again under the lock: another process may have been faster. */
    enum xr_code code = xr_sql_read_int(sql, "PRAGMA user_version", &version, err);
    if (code == XR_OK && (version < 0 || version > (int64_t)schema->count))
        code = xr_fail(err, XR_FOREIGN, NULL, "the database is of a newer version of this server");
    if (code != XR_OK)
        return code;
    for (size_t i = (size_t)version; code == XR_OK && i < schema->count; i++)
        code = xr_sql_script(sql, schema->migrations[i], err);
    snprintf(pragmas, sizeof pragmas, "PRAGMA application_id = %d; PRAGMA user_version = %zu", schema->application_id,
             schema->count);
    return code == XR_OK ? xr_sql_script(sql, pragmas, err) : code;
}

enum xr_code xr_schema_migrate(struct xr_sql *sql, const struct xr_schema *schema, struct xr_err *err) {
    int64_t version = 0;
    enum xr_code code = xr_sql_read_int(sql, "PRAGMA user_version", &version, err);
    if (code != XR_OK || version == (int64_t)schema->count)
        return code;
    code = xr_sql_script(sql, "BEGIN IMMEDIATE", err);
    if (code != XR_OK)
        return code;
    code = run_migrations(sql, schema, err);
    if (code == XR_OK)
        code = xr_sql_script(sql, "COMMIT", err);
    /* The first failure is the one to report; SQLite may have rolled back by itself. */
    if (code != XR_OK && xr_sql_in_transaction(sql))
        (void)!xr_sql_script(sql, "ROLLBACK", NULL);
    return code;
}
