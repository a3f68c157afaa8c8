// SPDX-License-Identifier: Apache-2.0
#include "audio/vad_channel.h"
#include "audio/histogram.h"
#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>

/* Times, in ms. */
enum {
    SPAN_WINDOWS = 5, /* 50 ms: longer than most closures inside a word, so a span that quiet is a pause */
    SPAN_MS = SPAN_WINDOWS * XR_VAD_WINDOW_MS,
    BLOCK_MS = 250, /* the floor's own time step */
    REACH_BLOCKS = 16, /* the floor at a time is looked for 4 s each way: few sentences go on for 8 s without a pause */
    GUARD_MS = 200, /* around loud windows nothing is taken for noise: voices trail off */
    NOISE_MIN_MS = 100, /* fewer windows between speech tell nothing about noise */
    LEVEL_MIN_MS = 50, /* fewer windows that stand out are a click, whatever their level */
};

#define POWER_MIN (1.0F / 12) /* rounding to 16 bits makes so much; digital silence is taken for it */
#define SPEECH_MIN 340.0F /* -65 dBFS: a level below it is no speech, 1 LSB of dither is at -96 */
#define STANDS_OUT XR_POWER_9DB /* over the floor: steady noise never does */
/* Over the noise's high values: 1 dB and, up to 2 dB, half of how far those are over the floor. Restless noise goes
 * further now and then, steady noise does not. */
#define MARGIN_LEAST XR_POWER_1DB
#define MARGIN_MOST XR_POWER_2DB
#define RISE_DEFAULT XR_POWER_3DB /* when no noise was heard alone */

/* Of 8 s of blocks the fourth lowest: a short drop-out must not pass for the floor. */
#define FLOOR_PART 0.1
#define LEVEL_QUANTILE 0.95
#define NOISE_QUANTILE 0.97 /* above it are clicks, which are told from speech by their length */

static float floor_at(const struct xr_vad_channel *channel, size_t t) {
    return channel->floors[t / BLOCK_MS];
}

/* The least mean power of SPAN_MS that starts in the block, or of what is left at the recording's end. */
static float quietest_span(const struct xr_vad_channel *channel, size_t block) {
    float least = FLT_MAX;
    size_t end = (block + 1) * BLOCK_MS < channel->n ? (block + 1) * BLOCK_MS : channel->n;
    for (size_t t = block * BLOCK_MS; t < end; t += XR_VAD_WINDOW_MS) {
        if (t + SPAN_MS > channel->n && least < FLT_MAX)
            break;
        float sum = 0;
        int windows = 0;
        for (; windows < SPAN_WINDOWS && t + (size_t)windows * XR_VAD_WINDOW_MS < channel->n; windows++)
            sum += channel->power[t + (size_t)windows * XR_VAD_WINDOW_MS];
        float mean = sum / (float)windows;
        least = mean < least ? mean : least;
    }
    return least > POWER_MIN ? least : POWER_MIN;
}

/* Puts value where it belongs among the n that are sorted. */
static void insert(float *sorted, size_t n, float value) {
    for (; n > 0 && sorted[n - 1] > value; n--)
        sorted[n] = sorted[n - 1];
    sorted[n] = value;
}

/* A low value of the blocks around, rather than the least. Only as many are sorted as are asked for. */
static float floor_around(const float *quietest, size_t blocks, size_t block) {
    float lowest[2 * REACH_BLOCKS + 1];
    size_t from = block > REACH_BLOCKS ? block - REACH_BLOCKS : 0;
    size_t to = blocks - block > REACH_BLOCKS ? block + REACH_BLOCKS + 1 : blocks;
    const size_t rank = (size_t)((double)(to - from) * FLOOR_PART);
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        if (n > rank && quietest[i] >= lowest[rank])
            continue;
        n -= n > rank;
        insert(lowest, n++, quietest[i]);
    }
    return lowest[rank];
}

static void free_floats(float **floats) {
    free(*floats);
}

static bool track_floor(struct xr_vad_channel *channel) {
    channel->blocks = (channel->n + BLOCK_MS - 1) / BLOCK_MS;
    XR_AUTO(free_floats) float *quietest = malloc(channel->blocks * sizeof *quietest);
    channel->floors = malloc(channel->blocks * sizeof *channel->floors);
    if (!quietest || !channel->floors)
        return false;
    for (size_t block = 0; block < channel->blocks; block++)
        quietest[block] = quietest_span(channel, block);
    for (size_t block = 0; block < channel->blocks; block++)
        channel->floors[block] = floor_around(quietest, channel->blocks, block);
    return true;
}

static float speech_level(const struct xr_vad_channel *channel) {
    struct xr_histogram standing_out = {0};
    for (size_t t = 0; t < channel->n; t++)
        if (channel->power[t] > floor_at(channel, t) * STANDS_OUT)
            xr_histogram_add(&standing_out, channel->power[t]);
    float level = xr_histogram_quantile(&standing_out, LEVEL_QUANTILE);
    return standing_out.count >= LEVEL_MIN_MS && level >= SPEECH_MIN ? level : 0;
}

struct noise {
    struct xr_histogram power, rise;
};

static void hear_noise(const struct xr_vad_channel *channel, size_t from, size_t to, struct noise *noise) {
    for (size_t t = from; t < to; t++) {
        xr_histogram_add(&noise->power, channel->power[t]);
        xr_histogram_add(&noise->rise, channel->power[t] / floor_at(channel, t));
    }
}

/* Noise is what lies away from windows louder than half-way (in decibels) between the floor and speech. */
static void learn_noise(struct xr_vad_channel *channel) {
    struct noise noise = {0};
    size_t quiet_from = 0;
    for (size_t t = 0; t < channel->n; t++) {
        if (channel->power[t] * channel->power[t] <= floor_at(channel, t) * channel->level)
            continue;
        if (t > quiet_from + GUARD_MS)
            hear_noise(channel, quiet_from, t - GUARD_MS, &noise);
        quiet_from = t + GUARD_MS;
    }
    if (quiet_from < channel->n)
        hear_noise(channel, quiet_from, channel->n, &noise);
    bool heard = noise.power.count >= NOISE_MIN_MS;
    channel->rise = heard ? xr_histogram_quantile(&noise.rise, NOISE_QUANTILE) : RISE_DEFAULT;
    float margin = MARGIN_LEAST * sqrtf(channel->rise);
    channel->margin = margin < MARGIN_MOST ? margin : MARGIN_MOST;
    channel->noise_high = heard ? xr_histogram_quantile(&noise.power, NOISE_QUANTILE) : INFINITY;
    channel->noise_median = heard ? xr_histogram_quantile(&noise.power, 0.5) : channel->floors[channel->blocks / 2];
}

enum xr_code xr_vad_channel_learn(const float *power, size_t n, struct xr_vad_channel *ret_channel,
                                  struct xr_err *err) {
    struct xr_vad_channel channel = {.power = power, .n = n};
    if (n > 0) {
        if (!track_floor(&channel)) {
            xr_vad_channel_clear(&channel);
            return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
        }
        channel.level = speech_level(&channel);
        learn_noise(&channel);
    }
    *ret_channel = channel;
    return XR_OK;
}

void xr_vad_channel_clear(struct xr_vad_channel *channel) {
    free(channel->floors);
    *channel = (struct xr_vad_channel){0};
}

float xr_vad_channel_noise(const struct xr_vad_channel *channel, size_t t) {
    float here = floor_at(channel, t) * channel->rise;
    return (here < channel->noise_high ? here : channel->noise_high) * channel->margin;
}
