// SPDX-License-Identifier: Apache-2.0
/* providers/answer.h - reading a response that should be a JSON object. What is sent is not trusted: every message
 * shows the host's own words as an excerpt. For the adapters only; any thread. */
#pragma once
#include "base/json.h"
#include "providers/adapter.h"

/* Not to be moved while it holds a document. */
struct xr_answer {
    struct xr_json_memory memory;
    yyjson_doc *doc;
    yyjson_val *root; /* an object */
};

/* Parses the body where it lies, so the answer's strings live as long as the response and not only as the answer.
 * A byte order mark before the JSON is passed over.
 * XR_REFUSED for what is no JSON object. The content type is only used to say so: local model servers send JSON as
 * text/plain, or without a type. answer is empty before, and stays so on failure. */
XR_MUST_USE enum xr_code xr_answer_parse(const struct xr_response *response, struct xr_answer *answer,
                                         struct xr_err *err);
void xr_answer_clear(struct xr_answer *answer); /* empty is fine */

/* Member `key`; NULL where it is missing or `object` is none (NULL too). The last of duplicate keys wins. */
yyjson_val *xr_answer_member(yyjson_val *object, const char *key);
/* The member's string; ptr NULL where it is no string. */
struct xr_str xr_answer_str(yyjson_val *object, const char *key);
/* The member's value where it is an integer in 0..INT64_MAX, else -1. */
int64_t xr_answer_count(yyjson_val *object, const char *key);

/* Tokens, under the names that the vendor has for them. */
void xr_answer_usage(yyjson_val *tokens, const char *input, const char *output, struct xr_usage *usage);

/* Appends `more` to *text, both strings of the same response, where the first of them lies (ptr NULL: nothing yet).
 * `more` lies behind all that was appended. What lies between them in the response is lost. */
void xr_answer_join(struct xr_str *text, struct xr_str more);

/* XR_REFUSED: the answer has no `what`. Where it has an `error` instead, as gateways send with status 200, that. */
enum xr_code xr_answer_lacks(const struct xr_answer *answer, const char *what, struct xr_err *err);

/* Whether a body could be built: XR_REFUSED when it is over its bound, XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_request_built(const struct xr_request *request, struct xr_err *err);
