// SPDX-License-Identifier: Apache-2.0
#include "http/deferred.h"
#include "http/shared.h"

/* The request may be gone once it is resumed, and the state with it. */
static void finish(struct xr_deferred *deferred, enum xr_code code) {
    if (deferred->gated)
        xr_gate_leave(xr_request_shared(deferred->req)->gate, &deferred->pass);
    xr_deferred_finish(deferred, code);
}

static void write_done(struct xr_write *write, enum xr_code code, const struct xr_err *err) {
    struct xr_deferred *deferred = (struct xr_deferred *)write;
    if (code == XR_OK && deferred->committed)
        deferred->committed(deferred);
    if (code != XR_OK && err)
        deferred->err = *err;
    finish(deferred, code);
}

static void submit(struct xr_deferred *deferred) {
    deferred->write.done = write_done;
    struct xr_store *store = xr_request_deps(deferred->req)->store;
    enum xr_code code = xr_store_submit(store, &deferred->write, &deferred->err);
    if (code != XR_OK)
        finish(deferred, code);
}

static void enter(struct xr_gate_pass *pass) {
    submit((struct xr_deferred *)((char *)pass - offsetof(struct xr_deferred, pass)));
}

void xr_deferred_begin(struct xr_request *req, struct xr_deferred *deferred) {
    _Static_assert(offsetof(struct xr_deferred, write) == 0, "write_done relies on it");
    deferred->req = req;
    deferred->pass.enter = enter;
    xr_request_set_state(req, deferred);
    xr_request_defer(req);
}

void xr_deferred_submit(struct xr_deferred *deferred) {
    if (!deferred->gated || xr_gate_enter(xr_request_shared(deferred->req)->gate, &deferred->pass))
        submit(deferred);
}

void xr_deferred_start(struct xr_request *req, struct xr_deferred *deferred) {
    xr_deferred_begin(req, deferred);
    xr_deferred_submit(deferred);
}

void xr_deferred_finish(struct xr_deferred *deferred, enum xr_code code) {
    deferred->code = code;
    xr_request_resume(deferred->req, deferred->then);
}
