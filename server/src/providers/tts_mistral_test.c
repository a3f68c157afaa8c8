// SPDX-License-Identifier: Apache-2.0
#include "base/base64.h"
#include "providers/speech_testing.h"

static const struct xr_stage_config STAGE = {.model = "voxtral-mini-tts-2603"};

static void the_request_asks_for_a_wav(void **state) {
    struct xr_tts_call call = test_tts(*state);
    XR_AUTO(test_request_clear) struct xr_request request = test_request();
    assert_int_equal(XR_TTS_MISTRAL.build(&STAGE, &call.call, &request, NULL), XR_OK);
    assert_string_equal(request.path, "/audio/speech");
    assert_int_equal(request.part_count, 0);
    assert_str(xr_buf_view(&request.body),
               "{\"model\":\"voxtral-mini-tts-2603\",\"input\":\"Hello \\\"Jos\xC3\xA9\\\"\\n\","
               "\"voice_id\":\"some voice\",\"response_format\":\"wav\"}");
    close(call.out_fd);
}

static enum xr_code read_body(struct test_speech *s, struct xr_tts_call *call, const char *type, struct xr_str body,
                              struct xr_err *err) {
    *call = test_tts(s);
    return test_read(&XR_TTS_MISTRAL, &STAGE, &call->call, type, body, err);
}

/* An answer with those bytes, and with `rest` behind them. */
static void put_answer(struct xr_buf *body, const void *bytes, size_t n, const char *rest) {
    xr_buf_str(body, XR_STR("{\"audio_data\":\""));
    char *to = xr_buf_reserve(body, xr_base64_length(n));
    assert_non_null(to);
    xr_base64_encode(bytes, n, to);
    body->len += xr_base64_length(n);
    xr_buf_printf(body, "\"%s}", rest);
}

static void a_wav_of_any_rate_is_spoken(void **state) {
    static const uint32_t RATES[] = {16000, 22050, 24000, 48000};
    for (size_t i = 0; i < sizeof RATES / sizeof *RATES; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf body = xr_buf_make(XR_MIB(1));
        struct xr_tts_call call;
        size_t len;
        char *wav = test_tone_wav(440, RATES[i], RATES[i], &len);
        put_answer(&body, wav, len, i == 0 ? ",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":70}" : "");
        assert_int_equal(read_body(*state, &call, "application/json", xr_buf_view(&body), NULL), XR_OK);
        assert_spoken(&call, 440, 1000);
        assert_int_equal(call.call.usage.input_tokens, i == 0 ? 5 : -1);
        assert_int_equal(call.call.usage.output_tokens, i == 0 ? 70 : -1);
        free(wav);
    }
}

static void an_escaped_slash_is_base64_too(void **state) {
    XR_AUTO(xr_buf_clear) struct xr_buf plain = xr_buf_make(XR_MIB(1)), body = xr_buf_make(XR_MIB(1));
    struct xr_tts_call call;
    size_t len, slashes = 0;
    char *wav = test_tone_wav(440, 24000, 24000, &len);
    put_answer(&plain, wav, len, "");
    for (size_t i = 0; i < plain.len; i++) {
        if (plain.data[i] == '/') {
            xr_buf_char(&body, '\\');
            slashes++;
        }
        xr_buf_char(&body, plain.data[i]);
    }
    assert_true(slashes > 100);
    assert_int_equal(read_body(*state, &call, NULL, xr_buf_view(&body), NULL), XR_OK);
    assert_spoken(&call, 440, 1000);
    free(wav);
}

static void what_is_no_wav_is_refused_and_named(void **state) {
    static const struct {
        const char *type, *body, *message;
    } CASES[] = {
        {"text/html", "<html>", "answered text/html instead of JSON"},
        {"application/json", "{}", "the answer has no audio_data"},
        {"application/json", "{\"audio_data\":null}", "the answer has no audio_data"},
        {"application/json", "{\"message\":\"x\",\"error\":{\"message\":\"busy\"}}", "answered an error: busy"},
        {"application/json", "{\"audio_data\":\"\"}", "the answer has no audio"},
        {"application/json", "{\"audio_data\":\"%%%%\"}", "its audio is not base64"},
        {"application/json", "{\"audio_data\":\"UklGR\"}", "its audio is not base64"},
        {"application/json", "{\"audio_data\":\"UklGRg==\"}",
         "its audio cannot be used: not a WAV file: it is shorter than its header"},
        {"application/json", "{\"audio_data\":\"AAAAAAAA\"}", "its audio is not a WAV"},
        {"application/json", "{\"audio_data\":\"SUQzBAAA\"}", "its audio is not a WAV"},
        {"application/json", "{\"audio_data\":\"AA==\"}", "its audio is not a WAV"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        assert_int_equal(read_body(*state, &call, CASES[i].type, xr_str_from(CASES[i].body), &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i].message);
        assert_int_equal(call.frames, 0);
        close(call.out_fd);
    }
}

static void stereo_is_refused_after_its_usage_is_read(void **state) {
    XR_AUTO(xr_buf_clear) struct xr_buf body = xr_buf_make(XR_MIB(1));
    struct xr_tts_call call;
    struct xr_err err = {0};
    size_t len;
    char *wav = test_tone_wav(440, 24000, 24000, &len);
    wav[22] = 2;
    wav[32] = 4;
    put_answer(&body, wav, len, ",\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":70}");
    assert_int_equal(read_body(*state, &call, "application/json", xr_buf_view(&body), &err), XR_REFUSED);
    assert_string_equal(err.message, "its audio has 2 channels of 16 bits, one of 16 is needed");
    assert_int_equal(call.call.usage.output_tokens, 70);
    close(call.out_fd);
    free(wav);
}

static void ten_minutes_are_spoken(void **state) {
    XR_AUTO(xr_buf_clear) struct xr_buf body = xr_buf_make(XR_MIB(64));
    struct xr_tts_call call;
    size_t len;
    char *wav = test_tone_wav(440, 24000, (size_t)24000 * 600, &len);
    put_answer(&body, wav, len, "");
    assert_int_equal(read_body(*state, &call, "application/json", xr_buf_view(&body), NULL), XR_OK);
    assert_spoken(&call, 440, 600000);
    free(wav);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_asks_for_a_wav),
        cmocka_unit_test(a_wav_of_any_rate_is_spoken),
        cmocka_unit_test(an_escaped_slash_is_base64_too),
        cmocka_unit_test(what_is_no_wav_is_refused_and_named),
        cmocka_unit_test(stereo_is_refused_after_its_usage_is_read),
        cmocka_unit_test(ten_minutes_are_spoken),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
