// SPDX-License-Identifier: Apache-2.0
#include "audio/wav.h"
#include "base/limits.h"
#include "base/sha256.h"
#include "providers/testing.h"
#include "providers/tts_sink.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

struct fixture {
    struct xr_providers_config *config;
    struct xr_providers *providers;
};

static int set_up(void **state) {
    struct fixture *f = calloc(1, sizeof *f);
    f->config = test_config((const char *const[]){NULL});
    assert_int_equal(xr_providers_new(f->config, 2, 8, xr_clock_system(), &f->providers, NULL), XR_OK);
    *state = f;
    return 0;
}

static int tear_down(void **state) {
    struct fixture *f = *state;
    xr_providers_free(f->providers);
    xr_providers_config_free(f->config);
    free(f);
    return 0;
}

static int new_file(void) {
    int fd = memfd_create("speech", MFD_CLOEXEC);
    if (fd < 0)
        abort();
    return fd;
}

/* The answer's code; the file stays open in call->out_fd. */
static enum xr_code speak(struct fixture *f, struct xr_str text, struct xr_str voice, struct xr_tts_call *call) {
    struct test_wait wait = TEST_WAIT;
    *call = (struct xr_tts_call){.call = test_call(&wait, NULL), .text = text, .voice = voice, .out_fd = new_file()};
    xr_tts_start(f->providers, call);
    test_await(&wait, 1);
    assert_int_equal(call->call.err.code, call->call.code);
    return call->call.code;
}

static void hash_file(int fd, uint8_t out[XR_SHA256_SIZE]) {
    off_t size = lseek(fd, 0, SEEK_END);
    uint8_t *bytes = malloc((size_t)size);
    assert_int_equal(pread(fd, bytes, (size_t)size, 0), size);
    xr_sha256_of(bytes, (size_t)size, out);
    free(bytes);
}

/* A whole 48 kHz mono WAV of call->frames frames that is not silent. */
static void assert_speech(const struct xr_tts_call *call, double min_s, double max_s) {
    struct xr_wav wav;
    int16_t samples[4800];
    int peak = 0;
    assert_int_equal(xr_wav_probe(call->out_fd, &wav, NULL), XR_OK);
    assert_int_equal(xr_wav_require(&wav, 1, NULL), XR_OK);
    assert_int_equal(wav.frames, call->frames);
    assert_int_equal(lseek(call->out_fd, 0, SEEK_END), XR_WAV_HEADER_SIZE + (off_t)call->frames * 2);
    assert_true((double)call->frames >= min_s * XR_RATE && (double)call->frames <= max_s * XR_RATE);
    for (uint64_t at = 0; at < wav.frames;) {
        size_t n = 0;
        assert_int_equal(xr_wav_read(call->out_fd, &wav, at, 4800, samples, &n, NULL), XR_OK);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++)
            peak = abs(samples[i]) > peak ? abs(samples[i]) : peak;
        at += n;
    }
    assert_true(peak > 2000);
}

static void every_voice_speaks_and_they_differ(void **state) {
    static const char *const VOICES[] = {"slt", "rms", "awb", "kal16"};
    uint8_t hashes[4][XR_SHA256_SIZE];
    for (size_t i = 0; i < 4; i++) {
        struct xr_tts_call call;
        assert_int_equal(speak(*state, XR_STR("Hello, how can I help you today?"), xr_str_from(VOICES[i]), &call),
                         XR_OK);
        assert_speech(&call, 1, 4);
        hash_file(call.out_fd, hashes[i]);
        close(call.out_fd);
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(hashes[i], hashes[k], XR_SHA256_SIZE);
    }
}

static void unknown_voices_are_refused_by_name(void **state) {
    static const struct xr_str BAD[] = {XR_STR("alloy"), XR_STR(""), XR_STR("slt\0"), XR_STR("../slt")};
    for (size_t i = 0; i < 4; i++) {
        struct xr_tts_call call;
        assert_int_equal(speak(*state, XR_STR("hello"), BAD[i], &call), XR_REFUSED);
        assert_string_equal(call.call.err.message, "local speech has the voices slt, rms, awb and kal16");
        close(call.out_fd);
    }
}

static void the_same_text_is_the_same_file_whatever_runs_beside_it(void **state) {
    enum { CALLS = 6 };
    struct fixture *f = *state;
    struct test_wait wait = TEST_WAIT;
    struct xr_tts_call calls[CALLS];
    uint8_t alone[XR_SHA256_SIZE], hash[XR_SHA256_SIZE];
    struct xr_str text = XR_STR("Your order number is four seven two. It will arrive on Monday, she said.");
    for (int i = 0; i < 1000; i++)
        (void)rand(); /* what other code draws must not matter */
    assert_int_equal(speak(f, text, XR_STR("slt"), &calls[0]), XR_OK);
    hash_file(calls[0].out_fd, alone);
    close(calls[0].out_fd);
    for (int i = 0; i < CALLS; i++) {
        calls[i] = (struct xr_tts_call){.call = test_call(&wait, NULL),
                                        .text = i % 3 == 2 ? XR_STR("Something else, fast and short") : text,
                                        .voice = XR_STR("slt"),
                                        .out_fd = new_file()};
        xr_tts_start(f->providers, &calls[i]);
    }
    test_await(&wait, CALLS);
    for (int i = 0; i < CALLS; i++) {
        assert_int_equal(calls[i].call.code, XR_OK);
        hash_file(calls[i].out_fd, hash);
        if (i % 3 != 2)
            assert_memory_equal(hash, alone, XR_SHA256_SIZE);
        close(calls[i].out_fd);
    }
}

static void odd_texts_are_spoken_or_refused_never_worse(void **state) {
    static const struct {
        struct xr_str text;
        enum xr_code code;
    } CASES[] = {
        {XR_STR(""), XR_REFUSED},
        {XR_STR("   \n\t "), XR_REFUSED},
        {XR_STR("... !? -- \"'` ([{"), XR_REFUSED},
        {XR_STR("\0\0\0"), XR_REFUSED},
        {XR_STR("\xF0\x9F\x98\x80\xF0\x9F\x98\x80"), XR_REFUSED},
        {XR_STR("\xE4\xBD\xA0\xE5\xA5\xBD"), XR_REFUSED},
        {XR_STR("yes\0no"), XR_OK},
        {XR_STR("Jos\xC3\xA9 paid \xE2\x82\xAC"
                "5 \xF0\x9F\x98\x80 (really)"),
         XR_OK},
        {XR_STR("$1,234.56 at 7:30pm on 10/12/2026, 100% sure & done"), XR_OK},
        {XR_STR("MMMMMMMMMMMMXXXXXXXXVIII"), XR_OK},
        {XR_STR("1234567890123456789012345678901234567890"), XR_OK},
        {XR_STR("http://example.com/a_b?c=d#e user@example.com"), XR_OK},
        {XR_STR("a"), XR_OK},
        {XR_STR("</s> <break/> %s %n %d"), XR_OK},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
        struct xr_tts_call call;
        assert_int_equal(speak(*state, CASES[i].text, XR_STR("kal16"), &call), CASES[i].code);
        if (CASES[i].code == XR_OK)
            assert_speech(&call, 0.1, 60);
        else
            assert_string_equal(call.call.err.message, "no speech could be made of this text");
        close(call.out_fd);
    }
}

static void long_text_without_a_space_is_spoken_to_its_end(void **state) {
    char text[3000];
    struct xr_tts_call call;
    memset(text, 'b', sizeof text);
    for (size_t i = 4; i < sizeof text; i += 5)
        text[i] = 'o';
    assert_int_equal(speak(*state, (struct xr_str){.ptr = text, .len = sizeof text}, XR_STR("kal16"), &call), XR_OK);
    assert_speech(&call, 60, 600);
    close(call.out_fd);
}

static void sentences_add_up(void **state) {
    struct xr_tts_call one, three;
    assert_int_equal(speak(*state, XR_STR("Please hold the line."), XR_STR("kal16"), &one), XR_OK);
    assert_int_equal(speak(*state, XR_STR("Please hold the line. Please hold the line. Please hold the line."),
                           XR_STR("kal16"), &three),
                     XR_OK);
    assert_true(three.frames > 2 * one.frames && three.frames < 4 * one.frames);
    close(one.out_fd);
    close(three.out_fd);
}

/* --- ends --- */

/* A clock whose every reading is a second later. */
static int64_t ticking(void *ctx) {
    return atomic_fetch_add((_Atomic int64_t *)ctx, XR_NS_PER_S);
}

static void the_deadline_ends_speech_in_its_middle(void **state) {
    struct fixture *f = *state;
    _Atomic int64_t now = 0;
    const struct xr_clock clock = {.wall_ns = ticking, .mono_ns = ticking, .ctx = (void *)&now};
    struct xr_providers *providers = NULL;
    struct test_wait wait = TEST_WAIT;
    struct xr_tts_call call = {.call = test_call(&wait, NULL),
                               .text = XR_STR("This sentence takes two hundred blocks to speak."),
                               .voice = XR_STR("slt"),
                               .out_fd = new_file()};
    call.call.deadline_mono_ns = 20 * XR_NS_PER_S;
    assert_int_equal(xr_providers_new(f->config, 1, 8, &clock, &providers, NULL), XR_OK);
    xr_tts_start(providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_TIMEOUT);
    assert_int_equal(call.frames, 0);
    assert_true(now < 40 * XR_NS_PER_S);
    xr_providers_free(providers);
    close(call.out_fd);
}

/* Cancels its group when it is read for the tenth time. */
struct canceller {
    struct xr_call_group group;
    _Atomic int readings;
};

static int64_t cancel_at_ten(void *ctx) {
    struct canceller *c = ctx;
    if (atomic_fetch_add(&c->readings, 1) == 10)
        atomic_store(&c->group.cancelled, true);
    return 0;
}

static void a_cancelled_group_ends_speech_in_its_middle(void **state) {
    struct fixture *f = *state;
    struct canceller canceller = {0};
    const struct xr_clock clock = {.wall_ns = cancel_at_ten, .mono_ns = cancel_at_ten, .ctx = &canceller};
    struct xr_providers *providers = NULL;
    struct test_wait wait = TEST_WAIT;
    struct xr_tts_call call = {.call = test_call(&wait, &canceller.group),
                               .text = XR_STR("This sentence takes two hundred blocks to speak."),
                               .voice = XR_STR("kal16"),
                               .out_fd = new_file()};
    assert_int_equal(xr_providers_new(f->config, 1, 8, &clock, &providers, NULL), XR_OK);
    xr_tts_start(providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_CANCELLED);
    assert_true(canceller.readings < 20);
    xr_providers_free(providers);
    close(call.out_fd);
}

static void a_file_that_cannot_be_written_is_told(void **state) {
    struct fixture *f = *state;
    struct test_wait wait = TEST_WAIT;
    int read_only = open("/dev/null", O_RDONLY);
    struct xr_tts_call call = {
        .call = test_call(&wait, NULL), .text = XR_STR("hello"), .voice = XR_STR("kal16"), .out_fd = read_only};
    xr_tts_start(f->providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_IO);
    close(read_only);
}

static void a_full_disk_is_told(void **state) {
    struct fixture *f = *state;
    struct test_wait wait = TEST_WAIT;
    int full = open("/dev/full", O_WRONLY);
    struct xr_tts_call call = {
        .call = test_call(&wait, NULL), .text = XR_STR("hello"), .voice = XR_STR("kal16"), .out_fd = full};
    xr_tts_start(f->providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_STORAGE_FULL);
    close(full);
}

static void speech_beyond_the_bound_is_refused(void **state) {
    (void)state;
    enum { BLOCK = 48000 };
    static int16_t block[BLOCK];
    struct xr_tts_sink *sink = NULL;
    struct xr_err err = {0};
    int fd = new_file();
    enum xr_code code = xr_tts_sink_new(fd, XR_RATE, &sink, NULL);
    int seconds = 0;
    for (; code == XR_OK && seconds < 1000; seconds++)
        code = xr_tts_sink_write(sink, block, BLOCK, &err);
    assert_int_equal(code, XR_REFUSED);
    assert_string_equal(err.message, "the speech is longer than 699 seconds");
    assert_true(seconds >= 699 && seconds <= 701);
    assert_true(lseek(fd, 0, SEEK_END) <= (off_t)XR_TTS_WAV_MAX);
    xr_tts_sink_free(sink);
    close(fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_voice_speaks_and_they_differ),
        cmocka_unit_test(unknown_voices_are_refused_by_name),
        cmocka_unit_test(the_same_text_is_the_same_file_whatever_runs_beside_it),
        cmocka_unit_test(odd_texts_are_spoken_or_refused_never_worse),
        cmocka_unit_test(long_text_without_a_space_is_spoken_to_its_end),
        cmocka_unit_test(sentences_add_up),
        cmocka_unit_test(the_deadline_ends_speech_in_its_middle),
        cmocka_unit_test(a_cancelled_group_ends_speech_in_its_middle),
        cmocka_unit_test(a_file_that_cannot_be_written_is_told),
        cmocka_unit_test(a_full_disk_is_told),
        cmocka_unit_test(speech_beyond_the_bound_is_refused),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
