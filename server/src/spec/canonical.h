// SPDX-License-Identifier: Apache-2.0
/* spec/canonical.h - the writers behind xr_spec_canonical. For the spec folder only. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/json.h"
#include "spec/spec.h"

/* Writes value with its keys sorted by UTF-16 code unit, the last of repeated keys kept, and every number as the
 * double it is. XR_NO_MEMORY when the scratch arena is full, XR_TOO_LARGE beyond max_depth levels. */
XR_MUST_USE enum xr_code xr_canonical_value(struct xr_json *j, struct xr_arena *scratch, yyjson_val *value,
                                            int max_depth);

/* The canonical text of spec, appended to buf (look at buf->failed after); errors as xr_spec_canonical. */
XR_MUST_USE enum xr_code xr_canonical_spec(const struct xr_spec *spec, struct xr_arena *scratch, struct xr_buf *buf,
                                           struct xr_err *err);
