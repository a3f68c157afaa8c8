// SPDX-License-Identifier: Apache-2.0
/* providers/judge_answer.h - from a model's text to a score and its reason. For the judges' adapters only. Pure; any
 * thread; takes time in proportion to the text.
 *
 * Where the answer is: the JSON object in the text that has a `score` of its own. So it may stand alone, in a code
 * fence, in an array, or between other text; braces inside strings are no braces. An object inside another one is not
 * the answer, also where the outer one is not JSON. Where there are several scores, in several objects or by duplicate
 * keys in one, one may be a draft or a quotation, and which is not known: they must all say the same after rounding,
 * and then the last one's reason, if any, is the reason. Otherwise the answer is refused; also where one of the scores
 * cannot be used, and where an object does not end (it may be the answer, cut off).
 *
 * Thinking is not looked at: what stands before </think>, [/THINK], </thinking> or </reasoning>, with or without the
 * tag that opens it. A text that opens it and does not close it is refused: it was cut off. Opened thinking goes on to
 * the first closing tag of its kind; a closing tag that nothing opened makes all before it thinking, so it is the last
 * one that counts. Tags inside an object are a part of it, whether it is JSON or not: an answer may quote them.
 *
 * The score, which must lie in 0..100 before it is rounded, half up: a number; or a string that is, but for white space
 * around it, a decimal number, perhaps followed by "%" or "/100" (the same scale): "85", " 85 ", "85.5", "85%",
 * "85 / 100". Not "8/10", "85 points", "8.5e1", null, true.
 *
 * The reason: a string, without white space around it; the score is what counts, so anything else, or an empty string,
 * is no reason. It is cut at XR_JUDGE_REASON_MAX bytes, between characters. Of several reasons in one object
 * the last is taken. */
#pragma once
#include "providers/provider.h"

enum {
    XR_JUDGE_REASON_MAX = 4096, /* bytes kept */
    XR_JUDGE_ANSWER_MAX = 1 << 20, /* bytes of a text that is looked into */
};

/* text: valid UTF-8. Sets the call's score and reason (in its arena; ptr NULL: there is none). XR_REFUSED for an
 * unusable answer, with a message that says what is wrong with it; XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_judge_answer(struct xr_str text, struct xr_judge_call *call, struct xr_err *err);
