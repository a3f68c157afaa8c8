// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP = 512 };

struct xr_buf xr_buf_make(size_t max) {
    return (struct xr_buf){.max = max};
}

void xr_buf_clear(struct xr_buf *buf) {
    free(buf->data);
    *buf = xr_buf_make(buf->max);
}

char *xr_buf_reserve(struct xr_buf *buf, size_t n) {
    if (buf->failed)
        return NULL;
    if (n > buf->max - buf->len) {
        buf->failed = buf->over = true;
        return NULL;
    }
    size_t need = buf->len + n;
    if (need > buf->cap) {
        size_t cap = buf->cap ? buf->cap : FIRST_CAP;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        char *data = realloc(buf->data, cap);
        if (!data) {
            buf->failed = true;
            return NULL;
        }
        buf->data = data;
        buf->cap = cap;
    }
    return buf->data + buf->len;
}

void xr_buf_append(struct xr_buf *buf, const void *bytes, size_t n) {
    char *to = n ? xr_buf_reserve(buf, n) : NULL;
    if (!to)
        return;
    memcpy(to, bytes, n);
    buf->len += n;
}

void xr_buf_str(struct xr_buf *buf, struct xr_str s) {
    xr_buf_append(buf, s.ptr, s.len);
}

void xr_buf_char(struct xr_buf *buf, char c) {
    xr_buf_append(buf, &c, 1);
}

void xr_buf_printf(struct xr_buf *buf, const char *fmt, ...) {
    va_list args, again;
    va_start(args, fmt);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    char *to = n < 0 ? NULL : xr_buf_reserve(buf, (size_t)n + 1);
    if (to) {
        vsnprintf(to, (size_t)n + 1, fmt, again);
        buf->len += (size_t)n;
    } else {
        buf->failed = true;
    }
    va_end(again);
}

struct xr_str xr_buf_view(const struct xr_buf *buf) {
    return (struct xr_str){.ptr = buf->data, .len = buf->len};
}

char *xr_buf_take(struct xr_buf *buf, size_t *ret_len) {
    if (buf->failed)
        return NULL;
    char *data = buf->data ? buf->data : malloc(1);
    if (!data)
        return NULL;
    *ret_len = buf->len;
    *buf = xr_buf_make(buf->max);
    return data;
}
