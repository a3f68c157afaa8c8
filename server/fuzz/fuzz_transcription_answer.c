// SPDX-License-Identifier: Apache-2.0
/* providers: whatever the host of a transcription answers is a transcript whose words lie inside the cut, or refused
 * with a message. */
#include "answer_calls.h"
#include "providers/provider.h"
#include "providers/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { CUT_MS = 2000 };

static void check_text(struct xr_str text) {
    check(text.ptr && xr_utf8_valid(text) && xr_text_trim(text).len == text.len);
}

static void check_transcript(const struct xr_transcribe_call *call) {
    check_text(call->text);
    check(call->duration_ms >= 0 && call->duration_ms <= (int64_t)XR_RECORDING_MS_MAX);
    if (call->language.ptr) {
        check_text(call->language);
        check(call->language.len > 0 && call->language.len <= XR_TRANSCRIPT_LANGUAGE_MAX);
    }
    check(call->word_count <= XR_TRANSCRIPT_WORDS_MAX && (call->words != NULL) == (call->word_count > 0));
    for (size_t i = 0; i < call->word_count; i++) {
        const struct xr_word *word = &call->words[i];
        check_text(word->text);
        check(word->text.len > 0);
        check(word->start_ms >= 0 && word->start_ms <= word->end_ms && word->end_ms <= CUT_MS);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct xr_adapter *const ADAPTERS[] = {&XR_TRANSCRIPTION_OPENAI, &XR_TRANSCRIPTION_GOOGLE,
                                                        &XR_TRANSCRIPTION_MISTRAL};
    const struct xr_stage_config stage = {.model = "model"};
    struct xr_err err = {0};
    if (size == 0)
        return 0;
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    check(arena != NULL);
    struct xr_transcribe_call call = {
        .call = {.providers = the_providers(), .deadline_mono_ns = INT64_MAX, .usage = XR_USAGE_NONE},
        .cut = {.fd = -1, .wav = {.rate = XR_RATE}, .frames = (uint64_t)CUT_MS * (XR_RATE / 1000)},
        .arena = arena};
    struct xr_response response = response_of(data, size);
    enum xr_code code = adapter_of(data, ADAPTERS)->read(&stage, &call.call, &response, &err);
    free(response.body); /* nothing that was read may point into it */
    check_usage(&call.call.usage);
    if (code == XR_OK)
        check_transcript(&call);
    else
        check_failure(code, &err);
    return 0;
}
