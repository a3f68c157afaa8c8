// SPDX-License-Identifier: Apache-2.0
#include "store/results_put.h"
#include "store/internal.h"
#include "store/lifecycle.h"

static enum xr_code require_analyzing(struct xr_sql *sql, int64_t replay_id, struct xr_err *err) {
    static const char SQL[] = "SELECT 1 FROM replays WHERE id = ?1 AND lifecycle_state = ?2";
    XR_AUTO(xr_stmt_resetp) struct xr_stmt *stmt = NULL;
    enum xr_code code = xr_sql_prepare(sql, SQL, &stmt, err);
    if (code != XR_OK)
        return code;
    xr_stmt_bind_int(stmt, 1, replay_id);
    xr_stmt_bind_int(stmt, 2, XR_ANALYZING);
    code = xr_stmt_one(stmt, err);
    if (code == XR_NOT_FOUND)
        return xr_fail(err, XR_CONFLICT, NULL, "the replay is not being analyzed any more");
    return code;
}

enum xr_code xr_results_begin(struct xr_store_tx *tx, int64_t replay_id, const char *const *deletes,
                              struct xr_sql **ret_sql, struct xr_err *err) {
    struct xr_sql *sql = xr_store_tx_sql(tx);
    enum xr_code code = require_analyzing(sql, replay_id, err);
    for (size_t i = 0; code == XR_OK && deletes[i]; i++) {
        struct xr_stmt *stmt;
        code = xr_sql_prepare(sql, deletes[i], &stmt, err);
        if (code == XR_OK) {
            xr_stmt_bind_int(stmt, 1, replay_id);
            code = xr_stmt_run(stmt, err);
        }
    }
    if (code == XR_OK)
        *ret_sql = sql;
    return code;
}

enum xr_code xr_results_query(struct xr_store_reader *reader, const char *text, int64_t replay_id,
                              struct xr_stmt **ret_stmt, struct xr_err *err) {
    enum xr_code code = xr_sql_prepare(xr_store_reader_sql(reader), text, ret_stmt, err);
    if (code == XR_OK)
        xr_stmt_bind_int(*ret_stmt, 1, replay_id);
    return code;
}
