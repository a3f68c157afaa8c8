// SPDX-License-Identifier: Apache-2.0
#include "otlp/json_attrs.h"
#include "base/base64.h"
#include "base/limits.h"
#include <math.h>

/* An AnyValue has one of these members. */
enum any_member {
    STRING_VALUE,
    INT_VALUE,
    DOUBLE_VALUE,
    BOOL_VALUE,
    ARRAY_VALUE,
    KVLIST_VALUE,
    BYTES_VALUE,
    ANY_COUNT
};
static const struct xr_json_name ANY_NAMES[ANY_COUNT] = {
    [STRING_VALUE] = XR_JSON_NAME("stringValue", "string_value"),
    [INT_VALUE] = XR_JSON_NAME("intValue", "int_value"),
    [DOUBLE_VALUE] = XR_JSON_NAME("doubleValue", "double_value"),
    [BOOL_VALUE] = XR_JSON_NAME("boolValue", "bool_value"),
    [ARRAY_VALUE] = XR_JSON_NAME("arrayValue", "array_value"),
    [KVLIST_VALUE] = XR_JSON_NAME("kvlistValue", "kvlist_value"),
    [BYTES_VALUE] = XR_JSON_NAME("bytesValue", "bytes_value"),
};
enum { KEY, VALUE, KEY_VALUE_COUNT };
static const struct xr_json_name KEY_VALUE_NAMES[KEY_VALUE_COUNT] = {
    [KEY] = XR_JSON_NAME("key", "key"),
    [VALUE] = XR_JSON_NAME("value", "value"),
};
static const struct xr_json_name VALUES_NAME = XR_JSON_NAME("values", "values");

struct any {
    enum xr_any_kind kind;
    struct xr_attr scalar; /* its key is not set */
    yyjson_val *values; /* of an array or a key-value list; may be NULL */
};

/* n if key is none of the names. */
static size_t name_of(yyjson_val *key, const struct xr_json_name *names, size_t n) {
    struct xr_str text = xr_json_get_str(key);
    for (size_t i = 0; i < n; i++)
        if (xr_str_eq(text, names[i].camel) || xr_str_eq(text, names[i].snake))
            return i;
    return n;
}

void xr_json_members(yyjson_val *object, const struct xr_json_name *names, size_t n, yyjson_val **ret_values) {
    size_t i, count;
    yyjson_val *key, *value;
    for (size_t k = 0; k < n; k++)
        ret_values[k] = NULL;
    yyjson_obj_foreach(object, i, count, key, value) {
        size_t name = yyjson_is_null(value) ? n : name_of(key, names, n);
        if (name < n)
            ret_values[name] = value;
    }
}

struct xr_str xr_json_text_of(yyjson_val *value) {
    return yyjson_is_str(value) ? xr_json_get_str(value) : XR_STR("");
}

/* A number, or a string that is one as JSON writes it. */
static bool number_of(yyjson_val *value, yyjson_val *ret_number) {
    if (yyjson_is_num(value)) {
        *ret_number = *value;
        return true;
    }
    if (!yyjson_is_str(value))
        return false;
    struct xr_str text = xr_json_get_str(value);
    const char *end = yyjson_read_number(text.ptr, ret_number, YYJSON_READ_ALLOW_INF_AND_NAN, NULL, NULL);
    return end == text.ptr + text.len;
}

static bool integer_of(yyjson_val *value, int64_t *ret_integer) {
    yyjson_val number;
    if (!number_of(value, &number))
        return false;
    if (yyjson_is_real(&number)) {
        double real = yyjson_get_real(&number);
        /* -2^63 as a double may have been less before it was rounded; as an integer it is one to the parser too. */
        if (!(real > -0x1p63 && real < 0x1p63) || real != trunc(real))
            return false;
        *ret_integer = (int64_t)real;
        return true;
    }
    if (yyjson_is_uint(&number) && yyjson_get_uint(&number) > INT64_MAX)
        return false;
    *ret_integer = yyjson_get_sint(&number);
    return true;
}

static bool finite_of(yyjson_val *value, double *ret_real) {
    yyjson_val number;
    if (!number_of(value, &number))
        return false;
    *ret_real = yyjson_get_num(&number);
    return isfinite(*ret_real);
}

int64_t xr_json_time_of(yyjson_val *value) {
    yyjson_val number;
    if (!value || !number_of(value, &number))
        return 0;
    if (yyjson_is_real(&number)) {
        double real = yyjson_get_real(&number);
        return !(real > 0) ? 0 : real < 0x1p63 ? (int64_t)real : INT64_MAX;
    }
    if (yyjson_is_uint(&number))
        return yyjson_get_uint(&number) <= INT64_MAX ? (int64_t)yyjson_get_uint(&number) : INT64_MAX;
    return 0; /* negative: yyjson has the others as unsigned */
}

static enum xr_code read_bytes(struct xr_decoding *d, yyjson_val *value, struct any *any) {
    struct xr_str text = xr_json_get_str(value);
    char *normal = xr_arena_alloc(d->arena, text.len + 2);
    size_t len;
    if (!normal)
        return xr_decoding_no_memory(d);
    if (xr_base64_normalise(text, normal, &len)) {
        any->kind = XR_ANY_SCALAR;
        any->scalar.text = (struct xr_str){.ptr = normal, .len = len};
    }
    return XR_OK;
}

static enum xr_any_kind read_scalar(enum any_member member, yyjson_val *value, struct xr_attr *scalar) {
    bool known = false;
    switch (member) {
    case STRING_VALUE:
        scalar->kind = XR_ATTR_STRING;
        scalar->text = xr_json_text_of(value);
        known = yyjson_is_str(value);
        break;
    case INT_VALUE:
        scalar->kind = XR_ATTR_INT;
        known = integer_of(value, &scalar->integer);
        break;
    case DOUBLE_VALUE:
        scalar->kind = XR_ATTR_DOUBLE;
        known = finite_of(value, &scalar->real);
        break;
    case BOOL_VALUE:
        scalar->kind = XR_ATTR_BOOL;
        scalar->boolean = yyjson_get_bool(value);
        known = yyjson_is_bool(value);
        break;
    default:
        break;
    }
    return known ? XR_ANY_SCALAR : XR_ANY_NONE;
}

/* Of several members the last one counts. */
static enum any_member find_any_member(yyjson_val *object, yyjson_val **ret_value) {
    enum any_member found = ANY_COUNT;
    size_t i, n;
    yyjson_val *key, *value;
    yyjson_obj_foreach(object, i, n, key, value) {
        size_t name = yyjson_is_null(value) ? ANY_COUNT : name_of(key, ANY_NAMES, ANY_COUNT);
        if (name < ANY_COUNT) {
            found = (enum any_member)name;
            *ret_value = value;
        }
    }
    return found;
}

static enum xr_code read_any(struct xr_decoding *d, yyjson_val *object, struct any *ret_any) {
    yyjson_val *value = NULL;
    enum any_member member = find_any_member(object, &value);
    *ret_any = (struct any){.kind = XR_ANY_NONE};
    if (member == ARRAY_VALUE || member == KVLIST_VALUE) {
        if (!yyjson_is_obj(value))
            return XR_OK;
        ret_any->kind = member == ARRAY_VALUE ? XR_ANY_ARRAY : XR_ANY_KVLIST;
        xr_json_members(value, &VALUES_NAME, 1, &ret_any->values);
        return XR_OK;
    }
    if (member == BYTES_VALUE)
        return yyjson_is_str(value) ? read_bytes(d, value, ret_any) : XR_OK;
    ret_any->kind = read_scalar(member, value, &ret_any->scalar);
    return XR_OK;
}

static enum xr_code write_any(struct xr_decoding *d, struct xr_json *j, const struct any *any, int depth);

/* An element without a value is null, so that the others keep their places. */
static enum xr_code write_array(struct xr_decoding *d, struct xr_json *j, yyjson_val *values, int depth) {
    size_t i, n;
    yyjson_val *value;
    enum xr_code code = XR_OK;
    xr_json_array(j);
    yyjson_arr_foreach(values, i, n, value) {
        struct any any;
        if ((code = read_any(d, value, &any)) != XR_OK || (code = write_any(d, j, &any, depth)) != XR_OK)
            return code;
    }
    xr_json_array_end(j);
    return code;
}

static enum xr_code write_kvlist(struct xr_decoding *d, struct xr_json *j, yyjson_val *values, int depth) {
    size_t i, n;
    yyjson_val *item, *members[KEY_VALUE_COUNT];
    enum xr_code code = XR_OK;
    xr_json_object(j);
    yyjson_arr_foreach(values, i, n, item) {
        struct any any;
        xr_json_members(item, KEY_VALUE_NAMES, KEY_VALUE_COUNT, members);
        if ((code = read_any(d, members[VALUE], &any)) != XR_OK)
            return code;
        if (any.kind == XR_ANY_NONE)
            continue;
        xr_json_key(j, xr_json_text_of(members[KEY]));
        if ((code = write_any(d, j, &any, depth)) != XR_OK)
            return code;
    }
    xr_json_object_end(j);
    return code;
}

/* depth: of the arrays and lists around it. */
static enum xr_code write_any(struct xr_decoding *d, struct xr_json *j, const struct any *any, int depth) {
    if (any->kind == XR_ANY_NONE)
        xr_json_null(j);
    else if (any->kind == XR_ANY_SCALAR)
        xr_attr_write(j, &any->scalar);
    else if (depth == XR_OTLP_DEPTH_MAX)
        return xr_decoding_refuse_depth(d);
    else if (any->kind == XR_ANY_ARRAY)
        return write_array(d, j, any->values, depth + 1);
    else
        return write_kvlist(d, j, any->values, depth + 1);
    return XR_OK;
}

static enum xr_code add_attr(struct xr_decoding *d, yyjson_val *item, struct xr_attr_list *attrs) {
    yyjson_val *members[KEY_VALUE_COUNT];
    struct any any;
    xr_json_members(item, KEY_VALUE_NAMES, KEY_VALUE_COUNT, members);
    enum xr_code code = read_any(d, members[VALUE], &any);
    if (code != XR_OK || any.kind == XR_ANY_NONE)
        return code;
    if (any.kind != XR_ANY_SCALAR) {
        struct xr_json j = xr_json_make(&d->text, XR_JSON_RESPONSE);
        if ((code = write_any(d, &j, &any, 0)) != XR_OK || (code = xr_decoding_take_text(d, &any.scalar)) != XR_OK)
            return code;
    }
    any.scalar.key = xr_json_text_of(members[KEY]);
    return xr_attr_list_add(attrs, &any.scalar, d->err);
}

enum xr_code xr_json_attrs(struct xr_decoding *d, yyjson_val *list, struct xr_attr_list *attrs) {
    size_t i, n;
    yyjson_val *item;
    yyjson_arr_foreach(list, i, n, item) {
        enum xr_code code = add_attr(d, item, attrs);
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}
