// SPDX-License-Identifier: Apache-2.0
/* http/framing.h - how a request's headers delimit its body, stricter than libmicrohttpd: whatever two readers might
 * take for two different bodies is refused (RFC 9112, section 6.3). Request threads. */
#pragma once
#include "http/core.h"

struct xr_framing {
    bool sound; /* false: 400, and the connection ends */
    int64_t length; /* 0: no body; XR_BODY_LENGTH_UNKNOWN: chunked; INT64_MAX: more than that */
};
struct xr_framing xr_framing_read(const struct xr_request *req, const char *version);

/* The path of a request target: absolute-form is reduced to it. */
struct xr_str xr_framing_path(const char *target);
