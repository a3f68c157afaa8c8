// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"
#include <stdint.h>

/* A letter is six bits. */
static const char LETTERS[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void xr_base64_encode(const void *bytes, size_t n, char *out) {
    const uint8_t *p = bytes;
    for (; n >= 3; n -= 3, p += 3, out += 4) {
        out[0] = LETTERS[p[0] >> 2];
        out[1] = LETTERS[(p[0] & 3) << 4 | p[1] >> 4];
        out[2] = LETTERS[(p[1] & 15) << 2 | p[2] >> 6];
        out[3] = LETTERS[p[2] & 63];
    }
    if (n == 0)
        return;
    int second = n == 2 ? p[1] : 0;
    out[0] = LETTERS[p[0] >> 2];
    out[1] = LETTERS[(p[0] & 3) << 4 | second >> 4];
    out[2] = n == 2 ? LETTERS[(second & 15) << 2] : '=';
    out[3] = '=';
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || c == '-')
        return 62;
    return c == '/' || c == '_' ? 63 : -1;
}

/* The letters before the padding; false if that is wrong, or if a last letter is on its own. */
static bool letters_of(struct xr_str text, size_t *ret_n) {
    size_t n = text.len;
    if (n % 4 == 0)
        for (int pad = 0; pad < 2 && n > 0 && text.ptr[n - 1] == '='; pad++)
            n--;
    *ret_n = n;
    return n % 4 != 1;
}

bool xr_base64_decode(struct xr_str text, void *out, size_t *ret_n) {
    uint8_t *to = out;
    uint32_t bits = 0;
    int held = 0; /* bits that make no byte yet */
    size_t n;
    if (!letters_of(text, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        int value = value_of(text.ptr[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held >= 8) {
            held -= 8;
            *to++ = (uint8_t)(bits >> held);
        }
    }
    *ret_n = (size_t)(to - (uint8_t *)out);
    return true;
}

bool xr_base64_normalise(struct xr_str text, char *out, size_t *ret_len) {
    size_t n, len;
    if (!letters_of(text, &n))
        return false;
    for (size_t i = 0; i < n; i++) {
        int value = value_of(text.ptr[i]);
        if (value < 0)
            return false;
        /* Of the last letter, the bits behind the last byte. */
        if (i + 1 == n && n % 4 != 0)
            value &= n % 4 == 2 ? ~15 : ~3;
        out[i] = LETTERS[value];
    }
    for (len = n; len % 4 != 0; len++)
        out[len] = '=';
    *ret_len = len;
    return true;
}
