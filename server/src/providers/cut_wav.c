// SPDX-License-Identifier: Apache-2.0
/* The cut as other hosts are sent it. */
#include "audio/wav.h"
#include "base/limits.h"
#include "providers/adapter.h"
#include "providers/feed.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are sent as they are in memory");

enum {
    BLOCK = XR_CLOUD_RATE, /* samples between two looks at the call: a second */
    /* A short "yes" is no reason to fail a replay, and silence behind it moves no word. */
    SHORTEST = XR_CLOUD_RATE / 1000 * XR_CLOUD_CUT_MS_MIN,
};

static size_t samples_in(size_t room) {
    return room > XR_WAV_HEADER_SIZE ? (room - XR_WAV_HEADER_SIZE) / sizeof(int16_t) : 0;
}

static enum xr_code too_long(size_t room, struct xr_err *err) {
    return xr_fail(err, XR_REFUSED, NULL, "the turn is longer than the %zu seconds that can be sent",
                   samples_in(room) / XR_CLOUD_RATE);
}

/* What an append to out met; room: what out had at first. */
static enum xr_code result_of(const struct xr_buf *out, size_t room, struct xr_err *err) {
    if (out->over)
        return too_long(room, err);
    return out->failed ? xr_fail(err, XR_NO_MEMORY, NULL, "out of memory") : XR_OK;
}

static enum xr_code append_samples(const struct xr_call *call, struct xr_feed *feed, struct xr_buf *out, size_t room,
                                   struct xr_err *err) {
    int16_t block[BLOCK];
    for (size_t n = 1; n > 0;) {
        enum xr_code code = xr_call_check(call, err);
        if (code == XR_OK)
            code = xr_feed_read(feed, block, BLOCK, &n, err);
        if (code != XR_OK)
            return code;
        xr_buf_append(out, block, n * sizeof *block);
        code = result_of(out, room, err);
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code append_silence(struct xr_buf *out, size_t samples, size_t room, struct xr_err *err) {
    char *to = xr_buf_reserve(out, samples * sizeof(int16_t));
    if (!to)
        return result_of(out, room, err);
    memset(to, 0, samples * sizeof(int16_t));
    out->len += samples * sizeof(int16_t);
    return XR_OK;
}

/* The samples behind a header whose sizes are filled in once they are known. */
static enum xr_code append_wav(const struct xr_call *call, struct xr_feed *feed, struct xr_buf *out, size_t room,
                               struct xr_err *err) {
    const size_t start = out->len;
    uint8_t header[XR_WAV_HEADER_SIZE] = {0};
    xr_buf_append(out, header, sizeof header);
    enum xr_code code = result_of(out, room, err);
    if (code == XR_OK)
        code = append_samples(call, feed, out, room, err);
    if (code != XR_OK)
        return code;
    size_t samples = (out->len - start - sizeof header) / sizeof(int16_t);
    if (samples < SHORTEST) {
        code = append_silence(out, SHORTEST - samples, room, err);
        if (code != XR_OK)
            return code;
        samples = SHORTEST;
    }
    xr_wav_header(header, XR_CLOUD_RATE, 1, samples);
    memcpy(out->data + start, header, sizeof header);
    return XR_OK;
}

enum xr_code xr_cut_to_wav(const struct xr_call *call, const struct xr_cut *cut, struct xr_buf *out,
                           struct xr_err *err) {
    const size_t room = out->max - out->len;
    XR_AUTO(xr_feed_freep) struct xr_feed *feed = NULL;
    const uint64_t samples = cut->frames * XR_CLOUD_RATE / cut->wav.rate;
    if (samples > samples_in(room))
        return too_long(room, err); /* before it is read */
    enum xr_code code = xr_feed_new(cut, 0, cut->frames, XR_CLOUD_RATE, 0, &feed, err);
    if (code != XR_OK)
        return code;
    return append_wav(call, feed, out, room, err);
}
