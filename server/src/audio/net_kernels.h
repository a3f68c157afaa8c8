// SPDX-License-Identifier: Apache-2.0
/* audio/net_kernels.h - what the voice network spends its time in, compiled once for each instruction set that is worth
 * it (see meson.build) and chosen when a network is made. Pure. Private to audio/. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* Weights are packed into panels: XR_NET_PANEL neighbouring outputs, and for each input their weights side by side. */
enum { XR_NET_PANEL = 16 };
/* Of the network: bins of the transform below the last one, units of the LSTM. */
enum { XR_NET_HALF = 128, XR_NET_FRAME = 256, XR_NET_UNITS = 128, XR_NET_GATES = 4 * XR_NET_UNITS };

/* out[row][column] = bias[row][column] + sum over k of in[row][k] * weights[column][k]. Sums run over k in order
 * whatever the number of rows, so that the same row gives the same bits in any company. */
struct xr_net_product {
    const float *in;
    size_t in_stride; /* floats from row to row; so are the other strides */
    size_t rows;
    const float *weights; /* packed */
    size_t panel_stride; /* floats from panel to panel */
    size_t depth, panels;
    const float *bias;
    size_t bias_stride; /* 0: every row has the same bias */
    float *out; /* may be bias */
    size_t out_stride;
    bool rectify; /* below 0 is 0 */
};

struct xr_net_kernels {
    const char *name;
    void (*product)(const struct xr_net_product *product);
    /* A frame of XR_NET_FRAME samples around its middle: even[n - 1] = frame[n] + frame[256 - n], odd[n - 1] = their
     * difference, for n = 1..127; then the middle itself and 0. Both XR_NET_HALF long. */
    void (*fold)(const float *frame, float *even, float *odd);
    /* magnitudes[k] = |cosines[k], sines[k]| for k = 0..128, where sines[128] is 0 and not there. */
    void (*magnitudes)(const float *cosines, const float *sines, float *magnitudes);
    /* The LSTM cell, after the products: gates in, forget, cell, out. rectified is what of hidden is above 0. */
    void (*step)(const float *gates, float *cell, float *hidden, float *rectified);
    void (*sigmoid)(float *values, size_t n);
};

enum { XR_NET_VARIANTS_MAX = 3 };
/* Those that this processor runs, the fastest first; at least one. Returns how many. */
size_t xr_net_kernels_usable(const struct xr_net_kernels *ret_kernels[XR_NET_VARIANTS_MAX]);
