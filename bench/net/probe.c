// SPDX-License-Identifier: Apache-2.0
/* The voice network by itself, for compare.py. Samples and probabilities are 32-bit floats:
 *
 *   net-probe signal NAME > samples              one of the tests' sounds
 *   net-probe run VARIANT [FILE] < samples > probabilities
 *                                                with one instruction set, and a weights file if not the embedded one
 *   net-probe time                               nanoseconds a window of each instruction set, and of what surrounds it
 */
#include "audio/net_model.h"
#include "audio/net_signals_test.h"
#include "audio/resample.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { TIMED_WINDOWS = 8437, ROUNDS = 7, WEIGHTS_MAX = 4 << 20 }; /* 270 s */

static void check(enum xr_code code, const struct xr_err *err) {
    if (code == XR_OK)
        return;
    fprintf(stderr, "net-probe: %s %s\n", err->path, err->message);
    exit(1);
}

static const struct xr_net_kernels *find_kernels(const char *name) {
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    for (size_t i = 0, n = xr_net_kernels_usable(kernels); i < n; i++)
        if (strcmp(kernels[i]->name, name) == 0)
            return kernels[i];
    fprintf(stderr, "net-probe: this machine has no %s\n", name);
    exit(3);
}

static int write_signal(const char *name) {
    static float samples[NET_SIGNAL_SAMPLES];
    for (int i = 0; i < NET_SIGNAL_COUNT; i++)
        if (strcmp(NET_SIGNAL_NAMES[i], name) == 0) {
            net_signal_make((enum net_signal)i, samples);
            return fwrite(samples, sizeof samples, 1, stdout) == 1 ? 0 : 1;
        }
    fprintf(stderr, "net-probe: no signal %s\n", name);
    return 1;
}

static struct xr_net *load(const struct xr_net_kernels *kernels, const char *path) {
    struct xr_net *net = NULL;
    struct xr_err err = {0};
    if (!path) {
        check(xr_net_load(kernels, xr_voice_network, (size_t)xr_voice_network_size, &net, &err), &err);
        return net;
    }
    FILE *file = fopen(path, "rb");
    void *bytes = malloc(WEIGHTS_MAX);
    if (!file || !bytes) {
        perror(path);
        exit(1);
    }
    size_t size = fread(bytes, 1, WEIGHTS_MAX, file);
    fclose(file);
    check(xr_net_load(kernels, bytes, size, &net, &err), &err);
    free(bytes);
    return net;
}

static int run(const char *variant, const char *path) {
    struct xr_err err = {0};
    XR_AUTO(xr_net_freep) struct xr_net *net = load(find_kernels(variant), path);
    XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = NULL;
    static float samples[XR_NET_BATCH * XR_NET_WINDOW], probabilities[XR_NET_BATCH];
    check(xr_net_stream_new(net, &stream, &err), &err);
    for (size_t n; (n = fread(samples, sizeof *samples * XR_NET_WINDOW, XR_NET_BATCH, stdin)) > 0;) {
        xr_net_stream_run(stream, samples, n, probabilities);
        if (fwrite(probabilities, sizeof *probabilities, n, stdout) != n)
            return 1;
    }
    return 0;
}

/* The processor's time, so that other work on the machine counts less; it still shares caches and, at times, cores. */
static int64_t cpu_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static int by_value(const void *a, const void *b) {
    const double *left = a, *right = b;
    return (*left > *right) - (*left < *right);
}

static void report(const char *what, double *ns) {
    const double count = TIMED_WINDOWS;
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    printf("%-28s %9.0f ns a window (best %.0f, worst %.0f), 270 s take %.1f ms\n", what, ns[ROUNDS / 2] / count,
           ns[0] / count, ns[ROUNDS - 1] / count, ns[ROUNDS / 2] / 1e6);
}

static void time_variant(const struct xr_net_kernels *kernels, const float *samples, size_t at_once) {
    static float probabilities[TIMED_WINDOWS];
    double ns[ROUNDS];
    struct xr_err err = {0};
    XR_AUTO(xr_net_freep) struct xr_net *net = load(kernels, NULL);
    XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = NULL;
    check(xr_net_stream_new(net, &stream, &err), &err);
    for (size_t round = 0; round < ROUNDS; round++) {
        int64_t start = cpu_ns();
        for (size_t at = 0; at < TIMED_WINDOWS; at += at_once) {
            size_t now = TIMED_WINDOWS - at < at_once ? TIMED_WINDOWS - at : at_once;
            xr_net_stream_run(stream, samples + at * XR_NET_WINDOW, now, probabilities + at);
        }
        ns[round] = (double)(cpu_ns() - start);
    }
    char what[64];
    snprintf(what, sizeof what, "%s, %zu windows at once", kernels->name, at_once);
    report(what, ns);
}

static void time_resampling(void) {
    enum { STEP = 4800, WINDOW_48K = 3 * XR_NET_WINDOW };
    static int16_t in[STEP], out[STEP];
    double ns[ROUNDS];
    struct xr_err err = {0};
    for (size_t i = 0; i < STEP; i++)
        in[i] = (int16_t)(i * 7919 % 20011);
    for (size_t round = 0; round < ROUNDS; round++) {
        XR_AUTO(xr_resampler_freep) struct xr_resampler *resampler = NULL;
        check(xr_resampler_new(48000, XR_NET_RATE, &resampler, &err), &err);
        int64_t start = cpu_ns();
        for (size_t at = 0; at < (size_t)TIMED_WINDOWS * WINDOW_48K; at += STEP)
            for (size_t done = 0, used = 0, got = 0; done < STEP; done += used)
                check(xr_resampler_run(resampler, in + done, STEP - done, &used, out, STEP, &got, &err), &err);
        ns[round] = (double)(cpu_ns() - start);
    }
    report("48 kHz to 16 kHz", ns);
}

static void time_loading(void) {
    double ns[ROUNDS];
    for (size_t round = 0; round < ROUNDS; round++) {
        int64_t start = cpu_ns();
        struct xr_net *net = NULL;
        struct xr_err err = {0};
        check(xr_net_new(&net, &err), &err);
        ns[round] = (double)(cpu_ns() - start);
        xr_net_free(net);
    }
    qsort(ns, ROUNDS, sizeof *ns, by_value);
    printf("%-28s %9.0f us\n", "loading the weights", ns[ROUNDS / 2] / 1e3);
}

static int time_all(void) {
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    float *samples = malloc((size_t)TIMED_WINDOWS * XR_NET_WINDOW * sizeof *samples);
    static float signal[NET_SIGNAL_SAMPLES];
    if (!samples)
        return 1;
    net_signal_make(NET_VOICE_IN_NOISE, signal);
    for (size_t i = 0; i < (size_t)TIMED_WINDOWS * XR_NET_WINDOW; i++)
        samples[i] = signal[i % NET_SIGNAL_SAMPLES];
    for (size_t i = 0, n = xr_net_kernels_usable(kernels); i < n; i++) {
        time_variant(kernels[i], samples, XR_NET_BATCH);
        time_variant(kernels[i], samples, 1);
    }
    free(samples);
    time_resampling();
    time_loading();
    return 0;
}

int main(int argc, char **argv) {
    if (argc == 3 && strcmp(argv[1], "signal") == 0)
        return write_signal(argv[2]);
    if ((argc == 3 || argc == 4) && strcmp(argv[1], "run") == 0)
        return run(argv[2], argv[3]);
    if (argc == 2 && strcmp(argv[1], "time") == 0)
        return time_all();
    fputs("usage: net-probe signal NAME | run VARIANT [FILE] | time\n", stderr);
    return 2;
}
