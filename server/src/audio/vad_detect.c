// SPDX-License-Identifier: Apache-2.0
#include "audio/vad_detect.h"
#include "audio/dbfs.h"
#include "audio/histogram.h"
#include "audio/vad_channel.h"
#include <math.h>

/* Times, in ms. */
enum {
    CORE_MS = 60, /* a chain holds one stretch at least so long: a vowel does, a key stroke does not */
    ATTACH_MS = 150, /* stop closures and the way to a last burst are shorter, key strokes lie further apart */
    MERGE_MS = 250, /* a shorter pause is a closure or a breath, not the end of what somebody says */
    OTHER_MIN_MS = 100,
    BREATHLESS_MS = 10000,
    OUTWARD_MAX_MS =
        1000, /* what belongs to a sentence and was not found with it is no longer; nor is the uncertainty */
    CENTRE_MS = XR_VAD_WINDOW_MS / 2, /* a window stands for its middle: what it sees early and late cancels */
};

/* A channel's threshold is lower than a sentence's, so that a quieter sentence of the same speaker is found too; one
 * that is 30 dB quieter is an echo or somebody in the background. */
#define CHANNEL_RANGE XR_POWER_MINUS_35DB
#define QUIETEST_SENTENCE XR_POWER_MINUS_22DB
#define SPEECH_RANGE XR_POWER_MINUS_30DB /* below its own level: the truth's definition */
#define CONTRAST XR_POWER_6DB /* of a sentence's level over the noise threshold; less is noise */
#define LEVEL_QUANTILE 0.95
#define QUIET 340.0F /* -65 dBFS: steady noise below it can hide no speech that anybody would hear */
/* Sounds that are too short for speech are lip smacks and the like, unless there are many. */
#define OTHER_PART 0.01 /* of the time without speech */

/* Windows [start, end). */
struct chain {
    size_t start, end;
    bool any; /* there is one */
    bool has_core;
    int32_t start_uncertainty_ms, end_uncertainty_ms;
};

struct detector {
    struct xr_vad_channel channel;
    xr_vad_found *found;
    void *ctx;
    struct chain chain; /* growing */
    struct chain sentence; /* chains joined, waiting for the next */
    float sentence_level; /* of its loudest chain */
    struct chain segment; /* with its edges, waiting for the next */
    double speech_power; /* summed over segments */
    size_t speech_ms;
    size_t other_ms; /* windows that are loud enough for speech, but for no length of it */
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
    const struct xr_vad_span span = {
        .start_ms = segment->start == 0 ? 0 : segment->start + CENTRE_MS,
        .end_ms = segment->end > last ? last + XR_VAD_WINDOW_MS : segment->end + CENTRE_MS,
        .start_uncertainty_ms = segment->start_uncertainty_ms,
        .end_uncertainty_ms = segment->end_uncertainty_ms,
    };
    d->stopped = !d->found(d->ctx, &span);
}

static float chain_level(const struct detector *d, const struct chain *chain) {
    struct xr_histogram powers = {0};
    for (size_t t = chain->start; t < chain->end; t++)
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
    const size_t first = sentence->start > OUTWARD_MAX_MS ? sentence->start - OUTWARD_MAX_MS : 0;
    for (size_t t = sentence->start; t > first && sentence->start - t < ATTACH_MS; t--)
        if (is_loud(d, lowest, t - 1))
            sentence->start = t - 1;
    const size_t after = d->channel.n - sentence->end > OUTWARD_MAX_MS ? sentence->end + OUTWARD_MAX_MS : d->channel.n;
    for (size_t t = sentence->end; t < after && t - sentence->end < ATTACH_MS; t++)
        if (is_loud(d, lowest, t))
            sentence->end = t + 1;
}

/* The larger distance to the middle; at least the windows' grid. */
static int32_t spread(size_t a, size_t middle, size_t b) {
    const size_t one = a > middle ? a - middle : middle - a, other = b > middle ? b - middle : middle - b;
    const size_t larger = one > other ? one : other;
    return larger < 1 ? 1 : larger > OUTWARD_MAX_MS ? OUTWARD_MAX_MS : (int32_t)larger;
}

/* How far the ends would move if the threshold moved by 6 dB up or down. */
static void find_uncertainty(const struct detector *d, float lowest, const struct chain *from, struct chain *found) {
    struct chain higher = *from, lower = *from;
    find_edges(d, lowest * XR_POWER_6DB, &higher);
    find_edges(d, lowest * XR_POWER_MINUS_6DB, &lower);
    found->start_uncertainty_ms = spread(lower.start, found->start, higher.start);
    found->end_uncertainty_ms = spread(lower.end, found->end, higher.end);
}

static void end_sentence(struct detector *d) {
    struct chain sentence = d->sentence;
    d->sentence = (struct chain){0};
    if (!sentence.any)
        return;
    float level = chain_level(d, &sentence);
    float noise = xr_vad_channel_noise(&d->channel, sentence.start);
    if (level < d->channel.level * QUIETEST_SENTENCE)
        return;
    if (level < noise * CONTRAST) {
        d->other_ms += sentence.end - sentence.start;
        return;
    }
    const struct chain loud = sentence;
    find_edges(d, level * SPEECH_RANGE, &sentence);
    if (sentence.end - sentence.start < CORE_MS)
        return;
    find_uncertainty(d, level * SPEECH_RANGE, &loud, &sentence);
    if (d->segment.any && sentence.start < d->segment.end + MERGE_MS) {
        if (sentence.end > d->segment.end) {
            d->segment.end = sentence.end;
            d->segment.end_uncertainty_ms = sentence.end_uncertainty_ms;
        }
        return;
    }
    emit(d);
    d->segment = sentence;
}

static void end_chain(struct detector *d) {
    struct chain chain = d->chain;
    d->chain = (struct chain){0};
    if (!chain.any)
        return;
    if (!chain.has_core) {
        d->other_ms += chain.end - chain.start;
        return;
    }
    const float level = chain_level(d, &chain);
    const bool near = d->sentence.any && chain.start < d->sentence.end + MERGE_MS;
    const float beside = near && d->sentence_level < d->channel.level ? d->sentence_level : d->channel.level;
    if (level < beside * QUIETEST_SENTENCE)
        return;
    if (near) {
        d->sentence.end = chain.end;
        d->sentence_level = level > d->sentence_level ? level : d->sentence_level;
        return;
    }
    end_sentence(d);
    d->sentence_level = level;
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

/* Noise that reaches into the last decibels of the channel's voice hides its ends. When none was heard alone, it is as
 * high as the floor lets expect; but nobody speaks for long without a pause, so it may not be a voice. */
static bool hides_voice(const struct xr_vad_channel *channel) {
    const bool heard = isfinite(channel->noise_high);
    if (!heard && channel->n > BREATHLESS_MS)
        return true;
    const float high = heard ? channel->noise_high : channel->noise_median * channel->rise;
    return high * channel->margin > channel->level * SPEECH_RANGE;
}

static bool is_doubtful(const struct detector *d) {
    if (d->channel.n == 0)
        return false;
    if (d->channel.level <= 0) /* nothing stands out: silence, or steady noise in which there may be a voice */
        return d->channel.noise_median > QUIET;
    return hides_voice(&d->channel) ||
           (d->other_ms > OTHER_MIN_MS && (double)d->other_ms > OTHER_PART * (double)(d->channel.n - d->speech_ms));
}

enum xr_code xr_vad_detect(const float *power, size_t n, xr_vad_found *found, void *ctx,
                           struct xr_vad_outcome *ret_outcome, struct xr_err *err) {
    struct detector d = {.found = found, .ctx = ctx};
    enum xr_code code = xr_vad_channel_learn(power, n, &d.channel, err);
    if (code != XR_OK)
        return code;
    if (d.channel.level > 0)
        find_speech(&d);
    const struct xr_vad_outcome outcome = {levels_of(&d), is_doubtful(&d)};
    xr_vad_channel_clear(&d.channel);
    if (d.stopped)
        return xr_fail(err, XR_TOO_LARGE, NULL, "too many segments");
    *ret_outcome = outcome;
    return XR_OK;
}
