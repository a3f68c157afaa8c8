// SPDX-License-Identifier: Apache-2.0
/* http/multipart.h - a push parser of multipart/form-data (RFC 7578, RFC 2046). Bytes go in as they come, in pieces of
 * any size; parts come out as callbacks. It keeps no part's data, only the headers of the part that begins. Pure; one
 * thread at a time. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>

struct xr_multipart;

struct xr_multipart_part { /* views, good until the callback returns; as they were sent, so perhaps no UTF-8 */
    struct xr_str name;
    bool is_file; /* a file name was given, be it empty */
};
/* A code other than XR_OK ends parsing; xr_multipart_feed returns it. */
struct xr_multipart_sink {
    enum xr_code (*begin)(void *ctx, const struct xr_multipart_part *part, struct xr_err *err);
    enum xr_code (*data)(void *ctx, struct xr_str bytes, struct xr_err *err);
    enum xr_code (*end)(void *ctx, struct xr_err *err);
    void *ctx;
};

/* content_type: the request's header. XR_INVALID when it is not multipart/form-data with a boundary of 1 to
 * XR_MULTIPART_BOUNDARY_MAX bytes. */
XR_MUST_USE enum xr_code xr_multipart_new(struct xr_str content_type, const struct xr_multipart_sink *sink,
                                          struct xr_multipart **ret_parser, struct xr_err *err);
void xr_multipart_free(struct xr_multipart *parser); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_multipart, xr_multipart_free)
/* After a failure only free may follow. XR_INVALID: malformed. XR_TOO_LARGE: headers over XR_MULTIPART_HEADER_MAX, or
 * more than XR_MULTIPART_PARTS_MAX parts. */
XR_MUST_USE enum xr_code xr_multipart_feed(struct xr_multipart *parser, struct xr_str bytes, struct xr_err *err);
/* At the body's end: XR_INVALID when the closing boundary has not been there. */
XR_MUST_USE enum xr_code xr_multipart_finish(const struct xr_multipart *parser, struct xr_err *err);
