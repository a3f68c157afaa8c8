// SPDX-License-Identifier: Apache-2.0
/* What must hold of every span that a decoder hands out, whatever the bytes were. */
#pragma once
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "otlp/decode.h"
#include <math.h>
#include <stdlib.h>

struct otlp_seen {
    size_t spans;
};

static inline void otlp_check(bool holds) {
    if (!holds)
        abort();
}

static inline void otlp_check_id(struct xr_id id, size_t size) {
    if (id.is_text)
        otlp_check(id.value.ptr && xr_utf8_valid(id.value));
    else
        otlp_check(id.value.ptr ? id.value.len == size : id.value.len == 0);
}

static inline void otlp_check_attrs(const struct xr_attrs *attrs) {
    for (size_t i = 0; i < attrs->count; i++) {
        const struct xr_attr *attr = &attrs->items[i];
        otlp_check(xr_utf8_valid(attr->key));
        otlp_check(xr_attr_find(attrs, attr->key) == attr); /* no key comes twice */
        if (attr->kind == XR_ATTR_STRING)
            otlp_check(xr_utf8_valid(attr->text));
        if (attr->kind == XR_ATTR_DOUBLE)
            otlp_check(isfinite(attr->real));
        if (attr->kind == XR_ATTR_JSON) {
            yyjson_doc *doc = NULL;
            otlp_check(xr_json_parse(attr->text, XR_OTLP_DEPTH_MAX, &doc, NULL) == XR_OK);
            yyjson_doc_free(doc);
        }
    }
}

static inline enum xr_code otlp_take(void *ctx, const struct xr_span *span, struct xr_err *err) {
    struct otlp_seen *seen = ctx;
    (void)err;
    seen->spans++;
    otlp_check_id(span->trace_id, XR_TRACE_ID_SIZE);
    otlp_check_id(span->span_id, XR_SPAN_ID_SIZE);
    otlp_check_id(span->parent_span_id, XR_SPAN_ID_SIZE);
    otlp_check(span->trace_id.value.ptr && span->span_id.value.ptr);
    otlp_check(!span->parent_span_id.is_text || span->parent_span_id.value.len > 0);
    otlp_check(xr_utf8_valid(span->name));
    otlp_check(span->started_ns >= 0 && span->ended_ns >= 0);
    otlp_check_attrs(&span->attrs);
    otlp_check_attrs(span->resource);
    return XR_OK;
}

/* The refusal that goes with a code. */
static inline void otlp_check_result(enum xr_code code, const struct otlp_seen *seen,
                                     const struct xr_otlp_refusal *refusal, const struct xr_err *err) {
    otlp_check(code == XR_OK || code == XR_INVALID || code == XR_NO_MEMORY || code == XR_TOO_LARGE);
    otlp_check(seen->spans <= XR_OTLP_SPANS_MAX);
    if (code != XR_INVALID)
        return;
    otlp_check(err->message[0] && xr_utf8_valid(xr_str_from(err->message)));
    otlp_check((refusal->fault == XR_OTLP_SPANS) == (refusal->received > XR_OTLP_SPANS_MAX));
    otlp_check(refusal->fault != XR_OTLP_SPANS || seen->spans == 0);
    otlp_check(refusal->fault != XR_OTLP_WIRE_TYPE || (refusal->wire_type > 2 && refusal->wire_type != 5));
}
