// SPDX-License-Identifier: Apache-2.0
/* audio/net_model.h - the voice network with its weights packed for the kernels. Read-only once made. Private to
 * audio/.
 *
 *     640 samples: 64 before the window, its 512, 64 mirrored at its end
 *       -> four frames of 256, a hop of 128 apart: magnitudes of 129 bins     (4 positions)
 *       -> convolutions over 3 positions, each rectified: 128 (4 positions), 64 (every 2nd: 2), 64 (every 2nd: 1), 128
 * (1)
 *       -> LSTM of 128 units -> above 0 -> weighted sum -> sigmoid: the probability
 */
#pragma once
#include "audio/net.h"
#include "audio/net_kernels.h"
#include "audio/net_weights.h"

enum {
    XR_NET_CONTEXT = 64, /* samples, before the window and mirrored behind it */
    XR_NET_HOP = 128,
    XR_NET_FRAMES = 4,
    XR_NET_BINS = XR_NET_HALF + 1,
    XR_NET_COSINES = XR_NET_BINS + XR_NET_PANEL - 1, /* the last bin has a panel of its own */
    XR_NET_TAPS = 3,
    XR_NET_CONVOLUTIONS = 4,
};

struct xr_net_layer {
    float *weights; /* packed; of a convolution: inputs of the first tap, of the second, of the third */
    float *bias;
    size_t inputs, panels; /* inputs of a convolution: of one tap */
};

struct xr_net {
    const struct xr_net_kernels *kernels;
    struct xr_net_layer cosines, sines, convolutions[XR_NET_CONVOLUTIONS], lstm_input, lstm_hidden, out;
    float *memory; /* all of the above */
};

/* Packs a file's weights for these kernels. */
XR_MUST_USE enum xr_code xr_net_load(const struct xr_net_kernels *kernels, const void *file, size_t size,
                                     struct xr_net **ret_net, struct xr_err *err);
/* The file in the program. */
extern const unsigned char xr_voice_network[];
extern const uint64_t xr_voice_network_size;
