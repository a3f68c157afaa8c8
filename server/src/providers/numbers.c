// SPDX-License-Identifier: Apache-2.0
#include "providers/pieces.h"
#include <stdint.h>
#include <stdio.h>

/* UNIT: 1..9; TEEN: what nothing is added to, 0 and 10..19; TENS: 20..90. Ordinals are worth the same: people say
 * "June tenth" for "June 10". */
enum kind { UNIT, TEEN, TENS, HUNDRED, SCALE };
static const struct number_word {
    const char *text;
    enum kind kind;
    uint32_t value;
} WORDS[] = {
    {"zero", TEEN, 0},           {"one", UNIT, 1},          {"first", UNIT, 1},          {"two", UNIT, 2},
    {"second", UNIT, 2},         {"three", UNIT, 3},        {"third", UNIT, 3},          {"four", UNIT, 4},
    {"fourth", UNIT, 4},         {"five", UNIT, 5},         {"fifth", UNIT, 5},          {"six", UNIT, 6},
    {"sixth", UNIT, 6},          {"seven", UNIT, 7},        {"seventh", UNIT, 7},        {"eight", UNIT, 8},
    {"eighth", UNIT, 8},         {"nine", UNIT, 9},         {"ninth", UNIT, 9},          {"ten", TEEN, 10},
    {"tenth", TEEN, 10},         {"eleven", TEEN, 11},      {"eleventh", TEEN, 11},      {"twelve", TEEN, 12},
    {"twelfth", TEEN, 12},       {"thirteen", TEEN, 13},    {"thirteenth", TEEN, 13},    {"fourteen", TEEN, 14},
    {"fourteenth", TEEN, 14},    {"fifteen", TEEN, 15},     {"fifteenth", TEEN, 15},     {"sixteen", TEEN, 16},
    {"sixteenth", TEEN, 16},     {"seventeen", TEEN, 17},   {"seventeenth", TEEN, 17},   {"eighteen", TEEN, 18},
    {"eighteenth", TEEN, 18},    {"nineteen", TEEN, 19},    {"nineteenth", TEEN, 19},    {"twenty", TENS, 20},
    {"twentieth", TENS, 20},     {"thirty", TENS, 30},      {"thirtieth", TENS, 30},     {"forty", TENS, 40},
    {"fortieth", TENS, 40},      {"fifty", TENS, 50},       {"fiftieth", TENS, 50},      {"sixty", TENS, 60},
    {"sixtieth", TENS, 60},      {"seventy", TENS, 70},     {"seventieth", TENS, 70},    {"eighty", TENS, 80},
    {"eightieth", TENS, 80},     {"ninety", TENS, 90},      {"ninetieth", TENS, 90},     {"hundred", HUNDRED, 100},
    {"hundredth", HUNDRED, 100}, {"thousand", SCALE, 1000}, {"million", SCALE, 1000000}, {"billion", SCALE, 1000000000},
};
enum { WORD_COUNT = sizeof WORDS / sizeof *WORDS, VALUE_DIGITS_MAX = 6, TEXT_MAX = 24 };

/* Reading position; past the end pieces are empty, which matches nothing. */
struct reader {
    const struct xr_pieces *pieces;
    size_t at;
};

static const struct xr_piece *peek(const struct reader *r, size_t ahead) {
    static const struct xr_piece END = {.joint = ' '};
    return r->at + ahead < r->pieces->count ? &r->pieces->items[r->at + ahead] : &END;
}

static bool is_text(const struct xr_piece *piece, const char *text) {
    return xr_str_eq(piece->text, xr_str_from(text));
}

static bool is_any(const struct xr_piece *piece, const char *const *texts, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (is_text(piece, texts[i]))
            return true;
    return false;
}
#define IS_ANY(piece, ...)                                                                                             \
    is_any((piece), (const char *const[]){__VA_ARGS__}, sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static const struct number_word *word_of(const struct xr_piece *piece) {
    for (size_t i = 0; i < WORD_COUNT; i++)
        if (is_text(piece, WORDS[i].text))
            return &WORDS[i];
    return NULL;
}

static uint64_t value_of(struct xr_str digits) {
    uint64_t value = 0;
    for (size_t i = 0; i < digits.len; i++)
        if (digits.ptr[i] != ',')
            value = value * 10 + (uint64_t)(digits.ptr[i] - '0');
    return value;
}

/* The suffix of "21st", which carries nothing. */
static void skip_suffix(struct reader *r) {
    const struct xr_piece *next = peek(r, 0);
    if (next->joint == 0 && IS_ANY(next, "st", "nd", "rd", "th"))
        r->at++;
}

/* 0..99 in words, or digits. */
static bool read_small(struct reader *r, uint64_t *ret_value) {
    const struct xr_piece *piece = peek(r, 0);
    if (piece->is_number && piece->text.len <= VALUE_DIGITS_MAX) {
        *ret_value = value_of(piece->text);
        r->at++;
        skip_suffix(r);
        return true;
    }
    const struct number_word *word = word_of(piece);
    if (!word || word->kind > TENS)
        return false;
    *ret_value = word->value;
    r->at++;
    const struct number_word *unit = word->kind == TENS ? word_of(peek(r, 0)) : NULL;
    if (unit && unit->kind == UNIT) {
        *ret_value += unit->value;
        r->at++;
    }
    return true;
}

static void add_small(struct reader *r, uint64_t *value) {
    struct reader ahead = *r;
    uint64_t small;
    if (is_text(peek(&ahead, 0), "and"))
        ahead.at++;
    if (peek(&ahead, 0)->is_number || !read_small(&ahead, &small))
        return;
    *value += small;
    *r = ahead;
}

/* Hundreds and scales after a first value: "two hundred and five", "twenty six thousand forty". Scales only fall, and a
 * group is below a million, so nothing overflows. */
static bool read_scales(struct reader *r, uint64_t *value) {
    uint64_t total = 0, group = *value, last_scale = UINT64_MAX;
    bool any = false;
    for (;;) {
        const struct number_word *word = word_of(peek(r, 0));
        if (word && word->kind == HUNDRED && group > 0 && group < 100)
            group *= 100;
        else if (word && word->kind == SCALE && group > 0 && group < 1000000 && word->value < last_scale) {
            total += group * word->value;
            group = 0;
            last_scale = word->value;
        } else
            break;
        r->at++;
        any = true;
        add_small(r, &group);
    }
    *value = total + group;
    return any;
}

/* --- one after another --- */

static void append(struct xr_number *number, struct xr_str text) {
    for (size_t i = 0; i < text.len && number->len < XR_NUMBER_DIGITS_MAX; i++)
        if (text.ptr[i] != ',')
            number->digits[number->len++] = text.ptr[i];
}

static void append_value(struct xr_number *number, uint64_t value) {
    char text[TEXT_MAX];
    int n = snprintf(text, sizeof text, "%llu", (unsigned long long)value);
    append(number, (struct xr_str){.ptr = text, .len = (size_t)n});
}

/* "7:30": full hours are only the hour, as they are said. */
static bool read_clock(struct reader *r, struct xr_number *number) {
    const struct xr_piece *hour = peek(r, 0), *minute = peek(r, 1);
    if (!hour->is_number || !minute->is_number || minute->joint != ':' || hour->text.len > 2 || minute->text.len != 2 ||
        value_of(hour->text) > 24 || value_of(minute->text) > 59)
        return false;
    uint64_t h = value_of(hour->text);
    bool full = value_of(minute->text) == 0;
    struct xr_str minutes = full ? (struct xr_str){0} : minute->text;
    if (number->len == 0 && (h == 0 || h > 12)) {
        int n =
            snprintf(number->alt, sizeof number->alt, "%u%.*s", (unsigned)(h == 0 ? 12 : h - 12), XR_STR_ARG(minutes));
        number->alt_len = (size_t)n;
        number->is_afternoon = h > 12 && h < 24;
    }
    append_value(number, h);
    append(number, minutes);
    r->at += 2;
    return true;
}

/* "half past seven", "quarter to eight". */
static bool read_spoken_clock(struct reader *r, struct xr_number *number) {
    bool half = is_text(peek(r, 0), "half"), before = IS_ANY(peek(r, 1), "to", "of");
    uint64_t hour;
    struct reader ahead = {.pieces = r->pieces, .at = r->at + 2};
    if ((!half && !is_text(peek(r, 0), "quarter")) || (!before && !IS_ANY(peek(r, 1), "past", "after")) ||
        (half && before) || !read_small(&ahead, &hour) || hour < 1 || hour > 12)
        return false;
    if (before)
        hour = hour == 1 ? 12 : hour - 1;
    append_value(number, hour);
    append_value(number, half ? 30 : before ? 45 : 15);
    *r = ahead;
    return true;
}

/* "a hundred", and a bare "thousand". */
static bool read_one_of(struct reader *r, uint64_t *ret_value) {
    struct reader ahead = *r;
    if (IS_ANY(peek(&ahead, 0), "a", "an"))
        ahead.at++;
    const struct number_word *word = word_of(peek(&ahead, 0));
    if (!word || word->kind < HUNDRED)
        return false;
    *ret_value = 1;
    *r = ahead;
    return true;
}

static bool read_value(struct reader *r, struct xr_number *number) {
    const struct xr_piece *piece = peek(r, 0);
    struct reader ahead = *r;
    uint64_t value;
    if (!read_small(&ahead, &value) && !read_one_of(&ahead, &value)) {
        if (!piece->is_number)
            return false;
        append(number, piece->text); /* longer than a value: a card or an order number */
        r->at++;
        return true;
    }
    bool scaled = read_scales(&ahead, &value);
    if (piece->is_number && !scaled)
        append(number, piece->text); /* as written: "05" keeps its zero inside "7 05" */
    else
        append_value(number, value);
    *r = ahead;
    return true;
}

static bool starts_number(const struct reader *r) {
    const struct number_word *word = word_of(peek(r, 0));
    return peek(r, 0)->is_number || (word && word->kind <= TENS);
}

/* What may stand between two numbers that are said as one: "seven oh five", "three point five". */
static void read_link(struct reader *r, struct xr_number *number) {
    struct reader ahead = {.pieces = r->pieces, .at = r->at + 1};
    bool is_zero = IS_ANY(peek(r, 0), "oh", "o");
    if ((!is_zero && !is_text(peek(r, 0), "point")) || !starts_number(&ahead))
        return;
    if (is_zero)
        append(number, XR_STR("0"));
    r->at++;
}

static void strip_zeros(struct xr_number *number) {
    size_t zeros = 0;
    while (zeros + 1 < number->len && number->digits[zeros] == '0')
        zeros++;
    memmove(number->digits, number->digits + zeros, number->len - zeros);
    number->len -= zeros;
}

bool xr_number_read(const struct xr_pieces *pieces, size_t at, struct xr_number *ret_number, size_t *ret_next) {
    struct reader r = {.pieces = pieces, .at = at};
    struct xr_number number = {0};
    while (number.len < XR_NUMBER_DIGITS_MAX) {
        size_t parts = r.at;
        /* An amount of money stands by itself: its cents are read apart. */
        if (r.at > at && (peek(&r, 0)->is_money || pieces->items[at].is_money))
            break;
        if (!read_clock(&r, &number) && !read_spoken_clock(&r, &number) && !read_value(&r, &number))
            break;
        if (parts > at)
            number.alt_len = 0; /* more than a clock time */
        read_link(&r, &number);
    }
    if (number.len == 0)
        return false;
    if (is_text(peek(&r, 0), "o'clock"))
        r.at++;
    strip_zeros(&number);
    *ret_number = number;
    *ret_next = r.at;
    return true;
}
