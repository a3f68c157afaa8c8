// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"

static void a_cut_becomes_a_wav_of_16_khz_of_its_channel_and_span(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 5000);
    for (uint16_t channel = 0; channel < 2; channel++) {
        XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(XR_PROVIDER_BODY_MAX);
        struct xr_cut cut = test_cut(&r, channel, 1000, 3500);
        struct xr_call call = test_speech_call(s, INT64_MAX);
        assert_int_equal(xr_cut_to_wav(&call, &cut, &out, NULL), XR_OK);
        assert_cloud_wav(xr_buf_view(&out), channel == 0 ? 300 : 700, 2500);
    }
    close(r.fd);
}

static void it_is_appended_to_what_is_there(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 1000);
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(XR_PROVIDER_BODY_MAX);
    struct xr_cut cut = test_cut(&r, 0, 0, 1000);
    struct xr_call call = test_speech_call(s, INT64_MAX);
    xr_buf_str(&out, XR_STR("odd"));
    assert_int_equal(xr_cut_to_wav(&call, &cut, &out, NULL), XR_OK);
    assert_memory_equal(out.data, "odd", 3);
    assert_cloud_wav((struct xr_str){.ptr = out.data + 3, .len = out.len - 3}, 300, 1000);
    close(r.fd);
}

static void a_short_cut_gets_silence_behind_it(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 1000);
    static const int64_t MS[] = {0, 1, 40, 199};
    for (size_t i = 0; i < sizeof MS / sizeof *MS; i++) {
        XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(XR_PROVIDER_BODY_MAX);
        struct xr_cut cut = test_cut(&r, 0, 100, 100 + MS[i]);
        struct xr_call call = test_speech_call(s, INT64_MAX);
        assert_int_equal(xr_cut_to_wav(&call, &cut, &out, NULL), XR_OK);
        assert_cloud_wav(xr_buf_view(&out), 0, 200);
        for (size_t at = XR_WAV_HEADER_SIZE + ((size_t)MS[i] + 1) * 32; at < out.len; at++)
            assert_int_equal(out.data[at], 0);
    }
    close(r.fd);
}

static void a_cut_without_room_is_refused_before_it_is_read(void **state) {
    struct test_speech *s = *state;
    struct xr_transcribe_call call = test_transcription(s);
    struct xr_err err = {0};
    call.cut.fd = open("/dev/null", O_WRONLY | O_CLOEXEC); /* it cannot be read */
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(XR_PROVIDER_BODY_MAX);
    call.cut.frames = (uint64_t)XR_RATE * 1049;
    assert_int_equal(xr_cut_to_wav(&call.call, &call.cut, &out, &err), XR_REFUSED);
    assert_string_equal(err.message, "the turn is longer than the 1048 seconds that can be sent");
    call.cut.frames = (uint64_t)XR_RATE * 1048;
    assert_int_equal(xr_cut_to_wav(&call.call, &call.cut, &out, &err), XR_IO);
    close(call.cut.fd);
}

static void the_room_is_used_to_its_last_sample_and_no_further(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 1000);
    struct xr_cut cut = test_cut(&r, 0, 0, 1000), short_cut = test_cut(&r, 0, 0, 0);
    struct xr_call call = test_speech_call(s, INT64_MAX);
    struct xr_err err = {0};
    const size_t size = XR_WAV_HEADER_SIZE + 2 * XR_CLOUD_RATE, least = XR_WAV_HEADER_SIZE + 2 * XR_CLOUD_RATE / 5;
    XR_AUTO(xr_buf_clear) struct xr_buf exact = xr_buf_make(size), small = xr_buf_make(size - 1);
    assert_int_equal(xr_cut_to_wav(&call, &cut, &exact, NULL), XR_OK);
    assert_int_equal(exact.len, size);
    assert_int_equal(xr_cut_to_wav(&call, &cut, &small, &err), XR_REFUSED);
    assert_string_equal(err.message, "the turn is longer than the 0 seconds that can be sent");
    for (size_t room = 0; room < least; room += 43) {
        XR_AUTO(xr_buf_clear) struct xr_buf tiny = xr_buf_make(room);
        assert_int_equal(xr_cut_to_wav(&call, &short_cut, &tiny, NULL), XR_REFUSED);
    }
    close(r.fd);
}

static void a_call_that_ends_stops_it_in_the_middle(void **state) {
    struct test_speech *s = *state;
    struct test_recording r = test_record(s, 10000);
    struct xr_cut cut = test_cut(&r, 0, 0, 10000);
    XR_AUTO(xr_buf_clear) struct xr_buf out = xr_buf_make(XR_PROVIDER_BODY_MAX);
    struct xr_call call = test_speech_call(s, 3);
    assert_int_equal(xr_cut_to_wav(&call, &cut, &out, NULL), XR_TIMEOUT);
    assert_true(out.len > XR_WAV_HEADER_SIZE && out.len < XR_WAV_HEADER_SIZE + 2 * XR_CLOUD_RATE * 5);
    struct xr_call_group group = {.cancelled = true};
    call = test_speech_call(s, INT64_MAX);
    call.group = &group;
    assert_int_equal(xr_cut_to_wav(&call, &cut, &out, NULL), XR_CANCELLED);
    close(r.fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cut_becomes_a_wav_of_16_khz_of_its_channel_and_span),
        cmocka_unit_test(it_is_appended_to_what_is_there),
        cmocka_unit_test(a_short_cut_gets_silence_behind_it),
        cmocka_unit_test(a_cut_without_room_is_refused_before_it_is_read),
        cmocka_unit_test(the_room_is_used_to_its_last_sample_and_no_further),
        cmocka_unit_test(a_call_that_ends_stops_it_in_the_middle),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
