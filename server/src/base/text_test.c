// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "base/text.h"

static void lower(struct xr_arena *arena, const char *text, const char *want) {
    struct xr_str got;
    assert_int_equal(xr_text_lower(arena, xr_str_from(text), &got, NULL), XR_OK);
    assert_int_equal(got.len, strlen(want));
    assert_memory_equal(got.ptr, want, got.len);
}

static void lower_case_is_javascripts(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(1 << 20);
    lower(arena, "HeLLo", "hello");
    lower(arena, "ÄÖÜ ÉÑ", "äöü éñ");
    lower(arena, "İ", "i̇");
    lower(arena, "ΟΔΟΣ", "οδος");
    lower(arena, "ΟΔΟΣ ΣΑ", "οδος σα");
    lower(arena, "Σ", "σ");
    lower(arena, "ẞ", "ß");
    lower(arena, "Ⱥ", "ⱥ");
    lower(arena, "", "");
    struct xr_str got;
    assert_int_equal(xr_text_lower(arena, XR_STR("\xff"), &got, NULL), XR_INVALID);
}

static void trim_takes_unicode_white_space(void **state) {
    (void)state;
    struct xr_str got = xr_text_trim(XR_STR(" \t\xC2\xA0\xE3\x80\x80\xEF\xBB\xBFx y\xE2\x80\xA8\n"));
    assert_true(xr_str_eq(got, XR_STR("x y")));
    assert_int_equal(xr_text_trim(XR_STR("  ")).len, 0);
    assert_int_equal(xr_text_trim(XR_STR("")).len, 0);
    assert_null(xr_text_trim((struct xr_str){0}).ptr);
    assert_true(xr_str_eq(xr_text_trim(XR_STR("\xC2\x85x")), XR_STR("\xC2\x85x")));
}

/* ASCII is skipped by words: a wrong byte is found wherever it is, whatever the alignment. */
static void a_wrong_byte_is_found_anywhere(void **state) {
    (void)state;
    enum { SIZE = 40 };
    for (size_t start = 0; start < 8; start++) {
        for (size_t at = start; at < SIZE; at++) {
            char text[SIZE];
            memset(text, 'x', sizeof text);
            text[at] = (char)0x80;
            struct xr_str s = {.ptr = text + start, .len = SIZE - start};
            assert_false(xr_utf8_valid(s));
            assert_true(xr_utf8_valid((struct xr_str){.ptr = s.ptr, .len = at - start}));
            if (at > start)
                text[at - 1] = (char)0xC3;
            assert_int_equal(xr_utf8_valid(s), at > start);
        }
    }
}

static void the_first_character_is_measured(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        size_t len;
        bool control;
    } CASES[] = {
        {XR_STR(""), 0, false},
        {{0}, 0, false},
        {XR_STR("ab"), 1, false},
        {XR_STR("\0b"), 1, true},
        {XR_STR("\n"), 1, true},
        {XR_STR("\x1F"), 1, true},
        {XR_STR(" "), 1, false},
        {XR_STR("~"), 1, false},
        {XR_STR("\x7F"), 1, true},
        {XR_STR("\xC2\x80"), 2, true},
        {XR_STR("\xC2\x9F"), 2, true},
        {XR_STR("\xC2\xA0"), 2, false},
        {XR_STR("\xE2\x80\xA8x"), 3, false},
        {XR_STR("\xF0\x9F\x98\x80x"), 4, false},
        {XR_STR("\xC2"), 0, false},
        {XR_STR("\x85"), 0, false},
        {XR_STR("\xC0\x80"), 0, false},
        {XR_STR("\xED\xA0\x80"), 0, false},
        {XR_STR("\xF0\x9F\x98"), 0, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_int_equal(xr_utf8_first(CASES[i].text), CASES[i].len);
        assert_int_equal(xr_text_starts_control(CASES[i].text), CASES[i].control);
    }
}

static void utf16_length_counts_code_units(void **state) {
    (void)state;
    assert_int_equal(xr_utf16_length(XR_STR("a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80")), 5);
}

static void utf16_order_puts_astral_before_private_use(void **state) {
    (void)state;
    assert_true(xr_utf16_compare(XR_STR("\xF0\x90\x80\x80"), XR_STR("\xEE\x80\x80")) < 0);
    assert_true(xr_utf16_compare(XR_STR("a"), XR_STR("b")) < 0);
    assert_true(xr_utf16_compare(XR_STR("a"), XR_STR("ab")) < 0);
    assert_true(xr_utf16_compare(XR_STR("\xED\x9F\xBF"), XR_STR("\xF0\x90\x80\x80")) < 0);
    assert_int_equal(xr_utf16_compare(XR_STR("ab"), XR_STR("ab")), 0);
}

static void ill_formed_utf8_is_seen_and_repaired(void **state) {
    (void)state;
    static const char *const BAD[] = {"\xff", "\xC0\x80", "\xED\xA0\x80", "\xF5\x80\x80\x80", "a\xE2\x82", "\x80"};
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(1 << 20);
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct xr_str got;
        assert_false(xr_utf8_valid(xr_str_from(BAD[i])));
        assert_int_equal(xr_utf8_repair(arena, xr_str_from(BAD[i]), &got, NULL), XR_OK);
        assert_true(xr_utf8_valid(got));
    }
    assert_true(xr_utf8_valid(XR_STR("a\0\xF4\x8F\xBF\xBF")));
}

static void ascii_drops_accents_and_what_has_no_near_form(void **state) {
    (void)state;
    static const struct {
        struct xr_str in, out;
    } CASES[] = {
        {XR_STR("plain text, 7:30!"), XR_STR("plain text, 7:30!")},
        {XR_STR("Jos\xC3\xA9 na\xC3\xAFve"), XR_STR("Jose naive")},
        {XR_STR("stra\xC3\x9F"
                "e \xC3\xB8re"),
         XR_STR("strasse ore")},
        {XR_STR("it\xE2\x80\x99s \xE2\x80\x9Cok\xE2\x80\x9D\xE2\x80\xA6"), XR_STR("it's \"ok\"...")},
        {XR_STR("wait\xE2\x80\x94no"), XR_STR("wait, no")},
        {XR_STR("a\0b\tc\xFF"
                "d"),
         XR_STR("a b c d")},
        {XR_STR("hi \xF0\x9F\x98\x80\xE4\xBD\xA0"), XR_STR("hi   ")},
        {XR_STR(""), XR_STR("")},
    };
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(4096);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_str out = {0};
        assert_int_equal(xr_text_ascii(arena, CASES[i].in, &out, NULL), XR_OK);
        assert_int_equal(out.len, CASES[i].out.len);
        assert_memory_equal(out.ptr, CASES[i].out.ptr, out.len);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ascii_drops_accents_and_what_has_no_near_form),
        cmocka_unit_test(lower_case_is_javascripts),
        cmocka_unit_test(trim_takes_unicode_white_space),
        cmocka_unit_test(a_wrong_byte_is_found_anywhere),
        cmocka_unit_test(the_first_character_is_measured),
        cmocka_unit_test(utf16_length_counts_code_units),
        cmocka_unit_test(utf16_order_puts_astral_before_private_use),
        cmocka_unit_test(ill_formed_utf8_is_seen_and_repaired),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
