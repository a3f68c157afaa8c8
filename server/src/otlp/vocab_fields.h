// SPDX-License-Identifier: Apache-2.0
/* otlp/vocab_fields.h - what vocabularies share: a value that may go by several names, read as a string, a count, a
 * duration or JSON. "Present" means there with a kind that the reader can use; of several names the first present one
 * counts, whatever its value. Pure; any thread. */
#pragma once
#include "base/arena.h"
#include "base/err.h"
#include "base/json.h"
#include "otlp/attrs.h"

/* A string of a static table. */
#define XR_NAME(literal) {.ptr = (literal), .len = sizeof(literal) - 1}

/* A field's names, the one that is preferred first; the rest is zero. */
enum { XR_NAMES_MAX = 4 };
struct xr_names {
    struct xr_str items[XR_NAMES_MAX];
};

static inline bool xr_field_begins(struct xr_str s, struct xr_str prefix) {
    return s.len >= prefix.len && memcmp(s.ptr, prefix.ptr, prefix.len) == 0;
}
/* Some key begins with prefix. */
bool xr_field_any(const struct xr_attrs *attrs, struct xr_str prefix);

/* Strings only. ptr NULL: absent. */
struct xr_str xr_field_string(const struct xr_attrs *attrs, const struct xr_names *names);
/* A number of tokens: an integer, an integral double or a decimal string. -1: absent, negative or beyond int64. */
int64_t xr_field_count(const struct xr_attrs *attrs, const struct xr_names *names);
/* A number of seconds (integer, double or numeric string) in milliseconds, half a one rounded away from zero. -1:
 * absent, negative, not finite or beyond 2^53. */
int64_t xr_field_seconds(const struct xr_attrs *attrs, const struct xr_names *names);
/* Any kind, as compact JSON in the arena. A string that is JSON is written again; another one, or one that is nested
 * deeper than XR_OTLP_ARGS_DEPTH_MAX or longer than XR_OTLP_ARGS_MAX, becomes a JSON string. ret_json->ptr NULL:
 * absent. */
XR_MUST_USE enum xr_code xr_field_json(const struct xr_attrs *attrs, const struct xr_names *names,
                                       struct xr_arena *arena, struct xr_str *ret_json, struct xr_err *err);

/* What was written, in the arena. XR_NO_MEMORY also when writing it failed. */
XR_MUST_USE enum xr_code xr_field_copy(const struct xr_buf *buf, struct xr_arena *arena, struct xr_str *ret_text,
                                       struct xr_err *err);

/* A decimal string as a count; false if it is none. Negative or beyond int64: true and -1. */
bool xr_count_parse(struct xr_str text, int64_t *ret_count);
/* A double as a count; false if it is not integral. */
bool xr_count_from(double real, int64_t *ret_count);
/* The sum of those that are known (not negative); -1 if neither is, or beyond int64. */
int64_t xr_count_sum(int64_t a, int64_t b);
