// SPDX-License-Identifier: Apache-2.0
/* Speech by Mistral: a WAV in base64 in JSON. */
#include "providers/answer.h"
#include "providers/speech.h"
#include "providers/tts_pcm.h"

static enum xr_code build(const struct xr_stage_config *stage, struct xr_call *call, struct xr_request *request,
                          struct xr_err *err) {
    return xr_speech_build(stage, (const struct xr_tts_call *)call, "voice_id", "wav", request, err);
}

/* Its "pcm" is of another kind (32-bit float), so what is no WAV is not taken for samples. */
static enum xr_code write_wav(struct xr_tts_call *call, const char *bytes, size_t n, struct xr_err *err) {
    if (n > 0 && (n < 4 || memcmp(bytes, "RIFF", 4) != 0))
        return xr_fail(err, XR_REFUSED, NULL, "its audio is not a WAV");
    const struct xr_tts_audio audio = {.bytes = bytes, .n = n};
    return xr_tts_audio_write(call, &audio, err);
}

static enum xr_code read_answer(const struct xr_stage_config *stage, struct xr_call *call,
                                const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    size_t n = 0;
    enum xr_code code = xr_answer_parse(response, &answer, err);
    if (code != XR_OK)
        return code;
    xr_answer_usage(xr_answer_member(answer.root, "usage"), "prompt_tokens", "completion_tokens", &call->usage);
    struct xr_str text = xr_answer_str(answer.root, "audio_data");
    if (!text.ptr)
        return xr_answer_lacks(&answer, "audio_data", err);
    char *bytes = (char *)(uintptr_t)text.ptr; /* in the response's body */
    code = xr_tts_decode(text, bytes, &n, err);
    return code == XR_OK ? write_wav((struct xr_tts_call *)call, bytes, n, err) : code;
}

const struct xr_adapter XR_TTS_MISTRAL = {build, read_answer};
