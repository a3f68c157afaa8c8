// SPDX-License-Identifier: Apache-2.0
/* OpenTelemetry's GenAI conventions, as agents send them today and as they did before, and LiveKit Agents' tools and
 * model calls, which have names of their own beside them or (before 1.5) instead. */
#include "otlp/vocab_fields.h"
#include "otlp/vocabulary.h"

static const struct xr_str PREFIX = XR_NAME("gen_ai."), LIVEKIT_PREFIX = XR_NAME("lk.");

/* Of several names the first present one counts. */
static const struct xr_names OPERATION = {{XR_NAME("gen_ai.operation.name")}};
static const struct xr_names TOOL_NAME = {{XR_NAME("gen_ai.tool.name"), XR_NAME("lk.function_tool.name")}};
static const struct xr_names ARGUMENTS = {{XR_NAME("gen_ai.tool.call.arguments"), XR_NAME("gen_ai.tool.arguments"),
                                           XR_NAME("lk.pii.function_tool.arguments"),
                                           XR_NAME("lk.function_tool.arguments")}};
static const struct xr_names RESULT = {{XR_NAME("gen_ai.tool.call.result"), XR_NAME("gen_ai.tool.result"),
                                        XR_NAME("lk.pii.function_tool.output"), XR_NAME("lk.function_tool.output")}};
static const struct xr_names PROVIDER = {{XR_NAME("gen_ai.provider.name"), XR_NAME("gen_ai.system")}};
static const struct xr_names MODEL = {{XR_NAME("gen_ai.response.model"), XR_NAME("gen_ai.request.model")}};
static const struct xr_names INPUT_TOKENS = {{XR_NAME("gen_ai.usage.input_tokens")}};
static const struct xr_names OUTPUT_TOKENS = {{XR_NAME("gen_ai.usage.output_tokens")}};
static const struct xr_names TTFT = {{XR_NAME("gen_ai.response.time_to_first_chunk"), XR_NAME("lk.response.ttft")}};

/* A span's name that begins so is a GenAI span's without any attribute. */
static const struct xr_str NAME_PREFIXES[] = {XR_NAME("chat"), XR_NAME("text_completion"), XR_NAME("execute_tool")};
static const struct xr_str TOOL_SPAN_PREFIX = XR_NAME("execute_tool ");

/* What operations lead to; the others are kept as raw spans. */
static const struct {
    struct xr_str operation;
    enum xr_extract_kind kind;
} OPERATIONS[] = {
    {XR_NAME("execute_tool"), XR_EXTRACT_TOOL_CALL},
    {XR_NAME("chat"), XR_EXTRACT_MODEL_USAGE},
    {XR_NAME("text_completion"), XR_EXTRACT_MODEL_USAGE},
    {XR_NAME("generate_content"), XR_EXTRACT_MODEL_USAGE},
};

/* LiveKit Agents' spans that have no operation before 1.5. */
static const struct {
    struct xr_str name, operation;
} LIVEKIT_SPANS[] = {
    {XR_NAME("function_tool"), XR_NAME("execute_tool")},
    {XR_NAME("llm_request"), XR_NAME("chat")},
};

/* ptr NULL: not one of them. */
static struct xr_str livekit_operation(struct xr_str name) {
    for (size_t i = 0; i < sizeof LIVEKIT_SPANS / sizeof *LIVEKIT_SPANS; i++)
        if (xr_str_eq(name, LIVEKIT_SPANS[i].name))
            return LIVEKIT_SPANS[i].operation;
    return (struct xr_str){0};
}

static bool recognises(const struct xr_span *span) {
    for (size_t i = 0; i < sizeof NAME_PREFIXES / sizeof *NAME_PREFIXES; i++)
        if (xr_field_begins(span->name, NAME_PREFIXES[i]))
            return true;
    return xr_field_any(&span->attrs, PREFIX) ||
           (livekit_operation(span->name).ptr && xr_field_any(&span->attrs, LIVEKIT_PREFIX));
}

static struct xr_str first_word(struct xr_str s) {
    const char *space = s.len ? memchr(s.ptr, ' ', s.len) : NULL;
    return (struct xr_str){.ptr = s.ptr, .len = space ? (size_t)(space - s.ptr) : s.len};
}

static enum xr_extract_kind kind_of(const struct xr_span *span) {
    struct xr_str operation = xr_field_string(&span->attrs, &OPERATION);
    if (!operation.ptr)
        operation = livekit_operation(span->name);
    if (!operation.ptr)
        operation = first_word(span->name);
    for (size_t i = 0; i < sizeof OPERATIONS / sizeof *OPERATIONS; i++)
        if (xr_str_eq(operation, OPERATIONS[i].operation))
            return OPERATIONS[i].kind;
    return XR_EXTRACT_NONE;
}

/* "execute_tool get_weather" is get_weather; "execute_tool" alone names no tool. */
static struct xr_str tool_of_span_name(struct xr_str name) {
    const struct xr_str prefix = TOOL_SPAN_PREFIX;
    if (xr_field_begins(name, prefix))
        return (struct xr_str){.ptr = name.ptr + prefix.len, .len = name.len - prefix.len};
    return xr_str_eq(name, first_word(prefix)) ? XR_STR("") : name;
}

static enum xr_code read_tool_call(const struct xr_span *span, struct xr_arena *arena, struct xr_extract *call,
                                   struct xr_err *err) {
    call->tool_name = xr_field_string(&span->attrs, &TOOL_NAME);
    if (!call->tool_name.ptr)
        call->tool_name = tool_of_span_name(span->name);
    if (call->tool_name.len == 0)
        return XR_OK;
    call->kind = XR_EXTRACT_TOOL_CALL;
    enum xr_code code = xr_field_json(&span->attrs, &ARGUMENTS, arena, &call->args_json, err);
    return code == XR_OK ? xr_field_json(&span->attrs, &RESULT, arena, &call->result_json, err) : code;
}

static void read_model_usage(const struct xr_span *span, struct xr_extract *usage) {
    usage->kind = XR_EXTRACT_MODEL_USAGE;
    usage->provider = xr_field_string(&span->attrs, &PROVIDER);
    usage->model = xr_field_string(&span->attrs, &MODEL);
    usage->input_tokens = xr_field_count(&span->attrs, &INPUT_TOKENS);
    usage->output_tokens = xr_field_count(&span->attrs, &OUTPUT_TOKENS);
    usage->total_tokens = xr_count_sum(usage->input_tokens, usage->output_tokens);
    usage->ttft_ms = xr_field_seconds(&span->attrs, &TTFT);
}

static enum xr_code extract(const struct xr_span *span, struct xr_arena *arena, struct xr_extract *ret_extract,
                            struct xr_err *err) {
    switch (kind_of(span)) {
    case XR_EXTRACT_TOOL_CALL:
        return read_tool_call(span, arena, ret_extract, err);
    case XR_EXTRACT_MODEL_USAGE:
        read_model_usage(span, ret_extract);
        return XR_OK;
    default:
        return XR_OK;
    }
}

const struct xr_vocabulary XR_VOCABULARY_GEN_AI = {
    .name = "gen_ai",
    .number = 1,
    .prefix = XR_NAME("gen_ai."),
    .recognises = recognises,
    .extract = extract,
};
