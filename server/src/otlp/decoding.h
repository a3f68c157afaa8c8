// SPDX-License-Identifier: Apache-2.0
/* otlp/decoding.h - what the decoders of both encodings share. Pure; one thread a decoding. */
#pragma once
#include "base/buf.h"
#include "base/json.h"
#include "otlp/attrs.h"
#include "otlp/decode.h"

/* How far into a request. */
enum xr_otlp_level { XR_OTLP_REQUEST, XR_OTLP_RESOURCE_SPANS, XR_OTLP_RESOURCE, XR_OTLP_SCOPE_SPANS, XR_OTLP_SPAN };

struct xr_decoding {
    struct xr_arena *arena;
    const struct xr_span_sink *sink;
    struct xr_otlp_refusal *refusal;
    struct xr_err *err;
    /* Where the decoding is: indexes below `level` have no meaning. */
    enum xr_otlp_level level;
    size_t resource_index, scope_index, span_index;
    /* Scratch that is used again for each span. */
    struct xr_attr_list span_attrs, resource_attrs;
    struct xr_buf text; /* of the array or key-value list that is being written */
    const struct xr_attrs *resource; /* NULL until a span needs it */
    size_t spans; /* counted */
};

struct xr_decoding xr_decoding_start(struct xr_arena *arena, const struct xr_span_sink *sink,
                                     struct xr_otlp_refusal *refusal, struct xr_err *err);
void xr_decoding_end(struct xr_decoding *d); /* frees the scratch */

/* XR_INVALID, with the path of where the decoding is; `below` goes on from there ("" for nothing). */
XR_MUST_USE enum xr_code xr_decoding_refuse(struct xr_decoding *d, const char *below, const char *fmt, ...)
    XR_PRINTF(3, 4);
XR_MUST_USE enum xr_code xr_decoding_refuse_wire_type(struct xr_decoding *d, unsigned wire_type);
XR_MUST_USE enum xr_code xr_decoding_refuse_depth(struct xr_decoding *d);
/* XR_OK if a request may have the spans that were counted. */
XR_MUST_USE enum xr_code xr_decoding_check_count(struct xr_decoding *d);
XR_MUST_USE enum xr_code xr_decoding_no_memory(struct xr_decoding *d);

/* The attributes of a resource are all in d->resource_attrs. */
XR_MUST_USE enum xr_code xr_decoding_resource_done(struct xr_decoding *d);
/* Those of a span are all in d->span_attrs: hands it to the sink. */
XR_MUST_USE enum xr_code xr_decoding_span_done(struct xr_decoding *d, struct xr_span *span);

/* What an AnyValue of either encoding is. */
enum xr_any_kind { XR_ANY_NONE, XR_ANY_SCALAR, XR_ANY_ARRAY, XR_ANY_KVLIST };
/* The text in d->text moves to the arena, as attr's value. */
XR_MUST_USE enum xr_code xr_decoding_take_text(struct xr_decoding *d, struct xr_attr *attr);
