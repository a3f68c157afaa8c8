// SPDX-License-Identifier: Apache-2.0
#include "audio/levels.h"
#include "audio/dbfs.h"
#include "audio/energy.h"
#include <stdbool.h>
#include <stdlib.h>

/* A bucket being summed. Doubles, for a second of it is 48,000 squares. */
struct bucket {
    double squares[XR_CHANNEL_COUNT];
    int peaks[XR_CHANNEL_COUNT];
    uint64_t frames;
};

static void freep(int16_t **samples) {
    free(*samples);
}

void xr_levels_clear(struct xr_levels *levels) {
    if (!levels)
        return;
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        free(levels->channels[c].rms_dbfs);
        free(levels->channels[c].peak_dbfs);
    }
    *levels = (struct xr_levels){0};
}

static bool allocate(struct xr_levels *levels, size_t count) {
    size_t size = (count ? count : 1) * sizeof(float);
    levels->count = count;
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        levels->channels[c].rms_dbfs = malloc(size);
        levels->channels[c].peak_dbfs = malloc(size);
        if (!levels->channels[c].rms_dbfs || !levels->channels[c].peak_dbfs)
            return false;
    }
    return true;
}

static void add(struct bucket *bucket, const struct xr_energy *energy) {
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        bucket->squares[c] += (double)energy->squares[c];
}

static void put(struct xr_levels *levels, size_t at, const struct bucket *bucket) {
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        double peak = bucket->peaks[c];
        levels->channels[c].rms_dbfs[at] = (float)xr_dbfs(bucket->squares[c] / (double)bucket->frames);
        levels->channels[c].peak_dbfs[at] = (float)xr_dbfs(peak * peak);
    }
}

static struct bucket sum_bucket(const int16_t *frames, size_t n, struct xr_energy *scratch) {
    struct bucket bucket = {.frames = n};
    size_t ms = n / XR_FRAMES_PER_MS, rest = n % XR_FRAMES_PER_MS;
    xr_energy_blocks(frames, ms, scratch);
    for (size_t i = 0; i < ms; i++)
        add(&bucket, &scratch[i]);
    if (rest > 0) {
        struct xr_energy energy = xr_energy_of(frames + ms * XR_FRAMES_PER_MS * XR_CHANNEL_COUNT, rest);
        add(&bucket, &energy);
    }
    xr_energy_peaks(frames, n, bucket.peaks);
    return bucket;
}

/* A window is a whole number of buckets, so that none is split. */
static enum xr_code read_all(int fd, const struct xr_wav *wav, size_t bucket_frames, struct xr_levels *levels,
                             struct xr_err *err) {
    XR_AUTO(freep) int16_t *window = malloc((size_t)XR_AUDIO_WINDOW_FRAMES * XR_CHANNEL_COUNT * sizeof *window);
    if (!window)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    const size_t window_frames = XR_AUDIO_WINDOW_FRAMES / bucket_frames * bucket_frames;
    struct xr_energy scratch[XR_LEVEL_BUCKET_MAX_MS];
    size_t at = 0;
    for (uint64_t first = 0; first < wav->frames; first += window_frames) {
        size_t want = wav->frames - first < window_frames ? (size_t)(wav->frames - first) : window_frames, got = 0;
        enum xr_code code = xr_wav_read(fd, wav, first, want, window, &got, err);
        if (code != XR_OK)
            return code;
        if (got < want)
            return xr_fail(err, XR_IO, NULL, "the recording became shorter while it was read");
        for (size_t done = 0; done < got; done += bucket_frames) {
            size_t n = got - done < bucket_frames ? got - done : bucket_frames;
            struct bucket bucket = sum_bucket(window + done * XR_CHANNEL_COUNT, n, scratch);
            put(levels, at++, &bucket);
        }
    }
    return XR_OK;
}

enum xr_code xr_levels_read(int fd, const struct xr_wav *wav, int bucket_ms, struct xr_levels *ret_levels,
                            struct xr_err *err) {
    if (bucket_ms < XR_LEVEL_BUCKET_MIN_MS || bucket_ms > XR_LEVEL_BUCKET_MAX_MS)
        return xr_fail(err, XR_INVALID, "bucket_ms", "must be %d..%d", XR_LEVEL_BUCKET_MIN_MS, XR_LEVEL_BUCKET_MAX_MS);
    enum xr_code code = xr_wav_require(wav, XR_CHANNEL_COUNT, err);
    if (code != XR_OK)
        return code;
    if (wav->frames > (uint64_t)XR_RECORDING_MS_MAX * XR_FRAMES_PER_MS)
        return xr_fail(err, XR_TOO_LARGE, NULL, "the recording is longer than %zu ms", XR_RECORDING_MS_MAX);
    const size_t bucket_frames = (size_t)bucket_ms * XR_FRAMES_PER_MS;
    XR_AUTO(xr_levels_clear) struct xr_levels levels = {0};
    if (!allocate(&levels, (size_t)((wav->frames + bucket_frames - 1) / bucket_frames)))
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    code = read_all(fd, wav, bucket_frames, &levels, err);
    if (code != XR_OK)
        return code;
    *ret_levels = levels;
    levels = (struct xr_levels){0};
    return XR_OK;
}
