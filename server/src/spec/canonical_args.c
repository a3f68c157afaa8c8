// SPDX-License-Identifier: Apache-2.0
#include "base/text.h"
#include "spec/canonical.h"
#include <math.h>
#include <stdlib.h>

#define EXACT_INTEGER_MAX 9007199254740992.0 /* 2^53: up to it, a double's integer digits are all its own */

struct member {
    struct xr_str key;
    yyjson_val *value;
    size_t position; /* in the source */
};

/* By key; of equal keys the later first, so that the one that counts leads its group. */
static int compare_members(const void *a, const void *b) {
    const struct member *x = a, *y = b;
    int order = xr_utf16_compare(x->key, y->key);
    if (order != 0)
        return order;
    return (x->position < y->position) - (x->position > y->position);
}

static size_t drop_repeated(struct member *members, size_t n) {
    size_t kept = 0;
    for (size_t i = 0; i < n; i++) {
        if (kept == 0 || !xr_str_eq(members[kept - 1].key, members[i].key))
            members[kept++] = members[i];
    }
    return kept;
}

static enum xr_code write_object(struct xr_json *j, struct xr_arena *scratch, yyjson_val *object, int max_depth) {
    yyjson_val *key, *value;
    size_t i, n;
    struct member *members = xr_arena_array(scratch, yyjson_obj_size(object), sizeof *members);
    if (!members)
        return XR_NO_MEMORY;
    yyjson_obj_foreach(object, i, n, key, value) members[i] =
        (struct member){.key = xr_json_get_str(key), .value = value, .position = i};
    qsort(members, n, sizeof *members, compare_members);
    n = drop_repeated(members, n);
    xr_json_object(j);
    for (i = 0; i < n; i++) {
        xr_json_key(j, members[i].key);
        enum xr_code code = xr_canonical_value(j, scratch, members[i].value, max_depth - 1);
        if (code != XR_OK)
            return code;
    }
    xr_json_object_end(j);
    return XR_OK;
}

static enum xr_code write_array(struct xr_json *j, struct xr_arena *scratch, yyjson_val *array, int max_depth) {
    yyjson_val *item;
    size_t i, n;
    xr_json_array(j);
    yyjson_arr_foreach(array, i, n, item) {
        enum xr_code code = xr_canonical_value(j, scratch, item, max_depth - 1);
        if (code != XR_OK)
            return code;
    }
    xr_json_array_end(j);
    return XR_OK;
}

static void write_number(struct xr_json *j, double v) {
    /* The shortest digits of a real are searched for; an integer has them at hand. */
    if (v == trunc(v) && fabs(v) <= EXACT_INTEGER_MAX)
        xr_json_int(j, (int64_t)v);
    else
        xr_json_number(j, v);
}

enum xr_code xr_canonical_value(struct xr_json *j, struct xr_arena *scratch, yyjson_val *value, int max_depth) {
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_OBJ:
        return max_depth > 0 ? write_object(j, scratch, value, max_depth) : XR_TOO_LARGE;
    case YYJSON_TYPE_ARR:
        return max_depth > 0 ? write_array(j, scratch, value, max_depth) : XR_TOO_LARGE;
    case YYJSON_TYPE_STR:
        xr_json_str(j, xr_json_get_str(value));
        return XR_OK;
    case YYJSON_TYPE_NUM:
        write_number(j, yyjson_get_num(value));
        return XR_OK;
    case YYJSON_TYPE_BOOL:
        xr_json_bool(j, yyjson_get_bool(value));
        return XR_OK;
    default:
        xr_json_null(j);
        return XR_OK;
    }
}
