// SPDX-License-Identifier: Apache-2.0
/* http/multipart: a form means the same whole and in pieces. The first line of the input is the Content-Type, its last
 * byte the size of the pieces. */
#include "base/buf.h"
#include "http/multipart.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is heard, in a form that does not depend on how data was cut: begin and end mark themselves. */
static enum xr_code on_begin(void *ctx, const struct xr_multipart_part *part, struct xr_err *err) {
    (void)err;
    xr_buf_str(ctx, part->name);
    xr_buf_append(ctx, part->is_file ? "\0F" : "\0V", 2);
    return XR_OK;
}

static enum xr_code on_data(void *ctx, struct xr_str bytes, struct xr_err *err) {
    (void)err;
    if (bytes.len == 0)
        abort();
    xr_buf_str(ctx, bytes);
    return XR_OK;
}

static enum xr_code on_end(void *ctx, struct xr_err *err) {
    (void)err;
    xr_buf_append(ctx, "\0E", 2);
    return XR_OK;
}

static enum xr_code parse(struct xr_str type, struct xr_str body, size_t piece, struct xr_buf *out) {
    const struct xr_multipart_sink sink = {.begin = on_begin, .data = on_data, .end = on_end, .ctx = out};
    XR_AUTO(xr_multipart_freep) struct xr_multipart *parser = NULL;
    enum xr_code code = xr_multipart_new(type, &sink, &parser, NULL);
    for (size_t at = 0; code == XR_OK && at < body.len; at += piece) {
        size_t n = body.len - at < piece ? body.len - at : piece;
        code = xr_multipart_feed(parser, (struct xr_str){.ptr = body.ptr + at, .len = n}, NULL);
    }
    return code == XR_OK ? xr_multipart_finish(parser, NULL) : code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    if (!newline)
        return 0;
    struct xr_str type = {.ptr = (const char *)data, .len = (size_t)(newline - data)};
    struct xr_str body = {.ptr = (const char *)newline + 1, .len = size - type.len - 1};
    size_t piece = (size_t)data[size - 1] % 37 + 1;
    struct xr_buf whole = xr_buf_make(2 * size + 64), pieces = xr_buf_make(2 * size + 64);
    enum xr_code code = parse(type, body, body.len ? body.len : 1, &whole);
    if (parse(type, body, piece, &pieces) != code)
        abort();
    if (whole.failed || pieces.failed || (code == XR_OK && !xr_str_eq(xr_buf_view(&whole), xr_buf_view(&pieces))))
        abort();
    xr_buf_clear(&whole);
    xr_buf_clear(&pieces);
    return 0;
}
