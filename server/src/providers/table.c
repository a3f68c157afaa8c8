// SPDX-License-Identifier: Apache-2.0
#include "providers/provider.h"

/* Adding a provider is one row here and one file. Within a stage the order is the one problems list the names in. */
const struct xr_provider XR_PROVIDERS[] = {
    {XR_STAGE_TTS, false, "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "gpt-4o-mini-tts", "alloy", NULL},
    {XR_STAGE_TTS, false, "google-gemini", "GOOGLE_API_KEY", "GOOGLE_BASE_URL", "gemini-2.5-flash-preview-tts", "Kore",
     NULL},
    {XR_STAGE_TTS, false, "mistral", "MISTRAL_API_KEY", "MISTRAL_BASE_URL", "voxtral-mini-tts-2603", "en_paul_neutral",
     NULL},
    {XR_STAGE_TTS, true, "local", NULL, NULL, "flite", "slt", &XR_TTS_LOCAL},

    {XR_STAGE_TRANSCRIPTION, false, "openai-whisper", "OPENAI_API_KEY", "OPENAI_BASE_URL", "whisper-1", NULL, NULL},
    {XR_STAGE_TRANSCRIPTION, false, "google-gemini", "GOOGLE_API_KEY", "GOOGLE_BASE_URL", "gemini-2.5-flash", NULL,
     NULL},
    {XR_STAGE_TRANSCRIPTION, false, "mistral-voxtral", "MISTRAL_API_KEY", "MISTRAL_BASE_URL", "voxtral-mini-2602", NULL,
     NULL},
    {XR_STAGE_TRANSCRIPTION, true, "local", NULL, NULL, "en-us", NULL, &XR_TRANSCRIPTION_LOCAL},
    {XR_STAGE_TRANSCRIPTION, false, "none", NULL, NULL, NULL, NULL, &XR_TRANSCRIPTION_NONE},

    {XR_STAGE_JUDGE, false, "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "gpt-4o-2024-08-06", NULL, NULL},
    {XR_STAGE_JUDGE, false, "google-gemini", "GOOGLE_API_KEY", "GOOGLE_BASE_URL", "gemini-3.5-flash", NULL, NULL},
    {XR_STAGE_JUDGE, false, "mistral", "MISTRAL_API_KEY", "MISTRAL_BASE_URL", "mistral-medium-2604", NULL, NULL},
    {XR_STAGE_JUDGE, false, "lexical", NULL, NULL, "lexical-1", NULL, &XR_JUDGE_LEXICAL},
};
const size_t XR_PROVIDER_COUNT = sizeof XR_PROVIDERS / sizeof *XR_PROVIDERS;
