// SPDX-License-Identifier: Apache-2.0
#include "audio/scene_test.h"
#include "base/test.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

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

/* --- real words --- */

static double power_of(const float *samples, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)samples[i] * (double)samples[i];
    return sum / (double)n;
}

struct truth scene_say(struct scene *scene, enum xr_channel channel, enum say_voice voice, size_t start_ms,
                       const char *text, double dbfs) {
    size_t n;
    const float *sound = say_words(voice, text, &n);
    struct truth truth = find_truth(sound, n / PER_MS);
    const double power = power_of(sound + truth.start_ms * PER_MS, (truth.end_ms - truth.start_ms) * PER_MS);
    const float gain = amplitude(dbfs) / (float)sqrt(power);
    assert_true(start_ms >= truth.start_ms && start_ms + truth.end_ms - truth.start_ms <= scene->ms);
    const size_t first = (start_ms - truth.start_ms) * PER_MS;
    for (size_t i = 0; i < n && first + i < scene->frames; i++)
        scene->samples[channel][first + i] += sound[i] * gain;
    return (struct truth){start_ms, start_ms + truth.end_ms - truth.start_ms};
}

/* --- what sounds like words to a detector that goes by power --- */

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
    double phase = 0;
    assert_non_null(sound);
    for (size_t i = 0; i < n; i++) {
        const double part_left = (double)(n - i) / (FADE_S * FRAMES_PER_S);
        const double fade = part_left < 1 ? pow(10, -2.5 * (1 - part_left)) : 1; /* -50 dB at the end */
        sound[i] = voice(scene, i, &low, &phase) * (float)fade;
    }
    const float gain = amplitude(dbfs) / (float)sqrt(power_of(sound, n));
    for (size_t i = 0; i < n; i++)
        scene->samples[channel][start_ms * PER_MS + i] += sound[i] * gain;
    struct truth truth = find_truth(sound, end_ms - start_ms);
    truth.start_ms += start_ms;
    truth.end_ms += start_ms;
    free(sound);
    return truth;
}

/* --- noises --- */

const char *const SCENE_NOISE_NAMES[NOISE_COUNT] = {"white", "pink", "hum", "typing", "music", "babble"};

static void make_white(struct scene *scene, float *sound, size_t n) {
    for (size_t i = 0; i < n; i++)
        sound[i] = uniform(scene);
}

/* Three poles an octave or more apart make -3 dB an octave, near enough. */
static void make_pink(struct scene *scene, float *sound, size_t n) {
    float low = 0, middle = 0, high = 0;
    for (size_t i = 0; i < n; i++) {
        const float white = uniform(scene);
        low = 0.99765F * low + white * 0.0990460F;
        middle = 0.96300F * middle + white * 0.2965164F;
        high = 0.57000F * high + white * 1.0526913F;
        sound[i] = low + middle + high + white * 0.1848F;
    }
}

static void make_hum(struct scene *scene, float *sound, size_t n) {
    (void)scene;
    for (size_t i = 0; i < n; i++) {
        double sum = 0, t = TAU * 50 * (double)i / FRAMES_PER_S;
        for (int harmonic = 1; harmonic <= 5; harmonic++)
            sum += sin(t * harmonic + harmonic) / harmonic;
        sound[i] = (float)sum;
    }
}

/* Between those two, in ms; as frames. */
static size_t some_time(struct scene *scene, float least_ms, float most_ms) {
    return (size_t)((least_ms + (most_ms - least_ms) * (uniform(scene) + 1) / 2) * (float)PER_MS);
}

static void add_stroke(struct scene *scene, float *sound, size_t n, size_t at, float loudness) {
    const float fade = -1 / (float)some_time(scene, 2, 4);
    for (size_t i = 0; i < (size_t)20 * PER_MS && at + i < n; i++)
        sound[at + i] += loudness * uniform(scene) * expf((float)i * fade);
}

/* Runs of keys 80 to 250 ms apart, each of which is heard coming up too. */
static void make_typing(struct scene *scene, float *sound, size_t n) {
    memset(sound, 0, n * sizeof *sound);
    for (size_t at = some_time(scene, 0, 500), key = 1; at < n; key++) {
        add_stroke(scene, sound, n, at, 1);
        add_stroke(scene, sound, n, at + some_time(scene, 50, 100), 0.4F);
        at += key % 12 ? some_time(scene, 80, 250) : some_time(scene, 500, 1500);
    }
}

/* Four tones a chord with three harmonics each, struck every 700 ms, with a tremolo. */
static void make_music(struct scene *scene, float *sound, size_t n) {
    static const double CHORDS[][4] = {
        {131, 165, 196, 330}, {110, 165, 220, 262}, {147, 175, 220, 349}, {98, 147, 196, 247}};
    (void)scene;
    for (size_t i = 0; i < n; i++) {
        const double s = (double)i / FRAMES_PER_S, struck = floor(s / 0.7), since = s - struck * 0.7;
        const double *chord = CHORDS[(size_t)struck % (sizeof CHORDS / sizeof *CHORDS)];
        double sum = 0;
        for (size_t tone = 0; tone < 4; tone++)
            for (int harmonic = 1; harmonic <= 3; harmonic++)
                sum += sin(TAU * chord[tone] * harmonic * s) / harmonic;
        sound[i] = (float)(sum * exp(-2 * since) * (1 - exp(-100 * since)) * (1 + 0.3 * sin(TAU * 5 * s)));
    }
}

/* Eight voices at eight speeds, each over and over without a pause. */
static void make_babble(struct scene *scene, float *sound, size_t n) {
    static const char *const TEXTS[] = {
        "the quick brown fox jumps over the lazy dog while nobody is looking at the garden fence",
        "when we were young we used to walk along the river every morning before anybody woke up",
    };
    enum { VOICES = 8 };
    memset(sound, 0, n * sizeof *sound);
    for (size_t k = 0; k < VOICES; k++) {
        size_t length;
        const float *words = say_words((enum say_voice)(k % SAY_VOICE_COUNT), TEXTS[k / SAY_VOICE_COUNT], &length);
        const float gain = 1 / (float)sqrt(power_of(words, length));
        const double speed = 0.78 + 0.06 * (double)k, from = (double)some_time(scene, 0, 4000);
        for (size_t i = 0; i < n; i++)
            sound[i] += gain * words[(size_t)(from + speed * (double)i) % length];
    }
}

static void (*const MAKERS[NOISE_COUNT])(struct scene *scene, float *sound, size_t n) = {
    make_white, make_pink, make_hum, make_typing, make_music, make_babble};

void scene_noise(struct scene *scene, enum xr_channel channel, enum scene_noise noise, size_t start_ms, size_t end_ms,
                 double dbfs) {
    const size_t n = (end_ms - start_ms) * PER_MS;
    float *sound = malloc(n * sizeof *sound);
    assert_non_null(sound);
    MAKERS[noise](scene, sound, n);
    const float gain = amplitude(dbfs) / (float)sqrt(power_of(sound, n));
    for (size_t i = 0; i < n; i++)
        scene->samples[channel][start_ms * PER_MS + i] += sound[i] * gain;
    free(sound);
}

void scene_click(struct scene *scene, enum xr_channel channel, size_t at_ms, double dbfs) {
    for (size_t i = 0; i < (size_t)20 * PER_MS; i++)
        scene->samples[channel][at_ms * PER_MS + i] += amplitude(dbfs) * uniform(scene) * expf(-(float)i / 150);
}

void scene_copy(struct scene *scene, enum xr_channel channel, const struct scene *from) {
    assert_int_equal(scene->frames, from->frames);
    memcpy(scene->samples[channel], from->samples[channel], scene->frames * sizeof(float));
}

void scene_add(struct scene *scene, enum xr_channel channel, size_t start_ms, size_t end_ms, float offset) {
    for (size_t i = start_ms * PER_MS; i < end_ms * PER_MS; i++)
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

void scene_cut(struct scene *scene, size_t start_ms, size_t end_ms) {
    assert_true(start_ms <= end_ms && end_ms <= scene->ms);
    scene->ms = end_ms - start_ms;
    scene->frames = scene->ms * PER_MS;
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        memmove(scene->samples[c], scene->samples[c] + start_ms * PER_MS, scene->frames * sizeof(float));
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
