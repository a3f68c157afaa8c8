// SPDX-License-Identifier: Apache-2.0
/* How fast the detector goes through samples that lie in memory, beside memcpy on the same samples, in turn:
 *
 *   vad-probe FILE.wav > {"detector_gb_s": ..., "memcpy_gb_s": ..., "ratio": ..., ...}
 *
 * Both count the bytes of the samples once, in 10^9 a second: those that the detector was given, and those that memcpy
 * copied (its traffic is twice as much: it reads them and writes them). Each is the median of its rounds; of a round's
 * copies the fastest counts, for the first ones after a while without much traffic take up to twice as long. */
#include "audio/vad.h"
#include "audio/wav.h"
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 25, WARM_UP = 2, COPIES = 5 };

struct samples {
    int16_t *frames;
    size_t n; /* frames */
    size_t size; /* bytes */
};

static void check(enum xr_code code, const struct xr_err *err) {
    if (code == XR_OK)
        return;
    fprintf(stderr, "vad-probe: %s %s\n", err->path, err->message);
    exit(1);
}

static void *allocate(size_t size) {
    void *memory = malloc(size);
    if (memory)
        return memset(memory, 1, size); /* so that no round waits for pages */
    fputs("vad-probe: out of memory\n", stderr);
    exit(1);
}

static struct samples read_samples(const char *path) {
    struct samples samples = {0};
    struct xr_err err = {0};
    struct xr_wav wav;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        perror(path);
        exit(1);
    }
    check(xr_wav_probe(fd, &wav, &err), &err);
    check(xr_wav_require(&wav, XR_CHANNEL_COUNT, &err), &err);
    samples.size = (size_t)wav.frames * XR_CHANNEL_COUNT * sizeof *samples.frames;
    samples.frames = allocate(samples.size);
    check(xr_wav_read(fd, &wav, 0, (size_t)wav.frames, samples.frames, &samples.n, &err), &err);
    return samples;
}

/* The processor's time, so that other work on the machine counts less; it still shares caches and memory. */
static double cpu_s(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

/* All that one recording costs, from a new detector to a freed one; in steps, as the server reads it. */
static double detect_s(const struct samples *samples, size_t *ret_segments) {
    struct xr_err err = {0};
    struct xr_vad_result result;
    const double start = cpu_s();
    struct xr_vad *vad = NULL;
    check(xr_vad_new(&vad, &err), &err);
    for (size_t at = 0; at < samples->n; at += XR_AUDIO_WINDOW_FRAMES) {
        size_t n = samples->n - at < XR_AUDIO_WINDOW_FRAMES ? samples->n - at : XR_AUDIO_WINDOW_FRAMES;
        check(xr_vad_push(vad, samples->frames + at * XR_CHANNEL_COUNT, n, &err), &err);
    }
    bool again = false;
    check(xr_vad_finish(vad, &again, &result, &err), &err);
    *ret_segments = result.count;
    xr_vad_result_clear(&result);
    xr_vad_free(vad);
    return cpu_s() - start;
}

static double copy_s(const struct samples *samples, void *to) {
    double least = INFINITY;
    for (int i = 0; i < COPIES; i++) {
        const double start = cpu_s();
        memcpy(to, samples->frames, samples->size);
        __asm__ volatile("" : : "r"(to) : "memory"); /* somebody may look at it */
        least = fmin(least, cpu_s() - start);
    }
    return least;
}

static int by_value(const void *a, const void *b) {
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static double median(double *values) {
    qsort(values, ROUNDS, sizeof *values, by_value);
    return values[ROUNDS / 2];
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fputs("usage: vad-probe FILE.wav\n", stderr);
        return 2;
    }
    struct samples samples = read_samples(argv[1]);
    void *copy = allocate(samples.size);
    double detector[ROUNDS], copying[ROUNDS];
    size_t segments = 0;
    for (int round = -WARM_UP; round < ROUNDS; round++) {
        double detected = detect_s(&samples, &segments), copied = copy_s(&samples, copy);
        if (round < 0)
            continue;
        detector[round] = detected;
        copying[round] = copied;
    }
    if (segments == 0) {
        fputs("vad-probe: nothing was heard\n", stderr);
        return 1;
    }
    const double gb = (double)samples.size / 1e9, detected = median(detector), copied = median(copying);
    printf("{\"bytes\": %zu, \"segments\": %zu, \"detector_ms\": %.2f, \"memcpy_ms\": %.2f, \"detector_gb_s\": %.3f, "
           "\"memcpy_gb_s\": %.3f, \"ratio\": %.3f}\n",
           samples.size, segments, detected * 1e3, copied * 1e3, gb / detected, gb / copied, copied / detected);
    free(copy);
    free(samples.frames);
    return 0;
}
