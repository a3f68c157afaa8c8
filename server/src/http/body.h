// SPDX-License-Identifier: Apache-2.0
/* http/body.h - a request's body on its way in, in the shape its route wants. One thread at a time. */
#pragma once
#include "http/form.h"
#include "http/request.h"

enum { XR_BODY_LENGTH_UNKNOWN = -1 };

struct xr_body;
/* announced: Content-Length, or XR_BODY_LENGTH_UNKNOWN. content_type: "" if there is none. XR_TOO_LARGE: over `max`.
 * XR_STORAGE_FULL, XR_IO, XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_body_new(enum xr_body_kind kind, size_t max, int64_t announced, struct xr_str content_type,
                                     struct xr_files *files, struct xr_arena *arena, struct xr_body **ret_body,
                                     struct xr_err *err);
void xr_body_free(struct xr_body *body); /* closes and discards files; NULL is fine */
XR_MUST_USE enum xr_code xr_body_write(struct xr_body *body, struct xr_str bytes, struct xr_err *err);
void xr_body_finish(struct xr_body *body);

struct xr_str xr_body_memory(const struct xr_body *body); /* MEMORY; otherwise "" */
struct xr_body_file *xr_body_file(struct xr_body *body); /* FILE; otherwise NULL */
struct xr_form *xr_body_form(const struct xr_body *body); /* MULTIPART; otherwise NULL */
