// SPDX-License-Identifier: Apache-2.0
#include "speech/usage.h"

struct xr_usage_row xr_usage_row_make(const struct xr_providers_config *config, enum xr_stage_kind stage,
                                      const struct xr_usage *usage) {
    static const enum xr_usage_stage STAGES[XR_STAGE_KIND_COUNT] = {[XR_STAGE_TTS] = XR_USAGE_TTS,
                                                                    [XR_STAGE_TRANSCRIPTION] = XR_USAGE_TRANSCRIPTION,
                                                                    [XR_STAGE_JUDGE] = XR_USAGE_JUDGE};
    struct xr_provider_choice choice = xr_providers_choice(config, stage);
    return (struct xr_usage_row){
        .stage = STAGES[stage],
        .provider = xr_str_from(choice.provider),
        .model = xr_str_from(choice.model ? choice.model : ""),
        .calls = usage->calls,
        .input_tokens = usage->input_tokens,
        .output_tokens = usage->output_tokens,
        .audio_ms = usage->audio_ms,
        .characters = usage->characters,
    };
}
