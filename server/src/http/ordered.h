// SPDX-License-Identifier: Apache-2.0
/* http/ordered.h - the values of a JSON array, written as their rows come and put in order at the end: moving bytes
 * that are finished costs less than having the rows sorted. One thread at a time.
 *
 *   xr_json_array(j);
 *   struct xr_ordered values = xr_ordered_make(j);
 *   for (...) {
 *       xr_span_encode(j, row, ...);
 *       xr_ordered_add(&values, row->started_ns);
 *   }
 *   enum xr_code code = xr_ordered_end(&values, err);
 *   xr_json_array_end(j);
 */
#pragma once
#include "base/json.h"

struct xr_ordered {
    struct xr_json *j;
    struct xr_buf marks; /* of each value: its key and its bytes */
    size_t at; /* where the next value begins */
};
struct xr_ordered xr_ordered_make(struct xr_json *j);
/* A value has been written, whose place is behind those of lower keys and those of the same key that came before it. */
void xr_ordered_add(struct xr_ordered *values, int64_t key);
/* Puts the values in order. Takes at most their size in memory, and only what is out of place of it at once; frees what
 * it and xr_ordered_add have taken, also on failure: XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_ordered_end(struct xr_ordered *values, struct xr_err *err);
