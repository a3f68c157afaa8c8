// SPDX-License-Identifier: Apache-2.0
#include "providers/speech.h"
#include "providers/answer.h"

enum xr_code xr_speech_build(const struct xr_stage_config *stage, const struct xr_tts_call *call,
                             const char *voice_name, const char *format, struct xr_request *request,
                             struct xr_err *err) {
    struct xr_json j = xr_json_make(&request->body, XR_JSON_RESPONSE);
    request->path = "/audio/speech";
    xr_json_object(&j);
    xr_json_kv_strz(&j, "model", stage->model);
    xr_json_kv_str(&j, "input", call->text);
    xr_json_kv_str(&j, voice_name, call->voice);
    xr_json_kv_strz(&j, "response_format", format);
    xr_json_object_end(&j);
    return xr_request_built(request, err);
}
