// SPDX-License-Identifier: Apache-2.0
/* http/shared.h - what the handlers of one server share between requests. xr_http_start makes it, xr_http_stop frees it
 * after the last request; handlers get it with xr_request_shared. */
#pragma once
#include "base/err.h"
#include "http/body_cache.h"
#include "http/gate.h"

struct xr_shared {
    struct xr_gate *gate;
    struct xr_body_cache *lists; /* pages of the conversation list; versions are the store's */
    struct xr_body_cache *details; /* of finished replays; versions are http/detail.h's */
};
XR_MUST_USE enum xr_code xr_shared_new(struct xr_shared **ret_shared, struct xr_err *err);
void xr_shared_free(struct xr_shared *shared); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_shared, xr_shared_free)
