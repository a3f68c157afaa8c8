// SPDX-License-Identifier: Apache-2.0
/* Transcription by OpenAI, or by one of the many servers that speak its API. They differ in what they leave out:
 * whisper.cpp puts words into segments, others have none, no language or no duration, and the smallest answer
 * {"text": ...} alone. All of these are taken. */
#include "providers/transcript.h"
#include <string.h>

/* OpenAI's own newer models know the plain format only, without times. */
static bool has_times(const char *model) {
    return !strstr(model, "gpt-");
}

static enum xr_code build(const struct xr_stage_config *stage, struct xr_call *call, struct xr_request *request,
                          struct xr_err *err) {
    enum xr_code code = xr_transcript_form(stage, (const struct xr_transcribe_call *)call, request, err);
    if (code != XR_OK)
        return code;
    request->path = "/audio/transcriptions";
    xr_transcript_field(request, "response_format", has_times(stage->model) ? "verbose_json" : "json");
    if (has_times(stage->model))
        xr_transcript_field(request, "timestamp_granularities[]", "word");
    return XR_OK;
}

/* A server that has `words` at the top may have them in segments too. */
static struct xr_word_list words_of(yyjson_val *answer) {
    yyjson_val *words = xr_answer_member(answer, "words");
    if (yyjson_arr_size(words) > 0)
        return (struct xr_word_list){.list = words, .text = "word"};
    return (struct xr_word_list){.list = xr_answer_member(answer, "segments"), .nested = "words", .text = "word"};
}

static enum xr_code read_answer(const struct xr_stage_config *stage, struct xr_call *call,
                                const struct xr_response *response, struct xr_err *err) {
    (void)stage;
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    enum xr_code code = xr_answer_parse(response, &answer, err);
    if (code != XR_OK)
        return code;
    xr_answer_usage(xr_answer_member(answer.root, "usage"), "input_tokens", "output_tokens", &call->usage);
    const struct xr_word_list words = words_of(answer.root);
    return xr_transcript_read((struct xr_transcribe_call *)call, &answer, &words, err);
}

const struct xr_adapter XR_TRANSCRIPTION_OPENAI = {build, read_answer};
