// SPDX-License-Identifier: Apache-2.0
/* providers/speech.h - the request of POST /audio/speech: OpenAI's, and Mistral's with other names. For the adapters
 * only; see adapter.h. */
#pragma once
#include "providers/adapter.h"

/* voice_name: what the voice's member is called. format: the value of response_format. */
XR_MUST_USE enum xr_code xr_speech_build(const struct xr_stage_config *stage, const struct xr_tts_call *call,
                                         const char *voice_name, const char *format, struct xr_request *request,
                                         struct xr_err *err);
