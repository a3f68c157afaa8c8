// SPDX-License-Identifier: Apache-2.0
#include "providers/provider.h"

/* Adding a provider is one row here and one file. Within a stage the order is the one problems list the names in. */
const struct xr_provider XR_PROVIDERS[] = {
    {XR_STAGE_TTS, "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "gpt-4o-mini-tts", "alloy", false, NULL},
    {XR_STAGE_TTS, "google-gemini", "GOOGLE_API_KEY", "GOOGLE_BASE_URL", "gemini-2.5-flash-preview-tts", "Kore", false,
     NULL},
    {XR_STAGE_TTS, "mistral", "MISTRAL_API_KEY", "MISTRAL_BASE_URL", "voxtral-mini-tts-2603", "en_paul_neutral", false,
     NULL},
    {XR_STAGE_TTS, "local", NULL, NULL, "flite", "slt", true, &XR_TTS_LOCAL},

    {XR_STAGE_TRANSCRIPTION, "openai-whisper", "OPENAI_API_KEY", "OPENAI_BASE_URL", "whisper-1", NULL, false, NULL},
    {XR_STAGE_TRANSCRIPTION, "google-gemini", "GOOGLE_API_KEY", "GOOGLE_BASE_URL", "gemini-2.5-flash", NULL, false,
     NULL},
    {XR_STAGE_TRANSCRIPTION, "mistral-voxtral", "MISTRAL_API_KEY", "MISTRAL_BASE_URL", "voxtral-mini-2602", NULL, false,
     NULL},
    {XR_STAGE_TRANSCRIPTION, "local", NULL, NULL, "en-us", NULL, true, &XR_TRANSCRIPTION_LOCAL},
    {XR_STAGE_TRANSCRIPTION, "none", NULL, NULL, NULL, NULL, false, &XR_TRANSCRIPTION_NONE},

    {XR_STAGE_JUDGE, "openai", "OPENAI_API_KEY", "OPENAI_BASE_URL", "gpt-4o-2024-08-06", NULL, false, NULL},
    {XR_STAGE_JUDGE, "google-gemini", "GOOGLE_API_KEY", "GOOGLE_BASE_URL", "gemini-3.5-flash", NULL, false, NULL},
    {XR_STAGE_JUDGE, "mistral", "MISTRAL_API_KEY", "MISTRAL_BASE_URL", "mistral-medium-2604", NULL, false, NULL},
    {XR_STAGE_JUDGE, "lexical", NULL, NULL, "lexical-1", NULL, false, &XR_JUDGE_LEXICAL},
};
const size_t XR_PROVIDER_COUNT = sizeof XR_PROVIDERS / sizeof *XR_PROVIDERS;
