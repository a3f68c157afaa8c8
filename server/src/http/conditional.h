// SPDX-License-Identifier: Apache-2.0
/* http/conditional.h - byte ranges, entity tags and encodings that a request asks for (RFC 9110,
 * sections 8.8.3, 12.5.3, 13 and 14). Pure; any thread. */
#pragma once
#include "base/str.h"
#include <stdint.h>

struct xr_range {
    uint64_t first, length; /* length is never 0 */
};
enum xr_range_kind {
    XR_RANGE_WHOLE, /* no range that we serve: malformed, another unit, several ranges */
    XR_RANGE_PART,
    XR_RANGE_UNSATISFIABLE
};
/* header: the value of Range. *ret_range is written for PART only. Several ranges in one request are answered with the
 * whole, as a server may. */
enum xr_range_kind xr_byte_range_parse(struct xr_str header, uint64_t size, struct xr_range *ret_range);

/* header: the value of If-None-Match; true for "*" and when the list has etag (with its quotes), weak or not. */
bool xr_etag_listed(struct xr_str header, struct xr_str etag);
/* If-Range: the same and neither weak. A date never is the same. */
bool xr_etag_same_strong(struct xr_str header, struct xr_str etag);

/* header: the value of Accept-Encoding; true when gzip is named, or "*", and not with a weight of 0. */
bool xr_accepts_gzip(struct xr_str header);
