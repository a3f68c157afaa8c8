// SPDX-License-Identifier: Apache-2.0
#include "otlp/protobuf_attrs.h"
#include "base/base64.h"
#include "base/limits.h"
#include "base/text.h"
#include <math.h>

/* opentelemetry-proto, common/v1 */
enum {
    KEY_VALUE_KEY = XR_WIRE_TAG(1, XR_WIRE_LEN),
    KEY_VALUE_VALUE = XR_WIRE_TAG(2, XR_WIRE_LEN),
    ANY_STRING = XR_WIRE_TAG(1, XR_WIRE_LEN),
    ANY_BOOL = XR_WIRE_TAG(2, XR_WIRE_VARINT),
    ANY_INT = XR_WIRE_TAG(3, XR_WIRE_VARINT),
    ANY_DOUBLE = XR_WIRE_TAG(4, XR_WIRE_I64),
    ANY_ARRAY = XR_WIRE_TAG(5, XR_WIRE_LEN),
    ANY_KVLIST = XR_WIRE_TAG(6, XR_WIRE_LEN),
    ANY_BYTES = XR_WIRE_TAG(7, XR_WIRE_LEN),
    LIST_VALUES = XR_WIRE_TAG(1, XR_WIRE_LEN) /* of an ArrayValue and of a KeyValueList */
};

struct any {
    enum xr_any_kind kind;
    struct xr_attr scalar; /* its key is not set */
    struct xr_str list; /* the message of an array or a key-value list */
};

enum xr_code xr_protobuf_refuse(struct xr_decoding *d, enum xr_wire_result why, const struct xr_wire_field *field) {
    if (why == XR_WIRE_UNSUPPORTED)
        return xr_decoding_refuse_wire_type(d, field->tag & 7);
    return xr_decoding_refuse(d, "", "not valid protobuf: %s", field->fault);
}

enum xr_code xr_protobuf_text(struct xr_decoding *d, struct xr_str bytes, struct xr_str *ret_text) {
    if (!xr_utf8_valid(bytes))
        return xr_utf8_repair(d->arena, bytes, ret_text, d->err);
    *ret_text = bytes;
    return XR_OK;
}

static enum xr_code base64_of(struct xr_decoding *d, struct xr_str bytes, struct xr_str *ret_text) {
    size_t len = xr_base64_length(bytes.len);
    char *text = xr_arena_alloc(d->arena, len);
    if (!text)
        return xr_decoding_no_memory(d);
    xr_base64_encode(bytes.ptr, bytes.len, text);
    *ret_text = (struct xr_str){.ptr = text, .len = len};
    return XR_OK;
}

static double double_of(uint64_t bits) {
    double real;
    memcpy(&real, &bits, sizeof real);
    return real;
}

static enum xr_code interpret(struct xr_decoding *d, const struct xr_wire_field *field, struct any *any) {
    struct xr_attr *scalar = &any->scalar;
    any->kind = XR_ANY_SCALAR;
    switch (field->tag) {
    case ANY_STRING:
        scalar->kind = XR_ATTR_STRING;
        return xr_protobuf_text(d, field->bytes, &scalar->text);
    case ANY_BYTES:
        scalar->kind = XR_ATTR_STRING;
        return base64_of(d, field->bytes, &scalar->text);
    case ANY_BOOL:
        scalar->kind = XR_ATTR_BOOL;
        scalar->boolean = field->number != 0;
        return XR_OK;
    case ANY_INT:
        scalar->kind = XR_ATTR_INT;
        scalar->integer = (int64_t)field->number;
        return XR_OK;
    case ANY_DOUBLE:
        scalar->kind = XR_ATTR_DOUBLE;
        scalar->real = double_of(field->number);
        any->kind = isfinite(scalar->real) ? XR_ANY_SCALAR : XR_ANY_NONE;
        return XR_OK;
    default:
        any->kind = field->tag == ANY_ARRAY ? XR_ANY_ARRAY : field->tag == ANY_KVLIST ? XR_ANY_KVLIST : XR_ANY_NONE;
        any->list = field->bytes;
        return XR_OK;
    }
}

static bool is_value(uint32_t tag) {
    return tag == ANY_STRING || tag == ANY_INT || tag == ANY_DOUBLE || tag == ANY_BOOL || tag == ANY_ARRAY ||
           tag == ANY_KVLIST || tag == ANY_BYTES;
}

/* Of several values the last one counts; *ret_any, which starts as none, is left alone where there is none. */
static enum xr_code read_any(struct xr_decoding *d, struct xr_str message, struct any *ret_any) {
    struct xr_wire wire = xr_wire_of(message);
    struct xr_wire_field field, last = {0};
    enum xr_wire_result got;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD)
        if (is_value(field.tag))
            last = field;
    if (got != XR_WIRE_END)
        return xr_protobuf_refuse(d, got, &field);
    return last.tag ? interpret(d, &last, ret_any) : XR_OK;
}

/* *ret_key is as it came, *ret_any without a key. */
static enum xr_code read_key_value(struct xr_decoding *d, struct xr_str message, struct xr_str *ret_key,
                                   struct any *ret_any) {
    struct xr_wire wire = xr_wire_of(message);
    struct xr_wire_field field;
    struct xr_str key = XR_STR(""), value = {0};
    enum xr_wire_result got;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD) {
        if (field.tag == KEY_VALUE_KEY)
            key = field.bytes;
        else if (field.tag == KEY_VALUE_VALUE)
            value = field.bytes;
    }
    if (got != XR_WIRE_END)
        return xr_protobuf_refuse(d, got, &field);
    *ret_key = key;
    return read_any(d, value, ret_any);
}

static enum xr_code write_any(struct xr_decoding *d, struct xr_json *j, const struct any *any, int depth);

/* An element without a value is null, so that the others keep their places. */
static enum xr_code write_element(struct xr_decoding *d, struct xr_json *j, struct xr_str message, int depth) {
    struct any any = {.kind = XR_ANY_NONE};
    enum xr_code code = read_any(d, message, &any);
    return code == XR_OK ? write_any(d, j, &any, depth) : code;
}

static enum xr_code write_member(struct xr_decoding *d, struct xr_json *j, struct xr_str message, int depth) {
    struct any any = {.kind = XR_ANY_NONE};
    struct xr_str key;
    enum xr_code code = read_key_value(d, message, &key, &any);
    if (code != XR_OK || any.kind == XR_ANY_NONE)
        return code;
    if ((code = xr_protobuf_text(d, key, &key)) != XR_OK)
        return code;
    xr_json_key(j, key);
    return write_any(d, j, &any, depth);
}

static enum xr_code write_list(struct xr_decoding *d, struct xr_json *j, const struct any *any, int depth) {
    struct xr_wire wire = xr_wire_of(any->list);
    struct xr_wire_field field;
    enum xr_wire_result got;
    bool is_array = any->kind == XR_ANY_ARRAY;
    if (is_array)
        xr_json_array(j);
    else
        xr_json_object(j);
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD) {
        if (field.tag != LIST_VALUES)
            continue;
        enum xr_code code = is_array ? write_element(d, j, field.bytes, depth) : write_member(d, j, field.bytes, depth);
        if (code != XR_OK)
            return code;
    }
    if (got != XR_WIRE_END)
        return xr_protobuf_refuse(d, got, &field);
    if (is_array)
        xr_json_array_end(j);
    else
        xr_json_object_end(j);
    return XR_OK;
}

/* depth: of the arrays and lists around it. */
static enum xr_code write_any(struct xr_decoding *d, struct xr_json *j, const struct any *any, int depth) {
    if (any->kind == XR_ANY_NONE)
        xr_json_null(j);
    else if (any->kind == XR_ANY_SCALAR)
        xr_attr_write(j, &any->scalar);
    else if (depth == XR_OTLP_DEPTH_MAX)
        return xr_decoding_refuse_depth(d);
    else
        return write_list(d, j, any, depth + 1);
    return XR_OK;
}

enum xr_code xr_protobuf_attr(struct xr_decoding *d, struct xr_str key_value, struct xr_attr_list *attrs) {
    struct any any = {.kind = XR_ANY_NONE};
    struct xr_str key;
    enum xr_code code = read_key_value(d, key_value, &key, &any);
    if (code != XR_OK || any.kind == XR_ANY_NONE)
        return code;
    if ((code = xr_protobuf_text(d, key, &any.scalar.key)) != XR_OK)
        return code;
    if (any.kind != XR_ANY_SCALAR) {
        struct xr_json j = xr_json_make(&d->text, XR_JSON_RESPONSE);
        if ((code = write_any(d, &j, &any, 0)) != XR_OK || (code = xr_decoding_take_text(d, &any.scalar)) != XR_OK)
            return code;
    }
    return xr_attr_list_add(attrs, &any.scalar, d->err);
}
