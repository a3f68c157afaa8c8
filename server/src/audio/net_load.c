// SPDX-License-Identifier: Apache-2.0
#include "audio/net_model.h"
#include <assert.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64 };
/* How far the transform's weights may be from symmetric; rounding, no more. */
#define ASYMMETRY_MAX 1e-6F

/* Floats given out one after the other. */
struct pool {
    float *next;
    size_t left;
};

struct shape {
    size_t outputs, inputs, taps;
};

static size_t panels_of(size_t outputs) {
    return (outputs + XR_NET_PANEL - 1) / XR_NET_PANEL;
}

static size_t floats_of(struct shape shape) {
    return panels_of(shape.outputs) * XR_NET_PANEL * (shape.inputs * shape.taps + 1); /* and a bias */
}

static const struct shape COSINES = {XR_NET_BINS, XR_NET_HALF, 1}, SINES = {XR_NET_HALF, XR_NET_HALF, 1},
                          LSTM = {XR_NET_GATES, XR_NET_UNITS, 1}, OUT = {1, XR_NET_UNITS, 1};
static const struct {
    enum xr_net_tensor weight, bias;
    struct shape shape;
} CONVOLUTIONS[XR_NET_CONVOLUTIONS] = {
    {XR_NET_CONV1_WEIGHT, XR_NET_CONV1_BIAS, {128, XR_NET_BINS, XR_NET_TAPS}},
    {XR_NET_CONV2_WEIGHT, XR_NET_CONV2_BIAS, {64, 128, XR_NET_TAPS}},
    {XR_NET_CONV3_WEIGHT, XR_NET_CONV3_BIAS, {64, 64, XR_NET_TAPS}},
    {XR_NET_CONV4_WEIGHT, XR_NET_CONV4_BIAS, {128, 64, XR_NET_TAPS}},
};

static float *take(struct pool *pool, size_t n) {
    float *taken = pool->next;
    assert(n <= pool->left); /* memory_size() counts every layer */
    pool->next += n;
    pool->left -= n;
    return taken;
}

/* A layer with the shape's room; what no weight is put into stays 0. */
static struct xr_net_layer make_layer(struct pool *pool, struct shape shape) {
    size_t panels = panels_of(shape.outputs);
    return (struct xr_net_layer){
        .weights = take(pool, panels * XR_NET_PANEL * shape.inputs * shape.taps),
        .bias = take(pool, panels * XR_NET_PANEL),
        .inputs = shape.inputs,
        .panels = panels,
    };
}

static float *packed(float *weights, size_t depth, size_t output, size_t k) {
    return &weights[(output / XR_NET_PANEL * depth + k) * XR_NET_PANEL + output % XR_NET_PANEL];
}

/* A tensor of [output][input][tap]. */
static struct xr_net_layer pack(struct pool *pool, const struct xr_net_weights *from, struct shape shape,
                                enum xr_net_tensor weight, enum xr_net_tensor bias) {
    struct xr_net_layer layer = make_layer(pool, shape);
    size_t depth = shape.inputs * shape.taps;
    for (size_t output = 0; output < shape.outputs; output++) {
        for (size_t k = 0; k < depth; k++)
            *packed(layer.weights, depth, output, k % shape.taps * shape.inputs + k / shape.taps) =
                xr_net_weight(from, weight, output * depth + k);
        layer.bias[output] = xr_net_weight(from, bias, output);
    }
    return layer;
}

/* Cosines weigh samples at the same distance from the middle alike, sines oppositely, and both the first one with 0:
 * half of the weights say it all, and go with what fold() makes of a frame. */
static struct xr_net_layer pack_half(struct pool *pool, const struct xr_net_weights *from, struct shape shape,
                                     size_t first_row) {
    struct xr_net_layer layer = make_layer(pool, shape);
    for (size_t output = 0; output < shape.outputs; output++)
        for (size_t k = 0; k < XR_NET_HALF; k++)
            *packed(layer.weights, XR_NET_HALF, output, k) =
                xr_net_weight(from, XR_NET_STFT, (first_row + output) * XR_NET_FRAME + k + 1);
    return layer;
}

static bool is_symmetric(const struct xr_net_weights *weights) {
    for (size_t row = 0; row < 2UL * XR_NET_BINS; row++) {
        float sign = row < XR_NET_BINS ? 1.0F : -1.0F;
        size_t at = row * XR_NET_FRAME;
        bool unused = fabsf(xr_net_weight(weights, XR_NET_STFT, at)) <= ASYMMETRY_MAX;
        for (size_t n = 1; n <= XR_NET_HALF && unused; n++)
            unused = fabsf(xr_net_weight(weights, XR_NET_STFT, at + n) -
                           sign * xr_net_weight(weights, XR_NET_STFT, at + XR_NET_FRAME - n)) <= ASYMMETRY_MAX;
        if (!unused)
            return false;
    }
    /* The last bin's sine is not computed at all. */
    for (size_t at = (2UL * XR_NET_BINS - 1) * XR_NET_FRAME; at < 2UL * XR_NET_BINS * XR_NET_FRAME; at++)
        if (fabsf(xr_net_weight(weights, XR_NET_STFT, at)) > ASYMMETRY_MAX)
            return false;
    return true;
}

static size_t memory_size(void) {
    size_t n = floats_of(COSINES) + floats_of(SINES) + 2 * floats_of(LSTM) + floats_of(OUT);
    for (size_t i = 0; i < XR_NET_CONVOLUTIONS; i++)
        n += floats_of(CONVOLUTIONS[i].shape);
    return n;
}

static void pack_all(struct xr_net *net, const struct xr_net_weights *weights) {
    struct pool pool = {.next = net->memory, .left = memory_size()};
    net->cosines = pack_half(&pool, weights, COSINES, 0);
    net->sines = pack_half(&pool, weights, SINES, XR_NET_BINS);
    for (size_t i = 0; i < XR_NET_CONVOLUTIONS; i++)
        net->convolutions[i] =
            pack(&pool, weights, CONVOLUTIONS[i].shape, CONVOLUTIONS[i].weight, CONVOLUTIONS[i].bias);
    net->lstm_input = pack(&pool, weights, LSTM, XR_NET_LSTM_INPUT, XR_NET_LSTM_INPUT_BIAS);
    net->lstm_hidden = pack(&pool, weights, LSTM, XR_NET_LSTM_HIDDEN, XR_NET_LSTM_HIDDEN_BIAS);
    net->out = pack(&pool, weights, OUT, XR_NET_OUT_WEIGHT, XR_NET_OUT_BIAS);
    /* Both biases go into the sum; the input's product starts from it. */
    for (size_t i = 0; i < XR_NET_GATES; i++)
        net->lstm_input.bias[i] += net->lstm_hidden.bias[i];
}

enum xr_code xr_net_load(const struct xr_net_kernels *kernels, const void *file, size_t size, struct xr_net **ret_net,
                         struct xr_err *err) {
    struct xr_net_weights weights;
    enum xr_code code = xr_net_weights_read(file, size, &weights, err);
    if (code != XR_OK)
        return code;
    if (!is_symmetric(&weights))
        return xr_fail(err, XR_CORRUPT, NULL, "the transform's weights are no windowed sines and cosines");
    XR_AUTO(xr_net_freep) struct xr_net *net = calloc(1, sizeof *net);
    size_t bytes = memory_size() * sizeof(float);
    if (net)
        net->memory = aligned_alloc(ALIGNMENT, (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT);
    if (!net || !net->memory)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    memset(net->memory, 0, bytes);
    net->kernels = kernels;
    pack_all(net, &weights);
    *ret_net = net;
    net = NULL;
    return XR_OK;
}

enum xr_code xr_net_new(struct xr_net **ret_net, struct xr_err *err) {
    const struct xr_net_kernels *kernels[XR_NET_VARIANTS_MAX];
    xr_net_kernels_usable(kernels);
    return xr_net_load(kernels[0], xr_voice_network, (size_t)xr_voice_network_size, ret_net, err);
}

enum xr_code xr_net_shared(const struct xr_net **ret_net, struct xr_err *err) {
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static struct xr_net *shared;
    enum xr_code code = XR_OK;
    pthread_mutex_lock(&lock);
    if (!shared)
        code = xr_net_new(&shared, err);
    if (code == XR_OK)
        *ret_net = shared;
    pthread_mutex_unlock(&lock);
    return code;
}

void xr_net_free(struct xr_net *net) {
    if (!net)
        return;
    free(net->memory);
    free(net);
}

const char *xr_net_variant(const struct xr_net *net) {
    return net->kernels->name;
}
