// SPDX-License-Identifier: Apache-2.0
/* providers/speech_testing.h - what the tests of speech and transcription adapters share: tones, recordings of them in
 * a temporary folder, and calls that can be looked at. Tests only. */
#pragma once
#include "audio/wav.h"
#include "base/test_dir.h"
#include "providers/adapter_testing.h"
#include "providers/provider.h"
#include "providers/testing.h"
#include <fcntl.h>
#include <math.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <unistd.h>

/* A clock that counts its readings, and is at the deadline of test_deadline_after(n) at the reading n + 1. */
struct test_ticks {
    _Atomic int64_t readings;
};
static inline int64_t test_tick(void *ctx) {
    return atomic_fetch_add(&((struct test_ticks *)ctx)->readings, 1);
}

struct test_speech {
    struct test_ticks ticks;
    struct xr_clock clock;
    struct xr_providers_config *config;
    struct xr_providers *providers;
    struct xr_test_dir dir;
    struct xr_arena *arena; /* of transcriptions */
};

static inline int test_speech_set_up(void **state) {
    struct test_speech *s = calloc(1, sizeof *s);
    assert_non_null(s);
    s->clock = (struct xr_clock){.wall_ns = test_tick, .mono_ns = test_tick, .ctx = &s->ticks};
    s->config = test_config((const char *const[]){NULL});
    assert_int_equal(xr_providers_new(s->config, 1, 1, &s->clock, &s->providers, NULL), XR_OK);
    s->dir = xr_test_dir_new();
    s->arena = xr_arena_new(XR_CALL_ARENA_MAX);
    *state = s;
    return 0;
}

static inline int test_speech_tear_down(void **state) {
    struct test_speech *s = *state;
    xr_arena_free(s->arena);
    xr_test_dir_clear(&s->dir);
    xr_providers_free(s->providers);
    xr_providers_config_free(s->config);
    free(s);
    return 0;
}

/* A call that ends at the look after `looks` of them; INT64_MAX: never. */
static inline struct xr_call test_speech_call(struct test_speech *s, int64_t looks) {
    int64_t now = atomic_load(&s->ticks.readings);
    return (struct xr_call){.providers = s->providers,
                            .deadline_mono_ns = looks == INT64_MAX ? INT64_MAX : now + looks,
                            .usage = XR_USAGE_NONE};
}

/* --- tones --- */

static inline int16_t test_tone_at(double hz, uint32_t rate, uint64_t frame) {
    return (int16_t)lrint(12000 * sin(2 * M_PI * hz * (double)frame / rate));
}

/* Samples of a tone, little endian; free() them. */
static inline int16_t *test_tone(double hz, uint32_t rate, size_t frames) {
    int16_t *samples = malloc(frames * sizeof *samples + 1);
    assert_non_null(samples);
    for (size_t i = 0; i < frames; i++)
        samples[i] = test_tone_at(hz, rate, i);
    return samples;
}

/* A tone as a mono WAV in memory; free() it. */
static inline char *test_tone_wav(double hz, uint32_t rate, size_t frames, size_t *ret_len) {
    int16_t *samples = test_tone(hz, rate, frames);
    *ret_len = XR_WAV_HEADER_SIZE + frames * sizeof *samples;
    char *wav = malloc(*ret_len);
    assert_non_null(wav);
    xr_wav_header((uint8_t *)wav, rate, 1, frames);
    memcpy(wav + XR_WAV_HEADER_SIZE, samples, frames * sizeof *samples);
    free(samples);
    return wav;
}

/* By its rising zero crossings, the first and last tenth left out. */
static inline double test_hz_of(const int16_t *samples, size_t n, uint32_t rate) {
    size_t from = n / 10, to = n - n / 10, first = 0, last = 0, count = 0;
    for (size_t i = from + 1; i < to; i++) {
        if (samples[i - 1] >= 0 || samples[i] < 0)
            continue;
        first = count == 0 ? i : first;
        last = i;
        count++;
    }
    return count < 2 ? 0 : (double)(count - 1) * rate / (double)(last - first);
}

static inline void assert_tone(const int16_t *samples, size_t n, uint32_t rate, double hz) {
    double got = test_hz_of(samples, n, rate);
    if (fabs(got - hz) > hz / 100)
        fail_msg("a tone of %.1f Hz instead of %.1f", got, hz);
    int peak = 0;
    for (size_t i = n / 10; i < n - n / 10; i++)
        peak = abs(samples[i]) > peak ? abs(samples[i]) : peak;
    assert_in_range(peak, 11000, 13000);
}

/* --- recordings --- */

struct test_recording {
    int fd;
    struct xr_wav wav;
};

/* A stereo recording of 48 kHz in a file: 300 Hz left, 700 Hz right. */
static inline struct test_recording test_record(const struct test_speech *s, uint32_t ms) {
    char path[XR_TEST_PATH_MAX];
    const size_t frames = (size_t)ms * (XR_RATE / 1000);
    struct test_recording r = {
        .fd = open(xr_test_path(&s->dir, "replay.wav", path), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600)};
    int16_t *samples = malloc(frames * 2 * sizeof *samples + 1);
    uint8_t header[XR_WAV_HEADER_SIZE];
    assert_true(r.fd >= 0 && samples);
    for (size_t i = 0; i < frames; i++) {
        samples[2 * i] = test_tone_at(300, XR_RATE, i);
        samples[2 * i + 1] = test_tone_at(700, XR_RATE, i);
    }
    xr_wav_header(header, XR_RATE, 2, frames);
    assert_int_equal(write(r.fd, header, sizeof header), sizeof header);
    assert_int_equal(write(r.fd, samples, frames * 2 * sizeof *samples), frames * 2 * sizeof *samples);
    free(samples);
    assert_int_equal(xr_wav_probe(r.fd, &r.wav, NULL), XR_OK);
    return r;
}

static inline struct xr_cut test_cut(const struct test_recording *r, uint16_t channel, int64_t start_ms,
                                     int64_t end_ms) {
    return xr_cut_make(r->fd, &r->wav, channel, start_ms * XR_NS_PER_MS, end_ms * XR_NS_PER_MS);
}

/* --- calls --- */

/* Of a cut of two seconds that nobody reads. */
static inline struct xr_transcribe_call test_transcription(struct test_speech *s) {
    return (struct xr_transcribe_call){
        .call = test_speech_call(s, INT64_MAX),
        .arena = s->arena,
        .cut = {.fd = -1,
                .wav = {.rate = XR_RATE, .channels = 2, .bits = 16, .frames = (uint64_t)XR_RATE * 9},
                .frames = (uint64_t)XR_RATE * 2}};
}

static inline struct xr_tts_call test_tts(struct test_speech *s) {
    struct xr_tts_call call = {.call = test_speech_call(s, INT64_MAX),
                               .text = XR_STR("Hello \"Jos\xC3\xA9\"\n"),
                               .voice = XR_STR("some voice"),
                               .out_fd = memfd_create("speech", MFD_CLOEXEC)};
    assert_true(call.out_fd >= 0);
    return call;
}

/* The call's file is a WAV of that tone, so long to a millisecond. Closes it. */
static inline void assert_spoken(struct xr_tts_call *call, double hz, uint32_t ms) {
    struct xr_wav wav;
    size_t n = 0;
    assert_int_equal(xr_wav_probe(call->out_fd, &wav, NULL), XR_OK);
    assert_int_equal(xr_wav_require(&wav, 1, NULL), XR_OK);
    assert_int_equal(wav.frames, call->frames);
    assert_int_equal(lseek(call->out_fd, 0, SEEK_END), XR_WAV_HEADER_SIZE + (off_t)call->frames * 2);
    assert_in_range(call->frames, (ms - 1) * (XR_RATE / 1000), (ms + 1) * (XR_RATE / 1000));
    int16_t *samples = malloc(wav.frames * sizeof *samples);
    assert_int_equal(xr_wav_read(call->out_fd, &wav, 0, wav.frames, samples, &n, NULL), XR_OK);
    assert_int_equal(n, wav.frames);
    assert_tone(samples, n, XR_RATE, hz);
    free(samples);
    close(call->out_fd);
}

/* The part of that name; there is one. */
static inline const struct xr_part *test_part(const struct xr_request *request, const char *name) {
    const struct xr_part *found = NULL;
    for (size_t i = 0; i < request->part_count; i++) {
        if (strcmp(request->parts[i].name, name) != 0)
            continue;
        assert_null(found);
        found = &request->parts[i];
    }
    assert_non_null(found);
    return found;
}

static inline void assert_field(const struct xr_request *request, const char *name, const char *value) {
    const struct xr_part *part = test_part(request, name);
    assert_str(part->data, value);
    assert_null(part->file_name);
    assert_null(part->content_type);
}

/* A mono WAV of XR_CLOUD_RATE with a tone, so long to a millisecond. */
static inline void assert_cloud_wav(struct xr_str bytes, double hz, uint32_t ms) {
    struct xr_wav wav;
    assert_int_equal(xr_wav_probe_memory((const uint8_t *)bytes.ptr, bytes.len, &wav, NULL), XR_OK);
    assert_int_equal(wav.rate, XR_CLOUD_RATE);
    assert_int_equal(wav.channels, 1);
    assert_int_equal(wav.bits, 16);
    assert_int_equal(wav.missing, 0);
    assert_int_equal(wav.data_offset + wav.frames * 2, bytes.len);
    assert_in_range(wav.frames, (ms - 1) * (XR_CLOUD_RATE / 1000), (ms + 1) * (XR_CLOUD_RATE / 1000));
    int16_t *samples = malloc(wav.frames * sizeof *samples);
    memcpy(samples, bytes.ptr + wav.data_offset, wav.frames * sizeof *samples);
    if (hz > 0)
        assert_tone(samples, wav.frames, XR_CLOUD_RATE, hz);
    free(samples);
}
