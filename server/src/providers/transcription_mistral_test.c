// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"

static const struct xr_stage_config STAGE = {.model = "voxtral-mini-2602"};

static void the_request_is_a_form_with_the_turns_wav(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 3000);
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    struct xr_transcribe_call call = {.call = test_speech_call(s, INT64_MAX), .cut = test_cut(&r, 0, 500, 2500)};
    assert_int_equal(XR_TRANSCRIPTION_MISTRAL.build(&STAGE, &call.call, &request, NULL), XR_OK);
    assert_string_equal(request.path, "/audio/transcriptions");
    assert_int_equal(request.part_count, 3);
    const struct xr_part *file = test_part(&request, "file");
    assert_string_equal(file->file_name, "turn.wav");
    assert_string_equal(file->content_type, "audio/wav");
    assert_cloud_wav(file->data, 300, 2000);
    assert_field(&request, "model", "voxtral-mini-2602");
    assert_field(&request, "timestamp_granularities", "word");
    close(r.fd);
}

static void a_cancelled_call_builds_nothing(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 1000);
    struct xr_call_group group = {.cancelled = true};
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    struct xr_transcribe_call call = {.call = test_speech_call(s, INT64_MAX), .cut = test_cut(&r, 0, 0, 1000)};
    call.call.group = &group;
    assert_int_equal(XR_TRANSCRIPTION_MISTRAL.build(&STAGE, &call.call, &request, NULL), XR_CANCELLED);
    close(r.fd);
}

static enum xr_code read_body(struct test_speech *s, struct xr_transcribe_call *call, const char *body,
                              struct xr_err *err) {
    *call = test_transcription(s);
    return test_read(&XR_TRANSCRIPTION_MISTRAL, &STAGE, &call->call, "application/json", xr_str_from(body), err);
}

static void an_answer_is_read_whole(void **state) {
    static const char BODY[] =
        "{\"model\":\"voxtral-mini-2602\",\"text\":\"Hello there.\",\"language\":\"en\",\"segments\":["
        "{\"type\":\"transcription_segment\",\"text\":\" Hello\",\"start\":0.0,\"end\":0.4,\"score\":null},"
        "{\"type\":\"transcription_segment\",\"text\":\" there.\",\"start\":0.4,\"end\":0.9,\"speaker_id\":null},"
        "{\"type\":\"transcription_segment\",\"text\":\" uh\",\"start\":null,\"end\":null}],"
        "\"usage\":{\"prompt_audio_seconds\":2,\"prompt_tokens\":4,\"completion_tokens\":9,\"total_tokens\":13},"
        "\"finish_reason\":null}";
    struct xr_transcribe_call call;
    assert_int_equal(read_body(*state, &call, BODY, NULL), XR_OK);
    assert_str(call.text, "Hello there.");
    assert_str(call.language, "en");
    assert_int_equal(call.duration_ms, 2000);
    assert_int_equal(call.word_count, 2);
    assert_str(call.words[0].text, "Hello");
    assert_str(call.words[1].text, "there.");
    assert_int_equal(call.words[0].end_ms, 400);
    assert_int_equal(call.words[1].start_ms, 400);
    assert_int_equal(call.call.usage.input_tokens, 4);
    assert_int_equal(call.call.usage.output_tokens, 9);
}

static void only_the_text_is_needed(void **state) {
    static const char *const BODIES[] = {
        "{\"text\":\"\"}",
        "{\"text\":\" \",\"language\":null,\"segments\":[],\"usage\":{}}",
        "{\"text\":\"\",\"segments\":null,\"usage\":null}",
        "{\"text\":\"\",\"segments\":\"none\",\"usage\":{\"prompt_tokens\":\"4\",\"completion_tokens\":-1}}",
    };
    for (size_t i = 0; i < sizeof BODIES / sizeof *BODIES; i++) {
        struct xr_transcribe_call call;
        assert_int_equal(read_body(*state, &call, BODIES[i], NULL), XR_OK);
        assert_non_null(call.text.ptr);
        assert_int_equal(call.text.len, 0);
        assert_null(call.language.ptr);
        assert_null(call.words);
        assert_int_equal(call.call.usage.input_tokens, -1);
        assert_int_equal(call.call.usage.output_tokens, -1);
    }
}

static void an_answer_without_text_is_refused_after_its_usage_is_read(void **state) {
    struct xr_transcribe_call call;
    struct xr_err err = {0};
    assert_int_equal(
        read_body(*state, &call, "{\"segments\":[],\"usage\":{\"prompt_tokens\":4,\"completion_tokens\":9}}", &err),
        XR_REFUSED);
    assert_string_equal(err.message, "the answer has no text");
    assert_int_equal(call.call.usage.input_tokens, 4);
    assert_int_equal(call.call.usage.output_tokens, 9);
    assert_int_equal(read_body(*state, &call, "{\"text\":", &err), XR_REFUSED);
    assert_non_null(strstr(err.message, "not valid JSON"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_a_form_with_the_turns_wav),
        cmocka_unit_test(a_cancelled_call_builds_nothing),
        cmocka_unit_test(an_answer_is_read_whole),
        cmocka_unit_test(only_the_text_is_needed),
        cmocka_unit_test(an_answer_without_text_is_refused_after_its_usage_is_read),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
