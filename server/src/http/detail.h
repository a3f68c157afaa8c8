// SPDX-License-Identifier: Apache-2.0
/* http/detail.h - a replay's detail and its result, read from the store and written as JSON. */
#pragma once
#include "base/json.h"
#include "store/replays.h"
#include "store/store.h"

/* The caller has begun a snapshot on reader, in which it has read replay. On failure j's buffer holds a part. */
XR_MUST_USE enum xr_code xr_detail_write(struct xr_store_reader *reader, const struct xr_replay *replay,
                                         struct xr_json *j, struct xr_err *err);
/* The same of the replay with this id. XR_NOT_FOUND: there is none. */
XR_MUST_USE enum xr_code xr_detail_find_and_write(struct xr_store_reader *reader, const struct xr_uuid *id,
                                                  struct xr_json *j, struct xr_err *err);
/* The same of a completed replay's result. XR_NOT_FOUND: it has no verdict. */
XR_MUST_USE enum xr_code xr_result_write(struct xr_store_reader *reader, const struct xr_replay *replay,
                                         struct xr_json *j, struct xr_err *err);

/* Which detail of a finished replay it is: a retry and spans that come late are all that changes it. number grows with
 * every change, and etag (with its quotes) is another one after it. Read in the snapshot of the detail. */
enum { XR_DETAIL_ETAG_SIZE = 96 };
struct xr_detail_version {
    uint64_t number;
    char etag[XR_DETAIL_ETAG_SIZE];
};
XR_MUST_USE enum xr_code xr_detail_version_get(struct xr_store_reader *reader, const struct xr_replay *replay,
                                               struct xr_detail_version *ret_version, struct xr_err *err);
