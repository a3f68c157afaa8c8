// SPDX-License-Identifier: Apache-2.0
#include "spec/spec.h"

/* A copy in the arena, nothing for NULL; false when it does not fit. */
static bool copy(struct xr_arena *arena, const char *z, struct xr_str *ret_s) {
    if (!z)
        return true;
    *ret_s = xr_arena_str(arena, xr_str_from(z));
    return ret_s->ptr != NULL;
}

void xr_issues_add(struct xr_issues *issues, const char *path, const char *message, const char *expected,
                   const char *received) {
    struct xr_issue made = {0};
    issues->total++;
    if (issues->count >= XR_ISSUES_MAX)
        return;
    if (copy(issues->arena, path, &made.path) && copy(issues->arena, message, &made.message) &&
        copy(issues->arena, expected, &made.expected) && copy(issues->arena, received, &made.received))
        issues->items[issues->count++] = made;
}

const char *xr_json_type_name(yyjson_val *value) {
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_OBJ:
        return "object";
    case YYJSON_TYPE_ARR:
        return "array";
    case YYJSON_TYPE_STR:
        return "string";
    case YYJSON_TYPE_NUM:
        return yyjson_is_int(value) ? "integer" : "number";
    case YYJSON_TYPE_BOOL:
        return "boolean";
    case YYJSON_TYPE_NULL:
        return "null";
    default:
        return "nothing";
    }
}
