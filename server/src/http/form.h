// SPDX-License-Identifier: Apache-2.0
/* http/form.h - a form as it arrives: fields into memory, files into temporary files, both in order. One thread at a
 * time. */
#pragma once
#include "http/request.h"

struct xr_form;
/* content_type: "" if the request has none. A form that is no form is made too, with its error set: the handler
 * reports it. Failures are the server's own (XR_NO_MEMORY). */
XR_MUST_USE enum xr_code xr_form_new(struct xr_str content_type, struct xr_files *files, struct xr_arena *arena,
                                     struct xr_form **ret_form, struct xr_err *err);
void xr_form_free(struct xr_form *form); /* closes and discards the files; NULL is fine */
/* XR_OK also when the form is wrong (see xr_form_error). Failures: XR_STORAGE_FULL, XR_IO, XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_form_write(struct xr_form *form, struct xr_str bytes, struct xr_err *err);
void xr_form_finish(struct xr_form *form);

enum xr_code xr_form_error(const struct xr_form *form, struct xr_err *ret_err);
const struct xr_body_field *xr_form_fields(const struct xr_form *form, size_t *ret_count);
struct xr_body_file *xr_form_files(struct xr_form *form, size_t *ret_count);
