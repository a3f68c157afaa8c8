// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "http/cursor.h"
#include <string.h>

static const struct xr_cursor SAMPLE = {{INT64_MIN, -1, 0, 1, INT64_C(1700000000123456789), INT64_MAX}};

static struct xr_str encode(enum xr_cursor_kind kind, char text[XR_CURSOR_TEXT + 1]) {
    xr_cursor_encode(kind, &SAMPLE, text);
    return xr_str_from(text);
}

static void a_cursor_comes_back_as_it_went(void **state) {
    (void)state;
    char text[XR_CURSOR_TEXT + 1];
    struct xr_cursor got;
    struct xr_str token = encode(XR_CURSOR_CONVERSATIONS, text);
    assert_int_equal(token.len, XR_CURSOR_TEXT);
    assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), token.len);
    assert_true(xr_cursor_decode(XR_CURSOR_CONVERSATIONS, token, &got));
    assert_memory_equal(&got, &SAMPLE, sizeof got);
}

static void the_other_lists_cursor_is_refused(void **state) {
    (void)state;
    char text[XR_CURSOR_TEXT + 1];
    struct xr_cursor got;
    assert_false(xr_cursor_decode(XR_CURSOR_REPLAYS, encode(XR_CURSOR_CONVERSATIONS, text), &got));
    assert_false(xr_cursor_decode(XR_CURSOR_CONVERSATIONS, encode(XR_CURSOR_REPLAYS, text), &got));
}

static void a_changed_or_cut_cursor_is_refused(void **state) {
    (void)state;
    char text[XR_CURSOR_TEXT + 1];
    struct xr_cursor got;
    struct xr_str token = encode(XR_CURSOR_REPLAYS, text);
    for (size_t i = 0; i < token.len; i++) {
        assert_false(xr_cursor_decode(XR_CURSOR_REPLAYS, (struct xr_str){.ptr = text, .len = i}, &got));
        char was = text[i];
        for (const char *c = "Az0_=\x80"; *c; c++) {
            text[i] = *c;
            assert_int_equal(xr_cursor_decode(XR_CURSOR_REPLAYS, token, &got), *c == was);
        }
        text[i] = '\0';
        assert_false(xr_cursor_decode(XR_CURSOR_REPLAYS, token, &got));
        text[i] = was;
    }
}

static void garbage_is_refused_and_writes_nothing(void **state) {
    (void)state;
    struct xr_cursor got = SAMPLE;
    static const char *const GARBAGE[] = {
        "",
        "x",
        "0",
        "null",
        "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
        "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"};
    for (size_t i = 0; i < sizeof GARBAGE / sizeof *GARBAGE; i++)
        assert_false(xr_cursor_decode(XR_CURSOR_CONVERSATIONS, xr_str_from(GARBAGE[i]), &got));
    assert_memory_equal(&got, &SAMPLE, sizeof got);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_comes_back_as_it_went),
        cmocka_unit_test(the_other_lists_cursor_is_refused),
        cmocka_unit_test(a_changed_or_cut_cursor_is_refused),
        cmocka_unit_test(garbage_is_refused_and_writes_nothing),
    };
    return cmocka_run_group_tests_name("http/cursor", tests, NULL, NULL);
}
