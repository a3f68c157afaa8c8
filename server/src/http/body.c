// SPDX-License-Identifier: Apache-2.0
#include "http/body.h"
#include "base/limits.h"
#include "http/spool.h"
#include <stdlib.h>

struct xr_body {
    enum xr_body_kind kind;
    uint64_t received, max;
    struct xr_buf memory;
    struct xr_spool *spool;
    struct xr_form *form;
};

static enum xr_code too_large(uint64_t max, struct xr_err *err) {
    return xr_fail(err, XR_TOO_LARGE, NULL, "a body of over %llu bytes", (unsigned long long)max);
}

static enum xr_code open_memory(struct xr_body *body, int64_t announced, struct xr_err *err) {
    body->memory = xr_buf_make((size_t)body->max);
    /* Known length: one allocation of just that. */
    if (announced > 0 && !xr_buf_reserve(&body->memory, (size_t)announced))
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    return XR_OK;
}

static enum xr_code open_file(struct xr_body *body, struct xr_files *files, struct xr_err *err) {
    struct xr_spool *spool = calloc(1, sizeof *spool);
    if (!spool)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    enum xr_code code = xr_spool_open(files, false, spool, err);
    if (code == XR_OK)
        body->spool = spool;
    else
        free(spool);
    return code;
}

enum xr_code xr_body_new(enum xr_body_kind kind, size_t max, int64_t announced, struct xr_str content_type,
                         struct xr_files *files, struct xr_arena *arena, struct xr_body **ret_body,
                         struct xr_err *err) {
    if (kind == XR_BODY_NONE)
        max = XR_BODY_IGNORED_MAX;
    if (announced > 0 && (uint64_t)announced > max)
        return too_large(max, err);
    struct xr_body *body = calloc(1, sizeof *body);
    if (!body)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    body->kind = kind;
    body->max = max;
    enum xr_code code = XR_OK;
    if (kind == XR_BODY_FILE || kind == XR_BODY_MULTIPART)
        code = xr_files_space(files, announced > 0 ? (uint64_t)announced : 0, err);
    if (code == XR_OK && kind == XR_BODY_MEMORY)
        code = open_memory(body, announced, err);
    else if (code == XR_OK && kind == XR_BODY_FILE)
        code = open_file(body, files, err);
    else if (code == XR_OK && kind == XR_BODY_MULTIPART)
        code = xr_form_new(content_type, files, arena, &body->form, err);
    if (code != XR_OK) {
        xr_body_free(body);
        return code;
    }
    *ret_body = body;
    return XR_OK;
}

void xr_body_free(struct xr_body *body) {
    if (!body)
        return;
    xr_buf_clear(&body->memory);
    if (body->spool)
        xr_spool_drop(body->spool);
    free(body->spool);
    xr_form_free(body->form);
    free(body);
}

enum xr_code xr_body_write(struct xr_body *body, struct xr_str bytes, struct xr_err *err) {
    if (bytes.len > body->max - body->received)
        return too_large(body->max, err);
    body->received += bytes.len;
    switch (body->kind) {
    case XR_BODY_MEMORY:
        xr_buf_str(&body->memory, bytes);
        return body->memory.failed ? xr_fail(err, XR_NO_MEMORY, NULL, "out of memory") : XR_OK;
    case XR_BODY_FILE:
        return xr_spool_write(body->spool, bytes, err);
    case XR_BODY_MULTIPART:
        return xr_form_write(body->form, bytes, err);
    case XR_BODY_NONE:
        break;
    }
    return XR_OK;
}

void xr_body_finish(struct xr_body *body) {
    if (body->spool)
        xr_spool_finish(body->spool);
    if (body->form)
        xr_form_finish(body->form);
}

struct xr_str xr_body_memory(const struct xr_body *body) {
    return xr_buf_view(&body->memory);
}

struct xr_body_file *xr_body_file(struct xr_body *body) {
    return body->spool ? &body->spool->file : NULL;
}

struct xr_form *xr_body_form(const struct xr_body *body) {
    return body->form;
}
