// SPDX-License-Identifier: Apache-2.0
#include "audio/net_signals_test.h"
#include <math.h>
#include <stdint.h>

#define TAU 6.283185307179586
#define RATE ((double)XR_NET_RATE)

enum { FORMANTS = 3, VOWELS = 4, VOWEL_SAMPLES = 2400, WORD_SAMPLES = 4 * VOWEL_SAMPLES, PAUSE_SAMPLES = 4000 };

const char *const NET_SIGNAL_NAMES[NET_SIGNAL_COUNT] = {
    [NET_SILENCE] = "silence", [NET_TONE] = "tone",   [NET_NOISE] = "noise",
    [NET_CHIRP] = "chirp",     [NET_VOICE] = "voice", [NET_VOICE_IN_NOISE] = "voice_in_noise",
    [NET_CLIPPED] = "clipped",
};

/* White, -1..1. */
static double random_next(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return (double)(*seed >> 8) / (1 << 23) - 1;
}

static double tone_at(size_t i, double hz) {
    return sin(TAU * hz * (double)i / RATE);
}

static double chirp_at(size_t i) {
    const double low = 80, high = 7000, seconds = (double)NET_SIGNAL_SAMPLES / RATE;
    double at = (double)i / RATE;
    return sin(TAU * (low * at + (high - low) * at * at / (2 * seconds)));
}

/* Two poles at a formant. */
static double resonate(double state[2], double in, double hz, double width) {
    double radius = exp(-TAU / 2 * width / RATE);
    double out = in + 2 * radius * cos(TAU * hz / RATE) * state[0] - radius * radius * state[1];
    state[1] = state[0];
    state[0] = out;
    return out * (1 - radius);
}

/* Pulses of a falling pitch through the formants of a, e, i, o, four to a word. */
static void make_voice(float *samples) {
    static const double HZ[VOWELS][FORMANTS] = {
        {730, 1090, 2440}, {530, 1840, 2480}, {270, 2290, 3010}, {570, 840, 2410}};
    static const double WIDTH[FORMANTS] = {80, 100, 140};
    double states[FORMANTS][2] = {{0}}, phase = 0;
    uint32_t seed = 5;
    for (size_t i = 0; i < NET_SIGNAL_SAMPLES; i++) {
        size_t at = i % (WORD_SAMPLES + PAUSE_SAMPLES), vowel = at / VOWEL_SAMPLES % VOWELS;
        double pulse = random_next(&seed) * 0.01, sum = 0;
        double swell = at < WORD_SAMPLES ? sin(TAU / 2 * (double)(at % VOWEL_SAMPLES) / (double)VOWEL_SAMPLES) : 0;
        phase += (140 - 30 * (double)at / (double)WORD_SAMPLES) / RATE;
        if (phase >= 1) {
            phase -= 1;
            pulse += 1;
        }
        for (size_t k = 0; k < FORMANTS; k++)
            sum += resonate(states[k], pulse * swell, HZ[vowel][k], WIDTH[k]) / (double)(k + 1);
        samples[i] = (float)(sum * 1.5);
    }
}

void net_signal_make(enum net_signal signal, float samples[NET_SIGNAL_SAMPLES]) {
    uint32_t seed = 1;
    if (signal == NET_VOICE || signal == NET_VOICE_IN_NOISE)
        make_voice(samples);
    for (size_t i = 0; i < NET_SIGNAL_SAMPLES; i++) {
        double noise = random_next(&seed);
        if (signal == NET_SILENCE)
            samples[i] = 0;
        else if (signal == NET_TONE)
            samples[i] = (float)(0.1 * tone_at(i, 440));
        else if (signal == NET_NOISE)
            samples[i] = (float)(i / 6000 % 2 ? 0.055 * noise : 0);
        else if (signal == NET_CHIRP)
            samples[i] = (float)(0.3 * chirp_at(i));
        else if (signal == NET_VOICE_IN_NOISE)
            samples[i] += (float)(0.02 * noise);
        else if (signal == NET_CLIPPED)
            samples[i] = noise > 0 ? 1.0F : -1.0F;
    }
}
