// SPDX-License-Identifier: Apache-2.0
/* audio/net_signals_test.h - sounds that the voice network is tested with, the same on every machine. Tests and
 * benchmarks only. */
#pragma once
#include "audio/net.h"

enum net_signal {
    NET_SILENCE,
    NET_TONE, /* 440 Hz, -20 dBFS */
    NET_NOISE, /* white, -30 dBFS, switched on and off */
    NET_CHIRP, /* 80 Hz to 7 kHz */
    NET_VOICE, /* vowels of a voice with pauses */
    NET_VOICE_IN_NOISE,
    NET_CLIPPED, /* noise that is all at full scale */
    NET_SIGNAL_COUNT
};
enum { NET_SIGNAL_WINDOWS = 60, NET_SIGNAL_SAMPLES = NET_SIGNAL_WINDOWS * XR_NET_WINDOW };

extern const char *const NET_SIGNAL_NAMES[NET_SIGNAL_COUNT];
void net_signal_make(enum net_signal signal, float samples[NET_SIGNAL_SAMPLES]);
