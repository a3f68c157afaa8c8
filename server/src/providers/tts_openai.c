// SPDX-License-Identifier: Apache-2.0
/* Speech by OpenAI, or by a server that speaks its API. It answers samples without a header; some local servers answer
 * a WAV whatever they are asked for, which is taken, and some an MP3, which is refused by name. */
#include "providers/answer.h"
#include "providers/one_line.h"
#include "providers/tts_pcm.h"

static enum xr_code build(const struct xr_stage_config *stage, struct xr_call *base, struct xr_request *request,
                          struct xr_err *err) {
    const struct xr_tts_call *call = (const struct xr_tts_call *)base;
    struct xr_json j = xr_json_make(&request->body, XR_JSON_RESPONSE);
    request->path = "/audio/speech";
    xr_json_object(&j);
    xr_json_kv_strz(&j, "model", stage->model);
    xr_json_kv_str(&j, "input", call->text);
    xr_json_kv_str(&j, "voice", call->voice);
    xr_json_kv_strz(&j, "response_format", "pcm");
    xr_json_object_end(&j);
    return xr_request_built(request, err);
}

static bool is_text_type(struct xr_str type) {
    return (type.len >= 5 && memcmp(type.ptr, "text/", 5) == 0) ||
           (type.len >= 4 && memcmp(type.ptr + type.len - 4, "json", 4) == 0);
}

/* Of any type: an object from its first byte to its last. */
static bool is_object(const struct xr_response *response) {
    size_t n = response->len;
    while (n > 0 && (response->body[n - 1] == '\n' || response->body[n - 1] == '\r'))
        n--;
    return n >= 2 && response->body[0] == '{' && response->body[n - 1] == '}';
}

/* Gateways send errors with status 200 too. */
static enum xr_code refuse_text(const struct xr_response *response, struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    if (xr_answer_parse(response, &answer, NULL) == XR_OK && xr_answer_member(answer.root, "error"))
        return xr_answer_lacks(&answer, "audio", err);
    return xr_fail(err, XR_REFUSED, NULL, "answered %s instead of audio",
                   is_text_type(response->content_type) ? xr_excerpt(response->content_type, shown) : "JSON");
}

static enum xr_code read_answer(const struct xr_stage_config *stage, struct xr_call *call,
                                const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    if (is_text_type(response->content_type) || is_object(response))
        return refuse_text(response, err);
    const struct xr_tts_audio audio = {
        .bytes = response->body, .n = response->len, .rate = XR_TTS_PCM_RATE, .type = response->content_type};
    return xr_tts_audio_write((struct xr_tts_call *)call, &audio, err);
}

const struct xr_adapter XR_TTS_OPENAI = {build, read_answer};
