// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "base/limits.h"
#include "base/test.h"
#include "evaluate/evaluate.h"
#include <time.h>

struct example {
    struct xr_str pattern, flags, text;
    bool found;
};
#define STR(literal) {(literal), sizeof(literal) - 1}
#define ROW(pattern, flags, text, found) {STR(pattern), STR(flags), STR(text), (found)}

/* What `new RegExp(pattern, flags).test(text)` says. */
static const struct example EXAMPLES[] = {
    ROW("refund", "", "your refund is on its way", true),
    ROW("refund", "", "no", false),
    ROW("", "", "", true),
    ROW("^$", "", "", true),
    ROW("^$", "", "x", false),
    ROW("Refund", "", "refund", false),
    ROW("Refund", "i", "refund", true),
    ROW("\\d{3}-\\d{4}", "", "call 555-1234 now", true),
    ROW("(?<y>\\d{4})-\\k<y>", "", "2024-2024", true),
    ROW("(a)\\1", "", "aa", true),
    ROW("(?<=\\$)\\d+", "", "costs $42", true),
    ROW("(?<!\\$)\\b\\d+", "", "costs $42", false),
    ROW("(?=.*cat)(?=.*dog)", "", "dog and cat", true),
    ROW("a{,2}", "", "a{,2}", true),
    ROW("\\08", "",
        "\0"
        "8",
        true),
    /* g and y start at 0, y only there */
    ROW("b", "g", "ab", true),
    ROW("b", "y", "ab", false),
    ROW("a", "y", "ab", true),
    ROW("^b", "m", "a\nb", true),
    ROW("^b", "", "a\nb", false),
    ROW("a.b", "", "a\nb", false),
    ROW("a.b", "s", "a\nb", true),
    ROW("a.b", "",
        "a\xE2\x80\xA8"
        "b",
        false),
    ROW("HELLO", "gimsuy", "hello", true),
    /* UTF-16 units without u, code points with it */
    ROW("^.$", "", "\xF0\x9F\x98\x80", false),
    ROW("^..$", "", "\xF0\x9F\x98\x80", true),
    ROW("^.$", "u", "\xF0\x9F\x98\x80", true),
    ROW("\\ud83d", "", "\xF0\x9F\x98\x80", true),
    ROW("\\ud83d", "u", "\xF0\x9F\x98\x80", false),
    ROW("\\u{1F600}", "u", "\xF0\x9F\x98\x80", true),
    ROW("[\xF0\x9F\x98\x80]", "u", "\xF0\x9F\x98\x81", false),
    ROW("\xF0\x9F\x98\x80+$", "u", "\xF0\x9F\x98\x80\xF0\x9F\x98\x80", true),
    ROW("^caf\xC3\xA9$", "", "caf\xC3\xA9", true),
    ROW("\\p{Lu}", "u", "\xC3\x89", true),
    ROW("\\p{Lu}", "u", "\xC3\xA9", false),
    ROW("^\\p{Lu}$", "iu", "a", true),
    ROW("^\\p{Lu}$", "iu", "A", true),
    ROW("^\\P{Lu}$", "iu", "A", true),
    ROW("^[\\p{Lu}\\d]\\p{Ll}+\\]$", "iu", "1Ab]", true),
    ROW("^\\\\p{2}$", "iu", "\\pp", true),
    ROW("\\[\\p{Lu}\\]", "iu", "[a]", true),
    ROW("\\p{Script=Greek}", "u", "\xCE\xB1", true),
    ROW("\xC3\x89", "i", "\xC3\xA9", true),
    ROW("\xCF\x83", "i", "\xCF\x82", true),
    ROW("\\u212a", "i", "k", false),
    ROW("\\u212a", "iu", "k", true),
    ROW("\\s", "", "\xEF\xBB\xBF", true),
    ROW("\\w", "", "\xC3\xA9", false),
    /* U+0000 is a character like any other, in the pattern and in the text */
    ROW("a\0b", "", "xa\0by", true),
    ROW("a\0c", "", "xa\0by", false),
    ROW("[\0]", "", "a\0", true),
    ROW("^a.b$", "", "a\0b", true),
    ROW("end$", "", "\0end", true),
    ROW("\\0", "u", "\0", true),
};

static void results_are_javascripts(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        const struct example *e = &EXAMPLES[i];
        bool found = !e->found;
        struct xr_err err = {0};
        if (xr_regex_test(e->pattern, e->flags, e->text, &found, &err) != XR_OK || found != e->found)
            fail_msg("row %zu: /%.*s/%.*s: found %d %s", i, XR_STR_ARG(e->pattern), XR_STR_ARG(e->flags), found,
                     err.message);
    }
}

struct wrong {
    struct xr_str pattern, flags;
    const char *message;
};
#define BAD(pattern, flags, message) {STR(pattern), STR(flags), (message)}

static const struct wrong WRONG[] = {
    BAD("(", "", "expecting ')'"),
    BAD("[", "", "unexpected end"),
    BAD("*", "", "nothing to repeat"),
    BAD("a{2,1}", "", "invalid repetition count"),
    BAD("\\", "", "unexpected end"),
    BAD("{", "u", "syntax error"),
    BAD("\\u{110000}", "u", "invalid escape sequence in regular expression"),
    BAD("(?<a>x)\\k<b>", "", "group name not defined"),
    BAD("\\p{Nothing}", "u", "unknown unicode property name"),
    BAD("\\p{Nothing}", "iu", "unknown unicode property name"),
    BAD("\\p{Lu", "iu", "expecting '}'"),
    BAD("\\", "iu", "unexpected end"),
    BAD("a", "gg", "invalid regular expression flags"),
    BAD("a", "x", "invalid regular expression flags"),
    BAD("a", "g\0", "invalid regular expression flags"),
    BAD(")", "", "extraneous characters at the end"),
};

static void bad_pattern_is_invalid_with_the_engines_message(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
        bool found = true;
        struct xr_err err = {0};
        print_message("/%.*s/%.*s\n", XR_STR_ARG(WRONG[i].pattern), XR_STR_ARG(WRONG[i].flags));
        assert_int_equal(xr_regex_test(WRONG[i].pattern, WRONG[i].flags, XR_STR("a"), &found, &err), XR_INVALID);
        assert_string_equal(err.message, WRONG[i].message);
        assert_true(found); /* a failed call writes nothing */
    }
}

/* n copies of unit, then tail. */
static struct xr_buf repeat(const char *unit, size_t n, const char *tail) {
    struct xr_buf buf = xr_buf_make(XR_MIB(64));
    for (size_t i = 0; i < n; i++)
        xr_buf_str(&buf, xr_str_from(unit));
    xr_buf_str(&buf, xr_str_from(tail));
    assert_false(buf.failed);
    return buf;
}

struct slow {
    const char *pattern, *flags, *unit;
    size_t count;
    const char *tail;
    int64_t limit_ms;
};
static const struct slow SLOW[] = {
    {"(a+)+$", "", "a", 2048, "b", 100},
    {"(a+)+$", "", "a", 70000, "b", 100},
    {"^(?:a|a)*$", "", "a", 40, "b", 100},
    {"(x+x+)+y", "", "x", 60, "", 100},
    {"^(([a-z])+.)+[A-Z]([a-z])+$", "", "a", 60, "", 100},
    /* Seconds from one poll of the engine to the next: cancelled, as soon as this thread gets a processor. */
    {"(?=(a*))(.*?)(?:\\1|a)*b", "iu", "a", 70000, "c", 300},
    {"(?=(\xC3\xA9*))(.*?)(?:\\1|\xC3\xA9)*b", "iu", "\xC3\xA9", 70000, "c", 300},
};

static int64_t process_cpu_ms(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void catastrophic_pattern_ends_in_time(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof SLOW / sizeof *SLOW; i++) {
        struct xr_buf text = repeat(SLOW[i].unit, SLOW[i].count, SLOW[i].tail);
        bool found = true;
        struct xr_err err = {0};
        int64_t before = process_cpu_ms();
        assert_int_equal(
            xr_regex_test(xr_str_from(SLOW[i].pattern), xr_str_from(SLOW[i].flags), xr_buf_view(&text), &found, &err),
            XR_TIMEOUT);
        assert_in_range(process_cpu_ms() - before, XR_REGEX_TIME_MS - 1, SLOW[i].limit_ms);
        assert_string_equal(err.message, "ran longer than 80 ms");
        assert_true(found);
        xr_buf_clear(&text);
    }
}

static void long_text_works(void **state) {
    (void)state;
    struct xr_buf ascii = repeat("hello ", 20000, "bye"), astral = repeat("\xF0\x9F\x98\x80", 70000, "!");
    bool found = false;
    assert_int_equal(xr_regex_test(XR_STR("^(\\w+\\s*)+$"), XR_STR(""), xr_buf_view(&ascii), &found, NULL), XR_OK);
    assert_true(found);
    assert_int_equal(xr_regex_test(XR_STR("bye$"), XR_STR(""), xr_buf_view(&ascii), &found, NULL), XR_OK);
    assert_true(found);
    assert_int_equal(xr_regex_test(XR_STR("BYE.$"), XR_STR("i"), xr_buf_view(&ascii), &found, NULL), XR_OK);
    assert_false(found);
    assert_int_equal(xr_regex_test(XR_STR("^.{70000}!$"), XR_STR("u"), xr_buf_view(&astral), &found, NULL), XR_OK);
    assert_true(found);
    xr_buf_clear(&ascii);
    xr_buf_clear(&astral);
}

static void running_out_of_memory_is_an_error(void **state) {
    (void)state;
    struct xr_buf text = repeat("a", 400000, ""), nested = repeat("(?:", 25, "a");
    struct xr_err err = {0};
    bool found = true;
    for (int i = 0; i < 25; i++)
        xr_buf_str(&nested, XR_STR("){2,}"));
    assert_int_equal(xr_regex_test(XR_STR("(a|b)*"), XR_STR(""), xr_buf_view(&text), &found, &err), XR_NO_MEMORY);
    assert_string_equal(err.message, "needed more than 16 MiB of memory");
    assert_int_equal(xr_regex_test(xr_buf_view(&nested), XR_STR(""), XR_STR("a"), &found, &err), XR_NO_MEMORY);
    assert_true(found);
    xr_buf_clear(&text);
    xr_buf_clear(&nested);
}

/* 2,048 characters are the longest pattern that a conversation may hold. */
static void deepest_nesting_of_a_legal_pattern_works(void **state) {
    (void)state;
    struct xr_buf groups = repeat("(?:", 511, "a"), looks = repeat("(?=", 511, "a");
    bool found = false;
    for (int i = 0; i < 511; i++) {
        xr_buf_char(&groups, ')');
        xr_buf_char(&looks, ')');
    }
    assert_int_equal(xr_regex_test(xr_buf_view(&groups), XR_STR(""), XR_STR("a"), &found, NULL), XR_OK);
    assert_true(found);
    found = false;
    assert_int_equal(xr_regex_test(xr_buf_view(&looks), XR_STR(""), XR_STR("a"), &found, NULL), XR_OK);
    assert_true(found);
    xr_buf_clear(&groups);
    xr_buf_clear(&looks);
}

static void nesting_beyond_the_stack_is_an_error(void **state) {
    (void)state;
    struct xr_buf pattern = repeat("(?:", 100000, "");
    struct xr_err err = {0};
    bool found = true;
    assert_int_equal(xr_regex_test(xr_buf_view(&pattern), XR_STR(""), XR_STR("a"), &found, &err), XR_INVALID);
    assert_string_equal(err.message, "stack overflow");
    xr_buf_clear(&pattern);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_javascripts),
        cmocka_unit_test(bad_pattern_is_invalid_with_the_engines_message),
        cmocka_unit_test(catastrophic_pattern_ends_in_time),
        cmocka_unit_test(long_text_works),
        cmocka_unit_test(running_out_of_memory_is_an_error),
        cmocka_unit_test(deepest_nesting_of_a_legal_pattern_works),
        cmocka_unit_test(nesting_beyond_the_stack_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
