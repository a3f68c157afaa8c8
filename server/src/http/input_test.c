// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "base/test.h"
#include "http/input.h"
#include <string.h>

#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void only_lower_case_hashes_are_hashes(void **state) {
    (void)state;
    uint8_t hash[XR_SHA256_SIZE];
    assert_true(xr_hash_parse(XR_STR(HEX64), hash));
    assert_int_equal(hash[0], 0x01);
    assert_int_equal(hash[31], 0xef);
    static const char *const BAD[] = {"",
                                      "0",
                                      HEX64 "0",
                                      "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
                                      "0123456789abcdeg0123456789abcdef0123456789abcdef0123456789abcdef",
                                      " 123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(xr_hash_parse(xr_str_from(BAD[i]), hash));
}

static void replay_ids_are_36_of_a_small_alphabet(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool valid;
    } CASES[] = {
        {"01234567-89ab-cdef-ABCD-EF0123456789", true},   {"------------------------------------", true},
        {"000000000000000000000000000000000000", true},   {"01234567-89ab-cdef-ABCD-EF012345678", false},
        {"01234567-89ab-cdef-ABCD-EF01234567890", false}, {"01234567-89ab-cdef-ABCD-EF012345678g", false},
        {"01234567-89ab-cdef-ABCD-EF01234567/9", false},  {"", false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_int_equal(xr_replay_id_valid(xr_str_from(CASES[i].text)), CASES[i].valid);
}

static void a_turn_index_has_1_to_4_digits(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t want; /* -1: refused */
    } CASES[] = {{"0", 0}, {"7", 7},   {"0007", 7}, {"9999", 9999}, {"10000", -1},
                 {"", -1}, {"-1", -1}, {"+1", -1},  {"1a", -1},     {" 1", -1}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        int64_t idx = -1;
        assert_int_equal(xr_turn_index_parse(xr_str_from(CASES[i].text), &idx), CASES[i].want >= 0);
        assert_int_equal(idx, CASES[i].want);
    }
}

static void numbers_outside_the_range_are_refused(void **state) {
    (void)state;
    int64_t value = -7;
    assert_true(xr_range_parse(XR_STR("10"), 10, 1000, &value));
    assert_int_equal(value, 10);
    assert_true(xr_range_parse(XR_STR("1000"), 10, 1000, &value));
    value = -7;
    static const char *const BAD[] = {"", "9", "1001", "1e2", "99999999999999999999", "100.0", "0x20", "100 "};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_false(xr_range_parse(xr_str_from(BAD[i]), 10, 1000, &value));
    assert_int_equal(value, -7);
}

static void a_page_has_defaults(void **state) {
    (void)state;
    struct xr_issues issues = {.arena = xr_arena_new(XR_KIB(64))};
    struct xr_page page;
    assert_true(xr_page_parse(XR_CURSOR_CONVERSATIONS, &(struct xr_page_query){0}, &issues, &page));
    assert_int_equal(page.limit, 100);
    assert_false(page.has_cursor);
    assert_int_equal(page.q.len, 0);
    xr_arena_free(issues.arena);
}

static void a_page_takes_what_is_asked(void **state) {
    (void)state;
    struct xr_issues issues = {.arena = xr_arena_new(XR_KIB(64))};
    char cursor[XR_CURSOR_TEXT + 1];
    xr_cursor_encode(XR_CURSOR_REPLAYS, &(struct xr_cursor){{42}}, cursor);
    struct xr_page_query query = {.limit = XR_STR("500"), .cursor = xr_str_from(cursor), .q = XR_STR("a\0b")};
    struct xr_page page;
    assert_true(xr_page_parse(XR_CURSOR_REPLAYS, &query, &issues, &page));
    assert_int_equal(page.limit, 500);
    assert_true(page.has_cursor);
    assert_int_equal(page.cursor.values[0], 42);
    assert_int_equal(page.q.len, 3);
    xr_arena_free(issues.arena);
}

static void every_wrong_parameter_is_an_issue(void **state) {
    (void)state;
    struct xr_issues issues = {.arena = xr_arena_new(XR_KIB(64))};
    static char longest[XR_NAME_MAX + 1];
    memset(longest, 'q', sizeof longest);
    struct xr_page_query query = {
        .limit = XR_STR("501"), .cursor = XR_STR(""), .q = {.ptr = longest, .len = sizeof longest}};
    struct xr_page page;
    assert_false(xr_page_parse(XR_CURSOR_CONVERSATIONS, &query, &issues, &page));
    assert_int_equal(issues.count, 3);
    assert_true(xr_str_eq(issues.items[0].path, XR_STR("limit")));
    assert_true(xr_str_eq(issues.items[1].path, XR_STR("cursor")));
    assert_true(xr_str_eq(issues.items[2].path, XR_STR("q")));
    query = (struct xr_page_query){.q = {.ptr = longest, .len = XR_NAME_MAX}};
    assert_true(xr_page_parse(XR_CURSOR_CONVERSATIONS, &query, &issues, &page));
    xr_arena_free(issues.arena);
}

static void a_limit_of_nothing_or_zero_is_refused(void **state) {
    (void)state;
    static const char *const BAD[] = {"", "0", "-1", "abc", "1.5", "100 "};
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
        struct xr_issues issues = {.arena = xr_arena_new(XR_KIB(64))};
        struct xr_page_query query = {.limit = xr_str_from(BAD[i])};
        struct xr_page page;
        assert_false(xr_page_parse(XR_CURSOR_CONVERSATIONS, &query, &issues, &page));
        assert_int_equal(issues.count, 1);
        xr_arena_free(issues.arena);
    }
}

static void media_types_lose_case_parameters_and_space(void **state) {
    (void)state;
    static const struct {
        struct xr_str header, want;
    } CASES[] = {
        {XR_STR("audio/wav"), XR_STR("audio/wav")},
        {XR_STR(" Audio/X-WAV ; codecs=1"), XR_STR("audio/x-wav")},
        {XR_STR("text/plain;charset=UTF-8"), XR_STR("text/plain")},
        {XR_STR(""), XR_STR("")},
        {XR_STR(";"), XR_STR("")},
        {XR_STR("a\xff"), XR_STR("a\xEF\xBF\xBD")},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_arena *arena = xr_arena_new(1000);
        struct xr_str type;
        assert_int_equal(xr_media_type(CASES[i].header, arena, &type, NULL), XR_OK);
        assert_true(xr_str_eq(type, CASES[i].want));
        xr_arena_free(arena);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_lower_case_hashes_are_hashes),
        cmocka_unit_test(replay_ids_are_36_of_a_small_alphabet),
        cmocka_unit_test(a_turn_index_has_1_to_4_digits),
        cmocka_unit_test(numbers_outside_the_range_are_refused),
        cmocka_unit_test(a_page_has_defaults),
        cmocka_unit_test(a_page_takes_what_is_asked),
        cmocka_unit_test(every_wrong_parameter_is_an_issue),
        cmocka_unit_test(a_limit_of_nothing_or_zero_is_refused),
        cmocka_unit_test(media_types_lose_case_parameters_and_space),
    };
    return cmocka_run_group_tests_name("http/input", tests, NULL, NULL);
}
