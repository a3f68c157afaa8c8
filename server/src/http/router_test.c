// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "http/router.h"

static void nothing(struct xr_request *req) {
    (void)req;
}

static const struct xr_route TABLE[] = {
    {"GET", "/a", nothing, NULL, XR_BODY_NONE, 0},
    {"POST", "/a", nothing, NULL, XR_BODY_NONE, 0},
    {"GET", "/a/{id}", nothing, NULL, XR_BODY_NONE, 0},
    {"PATCH", "/a/{id}", nothing, NULL, XR_BODY_NONE, 0},
    {"POST", "/a/compare", nothing, NULL, XR_BODY_NONE, 0},
    {"GET", "/a/{id}/b/{idx}/c", nothing, NULL, XR_BODY_NONE, 0},
    {0},
};

static void a_request_finds_its_route(void **state) {
    (void)state;
    static const struct {
        const char *method, *path;
        int route; /* index; -1: no route for the method, -2: unknown path */
        const char *first, *second;
    } CASES[] = {
        {"GET", "/a", 0, "", ""},
        {"HEAD", "/a", 0, "", ""},
        {"POST", "/a", 1, "", ""},
        {"DELETE", "/a", -1, "", ""},
        {"get", "/a", -1, "", ""},
        {"GET", "/a/x", 2, "x", ""},
        {"HEAD", "/a/x", 2, "x", ""},
        {"PATCH", "/a/x", 3, "x", ""},
        {"POST", "/a/compare", 4, "", ""},
        {"GET", "/a/compare", 2, "compare", ""},
        {"POST", "/a/x", -1, "", ""},
        {"GET", "/a/x/b/7/c", 5, "x", "7"},
        {"GET", "/a/x%2Fy/b/7/c", 5, "x%2Fy", "7"},
        {"GET", "/%61/x", 2, "x", ""},
        {"GET", "/a/x/b/7", -2, "", ""},
        {"GET", "/a/x/b/7/c/", -2, "", ""},
        {"GET", "/a/", -2, "", ""},
        {"GET", "//a", -2, "", ""},
        {"GET", "/", -2, "", ""},
        {"GET", "", -2, "", ""},
        {"GET", "a", -2, "", ""},
        {"GET", "/A", -2, "", ""},
        {"GET", "/../a", -2, "", ""},
        {"OPTIONS", "*", -2, "", ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        struct xr_match match = xr_router_match(TABLE, xr_str_from(CASES[i].method), xr_str_from(CASES[i].path));
        int route = match.route ? (int)(match.route - TABLE) : match.path_known ? -1 : -2;
        if (route != CASES[i].route)
            fail_msg("%s %s: %d", CASES[i].method, CASES[i].path, route);
        assert_true(xr_str_eq(match.params[0], xr_str_from(CASES[i].first)));
        assert_true(xr_str_eq(match.params[1], xr_str_from(CASES[i].second)));
    }
}

static void allow_lists_every_method_of_the_path(void **state) {
    (void)state;
    char allow[64];
    xr_router_allow(TABLE, XR_STR("/a"), allow, sizeof allow);
    assert_string_equal(allow, "GET, HEAD, POST");
    xr_router_allow(TABLE, XR_STR("/a/compare"), allow, sizeof allow);
    assert_string_equal(allow, "GET, HEAD, POST, PATCH");
    xr_router_allow(TABLE, XR_STR("/b"), allow, sizeof allow);
    assert_string_equal(allow, "");
}

static void only_whole_escapes_are_decoded(void **state) {
    (void)state;
    static const struct {
        struct xr_str in, out;
    } CASES[] = {
        {XR_STR(""), XR_STR("")},         {XR_STR("abc"), XR_STR("abc")},  {XR_STR("%41"), XR_STR("A")},
        {XR_STR("%6a%6A"), XR_STR("jj")}, {XR_STR("%"), XR_STR("%")},      {XR_STR("%4"), XR_STR("%4")},
        {XR_STR("%zz"), XR_STR("%zz")},   {XR_STR("%%41"), XR_STR("%A")},  {XR_STR("a%00b"), XR_STR("a\0b")},
        {XR_STR("%2541"), XR_STR("%41")}, {XR_STR("%ff"), XR_STR("\xff")},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char out[16];
        size_t n = xr_percent_decode(CASES[i].in, out);
        assert_true(xr_str_eq(CASES[i].out, (struct xr_str){.ptr = out, .len = n}));
    }
}

/* The real table: what the server relies on without looking. */
static void the_api_table_is_sound(void **state) {
    (void)state;
    size_t count = 0;
    for (const struct xr_route *route = XR_ROUTES; route->method; route++, count++) {
        size_t params = 0;
        for (const char *c = route->path; *c; c++)
            params += *c == '{';
        assert_int_equal(route->path[0], '/');
        assert_true(params <= XR_PARAMS_MAX);
        assert_non_null(route->handle);
        assert_int_equal(route->body != XR_BODY_NONE, route->body_max > 0);
        struct xr_match match = xr_router_match(XR_ROUTES, xr_str_from(route->method), xr_str_from(route->path));
        assert_ptr_equal(match.route, route); /* no other route hides it */
    }
    assert_true(count > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_finds_its_route),
        cmocka_unit_test(allow_lists_every_method_of_the_path),
        cmocka_unit_test(only_whole_escapes_are_decoded),
        cmocka_unit_test(the_api_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
