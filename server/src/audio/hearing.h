// SPDX-License-Identifier: Apache-2.0
/* audio/hearing.h - the second look at a channel, for which its power alone did not do: how likely the network thinks
 * speech every 32 ms, and the power of 16 bands every 4 ms. One thread at a time. Memory: 17 bytes a millisecond, and
 * 0.6 MB while it listens. Private to audio/. */
#pragma once
#include "audio/bands.h"
#include "audio/net.h"
#include "audio/vad.h"

enum { XR_STEPS_PER_WINDOW = XR_NET_WINDOW_MS / XR_BAND_STEP_MS };

/* What was heard. */
struct xr_hearing {
    float *probabilities; /* of speech, one each XR_NET_WINDOW_MS */
    size_t windows;
    struct xr_band_powers *bands; /* in LSB squared, one each XR_BAND_STEP_MS: of whole steps of the recording only */
    size_t steps;
};
void xr_hearing_clear(struct xr_hearing *hearing);

struct xr_listener;
/* For one channel of a recording of that length. */
XR_MUST_USE enum xr_code xr_listener_new(enum xr_channel channel, size_t ms, struct xr_listener **ret_listener,
                                         struct xr_err *err);
void xr_listener_free(struct xr_listener *listener); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_listener, xr_listener_free)
/* The next interleaved frames of the recording; what is beyond its length is not heard. */
XR_MUST_USE enum xr_code xr_listener_push(struct xr_listener *listener, const int16_t *frames, size_t n,
                                          struct xr_err *err);
/* After the last frame, once. */
XR_MUST_USE enum xr_code xr_listener_finish(struct xr_listener *listener, struct xr_hearing *ret_hearing,
                                            struct xr_err *err);
