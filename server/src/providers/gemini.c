// SPDX-License-Identifier: Apache-2.0
#include "providers/gemini.h"
#include "providers/one_line.h"

enum xr_code xr_gemini_path(const struct xr_stage_config *stage, struct xr_request *request, struct xr_err *err) {
    static const struct xr_str COLLECTION = XR_STR("models/");
    const char *model = stage->model;
    if (strncmp(model, COLLECTION.ptr, COLLECTION.len) == 0)
        model += COLLECTION.len;
    const char *segment = xr_path_segment(request->arena, model);
    const char *path = segment ? xr_arena_printf(request->arena, "/models/%s:generateContent", segment) : NULL;
    if (!path)
        return xr_fail(err, XR_NO_MEMORY, NULL, "out of memory");
    request->path = path;
    return XR_OK;
}

void xr_gemini_contents(struct xr_json *j) {
    xr_json_key(j, XR_STR("contents"));
    xr_json_array(j);
    xr_json_object(j);
    xr_json_kv_strz(j, "role", "user");
    xr_json_key(j, XR_STR("parts"));
    xr_json_array(j);
}

void xr_gemini_contents_end(struct xr_json *j) {
    xr_json_array_end(j);
    xr_json_object_end(j);
    xr_json_array_end(j);
}

static void read_usage(yyjson_val *root, struct xr_usage *usage) {
    yyjson_val *metadata = xr_answer_member(root, "usageMetadata");
    struct xr_usage thoughts = XR_USAGE_NONE;
    xr_answer_usage(metadata, "promptTokenCount", "candidatesTokenCount", usage);
    thoughts.output_tokens = xr_answer_count(metadata, "thoughtsTokenCount");
    xr_usage_add(usage, &thoughts);
}

static enum xr_code check_prompt(yyjson_val *root, struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    struct xr_str reason = xr_answer_str(xr_answer_member(root, "promptFeedback"), "blockReason");
    if (!reason.ptr)
        return XR_OK;
    return xr_fail(err, XR_REFUSED, NULL, "the prompt was blocked (blockReason %s)", xr_excerpt(reason, shown));
}

static enum xr_code check_finish(yyjson_val *candidate, struct xr_err *err) {
    char reason_shown[XR_EXCERPT_SIZE], message_shown[XR_EXCERPT_SIZE];
    struct xr_str reason = xr_answer_str(candidate, "finishReason");
    struct xr_str message = xr_answer_str(candidate, "finishMessage");
    if (!reason.ptr)
        return xr_fail(err, XR_REFUSED, NULL, "the answer has no finishReason");
    if (xr_str_eq(reason, XR_STR("STOP")))
        return XR_OK;
    return xr_fail(err, XR_REFUSED, NULL, "the answer ended with finishReason %s%s%s", xr_excerpt(reason, reason_shown),
                   message.len > 0 ? ": " : "", xr_excerpt(message, message_shown));
}

static enum xr_code read_parts(const struct xr_answer *answer, yyjson_val **ret_parts, struct xr_err *err) {
    enum xr_code code = check_prompt(answer->root, err);
    if (code != XR_OK)
        return code;
    yyjson_val *candidate = yyjson_arr_get_first(xr_answer_member(answer->root, "candidates"));
    if (!yyjson_is_obj(candidate))
        return xr_answer_lacks(answer, "candidates", err);
    code = check_finish(candidate, err);
    if (code != XR_OK)
        return code;
    yyjson_val *parts = xr_answer_member(xr_answer_member(candidate, "content"), "parts");
    *ret_parts = yyjson_is_arr(parts) ? parts : NULL;
    return XR_OK;
}

enum xr_code xr_gemini_read(const struct xr_response *response, struct xr_usage *usage, struct xr_answer *answer,
                            yyjson_val **ret_parts, struct xr_err *err) {
    enum xr_code code = xr_answer_parse(response, answer, err);
    if (code != XR_OK)
        return code;
    read_usage(answer->root, usage);
    code = read_parts(answer, ret_parts, err);
    if (code != XR_OK)
        xr_answer_clear(answer);
    return code;
}

enum xr_code xr_gemini_text(yyjson_val *parts, struct xr_str *ret_text, struct xr_err *err) {
    struct xr_str text = {0};
    size_t i, n;
    yyjson_val *part;
    yyjson_arr_foreach(parts, i, n, part) {
        struct xr_str more = xr_answer_str(part, "text");
        if (more.len > 0 && !yyjson_is_true(xr_answer_member(part, "thought")))
            xr_answer_join(&text, more);
    }
    if (text.len == 0)
        return xr_fail(err, XR_REFUSED, NULL, "the answer's text is empty");
    *ret_text = text;
    return XR_OK;
}
