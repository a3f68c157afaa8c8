// SPDX-License-Identifier: Apache-2.0
/* providers/chat.h - a judge behind POST /chat/completions: OpenAI's, Mistral's, and what local model servers speak.
 * The two functions of an adapter; see adapter.h. */
#pragma once
#include "providers/adapter.h"

enum xr_code xr_chat_build(const struct xr_stage_config *stage, struct xr_call *base, struct xr_request *request,
                           struct xr_err *err);

/* XR_REFUSED for no choices, a refusal, an answer that was cut off, withheld or broke off (the finish_reason says so;
 * those that are not known to be bad are taken for good: local servers have their own), no content. Content may be a
 * string or, as Mistral's may, a list of chunks, of which the texts count. */
enum xr_code xr_chat_read(const struct xr_stage_config *stage, struct xr_call *base, const struct xr_response *response,
                          struct xr_err *err);
