// SPDX-License-Identifier: Apache-2.0
/* OpenAI as judge, and every server that speaks its chat completions. */
#include "providers/chat.h"

const struct xr_adapter XR_JUDGE_OPENAI = {.build = xr_chat_build, .read = xr_chat_read};
