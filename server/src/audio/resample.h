// SPDX-License-Identifier: Apache-2.0
/* audio/resample.h - mono 16-bit rate conversion over libsoxr (high quality, with dither off). One thread at a time. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct xr_resampler;
/* Rates 4,000..192,000 Hz. Equal rates copy. */
XR_MUST_USE enum xr_code xr_resampler_new(uint32_t in_rate, uint32_t out_rate, struct xr_resampler **ret_resampler,
                                          struct xr_err *err);
void xr_resampler_free(struct xr_resampler *resampler);
XR_DEFINE_FREEP(struct xr_resampler, xr_resampler_free)
/* Feeds n samples and takes up to cap samples out. in == NULL flushes: call until *ret_out is 0. *ret_used tells how
 * many input samples were taken (call again with the rest). */
XR_MUST_USE enum xr_code xr_resampler_run(struct xr_resampler *resampler, const int16_t *in, size_t n, size_t *ret_used,
                                          int16_t *out, size_t cap, size_t *ret_out, struct xr_err *err);
