// SPDX-License-Identifier: Apache-2.0
/* Transcription by Mistral. What it calls segments are words when it is asked for their times. */
#include "providers/transcript.h"

static enum xr_code build(const struct xr_stage_config *stage, struct xr_call *call, struct xr_request *request,
                          struct xr_err *err) {
    enum xr_code code = xr_transcript_form(stage, (const struct xr_transcribe_call *)call, request, err);
    if (code != XR_OK)
        return code;
    request->path = "/audio/transcriptions";
    xr_transcript_field(request, "timestamp_granularities", "word"); /* without OpenAI's brackets */
    return XR_OK;
}

static enum xr_code read_answer(const struct xr_stage_config *stage, struct xr_call *call,
                                const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    enum xr_code code = xr_answer_parse(response, &answer, err);
    if (code != XR_OK)
        return code;
    xr_answer_usage(xr_answer_member(answer.root, "usage"), "prompt_tokens", "completion_tokens", &call->usage);
    const struct xr_word_list words = {.list = xr_answer_member(answer.root, "segments"), .text = "text"};
    return xr_transcript_read((struct xr_transcribe_call *)call, &answer, &words, err);
}

const struct xr_adapter XR_TRANSCRIPTION_MISTRAL = {build, read_answer};
