// SPDX-License-Identifier: Apache-2.0
#include "spec/fields.h"
#include "base/text.h"
#include "base/uuid.h"
#include <math.h>
#include <stdio.h>

enum { DESCRIPTION_MAX = 256, RECEIVED_MAX = 64 };

/* One member while it is read. */
struct member {
    struct xr_reader *reader;
    const struct xr_field *field;
    yyjson_val *value;
    const struct xr_path *path;
    char *to; /* the struct, not the value in it */
};

static void describe_names(const struct xr_field *field, char out[DESCRIPTION_MAX]) {
    size_t len = 0;
    for (size_t i = 0; i < field->name_count && len < DESCRIPTION_MAX; i++) {
        if (field->names[i])
            len += (size_t)snprintf(out + len, DESCRIPTION_MAX - len, "%s%s", len ? " | " : "", field->names[i]);
    }
}

/* What a field takes, in words: an issue's `expected`. */
static void describe(const struct xr_field *field, char out[DESCRIPTION_MAX]) {
    long long min = field->min, max = field->max;
    switch (field->type) {
    case XR_FIELD_STRING:
        if (field->pattern)
            snprintf(out, DESCRIPTION_MAX, "string %s", field->pattern);
        else
            snprintf(out, DESCRIPTION_MAX, "string of %lld..%lld UTF-16 units", min, max);
        break;
    case XR_FIELD_INT:
        snprintf(out, DESCRIPTION_MAX, "integer %lld..%lld", min, max);
        break;
    case XR_FIELD_LIST:
        snprintf(out, DESCRIPTION_MAX, "array of at most %lld", max);
        break;
    case XR_FIELD_CHOICE:
    case XR_FIELD_KIND:
    case XR_FIELD_CONST:
        describe_names(field, out);
        break;
    case XR_FIELD_BOOL:
        snprintf(out, DESCRIPTION_MAX, "boolean");
        break;
    case XR_FIELD_SHA256:
        snprintf(out, DESCRIPTION_MAX, "%d hexadecimal digits", XR_SHA256_HEX);
        break;
    case XR_FIELD_UUID:
        snprintf(out, DESCRIPTION_MAX, "UUID");
        break;
    default:
        snprintf(out, DESCRIPTION_MAX, "object");
    }
}

static bool refuse(const struct member *m, const char *message, const char *received) {
    char path[XR_ERR_PATH_MAX], expected[DESCRIPTION_MAX];
    xr_path_format(m->path, path);
    describe(m->field, expected);
    xr_issues_add(m->reader->issues, path, message, expected, received);
    return false;
}

static bool refuse_type(const struct member *m) {
    return refuse(m, "has the wrong type", xr_json_type_name(m->value));
}

static bool out_of_memory(const struct member *m) {
    m->reader->no_memory = true;
    return false;
}

static bool in_alphabet(struct xr_str s, const char *alphabet) {
    for (size_t i = 0; i < s.len; i++) {
        if (s.ptr[i] == '\0' || !strchr(alphabet, s.ptr[i]))
            return false;
    }
    return true;
}

static bool read_string(const struct member *m) {
    char received[RECEIVED_MAX];
    if (!yyjson_is_str(m->value))
        return refuse_type(m);
    struct xr_str s = xr_json_get_str(m->value);
    int64_t units = (int64_t)xr_utf16_length(s);
    snprintf(received, sizeof received, "string of %lld UTF-16 units", (long long)units);
    if (units < m->field->min)
        return refuse(m, "is too short", received);
    if (units > m->field->max)
        return refuse(m, "is too long", received);
    if (m->field->alphabet && !in_alphabet(s, m->field->alphabet))
        return refuse(m, "holds a character that is not allowed", "string");
    struct xr_str kept = xr_arena_str(m->reader->arena, s);
    if (!kept.ptr)
        return out_of_memory(m);
    memcpy(m->to + m->field->offset, &kept, sizeof kept);
    return true;
}

static bool read_bool(const struct member *m) {
    if (!yyjson_is_bool(m->value))
        return refuse_type(m);
    bool v = yyjson_get_bool(m->value);
    memcpy(m->to + m->field->offset, &v, sizeof v);
    return true;
}

/* Numbers are doubles first, so 70.0 and 7e1 are integers too. Both bounds are exact as doubles. */
static bool read_int(const struct member *m) {
    if (!yyjson_is_num(m->value))
        return refuse_type(m);
    double v = yyjson_get_num(m->value);
    if (v != trunc(v))
        return refuse(m, "must be an integer", "number");
    if (v < (double)m->field->min || v > (double)m->field->max)
        return refuse(m, "is out of range", xr_json_type_name(m->value));
    int64_t i = (int64_t)v;
    memcpy(m->to + m->field->offset, &i, sizeof i);
    return true;
}

static bool read_choice(const struct member *m) {
    const struct xr_field *field = m->field;
    if (!yyjson_is_str(m->value))
        return refuse_type(m);
    struct xr_str s = xr_json_get_str(m->value);
    for (unsigned i = 0; i < field->name_count; i++) {
        if (!field->names[i] || !xr_str_eq(s, xr_str_from(field->names[i])))
            continue;
        if (field->type != XR_FIELD_CONST)
            memcpy(m->to + field->offset, &i, sizeof i);
        return true;
    }
    return refuse(m, "is not one of the known values", "string");
}

static bool read_sha256(const struct member *m) {
    uint8_t bytes[XR_SHA256_SIZE];
    if (!yyjson_is_str(m->value))
        return refuse_type(m);
    if (!xr_hex_decode(xr_json_get_str(m->value), bytes, sizeof bytes))
        return refuse(m, "is not a SHA-256", "string");
    memcpy(m->to + m->field->offset, bytes, sizeof bytes);
    return true;
}

static bool read_uuid(const struct member *m) {
    struct xr_uuid id;
    if (!yyjson_is_str(m->value))
        return refuse_type(m);
    struct xr_str s = xr_json_get_str(m->value);
    if (s.len != XR_UUID_TEXT || !xr_uuid_parse(s, &id))
        return refuse(m, "is not a UUID", "string");
    memcpy(m->to + m->field->offset, s.ptr, s.len);
    m->to[m->field->offset + s.len] = '\0';
    return true;
}

static bool read_args(const struct member *m) {
    char path[XR_ERR_PATH_MAX], expected[DESCRIPTION_MAX];
    if (!yyjson_is_obj(m->value))
        return refuse_type(m);
    if (!xr_json_depth_within(m->value, XR_JSON_DEPTH_MAX)) {
        xr_path_format(m->path, path);
        snprintf(expected, sizeof expected, "object nested at most %d levels deep", XR_JSON_DEPTH_MAX);
        xr_issues_add(m->reader->issues, path, "is nested too deeply", expected, NULL);
        return false;
    }
    memcpy(m->to + m->field->offset, &m->value, sizeof(yyjson_val *));
    return true;
}

static bool read_object(const struct member *m) {
    if (!yyjson_is_obj(m->value))
        return refuse_type(m);
    xr_record_read(m->reader, m->field->record, m->value, m->path, m->to + m->field->offset);
    return true;
}

static bool read_list(const struct member *m) {
    const struct xr_field *field = m->field;
    char received[RECEIVED_MAX];
    yyjson_val *item;
    size_t i, n;
    if (!yyjson_is_arr(m->value))
        return refuse_type(m);
    size_t count = yyjson_arr_size(m->value);
    if (count > (size_t)field->max) {
        snprintf(received, sizeof received, "array of %zu", count);
        refuse(m, "has too many items", received);
        count = (size_t)field->max;
    }
    char *items = xr_arena_array(m->reader->arena, count, field->record->size);
    if (!items)
        return out_of_memory(m);
    yyjson_arr_foreach(m->value, i, n, item) {
        if (i == count || m->reader->no_memory)
            break;
        struct xr_path path = {.parent = m->path, .index = i};
        xr_record_read(m->reader, field->record, item, &path, items + i * field->record->size);
    }
    memcpy(m->to + field->offset, &items, sizeof items);
    memcpy(m->to + field->count, &count, sizeof count);
    return true;
}

static bool (*const READERS[XR_FIELD_TYPE_COUNT])(const struct member *m) = {
    [XR_FIELD_STRING] = read_string, [XR_FIELD_BOOL] = read_bool,   [XR_FIELD_INT] = read_int,
    [XR_FIELD_CHOICE] = read_choice, [XR_FIELD_KIND] = read_choice, [XR_FIELD_CONST] = read_choice,
    [XR_FIELD_SHA256] = read_sha256, [XR_FIELD_UUID] = read_uuid,   [XR_FIELD_ARGS] = read_args,
    [XR_FIELD_OBJECT] = read_object, [XR_FIELD_LIST] = read_list,
};

static void set_fallback(const struct member *m) {
    bool yes = m->field->fallback != 0;
    if (m->field->type == XR_FIELD_BOOL)
        memcpy(m->to + m->field->offset, &yes, sizeof yes);
    else if (m->field->type == XR_FIELD_INT)
        memcpy(m->to + m->field->offset, &m->field->fallback, sizeof m->field->fallback);
}

/* False if the member is required and missing, or wrong. */
static bool read_member(struct xr_reader *reader, const struct xr_field *field, yyjson_val *object,
                        const struct xr_path *parent, char *to) {
    struct xr_path path = {.parent = parent, .key = field->name};
    struct member m = {.reader = reader, .field = field, .path = &path, .to = to};
    m.value = xr_json_member(object, xr_str_from(field->name));
    if (!m.value && !field->optional)
        return refuse(&m, "is required", xr_json_type_name(NULL));
    if (!m.value) {
        set_fallback(&m);
        return true;
    }
    if (!READERS[field->type](&m))
        return false;
    if (field->present)
        memcpy(to + field->present, &(bool){true}, sizeof(bool));
    return true;
}

void xr_record_read(struct xr_reader *reader, const struct xr_record *record, yyjson_val *value,
                    const struct xr_path *path, void *to) {
    const struct xr_field *kind = xr_record_kind_field(record);
    char where[XR_ERR_PATH_MAX];
    if (!yyjson_is_obj(value)) {
        xr_path_format(path, where);
        xr_issues_add(reader->issues, where, "has the wrong type", "object", xr_json_type_name(value));
        return;
    }
    /* Without a known kind there is no saying what else should be there. */
    if (kind && !read_member(reader, kind, value, path, to))
        return;
    unsigned k = xr_record_kind(record, to);
    for (const struct xr_field *f = record->fields; f < record->fields + record->count; f++) {
        if (f != kind && xr_field_applies(f, reader->form, k))
            read_member(reader, f, value, path, to);
    }
}
