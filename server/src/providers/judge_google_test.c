// SPDX-License-Identifier: Apache-2.0
#include "providers/adapter_testing.h"
#include "providers/judge_prompt.h"

static const struct xr_stage_config STAGE = {.model = "gemini-3.5-flash"};

static void the_request_is_googles(void **state) {
    (void)state;
    static const struct xr_judge_turn TURNS[] = {{0, false, XR_STR("say \"hi\"")}, {1, true, XR_STR("hi\nthere")}};
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    XR_AUTO(xr_buf_clear) struct xr_buf want = xr_buf_make(1 << 16);
    struct xr_judge_call call = {.reference = XR_STR("greets"), .turns = TURNS, .turn_count = 2};
    struct xr_json j = xr_json_make(&want, XR_JSON_RESPONSE);
    xr_buf_str(&want, XR_STR("{\"systemInstruction\":{\"parts\":[{\"text\":"));
    xr_json_str(&j, XR_JUDGE_SYSTEM);
    xr_buf_str(
        &want,
        XR_STR("}]},\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"<reference>\\ngreets\\n</reference>\\n"
               "<transcript>\\n[turn 0] [user]: say \\\"hi\\\"\\n[turn 1] [agent]: hi there\\n</transcript>\\n"
               "Grade the agent now. Answer with the JSON object only.\\n\"}]}],\"generationConfig\":{"
               "\"temperature\":0,\"responseMimeType\":\"application/json\",\"responseSchema\":{\"type\":"
               "\"OBJECT\",\"properties\":{\"score\":{\"type\":\"INTEGER\"},\"reason\":{\"type\":\"STRING\"}},"
               "\"required\":[\"score\",\"reason\"]}}}"));
    assert_int_equal(XR_JUDGE_GOOGLE.build(&STAGE, &call.call, &request, NULL), XR_OK);
    assert_string_equal(request.path, "/models/gemini-3.5-flash:generateContent");
    assert_int_equal(request.part_count, 0);
    assert_int_equal(request.body.len, want.len);
    assert_memory_equal(request.body.data, want.data, want.len);
    assert_int_equal(call.prompt_version, XR_JUDGE_PROMPT_VERSION);
}

static void what_cannot_be_sent_has_no_prompt(void **state) {
    (void)state;
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    struct xr_judge_call call = {.reference = XR_STR("greets")};
    struct xr_err err;
    request.body.max = 100;
    assert_int_equal(XR_JUDGE_GOOGLE.build(&STAGE, &call.call, &request, &err), XR_REFUSED);
    assert_string_equal(err.message, "the request would have more than 100 bytes");
    assert_int_equal(call.prompt_version, 0);
}

static enum xr_code read_reply(struct xr_judge_call *call, const char *content_type, const char *body,
                               struct xr_err *err) {
    call->score = -7;
    call->reason = (struct xr_str){0};
    enum xr_code code = test_read(&XR_JUDGE_GOOGLE, &STAGE, &call->call, content_type, xr_str_from(body), err);
    if (code != XR_OK)
        assert_int_equal(call->score, -7);
    return code;
}

/* As Google sends it. */
static void a_whole_response_is_a_score_a_reason_and_tokens(void **state) {
    (void)state;
    static const char REPLY[] =
        "{\n  \"candidates\": [\n    {\n      \"content\": {\n        \"parts\": [\n"
        "          {\"text\": \"The score is {\\\"score\\\": 1}.\", \"thought\": true},\n"
        "          {\"text\": \"{\\n  \\\"score\\\": 85,\\n  \\\"reason\\\": \\\"The table was booked, \", "
        "\"thoughtSignature\": \"CikB0e2Kb7\\u003d\"},\n          {\"text\": \"turn 3.\\\"\\n}\"}\n        ],\n"
        "        \"role\": \"model\"\n      },\n      \"finishReason\": \"STOP\",\n      \"index\": 0,\n"
        "      \"avgLogprobs\": -0.012\n    }\n  ],\n  \"usageMetadata\": {\n    \"promptTokenCount\": 619,\n"
        "    \"candidatesTokenCount\": 27,\n    \"totalTokenCount\": 946,\n    \"promptTokensDetails\": [\n"
        "      {\"modality\": \"TEXT\", \"tokenCount\": 619}\n    ],\n    \"thoughtsTokenCount\": 300\n  },\n"
        "  \"modelVersion\": \"gemini-3.5-flash\",\n  \"responseId\": \"XbUJaeqkB_aCmNAPo5yA2Ac\"\n}\n";
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct xr_judge_call call = {.arena = arena};
    assert_int_equal(read_reply(&call, "application/json", REPLY, NULL), XR_OK);
    assert_int_equal(call.score, 85);
    assert_str(call.reason, "The table was booked, turn 3.");
    assert_int_equal(call.call.usage.input_tokens, 619);
    assert_int_equal(call.call.usage.output_tokens, 327);
}

static void an_unusable_answer_is_refused_by_name(void **state) {
    (void)state;
#define USAGE ",\"usageMetadata\":{\"promptTokenCount\":7}}"
    static const struct {
        const char *body, *message;
    } CASES[] = {
        {"{\"promptFeedback\":{\"blockReason\":\"SAFETY\"}" USAGE, "the prompt was blocked (blockReason SAFETY)"},
        {"{\"candidates\":[]" USAGE, "the answer has no candidates"},
        {"{\"candidates\":[{\"finishReason\":\"MAX_TOKENS\",\"content\":{\"parts\":[{\"text\":\"{\"}]}}]" USAGE,
         "the answer ended with finishReason MAX_TOKENS"},
        {"{\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{\"role\":\"model\"}}]" USAGE,
         "the answer's text is empty"},
        {"{\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{\"parts\":[{\"text\":\"no\"}]}}]" USAGE,
         "the judge's answer is not JSON: no"},
        {"{\"candidates\":[{\"finishReason\":\"STOP\",\"content\":{\"parts\":[{\"text\":\"{\\\"score\\\":101}\"}]}}"
         "]" USAGE,
         "the judge's score 101 is not in 0..100"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_judge_call call = {0};
        struct xr_err err;
        assert_int_equal(read_reply(&call, "application/json", CASES[i].body, &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i].message);
        assert_int_equal(call.call.usage.input_tokens, 7);
        assert_int_equal(call.call.usage.output_tokens, -1);
    }
}

static void a_page_of_a_proxy_is_refused_by_its_type(void **state) {
    (void)state;
    struct xr_judge_call call = {0};
    struct xr_err err;
    assert_int_equal(read_reply(&call, "text/html", "<html></html>", &err), XR_REFUSED);
    assert_string_equal(err.message, "answered text/html instead of JSON");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_googles),
        cmocka_unit_test(what_cannot_be_sent_has_no_prompt),
        cmocka_unit_test(a_whole_response_is_a_score_a_reason_and_tokens),
        cmocka_unit_test(an_unusable_answer_is_refused_by_name),
        cmocka_unit_test(a_page_of_a_proxy_is_refused_by_its_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
