// SPDX-License-Identifier: Apache-2.0
/* base/str.h - length-carried strings. A struct xr_str never owns its bytes, may hold NUL bytes, and is not
 * NUL-terminated. ptr may be NULL only when len is 0. Pure; any thread. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct xr_str {
    const char *ptr;
    size_t len;
};

/* From a string literal, without counting at run time. */
#define XR_STR(literal) ((struct xr_str){.ptr = (literal), .len = sizeof(literal) - 1})
/* For printf's "%.*s". The caller knows that len fits an int. */
#define XR_STR_ARG(s) ((int)(s).len), ((s).ptr)

static inline struct xr_str xr_str_from(const char *z) {
    return (struct xr_str){.ptr = z, .len = z ? strlen(z) : 0};
}

static inline bool xr_str_eq(struct xr_str a, struct xr_str b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

/* Lower-case hex of n bytes into out, which has room for 2 * n + 1 bytes. */
void xr_hex_encode(const void *bytes, size_t n, char *out);
/* 2 * n hex digits (either case) into n bytes; false if hex is not exactly that. */
bool xr_hex_decode(struct xr_str hex, void *out, size_t n);
