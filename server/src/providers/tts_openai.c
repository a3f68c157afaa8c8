// SPDX-License-Identifier: Apache-2.0
/* Speech by OpenAI, or by a server that speaks its API. It answers samples without a header; some local servers answer
 * a WAV whatever they are asked for, which is taken, and some an MP3, which is refused by name. */
#include "providers/answer.h"
#include "providers/one_line.h"
#include "providers/sniff.h"
#include "providers/speech.h"
#include "providers/tts_pcm.h"

static enum xr_code build(const struct xr_stage_config *stage, struct xr_call *call, struct xr_request *request,
                          struct xr_err *err) {
    return xr_speech_build(stage, (const struct xr_tts_call *)call, "voice", "pcm", request, err);
}

/* A type of audio without the "audio/" that names samples of another coding, which no look at the bytes would tell from
 * ours, or a file of one. */
static bool is_other_coding(struct xr_str name) {
    static const struct {
        struct xr_str name;
        bool goes_on; /* all that begin so */
    } OTHERS[] = {
        {XR_STR("basic"), false},  {XR_STR("pcmu"), false}, {XR_STR("pcma"), false}, {XR_STR("g711"), true},
        {XR_STR("mulaw"), false},  {XR_STR("alaw"), false}, {XR_STR("l8"), false},   {XR_STR("x-mulaw"), false},
        {XR_STR("x-alaw"), false}, {XR_STR("l20"), false},  {XR_STR("l24"), false},  {XR_STR("x-aiff"), false},
        {XR_STR("aiff"), false},   {XR_STR("amr"), true},
    };
    for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++) {
        const struct xr_str other = OTHERS[i].name;
        if (name.len >= other.len && memcmp(name.ptr, other.ptr, other.len) == 0 &&
            (OTHERS[i].goes_on || name.len == other.len))
            return true;
    }
    return false;
}

/* Gateways call samples whatever they like, audio/mpeg too, or nothing at all; but not text, nor a picture. */
static bool may_be_samples(struct xr_str type) {
    static const struct xr_str AUDIO = XR_STR("audio/");
    if (type.len >= AUDIO.len && memcmp(type.ptr, AUDIO.ptr, AUDIO.len) == 0)
        return !is_other_coding((struct xr_str){.ptr = type.ptr + AUDIO.len, .len = type.len - AUDIO.len});
    return type.len == 0 || xr_str_eq(type, XR_STR("application/octet-stream")) ||
           xr_str_eq(type, XR_STR("binary/octet-stream"));
}

/* Gateways send errors with status 200 too. */
static enum xr_code refuse(const struct xr_response *response, const char *what, struct xr_err *err) {
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    if (xr_answer_parse(response, &answer, NULL) == XR_OK && xr_answer_member(answer.root, "error"))
        return xr_answer_lacks(&answer, "audio", err);
    return xr_fail(err, XR_REFUSED, NULL, "answered %s instead of PCM or WAV", what);
}

/* Only the types of samples tell their rate. */
static enum xr_code read_rate(const struct xr_response *response, uint32_t *ret_rate, struct xr_err *err) {
    const struct xr_str type = response->content_type;
    const bool tells = xr_str_eq(type, XR_STR("audio/pcm")) || xr_str_eq(type, XR_STR("audio/l16"));
    return xr_tts_pcm_rate(tells ? response->parameters : XR_STR(""), ret_rate, err);
}

static enum xr_code read_answer(const struct xr_stage_config *stage, struct xr_call *call,
                                const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    char shown[XR_EXCERPT_SIZE];
    const char *other = xr_sniff((struct xr_str){.ptr = response->body, .len = response->len});
    if (!may_be_samples(response->content_type))
        other = xr_excerpt(response->content_type, shown);
    if (other)
        return refuse(response, other, err);
    struct xr_tts_audio audio = {.bytes = response->body, .n = response->len};
    enum xr_code code = read_rate(response, &audio.rate, err);
    return code == XR_OK ? xr_tts_audio_write((struct xr_tts_call *)call, &audio, err) : code;
}

const struct xr_adapter XR_TTS_OPENAI = {build, read_answer};
