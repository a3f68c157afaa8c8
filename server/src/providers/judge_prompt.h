// SPDX-License-Identifier: Apache-2.0
/* providers/judge_prompt.h - what a model is asked when it judges a conversation. For the judges' adapters only. Pure;
 * any thread. */
#pragma once
#include "base/json.h"
#include "providers/provider.h"

/* Raised whenever a byte of either message changes: scores of different versions are not comparable. */
enum { XR_JUDGE_PROMPT_VERSION = 1 };

/* The system message: how to grade, and the JSON object to answer with. */
extern const struct xr_str XR_JUDGE_SYSTEM;

/* Appends the user message: reference, rubric and transcript, each between marks on lines of their own. What was said
 * cannot make such a line, nor another turn's: a turn is one line. */
void xr_judge_user(const struct xr_judge_call *call, struct xr_buf *out);

/* Writes the user message as one JSON string. The writer's buffer fails if that cannot be done. */
void xr_judge_user_json(const struct xr_judge_call *call, struct xr_json *j);
