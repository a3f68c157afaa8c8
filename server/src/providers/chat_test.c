// SPDX-License-Identifier: Apache-2.0
#include "providers/adapter_testing.h"
#include "providers/chat.h"
#include "providers/judge_prompt.h"

static const struct xr_adapter *const ADAPTERS[] = {&XR_JUDGE_OPENAI, &XR_JUDGE_MISTRAL};
enum { ADAPTER_COUNT = sizeof ADAPTERS / sizeof *ADAPTERS };
static const struct xr_stage_config STAGE = {.model = "gpt-4o-2024-08-06"};

/* --- the request --- */

static void the_request_is_the_vendors(void **state) {
    (void)state;
    static const struct xr_judge_turn TURNS[] = {{0, false, XR_STR("say \"hi\"")},
                                                 {1, true, XR_STR("hi\n{caf\xc3\xa9}")}};
    for (size_t i = 0; i < ADAPTER_COUNT; i++) {
        XR_AUTO(test_request_clear) struct xr_request request = test_request();
        XR_AUTO(xr_buf_clear) struct xr_buf want = xr_buf_make(1 << 16);
        struct xr_judge_call call = {
            .reference = XR_STR("greets\nback"), .rubric = XR_STR("be kind"), .turns = TURNS, .turn_count = 2};
        struct xr_json j = xr_json_make(&want, XR_JSON_RESPONSE);
        xr_buf_str(&want, XR_STR("{\"model\":\"gpt-4o-2024-08-06\",\"messages\":[{\"role\":\"system\",\"content\":"));
        xr_json_str(&j, XR_JUDGE_SYSTEM);
        xr_buf_str(
            &want,
            XR_STR("},{\"role\":\"user\",\"content\":\"<reference>\\ngreets\\nback\\n</reference>\\n<rubric>\\n"
                   "be kind\\n</rubric>\\n<transcript>\\n[turn 0] [user]: say \\\"hi\\\"\\n[turn 1] [agent]: hi "
                   "{caf\xc3\xa9}\\n</transcript>\\nGrade the agent now. Answer with the JSON object only.\\n\"}],"
                   "\"temperature\":0,\"response_format\":{\"type\":\"json_object\"}}"));
        assert_int_equal(ADAPTERS[i]->build(&STAGE, &call.call, &request, NULL), XR_OK);
        assert_string_equal(request.path, "/chat/completions");
        assert_int_equal(request.part_count, 0);
        assert_int_equal(request.body.len, want.len);
        assert_memory_equal(request.body.data, want.data, want.len);
        assert_int_equal(call.prompt_version, XR_JUDGE_PROMPT_VERSION);
    }
}

static void a_transcript_over_the_requests_bound_is_refused_before_it_is_sent(void **state) {
    (void)state;
    static char text[5000];
    memset(text, 'a', sizeof text);
    struct xr_judge_turn turn = {0, true, {.ptr = text, .len = sizeof text}};
    struct xr_judge_call call = {.turns = &turn, .turn_count = 1};
    struct xr_request request = {.body = xr_buf_make(sizeof text)};
    struct xr_err err;
    assert_int_equal(xr_chat_build(&STAGE, &call.call, &request, &err), XR_REFUSED);
    assert_string_equal(err.message, "the request would have more than 5000 bytes");
    assert_int_equal(call.prompt_version, 0);
    xr_buf_clear(&request.body);
}

/* --- the response --- */

static enum xr_code read_reply(const struct xr_adapter *adapter, struct xr_judge_call *call, const char *content_type,
                               struct xr_str body, struct xr_err *err) {
    call->score = -7;
    call->reason = (struct xr_str){0};
    enum xr_code code = test_read(adapter, &STAGE, &call->call, content_type, body, err);
    if (code != XR_OK)
        assert_int_equal(call->score, -7);
    return code;
}

/* As the vendors send it. */
static const char OPENAI_REPLY[] =
    "{\n  \"id\": \"chatcmpl-B9MBs8CjcvOU2jLn4n570S5qMJKcT\",\n  \"object\": \"chat.completion\",\n"
    "  \"created\": 1741569952,\n  \"model\": \"gpt-4o-2024-08-06\",\n  \"choices\": [\n    {\n      \"index\": 0,\n"
    "      \"message\": {\n        \"role\": \"assistant\",\n"
    "        \"content\": \"{\\n  \\\"score\\\": 85,\\n  \\\"reason\\\": \\\"The table was booked \\u2014 turn "
    "3.\\\"\\n}\",\n"
    "        \"refusal\": null,\n        \"annotations\": []\n      },\n      \"logprobs\": null,\n"
    "      \"finish_reason\": \"stop\"\n    }\n  ],\n  \"usage\": {\n    \"prompt_tokens\": 619,\n"
    "    \"completion_tokens\": 27,\n    \"total_tokens\": 646,\n"
    "    \"prompt_tokens_details\": {\"cached_tokens\": 0, \"audio_tokens\": 0},\n"
    "    \"completion_tokens_details\": {\"reasoning_tokens\": 0, \"audio_tokens\": 0,\n"
    "      \"accepted_prediction_tokens\": 0, \"rejected_prediction_tokens\": 0}\n  },\n"
    "  \"service_tier\": \"default\",\n  \"system_fingerprint\": \"fp_07871e2ad8\"\n}\n";
static const char MISTRAL_REPLY[] =
    "{\"id\":\"cmpl-e5cc70bb28c444948073e77776eb30ef\",\"created\":1702256327,\"model\":\"mistral-medium-2604\","
    "\"usage\":{\"prompt_tokens\":619,\"total_tokens\":646,\"completion_tokens\":27,\"prompt_audio_seconds\":null},"
    "\"object\":\"chat.completion\",\"choices\":[{\"index\":0,\"finish_reason\":\"stop\",\"message\":{\"role\":"
    "\"assistant\",\"tool_calls\":null,\"prefix\":false,\"content\":[{\"type\":\"thinking\",\"thinking\":[{\"type\":"
    "\"text\",\"text\":\"{\\\"score\\\": 1}\"}]},{\"type\":\"text\",\"text\":\"{\\\"score\\\": 85, \\\"reason\\\":\"},"
    "{\"type\":\"reference\",\"reference_ids\":[1]},{\"type\":\"text\",\"text\":"
    "\" \\\"The table was booked \\u2014 turn 3.\\\"}\"}]}}]}";

static void a_whole_response_is_a_score_a_reason_and_tokens(void **state) {
    (void)state;
    const struct xr_str replies[] = {XR_STR(OPENAI_REPLY), XR_STR(MISTRAL_REPLY)};
    for (size_t i = 0; i < ADAPTER_COUNT; i++)
        for (size_t k = 0; k < 2; k++) {
            XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
            struct xr_judge_call call = {.arena = arena};
            assert_int_equal(read_reply(ADAPTERS[i], &call, "application/json", replies[k], NULL), XR_OK);
            assert_int_equal(call.score, 85);
            assert_str(call.reason, "The table was booked \xe2\x80\x94 turn 3.");
            assert_int_equal(call.call.usage.input_tokens, 619);
            assert_int_equal(call.call.usage.output_tokens, 27);
        }
}

#define USAGE "\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":3}"
#define CHOICE(choice) "{\"choices\":[" choice "]," USAGE "}"
#define CONTENT(content) CHOICE("{\"finish_reason\":\"stop\",\"message\":{\"content\":" content "}}")

static void what_local_servers_send_is_read_too(void **state) {
    (void)state;
    static const struct {
        const char *content_type;
        struct xr_str body;
    } CASES[] = {
        {"text/plain", XR_STR(CONTENT("\"{\\\"score\\\":85}\""))},
        {NULL, XR_STR(CONTENT("\"{\\\"score\\\":85}\""))},
        {"text/html", XR_STR(CONTENT("\"{\\\"score\\\":85}\""))},
        {"application/json", XR_STR(CHOICE("{\"message\":{\"content\":\"{\\\"score\\\":85}\",\"refusal\":\"\"}}"))},
        {"application/json",
         XR_STR(CHOICE("{\"finish_reason\":null,\"message\":{\"content\":\"{\\\"score\\\":85}\"}}"))},
        {"application/json",
         XR_STR(CHOICE("{\"finish_reason\":\"eos\",\"message\":{\"content\":\"{\\\"score\\\":85}\"}}"))},
        {"application/json",
         XR_STR(CONTENT("\"<think>hm {\\\"score\\\":1}</think>```json\\n{\\\"score\\\":\\\"85\\\"}\\n```\""))},
        {"application/json",
         XR_STR("{\"error\":null,\"choices\":[{\"message\":{\"content\":\"{\\\"score\\\":85}\"}},{}]," USAGE
                ",\"x\":\"\\udc00\"}")},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_judge_call call = {0};
        struct xr_err err = {0};
        if (read_reply(&XR_JUDGE_OPENAI, &call, CASES[i].content_type, CASES[i].body, &err) != XR_OK)
            fail_msg("%zu: %s", i, err.message);
        assert_int_equal(call.score, 85);
        assert_int_equal(call.call.usage.input_tokens, 7);
    }
}

static void an_unusable_answer_is_refused_by_name_and_its_tokens_counted(void **state) {
    (void)state;
    static const struct {
        const char *body, *message;
    } CASES[] = {
        {"{" USAGE "}", "the answer has no choices"},
        {"{\"choices\":[]," USAGE "}", "the answer has no choices"},
        {"{\"choices\":null," USAGE "}", "the answer has no choices"},
        {CHOICE("null"), "the answer has no choices"},
        {"{\"error\":{\"message\":\"model is\\nloading\"}," USAGE "}", "answered an error: model is loading"},
        {CHOICE("{}"), "the answer has no choices[0].message.content"},
        {CHOICE("{\"message\":null}"), "the answer has no choices[0].message.content"},
        {CONTENT("null"), "the answer has no choices[0].message.content"},
        {CONTENT("7"), "the answer has no choices[0].message.content"},
        {CONTENT("{\"score\":85}"), "the answer has no choices[0].message.content"},
        {CONTENT("[]"), "the answer has no text in choices[0].message.content"},
        {CONTENT("[{\"type\":\"thinking\",\"thinking\":[]},7,{\"type\":\"text\"},{\"text\":\"a\"}]"),
         "the answer has no text in choices[0].message.content"},
        {CONTENT("\"\""), "the judge's answer is empty"},
        {CONTENT("[{\"type\":\"text\",\"text\":\"\"}]"), "the judge's answer is empty"},
        {CONTENT("\"I cannot\\ndo that\""), "the judge's answer is not JSON: I cannot do that"},
        {CONTENT("\"{\\\"score\\\":120}\""), "the judge's score 120 is not in 0..100"},
        {CHOICE(
             "{\"finish_reason\":\"stop\",\"message\":{\"content\":null,\"refusal\":\"I can't\\nhelp with that.\"}}"),
         "the judge refused: I can't help with that."},
        {CHOICE("{\"finish_reason\":\"length\",\"message\":{\"content\":\"{\\\"score\\\":85}\"}}"),
         "the answer was cut off (finish_reason length)"},
        {CHOICE("{\"finish_reason\":\"model_length\",\"message\":{\"content\":\"{\"}}"),
         "the answer was cut off (finish_reason model_length)"},
        {CHOICE("{\"finish_reason\":\"content_filter\",\"message\":{\"content\":\"\"}}"),
         "the answer was withheld (finish_reason content_filter)"},
        {CHOICE("{\"finish_reason\":\"error\",\"message\":{\"content\":\"\"}}"),
         "the answer was broken off (finish_reason error)"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_judge_call call = {0};
        struct xr_err err;
        assert_int_equal(read_reply(&XR_JUDGE_MISTRAL, &call, "application/json", xr_str_from(CASES[i].body), &err),
                         XR_REFUSED);
        assert_string_equal(err.message, CASES[i].message);
        assert_int_equal(call.call.usage.input_tokens, 7);
        assert_int_equal(call.call.usage.output_tokens, 3);
    }
}

static void tokens_that_are_no_counts_are_not_known(void **state) {
    (void)state;
    static const char *const USAGES[] = {"null", "[]", "{}", "{\"prompt_tokens\":-1,\"completion_tokens\":1.0}",
                                         "{\"prompt_tokens\":\"7\",\"completion_tokens\":9223372036854775808}"};
    for (size_t i = 0; i < sizeof USAGES / sizeof *USAGES; i++) {
        struct xr_judge_call call = {0};
        char body[256];
        snprintf(body, sizeof body, "{\"choices\":[{\"message\":{\"content\":\"{\\\"score\\\":85}\"}}],\"usage\":%s}",
                 USAGES[i]);
        assert_int_equal(read_reply(&XR_JUDGE_OPENAI, &call, NULL, xr_str_from(body), NULL), XR_OK);
        assert_int_equal(call.call.usage.input_tokens, -1);
        assert_int_equal(call.call.usage.output_tokens, -1);
    }
}

static void a_page_of_a_proxy_is_refused_by_its_type(void **state) {
    (void)state;
    struct xr_judge_call call = {0};
    struct xr_err err;
    assert_int_equal(read_reply(&XR_JUDGE_OPENAI, &call, "text/html", XR_STR("<html></html>"), &err), XR_REFUSED);
    assert_string_equal(err.message, "answered text/html instead of JSON");
    assert_int_equal(call.call.usage.input_tokens, -1);
}

static void a_response_that_was_cut_anywhere_is_refused(void **state) {
    (void)state;
    const size_t whole = strlen(MISTRAL_REPLY);
    for (size_t len = 0; len < whole; len++) {
        struct xr_judge_call call = {0};
        assert_int_equal(read_reply(&XR_JUDGE_MISTRAL, &call, "application/json",
                                    (struct xr_str){.ptr = MISTRAL_REPLY, .len = len}, NULL),
                         XR_REFUSED);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_the_vendors),
        cmocka_unit_test(a_transcript_over_the_requests_bound_is_refused_before_it_is_sent),
        cmocka_unit_test(a_whole_response_is_a_score_a_reason_and_tokens),
        cmocka_unit_test(what_local_servers_send_is_read_too),
        cmocka_unit_test(an_unusable_answer_is_refused_by_name_and_its_tokens_counted),
        cmocka_unit_test(tokens_that_are_no_counts_are_not_known),
        cmocka_unit_test(a_page_of_a_proxy_is_refused_by_its_type),
        cmocka_unit_test(a_response_that_was_cut_anywhere_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
