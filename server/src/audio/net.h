// SPDX-License-Identifier: Apache-2.0
/* audio/net.h - Silero VAD's 16 kHz network: how likely it is that somebody speaks, one figure a window of 32 ms.
 *
 * The network (its weights) is read-only once made, so threads may share it. A stream is one channel's state and
 * working memory: one thread at a time. Nothing is allocated while a stream runs. */
#pragma once
#include "base/err.h"
#include <stddef.h>

enum {
    XR_NET_RATE = 16000,
    XR_NET_WINDOW = 512, /* samples */
    XR_NET_WINDOW_MS = 32,
    XR_NET_BATCH = 24, /* windows computed together; the working memory of a stream is bounded by it */
};

struct xr_net;
/* From the weights in the program; 1.1 MB, and about 2 ms to make. XR_CORRUPT: they are not this network's. */
XR_MUST_USE enum xr_code xr_net_new(struct xr_net **ret_net, struct xr_err *err);
void xr_net_free(struct xr_net *net); /* NULL is fine; after its streams */
XR_DEFINE_FREEP(struct xr_net, xr_net_free)
/* The process's one network, made when it is first asked for and kept until the process ends. Any thread. */
XR_MUST_USE enum xr_code xr_net_shared(const struct xr_net **ret_net, struct xr_err *err);
const char *xr_net_variant(const struct xr_net *net); /* the instruction set chosen: "avx512", "avx2", "baseline" */

struct xr_net_stream;
/* As before sample 0: the network has heard silence. About 0.4 MB. Borrows net. */
XR_MUST_USE enum xr_code xr_net_stream_new(const struct xr_net *net, struct xr_net_stream **ret_stream,
                                           struct xr_err *err);
void xr_net_stream_free(struct xr_net_stream *stream); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_net_stream, xr_net_stream_free)
void xr_net_stream_reset(struct xr_net_stream *stream);
/* The next windows * XR_NET_WINDOW samples, each in [-1, 1]; writes one probability, 0..1, a window. Any number of
 * windows at a time gives the same bits, but XR_NET_BATCH and its multiples are the fastest. */
void xr_net_stream_run(struct xr_net_stream *stream, const float *samples, size_t windows, float *ret_probabilities);
