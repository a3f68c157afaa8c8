// SPDX-License-Identifier: Apache-2.0
/* audio/net_weights.h - reads the voice network's safetensors file: eight bytes that say how long the header is, the
 * header (JSON: name, type, shape and place of each tensor), the numbers. Pure. Private to audio/. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* In the order in which the file has them. */
enum xr_net_tensor {
    XR_NET_STFT, /* 129 cosines, then 129 sines, of 256 samples each */
    XR_NET_CONV1_WEIGHT, /* [output][input][tap], and so are the next ones */
    XR_NET_CONV1_BIAS,
    XR_NET_CONV2_WEIGHT,
    XR_NET_CONV2_BIAS,
    XR_NET_CONV3_WEIGHT,
    XR_NET_CONV3_BIAS,
    XR_NET_CONV4_WEIGHT,
    XR_NET_CONV4_BIAS,
    XR_NET_LSTM_INPUT, /* 512 rows (gates in, forget, cell, out; 128 units each) of 128 inputs */
    XR_NET_LSTM_HIDDEN,
    XR_NET_LSTM_INPUT_BIAS,
    XR_NET_LSTM_HIDDEN_BIAS,
    XR_NET_OUT_WEIGHT,
    XR_NET_OUT_BIAS,
    XR_NET_TENSOR_COUNT
};

struct xr_net_weights {
    const unsigned char *data[XR_NET_TENSOR_COUNT]; /* inside the file, at any alignment */
};

/* Takes the file only if it holds exactly these tensors, of 32-bit floats, in this order and these shapes, without a
 * gap or a byte behind them, and every number is one that weights can be. XR_CORRUPT with a reason otherwise.
 * ret_weights points into bytes. (A changed digit of a number is not seen here: the build checks the file's hash.) */
XR_MUST_USE enum xr_code xr_net_weights_read(const void *bytes, size_t size, struct xr_net_weights *ret_weights,
                                             struct xr_err *err);
size_t xr_net_tensor_size(enum xr_net_tensor tensor); /* how many numbers it has */
/* One number of a tensor, at < xr_net_tensor_size(). */
float xr_net_weight(const struct xr_net_weights *weights, enum xr_net_tensor tensor, size_t at);
