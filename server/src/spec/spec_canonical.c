// SPDX-License-Identifier: Apache-2.0
#include "base/uuid.h"
#include "spec/canonical.h"
#include "spec/schema.h"
#include "spec/spec.h"

struct writer {
    struct xr_json json;
    struct xr_arena *scratch;
    struct xr_err *err;
};

/* One field of a struct while it is written. */
struct member {
    struct writer *writer;
    const struct xr_field *field;
    const char *from; /* the struct, not the value in it */
    const struct xr_path *path;
};

static enum xr_code write_record(struct writer *w, const struct xr_record *record, const struct xr_path *path,
                                 const void *from);

static enum xr_code fail(const struct member *m, enum xr_code code, const char *message) {
    char path[XR_ERR_PATH_MAX];
    xr_path_format(m->path, path);
    return xr_fail(m->writer->err, code, path, "%s", message);
}

static enum xr_code write_string(const struct member *m) {
    struct xr_str s;
    memcpy(&s, m->from + m->field->offset, sizeof s);
    xr_json_str(&m->writer->json, s);
    return XR_OK;
}

static enum xr_code write_bool(const struct member *m) {
    bool v;
    memcpy(&v, m->from + m->field->offset, sizeof v);
    xr_json_bool(&m->writer->json, v);
    return XR_OK;
}

static enum xr_code write_int(const struct member *m) {
    int64_t v;
    memcpy(&v, m->from + m->field->offset, sizeof v);
    xr_json_int(&m->writer->json, v);
    return XR_OK;
}

static enum xr_code write_choice(const struct member *m) {
    unsigned v = 0;
    if (m->field->type != XR_FIELD_CONST)
        memcpy(&v, m->from + m->field->offset, sizeof v);
    if (v >= m->field->name_count || !m->field->names[v])
        return fail(m, XR_INTERNAL, "is not a known value");
    xr_json_str(&m->writer->json, xr_str_from(m->field->names[v]));
    return XR_OK;
}

static enum xr_code write_sha256(const struct member *m) {
    char hex[XR_SHA256_HEX + 1];
    xr_hex_encode(m->from + m->field->offset, XR_SHA256_SIZE, hex);
    xr_json_str(&m->writer->json, (struct xr_str){.ptr = hex, .len = XR_SHA256_HEX});
    return XR_OK;
}

static enum xr_code write_uuid(const struct member *m) {
    struct xr_uuid id;
    const char *text = m->from + m->field->offset;
    struct xr_str s = {.ptr = text, .len = strnlen(text, XR_UUID_TEXT + 1)};
    if (!xr_uuid_parse(s, &id))
        return fail(m, XR_INTERNAL, "is not set");
    xr_json_str(&m->writer->json, s);
    return XR_OK;
}

static enum xr_code write_args(const struct member *m) {
    yyjson_val *args;
    memcpy(&args, m->from + m->field->offset, sizeof(yyjson_val *));
    enum xr_code code = xr_canonical_value(&m->writer->json, m->writer->scratch, args, XR_JSON_DEPTH_MAX);
    if (code == XR_NO_MEMORY)
        return fail(m, code, "out of memory");
    return code == XR_OK ? XR_OK : fail(m, code, "is nested too deeply");
}

static enum xr_code write_object(const struct member *m) {
    return write_record(m->writer, m->field->record, m->path, m->from + m->field->offset);
}

static enum xr_code write_list(const struct member *m) {
    const char *items;
    size_t count;
    memcpy(&items, m->from + m->field->offset, sizeof items);
    memcpy(&count, m->from + m->field->count, sizeof count);
    xr_json_array(&m->writer->json);
    for (size_t i = 0; i < count; i++) {
        struct xr_path path = {.parent = m->path, .index = i};
        enum xr_code code = write_record(m->writer, m->field->record, &path, items + i * m->field->record->size);
        if (code != XR_OK)
            return code;
    }
    xr_json_array_end(&m->writer->json);
    return XR_OK;
}

static enum xr_code (*const WRITERS[XR_FIELD_TYPE_COUNT])(const struct member *m) = {
    [XR_FIELD_STRING] = write_string, [XR_FIELD_BOOL] = write_bool,   [XR_FIELD_INT] = write_int,
    [XR_FIELD_CHOICE] = write_choice, [XR_FIELD_KIND] = write_choice, [XR_FIELD_CONST] = write_choice,
    [XR_FIELD_SHA256] = write_sha256, [XR_FIELD_UUID] = write_uuid,   [XR_FIELD_ARGS] = write_args,
    [XR_FIELD_OBJECT] = write_object, [XR_FIELD_LIST] = write_list,
};

/* Absent optionals stay absent; whatever has a default is always there. */
static bool is_present(const struct xr_field *field, const char *from) {
    bool there = true;
    if (field->type == XR_FIELD_OBJECT)
        return xr_record_kind(field->record, from + field->offset) != 0;
    if (field->present)
        memcpy(&there, from + field->present, sizeof there);
    else if (field->omit_false)
        memcpy(&there, from + field->offset, sizeof there);
    return there;
}

static enum xr_code write_member(const struct member *m) {
    if (!is_present(m->field, m->from))
        return m->field->optional ? XR_OK : fail(m, XR_INTERNAL, "is not set");
    xr_json_key(&m->writer->json, xr_str_from(m->field->name));
    return WRITERS[m->field->type](m);
}

/* The fields of a record are in canonical order already. */
static enum xr_code write_record(struct writer *w, const struct xr_record *record, const struct xr_path *path,
                                 const void *from) {
    unsigned kind = xr_record_kind(record, from);
    xr_json_object(&w->json);
    for (const struct xr_field *f = record->fields; f < record->fields + record->count; f++) {
        struct xr_path at = {.parent = path, .key = f->name};
        struct member m = {.writer = w, .field = f, .from = from, .path = &at};
        enum xr_code code = xr_field_applies(f, XR_FORM_CANONICAL, kind) ? write_member(&m) : XR_OK;
        if (code != XR_OK)
            return code;
    }
    xr_json_object_end(&w->json);
    return XR_OK;
}

enum xr_code xr_canonical_spec(const struct xr_spec *spec, struct xr_arena *scratch, struct xr_buf *buf,
                               struct xr_err *err) {
    struct writer w = {.json = xr_json_make(buf, XR_JSON_ASCII), .scratch = scratch, .err = err};
    return write_record(&w, &XR_SPEC_RECORD, &(struct xr_path){0}, spec);
}

enum xr_code xr_spec_canonical(const struct xr_spec *spec, struct xr_arena *arena, struct xr_str *ret_text,
                               struct xr_err *err) {
    XR_AUTO(xr_buf_clear) struct xr_buf buf = xr_buf_make(XR_CANONICAL_MAX);
    enum xr_code code = xr_canonical_spec(spec, arena, &buf, err);
    if (code != XR_OK)
        return code;
    struct xr_str text = buf.failed ? (struct xr_str){0} : xr_arena_str(arena, xr_buf_view(&buf));
    if (!text.ptr)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *ret_text = text;
    return XR_OK;
}

void xr_spec_hash(struct xr_str canonical, uint8_t out[XR_SHA256_SIZE]) {
    xr_sha256_of(canonical.ptr, canonical.len, out);
}
