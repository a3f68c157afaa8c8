// SPDX-License-Identifier: Apache-2.0
#include "http/shared.h"
#include "base/limits.h"
#include "base/uuid.h"
#include <stdlib.h>

static const struct xr_body_cache_bounds LISTS = {
    .entries = XR_LIST_CACHE_ENTRIES,
    .key_max = XR_LIST_CACHE_KEY_MAX,
    .body_max = XR_LIST_CACHE_BODY_MAX,
    .total_max = XR_LIST_CACHE_ENTRIES * XR_LIST_CACHE_BODY_MAX,
};
static const struct xr_body_cache_bounds DETAILS = {
    .entries = XR_DETAIL_CACHE_ENTRIES,
    .key_max = sizeof(struct xr_uuid),
    .body_max = XR_DETAIL_CACHE_BODY_MAX,
    .total_max = XR_DETAIL_CACHE_MAX,
};

enum xr_code xr_shared_new(struct xr_shared **ret_shared, struct xr_err *err) {
    struct xr_shared *shared = calloc(1, sizeof *shared);
    if (shared) {
        shared->gate = xr_gate_new();
        shared->lists = xr_body_cache_new(&LISTS);
        shared->details = xr_body_cache_new(&DETAILS);
    }
    if (!shared || !shared->gate || !shared->lists || !shared->details) {
        xr_shared_free(shared);
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    *ret_shared = shared;
    return XR_OK;
}

void xr_shared_free(struct xr_shared *shared) {
    if (!shared)
        return;
    xr_gate_free(shared->gate);
    xr_body_cache_free(shared->lists);
    xr_body_cache_free(shared->details);
    free(shared);
}
