// SPDX-License-Identifier: Apache-2.0
/* audio/vad_channel.h - what the detector learns of one channel before it looks for speech: its noise floor over time,
 * the level of its speech, and how high its noise goes. Pure; one thread at a time. Private to audio/. */
#pragma once
#include "base/err.h"
#include <stddef.h>

/* Powers are means over windows of that length, one window each ms. */
enum { XR_VAD_WINDOW_MS = 10 };

/* Ratios of powers, named by their decibels. */
#define XR_POWER_1DB 1.26F
#define XR_POWER_2DB 1.58F
#define XR_POWER_3DB 2.0F
#define XR_POWER_6DB 4.0F
#define XR_POWER_9DB 8.0F
#define XR_POWER_MINUS_6DB 0.25F
#define XR_POWER_MINUS_22DB 0.00631F
#define XR_POWER_MINUS_30DB 0.001F
#define XR_POWER_MINUS_35DB 0.000316F

struct xr_vad_channel {
    const float *power; /* borrowed: mean of x * x over [t, t + XR_VAD_WINDOW_MS) ms */
    size_t n;
    float *floors; /* one a block; NULL when n is 0 */
    size_t blocks;
    float level; /* 95th percentile of what stands out of the floor; 0: nothing does, there is no speech */
    float rise; /* of the noise's high values over the floor */
    float noise_high; /* the noise's high values anywhere in the recording */
    float margin; /* how far over its high values noise may go now and then */
    float noise_median;
};

/* Clear with xr_vad_channel_clear. power is borrowed until then. */
XR_MUST_USE enum xr_code xr_vad_channel_learn(const float *power, size_t n, struct xr_vad_channel *ret_channel,
                                              struct xr_err *err);
void xr_vad_channel_clear(struct xr_vad_channel *channel);
/* Below this power a window may be noise. t < n. */
float xr_vad_channel_noise(const struct xr_vad_channel *channel, size_t t);
