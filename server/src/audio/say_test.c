// SPDX-License-Identifier: Apache-2.0
#include "audio/say_test.h"
#include "audio/resample.h"
#include "base/limits.h"
#include "base/test.h"
#include <dlfcn.h>
#include <flite/flite.h>
#include <stdlib.h>
#include <string.h>

enum { SAID_MAX = 64, CHUNK = 4096 };

#define HIGH_PASS 0.99738F /* 20 Hz: some voices have an offset while they speak */

static const char *const NAMES[SAY_VOICE_COUNT] = {"slt", "kal16", "rms", "awb"};

static struct {
    cst_wave *(*text_to_wave)(const char *text, cst_voice *voice);
    void (*delete_wave)(cst_wave *wave);
    cst_voice *voices[SAY_VOICE_COUNT];
} flite;

static struct said {
    enum say_voice voice;
    char *text;
    float *samples;
    size_t n;
} said[SAID_MAX];
static size_t said_count;

static void *symbol_of(void *library, const char *name) {
    void *symbol = dlsym(library, name);
    if (!symbol)
        print_error("flite has no %s\n", name);
    assert_non_null(symbol);
    return symbol;
}

static void open_voice(enum say_voice voice) {
    char name[64];
    cst_voice *(*register_voice)(const char *directory) = NULL;
    int (*init)(void) = NULL;
    snprintf(name, sizeof name, "libflite_cmu_us_%s.so.1", NAMES[voice]);
    void *library = dlopen(name, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        print_error("%s\n", dlerror());
    assert_non_null(library);
    snprintf(name, sizeof name, "register_cmu_us_%s", NAMES[voice]);
    void *symbols[] = {symbol_of(library, "flite_init"), symbol_of(library, "flite_text_to_wave"),
                       symbol_of(library, "delete_wave"), symbol_of(library, name)};
    memcpy(&init, &symbols[0], sizeof init);
    memcpy(&flite.text_to_wave, &symbols[1], sizeof flite.text_to_wave);
    memcpy(&flite.delete_wave, &symbols[2], sizeof flite.delete_wave);
    memcpy(&register_voice, &symbols[3], sizeof register_voice);
    init();
    flite.voices[voice] = register_voice(NULL);
    assert_non_null(flite.voices[voice]);
}

/* At 48 kHz. */
static int16_t *resample(const cst_wave *wave, size_t *ret_n) {
    XR_AUTO(xr_resampler_freep) struct xr_resampler *resampler = NULL;
    const size_t in = (size_t)wave->num_samples, cap = in * XR_RATE / (size_t)wave->sample_rate + CHUNK;
    int16_t *out = malloc(cap * sizeof *out);
    size_t at = 0, n = 0, used = 0, made = 0;
    assert_non_null(out);
    assert_int_equal(xr_resampler_new((uint32_t)wave->sample_rate, XR_RATE, &resampler, NULL), XR_OK);
    while (at < in) {
        assert_int_equal(xr_resampler_run(resampler, wave->samples + at, in - at, &used, out + n, cap - n, &made, NULL),
                         XR_OK);
        at += used;
        n += made;
    }
    do {
        assert_int_equal(xr_resampler_run(resampler, NULL, 0, &used, out + n, cap - n, &made, NULL), XR_OK);
        n += made;
    } while (made > 0);
    *ret_n = n;
    return out;
}

static void speak(struct said *words) {
    if (!flite.voices[words->voice])
        open_voice(words->voice);
    srand(1); /* the statistical voices take their excitation from rand() */
    cst_wave *wave = flite.text_to_wave(words->text, flite.voices[words->voice]);
    assert_non_null(wave);
    int16_t *samples = resample(wave, &words->n);
    flite.delete_wave(wave);
    words->samples = malloc(words->n * sizeof *words->samples);
    assert_non_null(words->samples);
    float last = 0, out = 0;
    for (size_t i = 0; i < words->n; i++) {
        out = HIGH_PASS * (out + (float)samples[i] - last);
        last = samples[i];
        words->samples[i] = out;
    }
    free(samples);
}

const float *say_words(enum say_voice voice, const char *text, size_t *ret_n) {
    size_t i = 0;
    while (i < said_count && (said[i].voice != voice || strcmp(said[i].text, text) != 0))
        i++;
    if (i == said_count) {
        assert_true(said_count < SAID_MAX);
        said[i] = (struct said){.voice = voice, .text = strdup(text)};
        assert_non_null(said[i].text);
        speak(&said[i]);
        said_count++;
    }
    *ret_n = said[i].n;
    return said[i].samples;
}
