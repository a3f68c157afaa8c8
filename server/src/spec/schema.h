// SPDX-License-Identifier: Apache-2.0
/* spec/schema.h - the shape of a conversation as tables: which members an object has, of what type, within which
 * bounds, and where they live in the structs of spec.h. The reader (fields.h) and the canonical writer walk the same
 * tables, so what is read is what is written. For the spec folder only. Pure; any thread. */
#pragma once
#include "base/err.h"
#include "base/json.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A conversation has two forms: what a client sends, and the canonical object that is hashed and stored. */
enum { XR_FORM_REQUEST = 1, XR_FORM_CANONICAL = 2 };

enum xr_field_type {
    XR_FIELD_STRING, /* struct xr_str of min..max UTF-16 units */
    XR_FIELD_BOOL, /* bool */
    XR_FIELD_INT, /* int64_t within min..max */
    XR_FIELD_CHOICE, /* an enum: the index into names */
    XR_FIELD_KIND, /* a choice that decides which of its neighbours apply; read before them */
    XR_FIELD_CONST, /* always names[0]; not stored */
    XR_FIELD_SHA256, /* uint8_t[XR_SHA256_SIZE], hex outside */
    XR_FIELD_UUID, /* char[XR_UUID_TEXT + 1] */
    XR_FIELD_ARGS, /* yyjson_val *: any object, at most XR_JSON_DEPTH_MAX levels */
    XR_FIELD_OBJECT, /* another record over the same struct; absent when its kind has no name (0) */
    XR_FIELD_LIST, /* a pointer to at most max structs of `record`, their number at `count` */
    XR_FIELD_TYPE_COUNT
};

struct xr_record;
struct xr_field {
    const char *name;
    enum xr_field_type type;
    bool optional;
    bool omit_false; /* a bool that is written only when true */
    size_t offset; /* of the value in the struct */
    size_t present; /* of a bool that says whether the member was there; 0: none, an absent one has its default */
    size_t count; /* of a list's size_t */
    int64_t min, max;
    int64_t fallback; /* what an absent bool or int is; absent strings and lists are empty */
    unsigned forms; /* XR_FORM_*; 0: both */
    unsigned kinds; /* bits of the kinds it applies to; 0: all */
    const char *const *names; /* of a choice; a NULL name is no choice */
    size_t name_count;
    const char *alphabet, *pattern; /* characters a string may hold, and how that is told */
    const struct xr_record *record; /* of an object or list */
};

struct xr_record {
    const struct xr_field *fields; /* in the order of their names, which is the canonical order */
    size_t count;
    size_t size; /* of the struct */
};

extern const struct xr_record XR_SPEC_RECORD; /* over struct xr_spec */

/* The field that decides which others apply; NULL if all do. */
const struct xr_field *xr_record_kind_field(const struct xr_record *record);
/* The value of that field in a struct; 0 without one. */
unsigned xr_record_kind(const struct xr_record *record, const void *object);
bool xr_field_applies(const struct xr_field *field, unsigned form, unsigned kind);

/* Where a value is, from the inside out: a list on the stack of whoever walks. The root has neither parent nor key. */
struct xr_path {
    const struct xr_path *parent;
    const char *key; /* NULL: an element of an array */
    size_t index;
};
/* "turns[0].assertions[1].text"; "" for the root. */
void xr_path_format(const struct xr_path *path, char out[XR_ERR_PATH_MAX]);

/* True if value has at most max levels of objects and arrays. Recursion stops at max. */
bool xr_json_depth_within(yyjson_val *value, int max);
