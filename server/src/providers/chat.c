// SPDX-License-Identifier: Apache-2.0
#include "providers/chat.h"
#include "providers/answer.h"
#include "providers/judge_answer.h"
#include "providers/judge_prompt.h"
#include "providers/one_line.h"

/* --- the request --- */

static void write_system(struct xr_json *j) {
    xr_json_object(j);
    xr_json_kv_strz(j, "role", "system");
    xr_json_kv_str(j, "content", XR_JUDGE_SYSTEM);
    xr_json_object_end(j);
}

static void write_user(struct xr_json *j, const struct xr_judge_call *call) {
    xr_json_object(j);
    xr_json_kv_strz(j, "role", "user");
    xr_json_key(j, XR_STR("content"));
    xr_judge_user_json(call, j);
    xr_json_object_end(j);
}

enum xr_code xr_chat_build(const struct xr_stage_config *stage, struct xr_call *base, struct xr_request *request,
                           struct xr_err *err) {
    struct xr_judge_call *call = (struct xr_judge_call *)base;
    struct xr_json j = xr_json_make(&request->body, XR_JSON_RESPONSE);
    request->path = "/chat/completions";
    xr_json_object(&j);
    xr_json_kv_strz(&j, "model", stage->model);
    xr_json_key(&j, XR_STR("messages"));
    xr_json_array(&j);
    write_system(&j);
    write_user(&j, call);
    xr_json_array_end(&j);
    xr_json_kv_int(&j, "temperature", 0);
    xr_json_kv_raw(&j, "response_format", XR_STR("{\"type\":\"json_object\"}"));
    xr_json_object_end(&j);
    enum xr_code code = xr_request_built(request, err);
    if (code == XR_OK)
        call->prompt_version = XR_JUDGE_PROMPT_VERSION;
    return code;
}

/* --- the response --- */

static enum xr_code check_finish(yyjson_val *choice, struct xr_err *err) {
    static const struct {
        const char *reason, *what;
    } BAD[] = {
        {"length", "cut off"},
        {"model_length", "cut off"}, /* Mistral's: the model's own limit */
        {"content_filter", "withheld"},
        {"error", "broken off"}, /* Mistral's */
    };
    struct xr_str reason = xr_answer_str(choice, "finish_reason");
    for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
        if (xr_str_eq(reason, xr_str_from(BAD[i].reason)))
            return xr_fail(err, XR_REFUSED, NULL, "the answer was %s (finish_reason %s)", BAD[i].what, BAD[i].reason);
    return XR_OK;
}

static struct xr_str join_chunks(yyjson_val *chunks) {
    struct xr_str text = {0};
    size_t i, n;
    yyjson_val *chunk;
    yyjson_arr_foreach(chunks, i, n, chunk) {
        struct xr_str more = xr_answer_str(chunk, "text");
        if (more.ptr && xr_str_eq(xr_answer_str(chunk, "type"), XR_STR("text")))
            xr_answer_join(&text, more);
    }
    return text;
}

static enum xr_code read_content(const struct xr_answer *answer, yyjson_val *message, struct xr_str *ret_text,
                                 struct xr_err *err) {
    yyjson_val *content = xr_answer_member(message, "content");
    struct xr_str text = yyjson_is_str(content) ? xr_json_get_str(content) : join_chunks(content);
    if (!text.ptr)
        return xr_answer_lacks(
            answer, yyjson_is_arr(content) ? "text in choices[0].message.content" : "choices[0].message.content", err);
    *ret_text = text;
    return XR_OK;
}

static enum xr_code read_text(const struct xr_answer *answer, struct xr_str *ret_text, struct xr_err *err) {
    char shown[XR_EXCERPT_SIZE];
    yyjson_val *choice = yyjson_arr_get_first(xr_answer_member(answer->root, "choices"));
    yyjson_val *message = xr_answer_member(choice, "message");
    if (!yyjson_is_obj(choice))
        return xr_answer_lacks(answer, "choices", err);
    struct xr_str refusal = xr_answer_str(message, "refusal");
    if (refusal.len > 0)
        return xr_fail(err, XR_REFUSED, NULL, "the judge refused: %s", xr_excerpt(refusal, shown));
    enum xr_code code = check_finish(choice, err);
    return code == XR_OK ? read_content(answer, message, ret_text, err) : code;
}

enum xr_code xr_chat_read(const struct xr_stage_config *stage, struct xr_call *base, const struct xr_response *response,
                          struct xr_err *err) {
    (void)stage;
    XR_AUTO(xr_answer_clear) struct xr_answer answer = {0};
    struct xr_str text = {0};
    enum xr_code code = xr_answer_parse(response, &answer, err);
    if (code != XR_OK)
        return code;
    xr_answer_usage(xr_answer_member(answer.root, "usage"), "prompt_tokens", "completion_tokens", &base->usage);
    code = read_text(&answer, &text, err);
    return code == XR_OK ? xr_judge_answer(text, (struct xr_judge_call *)base, err) : code;
}
