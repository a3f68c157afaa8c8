// SPDX-License-Identifier: Apache-2.0
/* audio/voice_edges.h - where a stretch of voice in noise really starts and ends. Pure; any thread. Private to audio/.
 *
 * By energy: where the voice last exceeds both 30 dB below its own peak and the noise. What of it lies below the noise
 * is not heard but reckoned with: voices fade by some decibels a millisecond. The network knows speech from noise
 * better but only to some 30 ms; where the two differ by more than that, it is believed. */
#pragma once
#include "audio/vad_detect.h"
#include "audio/voice.h"
#include <stdbool.h>

/* The stretch's span in ms. False: it is too short for speech. trust_network: its probabilities mean something here. */
bool xr_voice_edges(const struct xr_voice *voice, struct xr_voice_span stretch, bool trust_network,
                    struct xr_vad_span *ret_span);
/* 95th percentile of the voice's power in [start, end); > 0. */
float xr_voice_peak(const struct xr_voice *voice, struct xr_voice_span stretch);
/* Power below which a voice with that peak is over, unless noise is higher. */
float xr_voice_lowest(float peak);
/* Whether what exceeds the noise's mean in [from, to), from < n, is on average near the highest that noise goes. */
bool xr_voice_is_audible(const struct xr_voice *voice, size_t from, size_t to);
