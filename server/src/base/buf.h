// SPDX-License-Identifier: Apache-2.0
/* base/buf.h - a growing byte buffer with a named cap. Failure is sticky: append freely, look at `failed` once at the
 * end. One thread at a time. */
#pragma once
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xr_buf {
    char *data; /* malloc'd, owned; not NUL-terminated */
    size_t len;
    size_t cap; /* bytes allocated */
    size_t max; /* len never passes this */
    bool failed; /* out of memory or over max: contents are incomplete */
    bool over; /* failed, and the reason is max */
};

struct xr_buf xr_buf_make(size_t max);
void xr_buf_clear(struct xr_buf *buf); /* frees; keeps max, buf may be used again */
void xr_buf_append(struct xr_buf *buf, const void *bytes, size_t n);
void xr_buf_str(struct xr_buf *buf, struct xr_str s);
void xr_buf_char(struct xr_buf *buf, char c);
void xr_buf_printf(struct xr_buf *buf, const char *fmt, ...) XR_PRINTF(2, 3);
/* Makes room for n more bytes and returns where they go (then add to len), NULL on failure. */
char *xr_buf_reserve(struct xr_buf *buf, size_t n);
struct xr_str xr_buf_view(const struct xr_buf *buf);
/* Hands the bytes over: the caller free()s them. The buffer is empty after. NULL if failed. */
char *xr_buf_take(struct xr_buf *buf, size_t *ret_len);
