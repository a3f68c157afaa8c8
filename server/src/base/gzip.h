// SPDX-License-Identifier: Apache-2.0
/* base/gzip.h - gzip (RFC 1952; one or more members) into memory, over zlib. Pure; any thread, one a stream. */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

/* A stream that comes in pieces. */
struct xr_gunzip_stream;
/* max: the most bytes it may inflate to, all in all. */
XR_MUST_USE enum xr_code xr_gunzip_open(size_t max, struct xr_gunzip_stream **ret_stream, struct xr_err *err);
void xr_gunzip_close(struct xr_gunzip_stream *stream); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_gunzip_stream, xr_gunzip_close)
/* Appends to out what the next piece inflates to. XR_TOO_LARGE: more than max; XR_INVALID: not gzip, damaged. Nothing
 * is to be written after a failure. out needs room for one byte more than max. */
XR_MUST_USE enum xr_code xr_gunzip_write(struct xr_gunzip_stream *stream, struct xr_str in, struct xr_buf *out,
                                         struct xr_err *err);
/* XR_INVALID unless what was written is whole members, at least one. */
XR_MUST_USE enum xr_code xr_gunzip_finish(const struct xr_gunzip_stream *stream, struct xr_err *err);

/* A whole stream at once; the caller free()s *ret_bytes, which is never NULL on XR_OK. Fails as the above. */
XR_MUST_USE enum xr_code xr_gunzip(struct xr_str in, size_t max, char **ret_bytes, size_t *ret_len, struct xr_err *err);
