// SPDX-License-Identifier: Apache-2.0
/* The writer's strings and numbers beside plain implementations of the same rules. */
#include "base/json.h"
#include "base/test.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 4096, ROUNDS = 4000 };

static uint64_t next_random(uint64_t *state, uint64_t below) {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state % below;
}

/* One code point of valid UTF-8: its value and length. */
static unsigned code_point(const char *text, size_t *ret_length) {
    const unsigned char *p = (const unsigned char *)text;
    size_t n = p[0] < 0x80 ? 1 : p[0] < 0xE0 ? 2 : p[0] < 0xF0 ? 3 : 4;
    unsigned cp = n == 1 ? p[0] : p[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++)
        cp = cp << 6 | (p[i] & 0x3F);
    *ret_length = n;
    return cp;
}

static void write_plainly(struct xr_buf *buf, const char *text, unsigned cp, size_t n, enum xr_json_style style) {
    static const char SHORT[] = "\b\t\n\f\r\"\\", LETTERS[] = "btnfr\"\\";
    const char *found = cp ? strchr(SHORT, cp < 0x80 ? (int)cp : 1) : NULL;
    if (found)
        xr_buf_printf(buf, "\\%c", LETTERS[found - SHORT]);
    else if (cp >= 0x10000 && style == XR_JSON_ASCII)
        xr_buf_printf(buf, "\\u%04x\\u%04x", 0xD800 + ((cp - 0x10000) >> 10), 0xDC00 + ((cp - 0x10000) & 0x3FF));
    else if (cp < 0x20 || cp == 0x7F || cp == 0x85 || cp == 0x2028 || cp == 0x2029 ||
             (cp > 0x7F && style == XR_JSON_ASCII))
        xr_buf_printf(buf, "\\u%04x", cp);
    else
        xr_buf_append(buf, text, n);
}

static struct xr_buf plainly(struct xr_str s, enum xr_json_style style) {
    struct xr_buf buf = xr_buf_make(XR_JSON_ESCAPE_MAX * TEXT_MAX + 2);
    xr_buf_char(&buf, '"');
    for (size_t i = 0, n; i < s.len; i += n) {
        unsigned cp = code_point(s.ptr + i, &n);
        write_plainly(&buf, s.ptr + i, cp, n, style);
    }
    xr_buf_char(&buf, '"');
    return buf;
}

/* Written into a buffer of exactly its length, and refused by one that is a byte too short. */
static void assert_same(struct xr_str s, enum xr_json_style style) {
    struct xr_buf want = plainly(s, style);
    static const size_t SPARE[] = {0, 1, 100, XR_JSON_ESCAPE_MAX * TEXT_MAX};
    assert_false(want.failed);
    for (size_t i = 0; i < sizeof SPARE / sizeof *SPARE; i++) {
        struct xr_buf buf = xr_buf_make(want.len + SPARE[i]);
        struct xr_json j = xr_json_make(&buf, style);
        xr_json_str(&j, s);
        assert_false(buf.failed);
        assert_int_equal(buf.len, want.len);
        assert_memory_equal(buf.data, want.data, want.len);
        xr_buf_clear(&buf);
    }
    struct xr_buf small = xr_buf_make(want.len - 1);
    struct xr_json j = xr_json_make(&small, style);
    xr_json_str(&j, s);
    assert_true(small.failed);
    xr_buf_clear(&small);
    xr_buf_clear(&want);
}

/* On the heap, so that a sanitizer sees a byte read past the end. */
static void assert_written_like_plainly(const char *text, size_t n) {
    char *copy = malloc(n + !n);
    memcpy(copy, text, n);
    assert_same((struct xr_str){.ptr = copy, .len = n}, XR_JSON_RESPONSE);
    assert_same((struct xr_str){.ptr = copy, .len = n}, XR_JSON_ASCII);
    free(copy);
}

static const char *const PIECES[] = {
    "a",
    "some plain text ",
    "\"",
    "\\",
    "\x1f",
    "\n",
    "\x7f",
    "\x7e",
    " ",
    "\xC2\x80",
    "\xC2\x85",
    "\xC2\x86",
    "\xC3\x85",
    "\xDF\xBF",
    "\xE0\xA0\x80",
    "\xE2\x80\xA7",
    "\xE2\x80\xA8",
    "\xE2\x80\xA9",
    "\xE2\x80\xAA",
    "\xE2\x81\xA8",
    "\xE3\x80\xA8",
    "\xEF\xBF\xBD",
    "\xF0\x90\x80\x80",
    "\xF4\x8F\xBF\xBF",
    "", /* stands for U+0000 */
};
enum { PIECE_COUNT = sizeof PIECES / sizeof *PIECES };

/* Up to max bytes of random pieces; `plain` of 100 are ordinary letters. */
static size_t random_text(uint64_t *random, char *out, size_t max, uint64_t plain) {
    size_t n = 0;
    for (;;) {
        const char *piece = next_random(random, 100) < plain ? "x" : PIECES[next_random(random, PIECE_COUNT)];
        size_t length = *piece ? strlen(piece) : 1;
        if (n + length > max)
            return n;
        memcpy(out + n, piece, length);
        n += length;
    }
}

static void random_strings_are_written_like_plainly(void **state) {
    (void)state;
    uint64_t random = 88172645463325252;
    char text[TEXT_MAX];
    for (int i = 0; i < ROUNDS; i++) {
        size_t max = i % 40 == 0 ? TEXT_MAX : 40;
        assert_written_like_plainly(text, random_text(&random, text, next_random(&random, max + 1), 90));
        assert_written_like_plainly(text, random_text(&random, text, next_random(&random, max + 1), 20));
    }
}

static void every_piece_is_written_at_every_place(void **state) {
    (void)state;
    enum { AROUND = 20, PLACES = 3 };
    static const size_t FROM[PLACES] = {0, 1010, 2030}; /* long strings are written in parts of about 1,024 bytes */
    char text[TEXT_MAX];
    for (size_t i = 0; i < PIECE_COUNT; i++) {
        size_t length = PIECES[i][0] ? strlen(PIECES[i]) : 1;
        for (size_t at = 0; at < (size_t)PLACES * AROUND; at++) {
            size_t before = FROM[at / AROUND] + at % AROUND;
            memset(text, 'x', sizeof text);
            memcpy(text + before, PIECES[i], length);
            assert_written_like_plainly(text, before + length);
            assert_written_like_plainly(text, before + length + AROUND);
        }
    }
}

static void numbers_are_written_like_printf_does(void **state) {
    (void)state;
    uint64_t random = 1234567;
    static const int64_t EXTREMES[] = {0, -1, 1, 9, 10, -10, 99, 100, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    enum { EXTREME_COUNT = sizeof EXTREMES / sizeof *EXTREMES };
    for (int i = 0; i < ROUNDS; i++) {
        int64_t v = (int64_t)next_random(&random, UINT64_MAX) >> next_random(&random, 64);
        char want[32];
        if (i < EXTREME_COUNT)
            v = EXTREMES[i];
        int n = snprintf(want, sizeof want, "%" PRId64, v);
        struct xr_buf buf = xr_buf_make((size_t)n);
        struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
        xr_json_int(&j, v);
        assert_false(buf.failed);
        assert_int_equal(buf.len, n);
        assert_memory_equal(buf.data, want, buf.len);
        xr_buf_clear(&buf);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_strings_are_written_like_plainly),
        cmocka_unit_test(every_piece_is_written_at_every_place),
        cmocka_unit_test(numbers_are_written_like_printf_does),
    };
    return cmocka_run_group_tests_name("base/json-string", tests, NULL, NULL);
}
