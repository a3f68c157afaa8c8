// SPDX-License-Identifier: Apache-2.0
/* audio/levels.h - RMS and peak of both channels of a recording in buckets, for GET .../audio/levels. Any thread. */
#pragma once
#include "audio/vad.h"
#include "audio/wav.h"
#include "base/err.h"
#include <stddef.h>

struct xr_levels_channel {
    float *rms_dbfs, *peak_dbfs; /* `count` numbers each, -100 for silence; malloc'd */
};
struct xr_levels {
    size_t count;
    struct xr_levels_channel channels[XR_CHANNEL_COUNT];
};
/* One pass over the file in windows. bucket_ms 10..1000; the last bucket may be short. Clear with xr_levels_clear. */
XR_MUST_USE enum xr_code xr_levels_read(int fd, const struct xr_wav *wav, int bucket_ms, struct xr_levels *ret_levels,
                                        struct xr_err *err);
void xr_levels_clear(struct xr_levels *levels);
