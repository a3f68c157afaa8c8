// SPDX-License-Identifier: Apache-2.0
#include "audio/hearing.h"
#include "audio/resample.h"
#include "base/limits.h"
#include <stdlib.h>
#include <string.h>

enum { CHUNK = 4096, BATCH = XR_NET_BATCH * XR_NET_WINDOW };

#define FULL_SCALE 32768.0F

struct xr_listener {
    enum xr_channel channel;
    struct xr_resampler *resampler;
    struct xr_net_stream *stream;
    struct xr_bands bands;
    struct xr_hearing heard;
    size_t windows_max, steps; /* of the whole recording */
    float batch[BATCH]; /* samples at 16 kHz, in [-1, 1], that were not looked at yet */
    size_t count;
    int16_t mono[CHUNK], resampled[CHUNK];
    struct xr_band_powers powers[XR_NET_BATCH * XR_STEPS_PER_WINDOW];
};

void xr_hearing_clear(struct xr_hearing *hearing) {
    free(hearing->probabilities);
    free(hearing->bands);
    *hearing = (struct xr_hearing){0};
}

enum xr_code xr_listener_new(enum xr_channel channel, size_t ms, struct xr_listener **ret_listener,
                             struct xr_err *err) {
    XR_AUTO(xr_listener_freep) struct xr_listener *listener = calloc(1, sizeof *listener);
    const struct xr_net *net = NULL;
    if (!listener)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    listener->channel = channel;
    listener->windows_max = ms / XR_NET_WINDOW_MS + 1;
    listener->steps = ms / XR_BAND_STEP_MS;
    listener->heard.probabilities = calloc(listener->windows_max, sizeof *listener->heard.probabilities);
    listener->heard.bands = calloc(listener->windows_max * XR_STEPS_PER_WINDOW, sizeof *listener->heard.bands);
    if (!listener->heard.probabilities || !listener->heard.bands)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = xr_net_shared(&net, err);
    if (code == XR_OK)
        code = xr_net_stream_new(net, &listener->stream, err);
    if (code == XR_OK)
        code = xr_resampler_new(XR_RATE, XR_NET_RATE, &listener->resampler, err);
    if (code != XR_OK)
        return code;
    *ret_listener = listener;
    listener = NULL;
    return XR_OK;
}

void xr_listener_free(struct xr_listener *listener) {
    if (!listener)
        return;
    xr_resampler_free(listener->resampler);
    xr_net_stream_free(listener->stream);
    xr_hearing_clear(&listener->heard);
    free(listener);
}

/* Looks at the whole windows of the batch; it is empty afterwards. */
static void look(struct xr_listener *listener) {
    struct xr_hearing *heard = &listener->heard;
    size_t windows = listener->count / XR_NET_WINDOW, left = listener->windows_max - heard->windows;
    windows = windows < left ? windows : left;
    xr_net_stream_run(listener->stream, listener->batch, windows, heard->probabilities + heard->windows);
    xr_bands_run(&listener->bands, listener->batch, windows * XR_STEPS_PER_WINDOW, listener->powers);
    for (size_t i = 0; i < windows * XR_STEPS_PER_WINDOW; i++)
        for (size_t band = 0; band < XR_BANDS; band++)
            heard->bands[heard->windows * XR_STEPS_PER_WINDOW + i].at[band] =
                listener->powers[i].at[band] * (FULL_SCALE * FULL_SCALE);
    heard->windows += windows;
    listener->count = 0;
}

static void hear(struct xr_listener *listener, size_t n) {
    for (size_t i = 0; i < n; i++) {
        listener->batch[listener->count++] = (float)listener->resampled[i] / FULL_SCALE;
        if (listener->count == BATCH)
            look(listener);
    }
}

/* n samples of mono, or the end when n is 0. */
static enum xr_code resample(struct xr_listener *listener, size_t n, struct xr_err *err) {
    const int16_t *in = n > 0 ? listener->mono : NULL;
    size_t used = 0, made = 0;
    do {
        enum xr_code code = xr_resampler_run(listener->resampler, in, n, &used, listener->resampled, CHUNK, &made, err);
        if (code != XR_OK)
            return code;
        hear(listener, made);
        if (in) {
            in += used;
            n -= used;
        }
    } while (in ? n > 0 : made > 0);
    return XR_OK;
}

enum xr_code xr_listener_push(struct xr_listener *listener, const int16_t *frames, size_t n, struct xr_err *err) {
    while (n > 0) {
        const size_t now = n < CHUNK ? n : CHUNK;
        for (size_t i = 0; i < now; i++)
            listener->mono[i] = frames[i * XR_CHANNEL_COUNT + (size_t)listener->channel];
        enum xr_code code = resample(listener, now, err);
        if (code != XR_OK)
            return code;
        frames += now * XR_CHANNEL_COUNT;
        n -= now;
    }
    return XR_OK;
}

enum xr_code xr_listener_finish(struct xr_listener *listener, struct xr_hearing *ret_hearing, struct xr_err *err) {
    enum xr_code code = resample(listener, 0, err);
    if (code != XR_OK)
        return code;
    const size_t rest = listener->count % XR_NET_WINDOW; /* the last window is filled up with silence */
    if (rest > 0) {
        memset(listener->batch + listener->count, 0, (XR_NET_WINDOW - rest) * sizeof *listener->batch);
        listener->count += XR_NET_WINDOW - rest;
    }
    look(listener);
    *ret_hearing = listener->heard;
    listener->heard = (struct xr_hearing){0};
    const size_t steps = ret_hearing->windows * XR_STEPS_PER_WINDOW;
    ret_hearing->steps = listener->steps < steps ? listener->steps : steps;
    return XR_OK;
}
