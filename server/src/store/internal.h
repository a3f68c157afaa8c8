// SPDX-License-Identifier: Apache-2.0
/* store/internal.h - what the files of store/ share and nobody else sees. */
#pragma once
#include "store/sql.h"
#include "store/store.h"

struct sqlite3;

/* What tests change. Zero means the default. */
struct xr_store_options {
    const char *vfs; /* SQLite's file layer */
    int busy_ms; /* wait for another process's lock */
    int checkpoint_pages; /* log pages after which an idle writer checkpoints */
    int log_pages_max; /* log pages after which a busy one does */
    int probe_ms; /* after a failed commit */
};
XR_MUST_USE enum xr_code xr_store_open_with(const char *path, const char *queue_path, const struct xr_clock *clock,
                                            const struct xr_store_options *options, struct xr_store **ret_store,
                                            struct xr_err *err);

struct xr_sql *xr_store_reader_sql(struct xr_store_reader *reader);
bool xr_path_exists(const char *path);

/* sql.c, for the writer */
struct sqlite3 *xr_sql_raw(struct xr_sql *sql);
enum xr_code xr_sql_fail(struct xr_sql *sql, int rc, struct xr_err *err);
