// SPDX-License-Identifier: Apache-2.0
/* providers/gemini.h - what Google's three adapters share: where generateContent is, and how its answer is read. For
 * them only; any thread. */
#pragma once
#include "providers/answer.h"

/* Sets the request's path. The model's name may begin with "models/", as Google writes it itself. */
XR_MUST_USE enum xr_code xr_gemini_path(const struct xr_stage_config *stage, struct xr_request *request,
                                        struct xr_err *err);

/* Writes the key `contents` with one message of the user; its parts, one object each, go between the two. */
void xr_gemini_contents(struct xr_json *j);
void xr_gemini_contents_end(struct xr_json *j);

/* The parts of the first candidate's content; *ret_parts NULL: it has none. They live as long as *answer, which is
 * empty before and on failure, and else the caller's to clear. usage's tokens are set before anything can fail; what
 * was thought counts as output. XR_REFUSED for a blocked prompt, no candidate, or one that did not end with STOP: the
 * message has Google's name for it. */
XR_MUST_USE enum xr_code xr_gemini_read(const struct xr_response *response, struct xr_usage *usage,
                                        struct xr_answer *answer, yyjson_val **ret_parts, struct xr_err *err);

/* The texts of the parts that are no thoughts, joined; lives as long as the response. The parts are spoilt. XR_REFUSED
 * when that is empty. */
XR_MUST_USE enum xr_code xr_gemini_text(yyjson_val *parts, struct xr_str *ret_text, struct xr_err *err);
