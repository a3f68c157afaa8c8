// SPDX-License-Identifier: Apache-2.0
/* providers/tts_pcm.h - from an answer's audio in memory to the call's file. For speech adapters; any thread. */
#pragma once
#include "providers/adapter.h"

/* What hosts mean by "pcm" unless they say otherwise: 24 kHz, mono, 16 bits, little endian. */
enum { XR_TTS_PCM_RATE = 24000 };

/* Bytes of any alignment. A WAV (mono, 16-bit, any rate) if they start as one; else samples of `rate`, whose odd last
 * byte is dropped. */
struct xr_tts_audio {
    const void *bytes;
    size_t n;
    uint32_t rate;
};
/* Writes it as the call's WAV and sets call->frames. XR_REFUSED: there is no audio, it is longer than XR_TTS_WAV_MAX or
 * would be noise (sniff.h). Else as writing fails. Looks at xr_call_check. */
XR_MUST_USE enum xr_code xr_tts_audio_write(struct xr_tts_call *call, const struct xr_tts_audio *audio,
                                            struct xr_err *err);

/* The rate of samples by the parameters of their type, "audio/L16;codec=pcm;rate=24000;channels=1", of which all before
 * the first ';' may be left out: XR_TTS_PCM_RATE if they do not tell it, and 0, which is refused later, if it is no
 * number. XR_REFUSED if there is not one channel. RFC 2586 has audio/L16 big endian; those that send speech do not. */
XR_MUST_USE enum xr_code xr_tts_pcm_rate(struct xr_str type, uint32_t *ret_rate, struct xr_err *err);

/* Decodes base64 of the response's body where it lies, or a little before: `to` is at text.ptr or before it, and in the
 * same body. XR_REFUSED if it is none. */
XR_MUST_USE enum xr_code xr_tts_decode(struct xr_str text, char *to, size_t *ret_n, struct xr_err *err);
