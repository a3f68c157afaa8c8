// SPDX-License-Identifier: Apache-2.0
/* OTLP's protobuf encoding, read from the wire without a generated tree (docs/adr/0003-own-protobuf-reader.md).
 *
 * The request is walked twice: first down to the spans, which are counted and not looked into, then with them. Of a
 * repeated singular field the last one counts. Unknown fields, and known ones of another wire type, are skipped.
 * Strings that are not UTF-8 are repaired. */
#include "base/limits.h"
#include "otlp/ids.h"
#include "otlp/protobuf_attrs.h"

/* opentelemetry-proto, collector/trace/v1, trace/v1 and resource/v1 */
enum {
    REQUEST_RESOURCE_SPANS = XR_WIRE_TAG(1, XR_WIRE_LEN),
    RESOURCE_SPANS_RESOURCE = XR_WIRE_TAG(1, XR_WIRE_LEN),
    RESOURCE_SPANS_SCOPE_SPANS = XR_WIRE_TAG(2, XR_WIRE_LEN),
    RESOURCE_ATTRIBUTES = XR_WIRE_TAG(1, XR_WIRE_LEN),
    SCOPE_SPANS_SPANS = XR_WIRE_TAG(2, XR_WIRE_LEN),
    SPAN_TRACE_ID = XR_WIRE_TAG(1, XR_WIRE_LEN),
    SPAN_SPAN_ID = XR_WIRE_TAG(2, XR_WIRE_LEN),
    SPAN_PARENT_SPAN_ID = XR_WIRE_TAG(4, XR_WIRE_LEN),
    SPAN_NAME = XR_WIRE_TAG(5, XR_WIRE_LEN),
    SPAN_START_TIME = XR_WIRE_TAG(7, XR_WIRE_I64),
    SPAN_END_TIME = XR_WIRE_TAG(8, XR_WIRE_I64),
    SPAN_ATTRIBUTES = XR_WIRE_TAG(9, XR_WIRE_LEN)
};

/* What is done with what a walk over the request finds. */
struct visitor {
    enum xr_code (*resource)(struct xr_decoding *d, struct xr_str resource); /* empty if there is none */
    enum xr_code (*span)(struct xr_decoding *d, struct xr_str span);
};

static enum xr_code walk_spans(struct xr_decoding *d, struct xr_str scope_spans, const struct visitor *visitor) {
    struct xr_wire wire = xr_wire_of(scope_spans);
    struct xr_wire_field field;
    enum xr_wire_result got;
    d->level = XR_OTLP_SCOPE_SPANS;
    d->span_index = 0;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD) {
        if (field.tag != SCOPE_SPANS_SPANS)
            continue;
        d->level = XR_OTLP_SPAN;
        enum xr_code code = visitor->span(d, field.bytes);
        if (code != XR_OK)
            return code;
        d->level = XR_OTLP_SCOPE_SPANS;
        d->span_index++;
    }
    return got == XR_WIRE_END ? XR_OK : xr_protobuf_refuse(d, got, &field);
}

/* The resource may come behind the spans that need it. */
static enum xr_code visit_resource(struct xr_decoding *d, struct xr_str resource_spans, const struct visitor *visitor) {
    struct xr_wire wire = xr_wire_of(resource_spans);
    struct xr_wire_field field;
    struct xr_str resource = {0};
    enum xr_wire_result got;
    d->level = XR_OTLP_RESOURCE_SPANS;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD)
        if (field.tag == RESOURCE_SPANS_RESOURCE)
            resource = field.bytes;
    if (got != XR_WIRE_END)
        return xr_protobuf_refuse(d, got, &field);
    d->level = XR_OTLP_RESOURCE;
    return visitor->resource(d, resource);
}

static enum xr_code walk_resource(struct xr_decoding *d, struct xr_str resource_spans, const struct visitor *visitor) {
    struct xr_wire wire = xr_wire_of(resource_spans);
    struct xr_wire_field field;
    enum xr_code code = visit_resource(d, resource_spans, visitor);
    d->scope_index = 0;
    while (code == XR_OK && xr_wire_next(&wire, &field) == XR_WIRE_FIELD) {
        if (field.tag != RESOURCE_SPANS_SCOPE_SPANS)
            continue;
        code = walk_spans(d, field.bytes, visitor);
        d->scope_index++;
    }
    return code;
}

static enum xr_code walk(struct xr_decoding *d, struct xr_str request, const struct visitor *visitor) {
    struct xr_wire wire = xr_wire_of(request);
    struct xr_wire_field field;
    enum xr_wire_result got;
    d->level = XR_OTLP_REQUEST;
    d->resource_index = 0;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD) {
        if (field.tag != REQUEST_RESOURCE_SPANS)
            continue;
        enum xr_code code = walk_resource(d, field.bytes, visitor);
        if (code != XR_OK)
            return code;
        d->level = XR_OTLP_REQUEST;
        d->resource_index++;
    }
    return got == XR_WIRE_END ? XR_OK : xr_protobuf_refuse(d, got, &field);
}

static enum xr_code skip_resource(struct xr_decoding *d, struct xr_str resource) {
    (void)d, (void)resource;
    return XR_OK;
}

static enum xr_code count_span(struct xr_decoding *d, struct xr_str span) {
    (void)span;
    d->spans++;
    return XR_OK;
}

static enum xr_code read_resource(struct xr_decoding *d, struct xr_str resource) {
    struct xr_wire wire = xr_wire_of(resource);
    struct xr_wire_field field;
    enum xr_wire_result got;
    d->resource_attrs.count = 0;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD) {
        if (field.tag != RESOURCE_ATTRIBUTES)
            continue;
        enum xr_code code = xr_protobuf_attr(d, field.bytes, &d->resource_attrs);
        if (code != XR_OK)
            return code;
    }
    return got == XR_WIRE_END ? xr_decoding_resource_done(d) : xr_protobuf_refuse(d, got, &field);
}

static int64_t time_of(uint64_t ns) {
    return ns <= INT64_MAX ? (int64_t)ns : INT64_MAX;
}

/* What of a span is as long as its own bytes are: checked and converted at its end. */
struct raw_span {
    struct xr_str trace_id, span_id, parent_span_id, name;
    uint64_t started_ns, ended_ns;
};

static enum xr_code read_field(struct xr_decoding *d, const struct xr_wire_field *field, struct raw_span *raw) {
    switch (field->tag) {
    case SPAN_TRACE_ID:
        raw->trace_id = field->bytes;
        break;
    case SPAN_SPAN_ID:
        raw->span_id = field->bytes;
        break;
    case SPAN_PARENT_SPAN_ID:
        raw->parent_span_id = field->bytes;
        break;
    case SPAN_NAME:
        raw->name = field->bytes;
        break;
    case SPAN_START_TIME:
        raw->started_ns = field->number;
        break;
    case SPAN_END_TIME:
        raw->ended_ns = field->number;
        break;
    case SPAN_ATTRIBUTES:
        return xr_protobuf_attr(d, field->bytes, &d->span_attrs);
    default:
        break;
    }
    return XR_OK;
}

static enum xr_code finish_span(struct xr_decoding *d, const struct raw_span *raw) {
    struct xr_span span = {.started_ns = time_of(raw->started_ns), .ended_ns = time_of(raw->ended_ns)};
    struct xr_id parent;
    enum xr_code code = xr_id_of_bytes(raw->trace_id, XR_TRACE_ID_SIZE, d->arena, &span.trace_id, d->err);
    if (code == XR_OK)
        code = xr_id_of_bytes(raw->span_id, XR_SPAN_ID_SIZE, d->arena, &span.span_id, d->err);
    if (code == XR_OK)
        code = xr_id_of_bytes(raw->parent_span_id, XR_SPAN_ID_SIZE, d->arena, &parent, d->err);
    if (code == XR_OK)
        code = xr_protobuf_text(d, raw->name, &span.name);
    if (code != XR_OK)
        return code;
    span.parent_span_id = xr_id_of_parent(parent);
    return xr_decoding_span_done(d, &span);
}

static enum xr_code read_span(struct xr_decoding *d, struct xr_str message) {
    struct xr_wire wire = xr_wire_of(message);
    struct xr_wire_field field;
    struct raw_span raw = {.name = XR_STR("")};
    enum xr_wire_result got;
    d->span_attrs.count = 0;
    while ((got = xr_wire_next(&wire, &field)) == XR_WIRE_FIELD) {
        enum xr_code code = read_field(d, &field, &raw);
        if (code != XR_OK)
            return code;
    }
    return got == XR_WIRE_END ? finish_span(d, &raw) : xr_protobuf_refuse(d, got, &field);
}

enum xr_code xr_otlp_decode_protobuf(struct xr_str body, struct xr_arena *arena, const struct xr_span_sink *sink,
                                     struct xr_otlp_refusal *ret_refusal, struct xr_err *err) {
    static const struct visitor COUNT = {.resource = skip_resource, .span = count_span};
    static const struct visitor READ = {.resource = read_resource, .span = read_span};
    struct xr_decoding d = xr_decoding_start(arena, sink, ret_refusal, err);
    enum xr_code code = walk(&d, body, &COUNT);
    if (code == XR_OK)
        code = xr_decoding_check_count(&d);
    if (code == XR_OK)
        code = walk(&d, body, &READ);
    xr_decoding_end(&d);
    return code;
}
