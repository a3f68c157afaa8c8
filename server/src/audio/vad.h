// SPDX-License-Identifier: Apache-2.0
/* audio/vad.h - voice activity: takes a recording's samples, gives segments. A detector serves one recording and one
 * thread; detectors share nothing but the network's weights.
 *
 * A cascade: where noise is low, a channel's power alone tells where speech begins and ends, to a millisecond
 * (vad_detect.h). Where it is not, that channel is heard once more, by a neural network and in bands (voice_detect.h).
 * Memory: 4 bytes a millisecond and channel, 22 more while one is heard again; bounded by the body cap. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum xr_channel { XR_CHANNEL_USER = 0, XR_CHANNEL_AGENT = 1, XR_CHANNEL_COUNT = 2 };
const char *xr_channel_name(enum xr_channel channel); /* "user", "agent" */

/* One stretch of speech on one channel. Times are nanoseconds from sample 0 and whole milliseconds; start < end. */
struct xr_segment {
    enum xr_channel channel;
    int64_t start_ns, end_ns;
    /* How far each end may be off, in milliseconds (docs/timing.md, "Uncertainty"). The detector's are 1..1000; -1:
     * unknown (rows of an earlier version). */
    int32_t start_uncertainty_ms, end_uncertainty_ms;
};

/* What the detector knew of a channel. dBFS: 0 is a full-scale sine's RMS + 3 dB, i.e. 20 log10(rms / 32768);
 * -100 for silence. */
struct xr_vad_levels {
    double noise_floor_dbfs, speech_dbfs, threshold_dbfs;
};

struct xr_vad_result {
    struct xr_segment *segments; /* both channels, sorted by start, then channel; malloc'd */
    size_t count;
    struct xr_vad_levels levels[XR_CHANNEL_COUNT];
};
void xr_vad_result_clear(struct xr_vad_result *result);

struct xr_vad;
/* 48 kHz stereo, left = user. */
XR_MUST_USE enum xr_code xr_vad_new(struct xr_vad **ret_vad, struct xr_err *err);
void xr_vad_free(struct xr_vad *vad); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_vad, xr_vad_free)
/* The next frames (interleaved), any number at a time. */
XR_MUST_USE enum xr_code xr_vad_push(struct xr_vad *vad, const int16_t *frames, size_t n, struct xr_err *err);
/* After the last frame. *ret_again: power alone does not tell speech from noise here; push the whole recording once
 * more, then call this again, and there is a result. An empty or silent recording gives no segment and is no error. */
XR_MUST_USE enum xr_code xr_vad_finish(struct xr_vad *vad, bool *ret_again, struct xr_vad_result *ret_result,
                                       struct xr_err *err);
