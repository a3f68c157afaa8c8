// SPDX-License-Identifier: Apache-2.0
#include "audio/net.h"
#include "audio/net_model.h"
#include <stdlib.h>
#include <string.h>

enum { ALIGNMENT = 64, ROWS = XR_NET_BATCH * XR_NET_FRAMES, PADDED = XR_NET_CONTEXT + XR_NET_WINDOW + XR_NET_CONTEXT };
_Static_assert(PADDED == XR_NET_FRAME + (XR_NET_FRAMES - 1) * XR_NET_HOP, "the frames take all samples");

/* One channel. Behind its state there is what a batch is computed in, one array a layer; rows are windows, or a
 * window's positions one after the other. */
struct xr_net_stream {
    const struct xr_net *net;
    float context[XR_NET_CONTEXT]; /* the last samples before the next window */
    _Alignas(ALIGNMENT) float cell[XR_NET_UNITS];
    float hidden[XR_NET_UNITS];
    float even[ROWS][XR_NET_HALF], odd[ROWS][XR_NET_HALF];
    float cosines[ROWS][XR_NET_COSINES], sines[ROWS][XR_NET_HALF];
    float magnitudes[ROWS][XR_NET_BINS];
    float convolved[2][ROWS * 128]; /* in turn: a convolution's input and its result */
    float gates[XR_NET_BATCH][XR_NET_GATES];
    float rectified[XR_NET_BATCH][XR_NET_UNITS];
    float sums[XR_NET_BATCH][XR_NET_PANEL]; /* the first of each is the output */
};

enum xr_code xr_net_stream_new(const struct xr_net *net, struct xr_net_stream **ret_stream, struct xr_err *err) {
    struct xr_net_stream *stream = aligned_alloc(ALIGNMENT, sizeof *stream);
    if (!stream)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    memset(stream, 0, sizeof *stream);
    stream->net = net;
    *ret_stream = stream;
    return XR_OK;
}

void xr_net_stream_free(struct xr_net_stream *stream) {
    free(stream);
}

void xr_net_stream_reset(struct xr_net_stream *stream) {
    memset(stream->context, 0, sizeof stream->context);
    memset(stream->cell, 0, sizeof stream->cell);
    memset(stream->hidden, 0, sizeof stream->hidden);
}

/* The frames of one window, folded. */
static void fold_window(struct xr_net_stream *stream, const float *samples, size_t window) {
    float padded[PADDED];
    memcpy(padded, stream->context, sizeof stream->context);
    memcpy(padded + XR_NET_CONTEXT, samples, XR_NET_WINDOW * sizeof *samples);
    memcpy(stream->context, samples + XR_NET_WINDOW - XR_NET_CONTEXT, sizeof stream->context);
    for (size_t i = 0; i < XR_NET_CONTEXT; i++) /* the mirror stands on the last sample */
        padded[XR_NET_CONTEXT + XR_NET_WINDOW + i] = samples[XR_NET_WINDOW - 2 - i];
    for (size_t frame = 0; frame < XR_NET_FRAMES; frame++) {
        size_t row = window * XR_NET_FRAMES + frame;
        stream->net->kernels->fold(padded + frame * XR_NET_HOP, stream->even[row], stream->odd[row]);
    }
}

static void multiply(const struct xr_net *net, const struct xr_net_layer *layer, const float *in, size_t rows,
                     float *out, size_t out_stride) {
    net->kernels->product(&(struct xr_net_product){
        .in = in,
        .in_stride = layer->inputs,
        .rows = rows,
        .weights = layer->weights,
        .panel_stride = layer->inputs * XR_NET_PANEL,
        .depth = layer->inputs,
        .panels = layer->panels,
        .bias = layer->bias,
        .out = out,
        .out_stride = out_stride,
    });
}

static void transform(struct xr_net_stream *stream, size_t windows) {
    const struct xr_net *net = stream->net;
    size_t rows = windows * XR_NET_FRAMES;
    multiply(net, &net->cosines, stream->even[0], rows, stream->cosines[0], XR_NET_COSINES);
    multiply(net, &net->sines, stream->odd[0], rows, stream->sines[0], XR_NET_HALF);
    for (size_t row = 0; row < rows; row++)
        net->kernels->magnitudes(stream->cosines[row], stream->sines[row], stream->magnitudes[row]);
}

/* One position of the result, of all windows. A position's taps lie side by side in the input, so each window is a row;
 * taps beyond the ends meet zeros and are left out. */
static void convolve_position(const struct xr_net *net, const struct xr_net_layer *layer, const float *in,
                              size_t positions, size_t centre, size_t windows, float *out, size_t out_stride) {
    size_t first = centre == 0 ? 1 : 0, last = centre + 1 == positions ? 1 : 2;
    net->kernels->product(&(struct xr_net_product){
        .in = in + (centre + first - 1) * layer->inputs,
        .in_stride = positions * layer->inputs,
        .rows = windows,
        .weights = layer->weights + first * layer->inputs * XR_NET_PANEL,
        .panel_stride = XR_NET_TAPS * layer->inputs * XR_NET_PANEL,
        .depth = (last - first + 1) * layer->inputs,
        .panels = layer->panels,
        .bias = layer->bias,
        .out = out,
        .out_stride = out_stride,
        .rectify = true,
    });
}

/* Returns where the last one's result is: a row a window. */
static const float *convolve(struct xr_net_stream *stream, size_t windows) {
    static const size_t STEPS[XR_NET_CONVOLUTIONS] = {1, 2, 2, 1};
    const float *in = stream->magnitudes[0];
    size_t positions = XR_NET_FRAMES;
    for (size_t i = 0; i < XR_NET_CONVOLUTIONS; i++) {
        const struct xr_net_layer *layer = &stream->net->convolutions[i];
        size_t results = (positions - 1) / STEPS[i] + 1, outputs = layer->panels * XR_NET_PANEL;
        for (size_t at = 0; at < results; at++)
            convolve_position(stream->net, layer, in, positions, at * STEPS[i], windows,
                              stream->convolved[i % 2] + at * outputs, results * outputs);
        in = stream->convolved[i % 2];
        positions = results;
    }
    return in;
}

/* The only part that goes window by window. */
static void remember(struct xr_net_stream *stream, size_t windows) {
    const struct xr_net_layer *layer = &stream->net->lstm_hidden;
    for (size_t window = 0; window < windows; window++) {
        float *gates = stream->gates[window];
        stream->net->kernels->product(&(struct xr_net_product){
            .in = stream->hidden,
            .rows = 1,
            .weights = layer->weights,
            .panel_stride = layer->inputs * XR_NET_PANEL,
            .depth = layer->inputs,
            .panels = layer->panels,
            .bias = gates,
            .out = gates,
        });
        stream->net->kernels->step(gates, stream->cell, stream->hidden, stream->rectified[window]);
    }
}

static void run_batch(struct xr_net_stream *stream, const float *samples, size_t windows, float *ret_probabilities) {
    const struct xr_net *net = stream->net;
    for (size_t window = 0; window < windows; window++)
        fold_window(stream, samples + window * XR_NET_WINDOW, window);
    transform(stream, windows);
    multiply(net, &net->lstm_input, convolve(stream, windows), windows, stream->gates[0], XR_NET_GATES);
    remember(stream, windows);
    multiply(net, &net->out, stream->rectified[0], windows, stream->sums[0], XR_NET_PANEL);
    for (size_t window = 0; window < windows; window++)
        ret_probabilities[window] = stream->sums[window][0];
    net->kernels->sigmoid(ret_probabilities, windows);
}

void xr_net_stream_run(struct xr_net_stream *stream, const float *samples, size_t windows, float *ret_probabilities) {
    for (size_t at = 0; at < windows; at += XR_NET_BATCH) {
        size_t now = windows - at < XR_NET_BATCH ? windows - at : XR_NET_BATCH;
        run_batch(stream, samples + at * XR_NET_WINDOW, now, ret_probabilities + at);
    }
}
