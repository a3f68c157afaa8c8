// SPDX-License-Identifier: Apache-2.0
#include "audio/voice.h"
#include "audio/histogram.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#define MS(ms) ((ms) / XR_BAND_STEP_MS)

/* Steps. */
enum {
    GUARD_BEFORE = MS(300), /* around a span nothing is taken for noise: voices begin softly */
    GUARD_AFTER = MS(352), /* and trail off */
    NOISE_MIN = MS(200), /* less between the spans tells nothing about noise */
    BLOCK = MS(144), /* the highest noise's own time step: the longest gap in a voice that is looked over */
    REACH = MS(4000), /* noise is looked for so far each way */
    REACH_BLOCKS = REACH / BLOCK,
    BLOCKS_MIN = 5, /* fewer around tell nothing: those of the whole channel are taken */
    BURST_MIN = MS(60), /* what stands out so long is no noise */
    BURST_GAP = MS(20),
    BURST_GUARD = MS(100),
    BURST_NEAR = MS(500), /* if speech is near, or the network thinks that it may be speech */
};

#define BURST_RISE 2.0F /* 3 dB over most of the noise */
#define BURST_PROBABILITY 0.2F
#define MOST 0.8 /* of the noise's blocks; the highest ones may be a voice that is not known yet */
#define SILENCE 0.01F /* LSB squared; 1 LSB of dither makes 0.1 and more */
#define QUIETEST 0.1 /* of all steps, when too few are away from the voice */
#define HIGH_QUANTILE 0.97
/* Bands count in full while the noise's spread in them is small against the voice 20 dB below its mean, which is where
 * its ends are looked for. */
#define FAINT 0.01F
#define RESTLESS 3.0F /* 5 dB: the noise's highest block over its median one; steady noise stays below 2 */

enum { NOISE = 1, VOICE = 2, SURE_NOISE = 4 };
enum bound { BOUND_MOST, BOUND_HIGHEST, BOUND_RESTLESS };

static const struct {
    size_t from, to; /* bands */
} THIRDS[XR_VOICE_SIGNALS] = {[XR_VOICE_LOW] = {0, 6}, [XR_VOICE_MIDDLE] = {6, 11}, [XR_VOICE_HIGH] = {11, XR_BANDS}};

struct learner {
    struct xr_voice *voice;
    uint8_t *flags; /* a step */
    float *block_highest, *all_highest; /* one a block; the second sorted, of those that are known */
};

static void mark(const struct learner *l, size_t from, size_t to, uint8_t clear, uint8_t set) {
    for (size_t t = from; t < to && t < l->voice->n; t++)
        l->flags[t] = (uint8_t)((l->flags[t] & ~clear) | set);
}

static size_t before(size_t t, size_t reach) {
    return t > reach ? t - reach : 0;
}

static size_t count_noise(const struct learner *l) {
    size_t count = 0;
    for (size_t t = 0; t < l->voice->n; t++)
        count += (l->flags[t] & NOISE) != 0;
    return count;
}

static void mark_spans(const struct learner *l, const struct xr_voice_span *spans, size_t count) {
    mark(l, 0, l->voice->n, 0, NOISE);
    for (size_t i = 0; i < count; i++) {
        mark(l, before(spans[i].start, GUARD_BEFORE), spans[i].end + GUARD_AFTER, NOISE, 0);
        mark(l, spans[i].start, spans[i].end, 0, VOICE);
    }
}

static float window_power(const struct xr_hearing *heard, size_t t, size_t band) {
    float sum = 0;
    for (size_t i = 0; i < XR_VOICE_WINDOW; i++)
        sum += heard->bands[t + i].at[band];
    return sum / (float)XR_VOICE_WINDOW;
}

static float whole_power(const struct xr_hearing *heard, size_t t) {
    float sum = 0;
    for (size_t band = 0; band < XR_BANDS; band++)
        sum += window_power(heard, t, band);
    return sum;
}

/* Before somebody joins there is nothing at all, which tells nothing about the noise that begins then. */
static void leave_silence_out(const struct learner *l) {
    for (size_t t = 0; t < l->voice->n; t++)
        if (whole_power(l->voice->heard, t) < SILENCE)
            mark(l, t, t + 1, NOISE, 0);
}

/* When there is hardly anything but the voice, what is heard between its words has to do. */
static void mark_quietest(const struct learner *l) {
    struct xr_histogram powers = {0};
    for (size_t t = 0; t < l->voice->n; t++)
        xr_histogram_add(&powers, whole_power(l->voice->heard, t));
    const float quiet = xr_histogram_quantile(&powers, QUIETEST);
    for (size_t t = 0; t < l->voice->n; t++)
        if (whole_power(l->voice->heard, t) <= quiet)
            mark(l, t, t + 1, 0, NOISE);
}

/* --- which bands to listen to --- */

struct band_noise {
    float median, spread;
};

static struct band_noise noise_of(const struct learner *l, size_t band) {
    struct xr_histogram histogram = {0};
    for (size_t t = 0; t < l->voice->n; t++)
        if (l->flags[t] & NOISE)
            xr_histogram_add(&histogram, window_power(l->voice->heard, t, band));
    const float median = xr_histogram_quantile(&histogram, 0.5);
    return (struct band_noise){median, xr_histogram_quantile(&histogram, HIGH_QUANTILE) - median};
}

static float mean_voice(const struct learner *l, size_t band) {
    double sum = 0;
    size_t count = 0;
    for (size_t t = 0; t < l->voice->n; t++)
        if (l->flags[t] & VOICE) {
            sum += (double)window_power(l->voice->heard, t, band);
            count++;
        }
    return count > 0 ? (float)(sum / (double)count) : 0;
}

/* Each band's share in the best linear estimate of the voice's power, so scaled that a voice with this one's usual
 * spectrum keeps its power. */
static void weigh(const struct learner *l, float weights[XR_BANDS]) {
    float usual[XR_BANDS];
    double weighted = 0, total = 0;
    for (size_t band = 0; band < XR_BANDS; band++) {
        const struct band_noise noise = noise_of(l, band);
        const float voice = mean_voice(l, band) - noise.median;
        usual[band] = voice > 0 ? voice : 0;
        const float faint = FAINT * usual[band];
        weights[band] = faint * faint / (faint * faint + noise.spread * noise.spread + FLT_MIN);
        weighted += (double)(weights[band] * usual[band]);
        total += (double)usual[band];
    }
    for (size_t band = 0; band < XR_BANDS; band++)
        weights[band] = weighted > 0 ? weights[band] * (float)(total / weighted) : 1;
}

/* --- the signals --- */

static void sum_bands(const struct xr_voice *voice, const float weights[XR_BANDS], float *power) {
    float steps[XR_VOICE_WINDOW] = {0};
    for (size_t t = 0; t < voice->n + XR_VOICE_WINDOW - 1; t++) {
        float *step = &steps[t % XR_VOICE_WINDOW];
        *step = 0;
        for (size_t band = 0; band < XR_BANDS; band++)
            *step += weights[band] * voice->heard->bands[t].at[band];
        if (t + 1 < XR_VOICE_WINDOW)
            continue;
        float sum = 0;
        for (size_t i = 0; i < XR_VOICE_WINDOW; i++)
            sum += steps[i];
        power[t + 1 - XR_VOICE_WINDOW] = sum / (float)XR_VOICE_WINDOW;
    }
}

struct mean {
    double sum;
    size_t count;
};

static void count_in(const struct learner *l, const float *power, size_t t, struct mean *mean) {
    if (!(l->flags[t] & NOISE))
        return;
    mean->sum += (double)power[t];
    mean->count++;
}

static void count_out(const struct learner *l, const float *power, size_t t, struct mean *mean) {
    if (!(l->flags[t] & NOISE))
        return;
    mean->sum -= (double)power[t];
    mean->count--;
}

static float noise_mean(const struct learner *l, const float *power) {
    struct mean mean = {0};
    for (size_t t = 0; t < l->voice->n; t++)
        count_in(l, power, t, &mean);
    return (float)(mean.sum / (double)(mean.count > 0 ? mean.count : 1));
}

/* Takes from each step the mean of the noise around it. */
static void take_noise(const struct learner *l, float usual, const float *power, float *ret_power) {
    struct mean mean = {0};
    for (size_t t = 0; t < REACH && t < l->voice->n; t++)
        count_in(l, power, t, &mean);
    for (size_t t = 0; t < l->voice->n; t++) {
        ret_power[t] = power[t] - (mean.count >= NOISE_MIN ? (float)(mean.sum / (double)mean.count) : usual);
        if (t + REACH < l->voice->n)
            count_in(l, power, t + REACH, &mean);
        if (t >= REACH)
            count_out(l, power, t - REACH, &mean);
    }
}

/* --- how high noise goes --- */

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The highest value of each block that is wholly of that kind; NAN for the others. */
static void find_block_highest(const struct learner *l, const float *power, uint8_t kind) {
    for (size_t block = 0; block < l->voice->blocks; block++) {
        float highest = -INFINITY;
        bool whole = (block + 1) * BLOCK <= l->voice->n;
        for (size_t t = block * BLOCK; whole && t < (block + 1) * BLOCK; t++) {
            whole = (l->flags[t] & kind) != 0;
            highest = power[t] > highest ? power[t] : highest;
        }
        l->block_highest[block] = whole ? highest : NAN;
    }
}

static size_t take_known(const float *values, size_t n, float *ret_known) {
    size_t count = 0;
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            ret_known[count++] = values[i];
    qsort(ret_known, count, sizeof *ret_known, by_value);
    return count;
}

/* The highest over the median of sorted values; at least 1. */
static float unrest_of(const float *sorted, size_t count) {
    const float median = sorted[count / 2] > 1 ? sorted[count / 2] : 1, ratio = sorted[count - 1] / median;
    return ratio > 1 ? ratio : 1;
}

/* Of sorted values most (or all) are not higher. Noise that goes up and down goes higher now and then than it went in
 * the seconds around; in the thirds of the bands, for the sum of all is steadier. */
static float bound_of(const float *sorted, size_t count, enum bound kind) {
    const size_t rank = kind == BOUND_MOST ? (size_t)((double)count * MOST) : count - 1;
    const float unrest = kind == BOUND_RESTLESS ? unrest_of(sorted, count) : 1, bound = sorted[rank] * unrest * unrest;
    return bound > 0 ? bound : 0;
}

/* The known blocks around one, sorted; all of the channel's when there are too few. */
static size_t look_around(const struct learner *l, size_t block, size_t known, const float **ret_sorted,
                          float around[2 * REACH_BLOCKS + 1]) {
    const size_t blocks = l->voice->blocks, from = before(block, REACH_BLOCKS);
    const size_t to = blocks - block > REACH_BLOCKS ? block + REACH_BLOCKS + 1 : blocks;
    const size_t count = take_known(l->block_highest + from, to - from, around);
    *ret_sorted = count >= BLOCKS_MIN ? around : l->all_highest;
    return count >= BLOCKS_MIN ? count : known;
}

/* The highest step of that kind: all that is known when no whole block is without a voice. */
static float highest_step(const struct learner *l, const float *power, uint8_t flag) {
    float highest = 0;
    for (size_t t = 0; t < l->voice->n; t++)
        if (l->flags[t] & flag && power[t] > highest)
            highest = power[t];
    return highest;
}

static void find_highest(const struct learner *l, enum xr_voice_signal signal, enum bound kind) {
    const uint8_t flag = kind == BOUND_MOST ? NOISE : SURE_NOISE;
    find_block_highest(l, l->voice->power[signal], flag);
    const size_t known = take_known(l->block_highest, l->voice->blocks, l->all_highest);
    const float otherwise = highest_step(l, l->voice->power[signal], flag);
    for (size_t block = 0; block < l->voice->blocks; block++) {
        float around[2 * REACH_BLOCKS + 1];
        const float *sorted;
        const size_t count = look_around(l, block, known, &sorted, around);
        l->voice->highest[signal][block] = count > 0 ? bound_of(sorted, count, kind) : otherwise;
        if (signal == XR_VOICE_ALL)
            l->voice->restless[block] = count > 0 && unrest_of(sorted, count) > RESTLESS;
    }
}

static bool may_be_voice(const struct learner *l, size_t start, size_t end) {
    for (size_t t = before(start, BURST_NEAR); t < end + BURST_NEAR && t < l->voice->n; t++)
        if (l->flags[t] & VOICE)
            return true;
    for (size_t t = start; t < end; t++)
        if (xr_voice_probability(l->voice, t) > BURST_PROBABILITY)
            return true;
    return false;
}

static void leave_burst_out(const struct learner *l, size_t start, size_t end) {
    if (end - start >= BURST_MIN && may_be_voice(l, start, end))
        mark(l, before(start, BURST_GUARD), end + BURST_GUARD, SURE_NOISE, 0);
}

/* What stands out of most of the noise for long is left out of it: a word that no span has. */
static void leave_bursts_out(const struct learner *l, enum xr_voice_signal signal) {
    const float *power = l->voice->power[signal];
    size_t start = SIZE_MAX, end = 0;
    for (size_t t = 0; t < l->voice->n; t++) {
        if (!(l->flags[t] & NOISE) || !(power[t] > BURST_RISE * xr_voice_highest(l->voice, signal, t)))
            continue;
        if (start != SIZE_MAX && t - end > BURST_GAP) {
            leave_burst_out(l, start, end);
            start = SIZE_MAX;
        }
        start = start == SIZE_MAX ? t : start;
        end = t + 1;
    }
    if (start != SIZE_MAX)
        leave_burst_out(l, start, end);
}

static void learn_highest(const struct learner *l, enum xr_voice_signal signal) {
    find_highest(l, signal, BOUND_MOST);
    leave_bursts_out(l, signal);
    find_highest(l, signal, signal == XR_VOICE_ALL ? BOUND_HIGHEST : BOUND_RESTLESS);
}

static void learn_chatter(const struct learner *l) {
    double sum = 0;
    size_t count = 0;
    for (size_t t = 0; t < l->voice->n; t++)
        if (l->flags[t] & SURE_NOISE) {
            sum += (double)xr_voice_probability(l->voice, t);
            count++;
        }
    l->voice->chatter = count > 0 ? (float)(sum / (double)count) : 0;
}

static void learn(struct learner *l, float *scratch) {
    struct xr_voice *voice = l->voice;
    float weights[XR_VOICE_SIGNALS][XR_BANDS] = {0};
    weigh(l, weights[XR_VOICE_ALL]);
    for (size_t t = 0; t < voice->n; t++)
        l->flags[t] = (uint8_t)(l->flags[t] | (l->flags[t] & NOISE ? SURE_NOISE : 0));
    for (enum xr_voice_signal signal = XR_VOICE_ALL; signal < XR_VOICE_SIGNALS; signal++) {
        for (size_t band = THIRDS[signal].from; band < THIRDS[signal].to; band++)
            weights[signal][band] = 1;
        sum_bands(voice, weights[signal], scratch);
        const float usual = noise_mean(l, scratch);
        take_noise(l, usual, scratch, voice->power[signal]);
        if (signal == XR_VOICE_ALL)
            voice->noise = usual > 1 ? usual : 1;
        learn_highest(l, signal);
    }
    learn_chatter(l);
}

static bool allocate(struct xr_voice *voice) {
    voice->restless = malloc(voice->blocks * sizeof *voice->restless);
    if (!voice->restless)
        return false;
    for (int i = 0; i < XR_VOICE_SIGNALS; i++) {
        voice->power[i] = malloc(voice->n * sizeof *voice->power[i]);
        voice->highest[i] = malloc(voice->blocks * sizeof *voice->highest[i]);
        if (!voice->power[i] || !voice->highest[i])
            return false;
    }
    return true;
}

enum xr_code xr_voice_learn(const struct xr_hearing *heard, const struct xr_voice_span *spans, size_t count,
                            struct xr_voice *ret_voice, struct xr_err *err) {
    struct xr_voice voice = {.heard = heard, .n = heard->steps - XR_VOICE_WINDOW + 1};
    voice.blocks = (voice.n + BLOCK - 1) / BLOCK;
    struct learner l = {.voice = &voice,
                        .flags = calloc(voice.n, 1),
                        .block_highest = malloc(voice.blocks * sizeof *l.block_highest),
                        .all_highest = malloc(voice.blocks * sizeof *l.all_highest)};
    float *scratch = malloc(voice.n * sizeof *scratch);
    const bool ok = allocate(&voice) && l.flags && l.block_highest && l.all_highest && scratch;
    if (ok) {
        mark_spans(&l, spans, count);
        leave_silence_out(&l);
        voice.only_voice = count_noise(&l) < NOISE_MIN;
        if (voice.only_voice)
            mark_quietest(&l);
        learn(&l, scratch);
    }
    free(l.flags);
    free(l.block_highest);
    free(l.all_highest);
    free(scratch);
    if (!ok) {
        xr_voice_clear(&voice);
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    *ret_voice = voice;
    return XR_OK;
}

void xr_voice_clear(struct xr_voice *voice) {
    for (int i = 0; i < XR_VOICE_SIGNALS; i++) {
        free(voice->power[i]);
        free(voice->highest[i]);
    }
    free(voice->restless);
    *voice = (struct xr_voice){0};
}

float xr_voice_highest(const struct xr_voice *voice, enum xr_voice_signal signal, size_t t) {
    return voice->highest[signal][t / BLOCK];
}

bool xr_voice_is_restless(const struct xr_voice *voice, size_t t) {
    return voice->restless[t / BLOCK];
}

float xr_voice_probability(const struct xr_voice *voice, size_t t) {
    const size_t window = t / XR_STEPS_PER_WINDOW;
    return window < voice->heard->windows ? voice->heard->probabilities[window] : 0;
}
