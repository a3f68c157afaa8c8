// SPDX-License-Identifier: Apache-2.0
/* providers/judge_answer.h - from a model's text to a score and its reason. For the judges' adapters only. Pure; any
 * thread; takes time in proportion to the text.
 *
 * Where the answer is: the first JSON object in the text that has a `score` of its own. So it may stand alone, in a
 * code fence, in an array, or between other text; braces inside strings are no braces. An object inside another one is
 * not the answer, also where the outer one is not JSON or was cut off. What stands before </think> in a text that
 * begins with <think> is not looked at.
 *
 * The score, which must lie in 0..100 before it is rounded, half up: a number; or a string that is, but for white space
 * around it, a decimal number, perhaps followed by "%" or "/100" (the same scale): "85", " 85 ", "85.5", "85%",
 * "85 / 100". Not "8/10", "85 points", "8.5e1", null, true.
 *
 * The reason: a string, without white space around it; the score is what counts, so anything else, or an empty string,
 * is no reason. It is cut at XR_JUDGE_REASON_MAX bytes, between characters. The last of duplicate keys wins. */
#pragma once
#include "providers/provider.h"

enum {
    XR_JUDGE_REASON_MAX = 4096, /* bytes kept */
    XR_JUDGE_ANSWER_MAX = 1 << 20, /* bytes of a text that is looked into */
};

/* text: valid UTF-8. Sets the call's score and reason (in its arena; ptr NULL: there is none). XR_REFUSED for an
 * unusable answer, with a message that says what is wrong with it; XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_judge_answer(struct xr_str text, struct xr_judge_call *call, struct xr_err *err);
