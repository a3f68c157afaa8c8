// SPDX-License-Identifier: Apache-2.0
#include "otlp/vocab_fields.h"
#include "base/limits.h"
#include <math.h>
#include <stdlib.h>

/* Digits of a numeric string that are looked at; no number that means something has more. */
enum { NUMBER_TEXT_MAX = 64 };
#define MS_MAX 9007199254740992.0 /* 2^53 */
#define INT64_END 9223372036854775808.0 /* 2^63 */

bool xr_field_any(const struct xr_attrs *attrs, struct xr_str prefix) {
    for (size_t i = 0; i < attrs->count; i++)
        if (xr_field_begins(attrs->items[i].key, prefix))
            return true;
    return false;
}

struct xr_str xr_field_string(const struct xr_attrs *attrs, const struct xr_names *names) {
    for (size_t i = 0; i < XR_NAMES_MAX && names->items[i].ptr; i++) {
        const struct xr_attr *attr = xr_attr_find(attrs, names->items[i]);
        if (attr && attr->kind == XR_ATTR_STRING)
            return attr->text.ptr ? attr->text : XR_STR("");
    }
    return (struct xr_str){0};
}

bool xr_count_parse(struct xr_str text, int64_t *ret_count) {
    size_t i = text.len > 1 && text.ptr[0] == '-' ? 1 : 0;
    bool fits = i == 0;
    int64_t count = 0;
    if (text.len == 0)
        return false;
    for (; i < text.len; i++) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return false;
        fits = fits && !__builtin_mul_overflow(count, 10, &count) &&
               !__builtin_add_overflow(count, text.ptr[i] - '0', &count);
    }
    *ret_count = fits ? count : -1;
    return true;
}

bool xr_count_from(double real, int64_t *ret_count) {
    if (real != trunc(real))
        return false;
    *ret_count = real >= 0 && real < INT64_END ? (int64_t)real : -1;
    return true;
}

int64_t xr_count_sum(int64_t a, int64_t b) {
    int64_t sum;
    if (a < 0 || b < 0)
        return a < 0 ? b : a;
    return __builtin_add_overflow(a, b, &sum) ? -1 : sum;
}

static bool count_of(const struct xr_attr *attr, int64_t *ret_count) {
    switch (attr->kind) {
    case XR_ATTR_INT:
        *ret_count = attr->integer < 0 ? -1 : attr->integer;
        return true;
    case XR_ATTR_DOUBLE:
        return xr_count_from(attr->real, ret_count);
    case XR_ATTR_STRING:
        return xr_count_parse(attr->text, ret_count);
    default:
        return false;
    }
}

int64_t xr_field_count(const struct xr_attrs *attrs, const struct xr_names *names) {
    int64_t count;
    for (size_t i = 0; i < XR_NAMES_MAX && names->items[i].ptr; i++) {
        const struct xr_attr *attr = xr_attr_find(attrs, names->items[i]);
        if (attr && count_of(attr, &count))
            return count < 0 ? -1 : count;
    }
    return -1;
}

/* strtod also takes spaces, hexadecimal, "inf" and "nan": those are no numbers here. */
static bool parse_real(struct xr_str text, double *ret_real) {
    char copy[NUMBER_TEXT_MAX + 1], *end;
    if (text.len == 0 || text.len > NUMBER_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (!(c >= '0' && c <= '9') && c != '.' && c != 'e' && c != 'E' && c != '+' && c != '-')
            return false;
        copy[i] = c;
    }
    copy[text.len] = '\0';
    *ret_real = strtod(copy, &end);
    return end == copy + text.len;
}

static bool real_of(const struct xr_attr *attr, double *ret_real) {
    switch (attr->kind) {
    case XR_ATTR_INT:
        *ret_real = (double)attr->integer;
        return true;
    case XR_ATTR_DOUBLE:
        *ret_real = attr->real;
        return true;
    case XR_ATTR_STRING:
        return parse_real(attr->text, ret_real);
    default:
        return false;
    }
}

int64_t xr_field_seconds(const struct xr_attrs *attrs, const struct xr_names *names) {
    double seconds;
    for (size_t i = 0; i < XR_NAMES_MAX && names->items[i].ptr; i++) {
        const struct xr_attr *attr = xr_attr_find(attrs, names->items[i]);
        if (!attr || !real_of(attr, &seconds))
            continue;
        double ms = round(seconds * 1000.0);
        return seconds >= 0 && ms <= MS_MAX ? (int64_t)ms : -1;
    }
    return -1;
}

static enum xr_code write_text(struct xr_json *j, struct xr_str text, struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    enum xr_code code =
        text.len <= XR_OTLP_ARGS_MAX ? xr_json_parse(text, XR_OTLP_ARGS_DEPTH_MAX, &doc, NULL) : XR_TOO_LARGE;
    if (code == XR_NO_MEMORY)
        return xr_fail(err, code, NULL, "a tool's arguments need too much memory");
    if (code != XR_OK) {
        xr_json_str(j, text);
        return XR_OK;
    }
    return xr_json_value(j, yyjson_doc_get_root(doc), XR_OTLP_ARGS_DEPTH_MAX);
}

static enum xr_code write_json(struct xr_json *j, const struct xr_attr *attr, struct xr_err *err) {
    if (attr->kind == XR_ATTR_STRING)
        return write_text(j, attr->text, err);
    xr_attr_write(j, attr);
    return XR_OK;
}

enum xr_code xr_field_copy(const struct xr_buf *buf, struct xr_arena *arena, struct xr_str *ret_text,
                           struct xr_err *err) {
    if (buf->over)
        return xr_fail(err, XR_TOO_LARGE, NULL, "the attributes of a span take more than %zu bytes as JSON", buf->max);
    struct xr_str copy = buf->failed ? (struct xr_str){0} : xr_arena_str(arena, xr_buf_view(buf));
    if (!copy.ptr)
        return xr_fail(err, XR_NO_MEMORY, NULL, "the attributes of a span need too much memory");
    *ret_text = copy;
    return XR_OK;
}

enum xr_code xr_field_json(const struct xr_attrs *attrs, const struct xr_names *names, struct xr_arena *arena,
                           struct xr_str *ret_json, struct xr_err *err) {
    const struct xr_attr *attr = NULL;
    for (size_t i = 0; !attr && i < XR_NAMES_MAX && names->items[i].ptr; i++)
        attr = xr_attr_find(attrs, names->items[i]);
    if (!attr) {
        *ret_json = (struct xr_str){0};
        return XR_OK;
    }
    XR_AUTO(xr_buf_clear) struct xr_buf buf = xr_buf_make(XR_OTLP_ARENA_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    enum xr_code code = write_json(&j, attr, err);
    return code == XR_OK ? xr_field_copy(&buf, arena, ret_json, err) : code;
}
