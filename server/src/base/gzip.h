// SPDX-License-Identifier: Apache-2.0
/* base/gzip.h - gzip in memory, over zlib. Pure; any thread. */
#pragma once
#include "base/err.h"
#include "base/str.h"

/* Inflates a whole gzip stream (RFC 1952; one or more members) of at most max bytes; the caller free()s *ret_bytes,
 * which is never NULL on XR_OK. XR_TOO_LARGE: more than max. XR_INVALID: not gzip, damaged, cut short, or followed by
 * other bytes. */
XR_MUST_USE enum xr_code xr_gunzip(struct xr_str in, size_t max, char **ret_bytes, size_t *ret_len, struct xr_err *err);
