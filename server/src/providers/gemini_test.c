// SPDX-License-Identifier: Apache-2.0
#include "providers/adapter_testing.h"
#include "providers/gemini.h"

static void a_path_segment_is_escaped(void **state) {
    (void)state;
    static const struct {
        const char *text, *segment;
    } CASES[] = {
        {"", ""},
        {"gemini-2.5_flash~", "gemini-2.5_flash~"},
        {"a/b?c#d%", "a%2Fb%3Fc%23d%25"},
        {"mod\xc3\xa8le @:", "mod%C3%A8le%20%40%3A"},
    };
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(1 << 16);
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
        assert_string_equal(xr_path_segment(arena, CASES[i].text), CASES[i].segment);
    XR_AUTO(xr_arena_freep) struct xr_arena *small = xr_arena_new(16);
    assert_null(xr_path_segment(small, "sixteen characters"));
}

static void the_path_has_the_model(void **state) {
    (void)state;
    static const char *const CASES[][2] = {
        {"gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"},
        {"models/gemini-2.5-flash", "/models/gemini-2.5-flash:generateContent"},
        {"tuned/mine", "/models/tuned%2Fmine:generateContent"},
    };
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        const struct xr_stage_config stage = {.model = CASES[i][0]};
        assert_int_equal(xr_gemini_path(&stage, &request, NULL), XR_OK);
        assert_string_equal(request.path, CASES[i][1]);
    }
    struct xr_request full = {.arena = xr_arena_new(16)};
    assert_int_equal(xr_gemini_path(&(struct xr_stage_config){.model = "m"}, &full, NULL), XR_NO_MEMORY);
    xr_arena_free(full.arena);
}

/* The answer's text, or the message; into out. */
static enum xr_code read_text(const char *content_type, struct xr_str body, struct xr_usage *usage, char out[512]) {
    struct xr_response response = test_response(content_type, body);
    struct xr_answer answer = {0};
    struct xr_err err = {0};
    yyjson_val *parts = NULL;
    struct xr_str text = {0};
    *usage = XR_USAGE_NONE;
    enum xr_code code = xr_gemini_read(&response, usage, &answer, &parts, &err);
    if (code == XR_OK)
        code = xr_gemini_text(parts, &text, &err);
    else
        assert_null(answer.doc);
    xr_answer_clear(&answer);
    snprintf(out, 512, "%.*s", code == XR_OK ? (int)text.len : 512, code == XR_OK ? text.ptr : err.message);
    test_response_clear(&response);
    return code;
}

#define CANDIDATE(parts)                                                                                               \
    "{\"candidates\":[{\"content\":{\"role\":\"model\",\"parts\":" parts "},\"finishReason\":\"STOP\"}]}"

static void texts_are_joined_without_thoughts(void **state) {
    (void)state;
    static const struct {
        const char *body, *text;
    } CASES[] = {
        {CANDIDATE("[{\"text\":\"one\"}]"), "one"},
        {CANDIDATE("[{\"text\":\"one\"},{\"text\":\" and two, which is longer than \\u00e9\"},{\"text\":\"!\"}]"),
         "one and two, which is longer than \xc3\xa9!"},
        {CANDIDATE(
             "[{\"text\":\"I think\",\"thought\":true},{\"text\":\"one\",\"thought\":false},{\"inlineData\":{}},"
             "{\"thought\":true,\"text\":\"hm\"},{\"text\":\"two\",\"thoughtSignature\":\"c2ln\"},7,{\"text\":8}]"),
         "onetwo"},
        {"{\"promptFeedback\":{},\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{\"parts\":[{\"text\":\"a\"}]}}"
         ","
         "{\"finishReason\":\"SAFETY\"}]}",
         "a"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_usage usage;
        char text[512];
        assert_int_equal(read_text("application/json", xr_str_from(CASES[i].body), &usage, text), XR_OK);
        assert_string_equal(text, CASES[i].text);
    }
}

static void an_unusable_answer_is_refused_by_name(void **state) {
    (void)state;
    static const struct {
        const char *body, *message;
    } CASES[] = {
        {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}}", "the prompt was blocked (blockReason SAFETY)"},
        {"{\"promptFeedback\":{\"blockReason\":\"PROHIBITED_\\nCONTENT\"},\"candidates\":[]}",
         "the prompt was blocked (blockReason PROHIBITED_ CONTENT)"},
        {"{}", "the answer has no candidates"},
        {"{\"candidates\":[]}", "the answer has no candidates"},
        {"{\"candidates\":{}}", "the answer has no candidates"},
        {"{\"candidates\":[null]}", "the answer has no candidates"},
        {"{\"error\":{\"code\":500,\"message\":\"no\\nluck\"}}", "answered an error: no luck"},
        {"{\"error\":\"no luck\"}", "answered an error: no luck"},
        {"{\"error\":null}", "the answer has no candidates"},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]}}]}", "the answer has no finishReason"},
        {"{\"candidates\":[{\"content\":{\"parts\":[{\"text\":\"a\"}]},\"finishReason\":\"MAX_TOKENS\"}]}",
         "the answer ended with finishReason MAX_TOKENS"},
        {"{\"candidates\":[{\"finishReason\":\"SAFETY\",\"finishMessage\":\"hate\\nspeech\"}]}",
         "the answer ended with finishReason SAFETY: hate speech"},
        {"{\"candidates\":[{\"finishReason\":\"STOP\"}]}", "the answer's text is empty"},
        {CANDIDATE("null"), "the answer's text is empty"},
        {CANDIDATE("[]"), "the answer's text is empty"},
        {CANDIDATE("[{\"text\":\"\"}]"), "the answer's text is empty"},
        {CANDIDATE("[{\"text\":\"hm\",\"thought\":true}]"), "the answer's text is empty"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_usage usage;
        char message[512];
        assert_int_equal(read_text("application/json", xr_str_from(CASES[i].body), &usage, message), XR_REFUSED);
        assert_string_equal(message, CASES[i].message);
    }
}

static void what_is_no_json_object_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *content_type;
        struct xr_str body;
        const char *message;
    } CASES[] = {
        {"text/html", XR_STR("<html>Bad gateway</html>"), "answered text/html instead of JSON"},
        {"text/\x01\xff", XR_STR("<html>"), "answered text/ ? instead of JSON"},
        {NULL, XR_STR("<html>"),
         "the answer cannot be read: not valid JSON: unexpected character, expected a valid root value at byte 0"},
        {"application/json", XR_STR(""), "the answer cannot be read: not valid JSON: it is empty"},
        {"text/plain", XR_STR("[]"), "the answer is not a JSON object"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_usage usage;
        char message[512];
        assert_int_equal(read_text(CASES[i].content_type, CASES[i].body, &usage, message), XR_REFUSED);
        assert_string_equal(message, CASES[i].message);
    }
}

static void json_is_read_whatever_its_content_type(void **state) {
    (void)state;
    static const char *const TYPES[] = {"text/plain", "text/html", NULL};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        struct xr_usage usage;
        char text[512];
        assert_int_equal(read_text(TYPES[i], XR_STR(CANDIDATE("[{\"text\":\"\\ud83d!\"}]")), &usage, text), XR_OK);
        assert_string_equal(text, "\xef\xbf\xbd!");
    }
}

static void tokens_are_counted_even_of_an_unusable_answer(void **state) {
    (void)state;
    static const struct {
        const char *metadata;
        int64_t input, output;
    } CASES[] = {
        {"{\"promptTokenCount\":100,\"candidatesTokenCount\":20,\"thoughtsTokenCount\":300,\"totalTokenCount\":420}",
         100, 320},
        {"{\"promptTokenCount\":100,\"candidatesTokenCount\":20}", 100, 20},
        {"{\"promptTokenCount\":0,\"thoughtsTokenCount\":5}", 0, 5},
        {"{\"promptTokenCount\":-1,\"candidatesTokenCount\":2.0,\"thoughtsTokenCount\":\"3\"}", -1, -1},
        {"{\"promptTokenCount\":9223372036854775808,\"candidatesTokenCount\":null}", -1, -1},
        {"{\"candidatesTokenCount\":9223372036854775807,\"thoughtsTokenCount\":1}", -1, INT64_MAX},
        {"null", -1, -1},
        {"[1]", -1, -1},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_usage usage;
        char body[512], message[512];
        snprintf(body, sizeof body, "{\"usageMetadata\":%s,\"promptFeedback\":{\"blockReason\":\"OTHER\"}}",
                 CASES[i].metadata);
        assert_int_equal(read_text("application/json", xr_str_from(body), &usage, message), XR_REFUSED);
        assert_int_equal(usage.input_tokens, CASES[i].input);
        assert_int_equal(usage.output_tokens, CASES[i].output);
    }
}

static void more_values_than_memory_is_given_for_are_refused(void **state) {
    (void)state;
    enum { LEN = 4 << 20 };
    char *body = malloc(LEN), message[512];
    struct xr_usage usage;
    memset(body, '[', LEN);
    assert_int_equal(read_text(NULL, (struct xr_str){.ptr = body, .len = LEN}, &usage, message), XR_REFUSED);
    free(body);
    assert_non_null(strstr(message, "the answer cannot be read: JSON has more values than "));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_segment_is_escaped),
        cmocka_unit_test(the_path_has_the_model),
        cmocka_unit_test(texts_are_joined_without_thoughts),
        cmocka_unit_test(an_unusable_answer_is_refused_by_name),
        cmocka_unit_test(what_is_no_json_object_is_refused),
        cmocka_unit_test(json_is_read_whatever_its_content_type),
        cmocka_unit_test(tokens_are_counted_even_of_an_unusable_answer),
        cmocka_unit_test(more_values_than_memory_is_given_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
