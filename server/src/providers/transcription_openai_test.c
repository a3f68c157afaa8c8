// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"

static const struct xr_stage_config STAGE = {.model = "whisper-1"};

static void the_request_is_a_form_with_the_turns_wav(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 3000);
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    struct xr_transcribe_call call = {.call = test_speech_call(s, INT64_MAX), .cut = test_cut(&r, 1, 500, 2500)};
    assert_int_equal(XR_TRANSCRIPTION_OPENAI.build(&STAGE, &call.call, &request, NULL), XR_OK);
    assert_string_equal(request.path, "/audio/transcriptions");
    assert_int_equal(request.part_count, 4);
    const struct xr_part *file = test_part(&request, "file");
    assert_string_equal(file->file_name, "turn.wav");
    assert_string_equal(file->content_type, "audio/wav");
    assert_cloud_wav(file->data, 700, 2000);
    assert_field(&request, "model", "whisper-1");
    assert_field(&request, "response_format", "verbose_json");
    assert_field(&request, "timestamp_granularities[]", "word");
    close(r.fd);
}

static void a_model_without_times_is_asked_for_plain_json(void **state) {
    static const char *const MODELS[] = {"gpt-4o-transcribe", "openai/gpt-4o-mini-transcribe"};
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 300);
    for (size_t i = 0; i < sizeof MODELS / sizeof *MODELS; i++) {
        const struct xr_stage_config stage = {.model = MODELS[i]};
        XR_AUTO(test_request_clear) struct xr_request request = test_request();
        struct xr_transcribe_call call = {.call = test_speech_call(s, INT64_MAX), .cut = test_cut(&r, 1, 0, 300)};
        assert_int_equal(XR_TRANSCRIPTION_OPENAI.build(&stage, &call.call, &request, NULL), XR_OK);
        assert_int_equal(request.part_count, 3);
        assert_field(&request, "model", MODELS[i]);
        assert_field(&request, "response_format", "json");
    }
    close(r.fd);
}

static void a_turn_that_cannot_be_sent_is_told(void **state) {
    struct xr_transcribe_call call = test_transcription(*state);
    struct xr_err err = {0};
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    call.cut.frames = (uint64_t)XR_RATE * 1200;
    assert_int_equal(XR_TRANSCRIPTION_OPENAI.build(&STAGE, &call.call, &request, &err), XR_REFUSED);
    assert_string_equal(err.message, "the turn is longer than the 1048 seconds that can be sent");
}

static enum xr_code read_body(struct test_speech *s, struct xr_transcribe_call *call, const char *type,
                              const char *body, struct xr_err *err) {
    *call = test_transcription(s);
    return test_read(&XR_TRANSCRIPTION_OPENAI, &STAGE, &call->call, type, xr_str_from(body), err);
}

static void a_verbose_answer_is_read_whole(void **state) {
    static const char BODY[] =
        "{\"task\":\"transcribe\",\"language\":\"english\",\"duration\":1.9199999570846558,\"text\":\"Hello there.\","
        "\"words\":[{\"word\":\"Hello\",\"start\":0.0,\"end\":0.41999998688697815},"
        "{\"word\":\"there\",\"start\":0.41999998688697815,\"end\":0.8600000143051147}],"
        "\"usage\":{\"type\":\"duration\",\"seconds\":2}}";
    struct xr_transcribe_call call;
    assert_int_equal(read_body(*state, &call, "application/json", BODY, NULL), XR_OK);
    assert_str(call.text, "Hello there.");
    assert_str(call.language, "english");
    assert_int_equal(call.duration_ms, 1920);
    assert_int_equal(call.word_count, 2);
    assert_str(call.words[1].text, "there");
    assert_int_equal(call.words[1].start_ms, 420);
    assert_int_equal(call.words[1].end_ms, 860);
    assert_int_equal(call.call.usage.input_tokens, -1);
    assert_int_equal(call.call.usage.output_tokens, -1);
}

static void tokens_are_counted_before_anything_fails(void **state) {
    static const char *const TEXTS[] = {"\"text\":\"hi\",", ""};
    for (size_t i = 0; i < 2; i++) {
        char body[256];
        struct xr_transcribe_call call;
        snprintf(body, sizeof body,
                 "{%s\"usage\":{\"type\":\"tokens\",\"input_tokens\":14,\"output_tokens\":45,\"total_tokens\":59,"
                 "\"input_token_details\":{\"text_tokens\":0,\"audio_tokens\":14}}}",
                 TEXTS[i]);
        assert_int_equal(read_body(*state, &call, "application/json", body, NULL), i == 0 ? XR_OK : XR_REFUSED);
        assert_int_equal(call.call.usage.input_tokens, 14);
        assert_int_equal(call.call.usage.output_tokens, 45);
        assert_int_equal(call.call.usage.calls, 0);
    }
}

/* What whisper.cpp, faster-whisper's servers, LocalAI and vLLM answer. */
static void the_dialects_of_local_servers_are_read(void **state) {
    static const struct {
        const char *type, *body, *language;
        size_t words;
        int64_t duration_ms;
    } CASES[] = {
        {"text/plain", "{\"text\":\" Hello there.\\n\"}", NULL, 0, 2000},
        {NULL, "{\"text\":\"Hello there.\",\"words\":null,\"segments\":null,\"language\":null}", NULL, 0, 2000},
        {"application/json",
         "{\"task\":\"transcribe\",\"language\":\"english\",\"duration\":2.1,\"text\":\" Hello "
         "there.\\n\",\"segments\":"
         "[{\"id\":0,\"text\":\" Hello there.\",\"start\":0.0,\"end\":1.9,\"tokens\":[2425],\"words\":[{\"word\":"
         "\" Hello\",\"start\":0.0,\"end\":0.5,\"t_dtw\":-1,\"probability\":0.9},{\"word\":\" there\",\"start\":0.5,"
         "\"end\":1.0,\"t_dtw\":-1,\"probability\":0.9},{\"word\":\".\",\"start\":1.0,\"end\":1.9,\"t_dtw\":-1,"
         "\"probability\":0.8}],\"temperature\":0.0,\"avg_logprob\":-0.2,\"no_speech_prob\":0.01}]}",
         "english", 3, 2100},
        {"application/json",
         "{\"task\":\"transcribe\",\"language\":\"en\",\"duration\":\"1.95\",\"text\":\"Hello there.\",\"words\":"
         "[{\"start\":0.0,\"end\":0.5,\"word\":\" Hello\",\"probability\":0.97},{\"start\":0.5,\"end\":1.0,\"word\":"
         "\" there.\",\"probability\":0.97}],\"segments\":[{\"id\":1,\"words\":[{\"start\":0,\"end\":1,\"word\":\"x\"}]"
         "}]}",
         "en", 2, 1950},
        {"application/json",
         "{\"segments\":[{\"id\":0,\"start\":0,\"end\":1900000000,\"text\":\"Hello there.\",\"tokens\":[1]}],"
         "\"words\":[],\"text\":\"Hello there.\"}",
         NULL, 0, 2000},
        {"application/json",
         "{\"text\":\"Hello "
         "there.\",\"words\":[],\"segments\":[{\"words\":[{\"word\":\"Hello\",\"start\":0,\"end\":1}]}]}",
         NULL, 1, 2000},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_transcribe_call call;
        assert_int_equal(read_body(*state, &call, CASES[i].type, CASES[i].body, NULL), XR_OK);
        assert_str(call.text, "Hello there.");
        assert_int_equal(call.language.ptr != NULL, CASES[i].language != NULL);
        if (CASES[i].language)
            assert_str(call.language, CASES[i].language);
        assert_int_equal(call.word_count, CASES[i].words);
        assert_int_equal(call.words != NULL, CASES[i].words > 0);
        assert_int_equal(call.duration_ms, CASES[i].duration_ms);
    }
}

static void what_is_no_transcript_is_refused_and_named(void **state) {
    static const char *const CASES[][3] = {
        {"text/html", "<html>Bad gateway</html>", "answered text/html instead of JSON"},
        {"text/plain", "Hello there.", "answered text/plain instead of JSON"},
        {"application/json", "[]", "the answer is not a JSON object"},
        {"application/json", "{}", "the answer has no text"},
        {"application/json", "{\"error\":\"no model\"}", "answered an error: no model"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_transcribe_call call;
        struct xr_err err = {0};
        assert_int_equal(read_body(*state, &call, CASES[i][0], CASES[i][1], &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i][2]);
    }
    static const char *const BROKEN[] = {"", "{", "{\"text\":\"a", "{\"text\":\"\xFF\"}", "{'text':'a'}"};
    for (size_t i = 0; i < sizeof BROKEN / sizeof *BROKEN; i++) {
        struct xr_transcribe_call call;
        struct xr_err err = {0};
        assert_int_equal(read_body(*state, &call, "application/json", BROKEN[i], &err), XR_REFUSED);
        assert_non_null(strstr(err.message, "not valid JSON"));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_is_a_form_with_the_turns_wav),
        cmocka_unit_test(a_model_without_times_is_asked_for_plain_json),
        cmocka_unit_test(a_turn_that_cannot_be_sent_is_told),
        cmocka_unit_test(a_verbose_answer_is_read_whole),
        cmocka_unit_test(tokens_are_counted_before_anything_fails),
        cmocka_unit_test(the_dialects_of_local_servers_are_read),
        cmocka_unit_test(what_is_no_transcript_is_refused_and_named),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
