// SPDX-License-Identifier: Apache-2.0
#include "audio/vad.h"
#include "audio/dbfs.h"
#include "audio/energy.h"
#include "audio/hearing.h"
#include "audio/histogram.h"
#include "audio/vad_channel.h"
#include "audio/vad_detect.h"
#include "audio/voice_detect.h"
#include "base/clock.h"
#include "base/limits.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    HELD_MS = 1000, /* the offset is not known before so much was heard */
    OFFSET_MS = 8000, /* then it follows with this time constant: constant offsets are exact, drifting ones followed */
    GUARD_MS = 200, /* around segments nothing is taken for noise */
};

/* The segments of one channel. */
struct found {
    struct xr_vad_span *at;
    size_t count, cap;
    bool no_memory;
};

struct xr_vad {
    float *power[XR_CHANNEL_COUNT]; /* mean of (x - offset)^2, one a ms; XR_RECORDING_MS_MAX of them mapped */
    size_t n;
    double offset[XR_CHANNEL_COUNT];
    struct xr_energy held[HELD_MS]; /* heard, not in power yet */
    size_t held_n;
    int16_t rest[XR_FRAMES_PER_MS * XR_CHANNEL_COUNT]; /* frames of a millisecond that is not complete */
    size_t rest_n;
    bool second; /* pass: the recording is heard once more, by the listeners */
    struct xr_listener *listeners[XR_CHANNEL_COUNT]; /* NULL: the first pass was enough */
    struct found found[XR_CHANNEL_COUNT];
    struct xr_vad_levels levels[XR_CHANNEL_COUNT];
    size_t windows; /* that power has, after the first pass */
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
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        if (vad->power[c])
            munmap(vad->power[c], POWER_SIZE);
        xr_listener_free(vad->listeners[c]);
        free(vad->found[c].at);
    }
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

static enum xr_code push_second(struct xr_vad *vad, const int16_t *frames, size_t n, struct xr_err *err) {
    enum xr_code code = XR_OK;
    for (int c = 0; c < XR_CHANNEL_COUNT && code == XR_OK; c++)
        if (vad->listeners[c])
            code = xr_listener_push(vad->listeners[c], frames, n, err);
    return code;
}

enum xr_code xr_vad_push(struct xr_vad *vad, const int16_t *frames, size_t n, struct xr_err *err) {
    if (vad->second)
        return push_second(vad, frames, n, err);
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

static bool collect(void *ctx, const struct xr_vad_span *span) {
    struct found *found = ctx;
    if (found->count == XR_SEGMENTS_MAX)
        return false;
    if (found->count == found->cap) {
        size_t cap = found->cap ? found->cap * 2 : 64;
        struct xr_vad_span *at = realloc(found->at, cap * sizeof *at);
        found->no_memory = !at;
        if (!at)
            return false;
        found->at = at;
        found->cap = cap;
    }
    found->at[found->count++] = *span;
    return true;
}

static enum xr_code no_memory(struct xr_err *err) {
    return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
}

/* --- the first pass: power --- */

static enum xr_code end_first(struct xr_vad *vad, bool *ret_again, struct xr_err *err) {
    const size_t ms = vad->n;
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        struct xr_vad_outcome outcome;
        vad->windows = xr_energy_windows(vad->power[c], ms);
        enum xr_code code = xr_vad_detect(vad->power[c], vad->windows, collect, &vad->found[c], &outcome, err);
        if (vad->found[c].no_memory)
            return no_memory(err);
        if (code == XR_OK && outcome.doubtful)
            code = xr_listener_new((enum xr_channel)c, ms, &vad->listeners[c], err);
        if (code != XR_OK)
            return code;
        vad->levels[c] = outcome.levels;
        *ret_again |= outcome.doubtful;
    }
    vad->second = true;
    return XR_OK;
}

/* --- the second pass: the network and bands --- */

/* What lies away from segments is noise, what lies in them is speech. first: what the first pass thought, for when
 * there is nothing but speech. */
static struct xr_vad_levels measure(const float *power, size_t n, const struct found *found, float threshold,
                                    const struct xr_vad_levels *first) {
    struct xr_histogram noise = {0};
    double speech = 0;
    size_t speech_ms = 0, from = 0;
    for (size_t i = 0; i <= found->count; i++) {
        const size_t start = i < found->count ? found->at[i].start_ms : n + GUARD_MS;
        for (size_t t = from; t + GUARD_MS < start && t < n; t++)
            xr_histogram_add(&noise, power[t]);
        if (i == found->count)
            break;
        from = found->at[i].end_ms + GUARD_MS;
        for (size_t t = start; t < found->at[i].end_ms && t < n; t++, speech_ms++)
            speech += (double)power[t];
    }
    const double floor = (double)xr_histogram_quantile(&noise, 0.5);
    return (struct xr_vad_levels){
        .noise_floor_dbfs = noise.count > 0 ? xr_dbfs(floor) : first->noise_floor_dbfs,
        .speech_dbfs = xr_dbfs(speech_ms > 0 ? speech / (double)speech_ms : 0),
        .threshold_dbfs = xr_dbfs(floor + (double)threshold), /* a voice's power is what exceeds the noise's */
    };
}

static enum xr_code end_second(struct xr_vad *vad, int channel, struct xr_err *err) {
    struct found *found = &vad->found[channel];
    struct xr_hearing heard = {0};
    float threshold = 0;
    found->count = 0;
    enum xr_code code = xr_listener_finish(vad->listeners[channel], &heard, err);
    if (code == XR_OK)
        code = xr_voice_detect(&heard, collect, found, &threshold, err);
    xr_hearing_clear(&heard);
    if (found->no_memory)
        return no_memory(err);
    if (code == XR_OK)
        vad->levels[channel] = measure(vad->power[channel], vad->windows, found, threshold, &vad->levels[channel]);
    return code;
}

/* --- the result --- */

static int by_start(const void *a, const void *b) {
    const struct xr_segment *x = a, *y = b;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return (x->channel > y->channel) - (x->channel < y->channel);
}

static enum xr_code put_together(struct xr_vad *vad, struct xr_vad_result *ret_result, struct xr_err *err) {
    const size_t count = vad->found[XR_CHANNEL_USER].count + vad->found[XR_CHANNEL_AGENT].count;
    struct xr_vad_result result = {.segments = malloc((count ? count : 1) * sizeof *result.segments)};
    if (!result.segments)
        return no_memory(err);
    for (int c = 0; c < XR_CHANNEL_COUNT; c++) {
        result.levels[c] = vad->levels[c];
        for (size_t i = 0; i < vad->found[c].count; i++) {
            const struct xr_vad_span *span = &vad->found[c].at[i];
            result.segments[result.count++] = (struct xr_segment){
                .channel = (enum xr_channel)c,
                .start_ns = (int64_t)span->start_ms * XR_NS_PER_MS,
                .end_ns = (int64_t)span->end_ms * XR_NS_PER_MS,
                .start_uncertainty_ms = span->start_uncertainty_ms,
                .end_uncertainty_ms = span->end_uncertainty_ms,
            };
        }
    }
    if (result.count > 0)
        qsort(result.segments, result.count, sizeof *result.segments, by_start);
    *ret_result = result;
    return XR_OK;
}

enum xr_code xr_vad_finish(struct xr_vad *vad, bool *ret_again, struct xr_vad_result *ret_result, struct xr_err *err) {
    enum xr_code code = XR_OK;
    *ret_again = false;
    if (!vad->second) {
        code = settle(vad, err);
        if (code == XR_OK)
            code = end_first(vad, ret_again, err);
        if (code != XR_OK || *ret_again)
            return code;
    }
    for (int c = 0; c < XR_CHANNEL_COUNT && code == XR_OK; c++)
        if (vad->listeners[c])
            code = end_second(vad, c, err);
    return code == XR_OK ? put_together(vad, ret_result, err) : code;
}

void xr_vad_result_clear(struct xr_vad_result *result) {
    if (!result)
        return;
    free(result->segments);
    *result = (struct xr_vad_result){0};
}
