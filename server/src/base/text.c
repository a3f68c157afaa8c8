// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include <stdint.h>
#include <utf8proc.h>

/* One code point of s at *at, which moves on; -1 for an ill-formed sequence (then *at moves one byte). */
static int32_t next_code_point(struct xr_str s, size_t *at) {
    utf8proc_int32_t cp;
    utf8proc_ssize_t left = (utf8proc_ssize_t)(s.len - *at);
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + *at, left, &cp);
    *at += n > 0 ? (size_t)n : 1;
    return n > 0 ? cp : -1;
}

/* The code point that ends before *at, which moves back. s is valid UTF-8. */
static int32_t previous_code_point(struct xr_str s, size_t *at) {
    size_t start = *at;
    do
        start--;
    while (start > 0 && ((unsigned char)s.ptr[start] & 0xC0) == 0x80);
    size_t end = start;
    int32_t cp = next_code_point(s, &end);
    *at = start;
    return cp;
}

/* Where the ASCII that starts at `at` ends. */
static size_t skip_ascii(struct xr_str s, size_t at) {
    for (uint64_t word; s.len - at >= sizeof word; at += sizeof word) {
        memcpy(&word, s.ptr + at, sizeof word);
        if (word & UINT64_C(0x8080808080808080))
            break;
    }
    while (at < s.len && (unsigned char)s.ptr[at] < 0x80)
        at++;
    return at;
}

bool xr_utf8_valid(struct xr_str s) {
    for (size_t at = skip_ascii(s, 0); at < s.len; at = skip_ascii(s, at))
        if (next_code_point(s, &at) < 0)
            return false;
    return true;
}

size_t xr_utf8_first(struct xr_str s) {
    size_t at = 0;
    return s.len > 0 && next_code_point(s, &at) >= 0 ? at : 0;
}

bool xr_text_starts_control(struct xr_str s) {
    size_t at = 0;
    int32_t cp = s.len > 0 ? next_code_point(s, &at) : -1;
    return (cp >= 0 && cp < 0x20) || (cp >= 0x7F && cp < 0xA0);
}

size_t xr_utf16_length(struct xr_str s) {
    size_t units = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        units += (c & 0xC0) != 0x80;
        units += c >= 0xF0;
    }
    return units;
}

/* In UTF-16 a surrogate pair (above U+FFFF) sorts before U+E000..U+FFFF. */
static uint32_t utf16_rank(int32_t cp) {
    uint32_t u = (uint32_t)cp;
    return u >= 0x10000 ? u - 0x10000 + 0xD800 : u >= 0xE000 ? u + 0x110000 : u;
}

int xr_utf16_compare(struct xr_str a, struct xr_str b) {
    size_t i = 0, k = 0;
    while (i < a.len && k < b.len) {
        uint32_t x = utf16_rank(next_code_point(a, &i)), y = utf16_rank(next_code_point(b, &k));
        if (x != y)
            return x < y ? -1 : 1;
    }
    return (i < a.len) - (k < b.len);
}

enum xr_code xr_utf8_repair(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s, struct xr_err *err) {
    char *out = s.len <= SIZE_MAX / 3 - 1 ? xr_arena_alloc(arena, s.len * 3 + 1) : NULL;
    size_t n = 0;
    if (!out)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t at = 0; at < s.len;) {
        size_t start = at;
        if (next_code_point(s, &at) >= 0) {
            memcpy(out + n, s.ptr + start, at - start);
            n += at - start;
        } else {
            memcpy(out + n, "\xEF\xBF\xBD", 3);
            n += 3;
        }
    }
    *ret_s = (struct xr_str){.ptr = out, .len = n};
    return XR_OK;
}

static bool is_cased(int32_t cp) {
    utf8proc_category_t c = utf8proc_category(cp);
    return c == UTF8PROC_CATEGORY_LU || c == UTF8PROC_CATEGORY_LL || c == UTF8PROC_CATEGORY_LT;
}

/* Unicode's Case_Ignorable, as far as general categories and Word_Break's MidLetter tell. */
static bool is_case_ignorable(int32_t cp) {
    switch (utf8proc_category(cp)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_CF:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_SK:
        return true;
    default:
        return cp == '\'' || cp == '.' || cp == ':' || cp == 0xB7 || cp == 0x2018 || cp == 0x2019 || cp == 0x2024 ||
               cp == 0x2027;
    }
}

/* Unicode's Final_Sigma: a cased letter before, none after, case-ignorable ones skipped. */
static bool is_final_sigma(struct xr_str s, size_t start, size_t end) {
    bool before = false;
    while (start > 0) {
        int32_t cp = previous_code_point(s, &start);
        if (!is_case_ignorable(cp)) {
            before = is_cased(cp);
            break;
        }
    }
    while (before && end < s.len) {
        int32_t cp = next_code_point(s, &end);
        if (!is_case_ignorable(cp))
            return !is_cased(cp);
    }
    return before;
}

enum { CAPITAL_SIGMA = 0x3A3, FINAL_SIGMA = 0x3C2, DOTTED_CAPITAL_I = 0x130, LOWER_MAX_BYTES = 4 };

enum xr_code xr_text_lower(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s, struct xr_err *err) {
    /* The longest growth is U+023A (2 bytes) to U+2C65 (3 bytes), and U+0130 (2) to "i" + U+0307 (3). */
    size_t room = s.len + s.len / 2 + LOWER_MAX_BYTES + 1;
    char *out = room > s.len ? xr_arena_alloc(arena, room) : NULL;
    size_t n = 0;
    if (!out)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (size_t at = 0; at < s.len;) {
        size_t start = at;
        int32_t cp = next_code_point(s, &at);
        if (cp < 0)
            return xr_fail(err, XR_INVALID, NULL, "not valid UTF-8");
        if (cp == DOTTED_CAPITAL_I) {
            memcpy(out + n, "i\xCC\x87", 3);
            n += 3;
            continue;
        }
        int32_t low = cp == CAPITAL_SIGMA && is_final_sigma(s, start, at) ? FINAL_SIGMA : utf8proc_tolower(cp);
        n += (size_t)utf8proc_encode_char(low, (utf8proc_uint8_t *)out + n);
    }
    *ret_s = (struct xr_str){.ptr = out, .len = n};
    return XR_OK;
}

static bool is_space(int32_t cp) {
    return (cp >= 9 && cp <= 13) || cp == 0x20 || cp == 0xA0 || cp == 0xFEFF || cp == 0x2028 || cp == 0x2029 ||
           (cp >= 0x80 && utf8proc_category(cp) == UTF8PROC_CATEGORY_ZS);
}

struct xr_str xr_text_trim(struct xr_str s) {
    size_t start = 0, end = s.len;
    if (s.len == 0)
        return s; /* its ptr may be NULL */
    for (size_t at = 0; at < s.len; start = at)
        if (!is_space(next_code_point(s, &at)))
            break;
    for (size_t at = end; at > start; end = at)
        if (!is_space(previous_code_point(s, &at)))
            break;
    return (struct xr_str){.ptr = s.ptr + start, .len = end - start};
}

bool xr_text_contains(struct xr_str hay, struct xr_str needle) {
    return needle.len == 0 || memmem(hay.ptr, hay.len, needle.ptr, needle.len) != NULL;
}
