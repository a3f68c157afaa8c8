// SPDX-License-Identifier: Apache-2.0
#include "http/body.h"
#include "base/gzip.h"
#include "base/limits.h"
#include "http/spool.h"
#include <stdlib.h>

struct xr_body {
    enum xr_body_kind kind;
    uint64_t received, max; /* as it comes, packed or not */
    struct xr_buf memory;
    size_t counted; /* of it, in the budget */
    size_t held; /* in the budget besides */
    struct xr_body_budget *budget;
    struct xr_gunzip_stream *packed;
    struct xr_err unpacking; /* why packed bytes cannot be inflated; code XR_OK: they can */
    struct xr_spool *spool;
    struct xr_form *form;
};

static enum xr_code too_large(uint64_t max, struct xr_err *err) {
    return xr_fail(err, XR_TOO_LARGE, NULL, "a body of over %llu bytes", (unsigned long long)max);
}

static enum xr_code open_memory(struct xr_body *body, const struct xr_body_wants *wants, struct xr_err *err) {
    body->memory = xr_buf_make(wants->max + XR_BODY_ROOM);
    body->budget = wants->budget;
    if (wants->gzip)
        return xr_gunzip_open(wants->max, &body->packed, err);
    /* Known length: one allocation of just that. */
    if (wants->announced > 0 && !xr_buf_reserve(&body->memory, (size_t)wants->announced + XR_BODY_ROOM))
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

/* Opens what the kind needs; what is half-open at a failure is the caller's to free. */
static enum xr_code open_kind(struct xr_body *body, const struct xr_body_wants *wants, struct xr_err *err) {
    enum xr_code code = XR_OK;
    if (wants->kind == XR_BODY_FILE || wants->kind == XR_BODY_MULTIPART)
        code = xr_files_space(wants->files, wants->announced > 0 ? (uint64_t)wants->announced : 0, err);
    if (code == XR_OK && wants->kind == XR_BODY_MEMORY)
        code = open_memory(body, wants, err);
    else if (code == XR_OK && wants->kind == XR_BODY_FILE)
        code = open_file(body, wants->files, err);
    else if (code == XR_OK && wants->kind == XR_BODY_MULTIPART)
        code = xr_form_new(wants->content_type, wants->files, wants->arena, &body->form, err);
    return code;
}

enum xr_code xr_body_new(const struct xr_body_wants *wants, struct xr_body **ret_body, struct xr_err *err) {
    size_t max = wants->kind == XR_BODY_NONE ? XR_BODY_IGNORED_MAX : wants->max;
    if (wants->announced > 0 && (uint64_t)wants->announced > max)
        return too_large(max, err);
    struct xr_body *body = calloc(1, sizeof *body);
    if (!body)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    body->kind = wants->kind;
    body->max = max;
    enum xr_code code = open_kind(body, wants, err);
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
    if (body->budget)
        atomic_fetch_sub(&body->budget->held, body->counted + body->held);
    xr_buf_clear(&body->memory);
    xr_gunzip_close(body->packed);
    if (body->spool)
        xr_spool_drop(body->spool);
    free(body->spool);
    xr_form_free(body->form);
    free(body);
}

/* What is taken is given back with the body, also if it was too much. */
static enum xr_code take(struct xr_body_budget *budget, size_t n, struct xr_err *err) {
    if (atomic_fetch_add(&budget->held, n) + n <= budget->max)
        return XR_OK;
    return xr_fail(err, XR_OVERLOADED, NULL, "the bodies of all requests take more than %zu bytes", budget->max);
}

/* Takes what the memory has grown by out of the budget. */
static enum xr_code count(struct xr_body *body, struct xr_err *err) {
    size_t grown = body->memory.len - body->counted;
    body->counted = body->memory.len;
    return take(body->budget, grown, err);
}

enum xr_code xr_body_hold(struct xr_body *body, size_t n, struct xr_err *err) {
    body->held += n;
    return take(body->budget, n, err);
}

/* Bytes that are no gzip are the handler's to refuse, in its own words; they are dropped until then. */
static enum xr_code unpack(struct xr_body *body, struct xr_str bytes, struct xr_err *err) {
    if (body->unpacking.code != XR_OK)
        return XR_OK;
    enum xr_code code = xr_gunzip_write(body->packed, bytes, &body->memory, err);
    if (code != XR_INVALID)
        return code;
    body->unpacking = *err;
    return XR_OK;
}

static enum xr_code write_memory(struct xr_body *body, struct xr_str bytes, struct xr_err *err) {
    enum xr_code code = XR_OK;
    if (body->packed)
        code = unpack(body, bytes, err);
    else
        xr_buf_str(&body->memory, bytes);
    if (code == XR_OK && body->memory.failed)
        code = xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    return code == XR_OK ? count(body, err) : code;
}

enum xr_code xr_body_write(struct xr_body *body, struct xr_str bytes, struct xr_err *err) {
    if (bytes.len > body->max - body->received)
        return too_large(body->max, err);
    body->received += bytes.len;
    switch (body->kind) {
    case XR_BODY_MEMORY:
        return write_memory(body, bytes, err);
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
    if (body->packed && body->unpacking.code == XR_OK)
        (void)!xr_gunzip_finish(body->packed, &body->unpacking); /* kept for xr_body_unpacked */
    if (body->spool)
        xr_spool_finish(body->spool);
    if (body->form)
        xr_form_finish(body->form);
}

struct xr_str xr_body_memory(const struct xr_body *body) {
    return xr_buf_view(&body->memory);
}

char *xr_body_edit(struct xr_body *body, size_t room, size_t *ret_len) {
    if (room > XR_BODY_ROOM || !xr_buf_reserve(&body->memory, room))
        return NULL;
    *ret_len = body->memory.len;
    return body->memory.data;
}

enum xr_code xr_body_unpacked(const struct xr_body *body, struct xr_err *err) {
    if (body->unpacking.code != XR_OK && err)
        *err = body->unpacking;
    return body->unpacking.code;
}

struct xr_body_file *xr_body_file(struct xr_body *body) {
    return body->spool ? &body->spool->file : NULL;
}

struct xr_form *xr_body_form(const struct xr_body *body) {
    return body->form;
}
