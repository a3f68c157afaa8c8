// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include <stdbool.h>
#include <stdlib.h>
#include <zlib.h>

enum { STEP = 65536, GZIP_ONLY = 16 + MAX_WBITS };

struct xr_gunzip_stream {
    z_stream z;
    size_t max, total; /* bytes inflated to */
    bool ended; /* a member has ended, and the next has not begun */
};

enum xr_code xr_gunzip_open(size_t max, struct xr_gunzip_stream **ret_stream, struct xr_err *err) {
    if (max >= SIZE_MAX - 1)
        return xr_fail(err, XR_INTERNAL, NULL, "the bound is no bound");
    struct xr_gunzip_stream *stream = calloc(1, sizeof *stream);
    if (!stream || inflateInit2(&stream->z, GZIP_ONLY) != Z_OK) {
        free(stream);
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    stream->max = max;
    *ret_stream = stream;
    return XR_OK;
}

void xr_gunzip_close(struct xr_gunzip_stream *stream) {
    if (!stream)
        return;
    inflateEnd(&stream->z);
    free(stream);
}

/* zlib counts in unsigned int: the input goes in in pieces. */
static void give_input(z_stream *z, struct xr_str *left) {
    size_t n = left->len < STEP ? left->len : STEP;
    z->next_in = (unsigned char *)(uintptr_t)left->ptr; /* zlib does not write there */
    z->avail_in = (unsigned)n;
    *left = (struct xr_str){.ptr = left->ptr + n, .len = left->len - n};
}

/* One step. One byte more than allowed is offered at the end, to tell "just full" from "too much". */
static int inflate_step(struct xr_gunzip_stream *stream, struct xr_buf *out) {
    z_stream *z = &stream->z;
    size_t room = stream->max + 1 - stream->total;
    if (room > STEP)
        room = STEP;
    char *to = xr_buf_reserve(out, room);
    if (!to)
        return Z_MEM_ERROR;
    z->next_out = (unsigned char *)to;
    z->avail_out = (unsigned)room;
    int rc = inflate(z, Z_NO_FLUSH);
    out->len += room - z->avail_out;
    stream->total += room - z->avail_out;
    return rc;
}

static enum xr_code invalid(struct xr_err *err) {
    return xr_fail(err, XR_INVALID, NULL, "not a whole gzip stream");
}

/* All of the input that zlib has, and what it still holds back of its output. */
static enum xr_code inflate_given(struct xr_gunzip_stream *stream, struct xr_buf *out, struct xr_err *err) {
    z_stream *z = &stream->z;
    do {
        if (stream->ended && inflateReset(z) != Z_OK)
            return invalid(err);
        stream->ended = false;
        int rc = inflate_step(stream, out);
        if (stream->total > stream->max)
            return xr_fail(err, XR_TOO_LARGE, NULL, "inflates to more than %zu bytes", stream->max);
        if (rc == Z_MEM_ERROR)
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
        stream->ended = rc == Z_STREAM_END;
        if (rc != Z_OK && rc != Z_STREAM_END && rc != Z_BUF_ERROR) /* the last: it waits for more */
            return invalid(err);
    } while (z->avail_in > 0 || (z->avail_out == 0 && !stream->ended));
    return XR_OK;
}

enum xr_code xr_gunzip_write(struct xr_gunzip_stream *stream, struct xr_str in, struct xr_buf *out,
                             struct xr_err *err) {
    enum xr_code code = XR_OK;
    while (code == XR_OK && in.len > 0) {
        give_input(&stream->z, &in);
        code = inflate_given(stream, out, err);
    }
    return code;
}

enum xr_code xr_gunzip_finish(const struct xr_gunzip_stream *stream, struct xr_err *err) {
    return stream->ended ? XR_OK : invalid(err);
}

enum xr_code xr_gunzip(struct xr_str in, size_t max, char **ret_bytes, size_t *ret_len, struct xr_err *err) {
    XR_AUTO(xr_gunzip_closep) struct xr_gunzip_stream *stream = NULL;
    enum xr_code code = xr_gunzip_open(max, &stream, err);
    if (!stream)
        return code;
    struct xr_buf out = xr_buf_make(max + 1);
    code = xr_gunzip_write(stream, in, &out, err);
    if (code == XR_OK)
        code = xr_gunzip_finish(stream, err);
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
