// SPDX-License-Identifier: Apache-2.0
/* ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20) for finite doubles. The digits are yyjson's: the fewest that
 * read back, and of those the nearest. */
#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 17 digits tell every double apart; zeros may pad them. */
enum { DIGITS_MAX = 17, TEXT_MAX = 48, POOL_BYTES = 512 };

/* Some decimal text of v (v > 0) with those digits: "0.001", "100.0", "1e21", "1.5e-7". */
static void shortest_text(double v, char text[TEXT_MAX]) {
    _Alignas(16) char pool[POOL_BYTES];
    yyjson_alc memory;
    yyjson_val value = {0};
    size_t n = 0;
    yyjson_alc_pool_init(&memory, pool, sizeof pool);
    yyjson_set_real(&value, v);
    const char *written = yyjson_val_write_opts(&value, YYJSON_WRITE_NOFLAG, &memory, &n, NULL);
    /* It cannot fail: the pool is larger than what one number takes. */
    snprintf(text, TEXT_MAX, "%s", written ? written : "0");
}

/* Its digits: v = 0.d1d2d3... * 10^*ret_point. Returns their count. */
static int shortest_digits(double v, char digits[DIGITS_MAX + 1], int *ret_point) {
    char text[TEXT_MAX];
    int count = 0, zeros = 0, point = 0; /* zeros: since the last other digit */
    bool fraction = false;
    const char *p = text;
    shortest_text(v, text);
    for (; *p && *p != 'e'; p++) {
        if (*p == '.') {
            fraction = true;
            continue;
        }
        if (*p == '0') {
            zeros += count > 0;
            point += fraction ? -(count == 0) : count > 0;
            continue;
        }
        for (; zeros > 0 && count < DIGITS_MAX; zeros--)
            digits[count++] = '0';
        if (count < DIGITS_MAX)
            digits[count++] = *p;
        point += !fraction;
    }
    *ret_point = point + (*p == 'e' ? (int)strtol(p + 1, NULL, 10) : 0);
    return count;
}

static char *put(char *to, const char *bytes, int n) {
    memcpy(to, bytes, (size_t)n);
    return to + n;
}

static char *put_zeros(char *to, int n) {
    memset(to, '0', (size_t)n);
    return to + n;
}

size_t xr_number_format(double v, char out[XR_NUMBER_MAX]) {
    char digits[DIGITS_MAX + 1] = {0}, *to = out;
    int point = 0;
    if (v == 0) {
        out[0] = '0';
        return 1;
    }
    if (v < 0)
        *to++ = '-';
    int count = shortest_digits(v < 0 ? -v : v, digits, &point);
    if (count <= point && point <= 21) {
        to = put_zeros(put(to, digits, count), point - count);
    } else if (0 < point && point <= 21) {
        to = put(to, digits, point);
        *to++ = '.';
        to = put(to, digits + point, count - point);
    } else if (-6 < point && point <= 0) {
        to = put_zeros(put(to, "0.", 2), -point);
        to = put(to, digits, count);
    } else {
        *to++ = digits[0];
        if (count > 1) {
            *to++ = '.';
            to = put(to, digits + 1, count - 1);
        }
        to += snprintf(to, 8, "e%+d", point - 1);
    }
    return (size_t)(to - out);
}
