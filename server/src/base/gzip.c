// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "base/buf.h"
#include <stdlib.h>
#include <zlib.h>

enum { STEP = 65536, GZIP_ONLY = 16 + MAX_WBITS };

/* zlib counts in unsigned int: the input goes in in pieces. */
static void give_input(z_stream *z, struct xr_str *left) {
    if (z->avail_in > 0)
        return;
    size_t n = left->len < STEP ? left->len : STEP;
    z->next_in = (unsigned char *)(uintptr_t)left->ptr; /* zlib does not write there */
    z->avail_in = (unsigned)n;
    *left = (struct xr_str){.ptr = left->ptr + n, .len = left->len - n};
}

/* One step. One byte more than allowed is offered at the end, to tell "just full" from "too much". */
static int inflate_step(z_stream *z, struct xr_buf *out, size_t max) {
    size_t room = max + 1 - out->len;
    if (room > STEP)
        room = STEP;
    char *to = xr_buf_reserve(out, room);
    if (!to)
        return Z_MEM_ERROR;
    z->next_out = (unsigned char *)to;
    z->avail_out = (unsigned)room;
    int rc = inflate(z, Z_NO_FLUSH);
    out->len += room - z->avail_out;
    return rc;
}

static enum xr_code inflate_all(z_stream *z, struct xr_str in, size_t max, struct xr_buf *out, struct xr_err *err) {
    for (;;) {
        give_input(z, &in);
        bool starved = z->avail_in == 0;
        int rc = inflate_step(z, out, max);
        if (out->len > max)
            return xr_fail(err, XR_TOO_LARGE, NULL, "inflates to more than %zu bytes", max);
        if (rc == Z_MEM_ERROR)
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
        if (rc == Z_STREAM_END && z->avail_in == 0 && in.len == 0)
            return XR_OK;
        if (rc == Z_STREAM_END)
            rc = inflateReset(z); /* the next member */
        if (rc != Z_OK || (starved && z->avail_out > 0))
            return xr_fail(err, XR_INVALID, NULL, "not a whole gzip stream");
    }
}

enum xr_code xr_gunzip(struct xr_str in, size_t max, char **ret_bytes, size_t *ret_len, struct xr_err *err) {
    z_stream z = {0};
    if (max >= SIZE_MAX - 1)
        return xr_fail(err, XR_INTERNAL, NULL, "the bound is no bound");
    if (inflateInit2(&z, GZIP_ONLY) != Z_OK)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    struct xr_buf out = xr_buf_make(max + 1);
    enum xr_code code = inflate_all(&z, in, max, &out, err);
    inflateEnd(&z);
    char *bytes = NULL;
    size_t n = 0;
    if (code == XR_OK && !(bytes = xr_buf_take(&out, &n)))
        code = xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    xr_buf_clear(&out);
    if (code != XR_OK)
        return code;
    *ret_bytes = bytes;
    *ret_len = n;
    return XR_OK;
}
