// SPDX-License-Identifier: Apache-2.0
/* otlp/attrs.h - the attributes of one span or resource while they are read; one list serves one after the other.
 * Pure; one thread at a time. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include "otlp/span.h"

/* The attribute's value as JSON of its own kind: a string stays one. */
void xr_attr_write(struct xr_json *j, const struct xr_attr *attr);

struct xr_attr_list {
    struct xr_attr *items; /* malloc'd */
    size_t count, cap;
};

/* XR_TOO_LARGE beyond XR_OTLP_ATTRS_MAX, XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_attr_list_add(struct xr_attr_list *list, const struct xr_attr *attr, struct xr_err *err);
/* Makes one of those with the same key: the last value, at the first one's place. XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_attr_list_merge(struct xr_attr_list *list, struct xr_err *err);
static inline struct xr_attrs xr_attr_list_view(const struct xr_attr_list *list) {
    return (struct xr_attrs){.items = list->items, .count = list->count};
}
void xr_attr_list_clear(struct xr_attr_list *list); /* frees; the list may be used again */
