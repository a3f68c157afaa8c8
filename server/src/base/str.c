// SPDX-License-Identifier: Apache-2.0
#include "base/str.h"
#include <stdint.h>

void xr_hex_encode(const void *bytes, size_t n, char *out) {
    static const char DIGITS[] = "0123456789abcdef";
    const uint8_t *p = bytes;
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = DIGITS[p[i] >> 4];
        out[2 * i + 1] = DIGITS[p[i] & 15];
    }
    out[2 * n] = '\0';
}

static int digit_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

bool xr_hex_decode(struct xr_str hex, void *out, size_t n) {
    uint8_t *p = out;
    if (hex.len != 2 * n)
        return false;
    for (size_t i = 0; i < hex.len; i++)
        if (digit_value(hex.ptr[i]) < 0)
            return false;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)(digit_value(hex.ptr[2 * i]) * 16 + digit_value(hex.ptr[2 * i + 1]));
    return true;
}
