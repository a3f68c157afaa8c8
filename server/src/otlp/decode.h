// SPDX-License-Identifier: Apache-2.0
/* otlp/decode.h - an ExportTraceServiceRequest (opentelemetry-proto, trace/v1) in either encoding, as a sequence of
 * spans. No clock, no file, no lock; one thread a call. Recursion ends at XR_OTLP_DEPTH_MAX; memory is the arena's,
 * for JSON yyjson's values, at most XR_OTLP_VALUES_MAX, and scratch for one span's attributes that is freed at the end.
 *
 * Lenient where senders differ: see decode_json.c and decode_protobuf.c. What is an attribute's fault costs that
 * attribute only. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "otlp/span.h"

/* Why a body is refused as a whole, as the API names it. */
enum xr_otlp_fault {
    XR_OTLP_BODY, /* invalid_otlp_body: err has path and message */
    XR_OTLP_SPANS, /* too_many_spans_per_request */
    XR_OTLP_WIRE_TYPE, /* unsupported_wire_type: 3, 4 (groups), 6, 7 */
    XR_OTLP_DEPTH /* protobuf_nesting_too_deep */
};
struct xr_otlp_refusal {
    enum xr_otlp_fault fault;
    size_t received; /* SPANS: how many there were */
    unsigned wire_type; /* WIRE_TYPE */
};

/* Called for each span in the body's order, only after the whole body's spans have been counted. The span and what it
 * points to besides body and arena are valid during the call only. A code other than XR_OK ends the decoding with it.
 */
struct xr_span_sink {
    enum xr_code (*take)(void *ctx, const struct xr_span *span, struct xr_err *err);
    void *ctx;
};

/* What a span points to is valid as long as body and arena are.
 * XR_INVALID: *ret_refusal says why (the only code that writes it). XR_NO_MEMORY, XR_TOO_LARGE (more than
 * XR_OTLP_VALUES_MAX of values, XR_OTLP_ATTRS_MAX attributes of one span, or XR_OTLP_ARENA_MAX of one attribute as
 * JSON). Spans may have been handed to the sink before a failure: whoever keeps them drops them then.
 *
 * JSON is decoded in place: body has room for XR_OTLP_PADDING more bytes behind len, and is no more what it was. */
enum { XR_OTLP_PADDING = 4 };
XR_MUST_USE enum xr_code xr_otlp_decode_json(char *body, size_t len, struct xr_arena *arena,
                                             const struct xr_span_sink *sink, struct xr_otlp_refusal *ret_refusal,
                                             struct xr_err *err);
XR_MUST_USE enum xr_code xr_otlp_decode_protobuf(struct xr_str body, struct xr_arena *arena,
                                                 const struct xr_span_sink *sink, struct xr_otlp_refusal *ret_refusal,
                                                 struct xr_err *err);
