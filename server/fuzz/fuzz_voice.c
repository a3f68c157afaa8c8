// SPDX-License-Identifier: Apache-2.0
/* audio/voice_detect: whatever was heard, segments are in order, apart, inside the recording and uncertain by some
 * milliseconds.
 *
 * The input is a program for what was heard, because the network seldom takes a fuzzer's sounds for speech: one byte by
 * how many steps the recording ends before its last window does, then 4 bytes an instruction: how many windows, how
 * likely they are speech, their power and how it differs from step to step, their spectrum. */
#include "audio/voice_detect.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { INSTRUCTIONS_MAX = 32, WINDOWS_EACH_MAX = 64, INSTRUCTION = 4, APART_MS = 1, UNCERTAINTY_MAX_MS = 1000 };

#define LOUDEST 4.3e9F /* what a band can have of full-scale samples, and more */

struct checker {
    size_t ms, last_end, count;
};

static void check(int holds) {
    if (!holds)
        abort();
}

static bool on_found(void *ctx, const struct xr_vad_span *span) {
    struct checker *checker = ctx;
    check(span->start_ms < span->end_ms && span->end_ms <= checker->ms);
    check(checker->count == 0 || span->start_ms >= checker->last_end + APART_MS);
    check(span->start_uncertainty_ms > 0 && span->start_uncertainty_ms <= UNCERTAINTY_MAX_MS);
    check(span->end_uncertainty_ms > 0 && span->end_uncertainty_ms <= UNCERTAINTY_MAX_MS);
    checker->last_end = span->end_ms;
    checker->count++;
    return true;
}

/* From 0 to LOUDEST, in steps of about 3 dB; the lowest ones are extreme. */
static float power_of(unsigned level) {
    static const float EXTREME[] = {0, 1e-38F, 1e-45F, LOUDEST};
    return level < 4 ? EXTREME[level] : ldexpf(1, (int)(level % 36) - 4);
}

static float band_power(const uint8_t *code, size_t band, uint32_t *seed) {
    const unsigned spread = code[2] >> 6, spectrum = code[3];
    *seed = *seed * 1664525u + 1013904223u;
    const float noise = ldexpf((float)(*seed >> 8) / 8388608.0F, (int)spread - 1); /* 0..8 */
    const float tilt = ldexpf(1, -(int)(band * (spectrum >> 5) / 4)), power = power_of(code[2] & 63) * tilt * noise;
    const bool has_band = (spectrum & 16) == 0 || band / 4 == (spectrum & 3);
    return has_band ? fminf(power, LOUDEST) : 0;
}

static void hear(struct xr_hearing *heard, const uint8_t *code, uint32_t *seed) {
    const size_t windows = code[0] % WINDOWS_EACH_MAX;
    for (size_t i = 0; i < windows; i++)
        heard->probabilities[heard->windows++] = (float)code[1] / 255;
    for (size_t i = 0; i < windows * XR_STEPS_PER_WINDOW; i++, heard->steps++)
        for (size_t band = 0; band < XR_BANDS; band++)
            heard->bands[heard->steps].at[band] = band_power(code, band, seed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    enum { WINDOWS_MAX = INSTRUCTIONS_MAX * WINDOWS_EACH_MAX };
    struct xr_hearing heard = {.probabilities = calloc(WINDOWS_MAX, sizeof *heard.probabilities),
                               .bands = calloc(WINDOWS_MAX * XR_STEPS_PER_WINDOW, sizeof *heard.bands)};
    uint32_t seed = 1;
    float threshold = -1;
    check(heard.probabilities && heard.bands);
    for (size_t at = 1; at + INSTRUCTION <= size && at / INSTRUCTION < INSTRUCTIONS_MAX; at += INSTRUCTION)
        hear(&heard, data + at, &seed);
    const size_t cut = size > 0 ? data[0] % (2 * XR_STEPS_PER_WINDOW) : 0;
    heard.steps -= cut < heard.steps ? cut : heard.steps;
    struct checker checker = {.ms = heard.steps * XR_BAND_STEP_MS};
    check(xr_voice_detect(&heard, on_found, &checker, &threshold, NULL) == XR_OK);
    check(isfinite(threshold) && threshold >= 0);
    xr_hearing_clear(&heard);
    return 0;
}
