// SPDX-License-Identifier: Apache-2.0
#include "audio/vad.h"
#include "audio/energy.h"
#include "audio/vad_channel.h"
#include "audio/vad_detect.h"
#include "base/clock.h"
#include "base/limits.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HELD_MS = 1000, /* the offset is not known before so much was heard */
    OFFSET_MS = 8000, /* then it follows with this time constant: constant offsets are exact, drifting ones followed */
};

struct xr_vad {
    float *power[XR_CHANNEL_COUNT]; /* mean of (x - offset)^2, one a ms; XR_RECORDING_MS_MAX of them mapped */
    size_t n;
    double offset[XR_CHANNEL_COUNT];
    struct xr_energy held[HELD_MS]; /* heard, not in power yet */
    size_t held_n;
    int16_t rest[XR_FRAMES_PER_MS * XR_CHANNEL_COUNT]; /* frames of a millisecond that is not complete */
    size_t rest_n;
};

const char *xr_channel_name(enum xr_channel channel) {
    static const char *const NAMES[XR_CHANNEL_COUNT] = {"user", "agent"};
    return (unsigned)channel < XR_CHANNEL_COUNT ? NAMES[channel] : "unknown";
}

/* Room for the longest recording, of which the kernel gives pages only as they are written: an array that grows by
 * copying would need twice the memory at its worst. */
static const size_t POWER_SIZE = XR_RECORDING_MS_MAX * sizeof(float);

static float *reserve_power(void) {
    void *at = mmap(NULL, POWER_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

enum xr_code xr_vad_new(struct xr_vad **ret_vad, struct xr_err *err) {
    XR_AUTO(xr_vad_freep) struct xr_vad *vad = calloc(1, sizeof *vad);
    if (!vad)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        vad->power[c] = reserve_power();
        if (!vad->power[c])
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    *ret_vad = vad;
    vad = NULL;
    return XR_OK;
}

void xr_vad_free(struct xr_vad *vad) {
    if (!vad)
        return;
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        if (vad->power[c])
            munmap(vad->power[c], POWER_SIZE);
    free(vad);
}

/* Follows the channels' constant offsets: the mean of all that was heard, later of the last seconds. */
static void follow_offsets(struct xr_vad *vad) {
    const size_t heard = vad->n + vad->held_n;
    const double part = (double)vad->held_n / (double)(heard < OFFSET_MS ? heard : OFFSET_MS);
    double sums[XR_CHANNEL_COUNT];
    xr_energy_totals(vad->held, vad->held_n, sums);
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        vad->offset[c] += (sums[c] / (double)(vad->held_n * XR_FRAMES_PER_MS) - vad->offset[c]) * part;
}

/* The held milliseconds become powers. */
static enum xr_code settle(struct xr_vad *vad, struct xr_err *err) {
    if (vad->held_n > XR_RECORDING_MS_MAX - vad->n)
        return xr_fail(err, XR_TOO_LARGE, NULL, "the recording is longer than %zu ms", XR_RECORDING_MS_MAX);
    if (vad->held_n == 0)
        return XR_OK;
    follow_offsets(vad);
    float *const powers[XR_CHANNEL_COUNT] = {vad->power[XR_CHANNEL_USER] + vad->n,
                                             vad->power[XR_CHANNEL_AGENT] + vad->n};
    xr_energy_powers(vad->held, vad->held_n, vad->offset, powers);
    vad->n += vad->held_n;
    vad->held_n = 0;
    return XR_OK;
}

static enum xr_code push_blocks(struct xr_vad *vad, const int16_t *frames, size_t ms, struct xr_err *err) {
    while (ms > 0) {
        size_t now = HELD_MS - vad->held_n < ms ? HELD_MS - vad->held_n : ms;
        xr_energy_blocks(frames, now, vad->held + vad->held_n);
        vad->held_n += now;
        frames += now * XR_FRAMES_PER_MS * XR_CHANNEL_COUNT;
        ms -= now;
        enum xr_code code = vad->held_n == HELD_MS ? settle(vad, err) : XR_OK;
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

static void keep_rest(struct xr_vad *vad, const int16_t *frames, size_t n) {
    if (n > 0)
        memcpy(vad->rest + vad->rest_n * XR_CHANNEL_COUNT, frames, n * XR_CHANNEL_COUNT * sizeof *frames);
    vad->rest_n += n;
}

enum xr_code xr_vad_push(struct xr_vad *vad, const int16_t *frames, size_t n, struct xr_err *err) {
    if (vad->rest_n > 0) {
        size_t missing = XR_FRAMES_PER_MS - vad->rest_n, take = n < missing ? n : missing;
        keep_rest(vad, frames, take);
        if (vad->rest_n < XR_FRAMES_PER_MS)
            return XR_OK;
        vad->rest_n = 0;
        enum xr_code code = push_blocks(vad, vad->rest, 1, err);
        if (code != XR_OK)
            return code;
        frames += take * XR_CHANNEL_COUNT;
        n -= take;
    }
    const size_t ms = n / XR_FRAMES_PER_MS, whole = ms * XR_FRAMES_PER_MS;
    enum xr_code code = push_blocks(vad, frames, ms, err);
    if (code != XR_OK)
        return code;
    keep_rest(vad, frames + whole * XR_CHANNEL_COUNT, n - whole);
    return XR_OK;
}

struct collector {
    struct xr_vad_result *result;
    enum xr_channel channel;
    size_t cap, count; /* of the array; of this channel */
    bool no_memory;
};

static bool collect(void *ctx, size_t start_ms, size_t end_ms) {
    struct collector *collector = ctx;
    struct xr_vad_result *result = collector->result;
    if (collector->count++ == XR_SEGMENTS_MAX)
        return false;
    if (result->count == collector->cap) {
        size_t cap = collector->cap ? collector->cap * 2 : 64;
        struct xr_segment *segments = realloc(result->segments, cap * sizeof *segments);
        collector->no_memory = !segments;
        if (!segments)
            return false;
        result->segments = segments;
        collector->cap = cap;
    }
    result->segments[result->count++] = (struct xr_segment){
        .channel = collector->channel,
        .start_ns = (int64_t)start_ms * XR_NS_PER_MS,
        .end_ns = (int64_t)end_ms * XR_NS_PER_MS,
        .start_uncertainty_ms = 1,
        .end_uncertainty_ms = 1, /* the detector's grid */
    };
    return true;
}

static int by_start(const void *a, const void *b) {
    const struct xr_segment *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return (x->channel > y->channel) - (x->channel < y->channel);
}

enum xr_code xr_vad_finish(struct xr_vad *vad, struct xr_vad_result *ret_result, struct xr_err *err) {
    enum xr_code code = settle(vad, err);
    if (code != XR_OK)
        return code;
    XR_AUTO(xr_vad_result_clear) struct xr_vad_result result = {0};
    struct collector collector = {.result = &result};
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        collector.channel = (enum xr_channel)c;
        collector.count = 0;
        size_t windows = xr_energy_windows(vad->power[c], vad->n);
        code = xr_vad_detect(vad->power[c], windows, collect, &collector, &result.levels[c], err);
        if (collector.no_memory)
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
        if (code != XR_OK)
            return code;
    }
    if (result.count > 0)
        qsort(result.segments, result.count, sizeof *result.segments, by_start);
    *ret_result = result;
    result = (struct xr_vad_result){0};
    return XR_OK;
}

void xr_vad_result_clear(struct xr_vad_result *result) {
    if (!result)
        return;
    free(result->segments);
    *result = (struct xr_vad_result){0};
}
