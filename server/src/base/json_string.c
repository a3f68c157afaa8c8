// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

/* Eight bytes at once: what looks at each byte of a word by itself sets the byte's top bit when it is one to stop at.
 * A borrow or a carry can only mark bytes that follow one that is rightly marked, so the first mark is always right. */
#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))
#define TOPS EACH(0x80)
enum { WORD = sizeof(uint64_t) };

static uint64_t below(uint64_t word, uint64_t bound) {
    return (word - EACH(bound)) & ~word;
}

static uint64_t equal(uint64_t word, uint64_t byte) {
    return below(word ^ EACH(byte), 1);
}

/* RESPONSE stops at the lead bytes of U+0085 and of U+2028, U+2029, and passes other text in any script. */
static uint64_t stops_in(uint64_t word, enum xr_json_style style) {
    uint64_t stops = below(word, 0x20) | equal(word, '"') | equal(word, '\\') | equal(word, 0x7F);
    stops |= style == XR_JSON_ASCII ? word : equal(word, 0xC2) | equal(word, 0xE2);
    return stops & TOPS;
}

static bool stops_at(unsigned char c, enum xr_json_style style) {
    if (c < 0x80)
        return c < 0x20 || c == '"' || c == '\\' || c == 0x7F;
    return style == XR_JSON_ASCII || c == 0xC2 || c == 0xE2;
}

/* Which byte of the word is the first in memory that stops has a mark of. */
static size_t first_of(uint64_t stops) {
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    return (size_t)__builtin_clzll(stops) / 8;
#else
    return (size_t)__builtin_ctzll(stops) / 8;
#endif
}

static char *write_unit(char *out, unsigned unit) {
    static const char HEX[] = "0123456789abcdef";
    const char text[6] = {'\\', 'u', HEX[unit >> 12 & 15], HEX[unit >> 8 & 15], HEX[unit >> 4 & 15], HEX[unit & 15]};
    memcpy(out, text, sizeof text);
    return out + sizeof text;
}

static char *write_code_point(char *out, unsigned cp) {
    static const char SHORT[128] = {
        ['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r', ['"'] = '"', ['\\'] = '\\'};
    if (cp < sizeof SHORT && SHORT[cp]) {
        out[0] = '\\';
        out[1] = SHORT[cp];
        return out + 2;
    }
    if (cp < 0x10000)
        return write_unit(out, cp);
    out = write_unit(out, 0xD800 + ((cp - 0x10000) >> 10));
    return write_unit(out, 0xDC00 + ((cp - 0x10000) & 0x3FF));
}

/* Length of the sequence that starts with this lead byte of valid UTF-8. */
static size_t sequence_length(unsigned char lead) {
    return lead < 0x80 ? 1 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
}

static unsigned decode(const unsigned char *p, size_t n) {
    static const unsigned char MASKS[] = {0, 0x7F, 0x1F, 0x0F, 0x07};
    unsigned cp = p[0] & MASKS[n];
    for (size_t i = 1; i < n; i++)
        cp = cp << 6 | (p[i] & 0x3F);
    return cp;
}

/* The code point at p, where scanning has stopped; returns how many of the n bytes it is. */
static size_t write_stopped(char **out, const unsigned char *p, size_t n, enum xr_json_style style) {
    if (p[0] < 0x80) {
        *out = write_code_point(*out, p[0]);
        return 1;
    }
    size_t length = sequence_length(p[0]);
    if (length > n)
        length = n;
    unsigned cp = decode(p, length);
    if (style == XR_JSON_ASCII || cp == 0x85 || cp == 0x2028 || cp == 0x2029) {
        *out = write_code_point(*out, cp);
    } else {
        memcpy(*out, p, length);
        *out += length;
    }
    return length;
}

size_t xr_json_escape(struct xr_str s, enum xr_json_style style, char *out) {
    const unsigned char *p = (const unsigned char *)s.ptr, *end = p + s.len;
    char *start = out;
    while (p < end) {
        if (end - p >= WORD) {
            uint64_t word, stops;
            memcpy(&word, p, WORD);
            memcpy(out, p, WORD); /* what is behind a stop will be written over */
            stops = stops_in(word, style);
            size_t plain = stops ? first_of(stops) : WORD;
            p += plain;
            out += plain;
            if (!stops)
                continue;
        } else if (!stops_at(*p, style)) {
            *out++ = (char)*p++;
            continue;
        }
        p += write_stopped(&out, p, (size_t)(end - p), style);
    }
    return (size_t)(out - start);
}
