// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include "base/test.h"

static void assert_written(struct xr_buf *buf, const char *want) {
    assert_false(buf->failed);
    assert_int_equal(buf->len, strlen(want));
    assert_memory_equal(buf->data, want, buf->len);
    xr_buf_clear(buf);
}

static void writer_places_commas(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(1000);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_int(&j, "a", -1);
    xr_json_key(&j, XR_STR("b"));
    xr_json_array(&j);
    xr_json_bool(&j, true);
    xr_json_null(&j);
    xr_json_object(&j);
    xr_json_object_end(&j);
    xr_json_array_end(&j);
    xr_json_kv_strz(&j, "c", NULL);
    xr_json_object_end(&j);
    assert_written(&buf, "{\"a\":-1,\"b\":[true,null,{}],\"c\":null}");
}

static void unknown_values_are_null(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(1000);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_opt_int(&j, "a", -1);
    xr_json_kv_opt_int(&j, "b", 0);
    xr_json_kv_opt_str(&j, "c", (struct xr_str){0});
    xr_json_kv_opt_str(&j, "d", XR_STR(""));
    xr_json_object_end(&j);
    assert_written(&buf, "{\"a\":null,\"b\":0,\"c\":null,\"d\":\"\"}");
}

static void line_breaking_characters_are_escaped_in_responses(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(1000);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    const struct xr_str text = XR_STR("\0\x1f\x7f\"\\/\n\xC2\x85\xE2\x80\xA8\xE2\x80\xA9\xC3\xA9\xF0\x9F\x98\x80");
    xr_json_str(&j, text);
    assert_int_equal(xr_json_str_size(text) + 2, buf.len);
    assert_written(&buf, "\"\\u0000\\u001f\\u007f\\\"\\\\/\\n\\u0085\\u2028\\u2029\xC3\xA9\xF0\x9F\x98\x80\"");
}

static void ascii_style_escapes_all_else(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(1000);
    struct xr_json j = xr_json_make(&buf, XR_JSON_ASCII);
    xr_json_str(&j, XR_STR("\xC3\xA9\xF0\x9F\x98\x80\b\f\t\r~"));
    assert_written(&buf, "\"\\u00e9\\ud83d\\ude00\\b\\f\\t\\r~\"");
}

static void numbers_print_as_ecmascript_does(void **state) {
    (void)state;
    static const struct {
        double v;
        const char *want;
    } CASES[] = {
        {0, "0"},
        {-0.0, "0"},
        {2, "2"},
        {-17, "-17"},
        {2.5, "2.5"},
        {1e21, "1e+21"},
        {1e20, "100000000000000000000"},
        {123456789012345680000.0, "123456789012345680000"},
        {0.1, "0.1"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1.5e-10, "1.5e-10"},
        {9007199254740993.0, "9007199254740992"},
        {5e-324, "5e-324"},
        {0x1p-44, "5.684341886080802e-14"},
        {0x1p-1022, "2.2250738585072014e-308"},
        {9.5367431640625e-07, "9.5367431640625e-7"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {0.1 + 0.2, "0.30000000000000004"},
        {-1e-7, "-1e-7"},
        {1000, "1000"},
        {123.456, "123.456"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        char out[XR_NUMBER_MAX];
        size_t n = xr_number_format(CASES[i].v, out);
        assert_int_equal(n, strlen(CASES[i].want));
        assert_memory_equal(out, CASES[i].want, n);
    }
}

static void decimals_have_at_most_one_digit(void **state) {
    (void)state;
    struct xr_buf buf = xr_buf_make(1000);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    xr_json_array(&j);
    xr_json_decimal1(&j, -100);
    xr_json_decimal1(&j, -23.456);
    xr_json_decimal1(&j, 1.0 / 0.0);
    xr_json_array_end(&j);
    assert_written(&buf, "[-100,-23.5,null]");
}

/* -0 counts as 0, and very large numbers as any other number. */
static void decimals_print_as_numbers_do(void **state) {
    (void)state;
    for (int tenths = -1005; tenths <= 1005; tenths++) {
        struct xr_buf buf = xr_buf_make(100);
        struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
        char want[XR_NUMBER_MAX + 1] = "";
        xr_number_format(tenths / 10.0, want);
        xr_json_decimal1(&j, tenths / 10.0);
        assert_written(&buf, want);
    }
    static const struct {
        double v;
        const char *want;
    } CASES[] = {
        {-0.0, "0"},      {-0.04, "0"}, {0.05, "0.1"}, {123456789012.34, "123456789012.3"}, {1e14, "100000000000000"},
        {-1e21, "-1e+21"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_buf buf = xr_buf_make(100);
        struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
        xr_json_decimal1(&j, CASES[i].v);
        assert_written(&buf, CASES[i].want);
    }
}

static enum xr_code parse(struct xr_str text, int depth) {
    yyjson_doc *doc = NULL;
    enum xr_code code = xr_json_parse(text, depth, &doc, NULL);
    yyjson_doc_free(doc);
    return code;
}

static void nesting_is_bounded_before_parsing(void **state) {
    (void)state;
    char deep[20001];
    memset(deep, '[', 10000);
    memset(deep + 10000, ']', 10000);
    assert_int_equal(parse((struct xr_str){.ptr = deep, .len = 20000}, 64), XR_TOO_LARGE);
    assert_int_equal(parse((struct xr_str){.ptr = deep + 9936, .len = 128}, 64), XR_OK);
    assert_int_equal(parse(XR_STR("{\"a\":\"[[[[\"}"), 1), XR_OK);
    assert_int_equal(parse(XR_STR("[\"\\\\\",[1]]"), 2), XR_OK);
}

static void bad_json_is_refused(void **state) {
    (void)state;
    static const struct xr_str BAD[] = {
        {"", 0},         {"{", 1},   {"[1,]", 4}, {"'a'", 3}, {"\"\\ud800\"", 8},
        {"\"\xff\"", 3}, {"NaN", 3}, {"1 2", 3},  {"01", 2},
    };
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        assert_int_equal(parse(BAD[i], 64), XR_INVALID);
}

static void values_round_trip(void **state) {
    (void)state;
    struct xr_str text =
        XR_STR("{\"a\\u0000\":[9007199254740993,-5,18446744073709551615,0.5,true,null,\"x\"],\"b\":{}}");
    yyjson_doc *doc = NULL;
    assert_int_equal(xr_json_parse(text, 64, &doc, NULL), XR_OK);
    struct xr_buf buf = xr_buf_make(1000);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    assert_int_equal(xr_json_value(&j, yyjson_doc_get_root(doc), 64), XR_OK);
    assert_written(&buf, text.ptr);
    j = xr_json_make(&buf, XR_JSON_RESPONSE);
    assert_int_equal(xr_json_value(&j, yyjson_doc_get_root(doc), 1), XR_TOO_LARGE);
    xr_buf_clear(&buf);
    yyjson_doc_free(doc);
}

static void the_last_of_duplicate_keys_wins(void **state) {
    (void)state;
    yyjson_doc *doc = NULL;
    assert_int_equal(xr_json_parse(XR_STR("{\"a\":1,\"a\\u0000b\":2,\"a\":3}"), 64, &doc, NULL), XR_OK);
    assert_int_equal(yyjson_get_int(xr_json_member(yyjson_doc_get_root(doc), XR_STR("a"))), 3);
    assert_int_equal(yyjson_get_int(xr_json_member(yyjson_doc_get_root(doc), XR_STR("a\0b"))), 2);
    assert_null(xr_json_member(yyjson_doc_get_root(doc), XR_STR("b")));
    yyjson_doc_free(doc);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writer_places_commas),
        cmocka_unit_test(unknown_values_are_null),
        cmocka_unit_test(line_breaking_characters_are_escaped_in_responses),
        cmocka_unit_test(ascii_style_escapes_all_else),
        cmocka_unit_test(numbers_print_as_ecmascript_does),
        cmocka_unit_test(decimals_have_at_most_one_digit),
        cmocka_unit_test(decimals_print_as_numbers_do),
        cmocka_unit_test(nesting_is_bounded_before_parsing),
        cmocka_unit_test(bad_json_is_refused),
        cmocka_unit_test(values_round_trip),
        cmocka_unit_test(the_last_of_duplicate_keys_wins),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
