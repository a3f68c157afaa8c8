// SPDX-License-Identifier: Apache-2.0
/* OTLP's JSON encoding, and what protobuf's generic JSON printers write of the same messages.
 *
 * Names in camelCase or snake_case; of a repeated member the last that is not null counts; unknown members are skipped.
 * A known member of the wrong type is as good as absent, except where it decides whether this is a request at all: the
 * body and the lists down to the spans. Numbers may be strings, ids hex or base64, bytes base64 of any form. Unpaired
 * surrogates in escapes become U+FFFD; bytes that are not UTF-8 are refused. */
#include "base/limits.h"
#include "otlp/ids.h"
#include "otlp/json_attrs.h"
#include <assert.h>

static_assert(XR_OTLP_PADDING - XR_JSON_PADDING >= 0, "the parser writes behind the body");

/* A list of a level, and its path below that. */
struct list {
    struct xr_json_name name;
    const char *below;
};
static const struct list RESOURCE_SPANS = {XR_JSON_NAME("resourceSpans", "resource_spans"), "resourceSpans"};
static const struct list SCOPE_SPANS = {XR_JSON_NAME("scopeSpans", "scope_spans"), ".scopeSpans"};
static const struct list SPANS = {XR_JSON_NAME("spans", "spans"), ".spans"};
static const struct xr_json_name RESOURCE_NAME = XR_JSON_NAME("resource", "resource");
static const struct xr_json_name ATTRIBUTES_NAME = XR_JSON_NAME("attributes", "attributes");

enum { TRACE_ID, SPAN_ID, PARENT_SPAN_ID, NAME, START_TIME, END_TIME, ATTRIBUTES, SPAN_COUNT };
static const struct xr_json_name SPAN_NAMES[SPAN_COUNT] = {
    [TRACE_ID] = XR_JSON_NAME("traceId", "trace_id"),
    [SPAN_ID] = XR_JSON_NAME("spanId", "span_id"),
    [PARENT_SPAN_ID] = XR_JSON_NAME("parentSpanId", "parent_span_id"),
    [NAME] = XR_JSON_NAME("name", "name"),
    [START_TIME] = XR_JSON_NAME("startTimeUnixNano", "start_time_unix_nano"),
    [END_TIME] = XR_JSON_NAME("endTimeUnixNano", "end_time_unix_nano"),
    [ATTRIBUTES] = XR_JSON_NAME("attributes", "attributes"),
};

/* What is done with what a walk over the request finds. */
struct visitor {
    enum xr_code (*resource)(struct xr_decoding *d, yyjson_val *resource); /* NULL if there is none */
    enum xr_code (*span)(struct xr_decoding *d, yyjson_val *span);
};

/* The list of an object at d->level; NULL if absent. */
static enum xr_code list_of(struct xr_decoding *d, yyjson_val *object, const struct list *list,
                            yyjson_val **ret_items) {
    yyjson_val *items;
    if (!yyjson_is_obj(object))
        return xr_decoding_refuse(d, "", "must be an object");
    xr_json_members(object, &list->name, 1, &items);
    if (items && !yyjson_is_arr(items))
        return xr_decoding_refuse(d, list->below, "must be an array");
    *ret_items = items;
    return XR_OK;
}

static enum xr_code walk_spans(struct xr_decoding *d, yyjson_val *scope, const struct visitor *visitor) {
    size_t n;
    yyjson_val *spans, *span;
    enum xr_code code = list_of(d, scope, &SPANS, &spans);
    if (code != XR_OK)
        return code;
    d->level = XR_OTLP_SPAN;
    yyjson_arr_foreach(spans, d->span_index, n, span) {
        code = yyjson_is_obj(span) ? visitor->span(d, span) : xr_decoding_refuse(d, "", "must be an object");
        if (code != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code walk_resource(struct xr_decoding *d, yyjson_val *resource_spans, const struct visitor *visitor) {
    size_t n;
    yyjson_val *scopes, *scope, *resource;
    d->level = XR_OTLP_RESOURCE_SPANS;
    enum xr_code code = list_of(d, resource_spans, &SCOPE_SPANS, &scopes);
    if (code != XR_OK)
        return code;
    xr_json_members(resource_spans, &RESOURCE_NAME, 1, &resource);
    d->level = XR_OTLP_RESOURCE;
    if ((code = visitor->resource(d, resource)) != XR_OK)
        return code;
    yyjson_arr_foreach(scopes, d->scope_index, n, scope) {
        d->level = XR_OTLP_SCOPE_SPANS;
        if ((code = walk_spans(d, scope, visitor)) != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code walk(struct xr_decoding *d, yyjson_val *request, const struct visitor *visitor) {
    size_t n;
    yyjson_val *resources, *resource;
    d->level = XR_OTLP_REQUEST;
    enum xr_code code = list_of(d, request, &RESOURCE_SPANS, &resources);
    if (code != XR_OK)
        return code;
    yyjson_arr_foreach(resources, d->resource_index, n, resource) {
        if ((code = walk_resource(d, resource, visitor)) != XR_OK)
            return code;
    }
    return XR_OK;
}

static enum xr_code skip_resource(struct xr_decoding *d, yyjson_val *resource) {
    (void)d, (void)resource;
    return XR_OK;
}

static enum xr_code count_span(struct xr_decoding *d, yyjson_val *span) {
    (void)span;
    d->spans++;
    return XR_OK;
}

static enum xr_code read_resource(struct xr_decoding *d, yyjson_val *resource) {
    yyjson_val *attributes;
    xr_json_members(resource, &ATTRIBUTES_NAME, 1, &attributes);
    d->resource_attrs.count = 0;
    enum xr_code code = xr_json_attrs(d, attributes, &d->resource_attrs);
    return code == XR_OK ? xr_decoding_resource_done(d) : code;
}

static enum xr_code read_ids(struct xr_decoding *d, yyjson_val *const members[SPAN_COUNT], struct xr_span *span) {
    const struct {
        int member;
        size_t size;
        struct xr_id *id;
    } IDS[] = {
        {TRACE_ID, XR_TRACE_ID_SIZE, &span->trace_id},
        {SPAN_ID, XR_SPAN_ID_SIZE, &span->span_id},
        {PARENT_SPAN_ID, XR_SPAN_ID_SIZE, &span->parent_span_id},
    };
    for (size_t i = 0; i < sizeof IDS / sizeof *IDS; i++) {
        struct xr_str text = xr_json_text_of(members[IDS[i].member]);
        enum xr_code code = xr_id_of_text(text, IDS[i].size, d->arena, IDS[i].id, d->err);
        if (code != XR_OK)
            return code;
    }
    span->parent_span_id = xr_id_of_parent(span->parent_span_id);
    return XR_OK;
}

static enum xr_code read_span(struct xr_decoding *d, yyjson_val *object) {
    yyjson_val *members[SPAN_COUNT];
    xr_json_members(object, SPAN_NAMES, SPAN_COUNT, members);
    struct xr_span span = {
        .name = xr_json_text_of(members[NAME]),
        .started_ns = xr_json_time_of(members[START_TIME]),
        .ended_ns = xr_json_time_of(members[END_TIME]),
    };
    d->span_attrs.count = 0;
    enum xr_code code = read_ids(d, members, &span);
    if (code == XR_OK)
        code = xr_json_attrs(d, members[ATTRIBUTES], &d->span_attrs);
    return code == XR_OK ? xr_decoding_span_done(d, &span) : code;
}

static enum xr_code decode(struct xr_decoding *d, yyjson_val *request) {
    static const struct visitor COUNT = {.resource = skip_resource, .span = count_span};
    static const struct visitor READ = {.resource = read_resource, .span = read_span};
    enum xr_code code = walk(d, request, &COUNT);
    if (code == XR_OK)
        code = xr_decoding_check_count(d);
    return code == XR_OK ? walk(d, request, &READ) : code;
}

enum xr_code xr_otlp_decode_json(char *body, size_t len, struct xr_arena *arena, const struct xr_span_sink *sink,
                                 struct xr_otlp_refusal *ret_refusal, struct xr_err *err) {
    struct xr_json_memory memory = {.max = XR_OTLP_VALUES_MAX};
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    xr_json_mend_surrogates(body, len);
    enum xr_code code = xr_json_parse_in_place(body, len, &memory, &doc, err);
    if (code == XR_INVALID)
        *ret_refusal = (struct xr_otlp_refusal){.fault = XR_OTLP_BODY};
    if (code != XR_OK)
        return code;
    struct xr_decoding d = xr_decoding_start(arena, sink, ret_refusal, err);
    code = decode(&d, yyjson_doc_get_root(doc));
    xr_decoding_end(&d);
    return code;
}
