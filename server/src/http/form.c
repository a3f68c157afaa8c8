// SPDX-License-Identifier: Apache-2.0
#include "http/form.h"
#include "base/limits.h"
#include "base/text.h"
#include "http/multipart.h"
#include "http/spool.h"
#include <stdlib.h>

struct xr_form {
    struct xr_files *storage;
    struct xr_arena *arena; /* names and fields' values */
    struct xr_multipart *parser;
    enum xr_code wrong; /* the client's fault, for the handler; what comes after it is dropped */
    struct xr_err wrong_err;

    struct xr_body_field *fields;
    size_t field_count, field_cap, field_bytes;
    struct xr_body_file *files;
    size_t file_count, file_cap;

    /* The part that is arriving. */
    struct xr_str name;
    bool is_file;
    struct xr_buf value;
    struct xr_spool spool;
};

/* Room for one more of size bytes each. */
static enum xr_code grow(void **items, size_t count, size_t *cap, size_t size, struct xr_err *err) {
    if (count < *cap)
        return XR_OK;
    size_t more = *cap ? 2 * *cap : 8;
    void *bigger = realloc(*items, more * size);
    if (!bigger)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    *items = bigger;
    *cap = more;
    return XR_OK;
}

/* xr_fail cuts a path that is too long at a character, so it gets more than fits. */
static enum xr_code part_too_large(const struct xr_form *form, size_t max, struct xr_err *err) {
    char name[XR_ERR_PATH_MAX + 1];
    size_t n = form->name.len < XR_ERR_PATH_MAX ? form->name.len : XR_ERR_PATH_MAX;
    if (n)
        memcpy(name, form->name.ptr, n);
    name[n] = '\0';
    return xr_fail(err, XR_TOO_LARGE, name, "a part of over %zu bytes", max);
}

static enum xr_code on_begin(void *ctx, const struct xr_multipart_part *part, struct xr_err *err) {
    struct xr_form *form = ctx;
    enum xr_code code = xr_utf8_repair(form->arena, part->name, &form->name, err);
    if (code != XR_OK)
        return code;
    form->is_file = part->is_file;
    if (!part->is_file) {
        form->value = xr_buf_make(XR_SPEC_MAX);
        return XR_OK;
    }
    void *files = form->files;
    code = grow(&files, form->file_count, &form->file_cap, sizeof *form->files, err);
    form->files = files;
    return code == XR_OK ? xr_spool_open(form->storage, true, &form->spool, err) : code;
}

static enum xr_code on_data(void *ctx, struct xr_str bytes, struct xr_err *err) {
    struct xr_form *form = ctx;
    if (form->is_file) {
        if (bytes.len > XR_TURN_FILE_MAX - form->spool.file.size)
            return part_too_large(form, XR_TURN_FILE_MAX, err);
        return xr_spool_write(&form->spool, bytes, err);
    }
    if (bytes.len > XR_SPEC_MAX - form->value.len)
        return part_too_large(form, XR_SPEC_MAX, err);
    if (bytes.len > XR_MULTIPART_FIELDS_MAX - form->field_bytes)
        return part_too_large(form, XR_MULTIPART_FIELDS_MAX, err);
    form->field_bytes += bytes.len;
    xr_buf_str(&form->value, bytes);
    return form->value.failed ? xr_fail(err, XR_NO_MEMORY, NULL, "out of memory") : XR_OK;
}

static enum xr_code end_field(struct xr_form *form, struct xr_err *err) {
    void *fields = form->fields;
    enum xr_code code = grow(&fields, form->field_count, &form->field_cap, sizeof *form->fields, err);
    form->fields = fields;
    if (code != XR_OK)
        return code;
    struct xr_str value = xr_arena_str(form->arena, xr_buf_view(&form->value));
    if (!value.ptr)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    xr_buf_clear(&form->value);
    form->fields[form->field_count++] = (struct xr_body_field){.name = form->name, .value = value};
    return XR_OK;
}

static enum xr_code on_end(void *ctx, struct xr_err *err) {
    struct xr_form *form = ctx;
    if (!form->is_file)
        return end_field(form, err);
    xr_spool_finish(&form->spool);
    form->spool.file.field = form->name;
    form->files[form->file_count++] = form->spool.file;
    form->spool = (struct xr_spool){.file.fd = -1};
    return XR_OK;
}

enum xr_code xr_form_new(struct xr_str content_type, struct xr_files *files, struct xr_arena *arena,
                         struct xr_form **ret_form, struct xr_err *err) {
    struct xr_form *form = calloc(1, sizeof *form);
    if (!form)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    form->storage = files;
    form->arena = arena;
    form->value = xr_buf_make(XR_SPEC_MAX);
    form->spool.file.fd = -1;
    const struct xr_multipart_sink sink = {.begin = on_begin, .data = on_data, .end = on_end, .ctx = form};
    form->wrong = xr_multipart_new(content_type, &sink, &form->parser, &form->wrong_err);
    if (form->wrong == XR_NO_MEMORY) {
        xr_form_free(form);
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    }
    *ret_form = form;
    return XR_OK;
}

static void drop_parts(struct xr_form *form) {
    xr_spool_drop(&form->spool);
    for (size_t i = 0; i < form->file_count; i++)
        xr_spool_drop(&(struct xr_spool){.file = form->files[i]});
    form->file_count = 0;
    form->field_count = 0;
}

void xr_form_free(struct xr_form *form) {
    if (!form)
        return;
    drop_parts(form);
    xr_multipart_free(form->parser);
    xr_buf_clear(&form->value);
    free(form->fields);
    free(form->files);
    free(form);
}

/* What the client did wrong is kept for the handler; our own failures go up. */
static enum xr_code sort_failure(struct xr_form *form, enum xr_code code, const struct xr_err *err) {
    if (code != XR_INVALID && code != XR_TOO_LARGE)
        return code;
    form->wrong = code;
    form->wrong_err = *err;
    drop_parts(form);
    return XR_OK;
}

enum xr_code xr_form_write(struct xr_form *form, struct xr_str bytes, struct xr_err *err) {
    if (form->wrong != XR_OK)
        return XR_OK;
    struct xr_err local;
    enum xr_code code = xr_multipart_feed(form->parser, bytes, &local);
    if (code == XR_OK)
        return XR_OK;
    if (err)
        *err = local;
    return sort_failure(form, code, &local);
}

void xr_form_finish(struct xr_form *form) {
    struct xr_err local;
    if (form->wrong == XR_OK && xr_multipart_finish(form->parser, &local) != XR_OK) {
        form->wrong = XR_INVALID;
        form->wrong_err = local;
        drop_parts(form);
    }
}

enum xr_code xr_form_error(const struct xr_form *form, struct xr_err *ret_err) {
    if (form->wrong != XR_OK && ret_err)
        *ret_err = form->wrong_err;
    return form->wrong;
}

const struct xr_body_field *xr_form_fields(const struct xr_form *form, size_t *ret_count) {
    *ret_count = form->field_count;
    return form->fields;
}

struct xr_body_file *xr_form_files(struct xr_form *form, size_t *ret_count) {
    *ret_count = form->file_count;
    return form->files;
}
