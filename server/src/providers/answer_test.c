// SPDX-License-Identifier: Apache-2.0
#include "providers/adapter_testing.h"
#include "providers/answer.h"

#define MARK "\xef\xbb\xbf"

static void a_byte_order_mark_before_the_json_is_passed_over(void **state) {
    (void)state;
    static const char *const BODIES[] = {"{\"text\":\"\\ud800!\"}", MARK "{\"text\":\"\\ud800!\"}",
                                         MARK " \r\n{\"text\":\"\\ud800!\"}\n"};
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++) {
        struct xr_response response = test_response("application/json", xr_str_from(BODIES[i]));
        struct xr_answer answer = {0};
        assert_int_equal(xr_answer_parse(&response, &answer, NULL), XR_OK);
        assert_str(xr_answer_str(answer.root, "text"), "\xef\xbf\xbd!");
        xr_answer_clear(&answer);
        test_response_clear(&response);
    }
}

static void a_mark_makes_no_json_of_what_is_none(void **state) {
    (void)state;
    static const struct {
        const char *body, *message;
    } CASES[] = {
        {MARK, "the answer cannot be read: not valid JSON: it is empty"},
        {"", "the answer cannot be read: not valid JSON: it is empty"},
        {MARK MARK "{}", "the answer cannot be read: not valid JSON: "},
        {"\xef\xbb{}", "the answer cannot be read: not valid JSON: "},
        {"\xef\xbb", "the answer cannot be read: not valid JSON: "},
        {"{}" MARK, "the answer cannot be read: not valid JSON: "},
        {MARK "[]", "the answer is not a JSON object"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_response response = test_response(NULL, xr_str_from(CASES[i].body));
        struct xr_answer answer = {0};
        struct xr_err err = {0};
        assert_int_equal(xr_answer_parse(&response, &answer, &err), XR_REFUSED);
        assert_memory_equal(err.message, CASES[i].message, strlen(CASES[i].message));
        assert_null(answer.root);
        test_response_clear(&response);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_byte_order_mark_before_the_json_is_passed_over),
        cmocka_unit_test(a_mark_makes_no_json_of_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
