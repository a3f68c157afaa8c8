// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"
#include "providers/speech_testing.h"

static const struct xr_stage_config STAGE = {.model = "gemini-2.5-flash-preview-tts"};

static void the_request_asks_for_audio_of_the_voice(void **state) {
    struct xr_tts_call call = test_tts(*state);
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    assert_int_equal(XR_TTS_GOOGLE.build(&STAGE, &call.call, &request, NULL), XR_OK);
    assert_string_equal(request.path, "/models/gemini-2.5-flash-preview-tts:generateContent");
    assert_int_equal(request.part_count, 0);
    assert_str(xr_buf_view(&request.body),
               "{\"contents\":[{\"role\":\"user\",\"parts\":[{\"text\":\"Hello \\\"Jos\xC3\xA9\\\"\\n\"}]}],"
               "\"generationConfig\":{\"responseModalities\":[\"AUDIO\"],\"speechConfig\":{\"voiceConfig\":"
               "{\"prebuiltVoiceConfig\":{\"voiceName\":\"some voice\"}}}}}");
    close(call.out_fd);
}

static enum xr_code read_body(struct test_speech *s, struct xr_tts_call *call, struct xr_str body, struct xr_err *err) {
    *call = test_tts(s);
    return test_read(&XR_TTS_GOOGLE, &STAGE, &call->call, "application/json", body, err);
}

#define HEAD "{\"candidates\":[{\"content\":{\"parts\":["
#define TAIL                                                                                                           \
    "],\"role\":\"model\"},\"finishReason\":\"STOP\",\"index\":0}],\"usageMetadata\":{\"promptTokenCount\":8,"         \
    "\"candidatesTokenCount\":48,\"totalTokenCount\":56,\"candidatesTokensDetails\":[{\"modality\":\"AUDIO\","         \
    "\"tokenCount\":48}]},\"modelVersion\":\"gemini-2.5-flash-preview-tts\"}"

/* type_first: the order of the members, which is the sender's choice. */
static void put_part(struct xr_buf *body, const char *type, const void *bytes, size_t n, bool type_first) {
    xr_buf_str(body, XR_STR("{\"inlineData\":{"));
    if (type && type_first)
        xr_buf_printf(body, "\"mimeType\":\"%s\",", type);
    xr_buf_str(body, XR_STR("\"data\":\""));
    char *to = xr_buf_reserve(body, xr_base64_length(n));
    assert_non_null(to);
    xr_base64_encode(bytes, n, to);
    body->len += xr_base64_length(n);
    xr_buf_char(body, '"');
    if (type && !type_first)
        xr_buf_printf(body, ",\"mimeType\":\"%s\"", type);
    xr_buf_str(body, XR_STR("}}"));
}

static void the_rate_is_the_types(void **state) {
    static const struct {
        const char *type;
        uint32_t rate;
    } CASES[] = {
        {"audio/L16;codec=pcm;rate=24000", 24000},
        {"audio/L16; rate=16000; channels=1", 16000},
        {"audio/pcm;RATE=48000", 48000},
        {"audio/L16", 24000},
        {"audio/L16;codec=pcm", 24000},
        {"audio/L16;", 24000},
        {"audio/L16;bitrate=8000", 24000},
        {"", 24000},
        {NULL, 24000},
        {"audio/wav", 24000},
        {"AUDIO/PCM;rate=8000;rate=16000", 8000},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf body = xr_buf_make(XR_MIB(1));
        struct xr_tts_call call;
        int16_t *samples = test_tone(440, CASES[i].rate, CASES[i].rate);
        xr_buf_str(&body, XR_STR(HEAD));
        put_part(&body, CASES[i].type, samples, (size_t)CASES[i].rate * 2, i % 2);
        xr_buf_str(&body, XR_STR(TAIL));
        assert_int_equal(read_body(*state, &call, xr_buf_view(&body), NULL), XR_OK);
        assert_spoken(&call, 440, 1000);
        assert_int_equal(call.call.usage.input_tokens, 8);
        assert_int_equal(call.call.usage.output_tokens, 48);
        free(samples);
    }
}

/* Cut where they please, in the middle of a sample too, with other parts between them. */
static void parts_are_joined(void **state) {
    static const size_t SIZES[] = {1, 2, 20001, 0, 5, 27990, 1};
    for (int type_first = 0; type_first < 2; type_first++) {
        XR_AUTO(xr_buf_clear) struct xr_buf body = xr_buf_make(XR_MIB(1));
        struct xr_tts_call call;
        int16_t *samples = test_tone(440, 24000, 24000);
        size_t at = 0;
        xr_buf_str(&body, XR_STR(HEAD));
        for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
            put_part(&body, "audio/L16;rate=24000", (char *)samples + at, SIZES[i], type_first);
            at += SIZES[i];
            xr_buf_str(&body, i + 1 == sizeof SIZES / sizeof *SIZES ? XR_STR("") : XR_STR(",{\"text\":\"a\"},"));
        }
        assert_int_equal(at, 48000);
        xr_buf_str(&body, XR_STR(TAIL));
        assert_int_equal(read_body(*state, &call, xr_buf_view(&body), NULL), XR_OK);
        assert_int_equal(call.frames, 48000);
        assert_spoken(&call, 440, 1000);
        free(samples);
    }
}

#define PART(type, data) "{\"inlineData\":{\"mimeType\":\"" type "\",\"data\":\"" data "\"}}"

static void what_is_no_audio_is_refused_and_named(void **state) {
    static const char *const CASES[][2] = {
        {HEAD TAIL, "the answer has no audio"},
        {HEAD "{\"text\":\"I cannot say that.\"}" TAIL, "the answer has no audio"},
        {HEAD PART("audio/L16;rate=24000", "") TAIL, "the answer has no audio"},
        {HEAD "7,{\"inlineData\":7},{\"inlineData\":{\"data\":7}}" TAIL, "the answer has no audio"},
        {HEAD PART("audio/L16;rate=24000", "AAA*") TAIL, "its audio is not base64"},
        {HEAD PART("image/png", "AAAA") TAIL, "answered image/png instead of PCM or WAV"},
        {HEAD PART("audio/mpeg", "AAAA") TAIL, "answered audio/mpeg instead of PCM or WAV"},
        {HEAD PART("audio/L24;rate=24000", "AAAA") TAIL, "answered audio/L24;rate=24000 instead of PCM or WAV"},
        {HEAD PART("audio/L16;rate=", "AAAA") TAIL, "its audio has 0 Hz, 4000..192000 are supported"},
        {HEAD PART("audio/L16;rate=x", "AAAA") TAIL, "its audio has 0 Hz, 4000..192000 are supported"},
        {HEAD PART("audio/L16;rate=-24000", "AAAA") TAIL, "its audio has 0 Hz, 4000..192000 are supported"},
        {HEAD PART("audio/L16;rate=24000;channels=2", "AAAA") TAIL, "its audio has 2 channels, one is needed"},
        {HEAD PART("audio/L16;rate=3999", "AAAA") TAIL, "its audio has 3999 Hz, 4000..192000 are supported"},
        {HEAD PART("audio/L16;rate=99999999999999999999", "AAAA") TAIL,
         "its audio has 999999999 Hz, 4000..192000 are supported"},
        {HEAD PART("audio/L16;rate=24000", "AAAA") "," PART("audio/L16;rate=16000", "AAAA") TAIL,
         "its audio has 24000 and then 16000 Hz"},
        {HEAD PART("audio/L16;rate=24000", "T2dnUwAC") TAIL, "answered Ogg instead of PCM or WAV"},
        {"{\"candidates\":[{\"finishReason\":\"OTHER\"}],\"usageMetadata\":{\"promptTokenCount\":8,"
         "\"candidatesTokenCount\":48}}",
         "the answer ended with finishReason OTHER"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        assert_int_equal(read_body(*state, &call, xr_str_from(CASES[i][0]), &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i][1]);
        assert_int_equal(call.frames, 0);
        assert_int_equal(call.call.usage.input_tokens, 8);
        assert_int_equal(call.call.usage.output_tokens, 48);
        close(call.out_fd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_asks_for_audio_of_the_voice),
        cmocka_unit_test(the_rate_is_the_types),
        cmocka_unit_test(parts_are_joined),
        cmocka_unit_test(what_is_no_audio_is_refused_and_named),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
