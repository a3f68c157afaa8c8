// SPDX-License-Identifier: Apache-2.0
/* http/spans_reply.h - what the OTLP receiver answers. Request thread. */
#pragma once
#include "http/request.h"
#include "otlp/batch.h"
#include "store/spans.h"

struct xr_spans_answer {
    enum xr_otlp_encoding encoding;
    const struct xr_span_batch *batch;
    const struct xr_span_counts *counts;
    const struct xr_otlp_refusal *refusal;
};
/* 200: an ExportTraceServiceResponse in the caller's encoding. `partialSuccess` is always there; errorMessage says why
 * spans were rejected. */
void xr_reply_spans(struct xr_request *req, const struct xr_spans_answer *answer);
/* 400: the body is refused as a whole. err: what XR_OTLP_BODY found. */
void xr_reply_spans_refused(struct xr_request *req, const struct xr_spans_answer *answer, const struct xr_err *err);
/* 415 for a Content-Encoding that is not undone. */
void xr_reply_unsupported_encoding(struct xr_request *req, struct xr_str encoding);
