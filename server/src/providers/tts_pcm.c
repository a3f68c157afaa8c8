// SPDX-License-Identifier: Apache-2.0
#include "providers/tts_pcm.h"
#include "audio/wav.h"
#include "base/base64.h"
#include "base/limits.h"
#include "providers/sniff.h"
#include "providers/tts_sink.h"
#include <strings.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are read as they are in memory");

enum {
    BLOCK = 16384, /* samples between two looks at the call */
    RATE_MIN = 4000,
    RATE_MAX = 192000,
    DIGITS_MAX = 9,
};

static struct xr_str bytes_of(const struct xr_tts_audio *audio) {
    return (struct xr_str){.ptr = audio->bytes, .len = audio->n};
}

/* --- what the type tells --- */

/* As far as there are digits. */
static uint32_t number_of(struct xr_str s) {
    uint32_t number = 0;
    for (size_t i = 0; i < s.len && i < DIGITS_MAX && s.ptr[i] >= '0' && s.ptr[i] <= '9'; i++)
        number = number * 10 + (uint32_t)(s.ptr[i] - '0');
    return number;
}

/* The first parameter of that name ("rate="), which may be in quotes; `otherwise` if there is none, 0 if it is no
 * number. */
static uint32_t parameter(struct xr_str type, const char *name, uint32_t otherwise) {
    if (type.len == 0)
        return otherwise;
    const size_t n = strlen(name);
    const char *end = type.ptr + type.len;
    for (const char *at = type.ptr; at < end && (at = memchr(at, ';', (size_t)(end - at)));) {
        do
            at++;
        while (at < end && (*at == ' ' || *at == '\t'));
        if ((size_t)(end - at) < n || strncasecmp(at, name, n) != 0)
            continue;
        at += n;
        at += at < end && *at == '"';
        return number_of((struct xr_str){.ptr = at, .len = (size_t)(end - at)});
    }
    return otherwise;
}

enum xr_code xr_tts_pcm_rate(struct xr_str type, uint32_t *ret_rate, struct xr_err *err) {
    const uint32_t channels = parameter(type, "channels=", 1);
    if (channels != 1)
        return xr_fail(err, XR_REFUSED, NULL, "its audio has %u channels, one is needed", channels);
    *ret_rate = parameter(type, "rate=", XR_TTS_PCM_RATE);
    return XR_OK;
}

/* --- what the bytes tell --- */

static bool is_wav(const struct xr_tts_audio *audio) {
    const struct xr_str bytes = bytes_of(audio);
    if (bytes.len < 4)
        return false;
    return memcmp(bytes.ptr, "RIFF", 4) == 0 || memcmp(bytes.ptr, "RIFX", 4) == 0 || memcmp(bytes.ptr, "RF64", 4) == 0;
}

/* Makes of a WAV the samples it has; a header that promises more than there is does no harm. */
static enum xr_code open_wav(struct xr_tts_audio *audio, struct xr_err *err) {
    struct xr_wav wav;
    struct xr_err why = {0};
    if (xr_wav_probe_memory(audio->bytes, audio->n, &wav, &why) != XR_OK)
        return xr_fail(err, XR_REFUSED, NULL, "its audio cannot be used: %s", why.message);
    if (wav.channels != 1 || wav.bits != 16)
        return xr_fail(err, XR_REFUSED, NULL, "its audio has %u channel%s of %u bits, one of 16 is needed",
                       wav.channels, wav.channels == 1 ? "" : "s", wav.bits);
    audio->bytes = (const char *)audio->bytes + wav.data_offset;
    audio->n = wav.frames * sizeof(int16_t);
    audio->rate = wav.rate;
    return XR_OK;
}

/* Leaves samples. What is too long is refused before the work of resampling it: a response may have 64 MiB at any rate,
 * as many bytes as the longest file has at 48 kHz, and samples of 24 kHz take half of that. */
static enum xr_code open_audio(struct xr_tts_audio *audio, struct xr_err *err) {
    const char *kind = xr_sniff(bytes_of(audio));
    if (kind)
        return xr_fail(err, XR_REFUSED, NULL, "answered %s instead of PCM or WAV", kind);
    enum xr_code code = is_wav(audio) ? open_wav(audio, err) : XR_OK;
    if (code != XR_OK)
        return code;
    if (audio->n < sizeof(int16_t))
        return xr_fail(err, XR_REFUSED, NULL, "the answer has no audio");
    if (audio->rate < RATE_MIN || audio->rate > RATE_MAX)
        return xr_fail(err, XR_REFUSED, NULL, "its audio has %u Hz, %d..%d are supported", audio->rate, RATE_MIN,
                       RATE_MAX);
    return xr_tts_length_check(audio->n / sizeof(int16_t), audio->rate, err);
}

/* --- writing --- */

static enum xr_code write_samples(struct xr_tts_call *call, const struct xr_tts_audio *audio, struct xr_tts_sink *sink,
                                  struct xr_err *err) {
    int16_t block[BLOCK];
    const char *bytes = audio->bytes;
    const size_t samples = audio->n / sizeof *block;
    enum xr_code code = XR_OK;
    for (size_t at = 0, n; code == XR_OK && at < samples; at += n) {
        n = samples - at < BLOCK ? samples - at : BLOCK;
        memcpy(block, bytes + at * sizeof *block, n * sizeof *block);
        code = xr_call_check(&call->call, err);
        if (code == XR_OK)
            code = xr_tts_sink_write(sink, block, n, err);
    }
    return code == XR_OK ? xr_tts_sink_finish(sink, &call->frames, err) : code;
}

enum xr_code xr_tts_audio_write(struct xr_tts_call *call, const struct xr_tts_audio *audio, struct xr_err *err) {
    struct xr_tts_audio samples = *audio;
    XR_AUTO(xr_tts_sink_freep) struct xr_tts_sink *sink = NULL;
    enum xr_code code = open_audio(&samples, err);
    if (code == XR_OK)
        code = xr_tts_sink_new(call->out_fd, samples.rate, &sink, err);
    return code == XR_OK ? write_samples(call, &samples, sink, err) : code;
}

enum xr_code xr_tts_decode(struct xr_str text, char *to, size_t *ret_n, struct xr_err *err) {
    if (!xr_base64_decode(text, to, ret_n))
        return xr_fail(err, XR_REFUSED, NULL, "its audio is not base64");
    return XR_OK;
}
