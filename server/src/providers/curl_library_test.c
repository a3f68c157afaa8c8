// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/curl_library.h"
#include <stdbool.h>
#include <stdio.h>

static const int NEEDED = CURL_VERSION_SSL | CURL_VERSION_HTTP2;

static void a_library_that_is_too_old_is_refused_with_both_versions(void **state) {
    (void)state;
    static const struct {
        const char *version;
        unsigned number;
        bool old;
    } CASES[] = {{"7.74.0", CURL_VERSION_BITS(7, 74, 0), true},   {"7.86.0", CURL_VERSION_BITS(7, 86, 0), true},
                 {"6.200.0", CURL_VERSION_BITS(6, 200, 0), true}, {"7.87.0", CURL_VERSION_BITS(7, 87, 0), false},
                 {"7.88.1", CURL_VERSION_BITS(7, 88, 1), false},  {"8.0.1", CURL_VERSION_BITS(8, 0, 1), false}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const curl_version_info_data found = {
            .version = CASES[i].version, .version_num = CASES[i].number, .features = NEEDED};
        struct xr_err err = {0};
        char want[128];
        assert_int_equal(xr_curl_check(&found, &err), CASES[i].old ? XR_UNAVAILABLE : XR_OK);
        snprintf(want, sizeof want,
                 "the installed libcurl is %s, and a cloud provider needs 7.87.0 (Debian's package: libcurl4)",
                 CASES[i].version);
        assert_string_equal(err.message, CASES[i].old ? want : "");
    }
}

static void a_library_without_tls_or_http2_is_refused(void **state) {
    (void)state;
    static const struct {
        int lacks;
        const char *message;
    } CASES[] = {{CURL_VERSION_SSL, "the installed libcurl 8.9.0 was built without TLS"},
                 {CURL_VERSION_HTTP2, "the installed libcurl 8.9.0 was built without HTTP/2"}};
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const curl_version_info_data found = {
            .version = "8.9.0", .version_num = CURL_VERSION_BITS(8, 9, 0), .features = NEEDED & ~CASES[i].lacks};
        struct xr_err err = {0};
        assert_int_equal(xr_curl_check(&found, &err), XR_UNAVAILABLE);
        assert_string_equal(err.message, CASES[i].message);
    }
}

static void the_installed_library_can_be_used(void **state) {
    (void)state;
    struct xr_curl curl;
    assert_int_equal(xr_curl_open(&curl, NULL), XR_OK);
    CURL *easy = curl.curl_easy_init();
    assert_non_null(easy);
    curl.curl_easy_cleanup(easy);
    xr_curl_close(&curl);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_library_that_is_too_old_is_refused_with_both_versions),
        cmocka_unit_test(a_library_without_tls_or_http2_is_refused),
        cmocka_unit_test(the_installed_library_can_be_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
