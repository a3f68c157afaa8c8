// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/one_line.h"
#include <stdlib.h>

static void text_becomes_one_line(void **state) {
    (void)state;
    static const struct {
        struct xr_str text;
        const char *line;
    } CASES[] = {
        {XR_STR(""), ""},
        {XR_STR("plain text"), "plain text"},
        {XR_STR("a\nb\r\nc\td"), "a b c d"},
        {XR_STR("a\0\x01\x7f"
                "b"),
         "a b"},
        {XR_STR("a\xc2\x85"
                "b\xe2\x80\xa8"
                "c\xe2\x80\xa9"
                "d"),
         "a b c d"},
        {XR_STR("caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0"),
         "caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xc2\xa0"},
        {XR_STR("\xff"
                "a\xc3"),
         "?a?"},
        {XR_STR("\xe2\x80"), "??"},
        {XR_STR("\xed\xa0\x80"), "???"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(256);
        char *exact = malloc(CASES[i].text.len + 1); /* a byte read behind it is found */
        memcpy(exact, CASES[i].text.ptr, CASES[i].text.len);
        exact = realloc(exact, CASES[i].text.len ? CASES[i].text.len : 1);
        xr_one_line(&out, (struct xr_str){.ptr = exact, .len = CASES[i].text.len});
        free(exact);
        xr_buf_char(&out, '\0');
        assert_string_equal(out.data, CASES[i].line);
    }
}

static void an_excerpt_is_cut_between_characters(void **state) {
    (void)state;
    char text[XR_EXCERPT_MAX * 8], want[XR_EXCERPT_SIZE], out[XR_EXCERPT_SIZE];
    for (size_t i = 0; i < sizeof text; i += 4)
        memcpy(text + i, "\xf0\x9f\x98\x80", 4);
    assert_string_equal(xr_excerpt(XR_STR("short\n"), out), "short ");
    assert_string_equal(xr_excerpt((struct xr_str){0}, out), "");
    memcpy(want, text, XR_EXCERPT_MAX * 4);
    want[XR_EXCERPT_MAX * 4] = '\0';
    assert_string_equal(xr_excerpt((struct xr_str){.ptr = text, .len = XR_EXCERPT_MAX * 4}, out), want);
    memcpy(want + XR_EXCERPT_MAX * 4, "...", 4);
    assert_string_equal(xr_excerpt((struct xr_str){.ptr = text, .len = sizeof text}, out), want);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_becomes_one_line),
        cmocka_unit_test(an_excerpt_is_cut_between_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
