// SPDX-License-Identifier: Apache-2.0
#include "audio/detect_test.h"
#include "base/clock.h"
#include "base/test.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct detected detect_frames(const int16_t *frames, size_t n, size_t step) {
    XR_AUTO(xr_vad_freep) struct xr_vad *vad = NULL;
    struct detected detected = {0};
    bool again = true;
    assert_int_equal(xr_vad_new(&vad, NULL), XR_OK);
    for (; again; detected.passes++) {
        assert_true(detected.passes < 2);
        for (size_t at = 0; at < n; at += step) {
            size_t now = n - at < step ? n - at : step;
            assert_int_equal(xr_vad_push(vad, frames + at * XR_CHANNEL_COUNT, now, NULL), XR_OK);
        }
        assert_int_equal(xr_vad_finish(vad, &again, &detected.result, NULL), XR_OK);
    }
    return detected;
}

struct xr_vad_result detect_in_steps(const int16_t *frames, size_t n, size_t step) {
    return detect_frames(frames, n, step).result;
}

struct detected detect_scene_counting(const struct scene *scene) {
    int16_t *frames = scene_render(scene);
    struct detected detected = detect_frames(frames, scene->frames, 4096);
    free(frames);
    assert_sound(&detected.result, scene->ms);
    return detected;
}

struct xr_vad_result detect_scene(const struct scene *scene) {
    return detect_scene_counting(scene).result;
}

static int error_ms(int64_t ns, size_t ms) {
    assert_int_equal(ns % XR_NS_PER_MS, 0);
    return (int)(ns / XR_NS_PER_MS) - (int)ms;
}

int start_error(const struct xr_segment *segment, struct truth truth) {
    return error_ms(segment->start_ns, truth.start_ms);
}

int end_error(const struct xr_segment *segment, struct truth truth) {
    return error_ms(segment->end_ns, truth.end_ms);
}

void assert_segment(const struct xr_vad_result *result, size_t i, enum xr_channel channel, struct truth truth,
                    int within) {
    assert_true(i < result->count);
    const struct xr_segment *segment = &result->segments[i];
    const int start = start_error(segment, truth), end = end_error(segment, truth);
    if (abs(start) > within || abs(end) > within)
        print_error("segment %zu: %lld..%lld ms, not %zu..%zu\n", i, (long long)(segment->start_ns / XR_NS_PER_MS),
                    (long long)(segment->end_ns / XR_NS_PER_MS), truth.start_ms, truth.end_ms);
    assert_int_equal(segment->channel, channel);
    assert_true(abs(start) <= within && abs(end) <= within);
}

void assert_sound(const struct xr_vad_result *result, size_t ms) {
    int64_t last_start = 0, last_end[XR_CHANNEL_COUNT] = {-1, -1};
    for (size_t i = 0; i < result->count; i++) {
        const struct xr_segment *segment = &result->segments[i];
        assert_true(segment->start_ns < segment->end_ns && segment->end_ns <= (int64_t)ms * XR_NS_PER_MS);
        assert_true(segment->start_ns >= last_start && segment->start_ns > last_end[segment->channel]);
        assert_true(segment->start_uncertainty_ms > 0 && segment->end_uncertainty_ms > 0);
        last_start = segment->start_ns;
        last_end[segment->channel] = segment->end_ns;
    }
}

bool same_segment(const struct xr_segment *a, const struct xr_segment *b) {
    return a->channel == b->channel && a->start_ns == b->start_ns && a->end_ns == b->end_ns &&
           a->start_uncertainty_ms == b->start_uncertainty_ms && a->end_uncertainty_ms == b->end_uncertainty_ms;
}

void assert_same_levels(const struct xr_vad_levels *a, const struct xr_vad_levels *b) {
    assert_true(a->noise_floor_dbfs == b->noise_floor_dbfs);
    assert_true(a->speech_dbfs == b->speech_dbfs);
    assert_true(a->threshold_dbfs == b->threshold_dbfs);
}

void assert_same(const struct xr_vad_result *a, const struct xr_vad_result *b) {
    assert_int_equal(a->count, b->count);
    for (size_t i = 0; i < a->count; i++)
        assert_true(same_segment(&a->segments[i], &b->segments[i]));
    for (int c = 0; c < XR_CHANNEL_COUNT; c++)
        assert_same_levels(&a->levels[c], &b->levels[c]);
}

long anonymous_kib(void) {
    char line[128];
    long kib = -1;
    FILE *status = fopen("/proc/self/status", "r");
    if (!status)
        return -1;
    while (kib < 0 && fgets(line, sizeof line, status))
        if (strncmp(line, "RssAnon:", 8) == 0)
            kib = strtol(line + 8, NULL, 10);
    fclose(status);
    return kib;
}
