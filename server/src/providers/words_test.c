// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "base/test.h"
#include "providers/words.h"

enum { ARENA = 1 << 20 };

/* The keys, in order, separated by spaces; "(x)" is implied, "x|y" has an alternative. */
static void assert_keys(struct xr_str text, const char *want) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    XR_AUTO(xr_buf_clear) struct xr_buf got = xr_buf_make(ARENA);
    struct xr_content_words words;
    assert_int_equal(xr_content_words(arena, text, &words, NULL), XR_OK);
    for (size_t i = 0; i < words.count; i++) {
        const struct xr_content_word *w = &words.items[i];
        xr_buf_str(&got, i > 0 ? XR_STR(" ") : XR_STR(""));
        xr_buf_str(&got, w->implied ? XR_STR("(") : XR_STR(""));
        xr_buf_str(&got, w->key);
        xr_buf_str(&got, w->alt.ptr ? XR_STR("|") : XR_STR(""));
        xr_buf_str(&got, w->alt);
        xr_buf_str(&got, w->implied ? XR_STR(")") : XR_STR(""));
    }
    xr_buf_char(&got, '\0');
    assert_string_equal(got.data, want);
}

static void stop_words_go_and_the_rest_is_stemmed(void **state) {
    (void)state;
    assert_keys(XR_STR("The tables are booked for you, I'm sure."), "tabl book sure");
    assert_keys(XR_STR("it\xE2\x80\x99s the customer\xE2\x80\x99s order"), "custom order");
    assert_keys(XR_STR("Caf\xC3\xA9 Zo\xC3\xAB"), "cafe zoe");
    assert_keys(XR_STR("to be or not to be"), "");
    assert_keys(XR_STR(""), "");
    assert_keys(XR_STR("a\0book\0\0of"), "book");
    assert_keys(XR_STR("\xF0\x9F\x98\x80 ... ' - !"), "");
    assert_keys(XR_STR("I am here"), "");
}

static void the_stop_list_is_sorted_and_complete(void **state) {
    (void)state;
    static const char *const SOME[] = {"a",    "about", "can't",      "i",     "i'd",
                                       "i'll", "very",  "yourselves", "yours", "ought"};
    for (size_t i = 0; i < sizeof SOME / sizeof *SOME; i++)
        assert_true(xr_is_stop_word(xr_str_from(SOME[i])));
    assert_false(xr_is_stop_word(XR_STR("will")));
    assert_false(xr_is_stop_word(XR_STR("us")));
    assert_false(xr_is_stop_word(XR_STR("abou")));
    assert_false(xr_is_stop_word(XR_STR("")));
}

static void numbers_in_words_and_digits_are_equal(void **state) {
    (void)state;
    static const struct {
        const char *words, *digits, *keys;
    } CASES[] = {
        {"twenty five", "25", "25"},
        {"twenty-five", "25", "25"},
        {"zero", "0", "0"},
        {"one hundred and five", "105", "105"},
        {"a hundred", "100", "100"},
        {"a thousand and one", "1,001", "1001"},
        {"two thousand twenty six", "2026", "2026"},
        {"twenty twenty six", "2026", "2026"},
        {"nineteen ninety nine", "1999", "1999"},
        {"nineteen hundred", "1900", "1900"},
        {"one million two hundred thousand", "1,200,000", "1200000"},
        {"five thousand", "5 thousand", "5000"},
        {"june tenth", "June 10", "june 10"},
        {"the twenty first", "the 21st", "21"},
        {"four seven two nine one", "47291", "47291"},
        {"five five five one two three four", "555-1234", "5551234"},
        {"three point five", "3.5", "35"},
        {"twelve and a half", "12 and a half", "12 half"},
        {"twenty percent", "20%", "20 percent"},
        {"four people at seven", "4 people at 7", "4 peopl 7"},
        {"twenty five dollars and forty cents", "$25.40", "25 dollar 40 cent"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        assert_keys(xr_str_from(CASES[i].words), CASES[i].keys);
        assert_keys(xr_str_from(CASES[i].digits), CASES[i].keys);
    }
    assert_keys(XR_STR("$25.00 and $7"), "25 dollar 7 dollar");
    assert_keys(XR_STR("twenty per cent"), "20 percent");
}

static void clock_times_in_words_and_digits_are_equal(void **state) {
    (void)state;
    static const struct {
        const char *text, *keys;
    } CASES[] = {
        {"7pm", "7 p.m."},
        {"7 PM", "7 p.m."},
        {"7:00 p.m.", "7 p.m."},
        {"seven p m", "7 p.m."},
        {"seven pm", "7 p.m."},
        {"seven p. m.", "7 p.m."},
        {"seven o'clock", "7"},
        {"07:00", "7"},
        {"7:30", "730"},
        {"07:30", "730"},
        {"seven thirty", "730"},
        {"half past seven", "730"},
        {"quarter past seven", "715"},
        {"a quarter to eight", "745"},
        {"quarter to one", "1245"},
        {"seven oh five", "705"},
        {"7:05", "705"},
        {"7:30 a.m.", "730 a.m."},
        {"seven thirty a m", "730 a.m."},
        {"19:30", "1930|730 (p.m.)"},
        {"00:15", "15|1215"},
        {"12:15", "1215"},
        {"from 9 to 5", "9 5"},
        {"a quarter of the staff", "quarter staff"},
        {"7:30:15", "73015"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_keys(xr_str_from(CASES[i].text), CASES[i].keys);
}

static void long_digit_runs_are_bounded(void **state) {
    (void)state;
    char digits[4000];
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_content_words words;
    memset(digits, '7', sizeof digits);
    assert_int_equal(xr_content_words(arena, (struct xr_str){.ptr = digits, .len = sizeof digits}, &words, NULL),
                     XR_OK);
    assert_int_equal(words.count, 1);
    assert_int_equal(words.items[0].key.len, 64);
}

static void what_was_said_is_kept_for_showing(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_content_words words;
    assert_int_equal(xr_content_words(arena, XR_STR("Booked at Seven Thirty P.M."), &words, NULL), XR_OK);
    assert_int_equal(words.count, 3);
    static const char *const SHOWN[] = {"booked", "seven thirty", "p.m"};
    for (size_t i = 0; i < 3; i++)
        assert_true(xr_str_eq(words.items[i].shown, xr_str_from(SHOWN[i])));
}

static void memory_is_bounded_by_the_arena(void **state) {
    (void)state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(64);
    struct xr_content_words words;
    assert_int_equal(xr_content_words(arena, XR_STR("one fine day in the middle of the night"), &words, NULL),
                     XR_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stop_words_go_and_the_rest_is_stemmed),
        cmocka_unit_test(the_stop_list_is_sorted_and_complete),
        cmocka_unit_test(numbers_in_words_and_digits_are_equal),
        cmocka_unit_test(clock_times_in_words_and_digits_are_equal),
        cmocka_unit_test(long_digit_runs_are_bounded),
        cmocka_unit_test(what_was_said_is_kept_for_showing),
        cmocka_unit_test(memory_is_bounded_by_the_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
