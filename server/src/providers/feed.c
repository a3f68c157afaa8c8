// SPDX-License-Identifier: Apache-2.0
#include "providers/feed.h"
#include "audio/resample.h"
#include <stdlib.h>
#include <string.h>

enum { WINDOW = 4800 };

struct xr_feed {
    const struct xr_cut *cut;
    struct xr_resampler *resampler;
    uint64_t at, end; /* of the cut, in frames: what is still to be read */
    size_t lead, trail; /* silence still to be given */
    size_t taken, held; /* of window */
    bool drained;
    int16_t window[WINDOW];
};

enum xr_code xr_feed_new(const struct xr_cut *cut, uint64_t first, uint64_t frames, uint32_t rate, unsigned pad_ms,
                         struct xr_feed **ret_feed, struct xr_err *err) {
    XR_AUTO(xr_feed_freep) struct xr_feed *feed = calloc(1, sizeof *feed);
    if (!feed)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    feed->cut = cut;
    feed->at = first;
    feed->end = first + frames;
    feed->lead = feed->trail = (size_t)rate * pad_ms / 1000;
    enum xr_code code = xr_resampler_new(cut->wav.rate, rate, &feed->resampler, err);
    if (code != XR_OK)
        return code;
    *ret_feed = feed;
    feed = NULL;
    return XR_OK;
}

void xr_feed_free(struct xr_feed *feed) {
    if (!feed)
        return;
    xr_resampler_free(feed->resampler);
    free(feed);
}

static size_t give_silence(size_t *left, int16_t *out, size_t cap) {
    size_t n = *left < cap ? *left : cap;
    memset(out, 0, n * sizeof *out);
    *left -= n;
    return n;
}

/* Leaves the window empty only at the end of what there is to read. */
static enum xr_code fill_window(struct xr_feed *feed, struct xr_err *err) {
    if (feed->taken < feed->held || feed->at >= feed->end)
        return XR_OK;
    uint64_t left = feed->end - feed->at;
    size_t got = 0;
    enum xr_code code =
        xr_cut_read(feed->cut, feed->at, feed->window, left < WINDOW ? (size_t)left : WINDOW, &got, err);
    if (code != XR_OK)
        return code;
    feed->taken = 0;
    feed->held = got;
    feed->at = got > 0 ? feed->at + got : feed->end; /* a recording that ends early ends the feed */
    return XR_OK;
}

/* The resampler keeps some input back, so one step may give nothing without being the end. */
static enum xr_code resample_step(struct xr_feed *feed, int16_t *out, size_t cap, size_t *ret_n, struct xr_err *err) {
    enum xr_code code = fill_window(feed, err);
    if (code != XR_OK)
        return code;
    size_t left = feed->held - feed->taken, used = 0, got = 0;
    code = xr_resampler_run(feed->resampler, left > 0 ? feed->window + feed->taken : NULL, left, &used, out, cap, &got,
                            err);
    if (code == XR_OK && left > 0 && used == 0 && got == 0)
        code = xr_fail(err, XR_INTERNAL, NULL, "the resampler takes no samples");
    if (code != XR_OK)
        return code;
    feed->taken += used;
    feed->drained = left == 0 && got == 0;
    *ret_n = got;
    return XR_OK;
}

enum xr_code xr_feed_read(struct xr_feed *feed, int16_t *out, size_t cap, size_t *ret_n, struct xr_err *err) {
    size_t n = give_silence(&feed->lead, out, cap);
    while (n == 0 && !feed->drained) {
        enum xr_code code = resample_step(feed, out, cap, &n, err);
        if (code != XR_OK)
            return code;
    }
    if (n == 0)
        n = give_silence(&feed->trail, out, cap);
    *ret_n = n;
    return XR_OK;
}
