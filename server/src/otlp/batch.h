// SPDX-License-Identifier: Apache-2.0
/* otlp/batch.h - from the bytes of a request to the rows that are to be stored. Pure; one thread a call. */
#pragma once
#include "base/uuid.h"
#include "otlp/decode.h"
#include "otlp/vocabulary.h"

enum xr_otlp_encoding { XR_OTLP_JSON, XR_OTLP_PROTOBUF };

/* One span to store. */
struct xr_span_new {
    struct xr_uuid replay; /* as the span names it; whether there is one, the store knows */
    struct xr_id trace_id, span_id, parent_span_id;
    int vocabulary; /* stored number */
    int64_t started_ns, ended_ns;
    struct xr_str name;
    struct xr_str attributes_json;
    const struct xr_extract *extract; /* NULL: nothing */
};

struct xr_span_batch {
    struct xr_span_new *rows; /* in the body's order */
    size_t count;
    /* Spans of the body that are not among the rows. */
    size_t unnamed; /* name no replay, or one that is no id */
    size_t unrecognised; /* no vocabulary knows them */
};

/* As xr_otlp_decode_*; all of *ret_batch is in body and arena. body: see xr_otlp_decode_json. */
XR_MUST_USE enum xr_code xr_span_batch_read(enum xr_otlp_encoding encoding, char *body, size_t len,
                                            struct xr_arena *arena, struct xr_span_batch *ret_batch,
                                            struct xr_otlp_refusal *ret_refusal, struct xr_err *err);
