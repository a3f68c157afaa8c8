// SPDX-License-Identifier: Apache-2.0
#include "audio/net.h"
#include "audio/net_golden_test.h"
#include "audio/net_model.h"
#include "base/test.h"
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* What differs is rounding. The network amplifies it: 3e-5 was seen on recorded speech, 6e-6 on these sounds. */
#define DIFFERENCE_MAX 1e-4

static struct xr_net *load(const struct xr_net_kernels *kernels) {
    struct xr_net *net = NULL;
    assert_int_equal(xr_net_load(kernels, xr_voice_network, (size_t)xr_voice_network_size, &net, NULL), XR_OK);
    return net;
}

static struct xr_net *make_net(void) {
    struct xr_net *net = NULL;
    assert_int_equal(xr_net_new(&net, NULL), XR_OK);
    return net;
}

static struct xr_net_stream *make_stream(const struct xr_net *net) {
    struct xr_net_stream *stream = NULL;
    assert_int_equal(xr_net_stream_new(net, &stream, NULL), XR_OK);
    return stream;
}

static void run_signal(const struct xr_net *net, enum net_signal signal, float out[NET_SIGNAL_WINDOWS]) {
    static float samples[NET_SIGNAL_SAMPLES];
    XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = make_stream(net);
    net_signal_make(signal, samples);
    xr_net_stream_run(stream, samples, NET_SIGNAL_WINDOWS, out);
}

static void every_instruction_set_matches_onnxruntime(void **state) {
    (void)state;
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    size_t variants = xr_net_kernels_usable(kernels);
    float out[NET_SIGNAL_WINDOWS];
    assert_true(variants >= 1);
    for (size_t v = 0; v < variants; v++) {
        XR_AUTO(xr_net_freep) struct xr_net *net = load(kernels[v]);
        for (int signal = 0; signal < NET_SIGNAL_COUNT; signal++) {
            double worst = 0;
            run_signal(net, (enum net_signal)signal, out);
            for (size_t i = 0; i < NET_SIGNAL_WINDOWS; i++) {
                double difference = fabs((double)out[i] - (double)NET_GOLDEN[signal][i]);
                worst = difference <= worst ? worst : difference; /* NaN is the worst */
            }
            print_message("%s, %s: %.1e\n", kernels[v]->name, NET_SIGNAL_NAMES[signal], worst);
            assert_true(worst <= DIFFERENCE_MAX);
        }
    }
}

static void the_sounds_hold_speech_and_silence(void **state) {
    (void)state;
    size_t speech = 0, quiet = 0;
    for (int signal = 0; signal < NET_SIGNAL_COUNT; signal++)
        for (size_t i = 0; i < NET_SIGNAL_WINDOWS; i++) {
            speech += NET_GOLDEN[signal][i] > 0.9F;
            quiet += NET_GOLDEN[signal][i] < 0.1F;
        }
    assert_true(speech > NET_SIGNAL_WINDOWS / 2 && quiet > NET_SIGNAL_WINDOWS);
}

static void a_network_is_made_for_the_best_instruction_set(void **state) {
    (void)state;
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    size_t variants = xr_net_kernels_usable(kernels);
    XR_AUTO(xr_net_freep) struct xr_net *net = make_net();
    assert_string_equal(xr_net_variant(net), kernels[0]->name);
    assert_string_equal(kernels[variants - 1]->name, "baseline");
}

static void any_cut_gives_the_same_bits(void **state) {
    (void)state;
    static const size_t cuts[] = {1, 2, 7, XR_NET_BATCH - 1, XR_NET_BATCH, XR_NET_BATCH + 1};
    static float samples[NET_SIGNAL_SAMPLES];
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    float whole[NET_SIGNAL_WINDOWS], pieces[NET_SIGNAL_WINDOWS];
    net_signal_make(NET_VOICE_IN_NOISE, samples);
    for (size_t v = 0, variants = xr_net_kernels_usable(kernels); v < variants; v++) {
        XR_AUTO(xr_net_freep) struct xr_net *net = load(kernels[v]);
        run_signal(net, NET_VOICE_IN_NOISE, whole);
        for (size_t c = 0; c < sizeof cuts / sizeof cuts[0]; c++) {
            XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = make_stream(net);
            for (size_t at = 0, n; at < NET_SIGNAL_WINDOWS; at += n) {
                n = NET_SIGNAL_WINDOWS - at < cuts[c] ? NET_SIGNAL_WINDOWS - at : cuts[c];
                xr_net_stream_run(stream, samples + at * XR_NET_WINDOW, n, pieces + at);
            }
            assert_memory_equal(whole, pieces, sizeof whole);
        }
    }
}

static void no_windows_change_nothing(void **state) {
    (void)state;
    static float samples[NET_SIGNAL_SAMPLES];
    float expected[NET_SIGNAL_WINDOWS], out[NET_SIGNAL_WINDOWS];
    XR_AUTO(xr_net_freep) struct xr_net *net = make_net();
    XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = make_stream(net);
    run_signal(net, NET_VOICE, expected);
    net_signal_make(NET_VOICE, samples);
    xr_net_stream_run(stream, NULL, 0, NULL);
    xr_net_stream_run(stream, samples, NET_SIGNAL_WINDOWS, out);
    assert_memory_equal(expected, out, sizeof out);
}

static void a_reset_stream_has_heard_nothing(void **state) {
    (void)state;
    static float samples[NET_SIGNAL_SAMPLES];
    float fresh[NET_SIGNAL_WINDOWS], again[NET_SIGNAL_WINDOWS];
    XR_AUTO(xr_net_freep) struct xr_net *net = make_net();
    XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = make_stream(net);
    run_signal(net, NET_NOISE, fresh);
    net_signal_make(NET_VOICE, samples);
    xr_net_stream_run(stream, samples, NET_SIGNAL_WINDOWS, again);
    net_signal_make(NET_NOISE, samples);
    xr_net_stream_run(stream, samples, NET_SIGNAL_WINDOWS, again);
    assert_memory_not_equal(fresh, again, sizeof fresh); /* it remembers, */
    xr_net_stream_reset(stream);
    xr_net_stream_run(stream, samples, NET_SIGNAL_WINDOWS, again);
    assert_memory_equal(fresh, again, sizeof fresh); /* until it is reset */
}

static void extremes_give_probabilities(void **state) {
    (void)state;
    enum { WINDOWS = 2 * XR_NET_BATCH };
    static float samples[WINDOWS * XR_NET_WINDOW];
    static const size_t halves[] = {1, 2, 8, 1000, SIZE_MAX}; /* half a period of a square wave; the last is DC */
    float out[WINDOWS];
    XR_AUTO(xr_net_freep) struct xr_net *net = make_net();
    for (size_t h = 0; h < sizeof halves / sizeof halves[0]; h++) {
        XR_AUTO(xr_net_stream_freep) struct xr_net_stream *stream = make_stream(net);
        for (size_t i = 0; i < sizeof samples / sizeof *samples; i++)
            samples[i] = i / halves[h] % 2 == 0 ? 1.0F : -1.0F;
        xr_net_stream_run(stream, samples, WINDOWS, out);
        for (size_t i = 0; i < WINDOWS; i++)
            assert_true(out[i] >= 0 && out[i] <= 1);
    }
}

struct listener {
    const struct xr_net *net;
    const float *samples;
    float out[NET_SIGNAL_WINDOWS];
};

static void *listen_on_a_thread(void *argument) {
    struct listener *listener = argument;
    struct xr_net_stream *stream = NULL;
    if (xr_net_stream_new(listener->net, &stream, NULL) != XR_OK)
        return NULL;
    xr_net_stream_run(stream, listener->samples, NET_SIGNAL_WINDOWS, listener->out);
    xr_net_stream_free(stream);
    return listener;
}

static void threads_share_a_network(void **state) {
    (void)state;
    enum { THREADS = 3 };
    static float samples[NET_SIGNAL_SAMPLES];
    static struct listener listeners[THREADS];
    pthread_t threads[THREADS];
    float expected[NET_SIGNAL_WINDOWS];
    XR_AUTO(xr_net_freep) struct xr_net *net = make_net();
    run_signal(net, NET_VOICE, expected);
    net_signal_make(NET_VOICE, samples);
    for (size_t i = 0; i < THREADS; i++) {
        listeners[i] = (struct listener){.net = net, .samples = samples};
        assert_int_equal(pthread_create(&threads[i], NULL, listen_on_a_thread, &listeners[i]), 0);
    }
    for (size_t i = 0; i < THREADS; i++) {
        void *done = NULL;
        assert_int_equal(pthread_join(threads[i], &done), 0);
        assert_non_null(done);
        assert_memory_equal(listeners[i].out, expected, sizeof expected);
    }
}

static void add_to_weight(unsigned char *file, size_t at, float what) {
    enum { HEADER = 1216 };
    float number;
    memcpy(&number, file + HEADER + at * sizeof number, sizeof number);
    number += what;
    memcpy(file + HEADER + at * sizeof number, &number, sizeof number);
}

static void expect_load_of_changed(size_t at, size_t mirror, enum xr_code code) {
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    XR_AUTO(xr_net_freep) struct xr_net *net = NULL;
    size_t size = (size_t)xr_voice_network_size;
    unsigned char *file = malloc(size);
    assert_non_null(file);
    memcpy(file, xr_voice_network, size);
    add_to_weight(file, at, 0.001F);
    if (mirror != at)
        add_to_weight(file, mirror, -0.001F);
    xr_net_kernels_usable(kernels);
    assert_int_equal(xr_net_load(kernels[0], file, size, &net, NULL), code);
    assert_true((net != NULL) == (code == XR_OK));
    free(file);
}

static void a_transform_that_cannot_be_halved_is_refused(void **state) {
    (void)state;
    enum { ROW = XR_NET_FRAME, SINES = XR_NET_BINS * ROW, LAST = SINES + (XR_NET_BINS - 1) * ROW };
    static const size_t places[] = {0, 5, ROW + 135, SINES, SINES + 9, SINES + 7 * ROW + 128};
    for (size_t i = 0; i < sizeof places / sizeof places[0]; i++)
        expect_load_of_changed(places[i], places[i], XR_CORRUPT);
    expect_load_of_changed(SINES + 3, SINES + ROW - 3, XR_OK); /* it is a sine still, */
    expect_load_of_changed(3, ROW - 3, XR_CORRUPT); /* but no cosine, */
    expect_load_of_changed(LAST + 3, LAST + ROW - 3, XR_CORRUPT); /* and the last sine must be 0 */
}

static void the_sigmoid_is_libms(void **state) {
    (void)state;
    enum { COUNT = 4001 };
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    float values[COUNT], extremes[] = {1e30F, -1e30F, INFINITY, -INFINITY};
    for (size_t v = 0, variants = xr_net_kernels_usable(kernels); v < variants; v++) {
        for (size_t i = 0; i < COUNT; i++)
            values[i] = ((float)i - 2000) / 100;
        kernels[v]->sigmoid(values, COUNT);
        for (size_t i = 0; i < COUNT; i++)
            assert_true(fabs((double)values[i] - 1 / (1 + exp((2000 - (double)i) / 100))) < 3e-7);
        float ends[sizeof extremes / sizeof *extremes];
        memcpy(ends, extremes, sizeof ends);
        kernels[v]->sigmoid(ends, sizeof ends / sizeof *ends);
        for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
            assert_true(fabs((double)ends[i] - (extremes[i] > 0)) < 1e-6);
    }
}

static void nothing_is_freed_twice(void **state) {
    (void)state;
    xr_net_free(NULL);
    xr_net_stream_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_instruction_set_matches_onnxruntime),
        cmocka_unit_test(the_sounds_hold_speech_and_silence),
        cmocka_unit_test(a_network_is_made_for_the_best_instruction_set),
        cmocka_unit_test(any_cut_gives_the_same_bits),
        cmocka_unit_test(no_windows_change_nothing),
        cmocka_unit_test(a_reset_stream_has_heard_nothing),
        cmocka_unit_test(extremes_give_probabilities),
        cmocka_unit_test(threads_share_a_network),
        cmocka_unit_test(a_transform_that_cannot_be_halved_is_refused),
        cmocka_unit_test(the_sigmoid_is_libms),
        cmocka_unit_test(nothing_is_freed_twice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
