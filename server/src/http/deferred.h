// SPDX-License-Identifier: Apache-2.0
/* http/deferred.h - a handler's one write: the request is suspended, the write is committed, and the request goes on
 * with its outcome. With a gated replay, no other change of that replay happens in between. */
#pragma once
#include "base/uuid.h"
#include "http/gate.h"
#include "http/request.h"
#include "store/store.h"

/* In the request's arena; the handler's own state begins with it. The handler sets what is above the line. `then` is
 * not run when the client has gone meanwhile: it may own nothing that must be given back. */
struct xr_deferred {
    struct xr_write write; /* apply; write.ctx is the handler's */
    /* On the writer's thread after the commit, before anyone else may change the replay: publish. May be NULL. */
    void (*committed)(struct xr_deferred *deferred);
    void (*then)(struct xr_request *req); /* on the request thread, with code and err set; must respond */
    bool gated;
    struct xr_gate_pass pass; /* .replay, if gated */
    /* ---- */
    struct xr_request *req;
    enum xr_code code;
    struct xr_err err;
};
/* Defers req; `deferred` becomes its state. Then the write is submitted. */
void xr_deferred_start(struct xr_request *req, struct xr_deferred *deferred);
/* The two halves of it, for what has work to do in between on another thread: the first on the request thread, then one
 * of the others once, on any. */
void xr_deferred_begin(struct xr_request *req, struct xr_deferred *deferred);
void xr_deferred_submit(struct xr_deferred *deferred);
void xr_deferred_finish(struct xr_deferred *deferred, enum xr_code code); /* without a write; not for a gated one */
