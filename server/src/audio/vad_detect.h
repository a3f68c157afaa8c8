// SPDX-License-Identifier: Apache-2.0
/* audio/vad_detect.h - where the speech is on one channel, from its power alone. Pure; any thread. Private to audio/.
 *
 * Level-relative energy: only the channel's own noise floor and its own speech level decide, so the same voice is found
 * at -15 and at -45 dBFS.
 *
 *   1. floor    the power of the quietest 50 ms nearby, so it follows a floor that changes
 *   2. level    the 95th percentile of what stands out of the floor; when nothing does there is no speech
 *   3. noise    how far the windows between speech rise above the floor; 1 to 3 make the threshold (vad_channel.h)
 *   4. chains   windows above the threshold, joined over short pauses; clicks alone make none
 *   5. edges    the two ends of each chain once more, 30 dB below the chain's own level, unless noise is higher
 *   6. doubt    whether something else is to be heard (hearing.h, voice_detect.h)
 */
#pragma once
#include "audio/vad.h"
#include <stdbool.h>
#include <stddef.h>

/* Speech in [start_ms, end_ms), and how far each end may be off. */
struct xr_vad_span {
    size_t start_ms, end_ms;
    int32_t start_uncertainty_ms, end_uncertainty_ms;
};
/* Returns false to stop. */
typedef bool xr_vad_found(void *ctx, const struct xr_vad_span *span);

/* What the power alone tells. */
struct xr_vad_outcome {
    struct xr_vad_levels levels;
    /* Power is not enough here: noise reaches into the last 30 dB of the voice, or there are sounds that are loud
     * enough to be speech but for something else. Then what was found is not to be used. */
    bool doubtful;
};

/* power[t] is the mean of x * x (LSB squared, the recording's offset taken away) over [t, t + XR_VAD_WINDOW_MS) ms; the
 * recording has n + XR_VAD_WINDOW_MS - 1 ms. Calls found in order of time; XR_TOO_LARGE when it says stop. */
XR_MUST_USE enum xr_code xr_vad_detect(const float *power, size_t n, xr_vad_found *found, void *ctx,
                                       struct xr_vad_outcome *ret_outcome, struct xr_err *err);
