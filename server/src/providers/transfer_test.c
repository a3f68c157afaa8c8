// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/transfer.h"
#include <stdarg.h>
#include <string.h>

/* What libcurl was told about the authorities. */
static struct told {
    const char *file, *folder;
    bool file_set, folder_set;
} told;
static CURLcode folder_code; /* what it says to a folder */

static CURLcode note_option(CURL *easy, CURLoption option, ...) {
    va_list args;
    (void)easy;
    va_start(args, option);
    const char *text = option == CURLOPT_CAINFO || option == CURLOPT_CAPATH ? va_arg(args, const char *) : NULL;
    va_end(args);
    if (option == CURLOPT_CAINFO) {
        told.file = text;
        told.file_set = true;
    } else if (option == CURLOPT_CAPATH) {
        told.folder = text;
        told.folder_set = true;
        return folder_code;
    }
    return CURLE_OK;
}

/* Makes an attempt with a libcurl that only listens to what it is told. */
static enum xr_code attempt(const char *ca_file) {
    struct xr_curl curl;
    struct xr_exchange exchange = {.url = "https://host/v1/thing", .body = XR_STR("{}"), .response_max = 1024};
    struct xr_transfer *transfer = NULL;
    assert_int_equal(xr_curl_open(&curl, NULL), XR_OK);
    curl.curl_easy_setopt = note_option;
    told = (struct told){0};
    enum xr_code code = xr_transfer_new(&curl, &exchange, ca_file, &transfer, NULL);
    xr_transfer_free(transfer);
    xr_buf_clear(&exchange.response);
    xr_curl_close(&curl);
    return code;
}

static void a_file_of_authorities_replaces_the_systems_folder_too(void **state) {
    (void)state;
    folder_code = CURLE_OK;
    assert_int_equal(attempt("own.pem"), XR_OK);
    assert_string_equal(told.file, "own.pem");
    assert_true(told.folder_set);
    assert_null(told.folder);
}

static void without_a_file_the_systems_authorities_stay(void **state) {
    (void)state;
    folder_code = CURLE_OK;
    assert_int_equal(attempt(NULL), XR_OK);
    assert_false(told.file_set || told.folder_set);
}

static void a_libcurl_that_knows_no_folder_takes_the_file(void **state) {
    (void)state;
    static const CURLcode UNKNOWN[] = {CURLE_NOT_BUILT_IN, CURLE_UNKNOWN_OPTION};
    for (size_t i = 0; i < 2; i++) {
        folder_code = UNKNOWN[i];
        assert_int_equal(attempt("own.pem"), XR_OK);
        assert_string_equal(told.file, "own.pem");
    }
    folder_code = CURLE_OUT_OF_MEMORY;
    assert_int_equal(attempt("own.pem"), XR_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_authorities_replaces_the_systems_folder_too),
        cmocka_unit_test(without_a_file_the_systems_authorities_stay),
        cmocka_unit_test(a_libcurl_that_knows_no_folder_takes_the_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
