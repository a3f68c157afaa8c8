// SPDX-License-Identifier: Apache-2.0
/* providers/tts_sink.h - where a speech provider's samples go: resampled to 48 kHz and written as a mono 16-bit WAV
 * file, in pieces, so that memory does not grow with the speech. One thread at a time. */
#pragma once
#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

struct xr_tts_sink;
/* fd: an empty file open for writing, borrowed. rate: of the samples to come, 4,000..192,000 Hz. */
XR_MUST_USE enum xr_code xr_tts_sink_new(int fd, uint32_t rate, struct xr_tts_sink **ret_sink, struct xr_err *err);
void xr_tts_sink_free(struct xr_tts_sink *sink); /* NULL is fine */
XR_DEFINE_FREEP(struct xr_tts_sink, xr_tts_sink_free)
/* XR_REFUSED if so many samples of that rate would be longer than the file may be. */
XR_MUST_USE enum xr_code xr_tts_length_check(uint64_t samples, uint32_t rate, struct xr_err *err);
/* XR_REFUSED once the file would pass XR_TTS_WAV_MAX; XR_IO, XR_STORAGE_FULL. */
XR_MUST_USE enum xr_code xr_tts_sink_write(struct xr_tts_sink *sink, const int16_t *samples, size_t n,
                                           struct xr_err *err);
/* Writes the rest and the header. ret_frames: the file's frames at 48 kHz. Only free may follow. */
XR_MUST_USE enum xr_code xr_tts_sink_finish(struct xr_tts_sink *sink, uint64_t *ret_frames, struct xr_err *err);
