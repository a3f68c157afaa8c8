// SPDX-License-Identifier: Apache-2.0
/* audio/scene_test.h - recordings made for tests: voices with known ends, noises, a fixed seed. Tests only. */
#pragma once
#include "audio/say_test.h"
#include "audio/vad.h"
#include <stddef.h>
#include <stdint.h>

/* A recording being put together, in floats so that levels far below one step of 16 bits add up. */
struct scene {
    float *samples[XR_CHANNEL_COUNT];
    size_t ms, frames;
    uint32_t seed;
};

/* Where speech really is: 30 dB below the 95th percentile of its RMS over 10 ms windows. */
struct truth {
    size_t start_ms, end_ms;
};

enum scene_noise {
    NOISE_WHITE,
    NOISE_PINK,
    NOISE_HUM, /* 50 Hz and four harmonics */
    NOISE_TYPING, /* runs of key strokes */
    NOISE_MUSIC, /* chords that swell and fade */
    NOISE_BABBLE, /* eight voices that never pause */
    NOISE_COUNT
};
extern const char *const SCENE_NOISE_NAMES[NOISE_COUNT];

struct scene *scene_new(size_t ms);
void scene_free(struct scene *scene);
/* Syllables of a voice with consonants, fading out over its last 150 ms, with that RMS from start_ms to end_ms. Enough
 * for a detector that goes by power; the network does not take it for speech. */
struct truth scene_speak(struct scene *scene, enum xr_channel channel, size_t start_ms, size_t end_ms, double dbfs);
/* Real words, whose speech starts at start_ms, with that RMS from its start to its end. */
struct truth scene_say(struct scene *scene, enum xr_channel channel, enum say_voice voice, size_t start_ms,
                       const char *text, double dbfs);
void scene_noise(struct scene *scene, enum xr_channel channel, enum scene_noise noise, size_t start_ms, size_t end_ms,
                 double dbfs);
void scene_click(struct scene *scene, enum xr_channel channel, size_t at_ms, double dbfs);
void scene_add(struct scene *scene, enum xr_channel channel, size_t start_ms, size_t end_ms, float offset);
void scene_gain(struct scene *scene, enum xr_channel channel, float gain);
/* The channel's samples of another scene of the same length. */
void scene_copy(struct scene *scene, enum xr_channel channel, const struct scene *from);
void scene_mute(struct scene *scene, enum xr_channel channel, size_t start_ms, size_t end_ms);
void scene_cut(struct scene *scene, size_t start_ms, size_t end_ms); /* to what lies between */
void scene_dither(struct scene *scene); /* 1 LSB, triangular, both channels */
int16_t *scene_render(const struct scene *scene); /* interleaved, rounded and clipped; free() it */
