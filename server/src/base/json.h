// SPDX-License-Identifier: Apache-2.0
/* base/json.h - JSON out (a streaming writer) and in (yyjson behind a depth bound).
 *
 * The writer appends to an xr_buf; commas and colons are its work. Its failure is the buffer's. One thread at a time.
 */
#pragma once
#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"
#include <stdbool.h>
#include <stdint.h>
#include <yyjson.h>

/* RESPONSE: UTF-8 passes through; U+0000..U+001F, U+007F, U+0085, U+2028, U+2029, '"' and '\' are escaped.
 * ASCII: everything below 0x20 or above 0x7e is \b \t \n \f \r or lower-case \uXXXX (surrogate pairs for astral). */
enum xr_json_style { XR_JSON_RESPONSE, XR_JSON_ASCII };

struct xr_json {
    struct xr_buf *buf;
    enum xr_json_style style;
    bool comma; /* a comma is due before the next value or key */
};

struct xr_json xr_json_make(struct xr_buf *buf, enum xr_json_style style);
void xr_json_object(struct xr_json *j); /* { */
void xr_json_object_end(struct xr_json *j); /* } */
void xr_json_array(struct xr_json *j);
void xr_json_array_end(struct xr_json *j);
void xr_json_key(struct xr_json *j, struct xr_str key);
void xr_json_str(struct xr_json *j, struct xr_str s); /* s must be valid UTF-8 */
size_t xr_json_str_size(struct xr_str s); /* what XR_JSON_RESPONSE makes of it, without the quotes */
void xr_json_int(struct xr_json *j, int64_t v);
void xr_json_bool(struct xr_json *j, bool v);
void xr_json_null(struct xr_json *j);
/* One decimal, as dBFS are written: 780.5, -100.0 is "-100". NaN and infinities are null. */
void xr_json_decimal1(struct xr_json *j, double v);
/* v as ECMAScript's Number::toString prints it (shortest round-trip, 2, 2.5, 1e+21, -0 is 0). v must be finite. */
void xr_json_number(struct xr_json *j, double v);
/* Bytes that are already one JSON value. */
void xr_json_raw(struct xr_json *j, struct xr_str json);

/* key and value in one. key: nothing in it needs escaping. */
void xr_json_kv_str(struct xr_json *j, const char *key, struct xr_str s);
void xr_json_kv_plain(struct xr_json *j, const char *key, struct xr_str s); /* nor does anything in s */
void xr_json_kv_strz(struct xr_json *j, const char *key, const char *z); /* NULL is null */
void xr_json_kv_int(struct xr_json *j, const char *key, int64_t v);
void xr_json_kv_bool(struct xr_json *j, const char *key, bool v);
void xr_json_kv_null(struct xr_json *j, const char *key);
void xr_json_kv_raw(struct xr_json *j, const char *key, struct xr_str json);
/* "Not known" is null: a negative number, a string whose ptr is NULL. */
void xr_json_kv_opt_int(struct xr_json *j, const char *key, int64_t v);
void xr_json_kv_opt_str(struct xr_json *j, const char *key, struct xr_str s);

/* s as the inside of a JSON string into out, which has room for XR_JSON_ESCAPE_MAX * s.len bytes; returns the length. s
 * must be valid UTF-8. */
enum { XR_JSON_ESCAPE_MAX = 6 };
size_t xr_json_escape(struct xr_str s, enum xr_json_style style, char *out);

/* ECMAScript Number::toString of a finite v into out; returns the length. */
enum { XR_NUMBER_MAX = 32 };
size_t xr_number_format(double v, char out[XR_NUMBER_MAX]);

/* Writes a parsed value again, compactly. Numbers: integers as they are, others as ECMAScript prints them.
 * Recursion is bounded by max_depth (XR_TOO_LARGE beyond it). */
XR_MUST_USE enum xr_code xr_json_value(struct xr_json *j, yyjson_val *value, int max_depth);

/* Parses strict JSON text. Before parsing, nesting is counted: deeper than max_depth is XR_TOO_LARGE with a message.
 * Anything else wrong is XR_INVALID with a message that names the byte offset (never the value). Strings in the
 * document may hold U+0000; unpaired surrogates are refused. The caller frees with yyjson_doc_free. */
XR_MUST_USE enum xr_code xr_json_parse(struct xr_str text, int max_depth, yyjson_doc **ret_doc, struct xr_err *err);

/* yyjson's memory for one document: at most `max` bytes. It lives as long as the document. */
struct xr_json_memory {
    size_t max; /* the caller's */
    size_t used;
    bool over; /* more was asked for */
};
/* Parses JSON text where it lies: text has room for XR_JSON_PADDING bytes behind len, is changed, and lives as long as
 * the document, whose strings are in it, NUL-terminated. Nesting is not bounded (yyjson does not recurse; whoever walks
 * the document must not either), memory is: XR_TOO_LARGE beyond it. Numbers too large for a double, and the words NaN
 * and Infinity, are doubles that are not finite. XR_INVALID as xr_json_parse. */
enum { XR_JSON_PADDING = 4 };
XR_MUST_USE enum xr_code xr_json_parse_in_place(char *text, size_t len, struct xr_json_memory *memory,
                                                yyjson_doc **ret_doc, struct xr_err *err);
/* Makes escapes of unpaired surrogates (as JavaScript's JSON.stringify writes them) the escape of U+FFFD, before text
 * is parsed. */
void xr_json_mend_surrogates(char *text, size_t len);

static inline void xr_json_doc_freep(yyjson_doc **doc) {
    yyjson_doc_free(*doc);
}
static inline struct xr_str xr_json_get_str(yyjson_val *value) { /* value must be a string */
    return (struct xr_str){.ptr = yyjson_get_str(value), .len = yyjson_get_len(value)};
}
/* Member `key` (may hold NUL) of an object; NULL if absent. The last of duplicate keys wins, as in JSON.parse. */
yyjson_val *xr_json_member(yyjson_val *object, struct xr_str key);
