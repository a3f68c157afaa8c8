// SPDX-License-Identifier: Apache-2.0
/* Speech by Google's Gemini: samples in base64 in one part or several, at the rate their type tells. */
#include "providers/gemini.h"
#include "providers/one_line.h"
#include "providers/tts_pcm.h"
#include <strings.h>

/* --- the request --- */

static void put_config(struct xr_json *j, struct xr_str voice) {
    xr_json_key(j, XR_STR("generationConfig"));
    xr_json_object(j);
    xr_json_key(j, XR_STR("responseModalities"));
    xr_json_array(j);
    xr_json_str(j, XR_STR("AUDIO"));
    xr_json_array_end(j);
    xr_json_key(j, XR_STR("speechConfig"));
    xr_json_object(j);
    xr_json_key(j, XR_STR("voiceConfig"));
    xr_json_object(j);
    xr_json_key(j, XR_STR("prebuiltVoiceConfig"));
    xr_json_object(j);
    xr_json_kv_str(j, "voiceName", voice);
    xr_json_object_end(j);
    xr_json_object_end(j);
    xr_json_object_end(j);
    xr_json_object_end(j);
}

static void put_contents(struct xr_json *j, struct xr_str text) {
    xr_gemini_contents(j);
    xr_json_object(j);
    xr_json_kv_str(j, "text", text);
    xr_json_object_end(j);
    xr_gemini_contents_end(j);
}

static enum xr_code build(const struct xr_stage_config *stage, struct xr_call *base, struct xr_request *request,
                          struct xr_err *err) {
    const struct xr_tts_call *call = (const struct xr_tts_call *)base;
    struct xr_json j = xr_json_make(&request->body, XR_JSON_RESPONSE);
    enum xr_code code = xr_gemini_path(stage, request, err);
    if (code != XR_OK)
        return code;
    xr_json_object(&j);
    put_contents(&j, call->text);
    put_config(&j, call->voice);
    xr_json_object_end(&j);
    return xr_request_built(request, err);
}

/* --- the answer --- */

static bool begins(struct xr_str s, const char *with) {
    return s.len >= strlen(with) && strncasecmp(s.ptr, with, strlen(with)) == 0;
}

static enum xr_code check_type(struct xr_str type, struct xr_err *err) {
    static const char *const KNOWN[] = {"audio/l16", "audio/pcm", "audio/wav", "audio/x-wav"};
    char shown[XR_EXCERPT_SIZE];
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (begins(type, KNOWN[i]))
            return XR_OK;
    if (type.len == 0)
        return XR_OK;
    return xr_fail(err, XR_REFUSED, NULL, "answered %s instead of PCM or WAV", xr_excerpt(type, shown));
}

/* What was decoded so far: it lies where the first part's base64 was. */
struct speech {
    char *bytes;
    size_t n;
    uint32_t rate;
};

/* The type is read first: decoding may overwrite it, but nothing behind the part. */
static enum xr_code take_part(struct speech *speech, yyjson_val *part, struct xr_err *err) {
    yyjson_val *data = xr_answer_member(part, "inlineData");
    struct xr_str text = xr_answer_str(data, "data"), type = xr_answer_str(data, "mimeType");
    size_t n = 0;
    if (!text.ptr)
        return XR_OK; /* words beside the audio */
    uint32_t rate = 0;
    enum xr_code code = check_type(type, err);
    if (code == XR_OK)
        code = xr_tts_pcm_rate(type, &rate, err);
    if (code != XR_OK)
        return code;
    if (speech->bytes && speech->rate != rate)
        return xr_fail(err, XR_REFUSED, NULL, "its audio has %u and then %u Hz", speech->rate, rate);
    if (!speech->bytes)
        speech->bytes = (char *)(uintptr_t)text.ptr; /* in the response's body */
    speech->rate = rate;
    code = xr_tts_decode(text, speech->bytes + speech->n, &n, err);
    if (code == XR_OK)
        speech->n += n;
    return code;
}

static enum xr_code take_parts(struct speech *speech, yyjson_val *parts, struct xr_err *err) {
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, n, part) {
        enum xr_code code = take_part(speech, part, err);
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code read_answer(const struct xr_stage_config *stage, struct xr_call *call,
                                const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    struct speech speech = {0};
    yyjson_val *parts = NULL;
    enum xr_code code = xr_gemini_read(response, &call->usage, &answer, &parts, err);
    if (code == XR_OK)
        code = take_parts(&speech, parts, err);
    if (code != XR_OK)
        return code;
    const struct xr_tts_audio audio = {.bytes = speech.bytes, .n = speech.n, .rate = speech.rate};
    return xr_tts_audio_write((struct xr_tts_call *)call, &audio, err);
}

const struct xr_adapter XR_TTS_GOOGLE = {build, read_answer};
