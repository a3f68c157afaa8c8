// SPDX-License-Identifier: Apache-2.0
/* providers/adapter.h - how a call becomes one HTTP request, and the response to it the call's results. For the files
 * of this folder only.
 *
 * An adapter is one file of one vendor's stage: two functions without state, run several at a time on a
 * pool's threads, or on the client's when there is little to do.
 * Host, version, key, retries and time-outs are not its business; see cloud.h. */
#pragma once
#include "base/buf.h"
#include "base/json.h"
#include "providers/provider.h"

/* One part of a multipart/form-data body (RFC 7578). */
struct xr_part {
    const char *name;
    struct xr_str data;
    const char *file_name; /* NULL: a plain field */
    const char *content_type; /* of a file */
};
enum { XR_PARTS_MAX = 8 };

/* A POST to be sent, perhaps several times. What it points to lives in `arena`, in `body` or as long as the call. */
struct xr_request {
    struct xr_arena *arena; /* of XR_CALL_ARENA_MAX */
    const char *path; /* behind the version, escaped: "/chat/completions" */
    /* At most XR_PROVIDER_BODY_MAX. With part_count 0 it is the request's body, application/json; else it is what a
     * part may point into once nothing more is appended. */
    struct xr_buf body;
    struct xr_part parts[XR_PARTS_MAX];
    size_t part_count;
};

/* A response with a 2xx status. */
struct xr_response {
    char *body; /* may be changed; XR_JSON_PADDING bytes behind it are there */
    size_t len;
    struct xr_str content_type; /* lower case, without its parameters; empty: none was sent */
    struct xr_str parameters; /* of it, lower case: "; rate=16000"; empty: it has none */
};

struct xr_adapter {
    /* Fills in path and body or parts, and what of the results is known before an answer. XR_REFUSED when the call
     * cannot be put to this provider. */
    enum xr_code (*build)(const struct xr_stage_config *stage, struct xr_call *call, struct xr_request *request,
                          struct xr_err *err);
    /* Fills in the call's results, and its usage's tokens where the response tells them, before anything can fail.
     * XR_REFUSED for an unusable answer, with a message that says what is wrong; the caller puts the provider's name
     * before it, and has taken the keys out of text before. */
    enum xr_code (*read)(const struct xr_stage_config *stage, struct xr_call *call, const struct xr_response *response,
                         struct xr_err *err);
};

/* --- what adapters share --- */

/* The cut as a mono 16-bit WAV of XR_CLOUD_RATE, appended to out. XR_REFUSED when it does not fit; else as the cut's
 * reading fails. Looks at xr_call_check. */
XR_MUST_USE enum xr_code xr_cut_to_wav(const struct xr_call *call, const struct xr_cut *cut, struct xr_buf *out,
                                       struct xr_err *err);
/* text percent-encoded (RFC 3986: all but unreserved characters) as one segment of a path; NULL when out of memory. */
const char *xr_path_segment(struct xr_arena *arena, const char *text);
