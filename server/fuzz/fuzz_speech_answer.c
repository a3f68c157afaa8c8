// SPDX-License-Identifier: Apache-2.0
/* providers: whatever the host of speech answers becomes a whole WAV of 48 kHz, or is refused with a message. */
#include "answer_calls.h"
#include "audio/wav.h"
#include "providers/provider.h"
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_file(const struct xr_tts_call *call) {
    struct xr_wav wav;
    check(xr_wav_probe(call->out_fd, &wav, NULL) == XR_OK);
    check(xr_wav_require(&wav, 1, NULL) == XR_OK && wav.frames == call->frames);
    check(lseek(call->out_fd, 0, SEEK_END) == (off_t)(XR_WAV_HEADER_SIZE + call->frames * sizeof(int16_t)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const struct xr_adapter *const ADAPTERS[] = {&XR_TTS_OPENAI, &XR_TTS_GOOGLE, &XR_TTS_MISTRAL};
    const struct xr_stage_config stage = {.model = "model"};
    struct xr_err err = {0};
    if (size == 0)
        return 0;
    struct xr_tts_call call = {
        .call = {.providers = the_providers(), .deadline_mono_ns = INT64_MAX, .usage = XR_USAGE_NONE},
        .out_fd = memfd_create("fuzz", MFD_CLOEXEC)};
    check(call.out_fd >= 0);
    struct xr_response response = response_of(data, size);
    enum xr_code code = adapter_of(data, ADAPTERS)->read(&stage, &call.call, &response, &err);
    free(response.body);
    check_usage(&call.call.usage);
    if (code == XR_OK)
        check_file(&call);
    else
        check_failure(code, &err);
    close(call.out_fd);
    return 0;
}
