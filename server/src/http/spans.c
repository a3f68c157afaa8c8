// SPDX-License-Identifier: Apache-2.0
/* POST /v1/traces and /v1/otlp/v1/traces: the OTLP receiver (OTLP/HTTP 1.x, with spec/otlp's narrowings). The body is
 * read into rows, on a thread of the decode pool if it is long; one bulk write stores them; the answer goes out after
 * its commit. */
#include "store/spans.h"
#include "base/limits.h"
#include "http/deferred.h"
#include "http/handlers.h"
#include "http/params.h"
#include "http/reply.h"
#include "http/spans_reply.h"

struct spans {
    struct xr_deferred deferred;
    struct xr_task task;
    struct xr_arena *arena;
    enum xr_otlp_encoding encoding;
    char *body;
    size_t len;
    struct xr_span_batch batch;
    struct xr_otlp_refusal refusal;
    struct xr_span_counts counts;
};

static const char *const TYPES[] = {
    [XR_OTLP_JSON] = "application/json", [XR_OTLP_PROTOBUF] = "application/x-protobuf", NULL};

static bool take_encoding(struct xr_request *req, enum xr_otlp_encoding *ret_encoding) {
    size_t index;
    if (!xr_take_media_type(req, TYPES, &index))
        return false;
    *ret_encoding = (enum xr_otlp_encoding)index;
    return true;
}

/* gzip is undone by the route; nothing else is. */
static bool take_packing(struct xr_request *req) {
    struct xr_str encoding = {0};
    bool known = !xr_request_header(req, "Content-Encoding", &encoding) || encoding.len == 0 ||
                 xr_str_same(encoding, XR_STR("gzip")) || xr_str_same(encoding, XR_STR("identity"));
    if (!known)
        xr_reply_unsupported_encoding(req, encoding);
    return known;
}

void xr_check_spans(struct xr_request *req) {
    enum xr_otlp_encoding encoding;
    if (take_encoding(req, &encoding))
        (void)take_packing(req); /* has answered if it is not */
}

static void respond(struct xr_request *req) {
    struct spans *spans = xr_request_state(req);
    const struct xr_spans_answer answer = {
        .encoding = spans->encoding, .batch = &spans->batch, .counts = &spans->counts, .refusal = &spans->refusal};
    switch (spans->deferred.code) {
    case XR_OK:
        xr_reply_spans(req, &answer);
        break;
    case XR_INVALID:
        xr_reply_spans_refused(req, &answer, &spans->deferred.err);
        break;
    default:
        xr_error_code(req, spans->deferred.code, &spans->deferred.err);
    }
}

static enum xr_code apply(struct xr_store_tx *tx, struct xr_write *write, struct xr_err *err) {
    struct spans *spans = write->ctx;
    return xr_store_tx_spans_add(tx, spans->batch.rows, spans->batch.count, &spans->counts, err);
}

static enum xr_code read_body(struct xr_request *req, struct spans *spans) {
    struct xr_err *err = &spans->deferred.err;
    enum xr_code code =
        xr_span_batch_read(spans->encoding, spans->body, spans->len, spans->arena, &spans->batch, &spans->refusal, err);
    /* Rows that pass the arena's cap: the same body would again. */
    if (code == XR_NO_MEMORY && xr_arena_is_over(spans->arena))
        code = xr_fail(err, XR_TOO_LARGE, NULL, "the spans take more than %zu bytes", XR_OTLP_ARENA_MAX);
    /* Rows wait for the writer, and may be many times as large as the body they were read from. */
    return code == XR_OK ? xr_request_body_hold(req, xr_arena_used(spans->arena), err) : code;
}

static void go_on(struct spans *spans, enum xr_code code) {
    if (code != XR_OK || spans->batch.count == 0)
        xr_deferred_finish(&spans->deferred, code);
    else
        xr_deferred_submit(&spans->deferred);
}

static void read_long_body(struct xr_task *task) {
    struct spans *spans = (struct spans *)((char *)task - offsetof(struct spans, task));
    go_on(spans, read_body(spans->deferred.req, spans));
}

static void hand_over(struct xr_request *req, struct spans *spans) {
    struct xr_pool *pool = xr_request_deps(req)->decode_pool;
    spans->task.run = read_long_body;
    xr_deferred_begin(req, &spans->deferred);
    enum xr_code code = xr_pool_submit(pool, &spans->task, &spans->deferred.err);
    if (code != XR_OK)
        xr_deferred_finish(&spans->deferred, code);
}

static void read_short_body(struct xr_request *req, struct spans *spans) {
    spans->deferred.code = read_body(req, spans);
    xr_request_set_state(req, spans);
    if (spans->deferred.code != XR_OK || spans->batch.count == 0)
        respond(req);
    else
        xr_deferred_start(req, &spans->deferred);
}

void xr_post_spans(struct xr_request *req) {
    struct spans *spans = xr_take_memory(req, sizeof *spans);
    if (!spans || !take_encoding(req, &spans->encoding))
        return;
    spans->arena = xr_request_arena(req);
    spans->deferred.write = (struct xr_write){.apply = apply, .ctx = spans, .bulk = true};
    spans->deferred.then = respond;
    spans->body = xr_request_body_edit(req, XR_OTLP_PADDING, &spans->len);
    if (!spans->body) {
        xr_error_code(req, XR_NO_MEMORY, NULL);
        return;
    }
    enum xr_code code = xr_request_body_unpacked(req, &spans->deferred.err);
    if (code != XR_OK) {
        xr_reply_issue(req, "invalid_otlp_body", "", spans->deferred.err.message, "gzip (RFC 1952)");
        return;
    }
    if (spans->len > XR_OTLP_INLINE_MAX)
        hand_over(req, spans);
    else
        read_short_body(req, spans);
}
