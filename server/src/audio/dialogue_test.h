// SPDX-License-Identifier: Apache-2.0
/* audio/dialogue_test.h - dialogues of real words, and how truly their turns are found. Tests only. */
#pragma once
#include "audio/detect_test.h"

enum { TURNS = 8, RESPONSES = TURNS - 1, ROUNDS = 3 };

#define DBFS (-25.0) /* of the speech */

struct dialogue {
    struct scene *scene;
    struct truth truths[TURNS]; /* by start */
};

/* Eight alternating turns; the user begins. Each of the ROUNDS has other voices and another order. seed: the noise's.
 * Free its scene. */
struct dialogue dialogue_new(size_t round, uint32_t seed);
/* On both channels, and dither. */
void dialogue_add_noise(const struct dialogue *dialogue, enum scene_noise noise, double snr);
/* The dialogue's turns are found, no more and no less. */
struct detected dialogue_find_turns(const struct dialogue *dialogue);

/* All zero before the first dialogue. */
struct score {
    int response_errors[ROUNDS * RESPONSES]; /* ms */
    size_t responses;
    int ends, covered; /* by their uncertainty */
    int uncertainty_ms; /* summed */
};
void score_add(struct score *score, const struct xr_vad_result *result, const struct truth truths[TURNS]);
/* A dialogue in noise, in the second pass. */
void score_noise(struct score *score, size_t round, uint32_t seed, enum scene_noise noise, int snr);
/* Of the errors of its response times, in ms; and three in four ends lie within their uncertainty. 21 responses are too
 * few for a 95th percentile: its bound is asked of the 90th. */
void assert_score(struct score *score, int median, int p90);
/* All rounds. */
void assert_noise(enum scene_noise noise, int snr, int median, int p90);
