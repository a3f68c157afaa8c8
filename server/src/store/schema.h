// SPDX-License-Identifier: Apache-2.0
/* store/schema.h - numbered, append-only migrations, one list a file. PRAGMA user_version is how many of them a file
 * has had, PRAGMA application_id whose it is. */
#pragma once
#include "store/sql.h"
#include <stddef.h>

struct xr_schema {
    int32_t application_id;
    const char *const *migrations; /* a script each; never edited once released, only added to */
    size_t count;
};
extern const struct xr_schema XR_MAIN_SCHEMA; /* xray.db */
extern const struct xr_schema XR_QUEUE_SCHEMA; /* queue.db; its statements are in queue/ */

/* Are both files ours, or not there yet? XR_FOREIGN names every file to move away. Changes nothing. */
XR_MUST_USE enum xr_code xr_schema_check(const char *path, const char *queue_path, const char *vfs, int busy_ms,
                                         struct xr_err *err);
/* Brings a checked file up to date in one transaction. */
XR_MUST_USE enum xr_code xr_schema_migrate(struct xr_sql *sql, const struct xr_schema *schema, struct xr_err *err);
