// SPDX-License-Identifier: Apache-2.0
#include "providers/provider.h"

const struct xr_vendor XR_OPENAI = {.name = "OpenAI",
                                    .key_env = "OPENAI_API_KEY",
                                    .base_url_env = "OPENAI_BASE_URL",
                                    .url = "https://api.openai.com/v1",
                                    .version = "v1",
                                    .version_anywhere = true,
                                    .key_header = "Authorization: Bearer "};
const struct xr_vendor XR_GOOGLE = {.name = "Google",
                                    .key_env = "GOOGLE_API_KEY",
                                    .base_url_env = "GOOGLE_BASE_URL",
                                    .url = "https://generativelanguage.googleapis.com/v1beta",
                                    .version = "v1beta",
                                    .key_header = "x-goog-api-key: "};
const struct xr_vendor XR_MISTRAL = {.name = "Mistral",
                                     .key_env = "MISTRAL_API_KEY",
                                     .base_url_env = "MISTRAL_BASE_URL",
                                     .url = "https://api.mistral.ai/v1",
                                     .version = "v1",
                                     .key_header = "Authorization: Bearer "};

#define BUILT_IN(operations) .ops = &(operations)
#define CLOUD(vendor_of, adapter_of) .vendor = &(vendor_of), .adapter = (adapter_of)

/* Adding a provider is one row here and one file. Within a stage the order is the one problems list the names in. */
const struct xr_provider XR_PROVIDERS[] = {
    {XR_STAGE_TTS, false, "openai", "gpt-4o-mini-tts", "alloy", CLOUD(XR_OPENAI, &XR_TTS_OPENAI)},
    {XR_STAGE_TTS, false, "google-gemini", "gemini-2.5-flash-preview-tts", "Kore", CLOUD(XR_GOOGLE, &XR_TTS_GOOGLE)},
    {XR_STAGE_TTS, false, "mistral", "voxtral-mini-tts-2603", "en_paul_neutral", CLOUD(XR_MISTRAL, &XR_TTS_MISTRAL)},
    {XR_STAGE_TTS, true, "local", "flite", "slt", BUILT_IN(XR_TTS_LOCAL)},

    {XR_STAGE_TRANSCRIPTION, false, "openai-whisper", "whisper-1", NULL, CLOUD(XR_OPENAI, &XR_TRANSCRIPTION_OPENAI)},
    {XR_STAGE_TRANSCRIPTION, false, "google-gemini", "gemini-2.5-flash", NULL,
     CLOUD(XR_GOOGLE, &XR_TRANSCRIPTION_GOOGLE)},
    {XR_STAGE_TRANSCRIPTION, false, "mistral-voxtral", "voxtral-mini-2602", NULL,
     CLOUD(XR_MISTRAL, &XR_TRANSCRIPTION_MISTRAL)},
    {XR_STAGE_TRANSCRIPTION, true, "local", "en-us", NULL, BUILT_IN(XR_TRANSCRIPTION_LOCAL)},
    {XR_STAGE_TRANSCRIPTION, false, "none", NULL, NULL, BUILT_IN(XR_TRANSCRIPTION_NONE)},

    {XR_STAGE_JUDGE, false, "openai", "gpt-4o-2024-08-06", NULL, CLOUD(XR_OPENAI, &XR_JUDGE_OPENAI)},
    {XR_STAGE_JUDGE, false, "google-gemini", "gemini-3.5-flash", NULL, CLOUD(XR_GOOGLE, &XR_JUDGE_GOOGLE)},
    {XR_STAGE_JUDGE, false, "mistral", "mistral-medium-2604", NULL, CLOUD(XR_MISTRAL, &XR_JUDGE_MISTRAL)},
    {XR_STAGE_JUDGE, false, "lexical", "lexical-1", NULL, BUILT_IN(XR_JUDGE_LEXICAL)},
};
const size_t XR_PROVIDER_COUNT = sizeof XR_PROVIDERS / sizeof *XR_PROVIDERS;
