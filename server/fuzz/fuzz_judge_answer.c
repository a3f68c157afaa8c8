// SPDX-License-Identifier: Apache-2.0
/* providers/judge_answer, and a whole response through a judge's adapter. The first byte says which: 'o' OpenAI, 'm'
 * Mistral, 'g' Google, anything else the model's text alone. What comes out is a score in range with a reason that
 * fits, or a message that can be shown; and nothing else is changed. And a text that is an answer stays one, or not, by
 * what comes behind it. */
#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "providers/adapter.h"
#include "providers/judge_answer.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNTOUCHED = -7 };

static void check(bool holds) {
    if (!holds)
        abort();
}

static const struct xr_adapter *adapter_of(uint8_t selector) {
    switch (selector) {
    case 'o':
        return &XR_JUDGE_OPENAI;
    case 'm':
        return &XR_JUDGE_MISTRAL;
    case 'g':
        return &XR_JUDGE_GOOGLE;
    default:
        return NULL;
    }
}

static void check_result(const struct xr_judge_call *call, enum xr_code code, const struct xr_err *err) {
    if (code == XR_OK) {
        check(call->score >= 0 && call->score <= 100);
        check(call->reason.len <= XR_JUDGE_REASON_MAX && xr_utf8_valid(call->reason));
        return;
    }
    check(code == XR_REFUSED && err->code == code && err->message[0] != '\0');
    check(call->score == UNTOUCHED && !call->reason.ptr);
    check(xr_utf8_valid(xr_str_from(err->message)));
    for (const char *c = err->message; *c; c++)
        check((unsigned char)*c >= 0x20 && *c != 0x7f);
}

/* What text says with a score behind it, which stands between head and tail. */
static enum xr_code read_longer(struct xr_str text, const char *head, int64_t score, const char *tail,
                                struct xr_judge_call *call) {
    enum { BEHIND_MAX = 64 };
    char *longer = malloc(text.len + BEHIND_MAX);
    check(longer != NULL);
    memcpy(longer, text.ptr, text.len);
    int behind = snprintf(longer + text.len, BEHIND_MAX, "%s%d%s", head, (int)score, tail);
    check(behind > 0 && behind < BEHIND_MAX);
    struct xr_err err = {0};
    *call = (struct xr_judge_call){.arena = call->arena, .score = UNTOUCHED};
    enum xr_code code = xr_judge_answer((struct xr_str){.ptr = longer, .len = text.len + (size_t)behind}, call, &err);
    check_result(call, code, &err);
    free(longer);
    return code;
}

/* text: an answer with this score. */
static void check_longer(struct xr_str text, int64_t score) {
    struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct xr_judge_call call = {.arena = arena};
    int64_t other = 100 - score + (score == 50);
    check(arena != NULL);
    check(read_longer(text, "\n{\"score\":", score, "}", &call) == XR_OK && call.score == score && !call.reason.ptr);
    check(read_longer(text, "\n{\"score\":", other, "}", &call) == XR_REFUSED);
    check(read_longer(text, "\n{\"score\":[", score, "]}", &call) == XR_REFUSED);
    check(read_longer(text, "\n{\"score\":", score, "", &call) == XR_REFUSED);
    check(read_longer(text, "\n<think>{\"score\":", score, "}", &call) == XR_REFUSED);
    check(read_longer(text, "\n[/THINK]{\"score\":", other, "}", &call) == XR_OK && call.score == other);
    check(read_longer(text, "\n[THINK]{\"score\":", score, "}[/THINK]", &call) == XR_REFUSED);
    xr_arena_free(arena);
}

static enum xr_code read_text(const uint8_t *data, size_t size, struct xr_judge_call *call, struct xr_err *err) {
    struct xr_str text = {.ptr = (const char *)data, .len = size};
    if (!xr_utf8_valid(text))
        return xr_fail(err, XR_REFUSED, NULL, "not UTF-8: no response brings such text");
    enum xr_code code = xr_judge_answer(text, call, err);
    if (code == XR_OK && size < XR_JUDGE_ANSWER_MAX / 2)
        check_longer(text, call->score);
    return code;
}

static enum xr_code read_response(const struct xr_adapter *adapter, const uint8_t *data, size_t size,
                                  struct xr_judge_call *call, struct xr_err *err) {
    const struct xr_stage_config stage = {.model = "model"};
    struct xr_response response = {
        .body = malloc(size + XR_JSON_PADDING), .len = size, .content_type = XR_STR("text/plain")};
    check(response.body != NULL);
    memcpy(response.body, data, size);
    memset(response.body + size, 0, XR_JSON_PADDING);
    enum xr_code code = adapter->read(&stage, &call->call, &response, err);
    free(response.body); /* before the results are looked at: they must not point into it */
    check(call->call.usage.input_tokens >= -1 && call->call.usage.output_tokens >= -1);
    return code;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    struct xr_err err = {0};
    if (size == 0)
        return 0;
    struct xr_arena *arena = xr_arena_new(XR_CALL_ARENA_MAX);
    struct xr_judge_call call = {.arena = arena, .score = UNTOUCHED};
    const struct xr_adapter *adapter = adapter_of(data[0]);
    call.call.usage = XR_USAGE_NONE;
    check(arena != NULL);
    enum xr_code code =
        adapter ? read_response(adapter, data + 1, size - 1, &call, &err) : read_text(data + 1, size - 1, &call, &err);
    check_result(&call, code, &err);
    xr_arena_free(arena);
    return 0;
}
