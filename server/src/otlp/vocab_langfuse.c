// SPDX-License-Identifier: Apache-2.0
/* What the Langfuse SDKs send: observations, of which generations and tools are read. The SDK writes all that is no
 * string as JSON text, a time too ("\"2026-01-02T03:04:05Z\"", with the quotes). */
#include "base/clock.h"
#include "base/limits.h"
#include "otlp/vocab_fields.h"
#include "otlp/vocabulary.h"

#define OBSERVATION "langfuse.observation."

static const struct xr_str PREFIX = XR_NAME("langfuse.");

/* Of several names the first present one counts. */
static const struct xr_names TYPE = {{XR_NAME(OBSERVATION "type"), XR_NAME("langfuse.type")}};
static const struct xr_names TOOL_NAME = {{XR_NAME(OBSERVATION "name")}};
static const struct xr_names INPUT = {{XR_NAME(OBSERVATION "input"), XR_NAME(OBSERVATION "input.value")}};
static const struct xr_names OUTPUT = {{XR_NAME(OBSERVATION "output"), XR_NAME(OBSERVATION "output.value")}};
static const struct xr_names PROVIDER = {{XR_NAME(OBSERVATION "provider")}};
static const struct xr_names MODEL = {{XR_NAME(OBSERVATION "model.name")}};
static const struct xr_names FIRST_TOKEN_AT = {{XR_NAME(OBSERVATION "completion_start_time")}};
/* The counts: members of one object, and (earlier) attributes of their own. */
static const struct xr_str USAGE_DETAILS = XR_NAME(OBSERVATION "usage_details");
static const struct xr_names INPUT_TOKENS = {{XR_NAME(OBSERVATION "usage_details.input")}};
static const struct xr_names OUTPUT_TOKENS = {{XR_NAME(OBSERVATION "usage_details.output")}};
static const struct xr_names TOTAL_TOKENS = {{XR_NAME(OBSERVATION "usage_details.total")}};

static bool recognises(const struct xr_span *span) {
    return xr_field_any(&span->attrs, PREFIX);
}

static enum xr_code read_tool_call(const struct xr_span *span, struct xr_arena *arena, struct xr_extract *call,
                                   struct xr_err *err) {
    call->tool_name = xr_field_string(&span->attrs, &TOOL_NAME);
    if (!call->tool_name.ptr)
        call->tool_name = span->name;
    if (call->tool_name.len == 0)
        return XR_OK;
    call->kind = XR_EXTRACT_TOOL_CALL;
    enum xr_code code = xr_field_json(&span->attrs, &INPUT, arena, &call->args_json, err);
    return code == XR_OK ? xr_field_json(&span->attrs, &OUTPUT, arena, &call->result_json, err) : code;
}

/* -1: absent or no count. The SDK writes integers beyond 2^53 as strings. */
static int64_t member_count(yyjson_val *object, struct xr_str key) {
    yyjson_val *value = xr_json_member(object, key);
    int64_t count = -1;
    if (yyjson_is_uint(value))
        return yyjson_get_uint(value) <= INT64_MAX ? (int64_t)yyjson_get_uint(value) : -1;
    if (yyjson_is_real(value))
        return xr_count_from(yyjson_get_real(value), &count) ? count : -1;
    if (yyjson_is_str(value))
        return xr_count_parse(xr_json_get_str(value), &count) ? count : -1;
    return -1;
}

/* *ret_found false: there is no object of counts. */
static enum xr_code read_usage_details(const struct xr_span *span, struct xr_extract *usage, bool *ret_found,
                                       struct xr_err *err) {
    XR_AUTO(xr_json_doc_freep) yyjson_doc *doc = NULL;
    const struct xr_attr *attr = xr_attr_find(&span->attrs, USAGE_DETAILS);
    *ret_found = false;
    if (!attr || (attr->kind != XR_ATTR_STRING && attr->kind != XR_ATTR_JSON))
        return XR_OK;
    if (attr->text.len > XR_OTLP_ARGS_MAX)
        return XR_OK;
    enum xr_code code = xr_json_parse(attr->text, XR_OTLP_ARGS_DEPTH_MAX, &doc, NULL);
    if (code == XR_NO_MEMORY)
        return xr_fail(err, code, NULL, "the usage details of a span need too much memory");
    yyjson_val *root = code == XR_OK ? yyjson_doc_get_root(doc) : NULL;
    if (!yyjson_is_obj(root))
        return XR_OK;
    usage->input_tokens = member_count(root, XR_STR("input"));
    usage->output_tokens = member_count(root, XR_STR("output"));
    usage->total_tokens = member_count(root, XR_STR("total"));
    *ret_found = true;
    return XR_OK;
}

static enum xr_code read_tokens(const struct xr_span *span, struct xr_extract *usage, struct xr_err *err) {
    bool found;
    enum xr_code code = read_usage_details(span, usage, &found, err);
    if (code != XR_OK)
        return code;
    if (!found) {
        usage->input_tokens = xr_field_count(&span->attrs, &INPUT_TOKENS);
        usage->output_tokens = xr_field_count(&span->attrs, &OUTPUT_TOKENS);
        usage->total_tokens = xr_field_count(&span->attrs, &TOTAL_TOKENS);
    }
    if (usage->total_tokens < 0)
        usage->total_tokens = xr_count_sum(usage->input_tokens, usage->output_tokens);
    return XR_OK;
}

/* From the span's start to its first token; -1: not known. */
static int64_t ttft_ms(const struct xr_span *span) {
    struct xr_str text = xr_field_string(&span->attrs, &FIRST_TOKEN_AT);
    int64_t first_token_ns, ttft_ns;
    if (text.len >= 2 && text.ptr[0] == '"' && text.ptr[text.len - 1] == '"')
        text = (struct xr_str){.ptr = text.ptr + 1, .len = text.len - 2};
    if (!text.ptr || span->started_ns <= 0 || xr_time_parse(text, &first_token_ns, NULL) != XR_OK ||
        __builtin_sub_overflow(first_token_ns, span->started_ns, &ttft_ns) || ttft_ns < 0)
        return -1;
    return xr_ns_to_ms(ttft_ns);
}

static enum xr_code read_model_usage(const struct xr_span *span, struct xr_extract *usage, struct xr_err *err) {
    usage->kind = XR_EXTRACT_MODEL_USAGE;
    usage->provider = xr_field_string(&span->attrs, &PROVIDER);
    usage->model = xr_field_string(&span->attrs, &MODEL);
    usage->ttft_ms = ttft_ms(span);
    return read_tokens(span, usage, err);
}

static enum xr_code extract(const struct xr_span *span, struct xr_arena *arena, struct xr_extract *ret_extract,
                            struct xr_err *err) {
    struct xr_str type = xr_field_string(&span->attrs, &TYPE);
    if (xr_str_eq(type, XR_STR("generation")))
        return read_model_usage(span, ret_extract, err);
    if (xr_str_eq(type, XR_STR("tool")))
        return read_tool_call(span, arena, ret_extract, err);
    return XR_OK;
}

const struct xr_vocabulary XR_VOCABULARY_LANGFUSE = {
    .name = "langfuse",
    .number = 2,
    .prefix = XR_NAME("langfuse."),
    .recognises = recognises,
    .extract = extract,
};
