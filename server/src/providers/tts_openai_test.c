// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"

static const struct xr_stage_config STAGE = {.model = "gpt-4o-mini-tts"};

static void the_request_asks_for_samples(void **state) {
    struct xr_tts_call call = test_tts(*state);
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    assert_int_equal(XR_TTS_OPENAI.build(&STAGE, &call.call, &request, NULL), XR_OK);
    assert_string_equal(request.path, "/audio/speech");
    assert_int_equal(request.part_count, 0);
    assert_str(xr_buf_view(&request.body), "{\"model\":\"gpt-4o-mini-tts\",\"input\":\"Hello \\\"Jos\xC3\xA9\\\"\\n\","
                                           "\"voice\":\"some voice\",\"response_format\":\"pcm\"}");
    close(call.out_fd);
}

static void a_body_over_its_bound_is_refused(void **state) {
    struct xr_tts_call call = test_tts(*state);
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    request.body.max = 50;
    assert_int_equal(XR_TTS_OPENAI.build(&STAGE, &call.call, &request, NULL), XR_REFUSED);
    close(call.out_fd);
}

static enum xr_code read_body(struct test_speech *s, struct xr_tts_call *call, const char *type, struct xr_str body,
                              struct xr_err *err) {
    *call = test_tts(s);
    return test_read(&XR_TTS_OPENAI, &STAGE, &call->call, type, body, err);
}

static void samples_of_24_khz_are_spoken_whatever_they_are_called(void **state) {
    static const char *const TYPES[] = {"audio/pcm", "application/octet-stream", "audio/mpeg", "audio/wav", NULL};
    int16_t *samples = test_tone(440, 24000, 24000);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        struct xr_tts_call call;
        struct xr_str body = {.ptr = (char *)samples, .len = 48000};
        assert_int_equal(read_body(*state, &call, TYPES[i], body, NULL), XR_OK);
        assert_spoken(&call, 440, 1000);
        assert_int_equal(call.call.usage.input_tokens, -1);
    }
    free(samples);
}

static void a_wav_is_spoken_at_its_own_rate(void **state) {
    struct xr_tts_call call;
    size_t len;
    char *wav = test_tone_wav(440, 16000, 16000, &len);
    assert_int_equal(read_body(*state, &call, "audio/x-wav", (struct xr_str){wav, len}, NULL), XR_OK);
    assert_spoken(&call, 440, 1000);
    free(wav);
}

static void what_is_no_audio_is_refused_and_named(void **state) {
    static const struct {
        const char *type;
        struct xr_str body;
        const char *message;
    } CASES[] = {
        {"application/json", XR_STR("{\"audio\":\"UklGRg==\"}"), "answered application/json instead of audio"},
        {"application/problem+json", XR_STR("{}"), "answered application/problem+json instead of audio"},
        {"text/html", XR_STR("<html>"), "answered text/html instead of audio"},
        {"text/event-stream", XR_STR("data: {}\n\n"), "answered text/event-stream instead of audio"},
        {"application/octet-stream", XR_STR("{\"audio\":\"\"}\r\n"), "answered JSON instead of audio"},
        {NULL, XR_STR("{\"error\":{\"message\":\"no such voice\"}}"), "answered an error: no such voice"},
        {"application/json", XR_STR("{\"error\":\"no such voice\"}"), "answered an error: no such voice"},
        {"application/json", XR_STR(""), "answered application/json instead of audio"},
        {"audio/pcm", XR_STR(""), "the answer has no audio"},
        {"audio/pcm", XR_STR("x"), "the answer has no audio"},
        {NULL, XR_STR("\n"), "the answer has no audio"},
        {"audio/mpeg", XR_STR("\xFF\xFB\x90\x64"), "answered MP3 audio instead of PCM or WAV"},
        {"audio/wav", XR_STR("RIFF"), "its audio cannot be used: not a WAV file: it is shorter than its header"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        assert_int_equal(read_body(*state, &call, CASES[i].type, CASES[i].body, &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i].message);
        assert_int_equal(call.frames, 0);
        close(call.out_fd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_asks_for_samples),
        cmocka_unit_test(a_body_over_its_bound_is_refused),
        cmocka_unit_test(samples_of_24_khz_are_spoken_whatever_they_are_called),
        cmocka_unit_test(a_wav_is_spoken_at_its_own_rate),
        cmocka_unit_test(what_is_no_audio_is_refused_and_named),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
