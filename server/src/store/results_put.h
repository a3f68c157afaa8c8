// SPDX-License-Identifier: Apache-2.0
/* store/results_put.h - how every write and every read of results begins. */
#pragma once
#include "store/sql.h"
#include "store/store.h"

/* XR_CONFLICT unless the replay is `analyzing`; then runs each of the statements (which delete its rows; parameter 1 is
 * the replay) and hands out the connection. deletes ends with NULL. */
XR_MUST_USE enum xr_code xr_results_begin(struct xr_store_tx *tx, int64_t replay_id, const char *const *deletes,
                                          struct xr_sql **ret_sql, struct xr_err *err);
/* Prepares text for one replay's rows: parameter 1 is bound. */
XR_MUST_USE enum xr_code xr_results_query(struct xr_store_reader *reader, const char *text, int64_t replay_id,
                                          struct xr_stmt **ret_stmt, struct xr_err *err);
