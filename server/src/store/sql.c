// SPDX-License-Identifier: Apache-2.0
#include "store/sql.h"
#include "base/limits.h"
#include "store/internal.h"
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

struct xr_stmt {
    struct xr_sql *sql;
    const char *text; /* the cache's key; NULL: a free slot */
    sqlite3_stmt *raw;
    bool in_use;
    int bind_rc; /* first failure of a binding */
    enum xr_code broken; /* first failure of reading a column */
};

struct xr_sql {
    sqlite3 *db;
    struct xr_stmt stmts[XR_STATEMENTS_MAX]; /* open addressing by the text's address */
};

static const struct {
    int rc;
    enum xr_code code;
} CODES[] = {
    {SQLITE_FULL, XR_STORAGE_FULL},
    {SQLITE_BUSY, XR_OVERLOADED},
    {SQLITE_LOCKED, XR_OVERLOADED},
    {SQLITE_PROTOCOL, XR_OVERLOADED},
    {SQLITE_CORRUPT, XR_CORRUPT},
    {SQLITE_NOTADB, XR_CORRUPT},
    {SQLITE_CONSTRAINT, XR_CONFLICT},
    {SQLITE_NOMEM, XR_NO_MEMORY},
    {SQLITE_TOOBIG, XR_TOO_LARGE},
    {SQLITE_IOERR, XR_IO},
    {SQLITE_CANTOPEN, XR_IO},
    {SQLITE_READONLY, XR_IO},
    {SQLITE_PERM, XR_IO},
    {SQLITE_NOLFS, XR_STORAGE_FULL},
};

static enum xr_code code_of(sqlite3 *db, int rc) {
    int primary = rc & 0xff;
    if (primary == SQLITE_IOERR || primary == SQLITE_CANTOPEN) {
        int os = sqlite3_system_errno(db);
        if (os == 0)
            os = errno; /* SQLite 3.40 does not note it when it is the commit that fails */
        if (os == ENOSPC || os == EDQUOT || os == EFBIG)
            return XR_STORAGE_FULL;
    }
    for (size_t i = 0; i < sizeof CODES / sizeof CODES[0]; i++)
        if (CODES[i].rc == primary)
            return CODES[i].code;
    return XR_INTERNAL;
}

static enum xr_code fail(sqlite3 *db, int rc, struct xr_err *err) {
    return xr_fail(err, code_of(db, rc), NULL, "database: %s (%d)", db ? sqlite3_errmsg(db) : sqlite3_errstr(rc), rc);
}

static enum xr_code open_raw(const char *path, int flags, const char *vfs, int busy_ms, sqlite3 **ret_db,
                             struct xr_err *err) {
    sqlite3 *db = NULL;
    int rc = sqlite3_open_v2(path, &db, flags | SQLITE_OPEN_NOMUTEX, vfs);
    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(db, 1);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(db, busy_ms);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK) {
        *ret_db = db;
        return XR_OK;
    }
    enum xr_code code =
        xr_fail(err, code_of(db, rc), NULL, "%s: %s", path, db ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
    sqlite3_close_v2(db);
    return code;
}

enum xr_code xr_sql_open(const char *path, enum xr_sql_mode mode, const char *vfs, int busy_ms, struct xr_sql **ret_sql,
                         struct xr_err *err) {
    static const int FLAGS[] = {
        [XR_SQL_READ_ONLY] = SQLITE_OPEN_READONLY,
        [XR_SQL_EXISTING] = SQLITE_OPEN_READWRITE,
        [XR_SQL_CREATE] = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE,
    };
    if (mode != XR_SQL_CREATE && !xr_path_exists(path))
        return xr_fail(err, XR_NOT_FOUND, NULL, "%s: no such file", path);
    struct xr_sql *sql = calloc(1, sizeof *sql);
    if (!sql)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = open_raw(path, FLAGS[mode], vfs, busy_ms, &sql->db, err);
    if (code == XR_OK)
        *ret_sql = sql;
    else
        free(sql);
    return code;
}

void xr_sql_close(struct xr_sql *sql) {
    if (!sql)
        return;
    for (size_t i = 0; i < XR_STATEMENTS_MAX; i++)
        sqlite3_finalize(sql->stmts[i].raw);
    sqlite3_close_v2(sql->db);
    free(sql);
}

sqlite3 *xr_sql_raw(struct xr_sql *sql) {
    return sql->db;
}

enum xr_code xr_sql_fail(struct xr_sql *sql, int rc, struct xr_err *err) {
    return fail(sql->db, rc, err);
}

/* The text's slot, or the free one where it belongs; NULL when the cache is full. */
static struct xr_stmt *find_slot(struct xr_sql *sql, const char *text) {
    size_t at = (size_t)((uintptr_t)text >> 4) % XR_STATEMENTS_MAX;
    for (size_t i = 0; i < XR_STATEMENTS_MAX; i++) {
        struct xr_stmt *stmt = &sql->stmts[(at + i) % XR_STATEMENTS_MAX];
        if (!stmt->text || stmt->text == text)
            return stmt;
    }
    return NULL;
}

enum xr_code xr_sql_prepare(struct xr_sql *sql, const char *text, struct xr_stmt **ret_stmt, struct xr_err *err) {
    struct xr_stmt *stmt = find_slot(sql, text);
    if (!stmt)
        return xr_fail(err, XR_INTERNAL, NULL, "more than %d statements", XR_STATEMENTS_MAX);
    if (stmt->in_use)
        return xr_fail(err, XR_INTERNAL, NULL, "a statement is used twice at once");
    if (!stmt->raw) {
        int rc = sqlite3_prepare_v3(sql->db, text, -1, SQLITE_PREPARE_PERSISTENT, &stmt->raw, NULL);
        if (rc != SQLITE_OK)
            return fail(sql->db, rc, err);
        stmt->sql = sql;
        stmt->text = text;
    }
    sqlite3_clear_bindings(stmt->raw);
    stmt->in_use = true;
    stmt->bind_rc = SQLITE_OK;
    stmt->broken = XR_OK;
    *ret_stmt = stmt;
    return XR_OK;
}

enum xr_code xr_sql_read_int(struct xr_sql *sql, const char *text, int64_t *ret_value, struct xr_err *err) {
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, text, &stmt, err);
    if (!stmt)
        return code;
    code = xr_stmt_one(stmt, err);
    if (code == XR_OK)
        *ret_value = xr_stmt_int(stmt, 0);
    return code;
}

enum xr_code xr_sql_run(struct xr_sql *sql, const char *text, struct xr_err *err) {
    struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, text, &stmt, err);
    return stmt ? xr_stmt_run(stmt, err) : code;
}

enum xr_code xr_sql_script(struct xr_sql *sql, const char *text, struct xr_err *err) {
    int rc = sqlite3_exec(sql->db, text, NULL, NULL, NULL);
    return rc == SQLITE_OK ? XR_OK : fail(sql->db, rc, err);
}

int64_t xr_sql_last_id(const struct xr_sql *sql) {
    return sqlite3_last_insert_rowid(sql->db);
}

int64_t xr_sql_changes(const struct xr_sql *sql) {
    return sqlite3_changes64(sql->db);
}

int64_t xr_sql_total_changes(const struct xr_sql *sql) {
    return sqlite3_total_changes64(sql->db);
}

bool xr_sql_in_transaction(const struct xr_sql *sql) {
    return !sqlite3_get_autocommit(sql->db);
}

static void note_bind(struct xr_stmt *stmt, int rc) {
    if (stmt->bind_rc == SQLITE_OK)
        stmt->bind_rc = rc;
}

void xr_stmt_bind_int(struct xr_stmt *stmt, int param, int64_t value) {
    note_bind(stmt, sqlite3_bind_int64(stmt->raw, param, value));
}

void xr_stmt_bind_opt_int(struct xr_stmt *stmt, int param, int64_t value, int64_t none) {
    if (value != none)
        xr_stmt_bind_int(stmt, param, value);
}

void xr_stmt_bind_real(struct xr_stmt *stmt, int param, double value) {
    note_bind(stmt, sqlite3_bind_double(stmt->raw, param, value));
}

void xr_stmt_bind_text(struct xr_stmt *stmt, int param, struct xr_str s) {
    const char *ptr = s.ptr ? s.ptr : ""; /* a NULL pointer would bind NULL */
    note_bind(stmt, sqlite3_bind_text64(stmt->raw, param, ptr, s.len, SQLITE_STATIC, SQLITE_UTF8));
}

void xr_stmt_bind_str(struct xr_stmt *stmt, int param, struct xr_str s) {
    if (s.ptr)
        xr_stmt_bind_text(stmt, param, s);
}

void xr_stmt_bind_blob(struct xr_stmt *stmt, int param, const void *bytes, size_t n) {
    note_bind(stmt, sqlite3_bind_blob64(stmt->raw, param, n ? bytes : "", n, SQLITE_STATIC));
}

enum xr_code xr_stmt_check(const struct xr_stmt *stmt, struct xr_err *err) {
    if (stmt->broken == XR_CORRUPT)
        return xr_fail(err, XR_CORRUPT, NULL, "database: a stored value is not of its kind: %s", stmt->text);
    if (stmt->broken != XR_OK)
        return xr_fail(err, stmt->broken, NULL, "out of memory");
    return XR_OK;
}

enum xr_code xr_stmt_step(struct xr_stmt *stmt, bool *ret_row, struct xr_err *err) {
    enum xr_code code = xr_stmt_check(stmt, err);
    if (code != XR_OK)
        return code;
    if (stmt->bind_rc != SQLITE_OK)
        return xr_fail(err, code_of(stmt->sql->db, stmt->bind_rc), NULL, "database: binding: %s",
                       sqlite3_errstr(stmt->bind_rc));
    int rc = sqlite3_step(stmt->raw);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return fail(stmt->sql->db, rc, err);
    *ret_row = rc == SQLITE_ROW;
    return XR_OK;
}

enum xr_code xr_stmt_run(struct xr_stmt *stmt, struct xr_err *err) {
    enum xr_code code = XR_OK;
    for (bool row = true; code == XR_OK && row;)
        code = xr_stmt_step(stmt, &row, err);
    xr_stmt_reset(stmt);
    return code;
}

enum xr_code xr_stmt_one(struct xr_stmt *stmt, struct xr_err *err) {
    bool row = false;
    enum xr_code code = xr_stmt_step(stmt, &row, err);
    if (code == XR_OK && !row)
        return xr_fail(err, XR_NOT_FOUND, NULL, "no such row");
    return code;
}

void xr_stmt_reset(struct xr_stmt *stmt) {
    if (!stmt)
        return;
    sqlite3_reset(stmt->raw); /* repeats the failure that step has reported already */
    stmt->in_use = false;
}

static void mark_broken(struct xr_stmt *stmt, enum xr_code code) {
    if (stmt->broken == XR_OK)
        stmt->broken = code;
}

void xr_stmt_out_of_memory(struct xr_stmt *stmt) {
    mark_broken(stmt, XR_NO_MEMORY);
}

int64_t xr_stmt_int(struct xr_stmt *stmt, int column) {
    return sqlite3_column_int64(stmt->raw, column);
}

int64_t xr_stmt_opt_int(struct xr_stmt *stmt, int column, int64_t none) {
    return xr_stmt_is_null(stmt, column) ? none : xr_stmt_int(stmt, column);
}

int xr_stmt_enum(struct xr_stmt *stmt, int column, int count) {
    int64_t value = xr_stmt_int(stmt, column);
    if (!xr_stmt_is_null(stmt, column) && value >= 0 && value < count)
        return (int)value;
    mark_broken(stmt, XR_CORRUPT);
    return 0;
}

double xr_stmt_real(struct xr_stmt *stmt, int column) {
    return sqlite3_column_double(stmt->raw, column);
}

bool xr_stmt_is_null(struct xr_stmt *stmt, int column) {
    return sqlite3_column_type(stmt->raw, column) == SQLITE_NULL;
}

bool xr_stmt_is_blob(struct xr_stmt *stmt, int column) {
    return sqlite3_column_type(stmt->raw, column) == SQLITE_BLOB;
}

struct xr_str xr_stmt_view(struct xr_stmt *stmt, int column) {
    if (xr_stmt_is_null(stmt, column))
        return (struct xr_str){0};
    /* The order matters: column_bytes() is the length of what column_blob() has returned. */
    const char *ptr = sqlite3_column_blob(stmt->raw, column);
    int n = sqlite3_column_bytes(stmt->raw, column);
    return (struct xr_str){.ptr = ptr ? ptr : "", .len = ptr ? (size_t)n : 0};
}

struct xr_str xr_stmt_str(struct xr_stmt *stmt, int column, struct xr_arena *arena) {
    struct xr_str view = xr_stmt_view(stmt, column);
    if (!view.ptr)
        return view;
    struct xr_str copy = xr_arena_str(arena, view);
    if (!copy.ptr)
        mark_broken(stmt, XR_NO_MEMORY);
    return copy;
}

void xr_stmt_fixed(struct xr_stmt *stmt, int column, void *out, size_t n) {
    struct xr_str view = xr_stmt_view(stmt, column);
    if (view.len == n && view.ptr)
        memcpy(out, view.ptr, n);
    else
        mark_broken(stmt, XR_CORRUPT);
}

enum { ROWS_FIRST = 16 };

void *xr_rows_add(struct xr_rows *rows, struct xr_stmt *stmt) {
    if (rows->count == rows->cap) {
        size_t cap = rows->cap ? rows->cap * 2 : ROWS_FIRST;
        void *data = xr_arena_array(rows->arena, cap, rows->size);
        if (!data) {
            mark_broken(stmt, XR_NO_MEMORY);
            return NULL;
        }
        if (rows->count)
            memcpy(data, rows->data, rows->count * rows->size);
        rows->data = data;
        rows->cap = cap;
    }
    return (char *)rows->data + rows->size * rows->count++;
}
