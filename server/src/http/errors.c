// SPDX-License-Identifier: Apache-2.0
#include "base/limits.h"
#include "http/core.h"

/* What the client hears of a code that no handler has an answer of its own for. Every other code is a fault of ours. */
static const struct {
    enum xr_code code;
    int status;
    const char *name;
    bool again; /* soon: Retry-After */
} ANSWERS[] = {
    {XR_TOO_LARGE, 413, "body_too_large", false},  {XR_OVERLOADED, 503, "overloaded", true},
    {XR_NO_MEMORY, 503, "overloaded", true},       {XR_CANCELLED, 503, "overloaded", true}, /* the server is stopping */
    {XR_STORAGE_FULL, 507, "storage_full", false},
};

struct xr_json xr_error_begin(struct xr_request *req, int status, const char *code) {
    xr_buf_clear(&req->buf);
    req->error_status = status;
    struct xr_json j = xr_json_make(&req->buf, XR_JSON_RESPONSE);
    xr_json_object(&j);
    xr_json_kv_strz(&j, "error", code);
    return j;
}

void xr_error_end(struct xr_request *req, struct xr_json *j) {
    xr_json_object_end(j);
    xr_respond_json(req, req->error_status);
}

static void write_issue(struct xr_json *j, const struct xr_issue *issue) {
    xr_json_object(j);
    xr_json_kv_str(j, "path", issue->path);
    xr_json_kv_str(j, "message", issue->message);
    if (issue->expected.ptr)
        xr_json_kv_str(j, "expected", issue->expected);
    if (issue->received.ptr)
        xr_json_kv_str(j, "received", issue->received);
    xr_json_object_end(j);
}

void xr_error_issues(struct xr_request *req, int status, const char *code, const struct xr_issues *issues) {
    struct xr_json j = xr_error_begin(req, status, code);
    xr_json_key(&j, XR_STR("issues"));
    xr_json_array(&j);
    for (size_t i = 0; i < issues->count; i++)
        write_issue(&j, &issues->items[i]);
    xr_json_array_end(&j);
    xr_error_end(req, &j);
}

static void internal_error(struct xr_request *req, enum xr_code code, const struct xr_err *err) {
    xr_log(req->http->deps.log, XR_LOG_ERROR, "request failed", XR_LOG_S("request_id", req->id),
           XR_LOG_S("code", xr_code_name(code)), XR_LOG_S("message", err ? err->message : ""),
           XR_LOG_S("route", req->route ? req->route->path : ""));
    struct xr_json j = xr_error_begin(req, 500, "internal_error");
    xr_json_kv_strz(&j, "request_id", req->id);
    xr_error_end(req, &j);
}

void xr_error_code(struct xr_request *req, enum xr_code code, const struct xr_err *err) {
    for (size_t i = 0; i < sizeof ANSWERS / sizeof ANSWERS[0]; i++) {
        if (ANSWERS[i].code != code)
            continue;
        if (ANSWERS[i].again)
            xr_response_header(req, "Retry-After", "1");
        struct xr_json j = xr_error_begin(req, ANSWERS[i].status, ANSWERS[i].name);
        if (code == XR_TOO_LARGE)
            xr_json_kv_int(&j, "max_bytes", (int64_t)xr_request_body_max(req));
        xr_error_end(req, &j);
        return;
    }
    internal_error(req, code, err);
}
