// SPDX-License-Identifier: Apache-2.0
/* store/sql.h - a thin layer over SQLite for store/ and queue/: connections and cached prepared statements. It knows no
 * tables. A connection and its statements belong to one thread at a time.
 *
 *   static const char SQL[] = "SELECT state FROM jobs WHERE id = ?1";
 *   XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
 *   enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
 *   if (code != XR_OK)
 *       return code;
 *   xr_stmt_bind_int(stmt, 1, id);
 *   code = xr_stmt_one(stmt, err);
 *   if (code == XR_OK)
 *       state = xr_stmt_enum(stmt, 0, STATE_COUNT);
 *   return code == XR_OK ? xr_stmt_check(stmt, err) : code;
 *
 * Binding and reading columns fail stickily: the next step, run, one or check returns the failure. Parameters count
 * from 1, columns from 0.
 *
 * SQLite's errors become: full disk XR_STORAGE_FULL; busy, locked XR_OVERLOADED; corrupt, not a database XR_CORRUPT;
 * constraint XR_CONFLICT; out of memory XR_NO_MEMORY; value too big XR_TOO_LARGE; I/O, cannot open, read-only XR_IO;
 * anything else XR_INTERNAL. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xr_sql; /* a connection */
struct xr_stmt; /* a prepared statement, owned by its connection */
struct xr_store_tx;

enum xr_sql_mode {
    XR_SQL_READ_ONLY, /* the file must exist (XR_NOT_FOUND); works beside a running server */
    XR_SQL_EXISTING, /* for writing; the file must exist (XR_NOT_FOUND) */
    XR_SQL_CREATE /* for writing; the file is created if missing */
};
/* vfs NULL: the default one. busy_ms: how long a statement waits for another connection's lock. Nothing is written to
 * the file, and closing checkpoints nothing: a file that turns out to be foreign is left as it was. */
XR_MUST_USE enum xr_code xr_sql_open(const char *path, enum xr_sql_mode mode, const char *vfs, int busy_ms,
                                     struct xr_sql **ret_sql, struct xr_err *err);
void xr_sql_close(struct xr_sql *sql); /* finalises the statements; NULL is fine */
XR_DEFINE_FREEP(struct xr_sql, xr_sql_close)

/* The connections of a write. The first is xray.db; the second is queue.db, which joins the group's transaction with
 * the first call (so it can fail: XR_OVERLOADED, XR_IO, ...). In it, tables may be named `jobs` or `queue.jobs`. */
struct xr_sql *xr_store_tx_sql(struct xr_store_tx *tx);
XR_MUST_USE enum xr_code xr_store_tx_queue(struct xr_store_tx *tx, struct xr_sql **ret_sql, struct xr_err *err);

/* Compiled once a connection; the cache's key is the pointer, so text must be a constant that lives for ever. One
 * statement each; a statement is in use until it is reset (XR_INTERNAL if it is asked for again before). Bounded by
 * XR_STATEMENTS_MAX. */
XR_MUST_USE enum xr_code xr_sql_prepare(struct xr_sql *sql, const char *text, struct xr_stmt **ret_stmt,
                                        struct xr_err *err);
/* Prepares, runs to the end and resets a statement without parameters; rows are dropped. */
XR_MUST_USE enum xr_code xr_sql_run(struct xr_sql *sql, const char *text, struct xr_err *err);
/* The integer in the one row that a statement without parameters gives (a pragma, a count). */
XR_MUST_USE enum xr_code xr_sql_read_int(struct xr_sql *sql, const char *text, int64_t *ret_value, struct xr_err *err);
/* Runs several statements, uncached: schemas and pragmas. */
XR_MUST_USE enum xr_code xr_sql_script(struct xr_sql *sql, const char *text, struct xr_err *err);
int64_t xr_sql_last_id(const struct xr_sql *sql); /* row id of the last insert */
int64_t xr_sql_changes(const struct xr_sql *sql); /* rows changed by the last statement that was run to its end */
int64_t xr_sql_total_changes(const struct xr_sql *sql); /* rows changed since the connection was opened */
bool xr_sql_in_transaction(const struct xr_sql *sql);

/* Bound bytes are borrowed: they must live until the statement is reset. Parameters start as NULL. */
void xr_stmt_bind_int(struct xr_stmt *stmt, int param, int64_t value);
void xr_stmt_bind_opt_int(struct xr_stmt *stmt, int param, int64_t value, int64_t none); /* value == none: NULL */
void xr_stmt_bind_real(struct xr_stmt *stmt, int param, double value);
void xr_stmt_bind_text(struct xr_stmt *stmt, int param, struct xr_str s); /* may hold NUL; never NULL */
void xr_stmt_bind_str(struct xr_stmt *stmt, int param, struct xr_str s); /* the same, but ptr NULL: NULL */
void xr_stmt_bind_blob(struct xr_stmt *stmt, int param, const void *bytes, size_t n); /* never NULL */

XR_MUST_USE enum xr_code xr_stmt_step(struct xr_stmt *stmt, bool *ret_row, struct xr_err *err);
/* For statements whose rows nobody reads: runs to the end, then resets, also on failure. */
XR_MUST_USE enum xr_code xr_stmt_run(struct xr_stmt *stmt, struct xr_err *err);
/* The first row, XR_NOT_FOUND ("no such row") if there is none. */
XR_MUST_USE enum xr_code xr_stmt_one(struct xr_stmt *stmt, struct xr_err *err);
/* What reading the columns of this row has met: XR_NO_MEMORY, XR_CORRUPT. */
XR_MUST_USE enum xr_code xr_stmt_check(const struct xr_stmt *stmt, struct xr_err *err);
void xr_stmt_reset(struct xr_stmt *stmt); /* ends its use; NULL is fine */
XR_DEFINE_FREEP(struct xr_stmt, xr_stmt_reset)

int64_t xr_stmt_int(struct xr_stmt *stmt, int column);
int64_t xr_stmt_opt_int(struct xr_stmt *stmt, int column, int64_t none); /* NULL: none */
/* An integer in [0, count), else the row is corrupt (and the result 0). */
int xr_stmt_enum(struct xr_stmt *stmt, int column, int count);
double xr_stmt_real(struct xr_stmt *stmt, int column);
bool xr_stmt_is_null(struct xr_stmt *stmt, int column);
bool xr_stmt_is_blob(struct xr_stmt *stmt, int column);
/* TEXT or BLOB, valid until the next step or reset; ptr NULL for NULL. */
struct xr_str xr_stmt_view(struct xr_stmt *stmt, int column);
/* The same as a copy in the arena. */
struct xr_str xr_stmt_str(struct xr_stmt *stmt, int column, struct xr_arena *arena);
/* Marks the row: a copy of a column found no memory. */
void xr_stmt_out_of_memory(struct xr_stmt *stmt);
/* Exactly n bytes, else the row is corrupt. */
void xr_stmt_fixed(struct xr_stmt *stmt, int column, void *out, size_t n);

/* An array in an arena that grows by doubling: what a read fills, row by row. */
struct xr_rows {
    struct xr_arena *arena;
    size_t size; /* of one element */
    void *data;
    size_t count, cap;
};
/* A new zeroed element at the end; NULL when the arena is full (stmt is then marked: the next step says so). */
void *xr_rows_add(struct xr_rows *rows, struct xr_stmt *stmt);
