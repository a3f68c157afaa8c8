// SPDX-License-Identifier: Apache-2.0
/* base/base64.h - RFC 4648: the standard and the URL-safe alphabet, with or without padding. Pure; any thread. */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

/* Letters that n bytes take, padding included; n must be at most SIZE_MAX / 2. */
static inline size_t xr_base64_length(size_t n) {
    return (n + 2) / 3 * 4;
}

/* The standard alphabet, padded: xr_base64_length(n) letters into out, without a NUL. */
void xr_base64_encode(const void *bytes, size_t n, char *out);
/* out has room for text.len / 4 * 3 + 2 bytes. It may be text's own first byte, or lie before it in the same memory:
 * what is written never passes what was read. Bits behind the last byte are not looked at. False if text is not base64;
 * out may have been written to then. */
bool xr_base64_decode(struct xr_str text, void *out, size_t *ret_n);
/* The same bytes in the standard alphabet, padded; out has room for text.len + 2 letters. False as above. */
bool xr_base64_normalise(struct xr_str text, char *out, size_t *ret_len);
