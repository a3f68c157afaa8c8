// SPDX-License-Identifier: Apache-2.0
#include "providers/speech_testing.h"
#include "providers/tts_pcm.h"
#include <signal.h>
#include <sys/resource.h>

static enum xr_code write_audio(struct test_speech *s, struct xr_tts_call *call, struct xr_str bytes, uint32_t rate,
                                struct xr_err *err) {
    const struct xr_tts_audio audio = {.bytes = bytes.ptr, .n = bytes.len, .rate = rate};
    *call = test_tts(s);
    return xr_tts_audio_write(call, &audio, err);
}

static void samples_of_any_rate_become_48_khz(void **state) {
    static const uint32_t RATES[] = {4000, 8000, 16000, 22050, 24000, 44100, 48000, 96000, 192000};
    for (size_t i = 0; i < sizeof RATES / sizeof *RATES; i++) {
        struct xr_tts_call call;
        int16_t *samples = test_tone(440, RATES[i], (size_t)RATES[i] * 3 / 2);
        struct xr_str bytes = {.ptr = (char *)samples, .len = (size_t)RATES[i] * 3};
        assert_int_equal(write_audio(*state, &call, bytes, RATES[i], NULL), XR_OK);
        assert_spoken(&call, 440, 1500);
        free(samples);
    }
}

static void bytes_of_any_alignment_are_read_and_an_odd_last_one_is_dropped(void **state) {
    struct xr_tts_call call;
    int16_t *samples = test_tone(440, 24000, 24000);
    char *bytes = malloc(48002);
    memcpy(bytes + 1, samples, 48000);
    bytes[48001] = 0x7F;
    struct xr_str odd = {.ptr = bytes + 1, .len = 48001};
    assert_int_equal(write_audio(*state, &call, odd, 24000, NULL), XR_OK);
    assert_int_equal(call.frames, 48000);
    assert_spoken(&call, 440, 1000);
    free(bytes);
    free(samples);
}

static void a_wav_tells_its_own_rate(void **state) {
    struct xr_tts_call call;
    size_t len;
    char *wav = test_tone_wav(440, 22050, 22050, &len);
    assert_int_equal(write_audio(*state, &call, (struct xr_str){wav, len}, 24000, NULL), XR_OK);
    assert_spoken(&call, 440, 1000);
    memset(wav + 40, 0xFF, 4); /* a writer that could not seek */
    assert_int_equal(write_audio(*state, &call, (struct xr_str){wav, len}, 24000, NULL), XR_OK);
    assert_spoken(&call, 440, 1000);
    memset(wav + 40, 0x7F, 4); /* more than there is */
    assert_int_equal(write_audio(*state, &call, (struct xr_str){wav, len}, 24000, NULL), XR_OK);
    assert_spoken(&call, 440, 1000);
    free(wav);
}

static void a_wav_that_cannot_be_used_is_refused(void **state) {
    static const struct {
        size_t at;
        uint8_t byte;
        const char *message;
    } CASES[] = {
        {22, 2, "its audio cannot be used: a frame of 2 bytes does not fit 2 channels of 16 bits"},
        {20, 3, "its audio cannot be used: 32-bit float audio is not supported, PCM is needed"},
        {8, 'A', "answered another RIFF file instead of PCM or WAV"},
        {3, 'X', "its audio cannot be used: big-endian WAV (RIFX) is not supported"},
        {25, 0x00, "its audio has 192 Hz, 4000..192000 are supported"},
        {26, 0x04, "its audio has 286144 Hz, 4000..192000 are supported"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        size_t len;
        char *wav = test_tone_wav(440, 24000, 100, &len);
        wav[CASES[i].at] = (char)CASES[i].byte;
        assert_int_equal(write_audio(*state, &call, (struct xr_str){wav, len}, 24000, &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i].message);
        assert_int_equal(lseek(call.out_fd, 0, SEEK_END), 0);
        close(call.out_fd);
        free(wav);
    }
}

static void stereo_and_other_widths_are_refused(void **state) {
    static const struct {
        uint8_t channels, bits;
        const char *message;
    } CASES[] = {
        {2, 16, "its audio has 2 channels of 16 bits, one of 16 is needed"},
        {1, 8, "its audio has 1 channel of 8 bits, one of 16 is needed"},
        {1, 24, "its audio has 1 channel of 24 bits, one of 16 is needed"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        size_t len;
        char *wav = test_tone_wav(440, 24000, 120, &len);
        wav[22] = (char)CASES[i].channels;
        wav[32] = (char)(CASES[i].channels * CASES[i].bits / 8);
        wav[34] = (char)CASES[i].bits;
        assert_int_equal(write_audio(*state, &call, (struct xr_str){wav, len}, 24000, &err), XR_REFUSED);
        assert_string_equal(err.message, CASES[i].message);
        close(call.out_fd);
        free(wav);
    }
}

static void nothing_is_no_audio(void **state) {
    size_t len;
    char *wav = test_tone_wav(440, 24000, 0, &len);
    const struct xr_str cases[] = {{"", 0}, {NULL, 0}, {"a", 1}, {wav, len}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        assert_int_equal(write_audio(*state, &call, cases[i], 24000, &err), XR_REFUSED);
        assert_string_equal(err.message, "the answer has no audio");
        close(call.out_fd);
    }
    free(wav);
}

static void a_rate_out_of_range_is_refused(void **state) {
    static const uint32_t RATES[] = {0, 1, 3999, 192001, UINT32_MAX};
    for (size_t i = 0; i < sizeof RATES / sizeof *RATES; i++) {
        struct xr_tts_call call;
        assert_int_equal(write_audio(*state, &call, XR_STR("abcd"), RATES[i], NULL), XR_REFUSED);
        close(call.out_fd);
    }
}

static void what_would_be_noise_is_refused_by_name(void **state) {
    static const struct {
        struct xr_str bytes;
        const char *name;
    } CASES[] = {
        {XR_STR("OggS\0\x02"), "Ogg"},
        {XR_STR("<html>"), "HTML or XML"},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        struct xr_err err = {0};
        char want[64];
        assert_int_equal(write_audio(*state, &call, CASES[i].bytes, 24000, &err), XR_REFUSED);
        snprintf(want, sizeof want, "answered %s instead of PCM or WAV", CASES[i].name);
        assert_string_equal(err.message, want);
        close(call.out_fd);
    }
}

static void a_type_tells_the_rate_and_the_channels(void **state) {
    (void)state;
    static const struct {
        const char *type, *message; /* NULL: there is a rate */
        uint32_t rate;
    } CASES[] = {
        {"audio/l16;codec=pcm;rate=24000", NULL, 24000},
        {"; rate=16000; channels=1", NULL, 16000},
        {";\t RATE=\"8000\";Channels=\"1\"", NULL, 8000},
        {";rate=8000;rate=16000", NULL, 8000},
        {"", NULL, 24000},
        {NULL, NULL, 24000},
        {";", NULL, 24000},
        {";;rate", NULL, 24000},
        {";bitrate=8000;x=rate=8000", NULL, 24000},
        {"rate=8000", NULL, 24000},
        {";rate=", NULL, 0},
        {";rate=\"", NULL, 0},
        {";rate=-8000", NULL, 0},
        {";rate=99999999999999999999", NULL, 999999999},
        {";rate=16000;channels=2", "its audio has 2 channels, one is needed", 7},
        {";channels=0;rate=16000", "its audio has 0 channels, one is needed", 7},
        {";channels=", "its audio has 0 channels, one is needed", 7},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_err err = {0};
        uint32_t rate = 7;
        enum xr_code code = xr_tts_pcm_rate(xr_str_from(CASES[i].type), &rate, &err);
        assert_int_equal(code, CASES[i].message ? XR_REFUSED : XR_OK);
        assert_string_equal(err.message, CASES[i].message ? CASES[i].message : "");
        assert_int_equal(rate, CASES[i].rate);
    }
}

/* Before any of it is resampled. */
static void more_than_a_file_may_have_is_refused_at_once(void **state) {
    static const uint32_t RATES[] = {8000, 24000, 48000};
    for (size_t i = 0; i < sizeof RATES / sizeof *RATES; i++) {
        struct test_speech *s = *state;
        struct xr_tts_call call;
        struct xr_err err = {0};
        struct xr_str bytes = {.len = (size_t)RATES[i] * 2 * 700};
        char *zeros = calloc(1, bytes.len);
        assert_non_null(zeros);
        bytes.ptr = zeros;
        int64_t looks = atomic_load(&s->ticks.readings);
        assert_int_equal(write_audio(s, &call, bytes, RATES[i], &err), XR_REFUSED);
        assert_string_equal(err.message, "the speech is longer than 699 seconds");
        assert_int_equal(call.frames, 0);
        assert_int_equal(lseek(call.out_fd, 0, SEEK_END), 0);
        assert_int_equal(atomic_load(&s->ticks.readings), looks);
        close(call.out_fd);
        free(zeros);
    }
}

static void the_longest_speech_is_taken(void **state) {
    struct xr_tts_call call;
    struct xr_str bytes = {.len = (size_t)8000 * 2 * 699};
    char *zeros = calloc(1, bytes.len);
    assert_non_null(zeros);
    bytes.ptr = zeros;
    assert_int_equal(write_audio(*state, &call, bytes, 8000, NULL), XR_OK);
    assert_int_equal(call.frames, 699 * XR_RATE);
    assert_true(lseek(call.out_fd, 0, SEEK_END) <= (off_t)XR_TTS_WAV_MAX);
    close(call.out_fd);
    free(zeros);
}

static void a_call_that_ends_stops_it_in_the_middle(void **state) {
    struct test_speech *s = *state;
    struct xr_tts_call call = test_tts(s);
    char *zeros = calloc(1, (size_t)24000 * 2 * 60);
    const struct xr_tts_audio audio = {.bytes = zeros, .n = (size_t)24000 * 2 * 60, .rate = 24000};
    call.call.deadline_mono_ns = atomic_load(&s->ticks.readings) + 5;
    assert_int_equal(xr_tts_audio_write(&call, &audio, NULL), XR_TIMEOUT);
    assert_int_equal(call.frames, 0);
    assert_true(lseek(call.out_fd, 0, SEEK_END) < XR_RATE * 2 * 10);
    struct xr_call_group group = {.cancelled = true};
    call.call = test_speech_call(s, INT64_MAX);
    call.call.group = &group;
    assert_int_equal(xr_tts_audio_write(&call, &audio, NULL), XR_CANCELLED);
    close(call.out_fd);
    free(zeros);
}

static void a_file_that_cannot_be_written_is_told(void **state) {
    static const struct {
        const char *path;
        int flags;
        enum xr_code code;
    } CASES[] = {{"/dev/null", O_RDONLY, XR_IO}, {"/dev/full", O_WRONLY, XR_STORAGE_FULL}};
    for (size_t i = 0; i < 2; i++) {
        struct xr_tts_call call = test_tts(*state);
        const struct xr_tts_audio audio = {.bytes = "abcd", .n = 4, .rate = 24000};
        close(call.out_fd);
        call.out_fd = open(CASES[i].path, CASES[i].flags | O_CLOEXEC);
        assert_int_equal(xr_tts_audio_write(&call, &audio, NULL), CASES[i].code);
        close(call.out_fd);
    }
}

static void a_file_that_may_not_grow_is_a_full_disk(void **state) {
    struct test_speech *s = *state;
    char path[XR_TEST_PATH_MAX], *zeros = calloc(1, 48000);
    struct xr_tts_call call = test_tts(s);
    const struct xr_tts_audio audio = {.bytes = zeros, .n = 48000, .rate = 24000};
    struct rlimit before, tight;
    struct xr_err err = {0};
    close(call.out_fd);
    call.out_fd = open(xr_test_path(&s->dir, "speech.wav", path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(call.out_fd >= 0 && zeros);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    tight = (struct rlimit){.rlim_cur = 20000, .rlim_max = before.rlim_max};
    assert_true(signal(SIGXFSZ, SIG_IGN) != SIG_ERR); /* as main.c does */
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
    enum xr_code code = xr_tts_audio_write(&call, &audio, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(code, XR_STORAGE_FULL);
    assert_string_equal(err.message, "the disk is full");
    assert_int_equal(call.frames, 0);
    close(call.out_fd);
    free(zeros);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_of_any_rate_become_48_khz),
        cmocka_unit_test(bytes_of_any_alignment_are_read_and_an_odd_last_one_is_dropped),
        cmocka_unit_test(a_wav_tells_its_own_rate),
        cmocka_unit_test(a_wav_that_cannot_be_used_is_refused),
        cmocka_unit_test(stereo_and_other_widths_are_refused),
        cmocka_unit_test(nothing_is_no_audio),
        cmocka_unit_test(a_rate_out_of_range_is_refused),
        cmocka_unit_test(what_would_be_noise_is_refused_by_name),
        cmocka_unit_test(a_type_tells_the_rate_and_the_channels),
        cmocka_unit_test(more_than_a_file_may_have_is_refused_at_once),
        cmocka_unit_test(the_longest_speech_is_taken),
        cmocka_unit_test(a_call_that_ends_stops_it_in_the_middle),
        cmocka_unit_test(a_file_that_cannot_be_written_is_told),
        cmocka_unit_test(a_file_that_may_not_grow_is_a_full_disk),
    };
    return cmocka_run_group_tests(tests, test_speech_set_up, test_speech_tear_down);
}
