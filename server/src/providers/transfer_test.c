// SPDX-License-Identifier: Apache-2.0
#include "base/test.h"
#include "providers/transfer.h"
#include <stdarg.h>
#include <string.h>

/* What libcurl was told about the authorities, and what it says to that. */
static struct told {
    CURLoption option;
    bool set;
    const char *text;
    CURLcode code;
} told[] = {{.option = CURLOPT_CAINFO},
            {.option = CURLOPT_CAPATH},
            {.option = CURLOPT_PROXY_CAINFO},
            {.option = CURLOPT_PROXY_CAPATH}};
enum { FILE_OF, FOLDER_OF, PROXY_FILE, PROXY_FOLDER, TOLD };

static CURLcode note_option(CURL *easy, CURLoption option, ...) {
    va_list args;
    CURLcode code = CURLE_OK;
    (void)easy;
    va_start(args, option);
    for (size_t i = 0; i < TOLD; i++) {
        if (told[i].option != option)
            continue;
        told[i].set = true;
        told[i].text = va_arg(args, const char *);
        code = told[i].code;
    }
    va_end(args);
    return code;
}

/* Makes an attempt with a libcurl that only listens to what it is told. */
static enum xr_code attempt(const char *ca_file) {
    struct xr_curl curl;
    struct xr_exchange exchange = {.url = "https://host/v1/thing", .body = XR_STR("{}"), .response_max = 1024};
    struct xr_transfer *transfer = NULL;
    assert_int_equal(xr_curl_open(&curl, NULL), XR_OK);
    curl.curl_easy_setopt = note_option;
    for (size_t i = 0; i < TOLD; i++) {
        told[i].set = false;
        told[i].text = NULL;
    }
    enum xr_code code = xr_transfer_new(&curl, &exchange, ca_file, &transfer, NULL);
    xr_transfer_free(transfer);
    xr_buf_clear(&exchange.response);
    xr_curl_close(&curl);
    return code;
}

static void all_options_are_known(void) {
    for (size_t i = 0; i < TOLD; i++)
        told[i].code = CURLE_OK;
}

static void a_file_of_authorities_replaces_the_systems_folder_too(void **state) {
    (void)state;
    all_options_are_known();
    assert_int_equal(attempt("own.pem"), XR_OK);
    assert_string_equal(told[FILE_OF].text, "own.pem");
    assert_string_equal(told[PROXY_FILE].text, "own.pem");
    assert_true(told[FOLDER_OF].set && told[PROXY_FOLDER].set);
    assert_null(told[FOLDER_OF].text);
    assert_null(told[PROXY_FOLDER].text);
}

static void without_a_file_the_systems_authorities_stay(void **state) {
    (void)state;
    all_options_are_known();
    assert_int_equal(attempt(NULL), XR_OK);
    for (size_t i = 0; i < TOLD; i++)
        assert_false(told[i].set);
}

static void a_libcurl_that_knows_no_folder_or_no_proxy_takes_the_file(void **state) {
    (void)state;
    static const CURLcode UNKNOWN[] = {CURLE_NOT_BUILT_IN, CURLE_UNKNOWN_OPTION};
    for (size_t option = FOLDER_OF; option < TOLD; option++) {
        all_options_are_known();
        for (size_t i = 0; i < 2; i++) {
            told[option].code = UNKNOWN[i];
            assert_int_equal(attempt("own.pem"), XR_OK);
            assert_string_equal(told[FILE_OF].text, "own.pem");
        }
        told[option].code = CURLE_OUT_OF_MEMORY;
        assert_int_equal(attempt("own.pem"), XR_NO_MEMORY);
    }
}

static void a_libcurl_that_does_not_take_the_file_is_not_used(void **state) {
    (void)state;
    all_options_are_known();
    told[FILE_OF].code = CURLE_UNKNOWN_OPTION;
    assert_int_equal(attempt("own.pem"), XR_NO_MEMORY);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_authorities_replaces_the_systems_folder_too),
        cmocka_unit_test(without_a_file_the_systems_authorities_stay),
        cmocka_unit_test(a_libcurl_that_knows_no_folder_or_no_proxy_takes_the_file),
        cmocka_unit_test(a_libcurl_that_does_not_take_the_file_is_not_used),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
