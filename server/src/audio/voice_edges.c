// SPDX-License-Identifier: Apache-2.0
#include "audio/voice_edges.h"
#include "audio/histogram.h"
#include <math.h>

#define MS(ms) ((ms) / XR_BAND_STEP_MS)

/* Steps. */
enum {
    ATTACH = MS(148), /* stop closures and the way to a last burst are shorter */
    OUTWARD_MAX = MS(1000), /* what belongs to a voice and was not found with it is no longer */
    NETWORK_EARLIER_MAX = MS(450), /* soft first sounds are not longer; then it is noise that seems like speech */
};

/* Milliseconds. */
#define SHORTEST_MS 100.0F
#define NETWORK_LAG_MS 70.0F /* by how much the end of its last window above END_PROBABILITY is late, median */
#define AGREE_MS 75.0F /* its ends scatter by so much around that */
#define START_AGREE_MS 30.0F /* its starts are late, by one window and more, but never earlier */
#define WINDOW_MS 32.0F /* the network's grid */
#define STEP_UNCERTAINTY_MS 8.0F /* two steps: the window's length moves ends by so much */

/* Of a voice's peak. 1 dB lower than the truth's 30 dB: what lies outside the bands is missing from its power. */
#define RANGE 0.0008F
#define LEVEL_QUANTILE 0.95
#define START_PROBABILITY 0.5F
#define END_PROBABILITY 0.6F
/* Of the noise's highest: from the last step above that on, a voice is followed down to here, without a gap. */
#define FOLLOW 0.35F
/* Of the noise's highest, 2 dB: a sound before a gap is a voice's first one if it exceeds that, where noise goes up and
 * down. */
#define BEFORE_A_GAP 1.6F
/* Of the noise's highest, on average: less is no voice but noise that the network takes for one. */
#define AUDIBLE 0.3F
/* A voice's end in noise: its last decibels are lost. Up to 8 dB what is lost is short; beyond, so much a decibel. */
#define TAIL_FROM_DB 8.0F
#define TAIL_MS_PER_DB 4.0F
#define RAISE_6DB 4.0F
#define HIDDEN_DB 2.0F /* less of a voice below the noise is as good as none */

static float ms_of(size_t steps) {
    return (float)(steps * XR_BAND_STEP_MS);
}

/* A window stands for its middle. */
static float middle_ms(size_t step) {
    return ms_of(step) + ms_of(XR_VOICE_WINDOW) / 2;
}

struct search {
    const struct xr_voice *voice;
    float lowest; /* of this voice */
    float raise; /* 1, or by how much the threshold is raised */
};

float xr_voice_peak(const struct xr_voice *voice, struct xr_voice_span stretch) {
    struct xr_histogram powers = {0};
    for (size_t t = stretch.start; t < stretch.end; t++)
        xr_histogram_add(&powers, voice->power[XR_VOICE_ALL][t]);
    return xr_histogram_quantile(&powers, LEVEL_QUANTILE);
}

float xr_voice_lowest(float peak) {
    return peak * RANGE;
}

/* Above the threshold in one signal at least, that noise passes at `part` of its highest. */
static bool is_loud(const struct search *search, float part, size_t t) {
    for (enum xr_voice_signal signal = XR_VOICE_ALL; signal < XR_VOICE_SIGNALS; signal++) {
        const float noise = xr_voice_highest(search->voice, signal, t) * part;
        const float threshold = noise > search->lowest ? noise : search->lowest;
        if (search->voice->power[signal][t] > threshold * search->raise)
            return true;
    }
    return false;
}

/* One step outward; the same step at the recording's end. */
static size_t next_step(const struct search *search, size_t t, int sign) {
    if (sign < 0)
        return t > 0 ? t - 1 : t;
    return t + 1 < search->voice->n ? t + 1 : t;
}

static size_t steps_between(size_t a, size_t b) {
    return a > b ? a - b : b - a;
}

/* From a loud step on, over gaps, to the first one (sign -1) or the last one (1) that belongs to it. */
static size_t go_over_gaps(const struct search *search, size_t from, int sign) {
    const float beyond_a_gap = sign < 0 && xr_voice_is_restless(search->voice, from) ? BEFORE_A_GAP : 1;
    size_t last = from;
    for (size_t t = next_step(search, from, sign), before = from;
         t != before && steps_between(t, from) <= OUTWARD_MAX && steps_between(t, last) <= ATTACH;
         before = t, t = next_step(search, t, sign))
        if (is_loud(search, steps_between(t, last) > 1 ? beyond_a_gap : 1, t))
            last = t;
    return last;
}

/* From there on down to where it is no longer heard. */
static size_t follow_down(const struct search *search, size_t from, int sign) {
    size_t t = from;
    for (size_t next = next_step(search, t, sign);
         next != t && steps_between(t, from) < ATTACH && is_loud(search, FOLLOW, next);
         next = next_step(search, t, sign))
        t = next;
    return t;
}

static size_t go_outward(const struct search *search, size_t from, int sign) {
    return follow_down(search, go_over_gaps(search, from, sign), sign);
}

/* The first and the last step that are heard. */
static struct xr_voice_span find_heard(const struct search *search, struct xr_voice_span stretch) {
    size_t first = stretch.start, last = stretch.end - 1;
    while (first < last && !is_loud(search, 1, first))
        first++;
    while (last > first && !is_loud(search, 1, last))
        last--;
    return (struct xr_voice_span){go_outward(search, first, -1), go_outward(search, last, 1)};
}

/* By how many decibels the voice's last 30 lie below the noise. */
static float hidden_db(const struct search *search, size_t t) {
    const float noise = xr_voice_highest(search->voice, XR_VOICE_ALL, t);
    return noise > search->lowest ? 10 * log10f(noise / search->lowest) : 0;
}

/* --- what the network says --- */

#define NOWHERE (-1000.0F)

static size_t last_window(const struct xr_voice *voice, size_t end) {
    const size_t window = (end + XR_STEPS_PER_WINDOW - 1) / XR_STEPS_PER_WINDOW, last = voice->heard->windows - 1;
    return window < last ? window : last;
}

/* Where the first window of the stretch that is likely to be speech starts, or those before it do. */
static float network_start_ms(const struct xr_voice *voice, struct xr_voice_span stretch) {
    const float *probabilities = voice->heard->probabilities;
    size_t window = stretch.start / XR_STEPS_PER_WINDOW, last = last_window(voice, stretch.end);
    while (window <= last && !(probabilities[window] > START_PROBABILITY))
        window++;
    if (window > last)
        return NOWHERE;
    while (window > 0 && probabilities[window - 1] > START_PROBABILITY)
        window--;
    return (float)window * WINDOW_MS;
}

static float network_end_ms(const struct xr_voice *voice, struct xr_voice_span stretch) {
    const float *probabilities = voice->heard->probabilities;
    size_t window = last_window(voice, stretch.end) + 1, first = stretch.start / XR_STEPS_PER_WINDOW;
    while (window > first && !(probabilities[window - 1] > END_PROBABILITY))
        window--;
    if (window <= first)
        return NOWHERE;
    while (window < voice->heard->windows && probabilities[window] > END_PROBABILITY)
        window++;
    return (float)window * WINDOW_MS - NETWORK_LAG_MS;
}

bool xr_voice_is_audible(const struct xr_voice *voice, size_t from, size_t to) {
    double sum = 0;
    for (size_t t = from; t < to; t++)
        sum += (double)voice->power[XR_VOICE_ALL][t];
    return sum > (double)(AUDIBLE * xr_voice_highest(voice, XR_VOICE_ALL, from)) * (double)(to - from);
}

/* --- the two ends --- */

struct boundary {
    float ms, uncertainty_ms;
};

static float larger(float a, float b) {
    return a > b ? a : b;
}

/* How far it would move if the threshold were 6 dB higher, and as much again for each 6 dB that are hidden; the grid
 * where it is the noise that decides. */
static float uncertainty(float moved_ms, float hidden) {
    const float reckoned = fminf(moved_ms * larger(1, hidden / 6), ms_of(OUTWARD_MAX));
    return larger(reckoned, hidden > HIDDEN_DB ? WINDOW_MS : STEP_UNCERTAINTY_MS);
}

/* The network bounds it from both sides: where it finds the same end, that is not far off however softly the voice goes
 * on; where it does not, one of the two is wrong. */
static float bounded(float uncertainty_ms, float differs_ms) {
    return larger(fminf(uncertainty_ms, differs_ms + AGREE_MS), fminf(differs_ms, ms_of(OUTWARD_MAX)));
}

static struct boundary find_start(const struct search *search, struct xr_voice_span stretch, size_t first,
                                  float moved_ms, bool trust_network) {
    struct boundary start = {middle_ms(first), uncertainty(moved_ms, hidden_db(search, first))};
    const float network_ms = trust_network ? network_start_ms(search->voice, stretch) : NOWHERE;
    if (network_ms < 0)
        return start;
    start.uncertainty_ms = fminf(start.uncertainty_ms, fabsf(network_ms - start.ms) + AGREE_MS);
    if (network_ms >= start.ms - START_AGREE_MS)
        return start;
    const size_t from = (size_t)network_ms / XR_BAND_STEP_MS, to = (size_t)start.ms / XR_BAND_STEP_MS;
    if (to - from < NETWORK_EARLIER_MAX && to <= search->voice->n && xr_voice_is_audible(search->voice, from, to)) {
        start.uncertainty_ms = larger(start.uncertainty_ms, start.ms - network_ms);
        start.ms = network_ms;
    }
    return start;
}

static struct boundary find_end(const struct search *search, struct xr_voice_span stretch, size_t last, float moved_ms,
                                bool trust_network) {
    const float hidden = hidden_db(search, last);
    struct boundary end = {middle_ms(last), uncertainty(moved_ms, hidden)};
    const float network_ms = trust_network ? network_end_ms(search->voice, stretch) : NOWHERE;
    const float differs = network_ms > NOWHERE ? network_ms - end.ms : 0;
    if (network_ms > NOWHERE)
        end.uncertainty_ms = bounded(end.uncertainty_ms, fabsf(differs));
    if (differs > AGREE_MS)
        end.ms += differs;
    else if (differs < -AGREE_MS) /* noise after it, or a last sound that does not seem like speech */
        end.ms += differs / 2;
    else
        end.ms += TAIL_MS_PER_DB * larger(0, hidden - TAIL_FROM_DB);
    return end;
}

static float distance_ms(size_t a, size_t b) {
    return ms_of(steps_between(a, b));
}

bool xr_voice_edges(const struct xr_voice *voice, struct xr_voice_span stretch, bool trust_network,
                    struct xr_vad_span *ret_span) {
    struct search search = {.voice = voice, .lowest = xr_voice_lowest(xr_voice_peak(voice, stretch)), .raise = 1};
    const struct xr_voice_span heard = find_heard(&search, stretch);
    search.raise = RAISE_6DB;
    const struct xr_voice_span louder = find_heard(&search, stretch);
    search.raise = 1;
    const struct boundary start =
        find_start(&search, stretch, heard.start, distance_ms(louder.start, heard.start), trust_network);
    const struct boundary end =
        find_end(&search, stretch, heard.end, distance_ms(heard.end, louder.end), trust_network);
    if (end.ms - start.ms < SHORTEST_MS)
        return false;
    const size_t length_ms = voice->heard->steps * XR_BAND_STEP_MS, end_ms = (size_t)lroundf(end.ms);
    *ret_span = (struct xr_vad_span){
        .start_ms = (size_t)lroundf(start.ms),
        .end_ms = end_ms < length_ms ? end_ms : length_ms,
        .start_uncertainty_ms = (int32_t)ceilf(start.uncertainty_ms),
        .end_uncertainty_ms = (int32_t)ceilf(end.uncertainty_ms),
    };
    return ret_span->start_ms < ret_span->end_ms;
}
