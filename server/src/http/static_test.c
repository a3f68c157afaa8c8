// SPDX-License-Identifier: Apache-2.0
#include "base/gzip.h"
#include "base/limits.h"
#include "base/test.h"
#include "http/assets.h"
#include "http/static.h"
#include "http/testkit.h"
#include <stdio.h>
#include <stdlib.h>

static const struct xr_route ROUTES[] = {
    {"GET", "/openapi.json", xr_static_get, NULL, XR_BODY_NONE, 0},
    {"GET", "/docs", xr_static_get, NULL, XR_BODY_NONE, 0},
    {"GET", "/docs/{file}", xr_static_get, NULL, XR_BODY_NONE, 0},
    {0},
};

static int setup(void **state) {
    *state = xr_rig_start(ROUTES, NULL);
    return 0;
}

static int teardown(void **state) {
    xr_rig_stop(*state);
    return 0;
}

static struct xr_reply get(struct xr_rig *rig, const char *path, const char *headers) {
    char request[512];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n%s\r\n", path, headers);
    return xr_ask(rig, request);
}

/* Whoever does not take gzip gets exactly what is in the gzip. */
static void every_asset_is_the_same_in_both_encodings(void **state) {
    size_t count = 0;
    for (const struct xr_asset *asset = XR_ASSETS; asset->path; asset++, count++) {
        if (!asset->gzip)
            continue;
        struct xr_reply packed = get(*state, asset->path, "Accept-Encoding: gzip, br\r\n");
        assert_int_equal(packed.status, 200);
        assert_string_equal(xr_reply_header(&packed, "Content-Encoding"), "gzip");
        assert_string_equal(xr_reply_header(&packed, "Content-Type"), asset->content_type);
        char *plain = NULL;
        size_t n = 0;
        const struct xr_str bytes = {.ptr = packed.body, .len = packed.body_len};
        assert_int_equal(xr_gunzip(bytes, XR_ASSET_MAX, &plain, &n, NULL), XR_OK);
        xr_reply_clear(&packed);
        struct xr_reply identity = get(*state, asset->path, "");
        assert_int_equal(identity.status, 200);
        assert_string_equal(xr_reply_header(&identity, "Content-Encoding"), "");
        assert_int_equal(identity.body_len, n);
        assert_memory_equal(identity.body, plain, n);
        xr_reply_clear(&identity);
        free(plain);
    }
    assert_true(count > 0);
}

static void description_is_json(void **state) {
    struct xr_reply reply = get(*state, "/openapi.json", "");
    yyjson_doc *doc = NULL;
    const struct xr_str body = {.ptr = reply.body, .len = reply.body_len};
    assert_int_equal(xr_json_parse(body, XR_JSON_DEPTH_MAX, &doc, NULL), XR_OK);
    yyjson_val *version = xr_json_member(yyjson_doc_get_root(doc), XR_STR("openapi"));
    assert_int_equal(strncmp(yyjson_get_str(version), "3.1", 3), 0);
    yyjson_doc_free(doc);
    xr_reply_clear(&reply);
}

static void known_copy_is_not_sent_again(void **state) {
    struct xr_reply reply = get(*state, "/openapi.json", "");
    char headers[256];
    snprintf(headers, sizeof headers, "If-None-Match: %s\r\n", xr_reply_header(&reply, "ETag"));
    xr_reply_clear(&reply);
    reply = get(*state, "/openapi.json", headers);
    assert_int_equal(reply.status, 304);
    xr_reply_clear(&reply);
}

static void other_paths_are_not_found(void **state) {
    static const char *const PATHS[] = {"/docs/nothing.js", "/docs/..%2fopenapi.json", "/docs/a%00"};
    for (size_t i = 0; i < sizeof PATHS / sizeof PATHS[0]; i++) {
        struct xr_reply reply = get(*state, PATHS[i], "");
        assert_int_equal(reply.status, 404);
        xr_reply_clear(&reply);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_asset_is_the_same_in_both_encodings),
        cmocka_unit_test(description_is_json),
        cmocka_unit_test(known_copy_is_not_sent_again),
        cmocka_unit_test(other_paths_are_not_found),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
