// SPDX-License-Identifier: Apache-2.0
#include "otlp/attrs.h"
#include "base/limits.h"
#include <stdlib.h>

/* Up to so many attributes each is compared with each, which is faster than sorting them. */
enum { PAIRWISE_MAX = 32, FIRST_CAP = 64 };

const struct xr_attr *xr_attr_find(const struct xr_attrs *attrs, struct xr_str key) {
    for (size_t i = 0; i < attrs->count; i++)
        if (xr_str_eq(attrs->items[i].key, key))
            return &attrs->items[i];
    return NULL;
}

void xr_attr_write(struct xr_json *j, const struct xr_attr *attr) {
    switch (attr->kind) {
    case XR_ATTR_STRING:
        xr_json_str(j, attr->text);
        break;
    case XR_ATTR_INT:
        xr_json_int(j, attr->integer);
        break;
    case XR_ATTR_DOUBLE:
        xr_json_number(j, attr->real);
        break;
    case XR_ATTR_BOOL:
        xr_json_bool(j, attr->boolean);
        break;
    case XR_ATTR_JSON:
        xr_json_raw(j, attr->text);
        break;
    }
}

static enum xr_code no_memory(struct xr_err *err) {
    return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
}

enum xr_code xr_attr_list_add(struct xr_attr_list *list, const struct xr_attr *attr, struct xr_err *err) {
    if (list->count == XR_OTLP_ATTRS_MAX)
        return xr_fail(err, XR_TOO_LARGE, NULL, "a span or resource has more than %u attributes", XR_OTLP_ATTRS_MAX);
    if (list->count == list->cap) {
        size_t cap = list->cap ? 2 * list->cap : FIRST_CAP;
        struct xr_attr *items = realloc(list->items, cap * sizeof *items);
        if (!items)
            return no_memory(err);
        list->items = items;
        list->cap = cap;
    }
    list->items[list->count++] = *attr;
    return XR_OK;
}

static void merge_pairwise(struct xr_attr_list *list) {
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t k = 0;
        while (k < kept && !xr_str_eq(list->items[k].key, list->items[i].key))
            k++;
        if (k < i)
            list->items[k] = list->items[i];
        kept += k == kept;
    }
    list->count = kept;
}

/* By key, and those with the same key in their order. */
static int compare(const void *a, const void *b, void *items) {
    uint32_t i = *(const uint32_t *)a, k = *(const uint32_t *)b;
    struct xr_str x = ((const struct xr_attr *)items)[i].key, y = ((const struct xr_attr *)items)[k].key;
    if (x.len != y.len)
        return x.len < y.len ? -1 : 1;
    int order = x.len ? memcmp(x.ptr, y.ptr, x.len) : 0;
    return order ? order : (i > k) - (i < k);
}

static enum xr_code merge_sorted(struct xr_attr_list *list, struct xr_err *err) {
    struct xr_attr *items = list->items;
    uint32_t *order = malloc(list->count * sizeof *order);
    bool *repeats = calloc(list->count, sizeof *repeats);
    size_t kept = 0, first = 0;
    if (!order || !repeats) {
        free(order);
        free(repeats);
        return no_memory(err);
    }
    for (size_t i = 0; i < list->count; i++)
        order[i] = (uint32_t)i;
    qsort_r(order, list->count, sizeof *order, compare, items);
    for (size_t i = 1; i < list->count; i++) {
        if (!xr_str_eq(items[order[first]].key, items[order[i]].key)) {
            first = i;
            continue;
        }
        items[order[first]] = items[order[i]];
        repeats[order[i]] = true;
    }
    for (size_t i = 0; i < list->count; i++)
        if (!repeats[i])
            items[kept++] = items[i];
    list->count = kept;
    free(order);
    free(repeats);
    return XR_OK;
}

enum xr_code xr_attr_list_merge(struct xr_attr_list *list, struct xr_err *err) {
    if (list->count > PAIRWISE_MAX)
        return merge_sorted(list, err);
    merge_pairwise(list);
    return XR_OK;
}

void xr_attr_list_clear(struct xr_attr_list *list) {
    free(list->items);
    *list = (struct xr_attr_list){0};
}
