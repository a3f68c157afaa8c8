// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include <stdint.h>
#include <utf8proc.h>

/* Letters and marks that Unicode's compatibility decomposition leaves alone. Sorted by code point. */
static const struct near_form {
    int32_t cp;
    const char *ascii;
} NEAR[] = {
    {0xA3, " pounds "}, {0xB0, " degrees "}, {0xC6, "AE"},        {0xD0, "D"},    {0xD8, "O"},    {0xDE, "Th"},
    {0xDF, "ss"},       {0xE6, "ae"},        {0xF0, "d"},         {0xF8, "o"},    {0xFE, "th"},   {0x110, "D"},
    {0x111, "d"},       {0x131, "i"},        {0x141, "L"},        {0x142, "l"},   {0x152, "OE"},  {0x153, "oe"},
    {0x2010, "-"},      {0x2011, "-"},       {0x2012, "-"},       {0x2013, "-"},  {0x2014, ", "}, {0x2015, ", "},
    {0x2018, "'"},      {0x2019, "'"},       {0x201A, "'"},       {0x201B, "'"},  {0x201C, "\""}, {0x201D, "\""},
    {0x201E, "\""},     {0x2044, "/"},       {0x20AC, " euros "}, {0x2212, " -"},
};
enum { NEAR_COUNT = sizeof NEAR / sizeof *NEAR, NEAR_MAX_BYTES = 9, DECOMPOSED_MAX = 32 };

static const char *near_form(int32_t cp) {
    size_t low = 0, high = NEAR_COUNT;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (NEAR[mid].cp == cp)
            return NEAR[mid].ascii;
        if (NEAR[mid].cp < cp)
            low = mid + 1;
        else
            high = mid;
    }
    return NULL;
}

static bool is_mark(int32_t cp) {
    utf8proc_category_t c = utf8proc_category(cp);
    return c == UTF8PROC_CATEGORY_MN || c == UTF8PROC_CATEGORY_ME || c == UTF8PROC_CATEGORY_CF;
}

/* Writes what stands for a code point that is already decomposed; 0 bytes for a mark. */
static size_t put(char *out, int32_t cp) {
    if (cp >= 0x20 && cp < 0x7f) {
        *out = (char)cp;
        return 1;
    }
    const char *ascii = near_form(cp);
    if (!ascii && is_mark(cp))
        return 0;
    if (!ascii)
        ascii = " ";
    size_t n = 0;
    for (; ascii[n]; n++)
        out[n] = ascii[n];
    return n;
}

/* out has room for DECOMPOSED_MAX near forms. */
static size_t put_decomposed(char *out, int32_t cp) {
    utf8proc_int32_t parts[DECOMPOSED_MAX];
    int boundary = 0;
    utf8proc_ssize_t count = 0;
    if (cp >= 0 && !near_form(cp)) /* NOLINTNEXTLINE(clang-analyzer-optin.core.EnumCastOutOfRange): flags are or-ed */
        count = utf8proc_decompose_char(cp, parts, DECOMPOSED_MAX, UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT, &boundary);
    if (count <= 0 || count > DECOMPOSED_MAX)
        return put(out, cp);
    size_t n = 0;
    for (utf8proc_ssize_t i = 0; i < count; i++)
        n += put(out + n, parts[i]);
    return n;
}

/* Walks s; with out == NULL it only counts. */
static size_t convert(struct xr_str s, char *out) {
    char scratch[DECOMPOSED_MAX * NEAR_MAX_BYTES];
    size_t n = 0;
    for (size_t at = 0; at < s.len;) {
        utf8proc_int32_t cp = -1;
        utf8proc_ssize_t used =
            utf8proc_iterate((const utf8proc_uint8_t *)s.ptr + at, (utf8proc_ssize_t)(s.len - at), &cp);
        at += used > 0 ? (size_t)used : 1;
        size_t m = put_decomposed(scratch, used > 0 ? cp : -1);
        if (out)
            memcpy(out + n, scratch, m);
        n += m;
    }
    return n;
}

enum xr_code xr_text_ascii(struct xr_arena *arena, struct xr_str s, struct xr_str *ret_s, struct xr_err *err) {
    size_t n = convert(s, NULL);
    char *out = xr_arena_alloc(arena, n + 1);
    if (!out)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    convert(s, out);
    *ret_s = (struct xr_str){.ptr = out, .len = n};
    return XR_OK;
}
