// SPDX-License-Identifier: Apache-2.0
#include "audio/scene_test.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>

#define TAU 6.283185307179586

enum { PER_MS = 48, WINDOW_MS = 10 };
#define FADE_S 0.15
#define FRAMES_PER_S 48000.0
#define SYLLABLE_S 0.22

struct scene *scene_new(size_t ms) {
    struct scene *scene = calloc(1, sizeof *scene);
    assert_non_null(scene);
    *scene = (struct scene){.ms = ms, .frames = ms * PER_MS, .seed = 20240607};
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        scene->samples[c] = calloc(scene->frames ? scene->frames : 1, sizeof(float));
        assert_non_null(scene->samples[c]);
    }
    return scene;
}

void scene_free(struct scene *scene) {
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        free(scene->samples[c]);
    free(scene);
}

/* -1..1 */
static float uniform(struct scene *scene) {
    scene->seed = scene->seed * 1664525u + 1013904223u;
    return (float)(scene->seed >> 8) / 8388608.0F - 1;
}

static float amplitude(double dbfs) {
    return (float)(32768 * pow(10, dbfs / 20));
}

static int by_value(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void window_powers(const float *samples, size_t ms, double *windows) {
    for (size_t t = 0; t + WINDOW_MS <= ms; t++) {
        windows[t] = 0;
        for (size_t i = 0; i < (size_t)WINDOW_MS * PER_MS; i++)
            windows[t] += (double)samples[t * PER_MS + i] * (double)samples[t * PER_MS + i];
    }
}

static struct truth find_truth(const float *samples, size_t ms) {
    const size_t n = ms - WINDOW_MS + 1;
    double *windows = malloc(n * sizeof *windows), *sorted = malloc(n * sizeof *sorted);
    assert_non_null(windows);
    assert_non_null(sorted);
    window_powers(samples, ms, windows);
    for (size_t t = 0; t < n; t++)
        sorted[t] = windows[t];
    qsort(sorted, n, sizeof *sorted, by_value);
    const double threshold = sorted[n * 95 / 100] / 1000;
    struct truth truth = {.start_ms = SIZE_MAX};
    for (size_t t = 0; t < n; t++) {
        if (windows[t] <= threshold)
            continue;
        if (truth.start_ms == SIZE_MAX)
            truth.start_ms = t + WINDOW_MS / 2;
        truth.end_ms = t + WINDOW_MS / 2;
    }
    free(windows);
    free(sorted);
    return truth;
}

/* One sample of a voice at frame i: a filtered saw-tooth whose pitch wanders, a hiss at each syllable's beginning. */
static float voice(struct scene *scene, size_t i, float *low, double *phase) {
    const double s = (double)i / FRAMES_PER_S, in_syllable = fmod(s, SYLLABLE_S) / SYLLABLE_S;
    *phase += (120 + 25 * sin(TAU * 0.7 * s)) / FRAMES_PER_S;
    *phase -= floor(*phase);
    *low += 0.12F * ((float)(2 * *phase - 1) - *low);
    const double swell = 0.04 + pow(sin(TAU / 2 * in_syllable), 2);
    const float hiss = in_syllable < 0.2 ? 0.1F * uniform(scene) : 0;
    return *low * (float)swell + hiss;
}

struct truth scene_speak(struct scene *scene, enum xr_channel channel, size_t start_ms, size_t end_ms, double dbfs) {
    const size_t n = (end_ms - start_ms) * PER_MS;
    assert_true(end_ms <= scene->ms && start_ms + 300 <= end_ms);
    float *sound = calloc(n, sizeof *sound), low = 0;
    double phase = 0, sum = 0;
    assert_non_null(sound);
    for (size_t i = 0; i < n; i++) {
        const double part_left = (double)(n - i) / (FADE_S * FRAMES_PER_S);
        const double fade = part_left < 1 ? pow(10, -2.5 * (1 - part_left)) : 1; /* -50 dB at the end */
        sound[i] = voice(scene, i, &low, &phase) * (float)fade;
        sum += (double)sound[i] * (double)sound[i];
    }
    const float gain = amplitude(dbfs) / (float)sqrt(sum / (double)n);
    for (size_t i = 0; i < n; i++)
        scene->samples[channel][start_ms * PER_MS + i] += sound[i] * gain;
    struct truth truth = find_truth(sound, end_ms - start_ms);
    truth.start_ms += start_ms;
    truth.end_ms += start_ms;
    free(sound);
    return truth;
}

static float noise_sample(struct scene *scene, enum scene_noise noise, size_t i, float state[3]) {
    if (noise == NOISE_HUM) {
        double sum = 0, t = TAU * 50 * (double)i / FRAMES_PER_S;
        for (int harmonic = 1; harmonic <= 5; harmonic++)
            sum += sin(t * harmonic + harmonic) / harmonic;
        return (float)sum;
    }
    const float white = uniform(scene);
    if (noise == NOISE_WHITE)
        return white;
    /* Three poles an octave or more apart make -3 dB an octave, near enough. */
    state[0] = 0.99765F * state[0] + white * 0.0990460F;
    state[1] = 0.96300F * state[1] + white * 0.2965164F;
    state[2] = 0.57000F * state[2] + white * 1.0526913F;
    return state[0] + state[1] + state[2] + white * 0.1848F;
}

void scene_noise(struct scene *scene, enum xr_channel channel, enum scene_noise noise, size_t start_ms, size_t end_ms,
                 double dbfs) {
    const size_t n = (end_ms - start_ms) * PER_MS;
    float *sound = malloc(n * sizeof *sound), state[3] = {0};
    double sum = 0;
    assert_non_null(sound);
    for (size_t i = 0; i < n; i++) {
        sound[i] = noise_sample(scene, noise, i, state);
        sum += (double)sound[i] * (double)sound[i];
    }
    const float gain = amplitude(dbfs) / (float)sqrt(sum / (double)n);
    for (size_t i = 0; i < n; i++)
        scene->samples[channel][start_ms * PER_MS + i] += sound[i] * gain;
    free(sound);
}

void scene_click(struct scene *scene, enum xr_channel channel, size_t at_ms, double dbfs) {
    for (size_t i = 0; i < (size_t)20 * PER_MS; i++)
        scene->samples[channel][at_ms * PER_MS + i] += amplitude(dbfs) * uniform(scene) * expf(-(float)i / 150);
}

void scene_add(struct scene *scene, enum xr_channel channel, float offset) {
    for (size_t i = 0; i < scene->frames; i++)
        scene->samples[channel][i] += offset;
}

void scene_gain(struct scene *scene, enum xr_channel channel, float gain) {
    for (size_t i = 0; i < scene->frames; i++)
        scene->samples[channel][i] *= gain;
}

void scene_mute(struct scene *scene, enum xr_channel channel, size_t start_ms, size_t end_ms) {
    for (size_t i = start_ms * PER_MS; i < end_ms * PER_MS; i++)
        scene->samples[channel][i] = 0;
}

void scene_dither(struct scene *scene) {
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        for (size_t i = 0; i < scene->frames; i++)
            scene->samples[c][i] += (uniform(scene) + uniform(scene)) / 2;
}

int16_t *scene_render(const struct scene *scene) {
    int16_t *frames = malloc(scene->frames * XR_CHANNEL_COUNT * sizeof *frames + 1);
    assert_non_null(frames);
    for (size_t i = 0; i < scene->frames; i++)
        for (size_t c = 0; c < XR_CHANNEL_COUNT; c++) {
            float x = roundf(scene->samples[c][i]);
            frames[i * XR_CHANNEL_COUNT + c] = (int16_t)(x > INT16_MAX ? INT16_MAX : x < INT16_MIN ? INT16_MIN : x);
        }
    return frames;
}
