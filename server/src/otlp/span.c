// SPDX-License-Identifier: Apache-2.0
#include "otlp/span.h"

const struct xr_attr *xr_attr_find(const struct xr_attrs *attrs, struct xr_str key) {
    for (size_t i = 0; i < attrs->count; i++)
        if (xr_str_eq(attrs->items[i].key, key))
            return &attrs->items[i];
    return NULL;
}
