// SPDX-License-Identifier: Apache-2.0
/* http/body.h - a request's body on its way in, in the shape its route wants. One thread at a time. */
#pragma once
#include "http/form.h"
#include "http/request.h"
#include <stdatomic.h>

enum { XR_BODY_LENGTH_UNKNOWN = -1 };

/* Bytes of bodies that are held in memory, and of what is made of them, of all requests of a server. */
struct xr_body_budget {
    _Atomic size_t held;
    size_t max;
};

struct xr_body_wants {
    enum xr_body_kind kind;
    size_t max; /* bytes; of what it inflates to, with gzip */
    int64_t announced; /* Content-Length, or XR_BODY_LENGTH_UNKNOWN */
    struct xr_str content_type; /* "" if there is none */
    bool gzip; /* MEMORY: it comes packed, and is inflated on the way in */
    struct xr_files *files;
    struct xr_arena *arena; /* MULTIPART */
    struct xr_body_budget *budget; /* MEMORY */
};

struct xr_body;
/* XR_TOO_LARGE: over `max`. XR_STORAGE_FULL, XR_IO, XR_NO_MEMORY. */
XR_MUST_USE enum xr_code xr_body_new(const struct xr_body_wants *wants, struct xr_body **ret_body, struct xr_err *err);
void xr_body_free(struct xr_body *body); /* closes and discards files; NULL is fine */
/* XR_OVERLOADED: the budget is used up. */
XR_MUST_USE enum xr_code xr_body_write(struct xr_body *body, struct xr_str bytes, struct xr_err *err);
void xr_body_finish(struct xr_body *body);

struct xr_str xr_body_memory(const struct xr_body *body); /* MEMORY; otherwise "" */
/* MEMORY: the same bytes, to be changed in place, with room for `room` more behind them. NULL: out of memory. */
char *xr_body_edit(struct xr_body *body, size_t room, size_t *ret_len);
/* MEMORY: n more bytes, made of the body and kept as long as it is, are taken out of its budget. XR_OVERLOADED: there
 * is no room for them. */
XR_MUST_USE enum xr_code xr_body_hold(struct xr_body *body, size_t n, struct xr_err *err);
/* MEMORY: XR_INVALID if it came packed and is no whole gzip stream. */
XR_MUST_USE enum xr_code xr_body_unpacked(const struct xr_body *body, struct xr_err *err);
struct xr_body_file *xr_body_file(struct xr_body *body); /* FILE; otherwise NULL */
struct xr_form *xr_body_form(const struct xr_body *body); /* MULTIPART; otherwise NULL */
