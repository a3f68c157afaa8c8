// SPDX-License-Identifier: Apache-2.0
#include "http/shared.h"
#include <stdlib.h>

enum xr_code xr_shared_new(struct xr_shared **ret_shared, struct xr_err *err) {
    struct xr_shared *shared = calloc(1, sizeof *shared);
    if (shared) {
        shared->gate = xr_gate_new();
        shared->lists = xr_list_cache_new();
    }
    if (!shared || !shared->gate || !shared->lists) {
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
    xr_list_cache_free(shared->lists);
    free(shared);
}
