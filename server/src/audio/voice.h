// SPDX-License-Identifier: Apache-2.0
/* audio/voice.h - a voice in noise: its power over time as far as it can be told from the noise's, and how high the
 * noise goes that it must exceed. Pure; one thread at a time. Private to audio/.
 *
 * Times are steps of XR_BAND_STEP_MS. A value at step t is the mean over the XR_VOICE_WINDOW steps from t: 20 ms, one
 * period of 50 Hz hum and of what it beats with, so that hum is steady. */
#pragma once
#include "audio/hearing.h"
#include <stdbool.h>
#include <stdint.h>

enum { XR_VOICE_WINDOW = 5 };

/* Steps [start, end) in which there seems to be a voice. */
struct xr_voice_span {
    size_t start, end;
};

/* What is listened to: all bands, each weighted by how little noise is in it, and a third of the bands each, because a
 * hiss at a word's end or a hum at its beginning may stand out in its own bands only. */
enum xr_voice_signal {
    XR_VOICE_ALL,
    XR_VOICE_LOW, /* below 770 Hz */
    XR_VOICE_MIDDLE, /* to 2.2 kHz */
    XR_VOICE_HIGH,
    XR_VOICE_SIGNALS,
};

struct xr_voice {
    const struct xr_hearing *heard; /* borrowed */
    size_t n; /* steps that have a value */
    /* What exceeds the mean of the noise around; LSB squared. In noise alone it is around 0, and negative as well. */
    float *power[XR_VOICE_SIGNALS];
    float *highest[XR_VOICE_SIGNALS]; /* of the noise around, one a block */
    bool *restless; /* whether the noise around goes up and down; one a block */
    size_t blocks;
    bool only_voice; /* next to nothing is away from the spans: the noise is what is heard between words */
    float noise; /* mean power of the noise */
    float chatter; /* what the network thinks of the noise: its mean probability there */
};

/* spans: apart, in order; windows outside them and their surroundings are taken for noise. Clear with xr_voice_clear;
 * heard is borrowed until then and has at least XR_VOICE_WINDOW steps. */
XR_MUST_USE enum xr_code xr_voice_learn(const struct xr_hearing *heard, const struct xr_voice_span *spans, size_t count,
                                        struct xr_voice *ret_voice, struct xr_err *err);
void xr_voice_clear(struct xr_voice *voice);
/* The highest that noise went near step t < n. */
float xr_voice_highest(const struct xr_voice *voice, enum xr_voice_signal signal, size_t t);
bool xr_voice_is_restless(const struct xr_voice *voice, size_t t);
float xr_voice_probability(const struct xr_voice *voice, size_t t);
