// SPDX-License-Identifier: Apache-2.0
#include "audio/voice_detect.h"
#include "audio/vad_channel.h"
#include "audio/voice.h"
#include "audio/voice_edges.h"
#include <stdlib.h>

#define MS(ms) ((ms) / XR_BAND_STEP_MS)

enum {
    LEAVE_WINDOWS = 4, /* so many that are hardly speech end a span, unless a likely one is among them */
    LAG = MS(72), /* by which the network's spans end late */
    SHORTEST_SPAN = MS(20),
    WORD_GAP = MS(200), /* steps; pauses in a word that the network did not know */
    WORD_MIN = MS(92),
    WORD_LOUD_MIN = MS(60),
    STRETCH_GAP = MS(300), /* a longer pause ends a stretch, whatever the network thinks of it */
    MERGE_MS = 252, /* a shorter pause is a closure or a breath, not the end of what somebody says */
    UNHEARD_UNCERTAINTY_MS = 3 * XR_NET_WINDOW_MS,
};

/* Evidence is probability times its length. */
#define EVIDENCE_MS 80.0F /* of a span */
#define SURE_MS 200.0F /* of a span that cannot be heard above the noise */

/* Probability that starts a span, and below which it ends. In a noise that chatters, higher ones. */
struct thresholds {
    float enter, leave;
};
static const struct thresholds USUAL = {0.35F, 0.2F}, IN_CHATTER = {0.5F, 0.3F};
/* Mean probability of speech in the noise. Voices in the background chatter (0.03 to 0.26); everything else, music too,
 * is below 0.02. */
#define CHATTER 0.03F
#define CHATTER_RAISE 1.6F /* 2 dB: voices in the background go higher than they went before */

#define POWER_MINUS_4DB 0.4F
#define POWER_8DB 6.31F
#define POWER_9DB 7.94F
#define USUAL_LEVEL_PART 0.6 /* of all spans by their length: a loud voice counts for more than weak noises */

struct spans {
    struct xr_voice_span *at;
    size_t count, cap;
};

struct detector {
    const struct xr_hearing *heard;
    size_t n; /* steps that have a value */
    struct spans spans, words;
    size_t next_span; /* that may overlap the next word */
    struct xr_voice voice;
    float level; /* of the channel's voice */
    bool chatters;
    struct xr_vad_span *segments;
    size_t count, cap;
    bool no_memory;
};

static void clear(struct detector *d) {
    free(d->spans.at);
    free(d->words.at);
    free(d->segments);
    xr_voice_clear(&d->voice);
}

static void add_span(struct detector *d, struct spans *spans, size_t start, size_t end) {
    if (spans->count == spans->cap) {
        const size_t cap = spans->cap ? spans->cap * 2 : 32;
        struct xr_voice_span *at = realloc(spans->at, cap * sizeof *at);
        if (!at) {
            d->no_memory = true;
            return;
        }
        spans->at = at;
        spans->cap = cap;
    }
    spans->at[spans->count++] = (struct xr_voice_span){start, end};
}

static void add_segment(struct detector *d, const struct xr_vad_span *segment) {
    if (d->count == d->cap) {
        const size_t cap = d->cap ? d->cap * 2 : 32;
        struct xr_vad_span *segments = realloc(d->segments, cap * sizeof *segments);
        if (!segments) {
            d->no_memory = true;
            return;
        }
        d->segments = segments;
        d->cap = cap;
    }
    d->segments[d->count++] = *segment;
}

/* --- 1. spans --- */

static void end_span(struct detector *d, size_t first, size_t end) {
    float evidence = 0;
    for (size_t window = first; window < end; window++)
        evidence += d->heard->probabilities[window] * (float)XR_NET_WINDOW_MS;
    const size_t start = first * XR_STEPS_PER_WINDOW, late = end * XR_STEPS_PER_WINDOW;
    if (evidence < EVIDENCE_MS || start >= d->n)
        return;
    const size_t last = late > start + SHORTEST_SPAN + LAG ? late - LAG : start + SHORTEST_SPAN;
    add_span(d, &d->spans, start, last < d->n ? last : d->n);
}

static void find_spans(struct detector *d, struct thresholds thresholds) {
    size_t first = SIZE_MAX, end = 0, quiet = 0;
    d->spans.count = 0;
    for (size_t window = 0; window < d->heard->windows; window++) {
        const float probability = d->heard->probabilities[window];
        if (probability >= thresholds.enter) {
            first = first == SIZE_MAX ? window : first;
            end = window + 1;
            quiet = 0;
        } else if (first != SIZE_MAX && probability < thresholds.leave && ++quiet == LEAVE_WINDOWS) {
            end_span(d, first, end);
            first = SIZE_MAX;
            quiet = 0;
        }
    }
    if (first != SIZE_MAX)
        end_span(d, first, end);
}

/* --- 2. voice --- */

struct loudness {
    float peak;
    size_t length;
};

static int by_peak(const void *a, const void *b) {
    const struct loudness *x = a, *y = b;
    return (x->peak > y->peak) - (x->peak < y->peak);
}

static void learn_level(struct detector *d) {
    struct loudness *all = malloc((d->spans.count ? d->spans.count : 1) * sizeof *all);
    size_t total = 0, sum = 0, i = 0;
    if (!all) {
        d->no_memory = true;
        return;
    }
    for (; i < d->spans.count; i++) {
        const struct xr_voice_span *span = &d->spans.at[i];
        all[i] = (struct loudness){xr_voice_peak(&d->voice, *span), span->end - span->start};
        total += all[i].length;
    }
    qsort(all, d->spans.count, sizeof *all, by_peak);
    for (i = 0; i + 1 < d->spans.count; i++) {
        sum += all[i].length;
        if ((double)sum >= USUAL_LEVEL_PART * (double)total)
            break;
    }
    d->level = all[i].peak;
    free(all);
}

static enum xr_code learn(struct detector *d, struct xr_err *err) {
    xr_voice_clear(&d->voice);
    enum xr_code code = xr_voice_learn(d->heard, d->spans.at, d->spans.count, &d->voice, err);
    if (code == XR_OK)
        learn_level(d);
    return code;
}

static enum xr_code learn_beside_chatter(struct detector *d, struct xr_err *err) {
    enum xr_code code = learn(d, err);
    if (code != XR_OK || d->voice.chatter <= CHATTER)
        return code;
    d->chatters = true;
    find_spans(d, IN_CHATTER);
    return d->spans.count > 0 ? learn(d, err) : XR_OK;
}

/* --- 3. words --- */

/* Asked in order of time. */
static bool overlaps_a_span(struct detector *d, size_t start, size_t end) {
    while (d->next_span < d->spans.count && d->spans.at[d->next_span].end <= start)
        d->next_span++;
    return d->next_span < d->spans.count && d->spans.at[d->next_span].start < end;
}

static void end_word(struct detector *d, size_t start, size_t end, size_t loud) {
    if (end - start < WORD_MIN || loud < WORD_LOUD_MIN)
        return;
    if (xr_voice_peak(&d->voice, (struct xr_voice_span){start, end}) <= d->level * XR_POWER_MINUS_6DB)
        return;
    if (!overlaps_a_span(d, start, end))
        add_span(d, &d->words, start, end);
}

static void find_words(struct detector *d) {
    const float by_level = d->level * XR_POWER_MINUS_6DB * POWER_MINUS_4DB, by_noise = d->voice.noise * POWER_9DB;
    const float strong = by_level > by_noise ? by_level : by_noise;
    size_t start = SIZE_MAX, end = 0, loud = 0;
    for (size_t t = 0; t < d->n; t++) {
        if (!(d->voice.power[XR_VOICE_ALL][t] > strong))
            continue;
        if (start != SIZE_MAX && t - end > WORD_GAP) {
            end_word(d, start, end, loud);
            start = SIZE_MAX;
            loud = 0;
        }
        start = start == SIZE_MAX ? t : start;
        end = t + 1;
        loud++;
    }
    if (start != SIZE_MAX)
        end_word(d, start, end, loud);
}

static int by_start(const void *a, const void *b) {
    const struct xr_voice_span *x = a, *y = b;
    return (x->start > y->start) - (x->start < y->start);
}

static enum xr_code learn_words(struct detector *d, struct thresholds thresholds, struct xr_err *err) {
    const bool only_voice = d->voice.only_voice;
    find_words(d);
    if (d->words.count == 0)
        return XR_OK;
    for (size_t i = 0; i < d->words.count; i++)
        add_span(d, &d->spans, d->words.at[i].start, d->words.at[i].end);
    qsort(d->spans.at, d->spans.count, sizeof *d->spans.at, by_start);
    enum xr_code code = learn(d, err);
    if (code != XR_OK || only_voice || !d->voice.only_voice)
        return code;
    find_spans(d, thresholds); /* so many were no words but the noise */
    return learn(d, err);
}

/* --- 4. stretches --- */

static bool is_voice(const struct detector *d, struct xr_voice_span stretch) {
    const float peak = xr_voice_peak(&d->voice, stretch);
    if (peak < d->level * XR_POWER_MINUS_22DB)
        return false;
    return peak >= d->voice.noise * POWER_8DB || peak >= d->level * XR_POWER_MINUS_6DB;
}

static void end_stretch(struct detector *d, struct xr_voice_span stretch) {
    struct xr_vad_span segment;
    if (is_voice(d, stretch) && xr_voice_edges(&d->voice, stretch, !d->chatters, &segment))
        add_segment(d, &segment);
}

/* Nothing of it is above the noise. */
static void keep_unheard(struct detector *d, struct xr_voice_span span) {
    float evidence = 0;
    for (size_t t = span.start; t < span.end; t++)
        evidence += xr_voice_probability(&d->voice, t) * (float)XR_BAND_STEP_MS;
    if (evidence < SURE_MS || !xr_voice_is_audible(&d->voice, span.start, span.end))
        return;
    add_segment(d, &(struct xr_vad_span){.start_ms = span.start * XR_BAND_STEP_MS,
                                         .end_ms = span.end * XR_BAND_STEP_MS,
                                         .start_uncertainty_ms = UNHEARD_UNCERTAINTY_MS,
                                         .end_uncertainty_ms = UNHEARD_UNCERTAINTY_MS});
}

static void find_stretches(struct detector *d, struct xr_voice_span span) {
    const float lowest = xr_voice_lowest(xr_voice_peak(&d->voice, span));
    struct xr_voice_span stretch = {SIZE_MAX, 0};
    for (size_t t = span.start; t < span.end; t++) {
        const float highest = xr_voice_highest(&d->voice, XR_VOICE_ALL, t);
        if (!(d->voice.power[XR_VOICE_ALL][t] > (highest > lowest ? highest : lowest)))
            continue;
        if (stretch.start != SIZE_MAX && t - stretch.end > STRETCH_GAP) {
            end_stretch(d, stretch);
            stretch.start = SIZE_MAX;
        }
        stretch.start = stretch.start == SIZE_MAX ? t : stretch.start;
        stretch.end = t + 1;
    }
    if (stretch.start != SIZE_MAX)
        end_stretch(d, stretch);
    else
        keep_unheard(d, span);
}

static void raise_noise(struct detector *d) {
    for (int i = 0; i < XR_VOICE_SIGNALS; i++)
        for (size_t block = 0; block < d->voice.blocks; block++)
            d->voice.highest[i][block] *= CHATTER_RAISE;
}

/* --- 5. segments --- */

static int by_start_ms(const void *a, const void *b) {
    const struct xr_vad_span *x = a, *y = b;
    return (x->start_ms > y->start_ms) - (x->start_ms < y->start_ms);
}

static bool emit(struct detector *d, xr_vad_found *found, void *ctx) {
    if (d->count == 0)
        return true;
    qsort(d->segments, d->count, sizeof *d->segments, by_start_ms);
    struct xr_vad_span segment = d->segments[0];
    for (size_t i = 1; i < d->count; i++) {
        const struct xr_vad_span *next = &d->segments[i];
        if (next->start_ms >= segment.end_ms + MERGE_MS) {
            if (!found(ctx, &segment))
                return false;
            segment = *next;
        } else if (next->end_ms > segment.end_ms) {
            segment.end_ms = next->end_ms;
            segment.end_uncertainty_ms = next->end_uncertainty_ms;
        }
    }
    return found(ctx, &segment);
}

static enum xr_code detect(struct detector *d, struct xr_err *err) {
    find_spans(d, USUAL);
    if (d->spans.count == 0)
        return XR_OK;
    enum xr_code code = learn_beside_chatter(d, err);
    if (code == XR_OK && d->spans.count > 0)
        code = learn_words(d, d->chatters ? IN_CHATTER : USUAL, err);
    if (code != XR_OK)
        return code;
    if (d->chatters)
        raise_noise(d);
    for (size_t i = 0; i < d->spans.count; i++)
        find_stretches(d, d->spans.at[i]);
    return XR_OK;
}

enum xr_code xr_voice_detect(const struct xr_hearing *heard, xr_vad_found *found, void *ctx, float *ret_threshold,
                             struct xr_err *err) {
    struct detector d = {.heard = heard};
    *ret_threshold = 0;
    if (heard->steps < XR_VOICE_WINDOW)
        return XR_OK;
    d.n = heard->steps - XR_VOICE_WINDOW + 1;
    enum xr_code code = detect(&d, err);
    if (code == XR_OK && d.no_memory)
        code = xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (code == XR_OK && d.count > 0) {
        const float lowest = xr_voice_lowest(d.level), noise = xr_voice_highest(&d.voice, XR_VOICE_ALL, d.n / 2);
        *ret_threshold = noise > lowest ? noise : lowest;
    }
    if (code == XR_OK && !emit(&d, found, ctx))
        code = xr_fail(err, XR_TOO_LARGE, NULL, "too many segments");
    clear(&d);
    return code;
}
