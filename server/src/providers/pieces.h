// SPDX-License-Identifier: Apache-2.0
/* providers/pieces.h - between words.c, which cuts a text into pieces, and numbers.c, which reads numbers and clock
 * times from them. */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>

/* A run of letters (with inner apostrophes) or of digits ("1,000" is one). */
struct xr_piece {
    struct xr_str text; /* lower case; a view of the whole text */
    char joint; /* what separates it from the piece before: 0 nothing, the one character, ' ' for more */
    bool is_number;
    bool is_money; /* "$" stands before it */
};
struct xr_pieces {
    const struct xr_piece *items;
    size_t count;
};

enum { XR_NUMBER_DIGITS_MAX = 64 };
/* A number, or several that follow one another ("four seven two" is "472"). */
struct xr_number {
    char digits[XR_NUMBER_DIGITS_MAX]; /* no leading zeros */
    size_t len;
    char alt[8]; /* a clock time on the 24-hour clock, as the 12-hour clock has it; alt_len 0: none */
    size_t alt_len;
    bool is_afternoon; /* alt is p.m. */
};
/* Reads at piece `at`; false if no number starts there. ret_next: the piece after it. */
bool xr_number_read(const struct xr_pieces *pieces, size_t at, struct xr_number *ret_number, size_t *ret_next);
