// SPDX-License-Identifier: Apache-2.0
/* Google's Gemini as judge: generateContent, with a schema for the answer. */
#include "providers/gemini.h"
#include "providers/judge_answer.h"
#include "providers/judge_prompt.h"

static const struct xr_str GENERATION_CONFIG =
    XR_STR("{\"temperature\":0,\"responseMimeType\":\"application/json\",\"responseSchema\":{\"type\":\"OBJECT\","
           "\"properties\":{\"score\":{\"type\":\"INTEGER\"},\"reason\":{\"type\":\"STRING\"}},"
           "\"required\":[\"score\",\"reason\"]}}");

static void write_system(struct xr_json *j) {
    xr_json_object(j);
    xr_json_key(j, XR_STR("parts"));
    xr_json_array(j);
    xr_json_object(j);
    xr_json_kv_str(j, "text", XR_JUDGE_SYSTEM);
    xr_json_object_end(j);
    xr_json_array_end(j);
    xr_json_object_end(j);
}

static void write_contents(struct xr_json *j, const struct xr_judge_call *call) {
    xr_gemini_contents(j);
    xr_json_object(j);
    xr_json_key(j, XR_STR("text"));
    xr_judge_user_json(call, j);
    xr_json_object_end(j);
    xr_gemini_contents_end(j);
}

static enum xr_code judge_google_build(const struct xr_stage_config *stage, struct xr_call *base,
                                       struct xr_request *request, struct xr_err *err) {
    struct xr_judge_call *call = (struct xr_judge_call *)base;
    struct xr_json j = xr_json_make(&request->body, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_key(&j, XR_STR("systemInstruction"));
    write_system(&j);
    write_contents(&j, call);
    xr_json_kv_raw(&j, "generationConfig", GENERATION_CONFIG);
    xr_json_object_end(&j);
    enum xr_code code = xr_request_built(request, err);
    if (code == XR_OK)
        code = xr_gemini_path(stage, request, err);
    if (code == XR_OK)
        call->prompt_version = XR_JUDGE_PROMPT_VERSION;
    return code;
}

static enum xr_code judge_google_read(const struct xr_stage_config *stage, struct xr_call *base,
                                      const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    yyjson_val *parts = NULL;
    struct xr_str text = {0};
    enum xr_code code = xr_gemini_read(response, &base->usage, &answer, &parts, err);
    if (code == XR_OK)
        code = xr_gemini_text(parts, &text, err);
    return code == XR_OK ? xr_judge_answer(text, (struct xr_judge_call *)base, err) : code;
}

const struct xr_adapter XR_JUDGE_GOOGLE = {.build = judge_google_build, .read = judge_google_read};
