// SPDX-License-Identifier: Apache-2.0
#include "providers/tts_pcm.h"
#include "audio/wav.h"
#include "base/base64.h"
#include "base/limits.h"
#include "providers/tts_sink.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "samples are read as they are in memory");

enum { BLOCK = 16384, RATE_MIN = 4000, RATE_MAX = 192000 }; /* BLOCK: samples between two looks at the call */

static bool begins(struct xr_str s, struct xr_str with) {
    return s.len >= with.len && memcmp(s.ptr, with.ptr, with.len) == 0;
}

static struct xr_str bytes_of(const struct xr_tts_audio *audio) {
    return (struct xr_str){.ptr = audio->bytes, .len = audio->n};
}

/* --- kinds --- */

/* A frame of MPEG layer III or of AAC (ADTS). */
static bool is_frame(struct xr_str bytes) {
    if (bytes.len < 2 || (uint8_t)bytes.ptr[0] != 0xFF)
        return false;
    uint8_t second = (uint8_t)bytes.ptr[1];
    return (second & 0xE6) == 0xE2 || (second & 0xF6) == 0xF0;
}

static bool is_frame_type(struct xr_str type) {
    return begins(type, XR_STR("audio/mp")) || begins(type, XR_STR("audio/aac"));
}

/* The name of what would be noise as samples; NULL: none of these. Speech does not start with samples like theirs. */
static const char *compressed(const struct xr_tts_audio *audio) {
    static const struct {
        struct xr_str magic;
        const char *name;
    } KINDS[] = {
        {XR_STR("ID3"), "MP3"},
        {XR_STR("OggS"), "Ogg"},
        {XR_STR("fLaC"), "FLAC"},
        {XR_STR("\x1A\x45\xDF\xA3"), "WebM"},
    };
    for (size_t i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
        if (begins(bytes_of(audio), KINDS[i].magic))
            return KINDS[i].name;
    if (is_frame_type(audio->type) && is_frame(bytes_of(audio)))
        return begins(audio->type, XR_STR("audio/aac")) ? "AAC" : "MP3";
    return NULL;
}

static bool is_wav(const struct xr_tts_audio *audio) {
    const struct xr_str bytes = bytes_of(audio);
    return begins(bytes, XR_STR("RIFF")) || begins(bytes, XR_STR("RIFX")) || begins(bytes, XR_STR("RF64"));
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

/* Leaves samples. */
static enum xr_code open_audio(struct xr_tts_audio *audio, struct xr_err *err) {
    const char *kind = compressed(audio);
    if (kind)
        return xr_fail(err, XR_REFUSED, NULL, "answered %s audio instead of PCM or WAV", kind);
    enum xr_code code = is_wav(audio) ? open_wav(audio, err) : XR_OK;
    if (code != XR_OK)
        return code;
    if (audio->n < sizeof(int16_t))
        return xr_fail(err, XR_REFUSED, NULL, "the answer has no audio");
    if (audio->rate < RATE_MIN || audio->rate > RATE_MAX)
        return xr_fail(err, XR_REFUSED, NULL, "its audio has %u Hz, %d..%d are supported", audio->rate, RATE_MIN,
                       RATE_MAX);
    return XR_OK;
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
