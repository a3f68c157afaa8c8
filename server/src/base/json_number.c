// SPDX-License-Identifier: Apache-2.0
/* ECMAScript's Number::toString (ECMA-262, 6.1.6.1.20) for finite doubles. */
#include "base/json.h"
#include <float.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 17 digits tell every double apart; 15 survive the way to a double and back. */
enum { DIGITS_MAX = 17, TRUSTED_DIGITS = 15 };

static bool reads_back(double v, int precision, char text[XR_NUMBER_MAX]) {
    snprintf(text, XR_NUMBER_MAX, "%.*e", precision, v);
    return strtod(text, NULL) == v;
}

/* The 16-digit decimal just above the nearest one, if that reads back. At a power of two the doubles below are twice as
 * dense as those above, so the nearest 16 digits may fall just short while the next do not. */
static bool upper_neighbour_reads_back(double v, char text[XR_NUMBER_MAX]) {
    char up[XR_NUMBER_MAX];
    snprintf(up, sizeof up, "%.15e", v);
    char *digit = strchr(up, 'e') - 1;
    while (digit > up && (*digit == '9' || *digit == '.')) {
        if (*digit == '9')
            *digit = '0';
        digit--;
    }
    if (*digit == '9' || strtod(up, NULL) > v * 2)
        return false; /* all nines: 10.000... has fewer digits and was tried before */
    ++*digit;
    if (strtod(up, NULL) != v)
        return false;
    memcpy(text, up, sizeof up);
    return true;
}

/* The shortest decimal text of v (v > 0) that reads back as v. */
static void shortest_text(double v, char text[XR_NUMBER_MAX]) {
    /* Fewer digits than these round-trip every normal double that needs no more; trailing zeros go later. */
    if (v >= DBL_MIN && reads_back(v, TRUSTED_DIGITS - 1, text))
        return;
    int from = v >= DBL_MIN ? TRUSTED_DIGITS : 0;
    for (int precision = from; precision < DIGITS_MAX - 1; precision++)
        if (reads_back(v, precision, text))
            return;
    if (!upper_neighbour_reads_back(v, text))
        snprintf(text, XR_NUMBER_MAX, "%.*e", DIGITS_MAX - 1, v);
}

/* Its digits: v = 0.d1d2d3... * 10^*ret_point. Returns their count. */
static int shortest_digits(double v, char digits[DIGITS_MAX + 1], int *ret_point) {
    char text[XR_NUMBER_MAX];
    int count = 0;
    const char *p = text;
    shortest_text(v, text);
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
