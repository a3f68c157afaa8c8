// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "http/conditional.h"

static void ranges_are_read_as_rfc_9110_says(void **state) {
    (void)state;
    static const struct {
        const char *header;
        uint64_t size;
        enum xr_range_kind kind;
        uint64_t first, length;
    } CASES[] = {
        {"bytes=0-0", 10, XR_RANGE_PART, 0, 1},
        {"bytes=0-", 10, XR_RANGE_PART, 0, 10},
        {"bytes=3-5", 10, XR_RANGE_PART, 3, 3},
        {"bytes=9-", 10, XR_RANGE_PART, 9, 1},
        {"bytes=9-9999999999999999999999999", 10, XR_RANGE_PART, 9, 1},
        {"bytes=-1", 10, XR_RANGE_PART, 9, 1},
        {"bytes=-10", 10, XR_RANGE_PART, 0, 10},
        {"bytes=-99999999999999999999999", 10, XR_RANGE_PART, 0, 10},
        {"BYTES=1-2", 10, XR_RANGE_PART, 1, 2},
        {"bytes= 1-2 ", 10, XR_RANGE_PART, 1, 2},
        {"bytes=10-", 10, XR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=10-20", 10, XR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=99999999999999999999999-", 10, XR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-0", 10, XR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=0-0", 0, XR_RANGE_UNSATISFIABLE, 0, 0},
        {"bytes=-5", 0, XR_RANGE_WHOLE, 0, 0},
        {"bytes=5-3", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=-", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=5", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=a-b", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=1-2x", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=--1", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes=0-1,3-4", 10, XR_RANGE_WHOLE, 0, 0},
        {"lines=0-1", 10, XR_RANGE_WHOLE, 0, 0},
        {"bytes", 10, XR_RANGE_WHOLE, 0, 0},
        {"", 10, XR_RANGE_WHOLE, 0, 0},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct xr_range range = {0};
        enum xr_range_kind kind = xr_byte_range_parse(xr_str_from(CASES[i].header), CASES[i].size, &range);
        if (kind != CASES[i].kind || range.first != CASES[i].first || range.length != CASES[i].length)
            fail_msg("%s of %llu: kind %d, %llu+%llu", CASES[i].header, (unsigned long long)CASES[i].size, (int)kind,
                     (unsigned long long)range.first, (unsigned long long)range.length);
    }
}

static void etags_are_found_in_lists(void **state) {
    (void)state;
    static const struct {
        const char *header;
        bool listed, same;
    } CASES[] = {
        {"\"a\"", true, true},
        {"W/\"a\"", true, false},
        {"*", true, false},
        {" \"a\" ", true, true},
        {"\"b\", \"a\"", true, false},
        {"\"b\",W/\"a\"", true, false},
        {"\"b,\",,\"a\"", true, false},
        {"\"b\"", false, false},
        {"a", false, false},
        {"\"a", false, false},
        {"\"b\" \"", false, false},
        {"W/", false, false},
        {"", false, false},
        {"Sun, 06 Nov 1994 08:49:37 GMT", false, false},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct xr_str header = xr_str_from(CASES[i].header);
        if (xr_etag_listed(header, XR_STR("\"a\"")) != CASES[i].listed ||
            xr_etag_same_strong(header, XR_STR("\"a\"")) != CASES[i].same)
            fail_msg("%s", CASES[i].header);
    }
    assert_true(xr_etag_listed(XR_STR("\"a\""), XR_STR("W/\"a\"")));
}

static void gzip_is_sent_to_those_who_take_it(void **state) {
    (void)state;
    static const struct {
        const char *header;
        bool accepts;
    } CASES[] = {
        {"gzip", true},
        {"gzip, deflate, br", true},
        {"br;q=1.0, GZIP;q=0.5", true},
        {"x-gzip", true},
        {"*", true},
        {"*;q=0", false},
        {"gzip;q=0", false},
        {"gzip;q=0.000, *", false},
        {"gzip;q=0.001", true},
        {"identity", false},
        {"", false},
        {"gzipped", false},
        {"*;q=0, gzip", true},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        if (xr_accepts_gzip(xr_str_from(CASES[i].header)) != CASES[i].accepts)
            fail_msg("%s", CASES[i].header);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read_as_rfc_9110_says),
        cmocka_unit_test(etags_are_found_in_lists),
        cmocka_unit_test(gzip_is_sent_to_those_who_take_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
