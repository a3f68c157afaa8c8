// SPDX-License-Identifier: Apache-2.0
#include "evaluate/args_match.h"
#include "base/limits.h"
#include <stdlib.h>

struct member {
    struct xr_str key;
    size_t position; /* in the text */
    yyjson_val *value;
};

static void members_free(struct member *members) {
    free(members);
}
XR_DEFINE_FREEP(struct member, members_free)

static int compare_keys(struct xr_str a, struct xr_str b) {
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n > 0 ? memcmp(a.ptr, b.ptr, n) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare_members(const void *left, const void *right) {
    const struct member *a = left, *b = right;
    int order = compare_keys(a->key, b->key);
    return order != 0 ? order : (a->position > b->position) - (a->position < b->position);
}

/* The object's members by key, the last of duplicates only. Sorted, so that matching two large objects stays far from
 * quadratic. NULL: out of memory. */
static struct member *sort_members(yyjson_val *object, size_t *ret_count) {
    size_t i, n, kept = 0, count = yyjson_obj_size(object);
    yyjson_val *key, *value;
    struct member *members = calloc(count + 1, sizeof *members);
    if (!members)
        return NULL;
    yyjson_obj_foreach(object, i, n, key, value) {
        members[i] = (struct member){.key = xr_json_get_str(key), .position = i, .value = value};
    }
    qsort(members, count, sizeof *members, compare_members);
    for (i = 0; i < count; i++)
        if (i + 1 == count || !xr_str_eq(members[i].key, members[i + 1].key))
            members[kept++] = members[i];
    *ret_count = kept;
    return members;
}

static enum xr_code match_value(yyjson_val *expected, yyjson_val *actual, int depth, bool *ret_match);

static enum xr_code match_object(yyjson_val *expected, yyjson_val *actual, int depth, bool *ret_match) {
    size_t want_count = 0, have_count = 0, k = 0;
    XR_AUTO(members_freep) struct member *want = sort_members(expected, &want_count);
    XR_AUTO(members_freep) struct member *have = sort_members(actual, &have_count);
    bool same = true;
    if (!want || !have)
        return XR_NO_MEMORY;
    for (size_t i = 0; same && i < want_count; i++) {
        while (k < have_count && compare_keys(have[k].key, want[i].key) < 0)
            k++;
        same = k < have_count && xr_str_eq(have[k].key, want[i].key);
        enum xr_code code = same ? match_value(want[i].value, have[k].value, depth - 1, &same) : XR_OK;
        if (code != XR_OK)
            return code;
    }
    *ret_match = same;
    return XR_OK;
}

static enum xr_code match_array(yyjson_val *expected, yyjson_val *actual, int depth, bool *ret_match) {
    struct yyjson_arr_iter want = yyjson_arr_iter_with(expected), have = yyjson_arr_iter_with(actual);
    bool same = yyjson_arr_size(expected) == yyjson_arr_size(actual);
    while (same && yyjson_arr_iter_has_next(&want)) {
        enum xr_code code = match_value(yyjson_arr_iter_next(&want), yyjson_arr_iter_next(&have), depth - 1, &same);
        if (code != XR_OK)
            return code;
    }
    *ret_match = same;
    return XR_OK;
}

static bool match_scalar(yyjson_val *expected, yyjson_val *actual) {
    switch (yyjson_get_type(expected)) {
    case YYJSON_TYPE_STR:
        return xr_str_eq(xr_json_get_str(expected), xr_json_get_str(actual));
    case YYJSON_TYPE_NUM:
        return yyjson_get_num(expected) == yyjson_get_num(actual);
    case YYJSON_TYPE_BOOL:
        return yyjson_get_bool(expected) == yyjson_get_bool(actual);
    default:
        return yyjson_is_null(expected);
    }
}

/* Both values were parsed with a depth bound, so depth never runs out before they do; it bounds the recursion all the
 * same if a caller forgets. */
static enum xr_code match_value(yyjson_val *expected, yyjson_val *actual, int depth, bool *ret_match) {
    if (yyjson_get_type(expected) != yyjson_get_type(actual) || depth < 0) {
        *ret_match = false;
        return XR_OK;
    }
    if (yyjson_is_obj(expected))
        return match_object(expected, actual, depth, ret_match);
    if (yyjson_is_arr(expected))
        return match_array(expected, actual, depth, ret_match);
    *ret_match = match_scalar(expected, actual);
    return XR_OK;
}

enum xr_code xr_args_match(yyjson_val *expected, struct xr_str args_json, bool *ret_match, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    struct xr_str text = {.ptr = args_json.len > 0 ? args_json.ptr : "", .len = args_json.len};
    enum xr_code code = xr_json_parse(text, XR_JSON_DEPTH_MAX, &doc, NULL);
    bool same = false;
    if (code == XR_OK)
        code = match_value(expected, yyjson_doc_get_root(doc), XR_JSON_DEPTH_MAX, &same);
    if (code == XR_NO_MEMORY)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *ret_match = same;
    return XR_OK;
}
