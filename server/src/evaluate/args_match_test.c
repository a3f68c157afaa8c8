// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"
#include "base/limits.h"
#include "base/test.h"
#include "evaluate/args_match.h"

struct example {
    const char *expected, *actual;
    bool match;
};

static const struct example EXAMPLES[] = {
    /* objects by subset, at every level */
    {"{}", "{}", true},
    {"{}", "{\"a\":1}", true},
    {"{\"a\":1}", "{\"b\":2,\"a\":1}", true},
    {"{\"a\":1}", "{\"b\":1}", false},
    {"{\"a\":1}", "{}", false},
    {"{\"c\":3,\"a\":1}", "{\"a\":1,\"b\":2,\"c\":3,\"d\":4}", true},
    {"{\"c\":3,\"a\":1}", "{\"a\":1,\"b\":2}", false},
    {"{\"a\":{\"x\":1}}", "{\"a\":{\"x\":1,\"y\":2}}", true},
    {"{\"a\":{\"x\":1}}", "{\"a\":{\"y\":2}}", false},
    {"{\"a\":{}}", "{\"a\":[]}", false},
    {"{\"a\":null}", "{}", false},
    {"{\"\":1}", "{\"\":1}", true},
    {"{\"a\":1,\"ab\":2,\"b\":3}", "{\"b\":3,\"ab\":2,\"a\":1}", true},
    /* arrays by position and equal length, their objects by subset */
    {"{\"a\":[1,2]}", "{\"a\":[1,2]}", true},
    {"{\"a\":[1,2]}", "{\"a\":[2,1]}", false},
    {"{\"a\":[1,2]}", "{\"a\":[1,2,3]}", false},
    {"{\"a\":[1,2]}", "{\"a\":[1]}", false},
    {"{\"a\":[]}", "{\"a\":[]}", true},
    {"{\"a\":[]}", "{\"a\":[0]}", false},
    {"{\"a\":[{\"x\":1},[2]]}", "{\"a\":[{\"y\":0,\"x\":1},[2]]}", true},
    {"{\"a\":[{\"x\":1},[2]]}", "{\"a\":[{\"y\":0,\"x\":1},[3]]}", false},
    /* scalars strictly */
    {"{\"a\":1}", "{\"a\":\"1\"}", false},
    {"{\"a\":1}", "{\"a\":true}", false},
    {"{\"a\":0}", "{\"a\":false}", false},
    {"{\"a\":0}", "{\"a\":null}", false},
    {"{\"a\":null}", "{\"a\":null}", true},
    {"{\"a\":true}", "{\"a\":true}", true},
    {"{\"a\":true}", "{\"a\":false}", false},
    {"{\"a\":\"Rome\"}", "{\"a\":\"rome\"}", false},
    {"{\"a\":\"\\u0000x\"}", "{\"a\":\"\\u0000x\"}", true},
    {"{\"a\":\"\\u0000x\"}", "{\"a\":\"\\u0000y\"}", false},
    {"{\"a\":\"\\u00e9\"}", "{\"a\":\"\xC3\xA9\"}", true},
    /* numbers as doubles */
    {"{\"a\":1}", "{\"a\":1.0}", true},
    {"{\"a\":-2}", "{\"a\":-2e0}", true},
    {"{\"a\":0}", "{\"a\":-0.0}", true},
    {"{\"a\":0.1}", "{\"a\":0.10000000000000001}", true},
    {"{\"a\":9007199254740993}", "{\"a\":9007199254740992}", true},
    {"{\"a\":18446744073709551615}", "{\"a\":1.8446744073709552e19}", true},
    {"{\"a\":1}", "{\"a\":1.5}", false},
    /* of duplicate keys the last counts, on both sides */
    {"{\"a\":2}", "{\"a\":1,\"a\":2}", true},
    {"{\"a\":1}", "{\"a\":1,\"a\":2}", false},
    {"{\"a\":1,\"a\":2}", "{\"a\":2}", true},
    {"{\"a\":1,\"a\":2}", "{\"a\":1}", false},
    {"{\"a\":3}", "{\"a\":1,\"b\":0,\"a\":2,\"c\":0,\"a\":3}", true},
    /* no arguments object at all */
    {"{}", "", false},
    {"{}", "   ", false},
    {"{}", "not json", false},
    {"{}", "{\"a\":", false},
    {"{}", "{} {}", false},
    {"{\"a\":1}", "\"{\\\"a\\\":1}\"", false},
    {"{}", "\"\"", false},
    {"{}", "null", false},
    {"{}", "[]", false},
    {"{}", "7", false},
};

static bool matches(struct xr_str expected, struct xr_str actual) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    bool match = false;
    assert_int_equal(xr_json_parse(expected, XR_JSON_DEPTH_MAX, &doc, NULL), XR_OK);
    assert_int_equal(xr_args_match(yyjson_doc_get_root(doc), actual, &match, NULL), XR_OK);
    return match;
}

static void arguments_match_by_subset(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof EXAMPLES / sizeof *EXAMPLES; i++) {
        const struct example *e = &EXAMPLES[i];
        if (matches(xr_str_from(e->expected), xr_str_from(e->actual)) != e->match)
            fail_msg("%s in %s: expected %s", e->expected, e->actual, e->match ? "a match" : "none");
    }
}

static void absent_arguments_match_nothing(void **state) {
    (void)state;
    assert_false(matches(XR_STR("{}"), (struct xr_str){0}));
}

static void nest(struct xr_buf *buf, int depth) {
    for (int i = 0; i < depth; i++)
        xr_buf_str(buf, XR_STR("{\"a\":"));
    xr_buf_str(buf, XR_STR("1"));
    for (int i = 0; i < depth; i++)
        xr_buf_char(buf, '}');
}

static void nesting_is_followed_to_the_bound_and_no_deeper(void **state) {
    (void)state;
    struct xr_buf within = xr_buf_make(XR_MIB(1)), beyond = xr_buf_make(XR_MIB(1));
    nest(&within, XR_JSON_DEPTH_MAX);
    nest(&beyond, 100000);
    assert_true(matches(xr_buf_view(&within), xr_buf_view(&within)));
    assert_false(matches(XR_STR("{\"a\":{}}"), xr_buf_view(&beyond)));
    xr_buf_clear(&within);
    xr_buf_clear(&beyond);
}

/* Comparing every key with every other would take 2,500,000,000 steps. */
static void large_objects_match_in_good_time(void **state) {
    (void)state;
    struct xr_buf want = xr_buf_make(XR_MIB(4)), have = xr_buf_make(XR_MIB(4));
    xr_buf_char(&want, '{');
    xr_buf_char(&have, '{');
    for (int i = 0; i < 50000; i++) {
        xr_buf_printf(&want, "%s\"k%d\":%d", i ? "," : "", i, i);
        xr_buf_printf(&have, "%s\"k%d\":%d", i ? "," : "", 49999 - i, 49999 - i);
    }
    xr_buf_char(&want, '}');
    xr_buf_char(&have, '}');
    assert_true(matches(xr_buf_view(&want), xr_buf_view(&have)));
    xr_buf_clear(&want);
    xr_buf_clear(&have);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arguments_match_by_subset),
        cmocka_unit_test(absent_arguments_match_nothing),
        cmocka_unit_test(nesting_is_followed_to_the_bound_and_no_deeper),
        cmocka_unit_test(large_objects_match_in_good_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
