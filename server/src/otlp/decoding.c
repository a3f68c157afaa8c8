// SPDX-License-Identifier: Apache-2.0
#include "otlp/decoding.h"
#include "base/limits.h"
#include <stdarg.h>
#include <stdio.h>

struct xr_decoding xr_decoding_start(struct xr_arena *arena, const struct xr_span_sink *sink,
                                     struct xr_otlp_refusal *refusal, struct xr_err *err) {
    return (struct xr_decoding){
        .arena = arena, .sink = sink, .refusal = refusal, .err = err, .text = xr_buf_make(XR_OTLP_ARENA_MAX)};
}

void xr_decoding_end(struct xr_decoding *d) {
    xr_attr_list_clear(&d->span_attrs);
    xr_attr_list_clear(&d->resource_attrs);
    xr_buf_clear(&d->text);
}

static void format_path(const struct xr_decoding *d, const char *below, char out[XR_ERR_PATH_MAX]) {
    size_t r = d->resource_index, s = d->scope_index;
    switch (d->level) {
    case XR_OTLP_REQUEST:
        snprintf(out, XR_ERR_PATH_MAX, "%s", below);
        break;
    case XR_OTLP_RESOURCE_SPANS:
        snprintf(out, XR_ERR_PATH_MAX, "resourceSpans[%zu]%s", r, below);
        break;
    case XR_OTLP_RESOURCE:
        snprintf(out, XR_ERR_PATH_MAX, "resourceSpans[%zu].resource%s", r, below);
        break;
    case XR_OTLP_SCOPE_SPANS:
        snprintf(out, XR_ERR_PATH_MAX, "resourceSpans[%zu].scopeSpans[%zu]%s", r, s, below);
        break;
    case XR_OTLP_SPAN:
        snprintf(out, XR_ERR_PATH_MAX, "resourceSpans[%zu].scopeSpans[%zu].spans[%zu]%s", r, s, d->span_index, below);
    }
}

static enum xr_code refuse(struct xr_decoding *d, struct xr_otlp_refusal refusal, const char *below,
                           const char *message) {
    char path[XR_ERR_PATH_MAX];
    format_path(d, below, path);
    *d->refusal = refusal;
    return xr_fail(d->err, XR_INVALID, path, "%s", message);
}

enum xr_code xr_decoding_refuse(struct xr_decoding *d, const char *below, const char *fmt, ...) {
    char message[XR_ERR_MESSAGE_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(message, sizeof message, fmt, args);
    va_end(args);
    return refuse(d, (struct xr_otlp_refusal){.fault = XR_OTLP_BODY}, below, message);
}

enum xr_code xr_decoding_refuse_wire_type(struct xr_decoding *d, unsigned wire_type) {
    char message[XR_ERR_MESSAGE_MAX];
    snprintf(message, sizeof message, "protobuf wire type %u is not supported", wire_type);
    return refuse(d, (struct xr_otlp_refusal){.fault = XR_OTLP_WIRE_TYPE, .wire_type = wire_type}, "", message);
}

enum xr_code xr_decoding_refuse_depth(struct xr_decoding *d) {
    char message[XR_ERR_MESSAGE_MAX];
    snprintf(message, sizeof message, "an attribute's value is nested deeper than %d levels", XR_OTLP_DEPTH_MAX);
    return refuse(d, (struct xr_otlp_refusal){.fault = XR_OTLP_DEPTH}, "", message);
}

enum xr_code xr_decoding_check_count(struct xr_decoding *d) {
    char message[XR_ERR_MESSAGE_MAX];
    if (d->spans <= XR_OTLP_SPANS_MAX)
        return XR_OK;
    d->level = XR_OTLP_REQUEST;
    snprintf(message, sizeof message, "%zu spans, at most %d in one request", d->spans, XR_OTLP_SPANS_MAX);
    return refuse(d, (struct xr_otlp_refusal){.fault = XR_OTLP_SPANS, .received = d->spans}, "", message);
}

enum xr_code xr_decoding_no_memory(struct xr_decoding *d) {
    return xr_fail(d->err, XR_NO_MEMORY, NULL, "the spans need too much memory");
}

enum xr_code xr_decoding_resource_done(struct xr_decoding *d) {
    d->resource = NULL;
    return xr_attr_list_merge(&d->resource_attrs, d->err);
}

enum xr_code xr_decoding_span_done(struct xr_decoding *d, struct xr_span *span) {
    if (!d->resource) {
        /* In the arena, so that no two resources of a request have the same address. */
        struct xr_attrs *resource = xr_arena_alloc(d->arena, sizeof *resource);
        if (!resource)
            return xr_decoding_no_memory(d);
        *resource = xr_attr_list_view(&d->resource_attrs);
        d->resource = resource;
    }
    enum xr_code code = xr_attr_list_merge(&d->span_attrs, d->err);
    if (code != XR_OK)
        return code;
    span->attrs = xr_attr_list_view(&d->span_attrs);
    span->resource = d->resource;
    return d->sink->take(d->sink->ctx, span, d->err);
}

enum xr_code xr_decoding_take_text(struct xr_decoding *d, struct xr_attr *attr) {
    if (d->text.over)
        return xr_fail(d->err, XR_TOO_LARGE, NULL, "an attribute takes more than %zu bytes as JSON", d->text.max);
    if (d->text.failed)
        return xr_decoding_no_memory(d);
    attr->text = xr_arena_str(d->arena, xr_buf_view(&d->text));
    attr->kind = XR_ATTR_JSON;
    d->text.len = 0;
    return attr->text.ptr ? XR_OK : xr_decoding_no_memory(d);
}
