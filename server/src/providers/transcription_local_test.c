// SPDX-License-Identifier: Apache-2.0
#include "audio/wav.h"
#include "base/limits.h"
#include "providers/testing.h"
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ARENA = 1 << 20 };

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

/* A spoken recording and the cut of it that has everything. */
struct recording {
    int fd;
    struct xr_cut cut;
};

static struct recording record(struct fixture *f, struct xr_str text) {
    struct test_wait wait = TEST_WAIT;
    struct recording r = {.fd = memfd_create("speech", MFD_CLOEXEC)};
    struct xr_wav wav;
    struct xr_tts_call call = {.call = test_call(&wait, NULL), .text = text, .voice = XR_STR("rms"), .out_fd = r.fd};
    xr_tts_start(f->providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_OK);
    assert_int_equal(xr_wav_probe(r.fd, &wav, NULL), XR_OK);
    r.cut = (struct xr_cut){.fd = r.fd, .wav = wav, .frames = wav.frames};
    return r;
}

static enum xr_code transcribe(struct xr_providers *providers, const struct xr_cut *cut, struct xr_arena *arena,
                               struct xr_transcribe_call *call) {
    struct test_wait wait = TEST_WAIT;
    *call = (struct xr_transcribe_call){.call = test_call(&wait, NULL), .cut = *cut, .arena = arena};
    xr_transcribe_start(providers, call);
    test_await(&wait, 1);
    return call->call.code;
}

static void assert_text(const struct xr_transcribe_call *call, struct xr_str text) {
    assert_int_equal(call->text.len, text.len);
    assert_memory_equal(call->text.ptr, text.ptr, text.len);
}

static void speech_comes_back_as_words_with_times(void **state) {
    struct fixture *f = *state;
    struct recording r = record(f, XR_STR("Could you please tell me what the weather will be like in London?"));
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_transcribe_call call;
    assert_int_equal(transcribe(f->providers, &r.cut, arena, &call), XR_OK);
    assert_text(&call, XR_STR("could you please tell me what the weather will be like in london"));
    assert_true(xr_str_eq(call.language, XR_STR("en")));
    assert_int_equal(call.duration_ms, r.cut.frames * 1000 / XR_RATE);
    assert_int_equal(call.word_count, 13);
    for (size_t i = 0; i < call.word_count; i++) {
        assert_true(call.words[i].start_ms < call.words[i].end_ms && call.words[i].end_ms <= call.duration_ms);
        if (i > 0)
            assert_true(call.words[i].start_ms >= call.words[i - 1].end_ms);
    }
    /* The voice starts speaking 150 to 250 ms into its file. */
    assert_in_range(call.words[0].start_ms, 50, 400);
    assert_true(call.words[12].end_ms > call.duration_ms * 3 / 4);
    close(r.fd);
}

static void the_same_cut_gives_the_same_answer_whatever_came_before(void **state) {
    static const char *const TEXTS[] = {"My order number is four seven two nine one.",
                                        "The flight to Chicago leaves at six fifteen in the morning."};
    struct fixture *f = *state;
    struct recording a = record(f, xr_str_from(TEXTS[0])), b = record(f, xr_str_from(TEXTS[1]));
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_transcribe_call first, between, again;
    struct xr_providers *fresh = NULL;
    assert_int_equal(xr_providers_new(f->config, 1, 8, xr_clock_system(), &fresh, NULL), XR_OK);
    assert_int_equal(transcribe(fresh, &a.cut, arena, &first), XR_OK);
    for (int i = 0; i < 3; i++)
        assert_int_equal(transcribe(fresh, &b.cut, arena, &between), XR_OK);
    assert_int_equal(transcribe(fresh, &a.cut, arena, &again), XR_OK);
    xr_providers_free(fresh);
    assert_text(&again, first.text);
    assert_int_equal(again.word_count, first.word_count);
    for (size_t i = 0; i < first.word_count; i++) {
        assert_int_equal(again.words[i].start_ms, first.words[i].start_ms);
        assert_int_equal(again.words[i].end_ms, first.words[i].end_ms);
    }
    assert_true(first.word_count >= 8 && between.word_count >= 9);
    close(a.fd);
    close(b.fd);
}

static void times_count_from_the_cuts_start_and_stay_inside(void **state) {
    struct fixture *f = *state;
    struct recording r = record(f, XR_STR("Is there anything else I can help you with?"));
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_transcribe_call whole, tail;
    assert_int_equal(transcribe(f->providers, &r.cut, arena, &whole), XR_OK);
    assert_true(whole.word_count >= 6);
    struct xr_cut cut = r.cut;
    cut.first = (uint64_t)whole.words[3].start_ms * (XR_RATE / 1000);
    cut.frames -= cut.first;
    assert_int_equal(transcribe(f->providers, &cut, arena, &tail), XR_OK);
    assert_true(tail.word_count > 0 && tail.word_count < whole.word_count);
    assert_in_range(tail.words[0].start_ms, 0, 150);
    assert_true(tail.words[tail.word_count - 1].end_ms <= tail.duration_ms);
    close(r.fd);
}

static void an_empty_cut_has_no_words(void **state) {
    struct fixture *f = *state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_transcribe_call call;
    struct xr_cut cut = {.fd = -1, .wav = {.rate = XR_RATE, .channels = 1, .bits = 16}};
    assert_int_equal(transcribe(f->providers, &cut, arena, &call), XR_OK);
    assert_non_null(call.text.ptr);
    assert_int_equal(call.text.len, 0);
    assert_int_equal(call.word_count, 0);
    assert_int_equal(call.duration_ms, 0);
}

static void silence_and_a_single_frame_have_no_words(void **state) {
    struct fixture *f = *state;
    static int16_t silence[XR_RATE];
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    int fd = memfd_create("silence", MFD_CLOEXEC);
    assert_int_equal(write(fd, silence, sizeof silence), sizeof silence);
    for (uint64_t frames = 1; frames <= XR_RATE; frames += XR_RATE - 1) {
        struct xr_transcribe_call call;
        struct xr_cut cut = {
            .fd = fd, .wav = {.rate = XR_RATE, .channels = 1, .bits = 16, .frames = XR_RATE}, .frames = frames};
        assert_int_equal(transcribe(f->providers, &cut, arena, &call), XR_OK);
        assert_int_equal(call.word_count, 0);
        assert_int_equal(call.text.len, 0);
    }
    close(fd);
}

static void a_recording_that_cannot_be_read_is_told(void **state) {
    struct fixture *f = *state;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_transcribe_call call;
    int write_only = open("/dev/null", O_WRONLY);
    struct xr_cut cut = {
        .fd = write_only, .wav = {.rate = XR_RATE, .channels = 1, .bits = 16, .frames = XR_RATE}, .frames = XR_RATE};
    assert_int_equal(transcribe(f->providers, &cut, arena, &call), XR_IO);
    assert_null(call.text.ptr);
    close(write_only);
}

static void a_model_that_is_not_there_is_told(void **state) {
    (void)state;
    XR_AUTO(xr_providers_config_freep)
    struct xr_providers_config *config =
        test_config((const char *const[]){"XRAY_POCKETSPHINX_MODEL", "/nonexistent", NULL});
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_providers *providers = NULL;
    struct xr_transcribe_call call;
    struct xr_cut cut = {
        .fd = -1, .wav = {.rate = XR_RATE, .channels = 1, .bits = 16, .frames = XR_RATE}, .frames = XR_RATE};
    assert_int_equal(xr_providers_new(config, 1, 8, xr_clock_system(), &providers, NULL), XR_OK);
    assert_int_equal(transcribe(providers, &cut, arena, &call), XR_UNAVAILABLE);
    assert_non_null(strstr(call.call.err.message, "XRAY_POCKETSPHINX_MODEL"));
    xr_providers_free(providers);
}

/* Cancels its group at a reading that falls inside the decoding. */
struct canceller {
    struct xr_call_group group;
    _Atomic int readings;
};
enum { CANCEL_AT = 30 };

static int64_t cancel_in_the_middle(void *ctx) {
    struct canceller *c = ctx;
    if (atomic_fetch_add(&c->readings, 1) == CANCEL_AT)
        atomic_store(&c->group.cancelled, true);
    return 0;
}

static void a_cancelled_group_ends_decoding_and_the_next_call_works(void **state) {
    struct fixture *f = *state;
    struct canceller canceller = {0};
    const struct xr_clock clock = {.wall_ns = cancel_in_the_middle, .mono_ns = cancel_in_the_middle, .ctx = &canceller};
    struct recording r = record(f, XR_STR("Please hold while I check that for you, one moment please."));
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct test_wait wait = TEST_WAIT;
    struct xr_providers *providers = NULL;
    struct xr_transcribe_call call = {.call = test_call(&wait, &canceller.group), .cut = r.cut, .arena = arena};
    assert_int_equal(xr_providers_new(f->config, 1, 8, &clock, &providers, NULL), XR_OK);
    xr_transcribe_start(providers, &call);
    test_await(&wait, 1);
    assert_int_equal(call.call.code, XR_CANCELLED);
    assert_in_range(canceller.readings, CANCEL_AT, CANCEL_AT + 5);
    assert_int_equal(transcribe(providers, &r.cut, arena, &call), XR_OK);
    assert_true(call.word_count > 5);
    xr_providers_free(providers);
    close(r.fd);
}

static void long_speech_is_decoded_in_pieces_with_running_times(void **state) {
    struct fixture *f = *state;
    XR_AUTO(xr_buf_clear) struct xr_buf text = xr_buf_make(4096);
    for (int i = 0; i < 12; i++)
        xr_buf_str(&text, XR_STR("Thank you for calling. How can I help you today? "));
    struct recording r = record(f, xr_buf_view(&text));
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA);
    struct xr_transcribe_call call;
    assert_true(r.cut.frames > (uint64_t)XR_UTTERANCE_MAX_S * XR_RATE);
    assert_int_equal(transcribe(f->providers, &r.cut, arena, &call), XR_OK);
    assert_true(call.word_count > 100);
    assert_true(call.words[call.word_count - 1].end_ms > call.duration_ms - 1000);
    for (size_t i = 1; i < call.word_count; i++)
        assert_true(call.words[i].start_ms >= call.words[i - 1].start_ms);
    close(r.fd);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(speech_comes_back_as_words_with_times),
        cmocka_unit_test(the_same_cut_gives_the_same_answer_whatever_came_before),
        cmocka_unit_test(times_count_from_the_cuts_start_and_stay_inside),
        cmocka_unit_test(an_empty_cut_has_no_words),
        cmocka_unit_test(silence_and_a_single_frame_have_no_words),
        cmocka_unit_test(a_recording_that_cannot_be_read_is_told),
        cmocka_unit_test(a_model_that_is_not_there_is_told),
        cmocka_unit_test(a_cancelled_group_ends_decoding_and_the_next_call_works),
        cmocka_unit_test(long_speech_is_decoded_in_pieces_with_running_times),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
