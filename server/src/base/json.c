// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Below it ten times a number is an exact integer. */
#define DECIMAL_MAX 1e15

struct xr_json xr_json_make(struct xr_buf *buf, enum xr_json_style style) {
    return (struct xr_json){.buf = buf, .style = style};
}

static void separate(struct xr_json *j) {
    if (j->comma)
        xr_buf_char(j->buf, ',');
    j->comma = true;
}

static void open_bracket(struct xr_json *j, char c) {
    separate(j);
    xr_buf_char(j->buf, c);
    j->comma = false;
}

static void close_bracket(struct xr_json *j, char c) {
    xr_buf_char(j->buf, c);
    j->comma = true;
}

void xr_json_object(struct xr_json *j) {
    open_bracket(j, '{');
}

void xr_json_object_end(struct xr_json *j) {
    close_bracket(j, '}');
}

void xr_json_array(struct xr_json *j) {
    open_bracket(j, '[');
}

void xr_json_array_end(struct xr_json *j) {
    close_bracket(j, ']');
}

/* Escaped at once, so that a string takes what it may need at most before it is known how much it does need. */
enum { ESCAPED_AT_ONCE = 1024 };

/* How much of s is escaped next: whole code points. */
static size_t piece_length(struct xr_str s) {
    size_t n = ESCAPED_AT_ONCE;
    if (s.len <= n)
        return s.len;
    while (n > ESCAPED_AT_ONCE - 4 && ((unsigned char)s.ptr[n] & 0xC0) == 0x80)
        n--;
    return n;
}

static void write_piece(struct xr_json *j, struct xr_str s) {
    struct xr_buf *buf = j->buf;
    size_t worst = XR_JSON_ESCAPE_MAX * s.len;
    if (worst <= buf->max - buf->len) {
        char *to = xr_buf_reserve(buf, worst);
        if (to)
            buf->len += xr_json_escape(s, j->style, to);
    } else { /* near the end of the buffer it may still fit */
        char out[XR_JSON_ESCAPE_MAX * ESCAPED_AT_ONCE];
        xr_buf_append(buf, out, xr_json_escape(s, j->style, out));
    }
}

void xr_json_str(struct xr_json *j, struct xr_str s) {
    separate(j);
    xr_buf_char(j->buf, '"');
    while (s.len > 0) {
        struct xr_str piece = {.ptr = s.ptr, .len = piece_length(s)};
        write_piece(j, piece);
        s = (struct xr_str){.ptr = s.ptr + piece.len, .len = s.len - piece.len};
    }
    xr_buf_char(j->buf, '"');
}

size_t xr_json_str_size(struct xr_str s) {
    char out[XR_JSON_ESCAPE_MAX * ESCAPED_AT_ONCE];
    size_t size = 0;
    while (s.len > 0) {
        struct xr_str piece = {.ptr = s.ptr, .len = piece_length(s)};
        size += xr_json_escape(piece, XR_JSON_RESPONSE, out);
        s = (struct xr_str){.ptr = s.ptr + piece.len, .len = s.len - piece.len};
    }
    return size;
}

void xr_json_key(struct xr_json *j, struct xr_str key) {
    xr_json_str(j, key);
    xr_buf_char(j->buf, ':');
    j->comma = false;
}

/* Decimal, without a printf: a detail has ten thousands of numbers. */
static void write_digits(struct xr_buf *buf, uint64_t v) {
    enum { DIGITS_MAX = 20 };
    char out[DIGITS_MAX], *first = out + DIGITS_MAX;
    do {
        *--first = (char)('0' + v % 10);
        v /= 10;
    } while (v > 0);
    xr_buf_append(buf, first, (size_t)(out + DIGITS_MAX - first));
}

void xr_json_raw(struct xr_json *j, struct xr_str json) {
    separate(j);
    xr_buf_str(j->buf, json);
}

void xr_json_int(struct xr_json *j, int64_t v) {
    separate(j);
    if (v < 0)
        xr_buf_char(j->buf, '-');
    write_digits(j->buf, v < 0 ? -(uint64_t)v : (uint64_t)v);
}

void xr_json_bool(struct xr_json *j, bool v) {
    xr_json_raw(j, v ? XR_STR("true") : XR_STR("false"));
}

void xr_json_null(struct xr_json *j) {
    xr_json_raw(j, XR_STR("null"));
}

void xr_json_number(struct xr_json *j, double v) {
    char out[XR_NUMBER_MAX];
    size_t n = xr_number_format(v, out);
    xr_json_raw(j, (struct xr_str){.ptr = out, .len = n});
}

void xr_json_decimal1(struct xr_json *j, double v) {
    if (!isfinite(v)) {
        xr_json_null(j);
        return;
    }
    double tenths = round(v * 10.0);
    if (fabs(tenths) >= DECIMAL_MAX) {
        xr_json_number(j, tenths / 10.0);
        return;
    }
    /* Integers suffice: levels are written by the hundred thousand, and the shortest form is slow to find. */
    char out[32];
    long long n = llabs((long long)tenths);
    const char *sign = tenths < 0 ? "-" : "";
    int len = n % 10 ? snprintf(out, sizeof out, "%s%lld.%lld", sign, n / 10, n % 10)
                     : snprintf(out, sizeof out, "%s%lld", sign, n / 10);
    xr_json_raw(j, (struct xr_str){.ptr = out, .len = (size_t)len});
}

/* A key that is written as it is. */
static void literal_key(struct xr_json *j, const char *key) {
    size_t n = strlen(key), at = 0;
    char *out = xr_buf_reserve(j->buf, n + 3 + j->comma);
    if (out) {
        if (j->comma)
            out[at++] = ',';
        out[at++] = '"';
        memcpy(out + at, key, n);
        at += n;
        out[at++] = '"';
        out[at++] = ':';
        j->buf->len += at;
    }
    j->comma = false;
}

void xr_json_kv_plain(struct xr_json *j, const char *key, struct xr_str s) {
    literal_key(j, key);
    xr_buf_char(j->buf, '"');
    xr_buf_str(j->buf, s);
    xr_buf_char(j->buf, '"');
    j->comma = true;
}

void xr_json_kv_str(struct xr_json *j, const char *key, struct xr_str s) {
    literal_key(j, key);
    xr_json_str(j, s);
}

void xr_json_kv_strz(struct xr_json *j, const char *key, const char *z) {
    literal_key(j, key);
    if (z)
        xr_json_str(j, xr_str_from(z));
    else
        xr_json_null(j);
}

void xr_json_kv_int(struct xr_json *j, const char *key, int64_t v) {
    literal_key(j, key);
    xr_json_int(j, v);
}

void xr_json_kv_bool(struct xr_json *j, const char *key, bool v) {
    literal_key(j, key);
    xr_json_bool(j, v);
}

void xr_json_kv_null(struct xr_json *j, const char *key) {
    literal_key(j, key);
    xr_json_null(j);
}

void xr_json_kv_raw(struct xr_json *j, const char *key, struct xr_str json) {
    literal_key(j, key);
    xr_json_raw(j, json);
}

void xr_json_kv_opt_int(struct xr_json *j, const char *key, int64_t v) {
    if (v < 0)
        xr_json_kv_null(j, key);
    else
        xr_json_kv_int(j, key, v);
}

void xr_json_kv_opt_str(struct xr_json *j, const char *key, struct xr_str s) {
    if (s.ptr)
        xr_json_kv_str(j, key, s);
    else
        xr_json_kv_null(j, key);
}

static void write_scalar(struct xr_json *j, yyjson_val *value) {
    switch (yyjson_get_type(value)) {
    case YYJSON_TYPE_BOOL:
        xr_json_bool(j, yyjson_get_bool(value));
        break;
    case YYJSON_TYPE_STR:
        xr_json_str(j, xr_json_get_str(value));
        break;
    case YYJSON_TYPE_NUM:
        if (yyjson_is_uint(value)) {
            separate(j);
            write_digits(j->buf, yyjson_get_uint(value));
        } else if (yyjson_is_int(value)) {
            xr_json_int(j, yyjson_get_sint(value));
        } else {
            xr_json_number(j, yyjson_get_real(value));
        }
        break;
    default:
        xr_json_null(j);
    }
}

enum xr_code xr_json_value(struct xr_json *j, yyjson_val *value, int max_depth) {
    size_t i, n;
    yyjson_val *key, *item;
    bool is_object = yyjson_is_obj(value);
    if (!is_object && !yyjson_is_arr(value)) {
        write_scalar(j, value);
        return XR_OK;
    }
    if (max_depth <= 0)
        return XR_TOO_LARGE;
    if (is_object) {
        xr_json_object(j);
        yyjson_obj_foreach(value, i, n, key, item) {
            xr_json_key(j, xr_json_get_str(key));
            enum xr_code code = xr_json_value(j, item, max_depth - 1);
            if (code != XR_OK)
                return code;
        }
        xr_json_object_end(j);
        return XR_OK;
    }
    xr_json_array(j);
    yyjson_arr_foreach(value, i, n, item) {
        enum xr_code code = xr_json_value(j, item, max_depth - 1);
        if (code != XR_OK)
            return code;
    }
    xr_json_array_end(j);
    return XR_OK;
}

/* Brackets outside strings. Wrong text may be miscounted; the parser refuses it anyway. */
static bool nesting_within(struct xr_str text, int max_depth) {
    int depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > max_depth)
                return false;
        } else if (c == ']' || c == '}') {
            depth--;
        }
    }
    return true;
}

enum xr_code xr_json_parse(struct xr_str text, int max_depth, yyjson_doc **ret_doc, struct xr_err *err) {
    if (text.len == 0)
        return xr_fail(err, XR_INVALID, NULL, "not valid JSON: it is empty");
    if (!nesting_within(text, max_depth))
        return xr_fail(err, XR_TOO_LARGE, NULL, "JSON is nested deeper than %d levels", max_depth);
    yyjson_read_err why;
    /* Without YYJSON_READ_INSITU the text is only read; the parameter is not const for the other mode's sake. */
    yyjson_doc *doc = yyjson_read_opts((char *)(uintptr_t)text.ptr, text.len, YYJSON_READ_NOFLAG, NULL, &why);
    if (!doc && why.code == YYJSON_READ_ERROR_MEMORY_ALLOCATION)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    if (!doc)
        return xr_fail(err, XR_INVALID, NULL, "not valid JSON: %s at byte %zu", why.msg, why.pos);
    *ret_doc = doc;
    return XR_OK;
}

yyjson_val *xr_json_member(yyjson_val *object, struct xr_str key) {
    size_t i, n;
    yyjson_val *name, *value, *found = NULL;
    yyjson_obj_foreach(object, i, n, name, value) {
        if (xr_str_eq(xr_json_get_str(name), key))
            found = value;
    }
    return found;
}
