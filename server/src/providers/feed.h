// SPDX-License-Identifier: Apache-2.0
/* providers/feed.h - part of a cut read as mono samples of another rate, with silence before and after, in pieces. One
 * thread at a time; the cut and its file are borrowed. */
#pragma once
#include "audio/wav.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct xr_feed;
/* Frames [first, first + frames) of the cut; pad_ms: of silence at each end. */
XR_MUST_USE enum xr_code xr_feed_new(const struct xr_cut *cut, uint64_t first, uint64_t frames, uint32_t rate,
                                     unsigned pad_ms, struct xr_feed **ret_feed, struct xr_err *err);
void xr_feed_free(struct xr_feed *feed); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_feed, xr_feed_free)
/* Up to cap samples (cap > 0); ret_n is 0 at the end. */
XR_MUST_USE enum xr_code xr_feed_read(struct xr_feed *feed, int16_t *out, size_t cap, size_t *ret_n,
                                      struct xr_err *err);
