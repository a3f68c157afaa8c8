// SPDX-License-Identifier: Apache-2.0
#include "otlp/vocabulary.h"
#include "base/limits.h"
#include "otlp/vocab_fields.h"

/* In the order of matching. */
static const struct xr_vocabulary *const TABLE[XR_VOCABULARY_COUNT] = {
    &XR_VOCABULARY_XRAY,
    &XR_VOCABULARY_GEN_AI,
    &XR_VOCABULARY_LANGFUSE,
    &XR_VOCABULARY_LIVEKIT,
};

/* Of LiveKit's own attributes, which are kept whatever the vocabulary. */
static const struct xr_str ALWAYS_KEPT = XR_NAME("lk.");

/* Quotes, colon and comma of one member, and the longest number. */
enum { MEMBER_BYTES = XR_NUMBER_MAX + 8 };

const struct xr_vocabulary *xr_vocabulary_of(const struct xr_span *span) {
    for (size_t i = 0; i < XR_VOCABULARY_COUNT; i++)
        if (TABLE[i]->recognises(span))
            return TABLE[i];
    return NULL;
}

const struct xr_vocabulary *xr_vocabulary_numbered(int64_t number) {
    for (size_t i = 0; i < XR_VOCABULARY_COUNT; i++)
        if (TABLE[i]->number == number)
            return TABLE[i];
    return NULL;
}

const struct xr_vocabulary *xr_vocabulary_at(size_t i) {
    return i < XR_VOCABULARY_COUNT ? TABLE[i] : NULL;
}

static bool keeps(const struct xr_vocabulary *vocabulary, const struct xr_attr *attr) {
    return xr_field_begins(attr->key, vocabulary->prefix) || xr_field_begins(attr->key, ALWAYS_KEPT);
}

/* What the object takes if nothing in it has to be escaped. */
static size_t expected_size(const struct xr_vocabulary *vocabulary, const struct xr_attrs *attrs) {
    size_t size = 2;
    for (size_t i = 0; i < attrs->count; i++) {
        const struct xr_attr *attr = &attrs->items[i];
        bool has_text = attr->kind == XR_ATTR_STRING || attr->kind == XR_ATTR_JSON;
        if (keeps(vocabulary, attr))
            size += attr->key.len + (has_text ? attr->text.len : 0) + MEMBER_BYTES;
    }
    return size;
}

enum xr_code xr_vocabulary_keep(const struct xr_vocabulary *vocabulary, const struct xr_span *span,
                                struct xr_arena *arena, struct xr_str *ret_json, struct xr_err *err) {
    XR_AUTO(xr_buf_clear) struct xr_buf buf = xr_buf_make(XR_OTLP_ARENA_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    xr_buf_reserve(&buf, expected_size(vocabulary, &span->attrs));
    xr_json_object(&j);
    for (size_t i = 0; i < span->attrs.count; i++) {
        const struct xr_attr *attr = &span->attrs.items[i];
        if (!keeps(vocabulary, attr))
            continue;
        xr_json_key(&j, attr->key);
        xr_attr_write(&j, attr);
    }
    xr_json_object_end(&j);
    return xr_field_copy(&buf, arena, ret_json, err);
}
