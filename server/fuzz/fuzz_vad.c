// SPDX-License-Identifier: Apache-2.0
/* audio/vad: whatever the samples are, segments are sorted, apart, inside the recording and on whole milliseconds.
 *
 * The input is a program for a recording: 4 bytes an instruction (a kind, a channel and a length, two levels), because
 * samples byte by byte would never be long enough to hold speech. One kind is a voice that the network knows, so that
 * what it says in noise is looked at closely. */
#include "audio/net_signals_test.h"
#include "audio/vad.h"
#include "base/clock.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FRAMES_PER_MS = 48, INSTRUCTIONS_MAX = 64, FRAMES_MAX = 255 * 16 * 4 };
enum kind { KIND_CONSTANT, KIND_NOISE, KIND_SQUARE, KIND_VOICE, KIND_NOISY_VOICE, KIND_COUNT };

static void check(int holds) {
    if (!holds)
        abort();
}

/* Vowels; from 16 to 48 kHz by saying each sample three times. */
static int voice(int amplitude, size_t i) {
    static float samples[NET_SIGNAL_SAMPLES];
    static bool made;
    if (!made)
        net_signal_make(NET_VOICE, samples);
    made = true;
    return (int)((float)amplitude * samples[i / 3 % NET_SIGNAL_SAMPLES]);
}

static int16_t clip(int x) {
    return (int16_t)(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x);
}

static int noise(int amplitude, uint32_t seed) {
    return (int)(seed >> 16) % (2 * amplitude + 1) - amplitude;
}

static int16_t sample(enum kind kind, int level, size_t i, uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    int amplitude = level > 15 ? INT16_MAX : (1 << level) - 1;
    switch (kind) {
    case KIND_NOISE:
        return clip(noise(amplitude, *seed));
    case KIND_SQUARE:
        return (int16_t)(i / 100 % 2 ? amplitude : -amplitude - 1);
    case KIND_VOICE:
        return clip(voice(amplitude, i));
    case KIND_NOISY_VOICE:
        return clip(voice(amplitude, i) + noise(amplitude / 16, *seed));
    default:
        return (int16_t)amplitude;
    }
}

/* Pushes one instruction's frames; returns how many. */
static size_t push(struct xr_vad *vad, const uint8_t *code, uint32_t *seed) {
    static int16_t frames[FRAMES_MAX * XR_CHANNEL_COUNT];
    const size_t n = code[1] * (code[0] & 0x80 ? 1u : 16u * 4u);
    for (size_t i = 0; i < n; i++) {
        frames[2 * i] = sample((enum kind)(code[0] % 8 % KIND_COUNT), code[2] % 17, i, seed);
        frames[2 * i + 1] = sample((enum kind)(code[0] / 8 % 8 % KIND_COUNT), code[3] % 17, i, seed);
    }
    check(xr_vad_push(vad, frames, n, NULL) == XR_OK);
    return n;
}

static void check_result(const struct xr_vad_result *result, size_t frames) {
    const int64_t end = (int64_t)(frames / FRAMES_PER_MS) * XR_NS_PER_MS;
    int64_t last_start = 0, last_end[XR_CHANNEL_COUNT] = {-1, -1};
    for (size_t i = 0; i < result->count; i++) {
        const struct xr_segment *segment = &result->segments[i];
        check(segment->start_ns % XR_NS_PER_MS == 0 && segment->end_ns % XR_NS_PER_MS == 0);
        check(segment->start_ns < segment->end_ns && segment->end_ns <= end);
        check(segment->start_uncertainty_ms > 0 && segment->end_uncertainty_ms > 0);
        check(segment->start_ns >= last_start && segment->start_ns > last_end[segment->channel]);
        last_start = segment->start_ns;
        last_end[segment->channel] = segment->end_ns;
    }
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        const struct xr_vad_levels *levels = &result->levels[c];
        /* A step from one end of the scale to the other is 6 dB over full scale until the offset has followed. */
        check(levels->noise_floor_dbfs >= -100 && levels->noise_floor_dbfs < 6.1);
        check(levels->speech_dbfs >= -100 && levels->speech_dbfs < 6.1);
        check(isfinite(levels->threshold_dbfs) && levels->threshold_dbfs >= -100);
    }
}

static size_t push_all(struct xr_vad *vad, const uint8_t *data, size_t size) {
    size_t frames = 0;
    uint32_t seed = 1;
    for (size_t i = 0; i + 4 <= size && i / 4 < INSTRUCTIONS_MAX; i += 4)
        frames += push(vad, data + i, &seed);
    return frames;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    XR_AUTO(xr_vad_freep) struct xr_vad *vad = NULL;
    struct xr_vad_result result = {0};
    bool again = true;
    size_t frames = 0;
    check(xr_vad_new(&vad, NULL) == XR_OK);
    for (int pass = 0; again; pass++) {
        check(pass < 2);
        frames = push_all(vad, data, size);
        check(xr_vad_finish(vad, &again, &result, NULL) == XR_OK);
    }
    check_result(&result, frames);
    xr_vad_result_clear(&result);
    return 0;
}
