// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>

enum { MEMORY = 1 << 20 };

/* A copy with room for the parser, so that a byte too many is seen by the sanitizer. */
static char *copy_of(const char *text) {
    size_t len = strlen(text);
    char *copy = malloc(len + XR_JSON_PADDING);
    assert_non_null(copy);
    memcpy(copy, text, len);
    memset(copy + len, '1', XR_JSON_PADDING);
    return copy;
}

static enum xr_code parse(char *text, size_t len, yyjson_doc **ret_doc, struct xr_json_memory *memory) {
    *memory = (struct xr_json_memory){.max = MEMORY};
    return xr_json_parse_in_place(text, len, memory, ret_doc, NULL);
}

static void strings_lie_in_the_text_and_end_with_nul(void **state) {
    (void)state;
    static const char TEXT[] = "{\"k\\u0000y\":\"a\\nb\",\"n\":[1,-2,0.5]}";
    char *text = copy_of(TEXT);
    struct xr_json_memory memory;
    yyjson_doc *doc = NULL;
    assert_int_equal(parse(text, strlen(TEXT), &doc, &memory), XR_OK);
    struct xr_str value = xr_json_get_str(xr_json_member(yyjson_doc_get_root(doc), XR_STR("k\0y")));
    assert_true(xr_str_eq(value, XR_STR("a\nb")));
    assert_in_range((uintptr_t)value.ptr, (uintptr_t)text, (uintptr_t)text + strlen(TEXT));
    assert_int_equal(value.ptr[value.len], '\0');
    assert_in_range(memory.used, 1, MEMORY);
    yyjson_doc_free(doc);
    free(text);
}

static void numbers_beyond_a_double_do_not_cost_the_text(void **state) {
    (void)state;
    static const char TEXT[] = "[1e999,-1e999,NaN,Infinity]";
    char *text = copy_of(TEXT);
    struct xr_json_memory memory;
    yyjson_doc *doc = NULL;
    size_t i, n;
    yyjson_val *value;
    assert_int_equal(parse(text, strlen(TEXT), &doc, &memory), XR_OK);
    yyjson_arr_foreach(yyjson_doc_get_root(doc), i, n, value) {
        assert_true(yyjson_is_real(value));
        assert_true(!isfinite(yyjson_get_real(value)));
    }
    assert_int_equal(n, 4);
    yyjson_doc_free(doc);
    free(text);
}

static void what_is_no_json_is_refused(void **state) {
    (void)state;
    static const char *const TEXTS[] = {
        "",     " ",       "{",   "[1,]",     "[1]x",        "'a'",   "\"\xFF\"", "\"\xED\xA0\x80\"",
        "[01]", "\"\\x\"", "tru", "\"a\nb\"", "\"\\ud83d\"", "[1 2]", "// c\n1",  "\xEF\xBB\xBF[]"};
    for (size_t i = 0; i < sizeof TEXTS / sizeof *TEXTS; i++) {
        char *text = copy_of(TEXTS[i]);
        struct xr_json_memory memory;
        yyjson_doc *doc = NULL;
        if (parse(text, strlen(TEXTS[i]), &doc, &memory) != XR_INVALID)
            fail_msg("%s", TEXTS[i]);
        assert_null(doc);
        free(text);
    }
}

static void deep_nesting_is_bounded_by_memory_only(void **state) {
    (void)state;
    enum { LEVELS = MEMORY / 32, TOO_MANY = MEMORY };
    for (int round = 0; round < 2; round++) {
        size_t levels = round ? TOO_MANY : LEVELS, len = 2 * levels;
        char *text = malloc(len + XR_JSON_PADDING);
        struct xr_json_memory memory;
        yyjson_doc *doc = NULL;
        assert_non_null(text);
        memset(text, '[', levels);
        memset(text + levels, ']', levels);
        assert_int_equal(parse(text, len, &doc, &memory), round ? XR_TOO_LARGE : XR_OK);
        assert_int_equal(memory.over, round);
        assert_true(memory.used <= MEMORY);
        yyjson_doc_free(doc);
        free(text);
    }
}

static void unpaired_surrogates_are_mended(void **state) {
    (void)state;
    static const struct {
        const char *text, *want;
    } CASES[] = {
        {"", ""},
        {"abc", "abc"},
        {"\\ud83d", "\\ufffd"},
        {"\\uDBFF", "\\ufffd"},
        {"\\udc00", "\\ufffd"},
        {"\\uD83D\\uDE00", "\\uD83D\\uDE00"},
        {"\\ude00\\ud83d", "\\ufffd\\ufffd"},
        {"\\ud83d\\ud83d\\ude00", "\\ufffd\\ud83d\\ude00"},
        {"\\ud83d\\ude00\\ude00", "\\ud83d\\ude00\\ufffd"},
        {"\\ud83dx\\ude00", "\\ufffdx\\ufffd"},
        {"\\ud83d\\\\ude00", "\\ufffd\\\\ude00"},
        {"\\\\ud83d", "\\\\ud83d"},
        {"\\\\\\ud83d", "\\\\\\ufffd"},
        {"\\ud7ff\\ue000\\uffff\\u0000", "\\ud7ff\\ue000\\uffff\\u0000"},
        /* Cut off or wrong: left for the parser to refuse. */
        {"\\", "\\"},
        {"a\\", "a\\"},
        {"\\u", "\\u"},
        {"\\ud83", "\\ud83"},
        {"\\ud83g", "\\ud83g"},
        {"\\ud83d\\ude0", "\\ufffd\\ude0"},
        {"\\ud83d\\", "\\ufffd\\"},
        {"\\Ud83d", "\\Ud83d"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        size_t len = strlen(CASES[i].text);
        char *text = malloc(len ? len : 1);
        assert_non_null(text);
        memcpy(text, CASES[i].text, len);
        xr_json_mend_surrogates(text, len);
        assert_int_equal(len, strlen(CASES[i].want));
        if (memcmp(text, CASES[i].want, len) != 0)
            fail_msg("%s: %.*s", CASES[i].text, (int)len, text);
        free(text);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strings_lie_in_the_text_and_end_with_nul),
        cmocka_unit_test(numbers_beyond_a_double_do_not_cost_the_text),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(deep_nesting_is_bounded_by_memory_only),
        cmocka_unit_test(unpaired_surrogates_are_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
