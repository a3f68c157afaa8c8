// SPDX-License-Identifier: Apache-2.0
/* Mistral as judge. It takes OpenAI's request; its answer may be in chunks and end for reasons of its own. */
#include "providers/chat.h"

const struct xr_adapter XR_JUDGE_MISTRAL = {.build = xr_chat_build, .read = xr_chat_read};
