// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"
#include <stdio.h>

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

/* As gateways do: LiteLLM calls samples audio/mpeg. */
static void samples_of_24_khz_are_spoken_whatever_they_are_called(void **state) {
    static const char *const TYPES[] = {"audio/pcm", "audio/l16", "audio/mpeg", "audio/mp3", "audio/wav",
                                        "audio/basics", "audio/l160", "application/octet-stream", "binary/octet-stream",
                                        NULL,
                                        /* These types tell no rate. */
                                        "audio/mpeg; rate=16000", "application/octet-stream;rate=16000;channels=2"};
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

static void samples_are_spoken_at_the_rate_of_their_type(void **state) {
    static const struct {
        const char *type;
        uint32_t rate;
    } CASES[] = {
        {"audio/pcm;rate=16000", 16000},
        {"audio/l16; rate=16000", 16000},
        {"audio/l16; channels=1; rate=8000", 8000},
        {"audio/pcm; codec=s16le", 24000},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        int16_t *samples = test_tone(440, CASES[i].rate, CASES[i].rate);
        struct xr_str body = {.ptr = (char *)samples, .len = (size_t)CASES[i].rate * 2};
        assert_int_equal(read_body(*state, &call, CASES[i].type, body, NULL), XR_OK);
        assert_spoken(&call, 440, 1000);
        free(samples);
    }
}

static void a_wav_is_spoken_at_its_own_rate(void **state) {
    static const char *const TYPES[] = {"audio/x-wav", "audio/mpeg", "audio/pcm;rate=24000", "application/octet-stream",
                                        NULL};
    size_t len;
    char *wav = test_tone_wav(440, 16000, 16000, &len);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        struct xr_tts_call call;
        assert_int_equal(read_body(*state, &call, TYPES[i], (struct xr_str){wav, len}, NULL), XR_OK);
        assert_spoken(&call, 440, 1000);
    }
    free(wav);
}

static void what_is_no_audio_is_refused_and_named(void **state) {
    static const struct {
        const char *type;
        struct xr_str body;
        const char *message;
    } CASES[] = {
        {"application/json", XR_STR("{\"audio\":\"UklGRg==\"}"), "answered application/json instead of PCM or WAV"},
        {"application/problem+json", XR_STR("{}"), "answered application/problem+json instead of PCM or WAV"},
        {"text/html", XR_STR("<html>"), "answered text/html instead of PCM or WAV"},
        {"text/event-stream", XR_STR("data: {}\n\n"), "answered text/event-stream instead of PCM or WAV"},
        {"application/octet-stream", XR_STR("{\"audio\":\"\"}\r\n"), "answered JSON instead of PCM or WAV"},
        {NULL, XR_STR("{\"error\":{\"message\":\"no such voice\"}}"), "answered an error: no such voice"},
        {"application/json", XR_STR("{\"error\":\"no such voice\"}"), "answered an error: no such voice"},
        {"application/json", XR_STR(""), "answered application/json instead of PCM or WAV"},
        {"audio/pcm", XR_STR(""), "the answer has no audio"},
        {"audio/pcm", XR_STR("x"), "the answer has no audio"},
        {NULL, XR_STR("\n"), "the answer has no audio"},
        /* A type that is none of audio, whatever comes under it. */
        {"image/png", XR_STR("\x89PNG\r\n\x1A\n"), "answered image/png instead of PCM or WAV"},
        {"video/mp4", XR_STR("abcd"), "answered video/mp4 instead of PCM or WAV"},
        {"application/ogg", XR_STR("OggS"), "answered application/ogg instead of PCM or WAV"},
        {"audio", XR_STR("abcd"), "answered audio instead of PCM or WAV"},
        {"application/octet-stream2", XR_STR("abcd"), "answered application/octet-stream2 instead of PCM or WAV"},
        /* What the bytes are, whatever the type. */
        {"audio/pcm", XR_STR("<html>"), "answered HTML or XML instead of PCM or WAV"},
        {"application/octet-stream", XR_STR("\n<!DOCTYPE html>"), "answered HTML or XML instead of PCM or WAV"},
        {"audio/mpeg", XR_STR(" {\"cut\":"), "answered JSON instead of PCM or WAV"},
        {"audio/mpeg", XR_STR("ID3\x04"), "answered MP3 instead of PCM or WAV"},
        {"binary/octet-stream", XR_STR("OggS"), "answered Ogg instead of PCM or WAV"},
        {NULL, XR_STR("fLaC"), "answered FLAC instead of PCM or WAV"},
        {"audio/pcm", XR_STR("\0\0\0\040ftypM4A "), "answered MP4 instead of PCM or WAV"},
        {"audio/wav", XR_STR("RIFF\4\0\0\0AVI "), "answered another RIFF file instead of PCM or WAV"},
        {"audio/pcm", XR_STR("no such voice: 'alloy'"), "answered text instead of PCM or WAV"},
        {NULL, XR_STR("{\"detail\":\"no\x01voice\"}"), "answered JSON instead of PCM or WAV"},
        {"audio/pcm", XR_STR("\x89PNG\r\n\x1A\n"), "answered PNG instead of PCM or WAV"},
        {"audio/pcm;rate=3999", XR_STR("abcd"), "its audio has 3999 Hz, 4000..192000 are supported"},
        {"audio/l16;rate=192001", XR_STR("abcd"), "its audio has 192001 Hz, 4000..192000 are supported"},
        {"audio/pcm;rate=x", XR_STR("abcd"), "its audio has 0 Hz, 4000..192000 are supported"},
        {"audio/l16;rate=24000;channels=2", XR_STR("abcd"), "its audio has 2 channels, one is needed"},
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

/* A type of samples of another coding, or of a file of one: no look at the bytes would tell. */
static void types_of_other_codings_are_refused(void **state) {
    static const char *const TYPES[] = {
        "audio/basic",   "audio/pcmu",    "audio/pcma",   "audio/g711",  "audio/g711-mlaw", "audio/mulaw;rate=8000",
        "audio/x-mulaw", "audio/alaw",    "audio/x-alaw", "audio/l8",    "audio/l20",       "audio/l24; rate=24000",
        "audio/amr",     "audio/amr-wb+", "audio/aiff",   "audio/x-aiff"};
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        char want[128];
        assert_int_equal(read_body(*state, &call, TYPES[i], XR_STR("abcd"), &err), XR_REFUSED);
        snprintf(want, sizeof want, "answered %.*s instead of PCM or WAV", (int)strcspn(TYPES[i], ";"), TYPES[i]);
        assert_string_equal(err.message, want);
        close(call.out_fd);
    }
}

/* One frame's header is no proof: samples may begin so. */
static void frames_of_mp3_are_refused_under_any_type(void **state) {
    static const char *const TYPES[] = {"audio/mpeg", "audio/mp3", "audio/pcm", "application/octet-stream", NULL};
    static const size_t FRAME = 192; /* 24 kHz, 64 kbit/s */
    char frames[192 * 2] = {0};
    memcpy(frames, "\xFF\xF3\x84\xC4", 4);
    for (size_t i = 0; i < sizeof TYPES / sizeof *TYPES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        memset(frames + FRAME, 0, 4);
        assert_int_equal(read_body(*state, &call, TYPES[i], (struct xr_str){frames, sizeof frames}, &err), XR_OK);
        assert_int_equal(call.frames, sizeof frames);
        close(call.out_fd);
        memcpy(frames + FRAME, frames, 4);
        assert_int_equal(read_body(*state, &call, TYPES[i], (struct xr_str){frames, sizeof frames}, &err), XR_REFUSED);
        assert_string_equal(err.message, "answered MP3 instead of PCM or WAV");
        close(call.out_fd);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_request_asks_for_samples),
        cmocka_unit_test(a_body_over_its_bound_is_refused),
        cmocka_unit_test(samples_of_24_khz_are_spoken_whatever_they_are_called),
        cmocka_unit_test(samples_are_spoken_at_the_rate_of_their_type),
        cmocka_unit_test(a_wav_is_spoken_at_its_own_rate),
        cmocka_unit_test(what_is_no_audio_is_refused_and_named),
        cmocka_unit_test(types_of_other_codings_are_refused),
        cmocka_unit_test(frames_of_mp3_are_refused_under_any_type),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
