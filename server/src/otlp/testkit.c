// SPDX-License-Identifier: Apache-2.0
#include "otlp/testkit.h"
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { TEXT_MAX = 1 << 28 };

struct seen {
    struct decoded *decoded;
    size_t fail_at;
};

static void show_attr(struct xr_json *j, const struct xr_attr *attr) {
    yyjson_doc *doc = NULL;
    xr_json_key(j, attr->key);
    switch (attr->kind) {
    case XR_ATTR_STRING:
        assert_true(xr_utf8_valid(attr->text));
        xr_json_str(j, attr->text);
        break;
    case XR_ATTR_INT:
        xr_json_int(j, attr->integer);
        break;
    case XR_ATTR_BOOL:
        xr_json_bool(j, attr->boolean);
        break;
    case XR_ATTR_DOUBLE:
        assert_true(isfinite(attr->real));
        xr_json_object(j);
        xr_json_key(j, XR_STR("double"));
        xr_json_number(j, attr->real);
        xr_json_object_end(j);
        break;
    case XR_ATTR_JSON:
        assert_int_equal(xr_json_parse(attr->text, XR_OTLP_DEPTH_MAX, &doc, NULL), XR_OK);
        yyjson_doc_free(doc);
        xr_json_object(j);
        xr_json_kv_raw(j, "json", attr->text);
        xr_json_object_end(j);
    }
}

static void show_attrs(struct xr_json *j, const struct xr_attrs *attrs) {
    xr_json_object(j);
    for (size_t i = 0; i < attrs->count; i++) {
        assert_true(xr_utf8_valid(attrs->items[i].key));
        show_attr(j, &attrs->items[i]);
    }
    xr_json_object_end(j);
}

static void show_id(struct xr_json *j, const char *key, struct xr_id id, size_t size) {
    char hex[2 * XR_TRACE_ID_SIZE + 1];
    xr_json_key(j, xr_str_from(key));
    if (!id.value.ptr) {
        xr_json_null(j);
    } else if (!id.is_text) {
        assert_int_equal(id.value.len, size);
        xr_hex_encode(id.value.ptr, size, hex);
        xr_json_str(j, xr_str_from(hex));
    } else {
        assert_true(xr_utf8_valid(id.value));
        char *text = malloc(id.value.len + 6);
        assert_non_null(text);
        snprintf(text, 6, "text:");
        if (id.value.len)
            memcpy(text + 5, id.value.ptr, id.value.len);
        xr_json_str(j, (struct xr_str){.ptr = text, .len = id.value.len + 5});
        free(text);
    }
}

static enum xr_code take(void *ctx, const struct xr_span *span, struct xr_err *err) {
    struct seen *seen = ctx;
    struct decoded *d = seen->decoded;
    struct xr_json j = xr_json_make(&d->spans, XR_JSON_RESPONSE), only = xr_json_make(&d->attrs, XR_JSON_RESPONSE);
    if (d->count == seen->fail_at)
        return xr_fail(err, XR_OVERLOADED, NULL, "the sink is full");
    d->count++;
    assert_non_null(span->trace_id.value.ptr);
    assert_non_null(span->span_id.value.ptr);
    assert_true(span->started_ns >= 0 && span->ended_ns >= 0);
    assert_true(xr_utf8_valid(span->name));
    xr_json_object(&j);
    show_id(&j, "trace", span->trace_id, XR_TRACE_ID_SIZE);
    show_id(&j, "span", span->span_id, XR_SPAN_ID_SIZE);
    show_id(&j, "parent", span->parent_span_id, XR_SPAN_ID_SIZE);
    xr_json_kv_str(&j, "name", span->name);
    xr_json_kv_int(&j, "from", span->started_ns);
    xr_json_kv_int(&j, "to", span->ended_ns);
    xr_json_key(&j, XR_STR("attrs"));
    show_attrs(&j, &span->attrs);
    xr_json_key(&j, XR_STR("resource"));
    show_attrs(&j, span->resource);
    xr_json_object_end(&j);
    xr_buf_char(&d->spans, '\n');
    show_attrs(&only, &span->attrs);
    xr_buf_char(&d->attrs, '\n');
    return XR_OK;
}

struct decoded decode_within(enum test_encoding encoding, struct xr_str body, size_t cap, size_t fail_at) {
    struct decoded d = {.spans = xr_buf_make(TEXT_MAX), .attrs = xr_buf_make(TEXT_MAX)};
    struct seen seen = {.decoded = &d, .fail_at = fail_at};
    const struct xr_span_sink sink = {.take = take, .ctx = &seen};
    struct xr_arena *arena = xr_arena_new(cap);
    char *copy = malloc(body.len + XR_OTLP_PADDING);
    assert_non_null(arena);
    assert_non_null(copy);
    if (body.len)
        memcpy(copy, body.ptr, body.len);
    memset(copy + body.len, '"', XR_OTLP_PADDING);
    if (encoding == TEST_JSON) {
        d.code = xr_otlp_decode_json(copy, body.len, arena, &sink, &d.refusal, &d.err);
    } else {
        char *exact = body.len ? realloc(copy, body.len) : copy;
        assert_non_null(exact);
        copy = exact;
        d.code =
            xr_otlp_decode_protobuf((struct xr_str){.ptr = copy, .len = body.len}, arena, &sink, &d.refusal, &d.err);
    }
    assert_false(d.spans.failed || d.attrs.failed);
    d.arena_used = xr_arena_used(arena);
    free(copy);
    xr_arena_free(arena);
    return d;
}

struct decoded decode(enum test_encoding encoding, struct xr_str body) {
    return decode_within(encoding, body, XR_OTLP_ARENA_MAX, SIZE_MAX);
}

void decoded_clear(struct decoded *d) {
    xr_buf_clear(&d->spans);
    xr_buf_clear(&d->attrs);
}

void assert_text(const struct xr_buf *got, const char *want) {
    size_t len = strlen(want);
    if (got->len != len || (len && memcmp(got->data, want, len) != 0))
        fail_msg("\n got: %.*s\nwant: %s", (int)got->len, got->data ? got->data : "", want);
}

void json_of(struct xr_buf *out, const char *text) {
    for (; *text; text++)
        xr_buf_char(out, *text == '\'' ? '"' : *text);
    assert_false(out->failed);
}

static void put_varint(struct xr_buf *out, uint64_t value) {
    for (; value >= 0x80; value >>= 7)
        xr_buf_char(out, (char)(value | 0x80));
    xr_buf_char(out, (char)value);
}

static void put_tag(struct xr_buf *out, uint64_t number, unsigned type) {
    put_varint(out, number << 3 | type);
}

static const char *put_hex(struct xr_buf *out, const char *text) {
    for (; isxdigit((unsigned char)text[0]); text += 2) {
        unsigned char byte;
        assert_true(xr_hex_decode((struct xr_str){.ptr = text, .len = 2}, &byte, 1));
        xr_buf_char(out, (char)byte);
    }
    return text;
}

static const char *put_message(struct xr_buf *out, const char *text);

/* What follows a field's number. */
static const char *put_value(struct xr_buf *out, uint64_t number, const char *text) {
    char *end = (char *)(uintptr_t)text, kind = *text++;
    struct xr_buf inner = xr_buf_make(TEXT_MAX);
    uint64_t bits = 0;
    double real;
    switch (kind) {
    case '{':
        text = put_message(&inner, text);
        assert_int_equal(*text++, '}');
        break;
    case '\'':
        for (; *text != '\''; text++)
            xr_buf_char(&inner, *text);
        text++;
        break;
    case 'x':
        text = put_hex(&inner, text);
        break;
    case '=':
        put_tag(out, number, 0);
        bits = text[0] == '-' ? (uint64_t)strtoll(text, &end, 10) : strtoull(text, &end, 10);
        put_varint(out, bits);
        return end;
    case '~':
        real = strtod(text, &end);
        put_tag(out, number, 1);
        xr_buf_append(out, &real, sizeof real);
        return end;
    case ':':
    case ',':
        put_tag(out, number, kind == ':' ? 1 : 5);
        bits = strtoull(text, &end, 10);
        xr_buf_append(out, &bits, kind == ':' ? 8 : 4);
        return end;
    default:
        fail_msg("no field: %s", text - 1);
    }
    put_tag(out, number, 2);
    put_varint(out, inner.len);
    xr_buf_append(out, inner.data, inner.len);
    xr_buf_clear(&inner);
    return text;
}

static const char *put_message(struct xr_buf *out, const char *text) {
    for (text += strspn(text, " "); *text && *text != '}'; text += strspn(text, " ")) {
        if (*text == '!') {
            text = put_hex(out, text + 1);
            continue;
        }
        char *end;
        uint64_t number = strtoull(text, &end, 10);
        text = put_value(out, number, end);
    }
    return text;
}

void protobuf_of(struct xr_buf *out, const char *text) {
    assert_int_equal(*put_message(out, text), '\0');
    assert_false(out->failed);
}

void request_of_value(enum test_encoding encoding, struct xr_buf *out, const char *value) {
    const char *before = encoding == TEST_JSON
                             ? "{'resourceSpans':[{'scopeSpans':[{'spans':[{'attributes':[{'key':'k','value':"
                             : "1{2{2{9{1'k'2{";
    const char *behind = encoding == TEST_JSON ? "}]}]}]}]}" : "}}}}}";
    struct xr_buf text = xr_buf_make(TEXT_MAX);
    xr_buf_str(&text, xr_str_from(before));
    xr_buf_str(&text, xr_str_from(value));
    xr_buf_append(&text, behind, strlen(behind) + 1);
    assert_false(text.failed);
    if (encoding == TEST_JSON)
        json_of(out, text.data);
    else
        protobuf_of(out, text.data);
    xr_buf_clear(&text);
}
