// SPDX-License-Identifier: Apache-2.0
/* audio/voice_detect.h - where the speech is on one channel in whose noise it must be told from other sounds. Pure; any
 * thread. Private to audio/.
 *
 *   1. spans    what the network takes for speech, with enough evidence
 *   2. voice    how loud it is in the noise around (voice.h); again with the spans of 3
 *   3. words    that are as loud as the spans and that the network did not know
 *   4. stretches  of the spans that are heard; weak ones in a noise that seems like speech are dropped
 *   5. edges    (voice_edges.h), and what is closer than a pause is one
 */
#pragma once
#include "audio/hearing.h"
#include "audio/vad_detect.h"

/* Calls found in order of time; XR_TOO_LARGE when it says stop. *ret_threshold: power that a window of this channel's
 * usual voice had to exceed, in LSB squared; 0 when none was found. */
XR_MUST_USE enum xr_code xr_voice_detect(const struct xr_hearing *heard, xr_vad_found *found, void *ctx,
                                         float *ret_threshold, struct xr_err *err);
