// SPDX-License-Identifier: Apache-2.0
#include "audio/vad_detect.h"
#include "audio/dbfs.h"
#include "audio/histogram.h"
#include "audio/vad_channel.h"

/* Times, in ms. */
enum {
    CORE_MS = 60, /* a chain holds one stretch at least so long: a vowel does, a key stroke does not */
    ATTACH_MS = 150, /* stop closures and the way to a last burst are shorter, key strokes lie further apart */
    MERGE_MS = 250, /* a shorter pause is a closure or a breath, not the end of what somebody says */
    CENTRE_MS = XR_VAD_WINDOW_MS / 2, /* a window stands for its middle: what it sees early and late cancels */
};

/* A channel's threshold is lower than a sentence's, so that a quieter sentence of the same speaker is found too; one
 * that is 30 dB quieter is an echo or somebody in the background. */
#define CHANNEL_RANGE XR_POWER_MINUS_35DB
#define QUIETEST_SENTENCE XR_POWER_MINUS_30DB
#define SPEECH_RANGE XR_POWER_MINUS_30DB /* below its own level: the truth's definition */
#define CONTRAST XR_POWER_6DB /* of a sentence's level over the noise threshold; less is noise */
#define LEVEL_QUANTILE 0.95

/* Windows [start, end). */
struct chain {
    size_t start, end;
    bool any; /* there is one */
    bool has_core;
};

struct detector {
    struct xr_vad_channel channel;
    xr_vad_found *found;
    void *ctx;
    struct chain chain; /* growing */
    struct chain sentence; /* chains joined, waiting for the next */
    struct chain segment; /* with its edges, waiting for the next */
    double speech_power; /* summed over segments */
    size_t speech_ms;
    bool stopped;
};

static float threshold(const struct detector *d, float lowest, size_t t) {
    float noise = xr_vad_channel_noise(&d->channel, t);
    return lowest > noise ? lowest : noise;
}

static void emit(struct detector *d) {
    struct chain *segment = &d->segment;
    const size_t last = d->channel.n - 1;
    if (!segment->any || d->stopped)
        return;
    for (size_t t = segment->start; t < segment->end; t++)
        d->speech_power += (double)d->channel.power[t];
    d->speech_ms += segment->end - segment->start;
    /* The first and the last window have no neighbour to cancel with: speech goes to the recording's very end. */
    size_t start_ms = segment->start == 0 ? 0 : segment->start + CENTRE_MS;
    size_t end_ms = segment->end > last ? last + XR_VAD_WINDOW_MS : segment->end + CENTRE_MS;
    d->stopped = !d->found(d->ctx, start_ms, end_ms);
}

static float sentence_level(const struct detector *d, const struct chain *sentence) {
    struct xr_histogram powers = {0};
    for (size_t t = sentence->start; t < sentence->end; t++)
        xr_histogram_add(&powers, d->channel.power[t]);
    return xr_histogram_quantile(&powers, LEVEL_QUANTILE);
}

static bool is_loud(const struct detector *d, float lowest, size_t t) {
    return d->channel.power[t] > threshold(d, lowest, t);
}

/* Moves the two ends to where this sentence itself passes the threshold: inwards if it is louder than the channel's
 * usual level, outwards, over closures, if it is quieter. */
static void find_edges(const struct detector *d, float lowest, struct chain *sentence) {
    while (sentence->start < sentence->end && !is_loud(d, lowest, sentence->start))
        sentence->start++;
    while (sentence->end > sentence->start && !is_loud(d, lowest, sentence->end - 1))
        sentence->end--;
    for (size_t t = sentence->start; t > 0 && sentence->start - t < ATTACH_MS; t--)
        if (is_loud(d, lowest, t - 1))
            sentence->start = t - 1;
    for (size_t t = sentence->end; t < d->channel.n && t - sentence->end < ATTACH_MS; t++)
        if (is_loud(d, lowest, t))
            sentence->end = t + 1;
}

static void end_sentence(struct detector *d) {
    struct chain sentence = d->sentence;
    d->sentence = (struct chain){0};
    if (!sentence.any)
        return;
    float level = sentence_level(d, &sentence);
    float noise = xr_vad_channel_noise(&d->channel, sentence.start);
    if (level < d->channel.level * QUIETEST_SENTENCE || level < noise * CONTRAST)
        return;
    find_edges(d, level * SPEECH_RANGE, &sentence);
    if (sentence.end - sentence.start < CORE_MS)
        return;
    if (d->segment.any && sentence.start < d->segment.end + MERGE_MS) {
        d->segment.end = sentence.end > d->segment.end ? sentence.end : d->segment.end;
        return;
    }
    emit(d);
    d->segment = sentence;
}

static void end_chain(struct detector *d) {
    struct chain chain = d->chain;
    d->chain = (struct chain){0};
    if (!chain.any || !chain.has_core)
        return;
    if (d->sentence.any && chain.start < d->sentence.end + MERGE_MS) {
        d->sentence.end = chain.end;
        return;
    }
    end_sentence(d);
    d->sentence = chain;
}

static void add_loud(struct detector *d, size_t start, size_t end) {
    if (d->chain.any && start > d->chain.end + ATTACH_MS)
        end_chain(d);
    if (!d->chain.any)
        d->chain = (struct chain){.start = start, .any = true};
    d->chain.end = end;
    d->chain.has_core |= end - start >= CORE_MS;
}

static void find_speech(struct detector *d) {
    const float lowest = d->channel.level * CHANNEL_RANGE;
    size_t start = 0;
    bool loud = false;
    for (size_t t = 0; t < d->channel.n; t++) {
        bool now = is_loud(d, lowest, t);
        if (now && !loud)
            start = t;
        else if (!now && loud)
            add_loud(d, start, t);
        loud = now;
    }
    if (loud)
        add_loud(d, start, d->channel.n);
    end_chain(d);
    end_sentence(d);
    emit(d);
}

static struct xr_vad_levels levels_of(const struct detector *d) {
    const struct xr_vad_channel *channel = &d->channel;
    struct xr_vad_levels levels = {XR_DBFS_SILENCE, XR_DBFS_SILENCE, XR_DBFS_SILENCE};
    if (channel->n == 0)
        return levels;
    levels.noise_floor_dbfs = xr_dbfs((double)channel->noise_median);
    levels.threshold_dbfs = xr_dbfs((double)threshold(d, channel->level * SPEECH_RANGE, channel->n / 2));
    if (d->speech_ms > 0)
        levels.speech_dbfs = xr_dbfs(d->speech_power / (double)d->speech_ms);
    return levels;
}

enum xr_code xr_vad_detect(const float *power, size_t n, xr_vad_found *found, void *ctx,
                           struct xr_vad_levels *ret_levels, struct xr_err *err) {
    struct detector d = {.found = found, .ctx = ctx};
    enum xr_code code = xr_vad_channel_learn(power, n, &d.channel, err);
    if (code != XR_OK)
        return code;
    if (d.channel.level > 0)
        find_speech(&d);
    struct xr_vad_levels levels = levels_of(&d);
    xr_vad_channel_clear(&d.channel);
    if (d.stopped)
        return xr_fail(err, XR_TOO_LARGE, NULL, "too many segments");
    *ret_levels = levels;
    return XR_OK;
}
