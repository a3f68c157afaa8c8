// SPDX-License-Identifier: Apache-2.0
#include "http/spans_reply.h"
#include "base/limits.h"
#include "http/reply.h"

enum { MESSAGE_MAX = 512, PARTIAL_MAX = 2 * MESSAGE_MAX };

/* Why spans are not stored: "rejected: 3 name no replay: ...; 1 ...". */
static void explain(struct xr_buf *message, const struct xr_spans_answer *answer) {
    const struct {
        size_t count;
        const char *why;
    } reasons[] = {
        {answer->batch->unnamed, "name no replay: set the attribute xray.replay.id, on the span or its resource"},
        {answer->counts->unknown, "name a replay that does not exist"},
        {answer->batch->unrecognised, "are of no known vocabulary (xray, gen_ai, langfuse, livekit)"},
        {answer->counts->over, "are over what a replay can hold: " XR_NUMERAL(
                                   XR_REPLAY_SPANS_MAX) " spans, " XR_NUMERAL(XR_REPLAY_SPAN_MIB_MAX) " MiB of text"},
    };
    for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
        if (reasons[i].count > 0)
            xr_buf_printf(message, "%s%zu %s", message->len > 0 ? "; " : "rejected: ", reasons[i].count,
                          reasons[i].why);
}

static size_t rejected(const struct xr_spans_answer *answer) {
    return answer->batch->unnamed + answer->batch->unrecognised + answer->counts->unknown + answer->counts->over;
}

static void reply_json(struct xr_request *req, size_t count, struct xr_str message) {
    struct xr_json j = xr_json_make(xr_response_buf(req), XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_key(&j, XR_STR("partialSuccess"));
    xr_json_object(&j);
    xr_json_kv_int(&j, "rejectedSpans", (int64_t)count);
    if (message.len > 0)
        xr_json_kv_str(&j, "errorMessage", message);
    xr_json_object_end(&j);
    xr_json_object_end(&j);
    xr_respond_json(req, 200);
}

static void put_varint(struct xr_buf *buf, uint64_t value) {
    while (value > 0x7F) {
        xr_buf_char(buf, (char)(unsigned char)(value | 0x80));
        value >>= 7;
    }
    xr_buf_char(buf, (char)value);
}

/* ExportTraceServiceResponse { ExportTracePartialSuccess partial_success = 1; } of
 * { int64 rejected_spans = 1; string error_message = 2; }: tags are field << 3 | wire type. */
static void reply_protobuf(struct xr_request *req, size_t count, struct xr_str message) {
    enum { PARTIAL_SUCCESS = 1 << 3 | 2, REJECTED_SPANS = 1 << 3 | 0, ERROR_MESSAGE = 2 << 3 | 2 };
    struct xr_buf inner = xr_buf_make(PARTIAL_MAX), *out = xr_response_buf(req);
    if (count > 0) {
        put_varint(&inner, REJECTED_SPANS);
        put_varint(&inner, count);
    }
    if (message.len > 0) {
        put_varint(&inner, ERROR_MESSAGE);
        put_varint(&inner, message.len);
        xr_buf_str(&inner, message);
    }
    put_varint(out, PARTIAL_SUCCESS);
    put_varint(out, inner.len);
    xr_buf_str(out, xr_buf_view(&inner));
    bool failed = inner.failed;
    xr_buf_clear(&inner);
    size_t n = 0;
    char *bytes = failed ? NULL : xr_buf_take(out, &n);
    if (bytes)
        xr_respond_bytes(req, 200, "application/x-protobuf", bytes, n);
    else
        xr_error_code(req, XR_NO_MEMORY, NULL);
}

void xr_reply_spans(struct xr_request *req, const struct xr_spans_answer *answer) {
    struct xr_buf message = xr_buf_make(MESSAGE_MAX);
    size_t count = rejected(answer);
    explain(&message, answer);
    if (message.failed)
        xr_error_code(req, XR_NO_MEMORY, NULL);
    else if (answer->encoding == XR_OTLP_JSON)
        reply_json(req, count, xr_buf_view(&message));
    else
        reply_protobuf(req, count, xr_buf_view(&message));
    xr_buf_clear(&message);
}

void xr_reply_spans_refused(struct xr_request *req, const struct xr_spans_answer *answer, const struct xr_err *err) {
    struct xr_json j;
    switch (answer->refusal->fault) {
    case XR_OTLP_BODY:
        xr_reply_issue(req, "invalid_otlp_body", err->path, err->message, "ExportTraceServiceRequest");
        return;
    case XR_OTLP_SPANS:
        j = xr_error_begin(req, 400, "too_many_spans_per_request");
        xr_json_kv_int(&j, "max_spans", XR_OTLP_SPANS_MAX);
        xr_json_kv_int(&j, "received", (int64_t)answer->refusal->received);
        break;
    case XR_OTLP_WIRE_TYPE:
        j = xr_error_begin(req, 400, "unsupported_wire_type");
        xr_json_kv_int(&j, "wire_type", answer->refusal->wire_type);
        break;
    case XR_OTLP_DEPTH:
        j = xr_error_begin(req, 400, "protobuf_nesting_too_deep");
        xr_json_kv_int(&j, "max_depth", XR_OTLP_DEPTH_MAX);
        break;
    default:
        xr_error_code(req, XR_INTERNAL, err);
        return;
    }
    xr_error_end(req, &j);
}

void xr_reply_unsupported_encoding(struct xr_request *req, struct xr_str encoding) {
    struct xr_str type = {0}, lower = {0};
    struct xr_err err;
    struct xr_arena *arena = xr_request_arena(req);
    enum xr_code code = xr_request_header(req, "Content-Type", &type) ? xr_media_type(type, arena, &type, &err) : XR_OK;
    if (code == XR_OK)
        code = xr_media_type(encoding, arena, &lower, &err);
    if (code != XR_OK) {
        xr_error_code(req, code, &err);
        return;
    }
    struct xr_json j = xr_error_begin(req, 415, "unsupported_content_type");
    xr_json_kv_opt_str(&j, "content_type", type);
    xr_json_kv_str(&j, "content_encoding", lower);
    xr_error_end(req, &j);
}
