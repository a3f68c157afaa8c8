// SPDX-License-Identifier: Apache-2.0
/* audio/detect_test.h - running the detector over a test's recording, and what its segments must be. Tests only. */
#pragma once
#include "audio/scene_test.h"
#include "audio/vad.h"
#include <stdbool.h>

struct detected {
    struct xr_vad_result result;
    int passes; /* over the recording: 1, or 2 when power alone did not do */
};

/* n frames, pushed `step` at a time. Clear with xr_vad_result_clear. */
struct detected detect_frames(const int16_t *frames, size_t n, size_t step);
struct xr_vad_result detect_in_steps(const int16_t *frames, size_t n, size_t step);
struct xr_vad_result detect_scene(const struct scene *scene);
struct detected detect_scene_counting(const struct scene *scene);

/* Milliseconds from the truth's start (end) to the segment's; negative: too early. */
int start_error(const struct xr_segment *segment, struct truth truth);
int end_error(const struct xr_segment *segment, struct truth truth);
/* Segment i is that stretch of that channel, to `within` ms at both ends. */
void assert_segment(const struct xr_vad_result *result, size_t i, enum xr_channel channel, struct truth truth,
                    int within);
/* Sorted, apart, inside the recording, uncertain by more than 0. */
void assert_sound(const struct xr_vad_result *result, size_t ms);
bool same_segment(const struct xr_segment *a, const struct xr_segment *b);
void assert_same_levels(const struct xr_vad_levels *a, const struct xr_vad_levels *b);
void assert_same(const struct xr_vad_result *a, const struct xr_vad_result *b);
/* What is anonymous of this process's memory. Sanitizers make it larger, the thread sanitizer by much. */
long anonymous_kib(void);
