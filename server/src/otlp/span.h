// SPDX-License-Identifier: Apache-2.0
/* otlp/span.h - a span as its sender meant it, whatever the encoding. Pure values; they point into the request's body
 * and its arena. */
#pragma once
#include "base/str.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A trace's or a span's id. Of the standard's length (16 and 8 bytes) it is `bytes`, from JSON's hex or base64 too.
 * Anything else is text as it came (bytes of another length: their lower-case hex). ptr NULL: there is none, which only
 * a parent may be; an absent or empty trace or span id is empty text. */
enum { XR_TRACE_ID_SIZE = 16, XR_SPAN_ID_SIZE = 8 };
struct xr_id {
    struct xr_str value;
    bool is_text;
};

enum xr_attr_kind { XR_ATTR_STRING, XR_ATTR_INT, XR_ATTR_DOUBLE, XR_ATTR_BOOL, XR_ATTR_JSON };
/* One attribute. What has no value that JSON can hold (NaN, infinities, an empty value, an integer beyond int64) is
 * not among a span's attributes. */
struct xr_attr {
    struct xr_str key; /* valid UTF-8 */
    struct xr_str
        text; /* STRING: valid UTF-8 (bytes are base64). JSON: an array or key-value list as plain JSON text */
    union {
        int64_t integer;
        double real; /* finite */
        bool boolean;
    };
    enum xr_attr_kind kind;
};

/* A key that comes twice is here once, with its last value at its first place. */
struct xr_attrs {
    const struct xr_attr *items;
    size_t count;
};

struct xr_span {
    struct xr_id trace_id, span_id, parent_span_id;
    struct xr_str name; /* valid UTF-8 */
    int64_t started_ns, ended_ns; /* since 1970; 0 if absent, negative or no number, INT64_MAX beyond int64 */
    struct xr_attrs attrs;
    const struct xr_attrs
        *resource; /* its resource's; never NULL. Another resource of the request has another address */
};

/* NULL if absent. */
const struct xr_attr *xr_attr_find(const struct xr_attrs *attrs, struct xr_str key);
