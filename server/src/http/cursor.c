// SPDX-License-Identifier: Apache-2.0
#include "http/cursor.h"
#include "base/sha256.h"

enum { CHECK_SIZE = 5, PAYLOAD_SIZE = XR_CURSOR_SIZE - CHECK_SIZE };

static const char ALPHABET[64] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void put_check(uint8_t bytes[XR_CURSOR_SIZE]) {
    uint8_t hash[XR_SHA256_SIZE];
    xr_sha256_of(bytes, PAYLOAD_SIZE, hash);
    memcpy(bytes + PAYLOAD_SIZE, hash, CHECK_SIZE);
}

void xr_cursor_encode(enum xr_cursor_kind kind, const struct xr_cursor *cursor, char out[XR_CURSOR_TEXT + 1]) {
    uint8_t bytes[XR_CURSOR_SIZE] = {(uint8_t)kind};
    for (size_t i = 0; i < XR_CURSOR_VALUES; i++)
        for (size_t k = 0; k < 8; k++)
            bytes[1 + 8 * i + k] = (uint8_t)((uint64_t)cursor->values[i] >> (56 - 8 * k));
    put_check(bytes);
    for (size_t i = 0; i < XR_CURSOR_SIZE; i += 3) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (size_t k = 0; k < 4; k++)
            *out++ = ALPHABET[group >> (18 - 6 * k) & 63];
    }
    *out = '\0';
}

/* One group of four letters; false if one is none of the alphabet's. */
static bool decode_group(const char *text, uint8_t out[3]) {
    uint32_t group = 0;
    for (size_t k = 0; k < 4; k++) {
        const char *at = memchr(ALPHABET, text[k], sizeof ALPHABET);
        if (!at)
            return false;
        group = group << 6 | (uint32_t)(at - ALPHABET);
    }
    out[0] = (uint8_t)(group >> 16);
    out[1] = (uint8_t)(group >> 8);
    out[2] = (uint8_t)group;
    return true;
}

static int64_t get_value(const uint8_t *p) {
    uint64_t v = 0;
    for (size_t k = 0; k < 8; k++)
        v = v << 8 | p[k];
    return (int64_t)v;
}

bool xr_cursor_decode(enum xr_cursor_kind kind, struct xr_str text, struct xr_cursor *ret_cursor) {
    uint8_t bytes[XR_CURSOR_SIZE], check[CHECK_SIZE];
    if (text.len != XR_CURSOR_TEXT)
        return false;
    for (size_t i = 0; i < XR_CURSOR_SIZE / 3; i++)
        if (!decode_group(text.ptr + 4 * i, bytes + 3 * i))
            return false;
    memcpy(check, bytes + PAYLOAD_SIZE, CHECK_SIZE);
    put_check(bytes);
    if (bytes[0] != kind || memcmp(check, bytes + PAYLOAD_SIZE, CHECK_SIZE) != 0)
        return false;
    for (size_t i = 0; i < XR_CURSOR_VALUES; i++)
        ret_cursor->values[i] = get_value(bytes + 1 + 8 * i);
    return true;
}
