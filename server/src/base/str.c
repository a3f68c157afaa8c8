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

/* A digit's value plus 1; 0 for what is none. A table, because a branch on each random digit is guessed wrong. */
static const uint8_t DIGIT_VALUES[256] = {
    ['0'] = 1,  ['1'] = 2,  ['2'] = 3,  ['3'] = 4,  ['4'] = 5,  ['5'] = 6,  ['6'] = 7,  ['7'] = 8,
    ['8'] = 9,  ['9'] = 10, ['a'] = 11, ['b'] = 12, ['c'] = 13, ['d'] = 14, ['e'] = 15, ['f'] = 16,
    ['A'] = 11, ['B'] = 12, ['C'] = 13, ['D'] = 14, ['E'] = 15, ['F'] = 16,
};

static unsigned digit_value(char c) {
    return DIGIT_VALUES[(unsigned char)c];
}

bool xr_hex_decode(struct xr_str hex, void *out, size_t n) {
    uint8_t *p = out;
    if (hex.len != 2 * n)
        return false;
    for (size_t i = 0; i < hex.len; i++)
        if (digit_value(hex.ptr[i]) == 0)
            return false;
    for (size_t i = 0; i < n; i++)
        p[i] = (uint8_t)((digit_value(hex.ptr[2 * i]) - 1) * 16 + digit_value(hex.ptr[2 * i + 1]) - 1);
    return true;
}
