// SPDX-License-Identifier: Apache-2.0
/* otlp/vocabulary: whatever a span's name and attributes are, what is kept and extracted is valid JSON and UTF-8, and
 * numbers are not negative or -1.
 *
 * The input is a program for a span, because raw bytes would never spell a key: a byte chooses a known name or key, or
 * (beyond the last) a raw one follows; lengths are one byte. */
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "otlp/vocabulary.h"
#include <math.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ATTRS_MAX = 24, ARENA_MAX = 1 << 22, DEPTH_MAX = XR_OTLP_ARGS_DEPTH_MAX + 2 };

static const char *const NAMES[] = {
    "xray.turn",     "xray.stage.stt", "chat", "chat m", "text_completion", "execute_tool", "execute_tool t",
    "function_tool", "llm_request",    "x",    "",
};
#define O "langfuse.observation."
static const char *const KEYS[] = {
    "gen_ai.operation.name",
    "gen_ai.tool.name",
    "lk.function_tool.name",
    "gen_ai.tool.call.arguments",
    "gen_ai.tool.arguments",
    "lk.pii.function_tool.arguments",
    "lk.function_tool.arguments",
    "gen_ai.tool.call.result",
    "gen_ai.tool.result",
    "lk.pii.function_tool.output",
    "lk.function_tool.output",
    "gen_ai.provider.name",
    "gen_ai.system",
    "gen_ai.response.model",
    "gen_ai.request.model",
    "gen_ai.usage.input_tokens",
    "gen_ai.usage.output_tokens",
    "gen_ai.response.time_to_first_chunk",
    "lk.response.ttft",
    O "type",
    "langfuse.type",
    O "name",
    O "input",
    O "input.value",
    O "output",
    O "output.value",
    O "provider",
    O "model.name",
    O "usage_details",
    O "usage_details.input",
    O "usage_details.output",
    O "usage_details.total",
    O "completion_start_time",
    "xray.replay.id",
    "lk.",
    "gen_ai.",
    "langfuse.",
};
/* Values that lead further than chance would. */
static const char *const VALUES[] = {
    "chat",
    "execute_tool",
    "generate_content",
    "generation",
    "tool",
    "{\"input\":1,\"output\":\"2\"}",
    "2026-01-02T03:04:05.5Z",
    "\"2026-01-02T03:04:05.5Z\"",
    "9223372036854775807",
    "0.25",
    "[1, {\"a\": null}]",
};
#define COUNT(table) (sizeof(table) / sizeof *(table))

struct input {
    const uint8_t *at;
    size_t left;
    struct xr_arena *arena;
};

static void check(bool holds) {
    if (!holds)
        abort();
}

static unsigned take_byte(struct input *in) {
    if (in->left == 0)
        return 0;
    in->left--;
    return *in->at++;
}

/* Bytes that are not UTF-8 are repaired, as the decoders do. */
static struct xr_str take_raw(struct input *in) {
    struct xr_str raw = {.len = take_byte(in)}, text = {0};
    if (in->left < raw.len)
        raw.len = in->left;
    raw.ptr = (const char *)in->at;
    in->at += raw.len;
    in->left -= raw.len;
    check(xr_utf8_repair(in->arena, raw, &text, NULL) == XR_OK);
    return text;
}

static struct xr_str take_text(struct input *in, const char *const *table, size_t count) {
    unsigned i = take_byte(in);
    return i < count ? xr_str_from(table[i]) : take_raw(in);
}

/* The text of an array or an object, as the decoders write it. */
static struct xr_str take_json(struct input *in) {
    struct xr_str text = take_text(in, VALUES, COUNT(VALUES));
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    XR_AUTO(xr_buf_clear) struct xr_buf buf = xr_buf_make(ARENA_MAX);
    struct xr_json j = xr_json_make(&buf, XR_JSON_RESPONSE);
    if (xr_json_parse(text, XR_OTLP_DEPTH_MAX, &doc, NULL) != XR_OK || !yyjson_is_ctn(yyjson_doc_get_root(doc)))
        return XR_STR("[]");
    check(xr_json_value(&j, yyjson_doc_get_root(doc), XR_OTLP_DEPTH_MAX) == XR_OK);
    return xr_arena_str(in->arena, xr_buf_view(&buf));
}

static uint64_t take_number(struct input *in) {
    uint64_t bits = 0;
    for (int i = 0; i < 8; i++)
        bits = bits << 8 | take_byte(in);
    return bits;
}

static struct xr_attr take_attr(struct input *in) {
    struct xr_attr attr = {.key = take_text(in, KEYS, COUNT(KEYS))};
    attr.kind = (enum xr_attr_kind)(take_byte(in) % (XR_ATTR_JSON + 1));
    uint64_t bits = attr.kind == XR_ATTR_INT || attr.kind == XR_ATTR_DOUBLE ? take_number(in) : 0;
    switch (attr.kind) {
    case XR_ATTR_STRING:
        attr.text = take_text(in, VALUES, COUNT(VALUES));
        break;
    case XR_ATTR_INT:
        attr.integer = (int64_t)bits;
        break;
    case XR_ATTR_DOUBLE:
        memcpy(&attr.real, &bits, sizeof attr.real);
        attr.real = isfinite(attr.real) ? attr.real : 0.5;
        break;
    case XR_ATTR_BOOL:
        attr.boolean = take_byte(in) % 2;
        break;
    case XR_ATTR_JSON:
        attr.text = take_json(in);
        break;
    }
    return attr;
}

static void check_json(struct xr_str json, bool is_object) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    check(xr_utf8_valid(json));
    check(xr_json_parse(json, DEPTH_MAX, &doc, NULL) == XR_OK);
    check(!is_object || yyjson_is_obj(yyjson_doc_get_root(doc)));
}

static void check_kept(const struct xr_vocabulary *vocabulary, const struct xr_span *span, struct xr_arena *arena) {
    struct xr_str json;
    check(xr_vocabulary_keep(vocabulary, span, arena, &json, NULL) == XR_OK);
    check_json(json, true);
}

static void check_extract(const struct xr_vocabulary *vocabulary, const struct xr_span *span, struct xr_arena *arena) {
    struct xr_extract e = {.kind = XR_EXTRACT_NONE};
    check(!vocabulary->extract || vocabulary->extract(span, arena, &e, NULL) == XR_OK);
    if (e.kind == XR_EXTRACT_TOOL_CALL) {
        check(e.tool_name.len > 0 && xr_utf8_valid(e.tool_name));
        if (e.args_json.ptr)
            check_json(e.args_json, false);
        if (e.result_json.ptr)
            check_json(e.result_json, false);
    }
    if (e.kind == XR_EXTRACT_MODEL_USAGE) {
        check(xr_utf8_valid(e.provider) && xr_utf8_valid(e.model));
        check(e.input_tokens >= -1 && e.output_tokens >= -1 && e.total_tokens >= -1 && e.ttft_ms >= -1);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    XR_AUTO(xr_arena_freep) struct xr_arena *arena = xr_arena_new(ARENA_MAX);
    struct input in = {.at = data, .left = size, .arena = arena};
    struct xr_attr items[ATTRS_MAX];
    struct xr_span span = {.name = take_text(&in, NAMES, COUNT(NAMES)), .attrs = {.items = items}};
    span.started_ns = (int64_t)(take_number(&in) & INT64_MAX);
    span.resource = &span.attrs;
    while (in.left > 0 && span.attrs.count < ATTRS_MAX) {
        struct xr_attr attr = take_attr(&in);
        if (!xr_attr_find(&span.attrs, attr.key))
            items[span.attrs.count++] = attr;
    }
    const struct xr_vocabulary *vocabulary = xr_vocabulary_of(&span);
    if (!vocabulary)
        return 0;
    check(xr_vocabulary_numbered(vocabulary->number) == vocabulary);
    check_kept(vocabulary, &span, arena);
    check_extract(vocabulary, &span, arena);
    return 0;
}
