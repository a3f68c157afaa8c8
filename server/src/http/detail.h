// SPDX-License-Identifier: Apache-2.0
/* http/detail.h - a replay's detail and its result, read from the store and written as JSON. */
#pragma once
#include "base/json.h"
#include "store/replays.h"
#include "store/store.h"

/* The caller has begun a snapshot on reader. XR_NOT_FOUND: no such replay. On failure j's buffer holds a part. */
XR_MUST_USE enum xr_code xr_detail_write(struct xr_store_reader *reader, const struct xr_uuid *id, struct xr_json *j,
                                         struct xr_err *err);
/* The same of a completed replay's result. XR_NOT_FOUND: it has no verdict. */
XR_MUST_USE enum xr_code xr_result_write(struct xr_store_reader *reader, const struct xr_replay *replay,
                                         struct xr_json *j, struct xr_err *err);
