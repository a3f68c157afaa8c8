// SPDX-License-Identifier: Apache-2.0
/* ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20) for finite doubles. */
#include "base/json.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIGITS_MAX = 17 };

/* The shortest decimal digits that read back as v (v > 0): v = 0.d1d2d3... * 10^*ret_point. Returns their count. */
static int shortest_digits(double v, char digits[DIGITS_MAX + 1], int *ret_point) {
    char text[XR_NUMBER_MAX];
    for (int precision = 0; precision < DIGITS_MAX; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, v);
        if (strtod(text, NULL) == v)
            break;
    }
    int count = 0;
    const char *p = text;
    for (; *p != 'e'; p++)
        if (*p != '.')
            digits[count++] = *p;
    while (count > 1 && digits[count - 1] == '0')
        count--;
    *ret_point = (int)strtol(p + 1, NULL, 10) + 1;
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
    char digits[DIGITS_MAX + 1], *to = out;
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
