// SPDX-License-Identifier: Apache-2.0
#include "audio/dialogue_test.h"
#include "base/clock.h"
#include "base/test.h"
#include <stdlib.h>

enum { PER_MS = 48, FIRST_MS = 1500, LAST_MS = 1000 };

static const struct {
    const char *text;
    size_t gap_ms; /* after it */
} LINES[TURNS] = {
    {"I would like to book a table for two", 400},
    {"What time do you close tonight", 250},
    {"Can you spell that for me", 900},
    {"The next train leaves at half past six", 1500},
    {"Let me check that for you", 600},
    {"It should be with you by Thursday", 300},
    {"My number is five five five one two", 1100},
    {"Which size would you like", 700},
};

static size_t length_of(enum say_voice voice, const char *text) {
    size_t n;
    say_words(voice, text, &n);
    return n / PER_MS;
}

/* kal16 is left out: its joints click long before a word, so it is no voice to take truth from. */
static const enum say_voice VOICES[ROUNDS][XR_CHANNEL_COUNT] = {
    {SAY_SLT, SAY_RMS}, {SAY_AWB, SAY_SLT}, {SAY_RMS, SAY_AWB}};

struct dialogue dialogue_new(size_t round, uint32_t seed) {
    const enum say_voice *voices = VOICES[round];
    struct dialogue dialogue;
    size_t at = FIRST_MS, ms = FIRST_MS + LAST_MS;
    for (size_t i = 0; i < TURNS; i++)
        ms += length_of(voices[i % 2], LINES[(i + round) % TURNS].text) + LINES[(i + round) % TURNS].gap_ms;
    dialogue.scene = scene_new(ms);
    dialogue.scene->seed += seed;
    for (size_t i = 0; i < TURNS; i++) {
        const size_t line = (i + round) % TURNS;
        const enum xr_channel channel = (enum xr_channel)(i % 2);
        dialogue.truths[i] = scene_say(dialogue.scene, channel, voices[channel], at, LINES[line].text, DBFS);
        at = dialogue.truths[i].end_ms + LINES[line].gap_ms;
    }
    return dialogue;
}

void dialogue_add_noise(const struct dialogue *dialogue, enum scene_noise noise, double snr) {
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        scene_noise(dialogue->scene, (enum xr_channel)c, noise, 0, dialogue->scene->ms, DBFS - snr);
    scene_dither(dialogue->scene);
}

struct detected dialogue_find_turns(const struct dialogue *dialogue) {
    struct detected detected = detect_scene_counting(dialogue->scene);
    if (detected.result.count != TURNS)
        for (size_t i = 0; i < detected.result.count; i++)
            print_error("%d: %lld..%lld ms\n", (int)detected.result.segments[i].channel,
                        (long long)detected.result.segments[i].start_ns / XR_NS_PER_MS,
                        (long long)detected.result.segments[i].end_ns / XR_NS_PER_MS);
    assert_int_equal(detected.result.count, TURNS);
    for (size_t i = 0; i < TURNS; i++) {
        const struct xr_segment *segment = &detected.result.segments[i];
        assert_int_equal(segment->channel, i % 2);
        assert_true(abs(start_error(segment, dialogue->truths[i])) < 500);
        assert_true(abs(end_error(segment, dialogue->truths[i])) < 500);
    }
    return detected;
}

void score_add(struct score *score, const struct xr_vad_result *result, const struct truth truths[TURNS]) {
    for (size_t i = 0; i < TURNS; i++) {
        const struct xr_segment *segment = &result->segments[i];
        const int start = start_error(segment, truths[i]), end = end_error(segment, truths[i]);
        score->ends += 2;
        score->covered += abs(start) <= segment->start_uncertainty_ms;
        score->covered += abs(end) <= segment->end_uncertainty_ms;
        score->uncertainty_ms += segment->start_uncertainty_ms + segment->end_uncertainty_ms;
        if (i > 0)
            score->response_errors[score->responses++] = abs(start - end_error(segment - 1, truths[i - 1]));
    }
}

static int by_value(const void *a, const void *b) {
    return *(const int *)a - *(const int *)b;
}

void assert_score(struct score *score, int median, int p90) {
    int *errors = score->response_errors;
    qsort(errors, score->responses, sizeof *errors, by_value);
    const int is_median = errors[score->responses / 2], is_p90 = errors[score->responses * 9 / 10];
    print_message("  median %d (%d), p90 %d (%d), worst %d; %d of %d ends covered, uncertainty %d\n", is_median, median,
                  is_p90, p90, errors[score->responses - 1], score->covered, score->ends,
                  score->uncertainty_ms / score->ends);
    assert_true(is_median <= median && is_p90 <= p90);
    assert_true(score->covered * 4 >= score->ends * 3);
}

void score_noise(struct score *score, size_t round, uint32_t seed, enum scene_noise noise, int snr) {
    struct dialogue dialogue = dialogue_new(round, seed);
    dialogue_add_noise(&dialogue, noise, snr);
    struct detected detected = dialogue_find_turns(&dialogue);
    assert_int_equal(detected.passes, 2);
    score_add(score, &detected.result, dialogue.truths);
    xr_vad_result_clear(&detected.result);
    scene_free(dialogue.scene);
}

void assert_noise(enum scene_noise noise, int snr, int median, int p90) {
    struct score all = {0};
    print_message("%s at %d dB\n", SCENE_NOISE_NAMES[noise], snr);
    for (size_t round = 0; round < ROUNDS; round++)
        score_noise(&all, round, 0, noise, snr);
    assert_score(&all, median, p90);
}
