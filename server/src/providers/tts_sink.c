// SPDX-License-Identifier: Apache-2.0
#include "providers/tts_sink.h"
#include "audio/resample.h"
#include "audio/wav.h"
#include "base/limits.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are written as they are in memory");

enum { BLOCK = 8192, FRAMES_MAX = (XR_TTS_WAV_MAX - XR_WAV_HEADER_SIZE) / sizeof(int16_t) };

struct xr_tts_sink {
    int fd;
    struct xr_resampler *resampler;
    uint64_t frames; /* written */
    int16_t block[BLOCK];
};

enum xr_code xr_tts_sink_new(int fd, uint32_t rate, struct xr_tts_sink **ret_sink, struct xr_err *err) {
    XR_AUTO(xr_tts_sink_freep) struct xr_tts_sink *sink = calloc(1, sizeof *sink);
    if (!sink)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    sink->fd = fd;
    enum xr_code code = xr_resampler_new(rate, XR_RATE, &sink->resampler, err);
    if (code != XR_OK)
        return code;
    *ret_sink = sink;
    sink = NULL;
    return XR_OK;
}

void xr_tts_sink_free(struct xr_tts_sink *sink) {
    if (!sink)
        return;
    xr_resampler_free(sink->resampler);
    free(sink);
}

static enum xr_code write_at(int fd, const void *bytes, size_t n, uint64_t offset, struct xr_err *err) {
    const char *p = bytes;
    while (n > 0) {
        ssize_t written = pwrite(fd, p, n, (off_t)offset);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0 && (errno == ENOSPC || errno == EDQUOT || errno == EFBIG))
            return xr_fail(err, XR_STORAGE_FULL, NULL, "the disk is full");
        if (written <= 0)
            return xr_fail(err, XR_IO, NULL, "the speech could not be written: %s",
                           strerror(written < 0 ? errno : EIO));
        p += written;
        n -= (size_t)written;
        offset += (uint64_t)written;
    }
    return XR_OK;
}

static enum xr_code too_long(struct xr_err *err) {
    return xr_fail(err, XR_REFUSED, NULL, "the speech is longer than %d seconds", FRAMES_MAX / XR_RATE);
}

enum xr_code xr_tts_length_check(uint64_t samples, uint32_t rate, struct xr_err *err) {
    return samples * XR_RATE / rate > FRAMES_MAX ? too_long(err) : XR_OK;
}

static enum xr_code put_block(struct xr_tts_sink *sink, size_t n, struct xr_err *err) {
    if (n > FRAMES_MAX - sink->frames)
        return too_long(err);
    uint64_t offset = XR_WAV_HEADER_SIZE + sink->frames * sizeof *sink->block;
    enum xr_code code = write_at(sink->fd, sink->block, n * sizeof *sink->block, offset, err);
    if (code == XR_OK)
        sink->frames += n;
    return code;
}

enum xr_code xr_tts_sink_write(struct xr_tts_sink *sink, const int16_t *samples, size_t n, struct xr_err *err) {
    while (n > 0) {
        size_t used = 0, got = 0;
        enum xr_code code = xr_resampler_run(sink->resampler, samples, n, &used, sink->block, BLOCK, &got, err);
        if (code == XR_OK && used == 0 && got == 0)
            code = xr_fail(err, XR_INTERNAL, NULL, "the resampler takes no samples");
        if (code == XR_OK)
            code = put_block(sink, got, err);
        if (code != XR_OK)
            return code;
        samples += used;
        n -= used;
    }
    return XR_OK;
}

enum xr_code xr_tts_sink_finish(struct xr_tts_sink *sink, uint64_t *ret_frames, struct xr_err *err) {
    enum xr_code code = XR_OK;
    size_t got;
    do {
        size_t used = 0;
        got = 0;
        code = xr_resampler_run(sink->resampler, NULL, 0, &used, sink->block, BLOCK, &got, err);
        if (code == XR_OK)
            code = put_block(sink, got, err);
    } while (code == XR_OK && got > 0);
    uint8_t header[XR_WAV_HEADER_SIZE];
    if (code == XR_OK) {
        xr_wav_header(header, XR_RATE, 1, sink->frames);
        code = write_at(sink->fd, header, sizeof header, 0, err);
    }
    if (code == XR_OK)
        *ret_frames = sink->frames;
    return code;
}
